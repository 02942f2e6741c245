"""The rows of a UMAFall file, told from what is none and from numbers that lost their decimal point.

    TimeStamp;Sample No;X-Axis;Y-Axis;Z-Axis;Sensor_Type;Sensor_ID

The header is a comment (`%`) in the full release, bare in copies; copies also have blank lines and a trailing `;`. Some
went through a spreadsheet that took the decimal point for a thousands separator, where three or more digits follow it
and the number is 1 or more: `1.0126` came back as `10.126` and `1.01259816` as `101.259.816`.

Source: Casilari et al., UMAFall, Procedia Computer Science 110 (2017) 32-39; the files.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int
from pyarrow import csv

from vimu.contracts import Reason, Rejection

MAX_BYTES = 64 * 2**20
"""A 15 s trial is 0.4 MB."""
COUNTS, AXES = ("timestamp", "sampleno", "sensortype", "sensorid"), ("xaxis", "yaxis", "zaxis")
COLUMNS = (*COUNTS[:2], *AXES, *COUNTS[2:])

MAX_COLUMNS = 16
"""Copies have one more than COLUMNS, an empty one; each costs memory."""

COUNT = r"^\d{1,15}$"
NUMBER = r"^-?\d{1,4}(\.\d+)?([eE]-\d{1,3})?$"
"""No quantity here reaches 10,000: the magnetometer's range is 4,800 uT."""
LOST_POINT = r"\..*\.|,"
"""Two points, or the comma of a spreadsheet's `-6,10E+10`: no number any more."""
DOUBTFUL_POINT = r"^-?[1-9]\d{1,2}\.\d{3}$"
"""In a file with lost points: five or six digits with one point read like a number, but `10.126` may be 1.0126."""


@dataclass(frozen=True)
class Rows:
    """A file's rows in its own order and units."""

    arrival_ms: Int[np.ndarray, " rows"]
    """When the phone got the row. `Sample No` counts the rows that it got: it says no more than their order."""
    values: Float[np.ndarray, "rows 3"]
    """NaN where the decimal point is lost, or may be."""
    kind: Int[np.ndarray, " rows"]
    """`Sensor_Type`."""
    sensor: Int[np.ndarray, " rows"]
    """`Sensor_ID`."""
    lost: Bool[np.ndarray, " rows"]
    """The decimal point is lost for certain."""
    doubtful: Bool[np.ndarray, " rows"]
    """It may be."""
    n_unreadable: int
    """Further rows that are none: cut short, or no numbers."""


def read_rows(path: Path) -> Rows:
    """Parse one file.

    Raises:
        Rejection: `oversized`, `unreadable` (other columns than UMAFall's, or no row of numbers).
    """
    body, n_columns = _body(path)
    table, n_broken = _table(path, body, n_columns)
    blank = ~(_matches(table["xaxis"], ".") | _matches(table["sensorid"], "."))  # a spreadsheet writes `;;;;;;;`
    table = table.filter(pa.array(~blank))
    lost_in = [_matches(table[name], LOST_POINT) for name in AXES]
    readable = np.all(
        [_matches(table[name], COUNT) for name in COUNTS]
        + [_matches(table[name], NUMBER) | lost for name, lost in zip(AXES, lost_in, strict=True)],
        axis=0,
    )
    if not readable.any():
        raise Rejection(str(path), Reason.UNREADABLE, "holds no row of numbers")
    table, lost = table.filter(pa.array(readable)), np.any(lost_in, axis=0)[readable]
    doubtful = np.zeros_like(lost)
    if lost.any():
        doubtful = np.any([_matches(table[name], DOUBTFUL_POINT) for name in AXES], axis=0) & ~lost
    good = ~(lost | doubtful)
    numbers = table.filter(pa.array(good))
    values = np.full((len(good), 3), np.nan)
    for axis, name in enumerate(AXES):
        values[good, axis] = numbers[name].cast(pa.float64()).to_numpy()
    arrival, kind, sensor = (
        table[name].cast(pa.int64()).to_numpy() for name in ("timestamp", "sensortype", "sensorid")
    )
    n_unreadable = n_broken + int((~readable).sum())
    return Rows(arrival, values, kind, sensor, lost, doubtful, n_unreadable)


def _body(path: Path) -> tuple[bytes, int]:
    """What follows the header, and how many columns its first row has."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise Rejection(str(path), Reason.OVERSIZED, f"{size:,} bytes, the limit is {MAX_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error
    first_row = re.search(rb"^\d.*$", data, re.MULTILINE)
    if first_row is None:
        raise Rejection(str(path), Reason.UNREADABLE, f"holds no row of numbers in its {size:,} bytes")
    titles = [line for line in data[: first_row.start()].lower().splitlines() if b"timestamp" in line]
    names = re.sub(rb"[^a-z;]", b"", titles[-1]).decode().strip(";").split(";") if titles else ["unnamed"]
    if tuple(names) != COLUMNS:
        detail = f"its columns must be {'; '.join(COLUMNS)}, but are {'; '.join(names)[:200]}"
        raise Rejection(str(path), Reason.UNREADABLE, detail)
    n_columns = first_row[0].count(b";") + 1
    if n_columns > MAX_COLUMNS:
        raise Rejection(str(path), Reason.UNREADABLE, f"its first row has {n_columns:,} columns")
    body = (
        data[first_row.start() :].decode("ascii", errors="replace").encode()
    )  # a bad byte costs its row, not the file
    return body, n_columns


def _table(path: Path, body: bytes, n_columns: int) -> tuple[pa.Table, int]:
    """Every row of the right length, as text, and how many have another length."""
    names = [*COLUMNS, *(f"extra{i}" for i in range(n_columns - len(COLUMNS)))]
    n_broken = 0

    def skip(_row: csv.InvalidRow) -> str:
        nonlocal n_broken
        n_broken += 1
        return "skip"

    try:
        table = csv.read_csv(
            io.BytesIO(body),
            read_options=csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=csv.ParseOptions(delimiter=";", quote_char=False, invalid_row_handler=skip),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error
    return table, n_broken


def _matches(column: pa.ChunkedArray, pattern: str) -> Bool[np.ndarray, " rows"]:
    return np.asarray(pc.match_substring_regex(column, pattern).to_numpy(), dtype=bool)
