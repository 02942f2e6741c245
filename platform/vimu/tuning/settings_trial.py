"""A trial of a study of settings: pre-training with its settings, then fine-tuning, one figure after every epoch.

```
epoch    1 ........ P    P + 1 ............ P + F
         pre-training    fine-tuning
figure   probe           validation macro-F1, best epoch so far
```

Every figure is a macro-F1 of the validation people of the real recordings, so that trials compare at any epoch. While
the network only knows virtual windows it cannot be judged by them directly: their classes may be others. So a probe
judges what it has learnt: its features, as they are, and a ridge classifier on them for the real classes.
"""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import RidgeClassifier
from torch import Tensor, nn

from vimu.metrics import scores
from vimu.models.network import Network
from vimu.training.batches import channel_statistics
from vimu.training.checkpoint import save_model
from vimu.training.fit import Epoch, finetune, fit_from_scratch
from vimu.tuning.candidate import Candidate
from vimu.windows.schema import WindowSet

RIDGE = 1.0
"""On standardised features, a few hundred of them from about as many windows."""


@dataclass(frozen=True)
class TrialWindows:
    """All that a trial sees: no test window is among them."""

    virtual_train: WindowSet
    virtual_val: WindowSet
    real_train: WindowSet
    real_val: WindowSet

    @classmethod
    def of(cls, windows: WindowSet, *, virtual: list[str], real: str) -> "TrialWindows":
        """The training and validation splits, parted once and not in every trial.

        Args:
            virtual, real: names of the datasets.
        """
        parts = [windows.where(dataset=name, split=split) for name in (virtual, real) for split in ("train", "val")]
        return cls(*parts)

    @property
    def virtual_classes(self) -> tuple[str, ...]:
        """Of pre-training, sorted."""
        return tuple(sorted({*self.virtual_train.classes, *self.virtual_val.classes}))

    @property
    def real_classes(self) -> tuple[str, ...]:
        """Of fine-tuning, sorted."""
        return tuple(sorted({*self.real_train.classes, *self.real_val.classes}))


@dataclass(frozen=True)
class Progress:
    """What a trial says after each epoch."""

    epoch: int
    """Of pre-training and fine-tuning together, from 1."""
    val_macro_f1: float
    windows_seen: int
    """Training windows so far, as often as they were seen: what the epochs have cost."""
    n_parameters: int


def run_trial(candidate: Candidate, windows: TrialWindows, report: Callable[[dict[str, Any]], None]) -> None:
    """Train and report; `report` gets a `Progress` as a mapping, and may end the trial by an exception.

    Args:
        candidate: `pretrain.epochs` is what a trial pre-trains.
    """
    before, after = candidate.pretrain, candidate.finetune
    seen = 0

    def pretrained(epoch: Epoch, model: Network) -> None:
        nonlocal seen
        seen += len(windows.virtual_train)
        score = probe_macro_f1(model, windows.real_train, windows.real_val, windows.real_classes)
        report(asdict(Progress(epoch.epoch + 1, score, seen, _size(model))))

    best = 0.0

    def finetuned(epoch: Epoch, model: Network) -> None:
        nonlocal seen, best
        seen += len(windows.real_train)
        best = max(best, epoch.val_macro_f1)
        report(asdict(Progress(before.epochs + epoch.epoch + 1, best, seen, _size(model))))

    first = fit_from_scratch(
        windows.virtual_train, windows.virtual_val, windows.virtual_classes,
        before.model_copy(update={"patience_epochs": before.epochs}), trained_on="trial", after_epoch=pretrained,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        save_model(path, first.model, first.card)
        finetune(
            path, windows.real_train, windows.real_val, windows.real_classes, after, seed=after.seeds[0],
            trained_on="trial", after_epoch=finetuned,
        )  # fmt: skip


def probe_macro_f1(model: Network, train: WindowSet, val: WindowSet, classes: tuple[str, ...]) -> float:
    """Macro-F1 on `val` of a ridge classifier on the network's last features, fitted on `train`.

    Channels are standardised as fine-tuning will standardise them. The network stays as it is.
    """
    looking = copy.deepcopy(model).eval()
    looking.standardize(*channel_statistics(train.x))
    x, y = _features(looking, train.x), train.targets(classes)
    mean, std = x.mean(axis=0), x.std(axis=0) + 1e-6
    ridge = RidgeClassifier(alpha=RIDGE, class_weight="balanced").fit((x - mean) / std, y)
    said = ridge.predict((_features(looking, val.x) - mean) / std)
    return scores(val.targets(classes), said)["macro_f1"]


def _features(model: Network, x: Float[np.ndarray, "n L C"]) -> Float[np.ndarray, "n D"]:
    """What the last layer gets."""
    heard: list[Tensor] = []

    def listen(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:  # noqa: ARG001
        heard.append(inputs[0])

    handle = model.output.register_forward_pre_hook(listen)
    try:
        model.predict_proba(x)
    finally:
        handle.remove()
    return torch.cat(heard).cpu().numpy()


def _size(model: Network) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
