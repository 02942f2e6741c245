"""How well clips' labels agree with their signals: a random forest that has never seen the clip nor its person."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

N_TREES = 200
N_FOLDS = 5


@dataclass(frozen=True)
class Agreement:
    """Out-of-fold probabilities of a forest on the clips' statistics. Classes weigh alike, whatever their sizes."""

    own: Float[np.ndarray, " clips"]
    """Of the clip's own label; NaN where no other group has a clip of it, so that nothing can be said."""
    other: Float[np.ndarray, " clips"]
    """Of the likest other label."""
    likest: tuple[str, ...]
    """That label."""


def agreement(
    values: Float[np.ndarray, "clips sensors statistics"], labels: Sequence[str], groups: Sequence[str]
) -> Agreement:
    """Judge every clip by a forest fitted without its group.

    Args:
        groups: a person's clips, or a take.
    """
    from sklearn.ensemble import RandomForestClassifier  # here: a second, which the page need not wait for
    from sklearn.model_selection import GroupKFold

    classes, own = np.unique(labels, return_inverse=True)
    unknown = Agreement(np.full(len(labels), np.nan), np.zeros(len(labels)), ("",) * len(labels))
    n_folds = min(N_FOLDS, len(set(groups)))
    if len(classes) < 2 or n_folds < 2:
        return unknown
    flat = values.reshape(len(values), -1)
    probability = np.full((len(labels), len(classes)), np.nan)
    for train, test in GroupKFold(n_folds).split(flat, own, groups):
        forest = RandomForestClassifier(N_TREES, class_weight="balanced", min_samples_leaf=2, random_state=0)
        forest.fit(flat[train], own[train])
        probability[np.ix_(test, forest.classes_)] = forest.predict_proba(flat[test])
    clips = np.arange(len(labels))
    others = np.nan_to_num(probability)
    others[clips, own] = -1
    likest = others.argmax(axis=1)
    return Agreement(probability[clips, own], others[clips, likest].clip(0), tuple(str(classes[c]) for c in likest))
