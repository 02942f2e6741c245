"""Untrusted text files of numbers: a line a sample. A line that is none is a lost sample, never the end of the run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.contracts import Reason, Rejection

MAX_LINE_BYTES = 2**16
"""PAMAP2's lines of 54 numbers have 450 bytes, UCI HAR's of 128 have 2 kB."""
MAX_LINES = 5_000_000
"""Each costs some forty bytes besides its own: this many are fourteen hours at 100 Hz."""


def read_lines(path: Path, *, max_bytes: int) -> list[bytes]:
    """The lines of a file. Its bytes are held once; what is made of a line is bounded by `MAX_LINE_BYTES`.

    Raises:
        Rejection: `missing_sensor` (no such file), `oversized` (the file, a line, or too many of them), `unreadable`.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise Rejection(str(path), Reason.OVERSIZED, f"{size:,} bytes, the limit is {max_bytes:,}")
        data = path.read_bytes().rstrip()  # a blank line at the end is no sample, one before it is
    except FileNotFoundError as error:
        raise Rejection(str(path), Reason.MISSING_SENSOR, f"there is no `{path.name}`") from error
    except OSError as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error
    lines = lines_of(path, data)
    longest = max(map(len, lines), default=0)
    if longest > MAX_LINE_BYTES:
        raise Rejection(str(path), Reason.OVERSIZED, f"a line of {longest:,} bytes, the limit is {MAX_LINE_BYTES:,}")
    return lines


def lines_of(path: Path, data: bytes) -> list[bytes]:
    """The lines in `data`, a part of the file at `path`. Raises Rejection `oversized`: too many."""
    n_lines = data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") + 1
    if n_lines > MAX_LINES:
        raise Rejection(str(path), Reason.OVERSIZED, f"{n_lines:,} lines, the limit is {MAX_LINES:,}")
    return data.splitlines()


def numbers(rows: Sequence[Sequence[bytes]], width: int) -> Float[np.ndarray, "samples width"]:
    """`width` numbers a row; NaN for a row that is none."""
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), width)
    except ValueError:
        values = np.full((len(rows), width), np.nan)
        complete = [i for i, row in enumerate(rows) if len(row) == width]
        if len(complete) < len(rows):  # at once: a file may hold little but empty lines
            values[complete] = numbers([rows[i] for i in complete], width)
        else:
            values[:] = [_row(row) for row in rows]
        return values


def _row(words: Sequence[bytes]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        return [np.nan] * len(words)
