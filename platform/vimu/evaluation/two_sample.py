"""Can a classifier tell virtual from real? The area under its ROC curve: 0.5 where it cannot, 1 where it always can."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from vimu.models.forest import forest_probabilities

N_FOLDS = 5


def auc_between(
    one: Float[np.ndarray, "n1 length channels"],
    one_groups: Sequence[str],
    other: Float[np.ndarray, "n2 length channels"],
    other_groups: Sequence[str],
    *,
    seed: int = 0,
) -> float:
    """ROC AUC of a forest on window statistics that tells `other` from `one`, on groups that it has not seen.

    People, or clips where people are not known, are kept apart; every window is judged once.
    """
    x = np.concatenate([one, other])
    y = np.repeat([0, 1], [len(one), len(other)])
    groups = [f"one {g}" for g in one_groups] + [f"other {g}" for g in other_groups]
    score = np.full(len(y), np.nan)
    for train, test in StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed).split(x, y, groups):
        score[test] = forest_probabilities(x[train], y[train], x[test], n_classes=2, seed=seed, n_trees=100)[:, 1]
    return float(roc_auc_score(y, score))
