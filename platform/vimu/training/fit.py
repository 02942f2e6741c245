"""Training in one process: from scratch, or on from a pre-trained model."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vimu.metrics import scores
from vimu.models.choice import build_network
from vimu.models.forest import Forest
from vimu.models.network import Classifier, Network
from vimu.models.penalty_cnn import MirroredDecoder
from vimu.models.settings import CnnSettings, ForestSettings, ModelSettings
from vimu.training.augment import layout_of
from vimu.training.batches import channel_statistics, class_weights, shard_of
from vimu.training.checkpoint import ModelCard, load_model
from vimu.training.loop import EpochPlan, Objective, predict, train_epoch
from vimu.training.schedules import blocks_of, parameter_groups, thaw
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.windows.schema import WindowSet


@dataclass(frozen=True)
class Epoch:
    """One line of a training log."""

    epoch: int
    loss: float
    val_macro_f1: float
    """NaN where there are no validation windows."""


@dataclass(frozen=True)
class Fitted:
    """A trained model at its best validation epoch, or at its last where there are no validation windows."""

    model: Classifier
    card: ModelCard
    log: tuple[Epoch, ...]

    @property
    def best_val_macro_f1(self) -> float:
        return max(e.val_macro_f1 for e in self.log)


def card_for(train: WindowSet, classes: tuple[str, ...], model: ModelSettings, trained_on: str) -> ModelCard:
    """The card of a model for these windows."""
    return ModelCard(
        classes=classes,
        channels=train.channels,
        length_frames=train.x.shape[1],
        rate_hz=train.rate_hz,
        feature_set=train.feature_set,
        trained_on=trained_on,
        settings=model.model_dump(mode="json"),
    )


def objective_for(train: WindowSet, classes: tuple[str, ...], settings: PretrainSettings) -> Objective:
    """An untrained network for these windows and, where there is a penalty, its decoder.

    The decoder's weights are drawn from a generator of their own: with and without it the network begins the same.
    """
    n_channels, length = len(train.channels), train.x.shape[1]
    torch.manual_seed(settings.seed)
    model = build_network(settings.model, n_channels=n_channels, length_frames=length, n_classes=len(classes))
    model.standardize(*channel_statistics(train.x))
    decoder = None
    if isinstance(settings.model, CnnSettings) and settings.penalty_weight > 0:
        with torch.random.fork_rng(devices=()):
            decoder = MirroredDecoder(n_channels, length, settings.model)
    return Objective(
        model, class_weight=class_weights(train.targets(classes), len(classes)), decoder=decoder,
        penalty_weight=settings.penalty_weight, noise_std=settings.noise_std,
    )  # fmt: skip


def plan_of(settings: PretrainSettings, channels: tuple[str, ...], *, bf16: bool) -> EpochPlan:
    """How epochs run under these settings."""
    return EpochPlan(
        settings.batch_size, settings.seed, layout_of(channels), settings.augment, settings.clip_norm, bf16
    )


EpochEnd = Callable[[Epoch, Network], None]
"""Told of each epoch, with the network as it is then; must leave it so."""


def _unheard(epoch: Epoch, model: Network) -> None:
    """Nobody wants to know."""


def fit_from_scratch(
    train: WindowSet, val: WindowSet, classes: tuple[str, ...], settings: PretrainSettings, *, trained_on: str,
    after_epoch: EpochEnd = _unheard,
) -> Fitted:  # fmt: skip
    """A network from random weights, in this process on its CPU; the epoch that validates best is kept."""
    card = card_for(train, classes, settings.model, trained_on)
    objective = objective_for(train, classes, settings)
    optimizer = torch.optim.AdamW(
        objective.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
    )
    plan = plan_of(settings, card.channels, bf16=settings.precision == "bf16")
    return _fit(
        objective, optimizer, card, train, val, plan, epochs=settings.epochs, patience=settings.patience_epochs,
        after_epoch=after_epoch,
    )  # fmt: skip


def fit_forest(
    train: WindowSet, val: WindowSet, classes: tuple[str, ...], settings: ForestSettings, *, seed: int, trained_on: str
) -> Fitted:
    """A random forest; it has no use for validation windows but as more to learn from."""
    forest = Forest(len(classes))
    x, y = np.concatenate([train.x, val.x]), np.concatenate([train.targets(classes), val.targets(classes)])
    forest.fit(x, y, n_trees=settings.n_trees, seed=seed)
    return Fitted(forest, card_for(train, classes, settings, trained_on), ())


def finetune(
    pretrained: Path, train: WindowSet, val: WindowSet, classes: tuple[str, ...], settings: FinetuneSettings,
    *, seed: int, trained_on: str, after_epoch: EpochEnd = _unheard,
) -> Fitted:  # fmt: skip
    """Go on from a pre-trained network on real windows.

    Channel statistics become those of the real training split; the last layer is new where the class set differs.

    Source: arXiv 2003.01874, section 3: freeze the convolutions and optimise the fully-connected layers.
    """
    torch.manual_seed(seed)
    model, old = load_model(pretrained)
    if not isinstance(model, Network):
        raise ValueError(f"`{pretrained}` must hold a network, but holds a {type(model).__name__}.")
    if (old.channels, old.length_frames, old.rate_hz) != (train.channels, train.x.shape[1], train.rate_hz):
        raise ValueError(f"`{pretrained}` must be made for these windows' channels, length and rate, but is not.")
    if old.classes != classes:
        model.renew_output(len(classes))
    card = ModelCard(classes, old.channels, old.length_frames, old.rate_hz, old.feature_set, trained_on, old.settings)
    model.standardize(*channel_statistics(train.x))
    objective = Objective(model, class_weight=class_weights(train.targets(classes), len(classes)))
    blocks = blocks_of(model, settings)
    optimizer = torch.optim.AdamW(parameter_groups(blocks), weight_decay=settings.weight_decay, fused=True)
    plan = EpochPlan(settings.batch_size, seed, layout_of(card.channels), settings.augment)
    return _fit(
        objective, optimizer, card, train, val, plan, epochs=settings.epochs, patience=settings.epochs,
        before_epoch=lambda epoch: thaw(model, blocks, epoch), after_epoch=after_epoch,
    )  # fmt: skip


def _fit(
    objective: Objective, optimizer: torch.optim.Optimizer, card: ModelCard, train: WindowSet, val: WindowSet,
    plan: EpochPlan, *, epochs: int, patience: int, before_epoch: Callable[[int], None] = lambda _: None,
    after_epoch: EpochEnd = _unheard,
) -> Fitted:  # fmt: skip
    model = objective.model
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    shards = [shard_of(train, card.classes, rank=0, world=1, seed=plan.seed)]
    truth = val.targets(card.classes)
    best, best_state, log = -1.0, copy.deepcopy(model.state_dict()), []
    for epoch in range(epochs):
        before_epoch(epoch)
        loss = train_epoch(objective, optimizer, shards, plan, epoch=epoch, std=model.std)
        schedule.step()
        macro_f1 = scores(truth, np.argmax(predict(model, val.x), axis=1))["macro_f1"] if len(val) else math.nan
        log.append(Epoch(epoch, loss, macro_f1))
        after_epoch(log[-1], model)
        if not len(val):
            continue
        if macro_f1 > best:
            best, best_state = macro_f1, copy.deepcopy(model.state_dict())
        if epoch - int(np.argmax([e.val_macro_f1 for e in log])) >= patience:
            break
    if len(val):
        model.load_state_dict(best_state)
    return Fitted(model.eval(), card, tuple(log))
