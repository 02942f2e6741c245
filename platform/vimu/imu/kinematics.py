"""From where a sensor is to how it accelerates and turns."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation


def linear_acceleration(
    position: Float[np.ndarray, "frames sensors 3"], *, rate_hz: float, span_frames: int = 1
) -> Float[np.ndarray, "frames-2*{span_frames} sensors 3"]:
    """Second central difference of sensor positions: a_t = (p_{t-n} + p_{t+n} - 2 p_t) / (n dt)^2.

    Args:
        position: world positions, m, float64: float32 costs 0.09 m/s^2 at 20 m from the origin.
        span_frames: half-width n of the difference; 1 is the seed paper's.

    Returns:
        World-frame acceleration without gravity, m/s^2. The edge frames have no neighbours on both sides and are
        dropped: a zero there would read as free motion.

    Source: arXiv 2003.01874, section 2.2.
    """
    n = span_frames
    inner = position[n : len(position) - n]
    return np.asarray((position[: len(inner)] + position[2 * n :] - 2 * inner) * (rate_hz / n) ** 2)


def angular_velocity(
    orientation: Float[np.ndarray, "frames sensors 3 3"], *, rate_hz: float
) -> Float[np.ndarray, "frames-2 sensors 3"]:
    """What a gyroscope measures: angular velocity in the sensor's own axes, rad/s.

    The mean of the turns from the frame before and to the frame after, so that it stands at the same instants as
    `linear_acceleration`. Exact for a constant rate below pi a frame.
    """
    turns = np.swapaxes(orientation[:-1], -1, -2) @ orientation[1:]
    steps = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec().reshape(*turns.shape[:2], 3)
    return np.asarray((steps[:-1] + steps[1:]) * (rate_hz / 2))
