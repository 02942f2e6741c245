"""What a clip's signals amount to: a few numbers a sensor, by which motions of one class look alike."""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float
from scipy.signal.windows import hann

from vimu.contracts import ImuRecording
from vimu.runtime.compiled import compiled, plain

STATISTICS = {
    "rms": "m/s^2", "median": "m/s^2", "peak": "m/s^2", "spread": "m/s^2", "vertical": "times", "jerk": "m/s^3",
    "cadence": "Hz", "centroid": "Hz", "turning": "rad/s",
}  # fmt: skip
"""Name -> unit, in the order of the columns. `rms`, `median`, `peak` (99 %) and `spread` (standard deviation) are of
the size of acceleration; `vertical` is its vertical part's RMS over the horizontal one's; `jerk` its derivative's RMS;
`cadence` the strongest frequency in `STEPS_HZ` and `centroid` the mean frequency, by power, of acceleration; `turning`
the RMS of angular velocity."""

STEPS_HZ = (0.4, 6.0)
"""Where the rhythm of limbs is: a slow arm raise to a sprint's steps, of both feet."""

SEGMENT_S = 4.0
"""Of the spectrum: two periods of the slowest motion sought."""

STILL = 0.5
"""m/s^2: RMS below which acceleration has no frequency of its own. Ankles of people who stand and wave show 0.4, the
median of Bandai's 366 clips."""

REST = {"m/s^2": 0.05, "m/s^3": 0.5, "rad/s": 0.02}
"""Added before the logarithm: below this is what a resting body, or its capture, does anyhow."""

RMS, MEDIAN, PEAK, SPREAD, VERTICAL, JERK, CADENCE, CENTROID, TURNING = range(len(STATISTICS))
ADDED = np.array([REST.get(unit, 0.0) for unit in STATISTICS.values()])
REST_ACC = REST["m/s^2"]


def clip_statistics(recording: ImuRecording) -> Float[np.ndarray, "sensors statistics"]:
    """The natural logarithm of each of `STATISTICS` at each sensor, always finite.

    Logarithms, because motions differ by factors: a difference of 0.1 is 10 %, in whichever unit.

    Args:
        recording: world frame, gravity removed, with gyroscope; all finite.

    Raises:
        ValueError: the recording is in another frame, has gravity in or lacks the gyroscope.
    """
    if (recording.frame, recording.gravity) != ("world", "removed") or recording.gyr is None:
        raise ValueError(
            f"`recording` must be world/removed with `gyr`, but is {recording.frame}/{recording.gravity} "
            f"{'without' if recording.gyr is None else 'with'} it."
        )
    acc, gyr = plain(recording.acc), plain(recording.gyr)
    n_frames, n_sensors, _ = acc.shape
    values, size = np.empty((n_sensors, len(STATISTICS))), np.empty((n_sensors, n_frames))
    _in_time(acc, gyr, recording.rate_hz, size, values)
    size.sort(axis=1)
    _of_sizes(size, values)
    _of_powers(_powers(acc, recording.rate_hz), recording.rate_hz / _n_fft(recording.rate_hz), values)
    return np.asarray(np.log(values + ADDED))


@compiled
def _in_time(
    acc: Float[np.ndarray, "frames sensors 3"],
    gyr: Float[np.ndarray, "frames sensors 3"],
    rate_hz: float,
    size: Float[np.ndarray, "sensors frames"],
    values: Float[np.ndarray, "sensors statistics"],
) -> None:
    """Fill `size` of acceleration, and what of `values` is a mean over time."""
    n = len(acc)
    squares = np.zeros((4, len(size)))
    for t in range(n):
        following = min(t + 1, n - 1)
        for s in range(len(size)):
            x, y, z = acc[t, s, 0], acc[t, s, 1], acc[t, s, 2]
            level = x * x + z * z
            size[s, t] = math.sqrt(y * y + level)
            squares[0, s] += y * y
            squares[1, s] += level
            for a in range(3):
                squares[2, s] += (acc[following, s, a] - acc[t, s, a]) ** 2
                squares[3, s] += gyr[t, s, a] ** 2
    for s in range(len(size)):
        upright, level = squares[0, s] / n, squares[1, s] / n
        values[s, RMS] = math.sqrt(upright + level)
        # level has two directions: half of it is what upright has where no direction is preferred
        values[s, VERTICAL] = (math.sqrt(upright) + REST_ACC) / (math.sqrt(level / 2) + REST_ACC)
        values[s, JERK] = math.sqrt(squares[2, s] / n) * rate_hz
        values[s, TURNING] = math.sqrt(squares[3, s] / n)


