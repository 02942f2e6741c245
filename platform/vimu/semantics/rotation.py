"""What a gyroscope says of a window: how fast, about which axis, in which rhythm; and whether both sensors agree."""

import numpy as np
from jaxtyping import Float
from scipy.fft import irfft, next_fast_len, rfft

from vimu.semantics.acceleration import LEAST_ACC, principal_rms, rms
from vimu.semantics.gravity import Aligned
from vimu.semantics.spectra import LOW_HZ, MID_HZ, Values, dominant, spectra

LEAST_GYR = 0.05
"""rad/s, 3 degrees a second: slower is noise and bias (HAPT's phones on resting bodies: 0.01 to 0.04)."""
GREATEST_LAG_S = 0.5
"""Between acceleration and rotation: half a cycle of the slowest motion, about."""


def rotation_features(aligned: Aligned, *, rate_hz: float) -> dict[str, Values]:
    """The group `gyr`. rad/s, degrees, Hz; NaN where the window does not support a value."""
    gyr = aligned.gyr
    major, minor = principal_rms(gyr[:, :, :2])
    speed = np.linalg.norm(gyr, axis=2)
    spectrum = spectra(gyr, rate_hz=rate_hz)
    frequency, share, _ = dominant(spectrum, least_rms=LEAST_GYR)
    of_the_vertical = {
        "gyr_vertical_rms": rms(gyr[:, :, 2:]),
        "gyr_horizontal_rms": rms(gyr[:, :, :2]),
        "gyr_major_rms": major,
        "gyr_minor_rms": minor,
        "turn_net_deg": np.degrees(np.abs(gyr[:, :, 2].sum(axis=1)) / rate_hz),
    }
    return {
        "gyr_rms": rms(gyr),
        "gyr_max": speed.max(axis=1),
        "turn_total_deg": np.degrees(speed.sum(axis=1) / rate_hz),
        "gyr_dominant_frequency_hz": frequency,
        "gyr_dominant_share": share,
        "gyr_low_rms": np.sqrt(spectrum.band(*LOW_HZ)),
        "gyr_mid_rms": np.sqrt(spectrum.band(*MID_HZ)),
    } | {name: np.where(aligned.has_vertical, values, np.nan) for name, values in of_the_vertical.items()}


def synchrony_features(
    aligned: Aligned, acc_frequency_hz: Values, gyr_frequency_hz: Values, *, rate_hz: float
) -> dict[str, Values]:
    """The group `sync`: whether acceleration and rotation rise together, and keep the same time.

    Their lengths are compared, which no turn of the sensor changes.
    """
    body, gyr = aligned.body, aligned.gyr
    correlation, lag_s = lagged_correlation(
        np.linalg.norm(body, axis=2), np.linalg.norm(gyr, axis=2), greatest_lag=round(GREATEST_LAG_S * rate_hz)
    )
    tells = (rms(body) >= LEAST_ACC) & (rms(gyr) >= LEAST_GYR)
    return {
        "sync_correlation": np.where(tells, correlation, np.nan),
        "sync_lag_s": np.where(tells, lag_s / rate_hz, np.nan),
        "sync_frequency_ratio": acc_frequency_hz / gyr_frequency_hz,
    }


def lagged_correlation(
    a: Float[np.ndarray, "windows length"], b: Float[np.ndarray, "windows length"], *, greatest_lag: int
) -> tuple[Values, Values]:
    """Greatest correlation of two signals over lags, and the lag in frames by which `b` follows there.

    NaN where one of them is constant, or the window is no longer than twice the greatest lag.
    """
    n_windows, length = a.shape
    nothing = np.full(n_windows, np.nan)
    if length <= 2 * greatest_lag:
        return nothing, nothing.copy()
    a, b = (s - s.mean(axis=1, keepdims=True) for s in (a, b))
    n = int(next_fast_len(length + greatest_lag, real=True))
    products = irfft(np.conj(rfft(a, n, axis=1)) * rfft(b, n, axis=1), n, axis=1)
    lags = np.arange(-greatest_lag, greatest_lag + 1)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = products[:, lags] / size[:, None]
    best = np.argmax(correlation, axis=1)
    constant = size <= np.finfo(float).tiny
    found = correlation[np.arange(n_windows), best]
    return np.where(constant, np.nan, found), np.where(constant, np.nan, lags[best].astype(float))
