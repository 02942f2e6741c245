"""Damage that knows a little of the formats: numbers, fields, lines, members of zips, and files of a folder.

A mutation is a triple of plain numbers, so that hypothesis can shrink it and a coverage-guided fuzzer draw it.
"""

import io
import random
import re
import zipfile
from collections.abc import Callable

from fuzz.container import packed, unpacked

Mutation = tuple[int, float, int]
"""Which kind, where (0 to 1), and what."""

MAX_BYTES = 2**18
"""Of an input."""

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
NUMBERS = (
    b"0", b"-1", b"1", b"NaN", b"nan", b"inf", b"-inf", b"1e39", b"1e308", b"-1e308", b"1e-308", b"1e-999", b"1e999",
    b"2147483648", b"9223372036854775808", b"99999999999999999999999", b"0x1F", b"1_0", b"1e", b"--1", b"1.2.3",
    "\u00b2".encode(), "\u0663".encode(), b"", b"1" * 400, b"0.0000001", b"999999999999999", b"1,5",
)  # fmt: skip
TOKENS = (
    b"\0", b"\r", b"\n", b"\r\n", b"\n\n\n\n", b"\t", b" ", b";", b",", b'"', b"'", b":", b"{", b"}", b"[", b"]", b"#",
    b"%", b"..", b"../", b"/", b"\\", b"\xff\xfe", b"\xef\xbb\xbf", "\U0001f600".encode(), b"\xc3\x28", b"null",
    b"true", b"~", b"!!python/object:os.system", b"&a [*a]", b"*a", b"<<: ", b"- ", b"? ", b"|", b">", b"2001-13-45",
    b"(?P<subject>", b"a{99999999999}", b"(" * 300, b"[" * 3000, b"\n" * 3000, b" " * 3000, b"x" * 5000,
)  # fmt: skip


def _split(data: bytes, where: float) -> tuple[bytes, bytes]:
    at = round(where * len(data))
    return data[:at], data[at:]


def _flip(data: bytes, where: float, what: int) -> bytes:
    head, tail = _split(data, where)
    return head + bytes(b ^ (what % 255 + 1) for b in tail[:1]) + tail[1:]


def _cut(data: bytes, where: float, what: int) -> bytes:
    return _split(data, where)[what % 2]


def _drop(data: bytes, where: float, what: int) -> bytes:
    head, tail = _split(data, where)
    return head + tail[1 + what % 64 :]


def _insert(data: bytes, where: float, what: int) -> bytes:
    head, tail = _split(data, where)
    return head + TOKENS[what % len(TOKENS)] + tail


def _noise(data: bytes, where: float, what: int) -> bytes:
    head, tail = _split(data, where)
    return head + random.Random(what).randbytes(1 + what % 40) + tail  # noqa: S311


def _repeat(data: bytes, where: float, what: int) -> bytes:
    head, tail = _split(data, where)
    piece = tail[: 1 + what % 50]
    return head + piece * (2 ** (1 + what % 12)) + tail


def _number(data: bytes, where: float, what: int) -> bytes:
    found = list(NUMBER.finditer(data))
    if not found:
        return data
    spot = found[min(int(where * len(found)), len(found) - 1)]
    return data[: spot.start()] + NUMBERS[what % len(NUMBERS)] + data[spot.end() :]


def _word(data: bytes, where: float, what: int) -> bytes:
    words = re.split(rb"(\s+|[,;:])", data)
    at = min(int(where * len(words)), len(words) - 1)
    match what % 4:
        case 0:
            words[at] = b""
        case 1:
            words[at] = TOKENS[what // 4 % len(TOKENS)]
        case 2:
            words.insert(at, words[what % len(words)])
        case _:
            words[at], words[what % len(words)] = words[what % len(words)], words[at]
    return b"".join(words)


def _line(data: bytes, where: float, what: int) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at = min(int(where * len(lines)), len(lines) - 1)
    match what % 4:
        case 0:
            del lines[at : at + 1 + what % 5]
        case 1:
            lines.insert(at, lines[what % len(lines)])
        case 2:
            lines[at], lines[what % len(lines)] = lines[what % len(lines)], lines[at]
        case _:
            lines[at] = lines[at] * (1 + what % 500)
    return b"".join(lines)


def _bytes_of_a_number(data: bytes, where: float, what: int) -> bytes:
    """Binary sizes and counts: some bytes become a power of two, or one off it, in either order."""
    head, tail = _split(data, where)
    width, power = (1, 2, 4, 8)[what % 4], what // 4 % 64
    value = (2**power + what // 256 % 3 - 1) % 2 ** (8 * width)
    return head + value.to_bytes(width, ("little", "big")[what // 1024 % 2]) + tail[width:]


SIMPLE: tuple[Callable[[bytes, float, int], bytes], ...] = (
    _flip, _cut, _drop, _insert, _noise, _repeat, _number, _number, _word, _line, _bytes_of_a_number,
)  # fmt: skip


def _inside_zip(data: bytes, where: float, what: int) -> bytes:
    """A member's content is damaged and its checksum made true again; now and then a member's name is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            members = [(info, bundle.read(info)) for info in bundle.infolist()]
    except Exception:  # noqa: BLE001  damaged already: the bytes are as good a place as any
        return _flip(data, where, what)
    if not members:
        return data
    at = what % len(members)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        for i, (info, content) in enumerate(members):
            name, new = info.filename, content
            if i == at and what % 16 == 0:
                name = _insert(name.encode(), where, what // 16).decode("utf-8", "replace")
            elif i == at:
                new = mutated(content, (what // 16 % len(SIMPLE), where * where, what // 7))
            member = zipfile.ZipInfo(name.partition("\0")[0] or "x")  # of no date: the same each time
            bundle.writestr(member, new[:MAX_BYTES], compress_type=info.compress_type)
    return stream.getvalue()


def mutated(data: bytes, mutation: Mutation) -> bytes:
    """`data` with one mutation of `SIMPLE`; those of one file where `data` holds several."""
    kind, where, what = mutation
    files = unpacked(data)
    if len(files) > 1:
        at = what % (len(files) + 1)
        if at == len(files):  # the files themselves
            match what // 8 % 3:
                case 0:
                    files.pop(int(where * (len(files) - 1)))
                case 1:
                    files = files[::-1]
                case _:
                    files[0] = files[-1]
        else:
            files[at] = mutated(files[at], (kind, where, what // 3))
        return packed(files)[:MAX_BYTES]
    if data[:2] == b"PK" and kind % 2:
        return _inside_zip(data, where, what)[:MAX_BYTES]
    return SIMPLE[kind % len(SIMPLE)](data, where, what)[:MAX_BYTES]


def mutated_by_seed(data: bytes, seed: int) -> bytes:
    """One to four mutations drawn from `seed`."""
    draw = random.Random(seed)  # noqa: S311
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4))):
        data = mutated(data, (draw.randrange(2**16), draw.random(), draw.randrange(2**20)))
    return data
