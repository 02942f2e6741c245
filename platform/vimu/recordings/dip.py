"""DIP-IMU trials -> recordings: 17 sensors with world acceleration and orientation.

A pickle holds `imu_acc (T,17,3)` m/s^2 without gravity, `imu_ori (T,17,3,3)` sensor to world and, in part of the
distribution, `gt (T,72)`; the world is SMPL's, +Y up. NaN frames are radio losses.

Source: Huang et al., Deep Inertial Poser, ACM TOG 37(6), 2018; github.com/eth-ait/dip18.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation, Slerp

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.config import RecordingConfig
from vimu.recordings.scale import MAX_NUMBER
from vimu.recordings.sensor_order import exchanged_sensors
from vimu.recordings.timeline import fill_gaps, usable_span
from vimu.resampling import resample_rotations, resample_vectors
from vimu.runtime.safe_load import load_pickle

KEYS = ("imu_acc", "imu_ori", "gt")
ROTATION_TOLERANCE = 0.02
"""Of R R^T from the identity, any entry: orientations kept with two decimals still pass."""
UP = 1
"""Index of the vertical axis."""
GRAVITY_LEFT_M_S2 = 5.0
"""Mean vertical acceleration above which gravity must be included: a person's own mean is near 0."""
IN_G_TOLERANCE, IN_G_MIN_S = 0.05, 10.0
"""A mean this close to 1 over this time is gravity in units of g: tilt errors leave the vertical mean near 0."""


def read(path: Path, config: RecordingConfig, *, sensors: tuple[str, ...], rate_hz: float) -> ImuRecording:
    """One trial, in the world frame, gravity removed, without gyroscope. See `vimu.recordings.trials.read_trial`."""
    ids = config.sensor_ids(sensors)
    from_hz = config.sensors[ids[0]].rate_hz
    data = load_pickle(path, KEYS)
    n_sensors = len(config.sensors)
    acc_all = _array(path, data, "imu_acc", (n_sensors, 3))
    ori_all = _array(path, data, "imu_ori", (n_sensors, 3, 3))
    lengths = {"imu_acc": len(acc_all), "imu_ori": len(ori_all)}
    poses = _array(path, data, "gt", (72,)) if "gt" in data else None
    if poses is not None:
        lengths["gt"] = len(poses)
    if len(set(lengths.values())) != 1:
        counts = ", ".join(f"{n:,} in `{key}`" for key, n in lengths.items())
        raise Rejection(str(path), Reason.BAD_SHAPE, f"its arrays must have as many frames each, but have {counts}")
    if len(acc_all) < 2:
        raise Rejection(str(path), Reason.TOO_SHORT, f"has {len(acc_all)} frames")
    if poses is not None:
        _check_order(path, config, ori_all, poses)

    acc, ori = acc_all[:, ids] * config.acc_unit_m_s2, ori_all[:, ids]
    present = np.isfinite(acc).all(axis=-1) & np.isfinite(ori).all(axis=(-1, -2))
    for s, name in enumerate(sensors):
        if present[:, s].sum() < 2:
            raise Rejection(str(path), Reason.MISSING_SENSOR, f"has {int(present[:, s].sum())} frames of {name}")
        if not (np.abs(acc[present[:, s], s]) < MAX_NUMBER).all():
            raise Rejection(str(path), Reason.NON_FINITE, f"`imu_acc` of {name} has values that no sensor gives")
        _check_rotations(path, name, ori[:, s], present[:, s])
    _check_unit(path, acc[present], len(acc) / from_hz)

    times = np.arange(len(acc)) / from_hz
    start, end = usable_span(
        str(path), {name: times[present[:, s]] for s, name in enumerate(sensors)},
        max_gap_s=config.max_gap_s, edge_s=config.edge_s, min_duration_s=config.min_duration_s,
    )  # fmt: skip
    kept = slice(round(start * from_hz), round(end * from_hz) + 1)
    acc, ori, present, times = acc[kept], ori[kept], present[kept], times[kept]
    notes = [f"cut: {len(acc_all) - len(acc)} frames at the ends, where a sensor is silent"] * (len(acc) < len(acc_all))
    for s, name in enumerate(sensors):
        here = present[:, s]
        if not here.all():
            notes.append(f"filled: {int((~here).sum())} frames of {name}")
            acc[:, s] = fill_gaps(times[here], acc[here, s], from_hz)[1]
            ori[:, s] = Slerp(times[here], Rotation.from_matrix(ori[here, s]))(times).as_matrix()
    return ImuRecording(
        acc=resample_vectors(acc, from_hz, rate_hz).astype(np.float32), gyr=None,
        ori=resample_rotations(ori, from_hz, rate_hz).astype(np.float32),
        rate_hz=rate_hz, sensors=sensors, frame="world", gravity="removed", notes=tuple(notes),
    )  # fmt: skip


