"""HHAR: phones of several makes in one pouch, all people and devices in two tables.

    Phones_accelerometer.csv, Phones_gyroscope.csv
    Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt

A trial is a run of lines of one user, device and activity; the gyroscope's is the one that overlaps it most in time.
`Arrival_Time` (ms) is the one clock that both tables share on every make; rows arrive in bursts, so their times are
recovered from it. Each make has a rate of its own, taken from the rows.

Source: Stisen et al., SenSys 2015; UCI repository, "Heterogeneity Activity Recognition", readme.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.channels import Channel, Kind, even_recording
from vimu.recordings.config import RecordingConfig
from vimu.recordings.scale import check_scale
from vimu.recordings.stretches import Stretch
from vimu.recordings.text_lines import lines_of, numbers
from vimu.recordings.timeline import sample_times

HEADER = b"Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
MAX_STRETCH_BYTES = 2**26
"""Ten minutes at 200 Hz have 12 MB."""
MAX_LINE_BYTES = 4096
"""HHAR's lines have a hundred; a longer one is no line of the table, and is never held whole."""
MAX_RUNS = 50_000
"""HHAR has some thousand: nine people, eight phones, six activities, a few times each."""
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


def gyro_path(path: Path) -> Path:
    """The table of angular velocity beside one of acceleration."""
    return path.with_name(path.name.replace("accelerometer", "gyroscope", 1))


def stretches(path: Path, config: RecordingConfig) -> list[Stretch]:
    """Every run of the accelerometer's table; `span` is its first byte and the one after it, then the gyroscope's.

    A run without a gyroscope's has none in its span, and is rejected when it is read.

    Raises:
        Rejection: a table is missing, is none of HHAR, or changes user, device or activity too often.
    """
    del config
    gyro = gyro_path(path)
    turning: dict[Key, list[_Run]] = defaultdict(list)
    for run in _runs(gyro):
        turning[run.key].append(run)
    in_time = {key: _InTime(runs) for key, runs in turning.items()}
    found = []
    for run in _runs(path):
        user, device, activity = run.key
        best = in_time[run.key].most_shared(run) if run.key in in_time else None
        span = (run.first_byte, run.end_byte, *((best.first_byte, best.end_byte) if best else ()))
        found.append(Stretch(activity, span, user, f"{user} {device}", (gyro,)))
    return found


class _InTime:
    """Runs of one key by time. Those of a phone with a sound clock share no moment: few are compared with another."""

    def __init__(self, runs: list[_Run]) -> None:
        self._runs = sorted(runs, key=lambda run: run.begins_ms)
        self._begins = np.array([run.begins_ms for run in self._runs])
        self._ends = np.array([run.ends_ms for run in self._runs])
        self._all_ended = np.maximum.accumulate(self._ends)

    def most_shared(self, other: _Run) -> _Run | None:
        """The one that overlaps `other` most, the earliest of equals; None where none does."""
        first = int(np.searchsorted(self._all_ended, other.begins_ms, side="right"))
        stop = int(np.searchsorted(self._begins, other.ends_ms, side="left"))
        if first >= stop:
            return None
        shared = np.minimum(self._ends[first:stop], other.ends_ms) - np.maximum(
            self._begins[first:stop], other.begins_ms
        )
        best = int(shared.argmax())
        return self._runs[first + best] if shared[best] > 0 else None


def read(
    path: Path, config: RecordingConfig, *, sensors: tuple[str, ...], rate_hz: float, span: tuple[int, ...]
) -> ImuRecording:
    """One run in the phone's axes. See `vimu.recordings.trials.read_trial`."""
    if len(span) != 4:
        raise Rejection(str(path), Reason.MISSING_SENSOR, f"`{gyro_path(path).name}` has nothing from that time")
    placement = config.sensors[config.sensor_ids(sensors)[0]].placement
    notes: list[str] = []
    channels: dict[tuple[str, Kind], Channel] = {
        (placement, "acc"): _channel(path, span[:2], f"{placement} acc", config.acc_unit_m_s2, config, notes),
        (placement, "gyr"): _channel(
            gyro_path(path), span[2:], f"{placement} gyr", config.gyr_unit_rad_s, config, notes
        ),
    }
    check_scale(str(path), f"{placement} acc", channels[placement, "acc"].values)
    return even_recording(str(path), channels, config, sensors=sensors, rate_hz=rate_hz, notes=notes)


def _runs(path: Path) -> list[_Run]:
    """One pass over a table of a gigabyte, which never stands in memory.

    A line that is none of the table belongs to the run before it, or to the first one, as a lost sample: `read` counts
    it.
    """
    runs: list[_Run] = []
    names: tuple[bytes, bytes, bytes] | None = None
    torn_from: int | None = None
    try:
        with path.open("rb") as stream:
            if stream.readline(MAX_LINE_BYTES).strip() != HEADER:
                raise Rejection(str(path), Reason.UNREADABLE, f"its first line must be `{HEADER.decode()}`")
            for start, at, line in _lines(stream):
                words = line.rstrip().rsplit(b",", 4)
                if len(words) != 5 or not (arrival := _arrival(line)):
                    if runs:
                        runs[-1].end_byte = at
                    elif torn_from is None:
                        torn_from = start
                    continue
                if names == (words[1], words[3], words[4]):
                    runs[-1].end_byte, runs[-1].ends_ms = at, arrival
                    continue
                if len(runs) == MAX_RUNS:
                    detail = f"changes user, device or activity more than {MAX_RUNS:,} times"
                    raise Rejection(str(path), Reason.OVERSIZED, detail)
                names = (words[1], words[3], words[4])
                user, device, activity = (name.decode("utf-8", "replace") for name in names)
                first_byte, torn_from = start if torn_from is None else torn_from, None
                runs.append(_Run((user, device, activity), first_byte, at, arrival, arrival))
    except FileNotFoundError as error:
        raise Rejection(str(path), Reason.MISSING_SENSOR, f"there is no `{path.name}`") from error
    except OSError as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error
    return runs


def _lines(stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """First byte of each line, the one after it, and the line; nothing for one that is too long."""
    start = at = stream.tell()
    while line := stream.readline(MAX_LINE_BYTES):
        at += len(line)
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                at += len(rest)
            line, at = b"", at + len(rest)
        yield start, at, line
        start = at


def _arrival(line: bytes) -> int:
    """ms; 0 where it is no number."""
    word = line.split(b",", 2)[1]
    return int(word) if word.isdigit() and len(word) < 16 else 0


def _channel(
    path: Path, span: tuple[int, ...], name: str, unit: float, config: RecordingConfig, notes: list[str]
) -> Channel:
    """One quantity of a run; what was lost of it goes to `notes`."""
    n_bytes = span[1] - span[0]
    if n_bytes > MAX_STRETCH_BYTES:
        raise Rejection(str(path), Reason.OVERSIZED, f"{n_bytes:,} bytes of one activity, limit {MAX_STRETCH_BYTES:,}")
    try:
        with path.open("rb") as stream:
            stream.seek(span[0])
            lines = lines_of(path, stream.read(n_bytes))
    except OSError as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error
    cut = (line.split(b",", 6) if len(line) < MAX_LINE_BYTES else [] for line in lines if line.strip())
    rows = numbers([words[1:2] + words[3:6] for words in cut], 4)
    good = np.isfinite(rows).all(axis=1)
    n_lost = int((~good).sum())
    if n_lost:
        notes.append(f"unreadable_rows: {n_lost} of {len(rows)} of {name}")
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
