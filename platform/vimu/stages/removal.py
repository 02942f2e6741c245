"""Removing what `retention` found: each piece looked at again under its locks, and gone at once or not at all.

In a folder it is renamed first: a job that begins sees it whole or not there, never half of it. In an object store,
marks of what is done go before the data that they speak of.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from vimu.runtime.locks import held
from vimu.runtime.published import SUCCESS
from vimu.runtime.storage import Location, files_below, remove
from vimu.stages.retention import REMOVED, Piece, as_a_whole, leftovers


def remove_piece(piece: Piece, older_than_days: float, now: float) -> str | None:
    """Remove a piece that nothing spoke against.

    Args:
        older_than_days: as it was found by; so is `now`, seconds since 1970.

    Returns:
        Why it stays after all, as the end of a sentence: something has changed since. None: it is gone.

    Raises:
        OSError: it cannot be removed.
    """
    if piece.place.name.endswith(REMOVED) and isinstance(piece.place, Path):
        shutil.rmtree(piece.place)
        return None
    with ExitStack() as locks:
        if not all(locks.enter_context(held(lock)) for lock in _locks(piece)):
            return "a job has begun"
        again = _again(piece, older_than_days, now)
        if again is None or again.stays is not None:
            return "it is gone" if again is None else str(again.stays)
        if not isinstance(piece.place, Path):
            for path in _in_order(piece):
                remove(path)
            return None
        aside = piece.place.with_name(f".{piece.place.name.removeprefix('.')}{REMOVED}")
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
        piece.place.rename(aside)
    shutil.rmtree(aside)
    return None


def remove_all(pieces: Iterable[Piece], older_than_days: float, now: float) -> Iterator[tuple[Piece, str | None, bool]]:
    """Remove one after the other: each, why it is still there if it is, and whether that is a failure."""
    for piece in pieces:
        try:
            yield piece, remove_piece(piece, older_than_days, now), False
        except OSError as error:
            yield piece, f"{type(error).__name__}: {error}", True


def _locks(piece: Piece) -> list[Path]:
    if not isinstance(piece.place, Path):
        return []
    if piece.is_run:
        return sorted(piece.place.glob(".*.lock"))
    stage = piece.place.name.removeprefix(".").removesuffix(".staging").removesuffix(".replaced")
    return [piece.place.with_name(f".{stage}.lock")]


def _again(piece: Piece, older_than_days: float, now: float) -> Piece | None:
    """The piece as it is now."""
    if piece.is_run:
        return as_a_whole(piece.run, older_than_days, now, locked=True) if piece.run.is_dir() else None
    found = leftovers(piece.run, older_than_days, now, locked=True)
    return next((other for other in found if other.place == piece.place), None)


def _in_order(piece: Piece) -> list[Location]:
    """Objects of a piece: what publishes it first, then marks, then data."""

    def rank(path: Location) -> int:
        below = PurePosixPath(str(path).removeprefix(str(piece.place))).parts
        return 0 if below[-1] == SUCCESS else 1 if any(part.startswith(".") for part in below) else 2

    return sorted(files_below(piece.place), key=rank)
