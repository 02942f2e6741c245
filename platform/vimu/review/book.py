"""The book of decisions that a review writes: `vimu.clips.decisions`' file, whole after every key press."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vimu.clips.decisions import Decision, Key, merge, read_decisions, write_decisions
from vimu.runtime.errors import UserError, listed

LOCK_S = 5.0
"""How long another process may hold the file."""


@dataclass(frozen=True)
class Change:
    """What became of one key."""

    key: Key
    before: Decision | None
    after: Decision | None

    @property
    def undone(self) -> "Change":
        """The way back."""
        return Change(self.key, self.after, self.before)


class Book:
    """A file of decisions, read again before each change: another program, or another person, may write it too."""

    def __init__(self, file: Path, categories: Collection[str] | None) -> None:
        """`categories` is what a take may be relabelled as; None: nothing. Raises UserError: the file is wrong."""
        self.file = file
        self._categories = categories
        self._done: list[tuple[Change, ...]] = []
        """One key press each."""
        self.decisions()

    def decisions(self) -> dict[Key, Decision]:
        """What the file holds. Raises UserError: it is wrong."""
        if not self.file.exists():
            return {}
        return {decision.key: decision for decision in read_decisions(self.file, self._categories)}

    def decide(self, decision: Decision) -> Change:
        """Write a decision in place of the one on the same take; one of the same verdict gets both names.

        Raises:
            UserError: the decision or the file is wrong.
        """
        if decision.decision == "relabel" and decision.value not in (self._categories or ()):
            raise UserError(f"`value` must be one of {listed(self._categories or (), 30)}, but is `{decision.value}`.")
        with self._open() as held:
            [after], _ = merge([decision])  # as the file will spell it
            before = held.get(after.key)
            if before is not None and before.verdict == after.verdict:
                [after], _ = merge([before], [after])
            change = Change(after.key, before, after)
            self._write(held, [change])
        self._done.append((change,))
        return change

    def clear(self, archive: str, sequence: str) -> Change | None:
        """Take back what is decided on a take, whoever did; None where nothing is. Raises UserError: as `decisions`."""
        keys: list[Key] = [(archive, sequence, "label"), (archive, sequence, "rate")]
        with self._open() as held:
            changes = tuple(Change(key, held[key], None) for key in keys if key in held)
            if not changes:
                return None
            self._write(held, changes)
        self._done.append(changes)
        return changes[0]

    def undo(self) -> Change | None:
        """Set the last change of this review back; None where there is none left.

        Raises:
            UserError: somebody has decided otherwise on that take since (the change can then be undone no more), or
                the file is wrong.
        """
        if not self._done:
            return None
        with self._open() as held:
            changes = self._done.pop()
            for change in changes:
                there = held.get(change.key)
                if there != change.after:
                    says = f"but the file says {there or 'nothing'}"
                    raise UserError(f"`{change.key[1]}` must be as it was left to be undone, {says}.")
            self._write(held, [change.undone for change in changes])
        return changes[0].undone

    def _write(self, held: dict[Key, Decision], changes: Sequence[Change]) -> None:
        after = {change.key: change.after for change in changes}
        kept = [decision for key, decision in held.items() if key not in after]
        write_decisions(self.file, [*kept, *filter(None, after.values())])

    @contextmanager
    def _open(self) -> Iterator[dict[Key, Decision]]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.file.with_name(f".{self.file.name}.lock"), timeout=LOCK_S):
                yield self.decisions()
        except Timeout as error:
            raise UserError(f"`{self.file}` must be free to write, but another process holds it.") from error
