"""The 12 categories as functions, and one way to perform each."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from vimu.demo.gestures import boxing, clapping, desk_work, stretching_arms, stretching_legs, waving
from vimu.demo.locomotion import jumping, running, stairs, walking
from vimu.demo.posture import Angles, on_floor, poses_of
from vimu.demo.signals import Signal
from vimu.demo.subjects import Subject
from vimu.demo.transitions import bending, lying_getting_up, sitting_standing

MOTIONS: dict[str, Callable[[Subject, np.random.Generator, Signal], Angles]] = {
    "walking": walking, "running": running, "jumping": jumping, "stairs": stairs, "sitting_standing": sitting_standing,
    "lying_getting_up": lying_getting_up, "bending": bending, "stretching_arms": stretching_arms,
    "stretching_legs": stretching_legs, "waving": waving, "clapping": clapping, "desk_work": desk_work,
}  # fmt: skip
"""By category of `configs/labels/daily12.yaml`."""

REMOVED_MOTIONS = {"boxing": boxing}
"""What the label rules remove."""


def perform(
    name: str, subject: Subject, rng: np.random.Generator, duration_s: float, rate_hz: float
) -> tuple[Float[np.ndarray, "frames 24 3"], Float[np.ndarray, "frames 3"]]:
    """`subject` performs the motion `name`; `rng` decides how.

    Returns:
        SMPL's poses, axis-angle, rad, and `trans`, m: +Y up, the floor at y = 0 (stairs start there).
    """
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    angles = (MOTIONS | REMOVED_MOTIONS)[name](subject, rng, t)
    poses = poses_of(angles)
    return poses, on_floor(poses, subject.joints, angles["lift"], rate_hz)
