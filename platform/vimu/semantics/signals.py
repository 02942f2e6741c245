"""Windows as the sensor encoder sees them: gravity along +Z, gravity taken off, and varied while it learns."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vimu.contracts import STANDARD_GRAVITY
from vimu.semantics.align_settings import VarySettings
from vimu.semantics.gravity import align

AT_ONCE = 2048


def aligned_signals(
    x: Float[np.ndarray, "windows length 6"], *, rate_hz: float
) -> Float[np.ndarray, "windows length 6"]:
    """Sensor-frame windows -> acceleration without gravity in g, angular velocity in rad/s; +Z up, heading arbitrary.

    Args:
        x: acceleration (m/s^2, gravity included), then angular velocity (rad/s), sensor axes.
    """
    parts = []
    for start in range(0, len(x), AT_ONCE):
        window = x[start : start + AT_ONCE].astype(np.float64)
        turned = align(window[:, :, :3], window[:, :, 3:], rate_hz=rate_hz)
        acc = turned.acc / STANDARD_GRAVITY
        acc[:, :, 2] -= 1.0
        parts.append(np.concatenate([acc, turned.gyr], axis=2).astype(np.float32))
    return np.concatenate(parts) if parts else np.empty((0, x.shape[1], 6), np.float32)


def vary(x: Float[Tensor, "B L 6"], settings: VarySettings, generator: torch.Generator) -> Float[Tensor, "B L 6"]:
    """Windows with another heading, vigour and noise."""
    n = len(x)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    acc, gyr = x[:, :, :3], x[:, :, 3:]
    if settings.yaw:
        angle = 2 * math.pi * uniform(n)
        c, s, zero, one = angle.cos(), angle.sin(), torch.zeros(n), torch.ones(n)
        turn = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], dim=1).view(n, 3, 3).transpose(1, 2)
        acc, gyr = acc @ turn, gyr @ turn
    gains = (1 + settings.scale) ** (2 * uniform(2, n, 1, 1) - 1)
    has_gyr = (uniform(n, 1, 1) >= settings.without_gyr).float()
    varied = torch.cat([acc * gains[0], gyr * gains[1] * has_gyr], dim=2)
    return varied + settings.noise * torch.randn(varied.shape, generator=generator)
