"""Which windows train, validate and test in each fold, with whatever is to be kept apart kept apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from vimu.runtime.errors import UserError, listed
from vimu.windows.schema import WindowSet
from vimu.windows.split import fold_of_each

Validation = Literal["fold", "none"]
"""`fold`: the fold after the one that tests says which epoch of a network is kept; `none`: it trains as well, and the
last epoch is kept."""


@dataclass(frozen=True)
class Folds:
    """The fold of each window of a side."""

    apart: str
    """What folds keep apart: `subjects`, `clips` or `styles`."""
    fold: Int[np.ndarray, " windows"]
    n: int

    def test_rows(self, k: int) -> Int[np.ndarray, " n"]:
        """The windows that fold k tests."""
        return np.flatnonzero(self.fold == k)


def folds_by(windows: WindowSet, groups: Sequence[str], apart: str, *, n_folds: int, seed: int, dataset: str) -> Folds:
    """Deal `groups` (one a window: its subject, clip or style) into folds of like class balance.

    Raises:
        UserError: fewer groups than folds.
    """
    fold = fold_of_each(list(groups), windows.label.tolist(), n_folds=n_folds, seed=seed, dataset=dataset)
    return Folds(apart, fold, n_folds)


def style_of_each(windows: WindowSet, style_of: Mapping[str, str]) -> list[str]:
    """The style of each window's clip; a clip without one is a style of its own."""
    return [style_of.get(source, source) for source in windows.source.tolist()]


def parts_of(
    windows: WindowSet, folds: Folds, k: int, validation: Validation
) -> tuple[WindowSet, WindowSet, WindowSet]:
    """Training, validation and test windows of fold k.

    Raises:
        UserError: somebody's windows are in two of them.
    """
    test = folds.fold == k
    validates = np.zeros_like(test) if validation == "none" else folds.fold == (k + 1) % folds.n
    named = {"training": ~(test | validates), "validation": validates, "test": test}
    people = {name: set(windows.subject[rows].tolist()) for name, rows in named.items()}
    for one, other in (("training", "test"), ("validation", "test"), ("training", "validation")):
        if both := people[one] & people[other]:
            raise UserError(
                f"A subject must be in one split only, but in fold {k} {listed(both)} is in {one} and in {other}."
            )
    train, val, tested = (windows.take(np.flatnonzero(rows)) for rows in named.values())
    return train, val, tested


def require_every_class(windows: WindowSet, folds: Folds, validation: Validation, *, dataset: str) -> None:
    """Raise a UserError that names the classes which a fold would have to know without a training window."""
    lacking = []
    for k in range(folds.n):
        train = parts_of(windows, folds, k, validation)[0]
        lacking += [f"`{name}` in fold {k}" for name in windows.classes if name not in train.classes]
    if lacking:
        raise UserError(
            f"Every fold must have a training window of each class of `{dataset}`, but with {folds.apart} apart there "
            f"is none of {listed(lacking, 8)}. Raise `crossval.min_people`, which leaves out classes that few did, "
            "give more folds, or another `crossval.fold_seed`."
        )
