"""What a pickle asks to build, as inert notes, and the arrays, numbers and text read out of them.

A pickle is a program that calls whatever it names. Here every name on the allow-list stands for a `Note`, which keeps
its arguments and does nothing; no name outside the list stands for anything.
"""

import math
import re
from typing import Any

import numpy as np

MAX_DEPTH = 16
"""Containers within containers."""
Array = np.ndarray[Any, Any]


class ForbiddenError(Exception):
    """The pickle names or holds what is not on the allow-list."""


class OversizedError(Exception):
    """The pickle would expand beyond the limit."""


class Note:
    """One thing that a pickle asks to build: the arguments and the state that it gives."""

    args: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *args: object) -> None:
        self.args = args

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Array(Note):
    pass


class _Dtype(Note):
    pass


class _Scalar(Note):
    pass


class _Sparse(Note):
    pass


class _Chumpy(Note):
    pass


class _Object(Note):
    """`copyreg._reconstructor`, whose first argument is the class."""


class _Bytes(Note):
    """`_codecs.encode`, and for none at all `bytes`: how Python 3 spells bytes in protocols 0 to 2."""


_NUMPY = {"ndarray": Note, "_reconstruct": _Array, "_frombuffer": _Array, "dtype": _Dtype, "scalar": _Scalar}
_SPARSE = {f"{layout}_{kind}" for layout in ("csc", "csr", "coo") for kind in ("matrix", "array")}
_PYTHON = {
    ("copy_reg", "_reconstructor"): _Object, ("copyreg", "_reconstructor"): _Object,
    ("__builtin__", "object"): Note, ("builtins", "object"): Note, ("_codecs", "encode"): _Bytes,
    ("__builtin__", "bytes"): _Bytes, ("builtins", "bytes"): _Bytes,
}  # fmt: skip


def note_class(module: str, name: str) -> type[Note]:
    """The inert class that stands for `module.name`. Raises ForbiddenError for what is not on the allow-list."""
    root = module.split(".", maxsplit=1)[0]
    if root == "numpy" and name in _NUMPY:
        return type(name, (_NUMPY[name],), {})
    if module.startswith("scipy.sparse") and name in _SPARSE:
        return type(name, (_Sparse,), {})
    if root == "chumpy":
        return type(name, (_Chumpy,), {})
    if (module, name) in _PYTHON:
        return type(name, (_PYTHON[module, name],), {})
    raise ForbiddenError(f"names `{module}.{name}`, which is not on the allow-list"[:300])


def as_array(raw: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], *, fortran: bool) -> Array:
    """`raw` as an array, without a copy. Raises ValueError where `shape` does not fit it."""
    if min(shape, default=0) < 0:
        raise ValueError(f"`shape` must not be negative, but is {shape}")
    return np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")


