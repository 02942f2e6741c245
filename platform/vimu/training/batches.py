"""Which windows are in which batch, and on which rank: the same global batches for 1, 2, 4 or 8 workers.

Windows are shuffled once by the seed and dealt into groups of 8. An epoch shuffles the groups; a batch is some whole
groups; rank r of W holds in memory, and trains on, every W-th window of each group. So every rank has the same number
of windows in every step, and the union over the ranks does not depend on W.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vimu.models.draws import window_keys
from vimu.training.settings import GROUP
from vimu.windows.schema import WindowSet

LANES = 2
"""Parts that pre-training computes the gradient of a batch in: one worker both, two workers one each. So one worker and
two train alike to the last bit, and not up to rounding, which training makes larger from step to step."""


@dataclass(frozen=True)
class Shard:
    """The windows a rank holds: `share` of each group of 8, on the device that trains."""

    x: Float[Tensor, "groups share L C"]
    y: Int[Tensor, "groups share"]
    key: Int[Tensor, "groups share"]
    """`window_keys`: what a window draws depends on its name."""
    weight: Float[Tensor, " groups"]
    """Sum of the class weights of a group's 8 windows over the number of ranks: the loss of a batch is a weighted mean
    over all its windows, whoever holds them."""
    window_id: np.ndarray[Any, np.dtype[np.str_]]


def rank_rows(n_windows: int, *, rank: int, world: int, seed: int) -> Int[np.ndarray, "groups share"]:
    """The windows that a rank holds, group by group. A last group that is not full is filled from the first ones.

    Returns:
        Row numbers below `n_windows`, `GROUP / world` in each of ceil(n_windows / GROUP) groups.
    """
    if n_windows == 0 or GROUP % world:
        raise ValueError(f"needs windows and a world that divides {GROUP}, but has {n_windows} and {world}.")
    order = np.random.default_rng((seed, 1)).permutation(n_windows)
    filled = np.resize(order, -(-n_windows // GROUP) * GROUP)
    return filled.reshape(-1, GROUP)[:, rank::world]


def shard_of(
    windows: WindowSet,
    classes: tuple[str, ...],
    *,
    rank: int,
    world: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> Shard:
    """The windows of one rank as tensors."""
    every = rank_rows(len(windows), rank=0, world=1, seed=seed)
    rows = rank_rows(len(windows), rank=rank, world=world, seed=seed)
    y = windows.targets(classes)
    weight = class_weights(y, len(classes))[torch.from_numpy(y[every])].sum(dim=1) / world
    return Shard(
        x=torch.from_numpy(windows.x[rows]).to(device),
        y=torch.from_numpy(y[rows]).to(device),
        key=torch.from_numpy(window_keys(windows.window_id.tolist())[rows]).to(device),
        weight=weight.to(device),
        window_id=windows.window_id[rows],
    )


def epoch_groups(n_groups: int, *, batch_size: int, seed: int, epoch: int) -> Iterator[Int[np.ndarray, " groups"]]:
    """The groups of each batch of an epoch, in order; the last batch may be smaller."""
    order = np.random.default_rng((seed, 2, epoch)).permutation(n_groups)
    step = batch_size // GROUP
    for start in range(0, n_groups, step):
        yield order[start : start + step]


def class_weights(y: Int[np.ndarray, " n"], n_classes: int) -> Float[Tensor, " N"]:
    """Inverse frequency, mean 1 over the classes that occur; 0 for those that do not."""
    count = np.bincount(y, minlength=n_classes).astype(np.float64)
    weight = np.where(count > 0, 1 / np.maximum(count, 1), 0.0)
    return torch.from_numpy(weight / weight[count > 0].mean()).float()


def channel_statistics(x: Float[np.ndarray, "n L C"]) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
    """Mean and standard deviation of each channel, of a training split.

    A window that is not finite plays no part: the step that meets it stops and names it.
    """
    finite = np.isfinite(x).all(axis=(1, 2))
    x = x if finite.all() else x[finite]
    return torch.from_numpy(x.mean(axis=(0, 1))), torch.from_numpy(x.std(axis=(0, 1)))
