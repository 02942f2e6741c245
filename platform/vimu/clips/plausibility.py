"""Does a body move like that? The gate that catches wrong units and frame rates which no file admits."""

from collections.abc import Sequence

import numpy as np
from pydantic import PositiveFloat, model_validator

from vimu.body.placement import Placement
from vimu.contracts import SMPL_JOINTS, Reason, Rejection, Trajectory
from vimu.imu.kinematics import linear_acceleration
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
    step = np.linalg.norm(position[span:] - position[:-span], axis=-1)
    speed = np.median(step, axis=0) * trajectory.rate_hz / span
    acceleration = np.median(
        np.linalg.norm(linear_acceleration(position, rate_hz=trajectory.rate_hz, span_frames=span), axis=-1),
        axis=0,
    )
    for sensor, placement in enumerate(placements):
        most = limits.acceleration_m_s2[placement.segment]
        for what, value, limit, unit in (
            ("speed", speed[sensor], limits.speed_m_s, "m/s"),
            ("acceleration", acceleration[sensor], most, "m/s^2"),
        ):
            if value > limit:
                raise Rejection(
                    path,
                    Reason.IMPLAUSIBLE,
                    f"median {what} at `{placement.name}` is {value:.0f} {unit} at {trajectory.rate_hz:g} Hz, beyond "
                    f"{limit:g}: check the archive's `unit_m` and `rate_corrections`",
                )
