"""Windows of accelerometer and gyroscope -> numbers that no mounting and no heading changes.

A value that a window cannot support is NaN here and null in tables, never 0: a band above half the rate, a rhythm of a
single peak, a direction of what does not move.
"""

import numpy as np
from jaxtyping import Float

from vimu.semantics.acceleration import acceleration_features
from vimu.semantics.catalogue import FEATURES
from vimu.semantics.gravity import align
from vimu.semantics.rotation import rotation_features, synchrony_features
from vimu.semantics.spectra import Values

VERSION = 1
"""Raised when the same window measures differently."""
AT_ONCE = 1024
"""Windows in memory as float64 with their spectra: some 20 MB."""
LEAST_FRAMES = 8
"""Fewer have no spectrum to speak of."""


def measure(x: Float[np.ndarray, "windows length 6"], *, rate_hz: float) -> dict[str, Values]:
    """All features of `CATALOGUE`, in its order.

    Args:
        x: acceleration (m/s^2, sensor axes, gravity included), then angular velocity (rad/s, sensor axes).
        rate_hz: the rate that the windows have; features above half of it are NaN.

    Raises:
        ValueError: another shape, fewer than eight frames, or numbers that are not finite.
    """
    if x.ndim != 3 or x.shape[2] != 6 or x.shape[1] < LEAST_FRAMES:
        raise ValueError(f"`x` must be of shape (windows, {LEAST_FRAMES} or more, 6), but is {x.shape}.")
    if not np.isfinite(x).all():
        raise ValueError("`x` must be finite, but is not.")
    parts = [_measure(x[i : i + AT_ONCE].astype(np.float64), rate_hz=rate_hz) for i in range(0, len(x), AT_ONCE)]
    return {name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in FEATURES}


def _measure(x: Float[np.ndarray, "windows length 6"], *, rate_hz: float) -> dict[str, Values]:
    aligned = align(x[:, :, :3], x[:, :, 3:], rate_hz=rate_hz)
    acc = acceleration_features(aligned, rate_hz=rate_hz)
    gyr = rotation_features(aligned, rate_hz=rate_hz)
    sync = synchrony_features(
        aligned, acc["acc_dominant_frequency_hz"], gyr["gyr_dominant_frequency_hz"], rate_hz=rate_hz
    )
    return acc | gyr | sync


def rounded(value: float) -> float | None:
    """To three significant digits, as texts quote it and caches are addressed by; None for NaN."""
    return None if np.isnan(value) else float(f"{value:.3g}")
