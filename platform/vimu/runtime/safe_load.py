"""The one module that opens npz, pickle and torch files: untrusted bytes never execute, nor take memory without limit.

npz members are sized from the archive's directory and their headers before a byte is expanded. What a pickle asks to
build is noted, not built, and arrays are read out of the notes (`pickle_notes`): neither NumPy's nor anybody else's
code for unpickling runs. torch files are read with `weights_only=True`. A test fails if any other module of vimu loads
such a file.
"""

import io
import math
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import deflate
import numpy as np
from numpy.lib import format as npy_format

from vimu.contracts import Reason, Rejection
from vimu.runtime.pickle_notes import ForbiddenError, Note, NoteReader, OversizedError, as_array, note_class

MAX_EXPANDED_BYTES = 512 * 2**20
"""Limit of what is read from one file. AMASS's longest take is about 90 MB, the largest SMPL model about 300 MB."""
MAX_PICKLE_OPCODES = 200_000
"""One opcode, a byte or a few, may cost a kilobyte of memory. Files of arrays have some thousands."""
MAX_TORCH_OPCODES = 1_000_000
"""Of a torch file's structure; a tensor in a mapping takes some thirty."""
MAX_NAME_CHARACTERS = 200
"""Of a class or function that a torch file asks for; those of tensors have 40."""
_LEADS_OUT = re.compile(r"^[/\\]|(^|[/\\])\.\.([/\\]|$)").search
"""Names that no program writes which saves arrays. Nothing is unpacked here; who does so beside us would be misled."""


def load_npz(
    path: Path, keys: Collection[str], *, max_bytes: int = MAX_EXPANDED_BYTES
) -> dict[str, np.ndarray[Any, Any]]:
    """Read those of `keys` that an npz file has; other members are not touched. The arrays are read-only.

    Raises:
        Rejection: `unreadable` (no zip, truncated, a flipped byte, a member twice or by a path), `oversized` (more than
            `max_bytes` when expanded, or a header that claims more than the member holds), `unsafe_pickle` (object
            array).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != len(set(names)):
                raise Rejection(str(path), Reason.UNREADABLE, "a member occurs twice")
            if (odd := next(filter(_LEADS_OUT, names), None)) is not None:
                raise Rejection(str(path), Reason.UNREADABLE, f"member `{odd[:200]}` leads out of the archive")
            wanted = {key: archive.getinfo(f"{key}.npy") for key in keys if f"{key}.npy" in names}
            _check_members(path, wanted.values(), max_bytes)
            return {key: _read_npy(path, key, _read_member(archive, info)) for key, info in wanted.items()}
    except (Rejection, FileNotFoundError):
        raise
    except Exception as error:  # damage shows as any error of zipfile, zlib, ast, tokenize or NumPy
        raise _unreadable(path, error) from error


def load_pickle(
    path: Path, keys: Collection[str] | None = None, *, max_bytes: int = MAX_EXPANDED_BYTES
) -> dict[str, Any]:
    """Read a pickled mapping of arrays, numbers and text (SMPL models, DIP-IMU recordings).

    Sparse matrices come back dense, chumpy arrays as the plain array that they hold. The arrays are read-only.

    Args:
        keys: those to read, of those that there are; None for all but what only chumpy could compute.

    Raises:
        Rejection: `unsafe_pickle` (what is not on the allow-list is named; nothing was called), `oversized`,
            `unreadable`.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise Rejection(str(path), Reason.OVERSIZED, f"{size:,} bytes, the limit is {max_bytes:,}")
    try:
        notes = _NotingUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
        if not isinstance(notes, dict):
            raise Rejection(str(path), Reason.UNREADABLE, f"holds {type(notes).__name__}, not a mapping")
        reader = NoteReader(max_bytes)
        if keys is None:
            wanted = {key: value for key, value in notes.items() if not reader.needs_chumpy(value)}
        else:
            wanted = {key: value for key, value in notes.items() if key in keys}
        return {str(key): reader.plain(value) for key, value in wanted.items()}
    except (Rejection, FileNotFoundError):
        raise
    except ForbiddenError as error:
        raise Rejection(str(path), Reason.UNSAFE_PICKLE, str(error)) from error
    except OversizedError as error:
        raise Rejection(str(path), Reason.OVERSIZED, str(error)) from error
    except Exception as error:  # a hostile pickle may raise anything; all of it means "not readable"
        raise _unreadable(path, error) from error


