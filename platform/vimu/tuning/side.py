"""The windows that a study tests on, without the classes that too few people did."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vimu.runtime.errors import UserError
from vimu.tuning.study import PlacementStudy
from vimu.windows.schema import WindowSet


class Dealing(Protocol):
    """Settings that say how people are dealt into folds, and which classes too few of them did."""

    @property
    def n_folds(self) -> int: ...

    @property
    def min_people(self) -> int: ...


@dataclass(frozen=True)
class Side:
    """Real or virtual windows."""

    dataset: str
    windows: WindowSet
    classes: tuple[str, ...]
    synthetic: bool
    groups: str
    """What folds keep apart: `subjects`, or `clips` where an archive names none."""
    left_out: dict[str, tuple[int, int]]
    """Class that too few did -> (subjects, windows)."""

    @property
    def n_groups(self) -> int:
        return len(set(self.windows.subject.tolist()))


def side_of(dataset: str, windows: WindowSet, study: Dealing, *, synthetic: bool, groups: str) -> Side:
    """Windows of the classes that enough people did.

    Raises:
        UserError: fewer than two such classes, or fewer people than folds.
    """
    people = {label: len(set(windows.subject[windows.label == label].tolist())) for label in windows.classes}
    classes = tuple(label for label, n in people.items() if n >= study.min_people)
    left_out = {c: (n, int((windows.label == c).sum())) for c, n in people.items() if c not in classes}
    kept = windows.take(np.flatnonzero(np.isin(windows.label, classes)))
    side = Side(dataset, kept, classes, synthetic, groups, left_out)
    if len(classes) < 2 or side.n_groups < study.n_folds:
        raise UserError(
            f"`{dataset}` must have two classes that `min_people` = {study.min_people} {groups} did, and at least "
            f"`n_folds` = {study.n_folds} {groups}, but has {len(classes)} and {side.n_groups}."
        )
    return side


def cautions(sides: list[Side], study: PlacementStudy, *, most_rows: int) -> list[str]:
    """What a reader must know before choosing sensors by the table."""
    notes = []
    for side in {side.dataset: side for side in sides}.values():
        notes.append(
            f"{side.dataset}: all sets of sensors are compared on the same {len(side.windows):,} windows of "
            f"{side.n_groups} {side.groups} and {len(side.classes)} classes; a recording that lacks any one sensor is "
            "left out for all."
        )
        if side.left_out:
            which = ", ".join(f"{c} ({n}, in {w} windows)" for c, (n, w) in side.left_out.items())
            notes.append(
                f"{side.dataset}: classes that fewer than {study.min_people} {side.groups} did are left out: {which}."
            )
        if side.groups != "subjects":
            notes.append(f"{side.dataset} does not name its actors: clips, not people, are apart, which is optimistic.")
    notes.append(
        f"Intervals draw the tested people again, models as they are, one row at a time: the best of {most_rows} rows "
        "is found by looking at them all, so its figure is optimistic. Settings are the same for all sets."
    )
    return notes
