"""Training in one process: from scratch, or on from a pre-trained model."""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vimu.metrics import scores
from vimu.models.penalty_cnn import PenaltyCnn
from vimu.training.augment import AugmentSettings, layout_of
from vimu.training.batches import rank_rows
from vimu.training.checkpoint import ModelCard, load_model
from vimu.training.loop import Objective, Shard, channel_statistics, class_weights, predict, train_epoch
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.windows.schema import WindowSet


@dataclass(frozen=True)
class Epoch:
    """One line of a training log."""

    epoch: int
    loss: float
    val_macro_f1: float


@dataclass(frozen=True)
class Fitted:
    """A trained model at its best validation epoch."""

    model: PenaltyCnn
    card: ModelCard
    log: tuple[Epoch, ...]

    @property
    def best_val_macro_f1(self) -> float:
        return max(e.val_macro_f1 for e in self.log)


def card_for(train: WindowSet, classes: tuple[str, ...], settings: PretrainSettings, trained_on: str) -> ModelCard:
    """The card of a model for these windows."""
    return ModelCard(
        classes=classes,
        channels=train.channels,
        length_frames=train.x.shape[1],
        rate_hz=train.rate_hz,
        feature_set=train.feature_set,
        trained_on=trained_on,
        settings=settings.model.model_dump(mode="json"),
    )


def shard_of(windows: WindowSet, classes: tuple[str, ...], *, rank: int, world: int, seed: int) -> Shard:
    """The windows of one rank as tensors."""
    rows = rank_rows(len(windows), rank=rank, world=world, seed=seed)
    return Shard(torch.from_numpy(windows.x[rows]), torch.from_numpy(windows.targets(classes)[rows]))


def optimizer_of(groups: list[dict[str, object]], weight_decay: float) -> torch.optim.Optimizer:
    """AdamW on those parameters that train."""
    return torch.optim.AdamW(groups, weight_decay=weight_decay)


def fit_from_scratch(
    train: WindowSet, val: WindowSet, classes: tuple[str, ...], settings: PretrainSettings, *, trained_on: str
) -> Fitted:
    """The penalty CNN from random weights, in this process; the epoch that validates best is kept."""
    torch.manual_seed(settings.seed)
    card = card_for(train, classes, settings, trained_on)
    model = card.build()
    model.standardize(*channel_statistics(train.x))
    objective = Objective(
        model,
        penalty_weight=settings.penalty_weight,
        class_weight=class_weights(train.targets(classes), len(classes)),
    )
    return _fit(
        objective, card, train, val, [{"params": list(trainable(objective)), "lr": settings.lr}],
        epochs=settings.epochs, batch_size=settings.batch_size, weight_decay=settings.weight_decay,
        noise_std=settings.noise_std if settings.penalty_weight > 0 else None, seed=settings.seed,
        patience=settings.patience_epochs, variation=settings.augment,
    )  # fmt: skip


def finetune(
    pretrained: Path, train: WindowSet, val: WindowSet, classes: tuple[str, ...], settings: FinetuneSettings,
    *, seed: int, trained_on: str,
) -> Fitted:  # fmt: skip
    """Go on from a pre-trained model on real windows.

    Channel statistics become those of the real training split; the last layer is new where the class set differs.

    Source: arXiv 2003.01874, section 3: freeze the convolutions and optimise the fully-connected layers.
    """
    torch.manual_seed(seed)
    model, old = load_model(pretrained)
    if (old.channels, old.length_frames, old.rate_hz) != (train.channels, train.x.shape[1], train.rate_hz):
        raise ValueError(f"`{pretrained}` must be made for these windows' channels, length and rate, but is not.")
    if old.classes != classes:
        last = model.classifier[-1]
        assert isinstance(last, nn.Linear)
        model.classifier[-1] = nn.Linear(last.in_features, len(classes))
        model.n_classes = len(classes)
    card = ModelCard(classes, old.channels, old.length_frames, old.rate_hz, old.feature_set, trained_on, old.settings)
    model.standardize(*channel_statistics(train.x))
    objective = Objective(model, penalty_weight=0.0, class_weight=class_weights(train.targets(classes), len(classes)))
    model.encoder.requires_grad_(settings.schedule == "all")
    groups: list[dict[str, object]] = [{"params": list(trainable(model.classifier)), "lr": settings.lr}]
    if settings.schedule == "all":
        groups.append({"params": list(trainable(model.encoder)), "lr": settings.lr * settings.encoder_lr_share})
    return _fit(
        objective, card, train, val, groups, epochs=settings.epochs, batch_size=settings.batch_size,
        weight_decay=settings.weight_decay, noise_std=None, seed=seed, patience=settings.epochs,
        variation=settings.augment,
    )  # fmt: skip


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """Parameters that take gradients."""
    return [p for p in module.parameters() if p.requires_grad]


def _fit(
    objective: Objective, card: ModelCard, train: WindowSet, val: WindowSet, groups: list[dict[str, object]],
    *, epochs: int, batch_size: int, weight_decay: float, noise_std: float | None, seed: int, patience: int,
    variation: AugmentSettings,
) -> Fitted:  # fmt: skip
    optimizer = optimizer_of(groups, weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    shard = shard_of(train, card.classes, rank=0, world=1, seed=seed)
    layout = layout_of(card.channels)
    truth = val.targets(card.classes)
    best, best_state, log = -1.0, copy.deepcopy(objective.model.state_dict()), []
    for epoch in range(epochs):
        loss = train_epoch(
            objective, optimizer, shard, batch_size=batch_size, noise_std=noise_std, seed=seed, epoch=epoch,
            layout=layout, variation=variation,
        )  # fmt: skip
        schedule.step()
        macro_f1 = scores(truth, np.argmax(predict(objective.model, val.x), axis=1))["macro_f1"]
        log.append(Epoch(epoch, loss, macro_f1))
        if macro_f1 > best:
            best, best_state = macro_f1, copy.deepcopy(objective.model.state_dict())
        if epoch - int(np.argmax([e.val_macro_f1 for e in log])) >= patience:
            break
    objective.model.load_state_dict(best_state)
    return Fitted(objective.model.eval(), card, tuple(log))
