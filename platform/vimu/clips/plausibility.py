"""Does a body move like that? The gate that catches wrong units and frame rates which no file admits."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from pydantic import PositiveFloat, model_validator

from vimu.body.placement import Placement
from vimu.contracts import SMPL_JOINTS, Reason, Rejection, Trajectory
from vimu.imu.kinematics import linear_acceleration
from vimu.runtime.compiled import compiled, plain
from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.errors import listed
from vimu.runtime.yaml import read_yaml


class Limits(Section):
    """Medians over a take beyond which it is no motion of a body."""

    span_s: PositiveFloat
    """Half-width of the differences, s."""
    speed_m_s: PositiveFloat
    acceleration_m_s2: dict[str, PositiveFloat]
    """By the SMPL segment that carries the sensor; gravity removed."""
    evidence: str

    @model_validator(mode="after")
    def _complete(self) -> "Limits":
        odd = set(self.acceleration_m_s2) ^ set(SMPL_JOINTS)
        if odd:
            raise ValueError(f"`acceleration_m_s2` must name each of SMPL's joints once (see {listed(odd, 24)})")
        return self


def load_limits() -> Limits:
    """The limits of `configs/plausibility.yaml`. Raises UserError."""
    path = configs_folder() / "plausibility.yaml"
    return validate(Limits, read_yaml(path), where=str(path))


def check_plausible(trajectory: Trajectory, placements: Sequence[Placement], limits: Limits, path: str) -> None:
    """Pass a take whose sensors move as a body can. Takes shorter than two spans pass: they hold too little to tell.

    Args:
        placements: of the trajectory's sensors, in their order.
        path: names the take in the rejection.

    Raises:
        Rejection: `implausible`, with what is beyond which limit.
    """
    span = max(1, round(limits.span_s * trajectory.rate_hz))
    position = trajectory.position
    if len(position) <= 2 * span:
        return
    most = np.array([limits.acceleration_m_s2[p.segment] for p in placements])
    rate_hz = trajectory.rate_hz
    if _mostly_within(plain(position), span, limits.speed_m_s * span / rate_hz, plain(most * (span / rate_hz) ** 2)):
        return
    step = np.linalg.norm(position[span:] - position[:-span], axis=-1)
    speed = np.median(step, axis=0) * rate_hz / span
    acceleration = np.median(
        np.linalg.norm(linear_acceleration(position, rate_hz=rate_hz, span_frames=span), axis=-1), axis=0
    )
    for sensor, placement in enumerate(placements):
        for what, value, limit, unit in (
            ("speed", speed[sensor], limits.speed_m_s, "m/s"),
            ("acceleration", acceleration[sensor], most[sensor], "m/s^2"),
        ):
            if value > limit:
                raise Rejection(
                    path,
                    Reason.IMPLAUSIBLE,
                    f"median {what} at `{placement.name}` is {value:.0f} {unit} at {trajectory.rate_hz:g} Hz, beyond "
                    f"{limit:g}: check the archive's `unit_m` and `rate_corrections`",
                )


@compiled
def _mostly_within(
    position: Float[np.ndarray, "frames sensors 3"], span: int, step: float, second: Float[np.ndarray, " sensors"]
) -> bool:
    """Whether the medians surely are within the limits: those of each sensor's step over `span` frames, and of its
    second difference, m. Medians themselves take ten times as long."""
    n = len(position)
    for k in range(len(second)):
        short, weak = 0, 0
        for t in range(n - span):
            total = 0.0
            for a in range(3):
                total += (position[t + span, k, a] - position[t, k, a]) ** 2
            short += total < 0.999 * step**2
        for t in range(n - 2 * span):
            total = 0.0
            for a in range(3):
                total += (position[t + 2 * span, k, a] + position[t, k, a] - 2 * position[t + span, k, a]) ** 2
            weak += total < 0.999 * second[k] ** 2
        if short <= (n - span) // 2 + 1 or weak <= (n - 2 * span) // 2 + 1:
            return False
    return True
