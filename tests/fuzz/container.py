"""Several files in one input: a fuzzer gives one string of bytes, a reader may want a folder."""

BETWEEN = b"\n\0--file--\0\n"
"""Stands between the files of an input."""


def packed(files: list[bytes]) -> bytes:
    return BETWEEN.join(files)


def unpacked(data: bytes) -> list[bytes]:
    return data.split(BETWEEN)
