"""Smooth functions of time that movements are made of. Each draws its randomness once: it is the same at any rate."""

import numpy as np
from jaxtyping import Float

Signal = Float[np.ndarray, " frames"]
Range = tuple[float, float]


def drift(rng: np.random.Generator, t: Signal, rms: float, max_hz: float = 0.5) -> Signal:
    """Slow wandering about 0: six sines of random frequency (0.05 Hz to `max_hz`) and phase."""
    hz, phase = rng.uniform(0.05, max_hz, 6), rng.uniform(0, 2 * np.pi, 6)
    waves = np.sin(2 * np.pi * hz[:, None] * t + phase[:, None])
    return np.asarray(rms * np.sqrt(2 / 6) * waves.sum(axis=0))


def rhythm(rng: np.random.Generator, t: Signal, hz: float) -> Signal:
    """Phase of a repeated movement, rad: about `hz` cycles a second, never quite even."""
    return np.asarray(2 * np.pi * hz * t + rng.uniform(0, 2 * np.pi) + drift(rng, t, rms=0.35, max_hz=0.3))


def ease(u: Signal) -> Signal:
    """0 to 1 with no jump in velocity or acceleration (minimum jerk); constant outside.

    Source: Flash and Hogan 1985, The coordination of arm movements.
    """
    u = np.clip(u, 0, 1)
    return np.asarray(u**3 * (10 - 15 * u + 6 * u**2))


def pulse(phase: Signal, at: float, sharpness: float) -> Signal:
    """A bump of height 1 once a cycle, at phase `at` (rad); narrower for a greater `sharpness`."""
    return np.asarray((0.5 + 0.5 * np.cos(phase - at)) ** sharpness)


def bouts(rng: np.random.Generator, t: Signal, *, rest_s: Range, move_s: Range, hold_s: Range) -> Signal:
    """Between 0 (at rest) and 1 (held), back and forth, durations drawn from the ranges, s. Starts within a rest."""
    amount = np.zeros_like(t)
    at = rng.uniform(*rest_s) * rng.random()
    while at < t[-1]:
        up, hold, down = rng.uniform(*move_s), rng.uniform(*hold_s), rng.uniform(*move_s)
        amount += ease((t - at) / up) - ease((t - at - up - hold) / down)
        at += up + hold + down + rng.uniform(*rest_s)
    return amount
