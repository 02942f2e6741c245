"""Which windows are in which batch, and on which rank: the same global batches for 1, 2, 4 or 8 workers.

Windows are shuffled once by the seed and dealt into groups of 8. An epoch shuffles the groups; a batch is some whole
groups; rank r of W holds in memory, and trains on, every W-th window of each group. So every rank has the same number
of windows in every step, and the union over the ranks does not depend on W.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

GROUP = 8


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


def epoch_groups(n_groups: int, *, batch_size: int, seed: int, epoch: int) -> Iterator[Int[np.ndarray, " groups"]]:
    """The groups of each batch of an epoch, in order; the last batch may be smaller."""
    order = np.random.default_rng((seed, 2, epoch)).permutation(n_groups)
    step = batch_size // GROUP
    for start in range(0, n_groups, step):
        yield order[start : start + step]
