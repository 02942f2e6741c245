"""UMAFall trials -> recordings: each sensor's rows at their sampling times, all sensors on one timeline."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from vimu.contracts import STANDARD_GRAVITY, ImuRecording, Reason, Rejection
from vimu.recordings.channels import Channel, Kind, even_recording
from vimu.recordings.config import RecordingConfig
from vimu.recordings.scale import check_scale
from vimu.recordings.timeline import sample_times
from vimu.recordings.umafall_rows import Rows, read_rows

CODES: Mapping[Kind, int] = {"acc": 0, "gyr": 1}
"""Of `Sensor_Type`; 2, the magnetometer, is not read."""
COARSE_RUN = 4
"""Rows in a row without fine steps that end a stretch of fine ones: inside it, one in 64 is coarse by chance."""
QUARTERED_MEDIAN_G = 0.6
"""Median |acc| below which a stretch of fine steps was quartered: 0.24 to 0.45 in UMAFall."""
PLAUSIBLE_PACE = (0.5, 1.3)
"""Rows a second, as a share of the sensor's rate: 0.66 to 1.16 in UMAFall, for lost rows and for late first ones."""


def read(path: Path, config: RecordingConfig, *, sensors: tuple[str, ...], rate_hz: float) -> ImuRecording:
    """One trial, in each sensor's own axes, gravity included. See `vimu.recordings.trials.read_trial`."""
    rows = read_rows(path)
    ids = config.sensor_ids(sensors)
    notes = _note_losses(path, rows, config, ids)
    channels: dict[tuple[str, Kind], Channel] = {}
    for placement, i in zip(sensors, ids, strict=True):
        acc, mended = _mend_scale(_channel(path, rows, config, i, "acc"), config.sensors[i].acc_lsb_per_g)
        check_scale(str(path), acc.name, acc.values)
        notes += mended
        channels[placement, "acc"] = acc
        if config.sensors[i].gyroscope:
            channels[placement, "gyr"] = _channel(path, rows, config, i, "gyr")
    return even_recording(str(path), channels, config, sensors=sensors, rate_hz=rate_hz, notes=notes)


def _note_losses(path: Path, rows: Rows, config: RecordingConfig, ids: tuple[int, ...]) -> list[str]:
    """Notes on the rows that cannot be used; a Rejection where they are too many."""
    n_all = len(rows.kind) + rows.n_unreadable
    if rows.n_unreadable > config.max_lost_share * n_all:
        raise Rejection(str(path), Reason.UNREADABLE, f"{rows.n_unreadable:,} of {n_all:,} rows are no numbers")
    notes = [f"unreadable_rows: {rows.n_unreadable} of {n_all}"] if rows.n_unreadable else []
    for i in ids:
        mine = (rows.sensor == i) & (rows.kind <= CODES["gyr"])
        n_lost, n_doubtful, n = int(rows.lost[mine].sum()), int(rows.doubtful[mine].sum()), int(mine.sum())
        detail = f"{n_lost:,} rows, and {n_doubtful:,} doubtful ones, of {n:,} of {config.sensors[i].placement}"
        if n_lost + n_doubtful > config.max_lost_share * n:
            raise Rejection(str(path), Reason.LOST_DECIMAL_POINT, detail)
        if n_lost + n_doubtful:
            notes.append(f"lost_decimal_point: {detail}")
    return notes


def _channel(path: Path, rows: Rows, config: RecordingConfig, sensor_id: int, kind: Kind) -> Channel:
    sensor = config.sensors[sensor_id]
    unit = config.acc_unit_m_s2 if kind == "acc" else config.gyr_unit_rad_s
    name = f"{sensor.placement} {kind}"
    mine = (rows.sensor == sensor_id) & (rows.kind == CODES[kind])
    kept = ~(rows.lost | rows.doubtful)[mine]
    if kept.sum() < 2:
        raise Rejection(str(path), Reason.MISSING_SENSOR, f"has {int(kept.sum())} rows of {name}")
    arrival_s = rows.arrival_ms[mine] / 1000
    duration_s = arrival_s[-1] - arrival_s[0]
    low, high = (bound * sensor.rate_hz for bound in PLAUSIBLE_PACE)
    if not low * duration_s < len(arrival_s) < high * duration_s:
        detail = f"{name} must have {low:g} to {high:g} rows a second, but has {len(arrival_s)} in {duration_s:.2f} s"
        raise Rejection(str(path), Reason.UNKNOWN_RATE, detail)
    times = sample_times(arrival_s, rate_hz=sensor.rate_hz, tolerance=sensor.rate_tolerance)
    return Channel(name, sensor.rate_hz, times[kept], rows.values[mine][kept] * unit)


def _mend_scale(acc: Channel, lsb_per_g: float | None) -> tuple[Channel, list[str]]:
    """Undo a recorder's mistake at the start of trials: readings at +-8 g scaled as if at +-2 g.

    They are a quarter of what they should be, 0.25 g at rest, and come in steps a quarter as large. The steps tell such
    a stretch, which ends once and for all, from low readings.
    """
    if lsb_per_g is None:
        return acc, []
    steps = acc.values / STANDARD_GRAVITY * lsb_per_g * 4
    whole = np.rint(steps)
    fine = (np.abs(steps - whole) < 1 / 8).all(axis=1) & (whole % 4 != 0).any(axis=1)
    coarse = np.convolve(~fine, np.ones(COARSE_RUN, dtype=int), mode="valid") == COARSE_RUN
    n = len(steps)
    n_quartered = int(coarse.argmax()) if coarse.any() else n
    quartered_g = np.linalg.norm(acc.values[:n_quartered], axis=1) / STANDARD_GRAVITY
    if n_quartered == 0 or np.median(quartered_g) > QUARTERED_MEDIAN_G:
        return acc, []
    values = acc.values.copy()
    values[:n_quartered] *= 4
    note = f"acc_scale: the first {n_quartered} of {n} samples of {acc.name} were a quarter of their size"
    return replace(acc, values=values), [note]
