"""What clips of each class look like, by medians and median absolute deviations: some wrong labels do not move them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

TO_DEVIATION = 1.4826
"""Median absolute deviation -> standard deviation of a normal distribution."""
LEAST = 0.02
"""Deviations are at least this (2 %, or that part of a distance): a class of equal clips must not drop a like one."""


@dataclass(frozen=True)
class ClassStatistics:
    """Robust statistics of each class; logarithms, as `clip_statistics` gives them."""

    classes: tuple[str, ...]
    sensors: tuple[str, ...]
    median: Float[np.ndarray, "classes sensors statistics"]
    deviation: Float[np.ndarray, "classes sensors statistics"]
    """Robust standard deviation, at least half of what is usual within a class."""
    whitening: Float[np.ndarray, "columns columns"]
    """Turns differences of all statistics at all sensors so that their length is a distance in deviations."""
    margin_median: Float[np.ndarray, " classes"]
    """Of the margins of a class's clips; infinite where there is one class only."""
    margin_deviation: Float[np.ndarray, " classes"]

    def distances(self, values: Float[np.ndarray, "clips sensors statistics"]) -> Float[np.ndarray, "clips classes"]:
        """How far each clip is from each class's medians, in deviations."""
        clips, medians = values.reshape(len(values), -1), self.median.reshape(len(self.classes), -1)
        return np.stack([np.linalg.norm((clips - m) @ self.whitening, axis=1) for m in medians], axis=1)


def margins(
    distances: Float[np.ndarray, "clips classes"], own: Int[np.ndarray, " clips"]
) -> tuple[Float[np.ndarray, " clips"], Int[np.ndarray, " clips"]]:
    """How much nearer each clip is to its own class than to the next one, and which that is.

    Infinite where there is one class only.
    """
    clips, others = np.arange(len(own)), distances.copy()
    others[clips, own] = np.inf
    nearest = others.argmin(axis=1)
    return others[clips, nearest] - distances[clips, own], nearest


def fit_classes(
    values: Float[np.ndarray, "clips sensors statistics"],
    own: Int[np.ndarray, " clips"],
    classes: Sequence[str],
    sensors: Sequence[str],
) -> ClassStatistics:
    """Medians and deviations of each class; one covariance within classes, from residuals cut at three deviations.

    One covariance, because a small class has too few clips for its own; cut, so that mislabelled clips weigh little.

    Args:
        own: index of each clip's class; each class has a clip.
    """
    from sklearn.covariance import ledoit_wolf  # here: a third of a second, which most commands do not need

    of_class = [own == c for c in range(len(classes))]
    median = np.stack([np.median(values[members], axis=0) for members in of_class])
    off = np.abs(values - median[own])
    usual = np.maximum(TO_DEVIATION * np.median(off, axis=0), LEAST)
    deviation = TO_DEVIATION * np.stack([np.median(off[members], axis=0) for members in of_class])
    residuals = np.clip((values - median[own]) / usual, -3, 3).reshape(len(values), -1)
    covariance, _ = ledoit_wolf(residuals, assume_centered=True)
    ridge = LEAST**2 * np.eye(len(covariance))  # statistics that never differ leave the covariance singular
    whitening = np.linalg.cholesky(np.linalg.inv(covariance + ridge)) / usual.reshape(-1, 1)
    unknown = np.full(len(classes), np.inf)
    fitted = ClassStatistics(
        tuple(classes), tuple(sensors), median, np.maximum(deviation, usual / 2), whitening, unknown, unknown
    )
    if len(classes) == 1:
        return fitted
    margin, _ = margins(fitted.distances(values), own)
    middle = np.array([np.median(margin[members]) for members in of_class])
    around = [np.median(np.abs(margin[members] - m)) for members, m in zip(of_class, middle, strict=True)]
    return replace(
        fitted, margin_median=middle, margin_deviation=np.maximum(TO_DEVIATION * np.array(around), LEAST)
    )  # fmt: skip
