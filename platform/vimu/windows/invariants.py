"""Channels that no turn of a sensor on its wearer changes: parts along and across the vertical, and the size.

Sensors are put on as it happens, and no accelerometer sees the angle about the vertical. What is left when that is
taken away is the same for every mounting. The vertical is the window's own mean acceleration: gravity, where the wearer
neither falls nor runs in circles.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

PARTS = ("up", "across", "size")
"""Of each vector: its part along the vertical, the length of what is across it, and its whole length."""


def invariant_names(channels: Sequence[str]) -> tuple[str, ...]:
    """What `invariants` gives for windows of these channels: `chest.acc.up`, ..., vector by vector."""
    return tuple(f"{vector}.{part}" for vector in _vectors(channels) for part in PARTS)


def invariants(
    x: Float[np.ndarray, "windows length channels"], channels: Sequence[str]
) -> Float[np.ndarray, "windows length more"]:
    """The invariant parts of each sensor's acceleration and angular velocity, in the units of `x`.

    Args:
        x: vectors in sensor axes, gravity included.
        channels: their names; a sensor's `acc` must be among them.

    Returns:
        float32, in the order of `invariant_names`. A sensor whose mean acceleration is 0 has no vertical: `up` is 0.
    """
    index = {name: i for i, name in enumerate(channels)}
    parts = []
    for name in _vectors(channels):
        sensor = name.split(".")[0]
        acc, vector = (x[:, :, [index[f"{v}.{axis}"] for axis in "xyz"]] for v in (f"{sensor}.acc", name))
        mean = acc.mean(axis=1, keepdims=True, dtype=np.float64)
        vertical = mean / np.maximum(np.linalg.norm(mean, axis=2, keepdims=True), 1e-9)
        up = (vector * vertical).sum(axis=2)
        across = np.linalg.norm(vector - up[..., None] * vertical, axis=2)
        parts.append(np.stack([up, across, np.linalg.norm(vector, axis=2)], axis=2))
    return np.concatenate(parts, axis=2).astype(np.float32)


def _vectors(channels: Sequence[str]) -> list[str]:
    """`chest.acc`, `chest.gyr`, ...: in their order."""
    return [name.removesuffix(".x") for name in channels if name.endswith((".acc.x", ".gyr.x"))]
