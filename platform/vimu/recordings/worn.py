"""Several sensors, each with its own rows, put together into one recording in our world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from vimu.contracts import Frame, Gravity, ImuRecording, Reason, Rejection
from vimu.recordings.scale import MAX_NUMBER
from vimu.recordings.timeline import fill_gaps, on_timeline, timeline_frames, usable_span

ROTATION_TOLERANCE = 0.01
"""Of R R^T from the identity, any entry; the three formats keep six decimals."""
MAX_TEXT_BYTES = 64 * 2**20
"""Of one sensor's text file: hours."""
MIN_DURATION_S = 1.0

TO_OUR_WORLD = {"+y": np.eye(3), "+z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])}
"""Turns the file's world into ours, +Y up, by the file's vertical axis."""


@dataclass(frozen=True)
class Worn:
    """What a reader must know of the sensors that no file says."""

    placements: Mapping[str, str]
    """The file's id or index -> placement."""
    rate_hz: float
    up: str
    """`+y` or `+z`: the vertical axis of the file's world."""
    max_gap_s: float


@dataclass(frozen=True)
class SensorRows:
    """What one sensor's file holds."""

    times: Float[np.ndarray, " rows"]
    """s, increasing, on the clock that all sensors share."""
    acc: Float[np.ndarray, "rows 3"]
    """m/s^2."""
    ori: Float[np.ndarray, "rows 3 3"]
    """Sensor to the file's world."""


def together(path: Path, rows: Mapping[str, SensorRows], worn: Worn, *, frame: Frame, gravity: Gravity) -> ImuRecording:
    """All sensors on one timeline, over the time that all cover; missing samples filled, and counted in `notes`.

    Args:
        path: named in a rejection.
        rows: by placement.
        frame, gravity: of the rows' `acc`; `world` is the file's, and becomes ours.

    Raises:
        Rejection: `gap`, `too_short`, `non_finite`, `not_a_rotation`.
    """
    for name, sensor in rows.items():
        _check(path, name, sensor, 1 / worn.rate_hz)
    span = usable_span(
        str(path), {name: sensor.times for name, sensor in rows.items()},
        max_gap_s=worn.max_gap_s, edge_s=0.0, min_duration_s=MIN_DURATION_S,
    )  # fmt: skip
    turn = TO_OUR_WORLD[worn.up]
    grid = np.minimum(span[0] + np.arange(timeline_frames(span, worn.rate_hz)) / worn.rate_hz, span[1])
    acc, ori, notes = [], [], []
    for name, sensor in rows.items():
        times, values = fill_gaps(sensor.times, sensor.acc, worn.rate_hz)
        inside = (times >= span[0]) & (times <= span[1])
        n_filled = int(np.isin(times[inside], sensor.times, invert=True).sum())
        if n_filled:
            notes.append(f"filled: {n_filled} of {int(inside.sum())} samples of {name}")
        even = on_timeline(times, values, from_hz=worn.rate_hz, to_hz=worn.rate_hz, span=span)
        acc.append(even @ turn.T if frame == "world" else even)
        ori.append(turn @ Slerp(sensor.times, Rotation.from_matrix(sensor.ori))(grid).as_matrix())
    return ImuRecording(
        acc=np.stack(acc, axis=1).astype(np.float32), gyr=None, ori=np.stack(ori, axis=1).astype(np.float32),
        rate_hz=worn.rate_hz, sensors=tuple(rows), frame=frame, gravity=gravity, notes=tuple(notes),
    )  # fmt: skip


def _check(path: Path, name: str, sensor: SensorRows, period_s: float) -> None:
    if len(sensor.times) < 4:
        raise Rejection(str(path), Reason.TOO_SHORT, f"has {len(sensor.times)} samples of {name}")
    if not (np.diff(sensor.times) > period_s / 2).all():
        raise Rejection(str(path), Reason.UNREADABLE, f"the counter of {name} steps back or stands still")
    for what, values in (("time", sensor.times), ("acceleration", sensor.acc), ("orientation", sensor.ori)):
        if not (np.abs(values) < MAX_NUMBER).all():
            raise Rejection(
                str(path), Reason.NON_FINITE, f"{what} of {name} is not finite, or none that a sensor gives"
            )
    off = np.abs(sensor.ori @ np.swapaxes(sensor.ori, -1, -2) - np.eye(3)).max(axis=(-1, -2))
    bad = (off > ROTATION_TOLERANCE) | (np.linalg.det(sensor.ori) < 0)
    if bad.any():
        detail = f"{int(bad.sum())} of {len(bad)} orientations of {name} are no rotations; first at row {bad.argmax()}"
        raise Rejection(str(path), Reason.NOT_A_ROTATION, detail)


def sensor_file(folder: Path, pattern: str, placement: str) -> Path:
    """The one file of `folder` that matches. Raises Rejection `missing_sensor` where it is not exactly one."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        detail = f"must hold one file `{pattern}` of {placement}, but holds {len(found)}"
        raise Rejection(str(folder), Reason.MISSING_SENSOR, detail)
    return found[0]


def read_columns(
    path: Path, columns: Sequence[str], *, delimiter: str
) -> tuple[list[str], Float[np.ndarray, "rows columns"]]:
    """The lines before a text table's header, and its `columns`; a row with an empty one of them is a lost packet.

    The header is the first line that begins with the first of `columns`.

    Raises:
        Rejection: `oversized`, `unreadable` (no such header or column, or a value that is no number, by its line).
    """
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise Rejection(str(path), Reason.OVERSIZED, f"more than {MAX_TEXT_BYTES:,} bytes")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    at = next((i for i, line in enumerate(lines) if line.startswith(columns[0])), None)
    if at is None:
        raise Rejection(str(path), Reason.UNREADABLE, f"has no header line that begins with `{columns[0]}`")
    header = [name.strip() for name in lines[at].split(delimiter)]
    lacking = [name for name in columns if name not in header]
    if lacking:
        raise Rejection(str(path), Reason.UNREADABLE, f"has no column {', '.join(lacking)}")
    index = [header.index(name) for name in columns]
    rows: list[list[float]] = []
    for number, line in enumerate(lines[at + 1 :], start=at + 2):
        fields = line.split(delimiter)
        if not line.strip():
            continue
        try:
            texts = [fields[i].strip() for i in index]
            if all(texts):
                rows.append([float(text) for text in texts])
        except (IndexError, ValueError) as error:
            raise Rejection(str(path), Reason.UNREADABLE, f"line {number}: {error}") from error
    return lines[:at], np.array(rows, dtype=np.float64).reshape(-1, len(columns))


def check_rate(path: Path, preamble: Sequence[str], key: str, rate_hz: float) -> None:
    """Refuse a file whose lines before the header say another rate. Raises Rejection `unknown_rate`."""
    line = next((line for line in preamble if key in line), "")
    digits = "".join(c for c in line.partition(key)[2] if c in "0123456789.")
    if digits.strip(".") == "" or digits.count(".") > 1 or float(digits) != rate_hz:
        said = line.strip() or "nothing"
        raise Rejection(str(path), Reason.UNKNOWN_RATE, f"`{key}` must say {rate_hz:g} Hz, but it says: {said}")
