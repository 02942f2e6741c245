"""Some of the labelled recordings: whole trials, at least one of each class."""

from typing import Any

import numpy as np
from jaxtyping import Int

from vimu.windows.schema import WindowSet


def share_of_trials(windows: WindowSet, share: float, *, seed: int) -> WindowSet:
    """About `share` of the windows, by whole trials: first one of each class, then others in random order.

    A larger share of the same seed holds a smaller one. Windows of a trial overlap and are much alike: shares of
    windows drawn one by one would take in nearly all trials, and hide how few labels a person had to give.

    Args:
        share: 0 to 1; more where one trial a class is more already.
    """
    if share >= 1:
        return windows
    source, first, n_of = np.unique(windows.source, return_index=True, return_counts=True)
    order = np.random.default_rng((seed, 3)).permutation(len(source)).tolist()
    label = windows.label[first].tolist()
    one_each = list({label[i]: i for i in order}.values())
    order = one_each + [i for i in order if i not in set(one_each)]
    enough = int(np.searchsorted(np.cumsum(n_of[order]), share * len(windows))) + 1
    chosen = order[: max(len(one_each), enough)]
    return windows.take(np.flatnonzero(np.isin(windows.source, source[chosen])))


def recorded_s(windows: WindowSet) -> float:
    """Seconds of recording that the windows cover; where they overlap, seconds count once."""
    return covered_frames(windows.source, windows.start_frame, windows.x.shape[1]) / windows.rate_hz


def covered_frames(
    source: np.ndarray[Any, np.dtype[np.str_]], start: Int[np.ndarray, " windows"], length: int
) -> int:  # fmt: skip
    """Frames that windows of `length` cover of their sources; where they overlap, frames count once."""
    order = np.lexsort((start, source))
    to_next = np.diff(start[order])
    of_one = source[order][1:] == source[order][:-1]
    return int(np.where(of_one, np.minimum(to_next, length), length).sum()) + length * bool(len(order))
