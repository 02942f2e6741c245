"""From where a sensor is to how it accelerates and turns."""

from math import ceil, isclose

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view
from scipy.interpolate import make_interp_spline

from vimu.resampling import SAME_RATE
from vimu.rotations import turns_between


def linear_acceleration(
    position: Float[np.ndarray, "frames sensors 3"], *, rate_hz: float, span_frames: float = 1
) -> Float[np.ndarray, "frames_out sensors 3"]:
    """Second central difference of sensor positions: a_t = (p_{t-n} + p_{t+n} - 2 p_t) / (n dt)^2.

    Args:
        position: world positions, m, float64: float32 costs 0.09 m/s^2 at 20 m from the origin.
        span_frames: half-width n of the difference; 1 is the seed paper's. Where it is not whole, a quintic spline
            gives the positions between frames.

    Returns:
        World-frame acceleration without gravity, m/s^2, `2 * ceil(n)` frames less. The edge frames have no neighbours
        on both sides and are dropped: a zero there would read as free motion.

    Source: arXiv 2003.01874, section 2.2.
    """
    edge = edge_frames(span_frames)
    inner = position[edge : len(position) - edge]
    if isclose(span_frames, edge, rel_tol=SAME_RATE):
        before, after, n = position[: len(inner)], position[2 * edge :], float(edge)
    elif len(inner) == 0:
        return inner
    else:
        at = np.arange(edge, len(position) - edge)
        before, after, n = at_frames(position, at - span_frames), at_frames(position, at + span_frames), span_frames
    return np.asarray((before + after - 2 * inner) * (rate_hz / n) ** 2)


def edge_frames(span_frames: float) -> int:
    """Frames that a difference of half-width `span_frames`, which need not be whole, takes from either end."""
    return ceil(span_frames * (1 - SAME_RATE))


def at_frames(
    x: Float[np.ndarray, "frames *rest"], at: Float[np.ndarray, " frames_out"], degree: int = 5
) -> Float[np.ndarray, "frames_out *rest"]:
    """`x` at instants `at` between its frames, by a spline of `degree`, or the highest odd one they suffice for."""
    degree = min(degree, len(x) - 1)
    if degree > 0:
        degree -= 1 - degree % 2  # even ones put knots between samples
    return np.asarray(make_interp_spline(np.arange(len(x)), x, k=degree)(at))


def moving_mean(
    x: Float[np.ndarray, "frames *rest"], width_frames: float
) -> tuple[Float[np.ndarray, "frames_out *rest"], int]:
    """Mean over `width_frames` about each frame, which need not be whole: the outermost frames then count in part.

    Returns:
        The means, and the frames dropped at either end for want of neighbours (0 for a width of a frame or less).
    """
    edge = max(ceil((width_frames - 1) / 2 - SAME_RATE), 0)
    if edge == 0 or len(x) <= 2 * edge:
        return x[edge : len(x) - edge], edge
    reach = np.abs(np.arange(-edge, edge + 1)) - 0.5
    weights = np.clip(width_frames / 2 - reach, 0, 1)
    return np.asarray(sliding_window_view(x, 2 * edge + 1, axis=0) @ (weights / weights.sum())), edge


def angular_velocity(
    orientation: Float[np.ndarray, "frames sensors 3 3"], *, rate_hz: float
) -> Float[np.ndarray, "frames-2 sensors 3"]:
    """What a gyroscope measures: angular velocity in the sensor's own axes, rad/s.

    The mean of the turns from the frame before and to the frame after, so that it stands at the same instants as
    `linear_acceleration`. Exact for a constant rate below pi a frame.
    """
    steps = turns_between(orientation[:-1], orientation[1:])
    return np.asarray((steps[:-1] + steps[1:]) * (rate_hz / 2))
