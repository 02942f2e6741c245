"""Statistics of a clip with the tools that everyone knows: what the compiled ones are compared with."""

import numpy as np
from scipy.signal import welch

from vimu.clips.statistics import REST, SEGMENT_S, STATISTICS, STEPS_HZ, STILL
from vimu.contracts import ImuRecording


def plain_statistics(recording: ImuRecording) -> np.ndarray:
    """(sensors, statistics), natural logarithms."""
    acc, gyr = recording.acc.astype(np.float64), recording.gyr.astype(np.float64)
    size = np.linalg.norm(acc, axis=-1)
    jerk = np.diff(acc, axis=0, append=acc[-1:]) * recording.rate_hz
    upright, level = acc[..., 1:2], acc[..., [0, 2]] / np.sqrt(2)
    cadence, centroid = _frequencies(acc, recording.rate_hz)
    values = {
        "rms": _rms(acc),
        "median": np.median(size, axis=0),
        "peak": np.quantile(size, 0.99, axis=0),
        "spread": size.std(axis=0),
        "vertical": (_rms(upright) + REST["m/s^2"]) / (_rms(level) + REST["m/s^2"]),
        "jerk": _rms(jerk),
        "cadence": cadence,
        "centroid": centroid,
        "turning": _rms(gyr),
    }
    return np.stack([np.log(values[name] + REST.get(unit, 0.0)) for name, unit in STATISTICS.items()], axis=-1)


def _rms(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.sum(x**2, axis=-1), axis=0))


def _frequencies(acc: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    segment = min(len(acc), round(SEGMENT_S * rate_hz))
    frequency, density = welch(acc, rate_hz, nperseg=segment, nfft=round(2 * SEGMENT_S * rate_hz), axis=0)
    power = density.sum(axis=-1) * frequency[1]
    whole = power.sum(axis=0)
    inside = np.flatnonzero((frequency >= STEPS_HZ[0]) & (frequency <= STEPS_HZ[1]))
    strongest = frequency[inside[power[inside].argmax(axis=0)]]
    mean = np.maximum(frequency @ power / np.maximum(whole, STILL**2 * 1e-9), frequency[1])
    moves, middle = whole / (whole + STILL**2), np.sqrt(STEPS_HZ[0] * STEPS_HZ[1])
    return middle * (strongest / middle) ** moves, middle * (mean / middle) ** moves
