"""What an accelerometer says of a window: how strong, in which direction, in which rhythm, how upright."""

import numpy as np
from jaxtyping import Float
from scipy.signal import find_peaks

from vimu.semantics.gravity import Aligned
from vimu.semantics.spectra import BROAD_HZ, HIGH_HZ, LOW_HZ, MID_HZ, Values, dominant, spectra

LEAST_ACC = 0.2
"""m/s^2, twice what a phone on a resting body reads (HAPT: 0.07 to 0.1): what is weaker has no direction or rhythm."""
LEAST_PEAK = 0.5
"""m/s^2 above its surroundings: what counts as a peak."""
LEAST_PEAK_SHARE = 0.7
"""Of the vertical standard deviation, likewise."""
LEAST_PEAK_DISTANCE_S = 0.2


def acceleration_features(aligned: Aligned, *, rate_hz: float) -> dict[str, Values]:
    """The group `acc`. m/s^2, Hz, degrees; NaN where the window does not support a value."""
    length = np.linalg.norm(aligned.acc, axis=2)
    body = aligned.body
    vertical = body[:, :, 2]
    strength, vertical_rms = rms(body), rms(vertical[:, :, None])
    horizontal_rms = rms(body[:, :, :2])
    major, minor = principal_rms(body[:, :, :2])
    spectrum = spectra(body, rate_hz=rate_hz)
    frequency, share, harmonic_ratio = dominant(spectrum, least_rms=LEAST_ACC)
    n_peaks, peak_rate, peak_cv = peak_rhythm(vertical, rate_hz=rate_hz)
    moves, bounces = strength >= LEAST_ACC, vertical_rms >= LEAST_ACC
    drift, spread = tilts(aligned.slow)
    with np.errstate(divide="ignore", invalid="ignore"):
        vertical_share = np.where(moves, (vertical_rms / strength) ** 2, np.nan)
        centred = vertical - vertical.mean(axis=1, keepdims=True)
        skewness = np.where(bounces, (centred**3).mean(axis=1) / centred.std(axis=1) ** 3, np.nan)
        crest = np.where(bounces, vertical.max(axis=1) / vertical_rms, np.nan)
    of_the_vertical = {
        "vertical_rms": vertical_rms,
        "horizontal_rms": horizontal_rms,
        "horizontal_major_rms": major,
        "horizontal_minor_rms": minor,
        "vertical_share": vertical_share,
        "vertical_skewness": skewness,
        "n_peaks": n_peaks,
        "peak_rate_hz": peak_rate,
        "peak_interval_cv": peak_cv,
        "impact_peak": vertical.max(axis=1),
        "impact_crest": crest,
        "vertical_dip": -vertical.min(axis=1),
        "tilt_drift_deg": drift,
        "tilt_range_deg": spread,
    }
    return {
        "gravity_magnitude": aligned.gravity_magnitude,
        "acc_magnitude_mean": length.mean(axis=1),
        "acc_magnitude_std": length.std(axis=1),
        "acc_magnitude_min": length.min(axis=1),
        "acc_magnitude_max": length.max(axis=1),
        "body_acc_rms": strength,
        "acc_dominant_frequency_hz": frequency,
        "acc_dominant_share": share,
        "acc_harmonic_ratio": harmonic_ratio,
        "acc_low_rms": np.sqrt(spectrum.band(*LOW_HZ)),
        "acc_mid_rms": np.sqrt(spectrum.band(*MID_HZ)),
        "acc_high_rms": np.sqrt(spectrum.band(*HIGH_HZ)),
        "jerk_rms": np.sqrt(spectrum.band(*BROAD_HZ, exponent=1.0)),
    } | {name: np.where(aligned.has_vertical, values, np.nan) for name, values in of_the_vertical.items()}


def rms(signal: Float[np.ndarray, "windows length axes"]) -> Values:
    """Root of the mean over time of the squared length."""
    return np.asarray(np.sqrt((signal**2).sum(axis=2).mean(axis=1)))


def principal_rms(plane: Float[np.ndarray, "windows length 2"]) -> tuple[Values, Values]:
    """RMS along the strongest direction of a plane and across it: no heading changes them."""
    xx, yy = ((plane[:, :, axis] ** 2).mean(axis=1) for axis in (0, 1))
    xy = (plane[:, :, 0] * plane[:, :, 1]).mean(axis=1)
    middle, radius = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return np.sqrt(middle + radius), np.sqrt(np.maximum(middle - radius, 0.0))


def peak_rhythm(vertical: Float[np.ndarray, "windows length"], *, rate_hz: float) -> tuple[Values, Values, Values]:
    """Count of upward peaks, how many a second, and how their distances vary.

    Returns:
        The rate is NaN below two peaks, the variation below three: one distance has none.
    """
    n_windows = len(vertical)
    count, rate, variation = np.zeros(n_windows), np.full(n_windows, np.nan), np.full(n_windows, np.nan)
    prominence = np.maximum(LEAST_PEAK, LEAST_PEAK_SHARE * vertical.std(axis=1))
    distance = max(1.0, LEAST_PEAK_DISTANCE_S * rate_hz)
    for i in np.flatnonzero(np.ptp(vertical, axis=1) >= LEAST_PEAK):
        peaks, _ = find_peaks(vertical[i], prominence=prominence[i], distance=distance)
        count[i] = len(peaks)
        if len(peaks) >= 2:
            apart_s = np.diff(peaks) / rate_hz
            rate[i] = 1.0 / apart_s.mean()
            variation[i] = apart_s.std() / apart_s.mean() if len(peaks) >= 3 else np.nan
    return count, rate, variation


def tilts(slow: Float[np.ndarray, "windows length 3"]) -> tuple[Values, Values]:
    """How the vertical moves in the sensor's axes, degrees: first quarter to last; at most from its mean."""
    quarter = max(1, slow.shape[1] // 4)
    drift = _angle_deg(slow[:, :quarter].mean(axis=1), slow[:, -quarter:].mean(axis=1))
    spread = _angle_deg(slow, slow.mean(axis=1, keepdims=True)).max(axis=1)
    return drift, spread


def _angle_deg(a: Float[np.ndarray, "... 3"], b: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "..."]:
    # by the tangent: the cosine's inverse loses small angles
    across = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.asarray(np.degrees(np.arctan2(across, (a * b).sum(axis=-1))))
