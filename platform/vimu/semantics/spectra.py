"""Power of windows over frequency, and what can be read from it at the resolution and the rate that a window has."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len, rfft, rfftfreq
from scipy.signal import get_window

Values = Float[np.ndarray, " windows"]
"""A number a window, NaN where the window does not support it."""

RHYTHM_HZ = (0.7, 3.0)
"""Where the dominant frequency of a moving person is looked for. Source: DOI 10.1145/3770652."""
LOW_HZ, MID_HZ, HIGH_HZ = (0.5, 3.0), (3.0, 8.0), (8.0, 15.0)
BROAD_HZ = (LOW_HZ[0], MID_HZ[1])
LEAST_CYCLES = 2.0
"""A frequency whose cycle was seen less often than that is not told from a drift."""
LEAST_SHARE = 0.3
"""Of the broad band's power within the dominant frequency's lobe. Noise alone reaches 0.2 in windows of 4 s."""
FINENESS = 4
"""Points of the spectrum between two independent ones: for the place of a peak."""


@dataclass(frozen=True)
class Spectra:
    """Power by frequency, summed over axes, so that no turn of the sensor changes it."""

    power: Float[np.ndarray, "windows bins"]
    """Its sum over bins is the mean square, in the signal's unit squared."""
    frequency_hz: Float[np.ndarray, " bins"]
    nyquist_hz: float
    lobe_hz: float
    """Half-width of the lobe that a single frequency makes."""
    duration_s: float

    def band(self, low_hz: float, high_hz: float, exponent: float = 0.0) -> Values:
        """Mean square between two frequencies, of the `exponent`-th derivative; NaN where the rate does not reach."""
        if high_hz > self.nyquist_hz:
            return np.full(len(self.power), np.nan)
        inside = (self.frequency_hz >= low_hz) & (self.frequency_hz < high_hz)
        weight = (2 * np.pi * self.frequency_hz[inside]) ** (2 * exponent)
        return np.asarray(self.power[:, inside] @ weight)

    def around(self, centre_hz: Values, half_width_hz: Values) -> Values:
        """Mean square within a half-width of a frequency of each window's own; NaN where the rate does not reach."""
        inside = np.abs(self.frequency_hz[None, :] - centre_hz[:, None]) <= half_width_hz[:, None]
        found = (self.power * inside).sum(axis=1)
        return np.where(centre_hz + half_width_hz <= self.nyquist_hz, found, np.nan)


def spectra(signal: Float[np.ndarray, "windows length axes"], *, rate_hz: float) -> Spectra:
    """Power spectra under a Hann window."""
    length = signal.shape[1]
    taper = get_window("hann", length)
    n = int(next_fast_len(FINENESS * length, real=True))
    levelled = signal - signal.mean(axis=1, keepdims=True)
    transformed = rfft(levelled * taper[None, :, None], n=n, axis=1)
    power = 2.0 * (np.abs(transformed) ** 2).sum(axis=2) / (n * (taper**2).sum())
    duration = length / rate_hz
    return Spectra(power, rfftfreq(n, 1.0 / rate_hz), rate_hz / 2, 2.0 / duration, duration)


def dominant(spectrum: Spectra, *, least_rms: float) -> tuple[Values, Values, Values]:
    """The strongest frequency of a moving person's range, its share of the broad band, and its harmonics' ratio.

    Args:
        least_rms: below it, in the signal's unit, there is no motion whose frequency could be told.

    Returns:
        Frequency, Hz; share; amplitude of the second and third harmonic over the fundamental's. The frequency is NaN
        where nothing prevails, where its cycle was not seen twice, or where its peak lies outside the range; the ratio
        also where the rate does not reach the third harmonic.
    """
    n_windows = len(spectrum.power)
    nothing = np.full(n_windows, np.nan)
    f, power = spectrum.frequency_hz, spectrum.power
    low, high = RHYTHM_HZ
    inside = np.flatnonzero((f >= max(low, LEAST_CYCLES / spectrum.duration_s)) & (f <= high))
    if high > spectrum.nyquist_hz or len(inside) < 3:
        return nothing, nothing.copy(), nothing.copy()
    rows = np.arange(n_windows)
    best = inside[np.argmax(power[:, inside], axis=1)]
    left, centre, right = (power[rows, np.clip(best + step, 0, len(f) - 1)] for step in (-1, 0, 1))
    is_peak = (centre >= left) & (centre >= right) & (centre > 0)
    # the parabola through the logarithms of three points has its top where the peak is
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b, c = (np.log(np.maximum(p, np.finfo(float).tiny)) for p in (left, centre, right))
        shift = np.where(is_peak, 0.5 * (a - c) / (a - 2 * b + c), 0.0)
    frequency = f[best] + np.nan_to_num(np.clip(shift, -0.5, 0.5)) * (f[1] - f[0])
    half_width = np.minimum(spectrum.lobe_hz, frequency / 2)
    # a rate that does not reach the broad band's end leaves what is there of it
    broad = spectrum.band(BROAD_HZ[0], min(BROAD_HZ[1], spectrum.nyquist_hz))
    fundamental = spectrum.around(frequency, half_width)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(fundamental / broad, 1.0)
        harmonics = spectrum.around(2 * frequency, half_width) + spectrum.around(3 * frequency, half_width)
        ratio = np.sqrt(harmonics / fundamental)
    tells = is_peak & (broad >= least_rms**2) & (share >= LEAST_SHARE)
    return tuple(np.where(tells, values, np.nan) for values in (frequency, share, ratio))  # type: ignore[return-value]
