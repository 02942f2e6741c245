"""Arrays to the browser: a JSON header, then the arrays one after the other.

    | uint32: header's bytes | header, blanks up to a multiple of 4 | array | array | ...

Every number is 4 bytes, little-endian, so that JavaScript's typed arrays lie on them without a copy.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

DTYPES = {"f": "<f4", "u": "<u4", "i": "<u4"}


def packed(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """`header` with `arrays`: `{"arrays": [{"name", "shape", "dtype"}], ...}`; dtype is `f4` or `u4`."""
    plain = {name: np.ascontiguousarray(array, DTYPES[array.dtype.kind]) for name, array in arrays.items()}
    known = [{"name": name, "shape": array.shape, "dtype": array.dtype.str[1:]} for name, array in plain.items()]
    text = json.dumps({**header, "arrays": known}).encode()
    text += b" " * (-len(text) % 4)
    return b"".join([struct.pack("<I", len(text)), text, *(array.tobytes() for array in plain.values())])
