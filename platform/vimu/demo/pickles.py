"""Pickles as Python 2 wrote them: SMPL models and DIP-IMU recordings are such files."""

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

# `pickle.Pickler` written in Python: the only one whose spelling of a type can be changed. Type stubs do not know it.
_PythonPickler: Any = vars(pickle)["_Pickler"]


class _Python2Pickler(_PythonPickler):  # type: ignore[misc]
    """Protocol 2 with bytes as Python 2's `str`; today's pickler would escape them to about twice the size."""

    dispatch: ClassVar[dict[type, Any]] = dict(_PythonPickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def write_python2_pickle(path: Path, mapping: Mapping[str, Any]) -> None:
    """Write a mapping of arrays, numbers and strings, to be read with `encoding="latin1"`."""
    with path.open("wb") as stream:
        _Python2Pickler(stream, protocol=2).dump(dict(mapping))
