"""Untrusted text files of numbers: a line a sample. A line that is none is a lost sample, never the end of the run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.contracts import Reason, Rejection


def read_lines(path: Path, *, max_bytes: int) -> list[bytes]:
    """The lines of a file.

    Raises:
        Rejection: `missing_sensor` (no such file), `oversized`, `unreadable`.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise Rejection(str(path), Reason.OVERSIZED, f"{size:,} bytes, the limit is {max_bytes:,}")
        return path.read_bytes().rstrip().splitlines()  # a blank line at the end is no sample, one before it is
    except FileNotFoundError as error:
        raise Rejection(str(path), Reason.MISSING_SENSOR, f"there is no `{path.name}`") from error
    except OSError as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error


def numbers(rows: Sequence[Sequence[bytes]], width: int) -> Float[np.ndarray, "samples width"]:
    """`width` numbers a row; NaN for a row that is none."""
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), width)
    except ValueError:
        return np.array([_row(row, width) for row in rows]).reshape(len(rows), width)


def _row(words: Sequence[bytes], width: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    return values if len(values) == width else [np.nan] * width
