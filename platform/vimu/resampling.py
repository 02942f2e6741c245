"""From one sampling rate to another: vectors band-limited, rotations by slerp. Pure functions on arrays.

Takes are not strided: a 100 Hz take at 60 Hz, or a 59 Hz one, is interpolated; nothing is dropped for its rate. (The
presets that stand for programs which stride do that themselves: `imu/virtual.py`.)
"""

from math import isclose

import numpy as np
from jaxtyping import Float
from scipy.interpolate import make_interp_spline
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

SAME_RATE = 1e-5
"""Relative difference below which two rates are one: AMASS holds 120.00004577636719."""


def resampled_length(n_frames: int, from_hz: float, to_hz: float) -> int:
    """Frames at `to_hz` that lie within `n_frames` at `from_hz`; the first frames coincide."""
    if isclose(from_hz, to_hz, rel_tol=SAME_RATE):
        return n_frames
    return int((n_frames - 1) * to_hz / from_hz * (1 + SAME_RATE)) + 1


def resample_vectors(
    x: Float[np.ndarray, "frames *rest"], from_hz: float, to_hz: float
) -> Float[np.ndarray, "frames_out *rest"]:
    """Vectors at another rate.

    Going down, an 8th-order zero-phase Butterworth at 0.45 of the new rate removes what would alias (-40 dB at 0.6 of
    it). Between samples a quintic spline interpolates: its second difference stays smooth, which is what acceleration
    is made of.

    Args:
        x: any unit, float64 wanted where positions will be differenced; all finite.

    Returns:
        float64, `resampled_length(...)` frames; `x` itself when the rates are the same.
    """
    if isclose(from_hz, to_hz, rel_tol=SAME_RATE):
        return x
    values = np.asarray(x, dtype=np.float64)
    n_in = len(values)
    if to_hz < from_hz and n_in > 2:
        sos = butter(8, 0.45 * to_hz, fs=from_hz, output="sos")
        values = sosfiltfilt(sos, values, axis=0, padlen=min(n_in - 1, int(3 * from_hz / to_hz) * 9))
    n_out = resampled_length(n_in, from_hz, to_hz)
    step = from_hz / to_hz
    if isclose(step, round(step), rel_tol=SAME_RATE):
        return np.ascontiguousarray(values[:: round(step)][:n_out])
    at = np.minimum(np.arange(n_out) * step, n_in - 1)
    degree = min(5, n_in - 1)
    if degree == 0:
        return values
    degree -= 1 - degree % 2  # odd degrees only: even ones put knots between samples
    return np.asarray(make_interp_spline(np.arange(n_in), values, k=degree)(at))


def resample_rotations(
    r: Float[np.ndarray, "frames *rest 3 3"], from_hz: float, to_hz: float
) -> Float[np.ndarray, "frames_out *rest 3 3"]:
    """Rotation matrices at another rate, by slerp on the shorter arc between neighbours."""
    if isclose(from_hz, to_hz, rel_tol=SAME_RATE):
        return r
    n_in, n_out = len(r), resampled_length(len(r), from_hz, to_hz)
    at = np.minimum(np.arange(n_out) * (from_hz / to_hz), n_in - 1)
    before = np.minimum(at.astype(int), max(n_in - 2, 0))
    after = np.minimum(before + 1, n_in - 1)
    start, end = r[before].reshape(-1, 3, 3), r[after].reshape(-1, 3, 3)
    share = np.repeat(at - before, start.shape[0] // n_out)
    turn = Rotation.from_matrix(np.swapaxes(start, -1, -2) @ end).as_rotvec()
    between = start @ Rotation.from_rotvec(turn * share[:, None]).as_matrix()
    return np.asarray(between.reshape(n_out, *r.shape[1:]))