def _array(path: Path, data: dict[str, Any], key: str, shape: tuple[int, ...]) -> Float[np.ndarray, "frames ..."]:
    if key not in data:
        raise Rejection(str(path), Reason.UNREADABLE, f"has no `{key}`")
    if (
        not isinstance(data[key], np.ndarray) or data[key].dtype.kind not in "fiu"
    ):  # lists within lists grow without end
        raise Rejection(str(path), Reason.UNREADABLE, f"`{key}` is no array of numbers")
    array = np.array(data[key], dtype=np.float64)
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        wanted = ", ".join(["frames", *map(str, shape)])
        raise Rejection(str(path), Reason.BAD_SHAPE, f"`{key}` must be of shape ({wanted}), but is {array.shape}")
    return array


def _check_rotations(
    path: Path, name: str, ori: Float[np.ndarray, "frames 3 3"], present: Bool[np.ndarray, " frames"]
) -> None:
    frames: Int[np.ndarray, " present"] = np.flatnonzero(present)
    r = ori[frames]
    off = np.abs(r @ np.swapaxes(r, -1, -2) - np.eye(3)).max(axis=(-1, -2))
    det = np.linalg.det(r)
    bad = ~(off <= ROTATION_TOLERANCE) | (det < 0)  # numbers too large to be squared are none of both
    if bad.any():
        i = int(bad.argmax())
        hint = "mirrored axes (a left-handed frame)?" if off[i] <= ROTATION_TOLERANCE else "another representation?"
        detail = (
            f"`imu_ori` of {name} must hold rotation matrices, but {int(bad.sum())} of {len(bad)} do not: at frame "
            f"{frames[i]} R R^T is off the identity by {off[i]:.2g} and det R is {det[i]:.2f}; {hint}"
        )
        raise Rejection(str(path), Reason.NOT_A_ROTATION, detail)


def _check_order(
    path: Path,
    config: RecordingConfig,
    ori: Float[np.ndarray, "frames sensors 3 3"],
    poses: Float[np.ndarray, "frames 72"],
) -> None:
    """Refuse a file whose sensors turn with one another's segments. Sensors without a `joint` are not judged."""
    known = {i: sensor.joint for i, sensor in sorted(config.sensors.items()) if sensor.joint is not None}
    exchanges = exchanged_sensors(ori[:, list(known)], poses, list(known.values()))
    if exchanges:
        names = [config.sensors[i].placement for i in known]
        found = "; ".join(
            f"{', '.join(names[s] for s in e.sensors)} are {e.stated_deg:.0f} degrees off their own segments, "
            f"and {e.exchanged_deg:.0f} off one another's"
            for e in exchanges
        )
        raise Rejection(str(path), Reason.IMPLAUSIBLE, f"its sensors stand in another order, by `gt`: {found}")


def _check_unit(path: Path, acc: Float[np.ndarray, "samples 3"], duration_s: float) -> None:
    """Refuse what surely is no m/s^2 without gravity. Gravity-free values in g look like a person at rest: not told."""
    mean = acc.mean(axis=0)
    vertical, horizontal = float(mean[UP]), float(np.linalg.norm(np.delete(mean, UP)))
    if abs(vertical) > GRAVITY_LEFT_M_S2:
        hint = "gravity seems to be included"
    elif max(abs(abs(vertical) - 1), horizontal) < IN_G_TOLERANCE and duration_s >= IN_G_MIN_S:
        hint = "it seems to be in g, gravity included"
    else:
        return
    detail = f"`imu_acc` must be in m/s^2 without gravity, but its vertical mean is {vertical:.2f}: {hint}"
    raise Rejection(str(path), Reason.UNREADABLE, detail)
