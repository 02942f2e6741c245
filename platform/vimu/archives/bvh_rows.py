"""The numbers of a BVH file, and the transforms they stand for, as machine code.

The reader is for what exporters write: decimal numbers, blanks, line ends. Whatever else it meets it leaves to NumPy's,
which is ten times slower and knows every case; so a number is never read differently, nor a damaged file accepted.
"""

import io
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8

from vimu.archives.bvh_tree import Joint
from vimu.runtime.compiled import compiled, plain

SPACE, TAB, NEWLINE, RETURN, PLUS, MINUS, POINT, ZERO, NINE = (ord(c) for c in " \t\n\r+-.09")
E, SMALL_E = ord("E"), ord("e")

EXACT_POWERS = np.array([float(f"1e{k}") for k in range(23)])
"""Powers of ten that float64 holds exactly."""
EXACT_WHOLE = 2**53
"""Whole numbers up to here are exact too: a single product or quotient of two such is rounded right (Clinger 1990)."""
MOST_DIGITS = 18
"""Fit 64 bits."""


def read_numbers(text: bytes, n_rows: int, n_columns: int) -> Float[np.ndarray, "rows columns"]:
    """The rows of numbers in `text`; as many as there are, which may be others than was asked for.

    Raises:
        ValueError: something in it is no number, or a row is longer than another.
    """
    values = np.empty((n_rows, n_columns))
    if _read_decimals(np.frombuffer(text, np.uint8), plain(EXACT_POWERS), values):
        return values
    return np.loadtxt(io.BytesIO(text), comments=None, ndmin=2)


@compiled
def _read_decimals(
    text: UInt8[np.ndarray, " bytes"], powers: Float[np.ndarray, " 23"], values: Float[np.ndarray, "rows columns"]
) -> bool:
    """Fill `values`; False where the text does not hold just them, as plain decimals that float64 takes exactly."""
    n_rows, n_columns = values.shape
    size, i, row, column = len(text), 0, 0, 0
    while i < size:
        c = text[i]
        if c in (SPACE, TAB) or (c == RETURN and i + 1 < size and text[i + 1] == NEWLINE):
            i += 1
            continue
        if c == NEWLINE:
            if column != 0 and column != n_columns:
                return False
            row, column, i = row + (column != 0), 0, i + 1
            continue
        if row == n_rows or column == n_columns:
            return False
        if c in (PLUS, MINUS):
            i += 1
        whole, digits, scale = np.uint64(0), 0, 0
        while i < size and ZERO <= text[i] <= NINE:
            whole, digits, i = whole * np.uint64(10) + np.uint64(text[i] - ZERO), digits + 1, i + 1
        if i < size and text[i] == POINT:
            i += 1
            while i < size and ZERO <= text[i] <= NINE:
                whole, digits, i = whole * np.uint64(10) + np.uint64(text[i] - ZERO), digits + 1, i + 1
                scale -= 1
        if digits == 0 or digits > MOST_DIGITS or whole > EXACT_WHOLE:
            return False
        if i < size and (text[i] == SMALL_E or text[i] == E):
            i += 1
            sign = 1
            if i < size and (text[i] == PLUS or text[i] == MINUS):
                sign, i = -1 if text[i] == MINUS else 1, i + 1
            exponent, begin = 0, i
            while i < size and ZERO <= text[i] <= NINE and i - begin < 4:
                exponent, i = 10 * exponent + (text[i] - ZERO), i + 1
            if i == begin:
                return False
            scale += sign * exponent
        if i < size and text[i] != SPACE and text[i] != TAB and text[i] != NEWLINE and text[i] != RETURN:
            return False
        if scale < -22 or scale > 22:
            return False
        value = float(whole) / powers[-scale] if scale < 0 else float(whole) * powers[scale]
        values[row, column] = -value if c == MINUS else value
        column += 1
    return (row == n_rows and column == 0) or (row == n_rows - 1 and column == n_columns)


def local_transforms(
    values: Float[np.ndarray, "frames channels"], joints: Sequence[Joint]
) -> tuple[Float[np.ndarray, "frames joints 3"], Float[np.ndarray, "frames joints 3 3"]]:
    """Translations in the file's unit, and rotations, of every joint in its parent's frame."""
    translations, rotations = np.empty((len(values), len(joints), 3)), np.empty((len(values), len(joints), 9))
    channels = np.array([channel for joint in joints for channel in joint.channels])
    first = np.cumsum([0, *(len(joint.channels) for joint in joints)])
    offsets = np.array([joint.offset for joint in joints])
    _transforms(plain(values), channels, first, offsets, translations, rotations)
    return translations, rotations.reshape(len(values), len(joints), 3, 3)


@compiled
def _transforms(
    values: Float[np.ndarray, "frames channels"],
    channels: Int[np.ndarray, " channels"],
    first: Int[np.ndarray, " joints+1"],
    offsets: Float[np.ndarray, "joints 3"],
    translations: Float[np.ndarray, "frames joints 3"],
    rotations: Float[np.ndarray, "frames joints 9"],
) -> None:
    """`R_first @ R_second @ ...` in the file's order, each a turn in degrees about the axis of its channel."""
    for t in range(len(values)):
        for joint in range(len(offsets)):
            place, turn = translations[t, joint], rotations[t, joint]
            for a in range(3):
                place[a] = offsets[joint, a]
            for i in range(9):
                turn[i] = 1.0 if i % 4 == 0 else 0.0
            for column in range(first[joint], first[joint + 1]):
                channel = channels[column]
                if channel < 3:
                    place[channel] = values[t, column]
                    continue
                angle = math.radians(values[t, column])
                cos, sin = math.cos(angle), math.sin(angle)
                i, j = (channel - 2) % 3, (channel - 1) % 3
                for a in range(0, 9, 3):  # a turn about one axis mixes the other two columns only
                    p, q = turn[a + i], turn[a + j]
                    turn[a + i], turn[a + j] = p * cos + q * sin, q * cos - p * sin
