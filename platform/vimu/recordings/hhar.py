"""HHAR: phones of several makes in one pouch, all people and devices in two tables.

    Phones_accelerometer.csv, Phones_gyroscope.csv
    Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt

A trial is a run of lines of one user, device and activity; the gyroscope's is the one that overlaps it most in time.
`Arrival_Time` (ms) is the one clock that both tables share on every make; rows arrive in bursts, so their times are
recovered from it. Each make has a rate of its own, taken from the rows.

Source: Stisen et al., SenSys 2015; UCI repository, "Heterogeneity Activity Recognition", readme.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.channels import Channel, Kind, even_recording
from vimu.recordings.config import RecordingConfig
from vimu.recordings.scale import check_scale
from vimu.recordings.stretches import Stretch
from vimu.recordings.text_lines import numbers
from vimu.recordings.timeline import sample_times

HEADER = b"Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
MAX_STRETCH_BYTES = 2**28
"""Ten minutes at 200 Hz have 12 MB."""
PLAUSIBLE_HZ = (20.0, 500.0)
"""Of what phones of 2013 to 2015 give: 50 to 200."""

Key = tuple[str, str, str]
"""User, device, activity."""


@dataclass
class _Run:
    """Neighbouring lines of one key."""

    key: Key
    first_byte: int
    end_byte: int
    begins_ms: int
    ends_ms: int

    def shared_ms(self, other: "_Run") -> int:
        return min(self.ends_ms, other.ends_ms) - max(self.begins_ms, other.begins_ms)


def gyro_path(path: Path) -> Path:
    """The table of angular velocity beside one of acceleration."""
    return path.with_name(path.name.replace("accelerometer", "gyroscope", 1))


def stretches(path: Path, config: RecordingConfig) -> list[Stretch]:
    """Every run of the accelerometer's table; `span` is its first byte and the one after it, then the gyroscope's.

    A run without a gyroscope's has none in its span, and is rejected when it is read.

    Raises:
        Rejection: a table is missing, or is none of HHAR.
    """
    del config
    gyro = gyro_path(path)
    turning: dict[Key, list[_Run]] = defaultdict(list)
    for run in _runs(gyro):
        turning[run.key].append(run)
    found = []
    for run in _runs(path):
        user, device, activity = run.key
        best = max(turning[run.key], key=run.shared_ms, default=None)
        there = best is not None and run.shared_ms(best) > 0
        span = (run.first_byte, run.end_byte, *((best.first_byte, best.end_byte) if best and there else ()))
        found.append(Stretch(activity, span, user, f"{user} {device}", (gyro,)))
    return found


def read(
    path: Path, config: RecordingConfig, *, sensors: tuple[str, ...], rate_hz: float, span: tuple[int, ...]
) -> ImuRecording:
    """One run in the phone's axes. See `vimu.recordings.trials.read_trial`."""
    if len(span) != 4:
        raise Rejection(str(path), Reason.MISSING_SENSOR, f"`{gyro_path(path).name}` has nothing from that time")
    placement = config.sensors[config.sensor_ids(sensors)[0]].placement
    channels: dict[tuple[str, Kind], Channel] = {
        (placement, "acc"): _channel(path, span[:2], f"{placement} acc", config.acc_unit_m_s2, config),
        (placement, "gyr"): _channel(gyro_path(path), span[2:], f"{placement} gyr", config.gyr_unit_rad_s, config),
    }
    check_scale(str(path), f"{placement} acc", channels[placement, "acc"].values)
    return even_recording(str(path), channels, config, sensors=sensors, rate_hz=rate_hz)


def _runs(path: Path) -> list[_Run]:
    """One pass over a table of a gigabyte, which never stands in memory."""
    runs: list[_Run] = []
    names: tuple[bytes, bytes, bytes] | None = None
    try:
        with path.open("rb") as stream:
            at = len(stream.readline(4096))
            stream.seek(0)
            if stream.readline(4096).strip() != HEADER:
                raise Rejection(str(path), Reason.UNREADABLE, f"its first line must be `{HEADER.decode()}`")
            for line in stream:
                start, at = at, at + len(line)
                words = line.rstrip().rsplit(b",", 4)
                if len(words) != 5 or not (arrival := _arrival(line)):
                    continue  # no line of the table; within a run it is a lost sample
                if names == (words[1], words[3], words[4]):
                    runs[-1].end_byte, runs[-1].ends_ms = at, arrival
                    continue
                names = (words[1], words[3], words[4])
                user, device, activity = (name.decode("utf-8", "replace") for name in names)
                runs.append(_Run((user, device, activity), start, at, arrival, arrival))
    except FileNotFoundError as error:
        raise Rejection(str(path), Reason.MISSING_SENSOR, f"there is no `{path.name}`") from error
    except OSError as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error
    return runs


def _arrival(line: bytes) -> int:
    """ms; 0 where it is no number."""
    word = line.split(b",", 2)[1]
    return int(word) if word.isdigit() and len(word) < 16 else 0


def _channel(path: Path, span: tuple[int, ...], name: str, unit: float, config: RecordingConfig) -> Channel:
    n_bytes = span[1] - span[0]
    if n_bytes > MAX_STRETCH_BYTES:
        raise Rejection(str(path), Reason.OVERSIZED, f"{n_bytes:,} bytes of one activity, limit {MAX_STRETCH_BYTES:,}")
    try:
        with path.open("rb") as stream:
            stream.seek(span[0])
            lines = stream.read(n_bytes).splitlines()
    except OSError as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error
    rows = numbers([(words[1:2] + words[3:6]) for words in (line.split(b",") for line in lines)], 4)
    good = np.isfinite(rows).all(axis=1)
    n_lost = int((~good).sum())
    if n_lost > config.max_lost_share * len(rows) or good.sum() < 2:
        raise Rejection(str(path), Reason.UNREADABLE, f"{n_lost:,} of {len(rows):,} lines of {name} are no numbers")
    arrival_s = (rows[good, 0] - rows[good, 0][0]) / 1000
    pace_hz = _pace_hz(arrival_s)
    low, high = PLAUSIBLE_HZ
    if not low <= pace_hz <= high:
        detail = f"{name} must have {low:g} to {high:g} rows a second, but has {pace_hz:.1f}"
        raise Rejection(str(path), Reason.UNKNOWN_RATE, detail)
    times = sample_times(arrival_s, rate_hz=pace_hz)
    late_s = float((arrival_s - times).max())
    if late_s > config.max_gap_s:  # phones under load slow down
        detail = f"rows of {name} come up to {late_s:.1f} s off an even pace"
        raise Rejection(str(path), Reason.UNKNOWN_RATE, detail)
    return Channel(name, pace_hz, times + rows[good, 0][0] / 1000, rows[good, 1:] * unit)


def _pace_hz(arrival_s: Float[np.ndarray, " rows"]) -> float:
    """Rows a second: the median over stretches of half the run, which a burst or a gap hardly moves."""
    half = len(arrival_s) // 2
    took = float(np.median(arrival_s[half : 2 * half] - arrival_s[:half]))
    return half / took if took > 0 else float("inf")
