"""Windows as the sensor encoder sees them: gravity along +Z, gravity taken off, and varied while it learns."""

import math
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from vimu.contracts import STANDARD_GRAVITY
from vimu.runtime.config import Section
from vimu.semantics.gravity import align

AT_ONCE = 2048


class VarySettings(Section):
    """How training windows are varied, of the aligned model and of the softmax beside it alike; 0 leaves a kind out."""

    yaw: bool = True
    """Any heading: gravity tells none."""
    scale: NonNegativeFloat = 0.2
    """Acceleration and angular velocity of a window grow or shrink by up to this share, each by its own factor."""
    noise: NonNegativeFloat = 0.05
    """White noise, in g and in rad/s."""
    without_gyr: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of windows whose angular velocity is zero: how fast a sensor turns depends on where it is worn."""


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
