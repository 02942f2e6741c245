"""Out-of-fold predictions: every window predicted once, by a model that never saw its person."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.folds import Folds, folds_by, parts_of
from vimu.tuning.learners import finetuned, forest, network
from vimu.tuning.learners import pretrain as pretrain_on
from vimu.tuning.study import Trial
from vimu.windows.schema import WindowSet

Learner = Callable[[WindowSet, WindowSet, WindowSet], Float[np.ndarray, "n N"]]
"""(training, validation, test windows) -> class probabilities of the test windows."""


def out_of_fold(
    windows: WindowSet, n_classes: int, folds: Folds, learner: Learner
) -> Float[np.ndarray, "windows classes"]:
    """Class probabilities of all windows: fold k tests, the next one validates, the others train.

    Raises:
        UserError: somebody's windows are in two folds.
    """
    probabilities = np.zeros((len(windows), n_classes), dtype=np.float32)
    for k in range(folds.n):
        probabilities[folds.test_rows(k)] = learner(*parts_of(windows, folds, k, "fold"))
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
    folds = folds_by(
        windows, windows.subject.tolist(), "subjects", n_folds=n_folds, seed=trial.seed, dataset=trial.experiment
    )
    whole = partial(out_of_fold, windows, len(classes), folds)
    if trial.method == "random_forest":
        return whole(partial(forest, classes=classes, seed=trial.seed, n_trees=n_trees))
    settings = pretrain.of_kind(trial.method).model_copy(update={"seed": trial.seed})
    if virtual is None:
        return whole(partial(network, classes=classes, settings=settings))
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "model.pt"
        pretrain_on(virtual.of_sensors(trial.sensors), settings, start)
        return whole(partial(finetuned, start=start, classes=classes, settings=finetune, seed=trial.seed))
