"""The members of a tar or zip, one after the other, within bounds of number, of bytes and of memory.

What Python's modules take as an archive tells them is bounded here: how many members there are, how large a header is,
how far the compressed stream goes on, how much memory its method asks for.
"""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Self, TypeVar, cast

from vimu.contracts import Reason, Rejection

MAX_FILES = 200_000
"""And folders."""
CHUNK = 2**20
TAR_END = 1024
"""Zeros that end a tar. Source: POSIX.1-2001, pax."""
MAX_TAR_HEADER = 2**16
"""Of the names and attributes that stand before a tar's member; tarfile holds a chain of up to a thousand in memory."""
MAX_XZ_MEMORY = 2**28
"""What a .tar.xz may ask for to be read; `xz -9` asks for 65 MiB."""
ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}
"""Without LZMA, which may ask for 4 GiB before its first byte."""


def members_of(archive: Path, max_bytes: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and bytes of each file, in the order of the archive: a tar is read once, without seeking.

    Args:
        max_bytes: of the whole archive, expanded; what a member holds is for the caller to count.

    Raises:
        Rejection: `unreadable`, `oversized`. Damage also shows as any error of tarfile, zipfile, bz2, lzma or zlib.
    """
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as bundle:
            for info in _few(archive, bundle.infolist()):
                kind = info.external_attr >> 16 & 0o170000
                if kind not in (0, 0o100000, 0o040000):
                    raise Rejection(str(archive), Reason.UNREADABLE, f"`{info.filename}` is a link or a device")
                if info.compress_type not in ZIP_METHODS:
                    detail = f"`{info.filename}` is compressed by method {info.compress_type}, which is not read"
                    raise Rejection(str(archive), Reason.UNREADABLE, detail)
                if not info.is_dir():
                    with bundle.open(info) as stream:
                        yield info.filename, stream
        return
    room = max_bytes + MAX_FILES * 3 * tarfile.BLOCKSIZE  # a header, and up to two blocks of padding, a file
    with (
        _decompressed(archive) as stream,
        _Bounded(archive, stream, room) as plain,
        tarfile.open(fileobj=cast(IO[bytes], plain), mode="r|", tarinfo=_Member) as tape,
    ):
        for member in _few(archive, tape):
            vars(tape)["members"] = []  # tarfile keeps them all, for seeking
            if not (member.isreg() or member.isdir()):
                raise Rejection(str(archive), Reason.UNREADABLE, f"`{member.name}` is a link or a device")
            content = tape.extractfile(member)
            if content is not None:
                yield member.name, content
        while plain.read(CHUNK):  # to the end, where the checksum is
            pass


class _Member(tarfile.TarInfo):
    """A member's headers, without two habits of tarfile: it takes a damaged header for the end of the tar, and reads a
    further header in one piece, of whatever size it claims."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if len(buf) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("has no end: it was cut short")
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf == bytes(tarfile.BLOCKSIZE):
                raise  # the end
            raise tarfile.ReadError(f"a header is damaged: {error}") from error

    def _proc_member(self, tape: tarfile.TarFile) -> tarfile.TarInfo:  # what tarfile lets a subclass take over
        if self.size > MAX_TAR_HEADER and not (self.isreg() or self.isdir()):
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return cast(tarfile.TarInfo, super()._proc_member(tape))  # type: ignore[misc]


class _Xz(io.RawIOBase):
    """As `lzma.open`, which knows no limit of memory: each stream of a file, and each block, may ask for more."""

    def __init__(self, archive: Path) -> None:
        self._file, self._stream = archive.open("rb"), lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY)

    def read(self, size: int = -1) -> bytes:
        data = b""
        while not data:
            packed = b""
            if self._stream.eof:
                packed = self._stream.unused_data.lstrip(b"\0")  # zeros may stand between streams, and at the end
                while not packed and (more := self._file.read(CHUNK)):
                    packed = more.lstrip(b"\0")
                if not packed:
                    return b""
                self._stream = lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY)
            elif self._stream.needs_input and not (packed := self._file.read(CHUNK)):
                raise EOFError("has no end: it was cut short")
            data = self._stream.decompress(packed, max_length=size)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()


class _Bounded(io.RawIOBase):
    """A decompressed stream that ends in a Rejection where it goes on for too long, whatever stands in it."""

    def __init__(self, archive: Path, stream: IO[bytes], max_bytes: int) -> None:
        self._archive, self._stream, self._left = archive, stream, max_bytes

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, CHUNK) if size >= 0 else CHUNK)
        self._left -= len(data)
        if self._left < 0:
            raise Rejection(str(self._archive), Reason.OVERSIZED, "expands beyond the limit")
        return data


T = TypeVar("T")


def _few(archive: Path, members: Iterable[T]) -> Iterator[T]:
    for n, member in enumerate(members, start=1):
        if n > MAX_FILES:
            raise Rejection(str(archive), Reason.OVERSIZED, f"holds more than {MAX_FILES:,} files and folders")
        yield member


def _decompressed(archive: Path) -> IO[bytes]:
    """A tar's bytes. tarfile's own decompression takes where a file was cut for the archive's end; these do not."""
    name = archive.name.lower()
    if name.endswith(".bz2"):
        return bz2.open(archive)
    if name.endswith(".xz"):
        return cast(IO[bytes], _Xz(archive))
    if name.endswith("gz"):
        return cast(IO[bytes], gzip.open(archive))
    plain = archive.open("rb")
    plain.seek(-min(TAR_END, archive.stat().st_size), os.SEEK_END)
    if plain.read() != bytes(TAR_END):
        plain.close()
        raise Rejection(str(archive), Reason.UNREADABLE, "has no end: it was cut short")
    plain.seek(0)
    return plain
