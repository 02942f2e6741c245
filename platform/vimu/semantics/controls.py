"""What stands beside the aligned model: the softmax on the same encoder, and a random forest on measured features."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier

from vimu.contracts import Reason, Rejection
from vimu.runtime.safe_load import load_torch
from vimu.semantics.measure import measure
from vimu.semantics.stage2 import WithClasses

FORMAT = "vimu.softmax.1"


def save_softmax(path: Path, model: WithClasses, classes: Sequence[str]) -> None:
    """Write it with the classes that it tells apart."""
    torch.save({"format": FORMAT, "classes": list(classes), "state": model.state_dict()}, path)


def load_softmax(path: Path) -> tuple[WithClasses, tuple[str, ...]]:
    """The model in evaluation mode, and its classes.

    Raises:
        Rejection: the file is damaged or of another format.
    """
    data = load_torch(path)
    if data.get("format") != FORMAT:
        raise Rejection(str(path), Reason.UNREADABLE, f"is of format {data.get('format')}, not {FORMAT}: align again")
    try:
        model = WithClasses(int(data["state"]["head.weight"].shape[1]), len(data["classes"]))
        model.load_state_dict(data["state"])
    except Exception as error:  # weights that do not fit show as any error of torch
        raise Rejection(str(path), Reason.UNREADABLE, f"{type(error).__name__}: {error}"[:300]) from error
    return model.eval(), tuple(data["classes"])


def forest_on_features(
    x: Float[np.ndarray, "train length 6"], y: Int[np.ndarray, " train"],
    tested: Sequence[Float[np.ndarray, "n length 6"]], *, rate_hz: float, n_classes: int, n_trees: int, seed: int,
) -> list[Float[np.ndarray, "n N"]]:  # fmt: skip
    """Class shares of each tested set by a forest on the 42 features that texts are written from; classes weigh alike.

    A feature that a window does not support is a missing value, which the trees send where it divides best.
    """
    forest = RandomForestClassifier(n_trees, random_state=seed, class_weight="balanced_subsample", n_jobs=1)
    forest.fit(_features(x, rate_hz), y)
    found = []
    for windows in tested:
        shares = np.zeros((len(windows), n_classes))
        shares[:, forest.classes_] = forest.predict_proba(_features(windows, rate_hz))
        found.append(shares)
    return found


def _features(x: Float[np.ndarray, "n length 6"], rate_hz: float) -> Float[np.ndarray, "n features"]:
    return np.stack(list(measure(x, rate_hz=rate_hz).values()), axis=1).astype(np.float32)