def load_torch(path: Path, *, max_bytes: int = MAX_EXPANDED_BYTES) -> dict[str, Any]:
    """Read a torch file (the zip format of torch >= 1.6) of tensors and plain values by name, on the CPU.

    Raises:
        Rejection: `unsafe_pickle` for anything that is no tensor or plain value, `oversized`, `unreadable`.
    """
    value = _torch_value(path, max_bytes)
    if not isinstance(value, dict):
        raise Rejection(str(path), Reason.UNREADABLE, f"holds {type(value).__name__}, not a mapping")
    return value


def load_torch_array(path: Path, *, max_bytes: int = MAX_EXPANDED_BYTES) -> np.ndarray[Any, Any]:
    """Read a torch file of one dense tensor (TransPose's recordings). Raises Rejection as `load_torch`."""
    value = _torch_value(path, max_bytes)
    try:
        size = value.numel() * value.element_size()  # a view may repeat few stored bytes without limit
        if size > max_bytes:
            raise Rejection(str(path), Reason.OVERSIZED, f"a tensor of {size:,} bytes, the limit is {max_bytes:,}")
        return np.array(value.detach().numpy())
    except Rejection:
        raise
    except Exception as error:  # no tensor, or one that NumPy has no form for: sparse, quantized, bfloat16
        raise Rejection(str(path), Reason.UNREADABLE, f"holds {type(value).__name__}, no dense tensor") from error


def _torch_value(path: Path, max_bytes: int) -> Any:
    import torch  # here, so that synthesis workers, which load no torch file, need not import it

    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist(), max_bytes)
            _check_names(path, archive)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (Rejection, FileNotFoundError):
        raise
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+) was not an allowed global", str(error))
        what = f"asks for `{asked[1]}`" if asked else str(error).split("\n", maxsplit=1)[0]
        raise Rejection(str(path), Reason.UNSAFE_PICKLE, what) from error
    except Exception as error:  # damage shows as any error of zipfile, torch or its unpickler
        raise _unreadable(path, error) from error


def _check_names(path: Path, archive: zipfile.ZipFile) -> None:
    """Torch words a refusal in time that is quadratic in the name refused: 26 kB take it seconds."""
    for member in archive.namelist():
        if member.endswith("/data.pkl"):
            for i, (operation, name, _) in enumerate(pickletools.genops(archive.read(member))):
                if i == MAX_TORCH_OPCODES:
                    raise Rejection(str(path), Reason.OVERSIZED, f"`{member}` has more than {i:,} operations")
                if operation.name == "GLOBAL" and len(str(name)) > MAX_NAME_CHARACTERS:
                    detail = f"asks for a name of {len(str(name)):,} characters"
                    raise Rejection(str(path), Reason.UNSAFE_PICKLE, detail)


def _unreadable(path: Path, error: Exception) -> Rejection:
    return Rejection(str(path), Reason.UNREADABLE, f"{type(error).__name__}: {error}"[:300])


