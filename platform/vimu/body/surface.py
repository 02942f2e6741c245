"""SMPL's whole surface over time, in the form that a browser skins: for looking at, not for measuring.

The bending of the skin by pose (`posedirs`) is left out: it moves it by some millimetres to centimetres, and would have
to be sent frame by frame.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vimu.body.models import SmplModel
from vimu.body.smpl import SmplBody, forward_kinematics, rotation_matrices
from vimu.contracts import SmplMotion

BONES_A_VERTEX = 4
"""What graphics cards skin with; SMPL's weights have no more."""


@dataclass(frozen=True)
class PosedSkeleton:
    """A person's joints over time, in the canonical world, and the skin they carry."""

    rest: Float[np.ndarray, "joints 3"]
    """Where the joints are in the model's rest pose, m."""
    turn: Float[np.ndarray, "frames joints 3 3"]
    """From the rest pose into the world."""
    place: Float[np.ndarray, "frames joints 3"]
    """m."""
    vertices: Float[np.ndarray, "vertices 3"]
    """The skin in rest pose, m, of this person's shape. In the world a vertex v is the sum, over its joints, of
    weight * (turn (v - rest) + place)."""


class SmplSurface(SmplBody):
    """A model with all its vertices."""

    def __init__(self, model: SmplModel) -> None:
        super().__init__(model, ())
        self._template, self._shapedirs = model.v_template, model.shapedirs
        self.joints, self.parents = model.joint_names, model.parents
        strongest = np.argsort(-model.weights, axis=1, kind="stable")[:, :BONES_A_VERTEX]
        weights = np.take_along_axis(model.weights, strongest, axis=1)
        self.bones: Int[np.ndarray, "vertices 4"] = strongest
        self.weights: Float[np.ndarray, "vertices 4"] = weights / weights.sum(axis=1, keepdims=True)

    def posed(self, motion: SmplMotion, step: int = 1) -> PosedSkeleton:
        """Every `step`-th frame of a take. Source: Loper et al. 2015, eq. 2-4."""
        vertices, rest = self._shaped(motion.betas)
        turn, place = forward_kinematics(rotation_matrices(self._own_joints(motion.poses[::step])), rest, self.parents)
        place = (place + motion.trans[::step, None]) @ motion.to_canonical.T
        return PosedSkeleton(rest, motion.to_canonical @ turn, place, vertices)
