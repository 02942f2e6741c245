"""What a real device is like, from what it recorded: the numbers of `configs/devices/*.yaml`."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float
from scipy.signal import welch


def share_of_steps(readings: Float[np.ndarray, "rows axes"], step: float) -> float:
    """Share of readings that are whole multiples of `step`, to a twentieth of it: 0.1 by chance, 1 on its grid."""
    steps = readings / step
    return float((np.abs(steps - np.rint(steps)) < 0.05).mean())


def saturation(readings: Float[np.ndarray, "rows axes"], step: float) -> tuple[float, int]:
    """The greatest reading either way, and how many readings lie within a `step` of it: many, where it is the range."""
    size = np.abs(readings)
    greatest = float(size.max())
    return greatest, int((size > greatest - step).sum())


def white_noise_std(readings: Float[np.ndarray, "rows axes"]) -> Float[np.ndarray, " axes"]:
    """Standard deviation of white noise under slow motion: third differences, which multiply it by sqrt 20."""
    return np.asarray(np.diff(readings, 3, axis=0).std(axis=0) / np.sqrt(20))


def still_windows(recordings: Iterable[Float[np.ndarray, "rows axes"]], length: int, share: float) -> list[np.ndarray]:
    """The `share` of windows of `length` rows that vary least, on their most restless axis, quietest first."""
    windows = [r[i : i + length] for r in recordings for i in range(0, len(r) - length + 1, length)]
    restless = np.array([w.std(axis=0).max() for w in windows])
    return [windows[i] for i in np.argsort(restless)[: max(1, int(share * len(windows)))]]


def noise_density(
    windows: Iterable[Float[np.ndarray, "rows axes"]], rate_hz: float, band_hz: tuple[float, float]
) -> float:
    """Unit per square root of Hz, one-sided, in a band: median over windows, mean over axes."""
    spectra = [welch(w, rate_hz, nperseg=len(w) // 2, axis=0) for w in windows]
    frequency = spectra[0][0]
    power = np.median([p.mean(axis=1) for _, p in spectra], axis=0)
    inside: Bool[np.ndarray, " bins"] = (frequency >= band_hz[0]) & (frequency < band_hz[1])
    return float(np.sqrt(power[inside].mean()))
