"""Where down is in a window, and the window turned so that gravity lies along +Z.

A resting accelerometer reads +9.8 m/s^2 upwards, so +Z is up. The turn is the half turn about the direction halfway
between gravity and +Z: it exists for every direction but the exactly opposite one, needs no angle, and leaves the
heading arbitrary, as any turn from gravity alone must.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.signal import butter, sosfiltfilt

from vimu.contracts import STANDARD_GRAVITY
from vimu.runtime.errors import UserError

CUTOFF_HZ = 0.3
"""Of the low-pass that keeps gravity. Source: DOI 10.1145/3770652; UCI HAR uses the same."""
PADDING_S = 3.0
"""A window is mirrored at its ends for so long: the filter forgets within that time."""
LEAST_GRAVITY = STANDARD_GRAVITY / 3
"""m/s^2. A mean acceleration that is shorter points nowhere in particular: a fall, or gravity was removed."""
PLAUSIBLE = (8.8, 10.8)
"""m/s^2, of a data set's median: 10 % either way, more than accelerometers' gains are off."""


@dataclass(frozen=True)
class Aligned:
    """Windows with +Z up; heading arbitrary, another one in each window."""

    acc: Float[np.ndarray, "windows length 3"]
    """m/s^2, gravity included."""
    gyr: Float[np.ndarray, "windows length 3"]
    """rad/s."""
    slow: Float[np.ndarray, "windows length 3"]
    """Low-passed `acc`: gravity as the sensor's posture changes."""
    gravity_magnitude: Float[np.ndarray, " windows"]
    """Length of the mean of `slow`, m/s^2."""
    has_vertical: Bool[np.ndarray, " windows"]
    """False where gravity is too short to point anywhere; the turn is then meaningless."""

    @property
    def body(self) -> Float[np.ndarray, "windows length 3"]:
        """Acceleration without gravity, m/s^2."""
        return np.asarray(self.acc - self.slow)


def align(
    acc: Float[np.ndarray, "windows length 3"], gyr: Float[np.ndarray, "windows length 3"], *, rate_hz: float
) -> Aligned:
    """Windows in sensor axes, gravity included -> the same with gravity along +Z.

    Source: DOI 10.1145/3770652, zero-phase second-order Butterworth low-pass at 0.3 Hz.
    """
    slow = low_passed(acc, rate_hz=rate_hz)
    mean = slow.mean(axis=1)
    length = np.linalg.norm(mean, axis=1)
    turn = to_up(mean)
    acc, gyr, slow = (np.einsum("wij,wtj->wti", turn, signal) for signal in (acc, gyr, slow))
    return Aligned(acc, gyr, slow, gravity_magnitude=length, has_vertical=length >= LEAST_GRAVITY)


def low_passed(
    signal: Float[np.ndarray, "windows length axes"], *, rate_hz: float
) -> Float[np.ndarray, "windows length axes"]:
    """What is slower than 0.3 Hz, without delay.

    The ends are mirrored, not turned about their last sample: a window that ends on a peak would else end on a slope.
    """
    sections = butter(2, CUTOFF_HZ, fs=rate_hz, output="sos")
    padding = min(signal.shape[1] - 1, round(PADDING_S * rate_hz))
    return np.asarray(sosfiltfilt(sections, signal, axis=1, padtype="even", padlen=padding))


def to_up(gravity: Float[np.ndarray, "windows 3"]) -> Float[np.ndarray, "windows 3 3"]:
    """Rotations that each turn a vector into +Z; of the zero vector, and of -Z, the half turn about X."""
    length = np.linalg.norm(gravity, axis=1, keepdims=True)
    up = np.array([0.0, 0.0, 1.0])
    halfway = np.divide(gravity, length, out=np.tile(-up, (len(gravity), 1)), where=length > 0) + up
    size = np.linalg.norm(halfway, axis=1, keepdims=True)
    antipodal = size[:, 0] < 1e-7  # what is left of the sum is rounding
    axis = np.divide(halfway, size, out=np.zeros_like(halfway), where=size > 0)
    axis[antipodal] = [1.0, 0.0, 0.0]
    return np.asarray(2.0 * axis[:, :, None] * axis[:, None, :] - np.eye(3))


def require_gravity(gravity_magnitude: Float[np.ndarray, " windows"], dataset: str) -> None:
    """Refuse a data set whose windows cannot be m/s^2 with gravity in.

    Raises:
        UserError: with the unit it looks like.
    """
    low, high = PLAUSIBLE
    median = float(np.median(gravity_magnitude))
    if low <= median <= high:
        return
    if low <= median * STANDARD_GRAVITY <= high:
        hint = "That looks like g: give the set's `acc_unit_m_s2: 9.80665`."
    elif low <= median / 1000 * STANDARD_GRAVITY <= high:
        hint = "That looks like milli-g: give the set's `acc_unit_m_s2: 0.00980665`."
    elif median < LEAST_GRAVITY:
        hint = "Gravity looks removed: the windows must include it."
    else:
        hint = "Look at the set's `acc_unit_m_s2` and at the sensor's scale."
    raise UserError(f"gravity in `{dataset}` must be near 9.8 m/s^2, but its windows' median is {median:.3g}. {hint}")