def _check_members(path: Path, members: Collection[zipfile.ZipInfo], max_bytes: int) -> None:
    total = sum(info.file_size for info in members)
    if total > max_bytes:
        raise Rejection(str(path), Reason.OVERSIZED, f"{total:,} bytes expanded, the limit is {max_bytes:,}")
    odd = {info.compress_type for info in members} - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
    if odd:  # LZMA may ask for 4 GiB before its first byte
        raise Rejection(str(path), Reason.UNREADABLE, f"is compressed by method {odd.pop()}; only deflate is read")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> memoryview:
    """A member as `archive.read` gives it, but in one piece and by libdeflate: deflated files take half the time.

    Raises:
        BadZipFile, DeflateError: the two headers of the member differ, it is cut short, or it fails its checksum.
    """
    stream = archive.fp
    assert stream is not None
    stream.seek(info.header_offset)
    header = stream.read(LOCAL_HEADER.size)
    signature, flags, method, name_length, extra_length = LOCAL_HEADER.unpack(header)
    name = stream.read(name_length)
    if signature != b"PK\x03\x04" or method != info.compress_type or name != info.orig_filename.encode("ascii"):
        raise zipfile.BadZipFile(f"the headers of `{info.filename}` differ")
    if (flags | info.flag_bits) & ENCRYPTED:
        raise zipfile.BadZipFile(f"`{info.filename}` is encrypted")
    stream.seek(extra_length, io.SEEK_CUR)
    raw: bytes | bytearray = stream.read(info.compress_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        if info.file_size > MAX_EXPANSION * len(raw):  # before that much memory is taken for it
            raise zipfile.BadZipFile(f"`{info.filename}` claims more than {len(raw):,} deflated bytes can hold")
        raw = deflate.deflate_decompress(raw, info.file_size)  # fails where the stream holds more
    if len(raw) != info.file_size or deflate.crc32(raw) != info.CRC:
        raise zipfile.BadZipFile(f"`{info.filename}` is cut short or fails its checksum")
    return memoryview(raw).toreadonly()


MAX_EXPANSION = 1032
"""Of deflate: 258 bytes for the two bits of a repeated length and distance.

Source: RFC 1951, section 3.2.5."""
LOCAL_HEADER = struct.Struct("<4s2xHH16xHH")
"""Signature, flags, method, length of the name and of what follows it."""
ENCRYPTED = 0x1


def _read_npy(path: Path, key: str, data: memoryview) -> np.ndarray[Any, Any]:
    shape, fortran, dtype, start = _npy_header(data)
    if dtype.hasobject:
        raise Rejection(str(path), Reason.UNSAFE_PICKLE, f"`{key}` is an array of pickled objects")
    claimed, held = math.prod(shape) * dtype.itemsize, len(data) - start
    if claimed > held:
        raise Rejection(str(path), Reason.OVERSIZED, f"`{key}` claims {claimed:,} bytes but holds {held:,}")
    array = as_array(data[start : start + max(claimed, 0)], dtype, shape, fortran=fortran)
    return array if array.flags.aligned else array.copy()


PLAIN_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|][fiuSU]\d{1,4})', 'fortran_order': False, "
    rb"'shape': \(((?:[1-9]\d{0,17}|0),|(?:(?:[1-9]\d{0,17}|0), ){1,8}(?:[1-9]\d{0,17}|0)|)\), \} *\n",
    re.DOTALL,
)
"""What NumPy writes before numbers and text; its own reader takes any Python literal, and ten times as long."""


def _npy_header(data: memoryview) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether in Fortran order, dtype, and where the array begins."""
    plain = PLAIN_HEADER.match(data)
    if plain is not None and plain.end() == 10 + int.from_bytes(data[8:10], "little"):
        shape = tuple(int(n) for n in plain[2].split(b",") if n)
        return shape, False, np.dtype(plain[1].decode()), plain.end()
    stream = io.BytesIO(data)
    major, _minor = npy_format.read_magic(stream)
    read_header = npy_format.read_array_header_1_0 if major == 1 else npy_format.read_array_header_2_0
    shape, fortran, dtype = read_header(stream)
    return shape, fortran, dtype, stream.tell()


HASHED = {
    pickle.SETITEM[0]: slice(-2, -1), pickle.SETITEMS[0]: slice(0, None, 2), pickle.DICT[0]: slice(0, None, 2),
    pickle.ADDITEMS[0]: slice(None), pickle.FROZENSET[0]: slice(None),
}  # fmt: skip
"""Opcodes that hash what they find on the stack, and where."""
NOTHING = slice(0)


def _guarded(load_opcode: Callable[[Any], None], hashed: slice) -> Callable[[Any], None]:
    """`load_opcode`, counted, and kept from keys of tuples: sixty, each twice the one before, are hashed 2^60 times."""

    def guarded(unpickler: "_NotingUnpickler") -> None:
        unpickler.n_opcodes += 1
        if unpickler.n_opcodes > MAX_PICKLE_OPCODES:
            raise OversizedError(f"more than {MAX_PICKLE_OPCODES:,} opcodes")
        if any(isinstance(key, tuple | frozenset) for key in unpickler.stack[hashed]):
            raise ForbiddenError("has a tuple as a key")
        load_opcode(unpickler)

    return guarded


class _NotingUnpickler(pickle._Unpickler):
    """Python's own unpickler, not C's, which allocates a memo as large as the pickle says: 64 GB for eight bytes."""

    dispatch = {code: _guarded(load, HASHED.get(code, NOTHING)) for code, load in pickle._Unpickler.dispatch.items()}  # noqa: RUF012
    dispatch[pickle.BYTEARRAY8[0]] = dispatch[pickle.BINBYTES8[0]]  # a bytearray is made before its bytes are seen
    n_opcodes = 0
    stack: list[Any]

    def find_class(self, module: str, name: str) -> type[Note]:
        return note_class(module, name)
