"""Turns between rotation matrices, as machine code: by scipy they cost five times the rest of a virtual IMU."""

import math

import numpy as np
from jaxtyping import Float

from vimu.runtime.compiled import compiled, plain

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
"""(x, y, z, w), w >= 0."""
Matrix = tuple[float, float, float, float, float, float, float, float, float]
"""Row after row."""

SMALL_SINE_2 = 0.0625
"""Squared sine of 14.5 degrees, 15 rad/s at 60 Hz: nearly all turns from frame to frame are smaller."""

GROUP = 64
"""Turns that are taken for small ones together."""


def turns_between(
    start: Float[np.ndarray, "*batch 3 3"], end: Float[np.ndarray, "*batch 3 3"]
) -> Float[np.ndarray, "*batch 3"]:
    """Rotation vectors, rad, up to pi, that lead from `start` to `end`, in the axes of `start`.

    `Rotation.from_matrix(start.T @ end).as_rotvec()` within 1e-12, for matrices that are rotations to rounding; those
    that are none are not mended.
    """
    out = np.empty(start.shape[:-1])
    _turns(plain(start).reshape(-1, 3, 3), plain(end).reshape(-1, 3, 3), out.reshape(-1, 3))
    return out


def part_of_the_way(
    start: Float[np.ndarray, "n 3 3"], end: Float[np.ndarray, "n 3 3"], share: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 3 3"]:
    """Slerp: `share` (0 to 1) of the way from `start` to `end`, on the shorter arc. Arguments as `turns_between`'s."""
    out = np.empty(start.shape)
    _slerp(plain(start), plain(end), plain(share), out)
    return out


@compiled
def _turns(start: Float[np.ndarray, "n 3 3"], end: Float[np.ndarray, "n 3 3"], out: Float[np.ndarray, "n 3"]) -> None:
    """Each group as if its turns were all small, without a branch, which takes a fifth; again where one is not."""
    for first in range(0, len(start), GROUP):
        last = min(first + GROUP, len(start))
        n_small = 0
        for i in range(first, last):
            x, y, z, sine_2, cosine = _sine_and_cosine(start[i], end[i])
            scale = _arcsine_over_sine(sine_2)
            out[i, 0], out[i, 1], out[i, 2] = scale * x, scale * y, scale * z
            n_small += (cosine > 0) & (sine_2 < SMALL_SINE_2)
        if n_small < last - first:
            for i in range(first, last):
                out[i, 0], out[i, 1], out[i, 2] = _turn(start[i], end[i])


@compiled
def _slerp(
    start: Float[np.ndarray, "n 3 3"],
    end: Float[np.ndarray, "n 3 3"],
    share: Float[np.ndarray, " n"],
    out: Float[np.ndarray, "n 3 3"],
) -> None:
    for i in range(len(start)):
        if share[i] == 0.0:
            out[i] = start[i]
            continue
        x, y, z = _turn(start[i], end[i])
        angle = math.sqrt(x * x + y * y + z * z)
        scale = 0.5 * share[i] if angle < 1e-8 else math.sin(0.5 * share[i] * angle) / angle
        x, y, z, w = scale * x, scale * y, scale * z, math.cos(0.5 * share[i] * angle)
        for a in range(3):
            p, q, r = start[i, a, 0], start[i, a, 1], start[i, a, 2]
            out[i, a, 0] = p + 2 * (-p * (y * y + z * z) + q * (x * y + w * z) + r * (x * z - w * y))
            out[i, a, 1] = q + 2 * (p * (x * y - w * z) - q * (x * x + z * z) + r * (y * z + w * x))
            out[i, a, 2] = r + 2 * (p * (x * z + w * y) + q * (y * z - w * x) - r * (x * x + y * y))


@compiled
def _sine_and_cosine(
    a: Float[np.ndarray, "3 3"], b: Float[np.ndarray, "3 3"]
) -> tuple[float, float, float, float, float]:
    """Of the angle from `a` to `b`: the sine times the axis (3 numbers), the sine squared, the cosine."""
    m = _between(a, b)
    x, y, z = (m[7] - m[5]) / 2, (m[2] - m[6]) / 2, (m[3] - m[1]) / 2
    return x, y, z, x * x + y * y + z * z, (m[0] + m[4] + m[8] - 1) / 2


@compiled
def _turn(a: Float[np.ndarray, "3 3"], b: Float[np.ndarray, "3 3"]) -> Vector:
    x, y, z, sine_2, cosine = _sine_and_cosine(a, b)
    if cosine > 0 and sine_2 < SMALL_SINE_2:
        scale = _arcsine_over_sine(sine_2)
    elif cosine > -0.75:
        scale = math.atan2(math.sqrt(sine_2), cosine) / math.sqrt(sine_2)
    else:  # towards half a turn the sine vanishes, and with it what it tells of the axis
        x, y, z, w = _quaternion(_between(a, b))
        half_sine = math.sqrt(x * x + y * y + z * z)
        scale = 2 * math.atan2(half_sine, w) / half_sine
    return scale * x, scale * y, scale * z


@compiled
def _between(a: Float[np.ndarray, "3 3"], b: Float[np.ndarray, "3 3"]) -> Matrix:
    """a.T @ b, row after row."""
    return (
        a[0, 0] * b[0, 0] + a[1, 0] * b[1, 0] + a[2, 0] * b[2, 0],
        a[0, 0] * b[0, 1] + a[1, 0] * b[1, 1] + a[2, 0] * b[2, 1],
        a[0, 0] * b[0, 2] + a[1, 0] * b[1, 2] + a[2, 0] * b[2, 2],
        a[0, 1] * b[0, 0] + a[1, 1] * b[1, 0] + a[2, 1] * b[2, 0],
        a[0, 1] * b[0, 1] + a[1, 1] * b[1, 1] + a[2, 1] * b[2, 1],
        a[0, 1] * b[0, 2] + a[1, 1] * b[1, 2] + a[2, 1] * b[2, 2],
        a[0, 2] * b[0, 0] + a[1, 2] * b[1, 0] + a[2, 2] * b[2, 0],
        a[0, 2] * b[0, 1] + a[1, 2] * b[1, 1] + a[2, 2] * b[2, 1],
        a[0, 2] * b[0, 2] + a[1, 2] * b[1, 2] + a[2, 2] * b[2, 2],
    )


@compiled
def _arcsine_over_sine(u: float) -> float:
    """arcsin(s) / s by its series in u = s^2; the first term left out is below 1e-16 at SMALL_SINE_2."""
    tail = 46189 / 5505024 + u * (88179 / 12058624)
    tail = 231 / 13312 + u * (143 / 10240 + u * (6435 / 557056 + u * (12155 / 1245184 + u * tail)))
    return 1 + u * (1 / 6 + u * (3 / 40 + u * (5 / 112 + u * (35 / 1152 + u * (63 / 2816 + u * tail)))))


@compiled
def _quaternion(m: Matrix) -> Quaternion:
    """Up to a positive factor, by the greatest of x, y and z: for angles beyond 90 degrees, where w is never it."""
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = m
    if m00 >= m11 and m00 >= m22:
        x, y, z, w = 1 + m00 - m11 - m22, m01 + m10, m02 + m20, m21 - m12
    elif m11 >= m22:
        x, y, z, w = m01 + m10, 1 + m11 - m00 - m22, m12 + m21, m02 - m20
    else:
        x, y, z, w = m02 + m20, m12 + m21, 1 + m22 - m00 - m11, m10 - m01
    sign = -1.0 if w < 0 else 1.0
    return sign * x, sign * y, sign * z, sign * w
