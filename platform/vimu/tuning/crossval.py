"""Out-of-fold predictions: every window predicted once, by a model that never saw its person."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from vimu.models.forest import forest_probabilities
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.study import Trial
from vimu.windows.schema import WindowSet
from vimu.windows.split import fold_of_each

Learner = Callable[[WindowSet, WindowSet, WindowSet], Float[np.ndarray, "n N"]]
"""(training, validation, test windows) -> class probabilities of the test windows."""


def out_of_fold(
    windows: WindowSet, n_classes: int, fold: Int[np.ndarray, " windows"], learner: Learner
) -> Float[np.ndarray, "windows classes"]:
    """Class probabilities of all windows: fold k tests, the next one validates, the others train.

    Args:
        fold: of each window, from 0 up.
    """
    n_folds = int(fold.max()) + 1
    probabilities = np.zeros((len(windows), n_classes), dtype=np.float32)
    for k in range(n_folds):
        test, validates = fold == k, fold == (k + 1) % n_folds
        train = ~(test | validates)
        parts = [windows.take(np.flatnonzero(rows)) for rows in (train, validates, test)]
        probabilities[test] = learner(*parts)
    return probabilities


def run_trial(
    trial: Trial, windows: WindowSet, virtual: WindowSet | None, classes: tuple[str, ...], *, n_folds: int,
    n_trees: int, pretrain: PretrainSettings, finetune: FinetuneSettings,
) -> Float[np.ndarray, "windows classes"]:  # fmt: skip
    """Out-of-fold class probabilities of `windows`, seen through the trial's sensors only.

    Args:
        windows: all windows of the dataset under test, of whatever split.
        virtual: what `finetuned` is pre-trained on, with its `train` and `val` splits; else None.
    """
    windows = windows.of_sensors(trial.sensors)
    fold = fold_of_each(
        windows.subject.tolist(), windows.label.tolist(), n_folds=n_folds, seed=trial.seed, dataset=trial.experiment
    )
    whole = partial(out_of_fold, windows, len(classes), fold)
    if trial.method == "random_forest":
        return whole(partial(_forest, classes=classes, seed=trial.seed, n_trees=n_trees))
    settings = pretrain.of_kind(trial.method).model_copy(update={"seed": trial.seed})
    if virtual is None:
        return whole(partial(_network, classes=classes, settings=settings))
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "model.pt"
        _pretrain(virtual.of_sensors(trial.sensors), settings, start)
        return whole(partial(_finetuned, start=start, classes=classes, settings=finetune, seed=trial.seed))


def _forest(
    train: WindowSet, val: WindowSet, test: WindowSet, *, classes: tuple[str, ...], seed: int, n_trees: int
) -> Float[np.ndarray, "n N"]:
    """A forest has no use for validation windows but as more to learn from."""
    x, y = np.concatenate([train.x, val.x]), np.concatenate([train.targets(classes), val.targets(classes)])
    return forest_probabilities(x, y, test.x, n_classes=len(classes), seed=seed, n_trees=n_trees)


def _network(
    train: WindowSet, val: WindowSet, test: WindowSet, *, classes: tuple[str, ...], settings: PretrainSettings
) -> Float[np.ndarray, "n N"]:
    from vimu.training.fit import fit_from_scratch
    from vimu.training.loop import predict

    return predict(fit_from_scratch(train, val, classes, settings, trained_on="study").model, test.x)


def _pretrain(virtual: WindowSet, settings: PretrainSettings, path: Path) -> None:
    from vimu.training.checkpoint import save_model
    from vimu.training.fit import fit_from_scratch

    fitted = fit_from_scratch(
        virtual.where(split="train"), virtual.where(split="val"), virtual.classes, settings, trained_on="virtual"
    )
    save_model(path, fitted.model, fitted.card)


def _finetuned(
    train: WindowSet, val: WindowSet, test: WindowSet, *, start: Path, classes: tuple[str, ...],
    settings: FinetuneSettings, seed: int,
) -> Float[np.ndarray, "n N"]:  # fmt: skip
    from vimu.training.fit import finetune
    from vimu.training.loop import predict

    return predict(finetune(start, train, val, classes, settings, seed=seed, trained_on="study").model, test.x)