class NoteReader:
    """Reads the values of one file, within `max_bytes` of memory beyond the file's own size."""

    def __init__(self, max_bytes: int) -> None:
        self._bytes_left = max_bytes
        self._read: dict[int, Any] = {}  # by identity: what a file names a thousand times is read once

    @staticmethod
    def needs_chumpy(value: object) -> bool:
        """Whether `value` is an expression that only chumpy could compute."""
        if not isinstance(value, Note):
            return False
        kind = _kind(value)
        return issubclass(kind, _Chumpy) and kind.__name__ not in {"Ch", "Select"}

    def plain(self, value: Any, depth: int = 0) -> Any:
        """`value` with every note in it read.

        Raises:
            ForbiddenError, OversizedError: see there. Any other error: the notes do not fit together.
        """
        if depth > MAX_DEPTH:
            raise ForbiddenError(f"nests containers more than {MAX_DEPTH} deep")
        if not isinstance(value, Note | dict | list | tuple):
            return value
        if id(value) not in self._read:
            if isinstance(value, dict):
                read: Any = {key: self.plain(item, depth + 1) for key, item in value.items()}
            elif isinstance(value, Note):
                read = self._note(value, depth)
            else:
                read = type(value)(self.plain(item, depth + 1) for item in value)
            self._read[id(value)] = read
        return self._read[id(value)]

    def _note(self, note: Note, depth: int) -> Any:
        kind = _kind(note)
        if issubclass(kind, _Array) and kind.__name__ == "_frombuffer":  # protocol 5
            raw, dtype, shape, order = note.args
            return as_array(self._bytes(raw), self._dtype(dtype), shape, fortran=order == "F")
        if issubclass(kind, _Array):
            shape, dtype, fortran, raw = note.state[-4:]
            return as_array(self._bytes(raw), self._dtype(dtype), shape, fortran=bool(fortran))
        if issubclass(kind, _Scalar):
            dtype, raw = note.args
            return as_array(self._bytes(raw), self._dtype(dtype), (), fortran=False)[()]
        if issubclass(kind, _Bytes):
            return self._bytes(note)
        if issubclass(kind, _Sparse):
            return self._dense(kind.__name__[:3], self.plain(note.state, depth + 1))
        if issubclass(kind, _Chumpy) and kind.__name__ == "Ch":
            return self.plain(note.state["x"], depth + 1)
        if issubclass(kind, _Chumpy) and kind.__name__ == "Select":
            return self._selected(note.state, depth)
        raise ForbiddenError(f"holds an object of `{kind.__name__}`, which cannot be read")

    def _dtype(self, note: Any) -> np.dtype[Any]:
        text = note.args[0] if isinstance(note, _Dtype) else note
        if not isinstance(text, str) or not re.fullmatch(r"[<>|=]?([biufc]\d{1,2}|[SU]\d{1,9})", text):
            raise ForbiddenError(f"has an array of `{text}`: only numbers and text are read"[:300])
        big_endian = isinstance(note, _Dtype) and note.state is not None and note.state[1] == ">"
        return np.dtype(text).newbyteorder(">") if big_endian else np.dtype(text)

    def _bytes(self, value: Any) -> bytes:
        content = next(iter(value.args), b"") if isinstance(value, _Bytes) else value
        if isinstance(content, bytes):
            return content
        if not isinstance(content, str):
            raise ForbiddenError(f"has an array of pickled objects ({type(content).__name__})")
        self._spend(len(content))
        return content.encode("latin1")

    def _selected(self, state: dict[str, Any], depth: int) -> Array:
        whole, at = self.plain(state["a"], depth + 1), np.asarray(self.plain(state["idxs"], depth + 1))
        self._spend(at.size * whole.itemsize)
        picked: Array = np.ravel(whole)[at]
        return picked.reshape(state["preferred_shape"]) if "preferred_shape" in state else picked

    def _dense(self, layout: str, state: dict[str, Any]) -> Array:
        shape, data = state["_shape"] if "_shape" in state else state["shape"], state["data"]
        if layout == "coo":
            at = state["coords"] if "coords" in state else (state["row"], state["col"])
        else:
            minor, counts = state["indices"], np.diff(state["indptr"])
            if counts.min(initial=0) < 0 or counts.sum() != len(minor):
                raise ValueError("the sparse matrix's `indptr` must fit its `indices`, but does not")
            major = np.repeat(np.arange(len(counts)), counts)
            at = (minor, major) if layout == "csc" else (major, minor)
        self._spend(math.prod(shape) * data.itemsize)
        dense = np.zeros(math.prod(shape), data.dtype)
        np.add.at(dense, np.ravel_multi_index(at, shape), data)  # checks the indices; SciPy's `todense` does not
        return dense.reshape(shape)

    def _spend(self, n_bytes: int) -> None:
        self._bytes_left -= n_bytes
        if self._bytes_left < 0:
            raise OversizedError("would expand beyond the limit")


def _kind(note: Note) -> type[Note]:
    """The class that a note stands for."""
    of = note.args[0] if isinstance(note, _Object) and note.args else None
    return of if isinstance(of, type) and issubclass(of, Note) else type(note)
