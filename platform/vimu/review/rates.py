"""Clips that move too fast or too slow for their class: what a wrong frame rate does to a clip's statistics.

Played k times too fast, a motion has k times the angular velocity and cadence, k^2 times the acceleration and k^3 times
its derivative. In logarithms that is one direction, along which each clip's way from its class's medians is measured.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from vimu.clips.class_statistics import ClassStatistics
from vimu.clips.statistics import STATISTICS

POWER = {
    "rms": 2, "median": 2, "peak": 2, "spread": 2, "vertical": 0, "jerk": 3, "cadence": 1, "centroid": 1, "turning": 1,
}  # fmt: skip
"""The power of speed that each statistic grows with."""

LEAST_FACTOR = 1.4
"""Less is a person's own pace. Wrong rates are off by 2 (120 read as 60) or 4; 1.2 (100 for 120) cannot be told."""
LEAST_DEVIATIONS = 4.0


@dataclass(frozen=True)
class Speeds:
    """How fast each clip moves beside its class."""

    factor: Float[np.ndarray, " clips"]
    """2: as if played twice too fast."""
    deviations: Float[np.ndarray, " clips"]
    """How unusual that is within a class."""

    @property
    def odd(self) -> Bool[np.ndarray, " clips"]:
        """Beyond what people's paces do."""
        far = np.abs(np.log(self.factor)) >= np.log(LEAST_FACTOR)
        return np.asarray(far & (self.deviations >= LEAST_DEVIATIONS))


def speeds(
    values: Float[np.ndarray, "clips sensors statistics"], own: Int[np.ndarray, " clips"], fitted: ClassStatistics
) -> Speeds:
    """The speed that explains each clip's way from its class's medians best: least squares, whitened.

    Args:
        own: index of each clip's class in `fitted`.
    """
    away = (values - fitted.median[own]).reshape(len(values), -1) @ fitted.whitening
    faster = np.tile([float(POWER[name]) for name in STATISTICS], values.shape[1]) @ fitted.whitening
    length = float(np.linalg.norm(faster))
    log_factor = away @ faster / length**2
    return Speeds(np.exp(log_factor), np.abs(log_factor) * length)
