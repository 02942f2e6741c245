"""Windows without a class that stage 2 learns as well: what they measure can be put into words like any other's.

A sensor encoder that saw walking and rest alone gives every window of stairs the vector of walking, whatever the texts
tell apart. It has to see other motions, of which no class need be known: mocap has them, at any place of the body, and
a window that is made quicker or stronger has other words than it had.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from vimu.semantics.align_settings import UnlabelledSettings
from vimu.semantics.measure import measure
from vimu.semantics.rules import Rules, as_numbers


def copies(
    x: Float[np.ndarray, "windows length 6"], settings: UnlabelledSettings, rng: np.random.Generator
) -> Float[np.ndarray, "windows length 6"]:
    """Windows of another vigour and pace: motion about the window's mean, gravity with it, is stronger or weaker.

    Args:
        x: acceleration (m/s^2, gravity included), then angular velocity (rad/s), sensor axes.
    """
    n, length, _ = x.shape
    pace, vigour = (bound ** rng.uniform(-1, 1, n) for bound in (settings.pace, settings.vigour))
    at = np.abs((np.arange(length) - length / 2) * pace[:, None] + length / 2)  # beyond its ends a window is mirrored
    at = np.clip(np.where(at > length - 1, 2 * (length - 1) - at, at), 0, length - 1)
    before = np.minimum(at.astype(int), length - 2)
    share = (at - before)[:, :, None]
    rows = np.arange(n)[:, None]
    paced = x[rows, before] * (1 - share) + x[rows, before + 1] * share
    mean = paced[:, :, :3].mean(axis=1, keepdims=True)
    acc = mean + (paced[:, :, :3] - mean) * vigour[:, None, None]
    gyr = paced[:, :, 3:] * (pace * vigour)[:, None, None]
    return np.concatenate([acc, gyr], axis=2).astype(np.float32)


def balanced(y: Int[np.ndarray, " windows"], times: int, rng: np.random.Generator) -> Int[np.ndarray, " drawn"]:
    """Rows to be copied: of each class as many, `times` the smallest class."""
    classes, counts = np.unique(y, return_counts=True)
    return np.concatenate([rng.choice(np.flatnonzero(y == c), times * int(counts.min())) for c in classes])


def in_words(
    x: Float[np.ndarray, "windows length 6"], rules: Rules, *, rate_hz: float
) -> list[tuple[str, ...]]:  # fmt: skip
    """What the rules say of windows: seven statements each."""
    features = measure(x, rate_hz=rate_hz)
    said: list[tuple[str, ...]] = []
    for row in range(len(x)):
        statements = rules.interpret(as_numbers(features, row)).statements()
        said.append(tuple(statement.text for statement in statements.values()))
    return said


def unlabelled(
    labelled: Float[np.ndarray, "windows length 6"], y: Int[np.ndarray, " windows"],
    others: Sequence[Float[np.ndarray, "n length 6"]], settings: UnlabelledSettings, *, seed: int,
) -> Float[np.ndarray, "all length 6"]:  # fmt: skip
    """Copies of the training windows, and other windows, each once as it is and once as a copy.

    Args:
        y: the class of each training window; copies do not keep it.
        others: windows of other activities and sensors.
    """
    rng = np.random.default_rng(seed)
    parts = [copies(labelled[balanced(y, settings.copies, rng)], settings, rng)] if settings.copies else []
    for x in others:
        parts += [x, copies(x, settings, rng)]
    return np.concatenate(parts).astype(np.float32) if parts else labelled[:0]
