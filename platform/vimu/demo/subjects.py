"""Who moves: body shape and personal style. Two populations, so that the recordings' people are not the archive's."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vimu.demo.body import rest_joints

Population = Literal["archive", "recordings"]

STYLES: dict[Population, dict[str, tuple[float, float]]] = {
    "archive": {
        "tempo": (0.75, 1.35), "vigour": (0.55, 1.4), "asymmetry": (-0.2, 0.2), "stoop": (-0.05, 0.25),
        "arm_carriage": (0.05, 0.35), "elbow_carriage": (0.1, 0.6), "head_carriage": (-0.15, 0.3), "sway": (0.5, 1.8),
    },
    "recordings": {
        "tempo": (0.55, 0.9), "vigour": (0.5, 0.95), "asymmetry": (-0.1, 0.25), "stoop": (0.05, 0.3),
        "arm_carriage": (0.15, 0.4), "elbow_carriage": (0.2, 0.7), "head_carriage": (0.0, 0.35), "sway": (0.6, 1.4),
    },
}  # fmt: skip
"""Ranges of each population's styles. The laboratory's people are slower, calmer and hold head and arms otherwise."""


@dataclass(frozen=True)
class Subject:
    """One synthetic person."""

    name: str
    gender: Literal["male", "female"]
    betas: Float[np.ndarray, " 16"]
    joints: Float[np.ndarray, "24 3"]
    """Rest-pose joints, m."""
    tempo: float
    """Factor on every rhythm."""
    vigour: float
    """Factor on every amplitude."""
    asymmetry: float
    """Left amplitudes are (1 + asymmetry), right (1 - asymmetry) of the mean."""
    stoop: float
    """Habitual forward bend of the trunk, rad."""
    arm_carriage: float
    """Habitual angle of the arms from the trunk, rad."""
    elbow_carriage: float
    """Habitual bend of the elbows, rad."""
    head_carriage: float
    """Habitual forward tilt of the head, rad."""
    sway: float
    """Factor on postural sway."""


def draw_subject(name: str, population: Population, rng: np.random.Generator, body_seed: int = 0) -> Subject:
    """A person of one of the populations."""
    betas = rng.normal(0, 0.8, 16)
    style = {key: float(rng.uniform(low, high)) for key, (low, high) in STYLES[population].items()}
    gender: Literal["male", "female"] = "male" if rng.random() < 0.5 else "female"
    return Subject(name=name, gender=gender, betas=betas, joints=rest_joints(betas, body_seed), **style)
