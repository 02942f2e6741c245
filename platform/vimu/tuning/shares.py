"""Some of the labelled recordings: whole trials, at least one of each class."""

import numpy as np

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
    length, frames = windows.x.shape[1], 0
    source, start = windows.source, windows.start_frame
    for name in np.unique(source):
        covered_to = -1
        for begin in np.sort(start[source == name]).tolist():
            frames += length - max(0, covered_to - begin)
            covered_to = begin + length
    return frames / windows.rate_hz
