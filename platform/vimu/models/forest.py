"""The forest baseline: what a few statistics of a window are worth."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier


def window_statistics(x: Float[np.ndarray, "windows length channels"]) -> Float[np.ndarray, "windows features"]:
    """Mean, standard deviation, least, greatest, and mean absolute step of each channel."""
    parts = [x.mean(axis=1), x.std(axis=1), x.min(axis=1), x.max(axis=1), np.abs(np.diff(x, axis=1)).mean(axis=1)]
    return np.concatenate(parts, axis=1)


def forest_probabilities(
    train_x: Float[np.ndarray, "train length channels"],
    train_y: Int[np.ndarray, " train"],
    test_x: Float[np.ndarray, "test length channels"],
    *,
    n_classes: int,
    seed: int,
    n_trees: int = 300,
) -> Float[np.ndarray, "test classes"]:
    """Fit on the training windows and give the class probabilities of the test windows.

    Classes that training lacks get probability 0.
    """
    forest = RandomForestClassifier(n_trees, random_state=seed, class_weight="balanced_subsample", n_jobs=1)
    forest.fit(window_statistics(train_x), train_y)
    probabilities = np.zeros((len(test_x), n_classes))
    probabilities[:, forest.classes_] = forest.predict_proba(window_statistics(test_x))
    return probabilities
