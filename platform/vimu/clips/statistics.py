"""What a clip's signals amount to: a few numbers a sensor, by which motions of one class look alike."""

import numpy as np
from jaxtyping import Float
from scipy.signal import welch

from vimu.contracts import ImuRecording

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
    acc, gyr = recording.acc.astype(np.float64), recording.gyr.astype(np.float64)
    size = np.linalg.norm(acc, axis=-1)
    jerk = np.diff(acc, axis=0, append=acc[-1:]) * recording.rate_hz
    upright, level = acc[..., 1:2], acc[..., [0, 2]] / np.sqrt(2)  # of equal size where no direction is preferred
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
    columns = [np.log(values[name] + REST.get(unit, 0.0)) for name, unit in STATISTICS.items()]
    return np.stack(columns, axis=-1)


def _rms(x: Float[np.ndarray, "frames sensors axes"]) -> Float[np.ndarray, " sensors"]:
    """Root of the mean square of the vectors' length over time."""
    return np.asarray(np.sqrt(np.mean(np.sum(x**2, axis=-1), axis=0)))


def _frequencies(
    acc: Float[np.ndarray, "frames sensors 3"], rate_hz: float
) -> tuple[Float[np.ndarray, " sensors"], Float[np.ndarray, " sensors"]]:
    """Strongest and mean frequency of acceleration, Hz.

    What a limb at rest shows is the capture's noise. So both are drawn to the middle of `STEPS_HZ`, as far as the power
    is small beside that of `STILL`: geometrically, as the logarithms are what is compared.
    """
    segment = min(len(acc), round(SEGMENT_S * rate_hz))
    # padded to twice the segment, so that the strongest frequency falls on a grid of 1/8 Hz
    frequency, density = welch(acc, rate_hz, nperseg=segment, nfft=round(2 * SEGMENT_S * rate_hz), axis=0)
    power = density.sum(axis=-1) * frequency[1]
    whole = power.sum(axis=0)
    inside = np.flatnonzero((frequency >= STEPS_HZ[0]) & (frequency <= STEPS_HZ[1]))
    strongest = frequency[inside[power[inside].argmax(axis=0)]]
    mean = np.maximum(frequency @ power / np.maximum(whole, STILL**2 * 1e-9), frequency[1])
    moves, middle = whole / (whole + STILL**2), np.sqrt(STEPS_HZ[0] * STEPS_HZ[1])
    return middle * (strongest / middle) ** moves, middle * (mean / middle) ** moves
