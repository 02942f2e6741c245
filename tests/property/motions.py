"""Motions whose acceleration and angular velocity are known in closed form: sums of sines, on any mounting."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, Trajectory

EPS32, EPS64 = 2.0**-24, 2.0**-53
"""Relative error of one rounding."""


@dataclass(frozen=True)
class Swing:
    """p(t) = a sin(2 pi f t + phase) + v t + p0 on each axis; turned about `axis` by `angle` * sin(2 pi f t)."""

    amplitude_m: np.ndarray
    frequency_hz: float
    phase: np.ndarray
    velocity: np.ndarray
    origin: np.ndarray
    axis: np.ndarray
    """Unit vector, in the axes of `start`."""
    angle: float
    start: Rotation

    @classmethod
    def drawn(cls, seed: int, *, most_hz: float = 3.0) -> "Swing":
        """Somewhere within 5 m, up to 0.1 m and 1 rad about its place: a limb's motion."""
        rng = np.random.default_rng(seed)
        axis = rng.normal(size=3)
        return cls(
            rng.uniform(0.02, 0.1, 3), float(rng.uniform(0.5, most_hz)), rng.uniform(0, 2 * np.pi, 3),
            rng.uniform(-1, 1, 3), rng.uniform(-5, 5, 3), axis / np.linalg.norm(axis), float(rng.uniform(0.2, 1.0)),
            Rotation.random(rng=rng),
        )  # fmt: skip

    @property
    def w(self) -> float:
        """Of the sines, rad/s."""
        return 2 * np.pi * self.frequency_hz

    def position(self, t: np.ndarray) -> np.ndarray:
        return self.amplitude_m * np.sin(self.w * t[:, None] + self.phase) + self.velocity * t[:, None] + self.origin

    def turn(self, t: np.ndarray) -> Rotation:
        return self.start * Rotation.from_rotvec(np.outer(self.angle * np.sin(self.w * t), self.axis))

    def sampled(self, rate_hz: float, seconds: float) -> Trajectory:
        t = np.arange(round(seconds * rate_hz) + 1) / rate_hz
        return Trajectory(self.position(t)[:, None], self.turn(t).as_matrix()[:, None], rate_hz, ("swing",))

    def second_difference(self, t: np.ndarray, dt: float) -> np.ndarray:
        """Of the position, in closed form: the second derivative times sinc^2."""
        shrunk = (np.sin(self.w * dt / 2) / (self.w * dt / 2)) ** 2
        return -shrunk * self.w**2 * self.amplitude_m * np.sin(self.w * t[:, None] + self.phase)

    def angular_velocity(self, t: np.ndarray) -> np.ndarray:
        """In the sensor's axes."""
        return np.outer(self.angle * self.w * np.cos(self.w * t), self.axis)


def rounding(trajectory: Trajectory, rate_hz: float, acc: float) -> float:
    """What float arithmetic may cost an acceleration, m/s^2.

    Four float64 positions into a second difference, whose sum is multiplied by the squared rate; then float32 readings
    are turned into the sensor's axes by float32 matrices: three products and two sums, of two rounded factors, there
    and back.

    Args:
        acc: the greatest acceleration that is rounded, gravity apart.
    """
    greatest = float(np.abs(trajectory.position).max())
    return 8 * EPS64 * greatest * rate_hz**2 + 16 * EPS32 * (acc + STANDARD_GRAVITY)
