"""Train, validation and test with subjects apart: overlapping windows of one person leak.

On UMAFall a plain forest scores 0.83 with windows split at random and 0.59 with subjects kept apart. The former is the
protocol `paper_random_windows`, for figures that stand beside the seed paper's; it is never the default.
"""

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import StratifiedGroupKFold

from vimu.runtime.errors import UserError, listed
from vimu.windows.settings import SplitSettings


def assign_splits(groups: Sequence[str], labels: Sequence[str], settings: SplitSettings, *, dataset: str) -> list[str]:
    """`train`, `val` or `test` for each item; items of one group always share theirs.

    Under `paper_random_windows` all train: `random_splits` then deals their windows.

    Args:
        groups: subject of each item, or the clip itself.
        labels: folds are dealt so that classes spread over them.
        dataset: named in errors.

    Raises:
        UserError: fewer groups than folds, a named group that is not there, or none left to train.
    """
    if settings.protocol == "paper_random_windows":
        return ["train"] * len(groups)
    if settings.test_groups:
        unknown = {*settings.test_groups, *settings.val_groups} - set(groups)
        if unknown:
            raise UserError(
                f"`split` must name subjects of `{dataset}` ({listed(set(groups))}), but names {listed(unknown)}."
            )
        if set(groups) <= {*settings.test_groups, *settings.val_groups}:
            raise UserError(f"`split` must leave a subject of `{dataset}` to train, but all test or validate.")
        named = dict.fromkeys(settings.test_groups, "test") | dict.fromkeys(settings.val_groups, "val")
        return [named.get(group, "train") for group in groups]
    fold = fold_of_each(groups, labels, n_folds=settings.n_folds, seed=settings.seed, dataset=dataset)
    parts = ["test"] * settings.test_folds + ["val"] * settings.val_folds
    parts += ["train"] * (settings.n_folds - len(parts))
    return [parts[k] for k in fold.tolist()]


def random_splits(window_ids: Iterable[str], settings: SplitSettings) -> list[str]:
    """The split of each window under `paper_random_windows`: drawn by seed and name, whoever else is dealt.

    Source: arXiv 2003.01874 divides AMASS 7:3 and keeps nobody apart, as far as the text at hand says.
    """
    splits = []
    for name in window_ids:
        drawn = hashlib.sha256(f"{settings.seed}:{name}".encode()).digest()[:8]
        place = int.from_bytes(drawn, "big") * settings.n_folds >> 64
        tests, validates = place < settings.test_folds, place < settings.test_folds + settings.val_folds
        splits.append("test" if tests else "val" if validates else "train")
    return splits


def require_apart(groups: Sequence[str], splits: Sequence[str], *, dataset: str) -> None:
    """Refuse windows of one subject (or clip) in two splits.

    Raises:
        UserError: with the names of those that are.
    """
    seen: dict[str, str] = {}
    crossing = {g for g, split in set(zip(groups, splits, strict=True)) if seen.setdefault(g, split) != split}
    if crossing:
        raise UserError(
            f"Each subject of `{dataset}` must be in one split, but {listed(crossing)} is in two: its figures would be "
            "too good. Run jobs/prepare.py again under another `name`."
        )


def fold_of_each(
    groups: Sequence[str], labels: Sequence[str], *, n_folds: int, seed: int, dataset: str
) -> Int[np.ndarray, " items"]:
    """The fold of each item, from 0 up; items of one group share theirs, and classes spread over the folds.

    Raises:
        UserError: fewer groups than folds.
    """
    n_groups = len(set(groups))
    if n_groups < n_folds:
        raise UserError(
            f"`{dataset}` must have at least `n_folds` = {n_folds} subjects (or clips, where it names no "
            f"subjects), but has {n_groups}."
        )
    # sorted, so that the order in which workers finish does not move a split
    order = np.lexsort((labels, groups))
    y, g = np.asarray(labels)[order], np.asarray(groups)[order]
    fold = np.empty(len(groups), dtype=np.int64)
    commonest = max(Counter(labels).values())
    if commonest < n_folds:
        raise UserError(
            f"`n_folds` = {n_folds} must be at most what the commonest class has, but that has {commonest}."
        )
    dealt = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y, g)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # in fewer folds than there are: known, and fine
        for k, (_, members) in enumerate(dealt):
            fold[order[members]] = k
    return fold