@compiled
def _of_sizes(ordered: Float[np.ndarray, "sensors frames"], values: Float[np.ndarray, "sensors statistics"]) -> None:
    """What of `values` is a quantile or a deviation of sizes, which are in rising order."""
    n = ordered.shape[1]
    for s in range(len(ordered)):
        values[s, MEDIAN] = _quantile(ordered[s], 0.5)
        values[s, PEAK] = _quantile(ordered[s], 0.99)
        mean, square = 0.0, 0.0
        for t in range(n):
            mean += ordered[s, t] / n
        for t in range(n):
            square += (ordered[s, t] - mean) ** 2
        values[s, SPREAD] = math.sqrt(square / n)


@compiled
def _quantile(ordered: Float[np.ndarray, " frames"], share: float) -> float:
    """Linear between the values."""
    at = share * (len(ordered) - 1)
    before = int(at)
    after = min(before + 1, len(ordered) - 1)
    return float(ordered[before] + (ordered[after] - ordered[before]) * (at - before))


def _n_fft(rate_hz: float) -> int:
    """Twice the segment: by padding, the strongest frequency falls on a grid of 1/8 Hz."""
    return round(2 * SEGMENT_S * rate_hz)


def _powers(acc: Float[np.ndarray, "frames sensors 3"], rate_hz: float) -> Float[np.ndarray, "sensors bins"]:
    """The power of acceleration at each frequency, m^2/s^4: Welch's means over half overlapping segments.

    `scipy.signal.welch` to rounding, in a tenth of its time: one transform for all segments, sensors and axes.
    """
    length = min(len(acc), round(SEGMENT_S * rate_hz))
    hop = length - length // 2
    segments = np.zeros((1 + (len(acc) - length) // hop, acc.shape[1], 3, _n_fft(rate_hz)))
    window = _window(length)
    _cut(acc, window, hop, segments)
    powers = np.zeros((acc.shape[1], segments.shape[-1] // 2 + 1))
    _add_powers(np.fft.rfft(segments), powers)
    powers *= 2 / (segments.shape[-1] * len(segments) * (window @ window))
    powers[:, 0] /= 2  # of the others, the negative frequency counts too
    if segments.shape[-1] % 2 == 0:
        powers[:, -1] /= 2
    return powers


@lru_cache(maxsize=64)
def _window(length: int) -> Float[np.ndarray, " length"]:
    return plain(hann(length, sym=False))


@compiled
def _cut(
    acc: Float[np.ndarray, "frames sensors 3"],
    window: Float[np.ndarray, " length"],
    hop: int,
    segments: Float[np.ndarray, "segments sensors 3 padded"],
) -> None:
    """Each segment less its mean, times the window."""
    for i in range(len(segments)):
        part = acc[i * hop : i * hop + len(window)]
        mean = np.zeros(part.shape[1:])
        for t in range(len(window)):
            mean += part[t]
        mean /= len(window)
        for s in range(acc.shape[1]):
            for a in range(3):
                for t in range(len(window)):
                    segments[i, s, a, t] = (part[t, s, a] - mean[s, a]) * window[t]


@compiled
def _add_powers(
    spectra: Complex[np.ndarray, "segments sensors 3 bins"], powers: Float[np.ndarray, "sensors bins"]
) -> None:
    for i in range(len(spectra)):
        for s in range(len(powers)):
            for a in range(3):
                for k in range(powers.shape[1]):
                    value = spectra[i, s, a, k]
                    powers[s, k] += value.real**2 + value.imag**2


@compiled
def _of_powers(
    powers: Float[np.ndarray, "sensors bins"], step_hz: float, values: Float[np.ndarray, "sensors statistics"]
) -> None:
    """Fill the strongest and the mean frequency, Hz; `step_hz` is from one to the next.

    What a limb at rest shows is the capture's noise. So both are drawn to the middle of `STEPS_HZ`, as far as the power
    is small beside that of `STILL`: geometrically, as the logarithms are what is compared.
    """
    middle = math.sqrt(STEPS_HZ[0] * STEPS_HZ[1])
    for s in range(len(powers)):
        whole, moment, strongest, most = 0.0, 0.0, 0.0, -1.0
        for k in range(powers.shape[1]):
            hz = k * step_hz
            whole += powers[s, k]
            moment += powers[s, k] * hz
            if STEPS_HZ[0] <= hz <= STEPS_HZ[1] and powers[s, k] > most:
                strongest, most = hz, powers[s, k]
        mean = max(moment / max(whole, STILL**2 * 1e-9), step_hz)
        moves = whole / (whole + STILL**2)
        values[s, CADENCE] = middle * (strongest / middle) ** moves
        values[s, CENTROID] = middle * (mean / middle) ** moves
