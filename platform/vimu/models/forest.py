"""The forest baseline: what a few statistics of a window are worth.

scikit-learn grows the trees; what they learnt is kept as arrays, so that a forest is saved and loaded like any other
model, without a pickle.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    import torch

LEAF = -1


def window_statistics(x: Float[np.ndarray, "windows length channels"]) -> Float[np.ndarray, "windows features"]:
    """Mean, standard deviation, least, greatest, and mean absolute step of each channel."""
    parts = [x.mean(axis=1), x.std(axis=1), x.min(axis=1), x.max(axis=1), np.abs(np.diff(x, axis=1)).mean(axis=1)]
    return np.concatenate(parts, axis=1)


class Forest:
    """Trees side by side: of each node the feature it asks for, its threshold, its children and its class shares."""

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes
        self._state: dict[str, np.ndarray[Any, Any]] = {}

    def fit(
        self,
        x: Float[np.ndarray, "train length channels"],
        y: Int[np.ndarray, " train"],
        *,
        n_trees: int,
        seed: int,
    ) -> None:
        """Grow the trees; classes weigh alike. Those that `y` lacks get probability 0."""
        from sklearn.ensemble import RandomForestClassifier

        grown = RandomForestClassifier(n_trees, random_state=seed, class_weight="balanced_subsample", n_jobs=1)
        grown.fit(window_statistics(x), y)
        trees = [estimator.tree_ for estimator in grown.estimators_]
        start = np.cumsum([0] + [tree.node_count for tree in trees[:-1]])
        share = np.zeros((sum(tree.node_count for tree in trees), self.n_classes))
        share[:, grown.classes_] = np.concatenate([tree.value[:, 0] for tree in trees])

        def children(side: str) -> np.ndarray[Any, Any]:
            below = [(getattr(tree, side), first) for tree, first in zip(trees, start, strict=True)]
            return np.concatenate([np.where(child == LEAF, LEAF, child + first) for child, first in below])

        self._state = {
            "root": start,
            "feature": np.concatenate([tree.feature for tree in trees]),
            "threshold": np.concatenate([tree.threshold for tree in trees]),
            "left": children("children_left"),
            "right": children("children_right"),
            "share": share / share.sum(axis=1, keepdims=True),
        }

    def predict_proba(
        self, x: Float[np.ndarray, "n length channels"], *, batch_size: int = 512
    ) -> Float[np.ndarray, "n classes"]:
        """Mean over the trees of the class shares of the leaf that a window falls into."""
        parts = [self._of(window_statistics(x[i : i + batch_size])) for i in range(0, len(x), batch_size)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_classes))

    def _of(self, statistics: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n classes"]:
        s = self._state
        node = np.broadcast_to(s["root"], (len(statistics), len(s["root"]))).copy()
        rows = np.arange(len(statistics))[:, None]
        while (inner := s["left"][node] != LEAF).any():
            lower = statistics[rows, s["feature"][node]] <= s["threshold"][node]
            node = np.where(inner, np.where(lower, s["left"][node], s["right"][node]), node)
        shares: Float[np.ndarray, "n trees classes"] = s["share"][node]
        mean: Float[np.ndarray, "n classes"] = shares.mean(axis=1)
        return mean

    def state_dict(self) -> dict[str, "torch.Tensor"]:
        """The trees."""
        import torch

        return {name: torch.from_numpy(array) for name, array in self._state.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take the trees that `state_dict` gave.

        Raises:
            ValueError: they are not whole, or a node's child stands before it, so that a window might never come to a
                leaf.
        """
        if missing := {"root", "feature", "threshold", "left", "right", "share"} - set(state_dict):
            raise ValueError(f"a forest must have {', '.join(sorted(missing))}, but does not.")
        state = {name: tensor.numpy() for name, tensor in state_dict.items()}
        for side in ("left", "right"):
            child = state[side]
            if not ((child == LEAF) | (child > np.arange(len(child)))).all():
                raise ValueError("children of a forest's nodes must come after them, but do not.")
        self._state = state


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
    forest = Forest(n_classes)
    forest.fit(train_x, train_y, n_trees=n_trees, seed=seed)
    return forest.predict_proba(test_x)
