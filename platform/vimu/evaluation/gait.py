"""Walking as numbers that do not depend on how a sensor was mounted: all of |acc|, gravity included."""

import numpy as np
from jaxtyping import Float
from scipy.signal import correlate, welch

from vimu.windows.cut import cut

WINDOW_S, HOP_S = 4.0, 2.0
STRIDE_S = (0.8, 1.8)
"""Time of two steps: 1.1 to 2.5 steps a second."""
PERIODIC = 0.3
"""Autocorrelation at the stride above which a window is walking."""
MOVING_M_S2 = 0.5
"""Standard deviation of |acc| at the trunk above which a window is no standing."""
STILL_M_S2 = 1e-6
"""Less is rounding."""
FIRST_PEAK_SHARE = 0.9
"""Of the highest peak of the autocorrelation, which the first that counts as the stride must reach."""
BANDS_HZ = ((0.5, 3.0), (3.0, 6.0), (6.0, 10.0))
DISTANCE_HZ = (0.5, 8.5)
"""Where spectra are compared: resampling to 20 Hz filters from 9 Hz on."""
SMOOTHED_HZ = 1.0
"""About the distance of two harmonics of a stride."""
QUANTILES = (0.01, 0.5, 0.9, 0.99)

Windows = Float[np.ndarray, "windows length"]


def stride(x: Float[np.ndarray, " frames"], rate_hz: float) -> tuple[float, float]:
    """Time of a stride (two steps), s, and how periodic the signal is at it (1: exactly), from the autocorrelation.

    The first peak that is nearly as high as the highest one, so that two strides are not taken for one; a parabola
    places it between samples. NaN and 0 where there is none: a signal without period, or at rest. Below 1.3 steps a
    second a trunk whose left and right steps are alike shows one step as the stride.
    """
    centred = x - x.mean()
    n = len(x)
    power = float(centred @ centred)
    if power < n * STILL_M_S2**2:
        return float("nan"), 0.0
    overlap = np.arange(n, 0, -1) / n
    r = correlate(centred, centred, method="fft")[n - 1 :] / power / overlap  # unbiased: longer lags have fewer samples
    lags = np.arange(int(np.ceil(STRIDE_S[0] * rate_hz)), min(int(STRIDE_S[1] * rate_hz), n - 2) + 1)
    peaks = [k for k in lags if r[k] > 0 and r[k - 1] <= r[k] > r[k + 1]]
    if not peaks:
        return float("nan"), 0.0
    k = next(k for k in peaks if r[k] >= FIRST_PEAK_SHARE * max(r[j] for j in peaks))
    bend = r[k - 1] - 2 * r[k] + r[k + 1]
    return float((k + (r[k - 1] - r[k + 1]) / (2 * bend)) / rate_hz), float(min(r[k], 1.0))


def walking_windows(
    trunk: Float[np.ndarray, " frames"], signals: Float[np.ndarray, "frames sensors"], rate_hz: float
) -> Float[np.ndarray, "windows length sensors"]:
    """The windows of steady walking, by the trunk's |acc|: it moves, and repeats itself stride by stride.

    One choice for all sensors of a recording, made on the trunk in the same way for real and virtual walking.
    """
    length, hop = round(WINDOW_S * rate_hz), round(HOP_S * rate_hz)
    windows, starts = cut(signals, length_frames=length, hop_frames=hop)
    judged = [trunk[i : i + length] for i in starts]
    steady = [bool(t.std() > MOVING_M_S2 and stride(t, rate_hz)[1] > PERIODIC) for t in judged]
    return np.asarray(windows[np.array(steady, dtype=bool)])


def step_frequency(windows: Windows, rate_hz: float) -> Float[np.ndarray, " windows"]:
    """Steps a second of each window; NaN where the window has no period."""
    return np.array([2 / stride(w, rate_hz)[0] for w in windows])


def spectrum(windows: Windows, rate_hz: float) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """Frequencies, Hz, and mean power density, (m/s^2)^2/Hz, one periodogram a window."""
    frequency, power = welch(windows, rate_hz, nperseg=windows.shape[1], axis=1)
    return np.asarray(frequency), np.asarray(power.mean(axis=0))


def band_shares(frequency: Float[np.ndarray, " bins"], power: Float[np.ndarray, " bins"]) -> tuple[float, ...]:
    """Share of the power of `BANDS_HZ` in each of them."""
    parts = [float(power[(frequency >= low) & (frequency < high)].sum()) for low, high in BANDS_HZ]
    return tuple(part / sum(parts) for part in parts)


def band_rms(frequency: Float[np.ndarray, " bins"], power: Float[np.ndarray, " bins"]) -> tuple[float, ...]:
    """Root mean square of what lies in each of `BANDS_HZ`, m/s^2."""
    step = float(frequency[1] - frequency[0])
    return tuple(float(np.sqrt(power[(frequency >= low) & (frequency < high)].sum() * step)) for low, high in BANDS_HZ)


def log_spectral_distance(
    frequency: Float[np.ndarray, " bins"],
    one: Float[np.ndarray, " bins"],
    other: Float[np.ndarray, " bins"],
    *,
    smoothed_hz: float = SMOOTHED_HZ,
) -> float:
    """Root mean square over `DISTANCE_HZ` of the difference of two spectra in dB, each smoothed over `smoothed_hz`.

    Walking is a comb of harmonics of the stride, and two paces have two combs: unsmoothed, each tooth counts twice.
    """
    inside = (frequency >= DISTANCE_HZ[0]) & (frequency <= DISTANCE_HZ[1])
    width = 2 * round(smoothed_hz / float(frequency[1] - frequency[0]) / 2) + 1
    smooth = np.ones(width) / width
    ratio = np.convolve(one[inside], smooth, mode="valid") / np.convolve(other[inside], smooth, mode="valid")
    return float(np.sqrt(((10 * np.log10(ratio)) ** 2).mean()))


def as_mocap_sees(
    acc: Float[np.ndarray, "frames *rest"], *, rate_hz: float, mocap_hz: float
) -> Float[np.ndarray, "frames *rest"]:
    """Real acceleration as the second difference of positions at `mocap_hz` would give it, at its own instants.

    That difference is the acceleration averaged over a triangle of two mocap frames: each frequency f is multiplied by
    sinc^2(f / mocap_hz). The ends are mirrored.
    """
    n = len(acc)
    mirrored = np.concatenate([acc, acc[::-1]])
    frequency = np.fft.rfftfreq(2 * n, 1 / rate_hz)
    passed = (np.sinc(frequency / mocap_hz) ** 2).reshape(-1, *[1] * (acc.ndim - 1))
    kept = np.fft.rfft(mirrored, axis=0) * passed
    return np.asarray(np.fft.irfft(kept, 2 * n, axis=0)[:n])
