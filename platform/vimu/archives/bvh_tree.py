"""The joint tree of a BVH file: its header, read word by word without recursion."""

from dataclasses import dataclass
from functools import lru_cache

from vimu.contracts import Reason, Rejection

MAX_NUMBER = 1e7
"""Of a length or an angle: beyond it (100 km in centimetres, 28,000 turns) is damage, and would overflow later."""

CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "xyz")


@dataclass(frozen=True)
class Joint:
    name: str
    parent: int
    offset: tuple[float, ...]
    channels: tuple[int, ...]
    """Indices into CHANNELS, in the file's order."""


def read_tree(path: str, header: bytes) -> tuple[Joint, ...]:
    """The joints, parents before children; End Sites are dropped.

    Args:
        header: all that precedes MOTION.

    Raises:
        Rejection: `unreadable`, or `non_finite` for an OFFSET that is none.
    """
    try:
        return _read_tree(header)
    except Rejection as rejection:
        raise Rejection(path, rejection.reason, rejection.detail) from None


@lru_cache(maxsize=16)
def _read_tree(header: bytes) -> tuple[Joint, ...]:
    """Kept, for the clips of an archive share a few headers: Bandai's 1,294 have eight."""
    path = ""  # of no file yet

    def refuse(detail: str) -> Rejection:
        return Rejection(path, Reason.UNREADABLE, detail)

    try:
        words = iter(header.decode("utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise refuse(f"the header is no text ({error.reason})") from error
    if next(words, "") != "HIERARCHY":
        raise refuse("does not begin with HIERARCHY")
    names: list[str] = []
    parents: list[int] = []
    offsets: dict[int, tuple[float, ...]] = {}
    channels: dict[int, tuple[int, ...]] = {}
    end_site = -1
    open_nodes: list[int] = []
    for word in words:
        if word in {"ROOT", "JOINT", "End"}:
            name = " ".join(iter(lambda: next(words, "{"), "{"))  # a name may hold blanks
            if (word == "ROOT") != (not open_nodes and not names) or (open_nodes and open_nodes[-1] == end_site):
                raise refuse(f"`{word} {name[:40]}` is out of place")
            if word == "End":
                open_nodes.append(end_site)
                continue
            parents.append(open_nodes[-1] if open_nodes else -1)
            open_nodes.append(len(names))
            names.append(name)
        elif word == "}" and open_nodes:
            open_nodes.pop()
        elif word == "OFFSET" and open_nodes:
            offset = _lengths(path, [next(words, "") for _ in range(3)])
            if open_nodes[-1] != end_site:
                offsets[open_nodes[-1]] = offset
        elif word == "CHANNELS" and open_nodes and open_nodes[-1] not in channels and open_nodes[-1] != end_site:
            n_channels = count(path, next(words, "").encode(), "CHANNELS")
            listed = [next(words, "").lower() for _ in range(min(n_channels, 7))]
            if len(set(listed)) != n_channels or not set(listed) <= set(CHANNELS):
                raise refuse(f"`CHANNELS {n_channels} {' '.join(listed)[:80]}` is no list of different channels")
            channels[open_nodes[-1]] = tuple(CHANNELS.index(c) for c in listed)
        else:
            raise refuse(f"`{word[:40]}` is out of place in the hierarchy")
    if open_nodes or not names:
        raise refuse("the hierarchy ends before its last joint is closed" if names else "has no joint")
    if len(set(names)) != len(names):
        raise refuse("two joints have the same name")
    if len(offsets) != len(names):
        raise refuse("a joint has no OFFSET")
    pairs = enumerate(zip(names, parents, strict=True))
    return tuple(Joint(name, parent, offsets[j], channels.get(j, ())) for j, (name, parent) in pairs)


def count(path: str, token: bytes, what: str) -> int:
    """`token` as a whole number from 0 to 10^12, or a Rejection that says `what` it was to be."""
    if not token.isdigit() or len(token) > 12:
        raise Rejection(path, Reason.UNREADABLE, f"`{what}` must be a count, but is {token[:40]!r}")
    return int(token)


def _lengths(path: str, tokens: list[str]) -> tuple[float, ...]:
    try:
        values = tuple(float(token) for token in tokens)
    except ValueError as error:
        raise Rejection(path, Reason.UNREADABLE, f"`OFFSET {' '.join(tokens)[:80]}` is no three numbers") from error
    if not all(abs(value) < MAX_NUMBER for value in values):
        raise Rejection(path, Reason.NON_FINITE, f"`OFFSET {' '.join(tokens)[:80]}` is no position")
    return values
