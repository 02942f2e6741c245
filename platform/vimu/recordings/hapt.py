"""HAPT: a phone at the waist, two text files an experiment, trials as labelled stretches of them.

`acc_expXX_userYY.txt` (g, gravity included) and `gyro_expXX_userYY.txt` (rad/s) hold a line of three numbers a sample,
at an even 50 Hz and without times: a sample's line is its time.

Source: README of HAPT v2.1 (Reyes-Ortiz et al., Neurocomputing 171, 2016).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.config import RecordingConfig
from vimu.recordings.scale import check_scale
from vimu.recordings.timeline import fill_gaps, on_timeline, usable_span

MAX_BYTES = 64 * 2**20
"""An experiment of seven minutes has 1.2 MB."""


def gyro_path(path: Path) -> Path:
    """Where the angular velocity to a file of accelerations is."""
    return path.with_name(path.name.replace("acc_", "gyro_", 1))


def read(
    path: Path, config: RecordingConfig, *, sensors: tuple[str, ...], rate_hz: float, span: tuple[int, int]
) -> ImuRecording:
    """Samples `span` (first and last, counted from 1) of an experiment, in the phone's axes, gravity included.

    See `vimu.recordings.trials.read_trial`.
    """
    sensor = config.sensors[config.sensor_ids(sensors)[0]]
    lines = {"acc": _lines(path), "gyr": _lines(gyro_path(path))}
    n_acc, n_gyr = len(lines["acc"]), len(lines["gyr"])
    if n_acc != n_gyr:
        detail = f"must have as many samples as its gyroscope file, but has {n_acc:,} and {n_gyr:,}"
        raise Rejection(str(path), Reason.BAD_SHAPE, detail)
    if span[1] > n_acc:
        detail = f"is labelled from sample {span[0]:,} to {span[1]:,}, but has only {n_acc:,}"
        raise Rejection(str(path), Reason.BAD_SHAPE, detail)

    units = {"acc": config.acc_unit_m_s2, "gyr": config.gyr_unit_rad_s}
    name = {kind: f"{sensor.placement} {kind}" for kind in units}
    values = {kind: _numbers(lines[kind][span[0] - 1 : span[1]]) * unit for kind, unit in units.items()}
    times = np.arange(span[1] - span[0] + 1) / sensor.rate_hz
    present: dict[str, Bool[np.ndarray, " samples"]] = {
        kind: np.asarray(np.isfinite(x).all(axis=1)) for kind, x in values.items()
    }
    for kind, here in present.items():
        n_lost = int((~here).sum())
        if n_lost > config.max_lost_share * len(here) or here.sum() < 2:
            detail = f"{n_lost:,} of {len(here):,} lines of {name[kind]} are no three numbers"
            raise Rejection(str(path), Reason.UNREADABLE, detail)
    check_scale(str(path), name["acc"], values["acc"][present["acc"]])
    start, end = usable_span(
        str(path), {name[kind]: times[here] for kind, here in present.items()},
        max_gap_s=config.max_gap_s, edge_s=config.edge_s, min_duration_s=config.min_duration_s,
    )  # fmt: skip

    notes: list[str] = []
    even: dict[str, Float[np.ndarray, "frames 1 3"]] = {}
    for kind, here in present.items():
        filled_at, filled = fill_gaps(times[here], values[kind][here], sensor.rate_hz)
        n_filled = len(filled_at) - int(here.sum())
        if n_filled:
            notes.append(f"filled: {n_filled} samples of {name[kind]}")
        signal = on_timeline(filled_at, filled, from_hz=sensor.rate_hz, to_hz=rate_hz, span=(start, end))
        even[kind] = signal[:, None].astype(np.float32)
    return ImuRecording(
        acc=even["acc"], gyr=even["gyr"], ori=None, rate_hz=rate_hz, sensors=sensors,
        frame="sensor", gravity="included", notes=tuple(notes),
    )  # fmt: skip


def _lines(path: Path) -> list[bytes]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise Rejection(str(path), Reason.OVERSIZED, f"{size:,} bytes, the limit is {MAX_BYTES:,}")
        return path.read_bytes().rstrip().splitlines()  # a blank line at the end is no sample, one before it is
    except FileNotFoundError as error:
        raise Rejection(str(path), Reason.MISSING_SENSOR, f"there is no `{path.name}`") from error
    except OSError as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error


def _numbers(lines: list[bytes]) -> Float[np.ndarray, "samples 3"]:
    """Three numbers a line; NaN for a line that is none."""
    rows = [line.split() for line in lines]
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), 3)
    except ValueError:
        return np.array([_row(row) for row in rows])


def _row(words: list[bytes]) -> tuple[float, float, float]:
    try:
        x, y, z = (float(word) for word in words)
    except ValueError:
        return (np.nan, np.nan, np.nan)
    return (x, y, z)
