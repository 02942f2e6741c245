"""What is fitted on training windows and asked about test windows: a forest, a network, a fine-tuned network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.models.forest import forest_probabilities
from vimu.training.augment import AugmentSettings
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.windows.schema import WindowSet


@contextmanager
def one_thread() -> Iterator[None]:
    """How many threads share a sum changes its last digits: with one, a fit is the same bytes on every machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def forest(
    train: WindowSet, val: WindowSet, test: WindowSet, *, classes: tuple[str, ...], seed: int, n_trees: int,
    copies: int = 0, variation: AugmentSettings | None = None,
) -> Float[np.ndarray, "n N"]:  # fmt: skip
    """A random forest. It has no use for validation windows but as more to learn from.

    Args:
        copies: of each window, besides itself, varied as `variation` says.
    """
    parts = [part for part in (train, val) if len(part)]
    if copies and variation is not None:
        parts += [copy for part in parts for copy in varied_copies(part, copies, variation, like=train, seed=seed)]
    x, y = np.concatenate([p.x for p in parts]), np.concatenate([p.targets(classes) for p in parts])
    return forest_probabilities(x, y, test.x, n_classes=len(classes), seed=seed, n_trees=n_trees)


@one_thread()
def network(
    train: WindowSet, val: WindowSet, test: WindowSet, *, classes: tuple[str, ...], settings: PretrainSettings
) -> Float[np.ndarray, "n N"]:
    """A network from random weights."""
    from vimu.training.fit import fit_from_scratch
    from vimu.training.loop import predict

    return predict(fit_from_scratch(train, val, classes, settings, trained_on="folds").model, test.x)


@one_thread()
def pretrain(virtual: WindowSet, settings: PretrainSettings, path: Path) -> None:
    """A network from random weights on the `train` split of `virtual`, judged on its `val` split, as a model file."""
    from vimu.training.checkpoint import save_model
    from vimu.training.fit import fit_from_scratch

    fitted = fit_from_scratch(
        virtual.where(split="train"), virtual.where(split="val"), virtual.classes, settings, trained_on="virtual"
    )
    save_model(path, fitted.model, fitted.card)


@one_thread()
def finetuned(
    train: WindowSet, val: WindowSet, test: WindowSet, *, start: Path, classes: tuple[str, ...],
    settings: FinetuneSettings, seed: int,
) -> Float[np.ndarray, "n N"]:  # fmt: skip
    """On from a pre-trained model file."""
    from vimu.training.fit import finetune
    from vimu.training.loop import predict

    return predict(finetune(start, train, val, classes, settings, seed=seed, trained_on="folds").model, test.x)


@one_thread()
def not_finetuned(start: Path, test: WindowSet, names: Sequence[Sequence[str]]) -> Float[np.ndarray, "n N"]:
    """A pre-trained network as it is, choosing among some classes.

    Args:
        names: of each class, those of the network's classes that are this one: their probabilities add up.
    """
    from vimu.training.checkpoint import load_model
    from vimu.training.loop import predict

    model, card = load_model(start)
    probabilities = predict(model, test.x)
    of_class = [probabilities[:, [card.classes.index(name) for name in alike]].sum(axis=1) for alike in names]
    return np.stack(of_class, axis=1)


@one_thread()
def varied_copies(
    windows: WindowSet, n_copies: int, variation: AugmentSettings, *, like: WindowSet, seed: int
) -> list[WindowSet]:
    """`n_copies` times all windows, each time varied anew: what a network sees of them in as many epochs.

    Args:
        like: the training windows, whose deviations the noise counts in.
    """
    import torch

    from vimu.models.draws import Draws, window_keys
    from vimu.training.augment import augment, layout_of
    from vimu.training.batches import channel_statistics

    key = torch.from_numpy(window_keys(windows.window_id.tolist()))
    layout, (_, std) = layout_of(windows.channels), channel_statistics(like.x)
    x = torch.from_numpy(np.array(windows.x))
    copies = []
    for epoch in range(n_copies):
        draws = Draws.of_epoch(key, seed=seed, epoch=epoch).of("variation")
        copies.append(replace(windows, x=augment(x, layout, variation, draws, std=std).numpy()))
    return copies
