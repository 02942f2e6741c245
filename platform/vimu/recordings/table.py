"""A table of numbers, a line a sample at an even rate: which column is what, the set's YAML says.

One file is one trial, or a column labels stretches of it. Written for the layouts in which PAMAP2, Shoaib's set and
MotionSense are published; another set in such a layout takes YAML and no code.
"""

import codecs
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.channels import Channel, Kind, even_recording, sampled_evenly
from vimu.recordings.config import Axes, Column, RecordingConfig, TableSettings
from vimu.recordings.scale import check_scale
from vimu.recordings.stretches import Stretch, runs
from vimu.recordings.text_lines import numbers, read_lines

MAX_BYTES = 2**29
"""PAMAP2's longest file has 0.2 GB."""
MAX_SAMPLES = 500_000
"""Of one trial, whose lines are taken apart: more than an hour at 100 Hz."""
BLOCK = 10_000
"""Lines whose words are held at once."""
SEPARATORS = {",": b",", ";": b";", "tab": b"\t", "space": None}


def stretches(path: Path, config: RecordingConfig) -> list[Stretch]:
    """Neighbouring lines of one label. A line that is cut short belongs to the stretch before it.

    Raises:
        Rejection: the file cannot be read, or lacks the column.
    """
    settings = _settings(config)
    assert settings.label is not None
    lines, header = _lines(path, settings)
    at = _index(path, settings.label, header)
    labels: list[str] = []
    for line in lines:
        words = _words(line, settings, at + 1)
        if at < len(words):
            labels.append(words[at].strip().strip(b'"').decode("utf-8", errors="replace"))
        else:
            labels.append(labels[-1] if labels else "")
    return [Stretch(label, (first, last)) for label, first, last in runs(labels)]


def read(
    path: Path, config: RecordingConfig, *, sensors: tuple[str, ...], rate_hz: float,
    span: tuple[int, int] | None = None,
) -> ImuRecording:  # fmt: skip
    """Lines `span` (first and last after the header, counted from 1; None: all), each sensor in its own axes.

    See `vimu.recordings.trials.read_trial`.
    """
    settings = _settings(config)
    lines, header = _lines(path, settings)
    if span is not None:
        lines = lines[span[0] - 1 : span[1]]
    if len(lines) > MAX_SAMPLES:
        detail = f"{len(lines):,} samples of one trial, the limit is {MAX_SAMPLES:,}"
        raise Rejection(str(path), Reason.OVERSIZED, detail)
    worn = dict(zip(sensors, (config.sensors[i] for i in config.sensor_ids(sensors)), strict=True))
    wanted: dict[tuple[str, Kind], list[list[int]]] = {}
    for placement, sensor in worn.items():
        assert sensor.columns is not None
        axes_of: dict[Kind, Axes | None] = {"acc": sensor.columns.acc, "gyr": sensor.columns.gyr}
        for kind, axes in axes_of.items():
            if axes is not None:
                wanted[placement, kind] = [_indices(path, axis, header) for axis in axes]
    column = _columns(path, lines, settings, {i for axes in wanted.values() for axis in axes for i in axis})
    channels: dict[tuple[str, Kind], Channel] = {}
    units: dict[Kind, float] = {"acc": config.acc_unit_m_s2, "gyr": config.gyr_unit_rad_s}
    for (placement, kind), axes_at in wanted.items():
        values = np.stack([np.sum([column[i] for i in axis], axis=0) for axis in axes_at], axis=1)
        channels[placement, kind] = sampled_evenly(
            str(path), f"{placement} {kind}", values * units[kind], rate_hz=worn[placement].rate_hz,
            max_lost_share=config.max_lost_share,
        )  # fmt: skip
    for placement in sensors:
        check_scale(str(path), f"{placement} acc", channels[placement, "acc"].values)
    return even_recording(str(path), channels, config, sensors=sensors, rate_hz=rate_hz)


def _settings(config: RecordingConfig) -> TableSettings:
    assert config.table is not None  # `RecordingConfig` sees to it
    return config.table


def _lines(path: Path, settings: TableSettings) -> tuple[list[bytes], list[str]]:
    """The samples' lines, and the names of the columns; none where there is no header."""
    lines = read_lines(path, max_bytes=MAX_BYTES)
    if lines:
        lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
    n = settings.header_lines
    if len(lines) <= n:
        raise Rejection(str(path), Reason.UNREADABLE, f"has {len(lines)} lines, of which {n} are its header")
    header = (
        [word.strip().strip(b'"').decode("utf-8", "replace") for word in _words(lines[n - 1], settings)] if n else []
    )
    return lines[n:], header


def _words(line: bytes, settings: TableSettings, n_cuts: int = -1) -> list[bytes]:
    return line.split(SEPARATORS[settings.separator], n_cuts)


def _index(path: Path, column: int | str, header: list[str]) -> int:
    if isinstance(column, int):
        return column
    if header.count(column) != 1:
        detail = f"must have one column `{column}`, but its header has {header.count(column)}"
        raise Rejection(str(path), Reason.MISSING_SENSOR, detail)
    return header.index(column)


def _indices(path: Path, column: Column, header: list[str]) -> list[int]:
    return [_index(path, part, header) for part in (column if isinstance(column, tuple) else (column,))]


def _columns(
    path: Path, lines: list[bytes], settings: TableSettings, wanted: set[int]
) -> dict[int, Float[np.ndarray, " samples"]]:
    """The columns `wanted`; NaN where a line lacks one or has no number there. A block's words are held at a time."""
    parts: dict[int, list[Float[np.ndarray, " block"]]] = {i: [] for i in wanted}
    width = 0
    for begin in range(0, len(lines), BLOCK):
        rows = [_words(line, settings, max(wanted) + 1) for line in lines[begin : begin + BLOCK]]
        width = max(width, *map(len, rows))
        for i, part in parts.items():
            held = [k for k, row in enumerate(rows) if len(row) > i]
            values = np.full(len(rows), np.nan)
            values[held] = numbers([rows[k][i : i + 1] for k in held], 1)[:, 0]
            part.append(values)
    if max(wanted) >= width:
        detail = f"must have a column {max(wanted)}, but its lines have {width}"
        raise Rejection(str(path), Reason.MISSING_SENSOR, detail)
    return {i: np.concatenate(part) for i, part in parts.items()}
