"""SMPL, SMPL+H and SMPL-X at the sensors' vertices only: the maths of the full mesh, a few thousand times less of it.

Plain NumPy, to be read and compared with; synthesis uses the same compiled (`kernel.py`).

Legend: T frames, J joints (24, 52 or 55), K sensors, B shape coefficients.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vimu.body.models import SmplModel
from vimu.body.placement import Placement
from vimu.contracts import POSE_JOINTS, SMPL_PARENTS, SmplMotion, Trajectory

BLOCK_FRAMES = 4096
"""Frames evaluated at once: bounds memory to about 60 MB whatever a take's length."""

HANDS = {"left_hand": "left_index1", "right_hand": "right_index1"}
"""SMPL's hand joints -> the finger joints of SMPL+H and SMPL-X that stand for them where a file has no others."""


class SmplBody:
    """A model cut down to some placements; made once, evaluated for every take."""

    def __init__(self, model: SmplModel, placements: Sequence[Placement]) -> None:
        """Raises UserError: a placement has no vertex on this kind of model."""
        spots = [p.on(model.kind) for p in placements]
        vertices = [spot.vertex for spot in spots]
        self.sensors = tuple(p.name for p in placements)
        self._joint_names = model.joint_names
        self._parents = model.parents
        names = model.joint_names
        self._segments = [names.index(s if (s := spot.segment) in names else HANDS[s]) for spot in spots]
        self._template = model.v_template[vertices]
        self._shapedirs = model.shapedirs[vertices]
        self._posedirs = model.posedirs[vertices]
        self._weights = model.weights[vertices]
        self._joints = model.j_regressor @ model.v_template
        self._joint_shapedirs = np.einsum("jv,vcb->jcb", model.j_regressor, model.shapedirs)

    def trajectory(self, motion: SmplMotion) -> Trajectory:
        """Position of each sensor's vertex and orientation of its segment, in the canonical world.

        Betas beyond the model's shape directions are left out, as smplx must have it too (16 in AMASS, 10 in SMPL).
        Joints that the model has and the motion has not (jaw, eyes, fingers) stay as they are in the rest pose: hands
        are flat, expressions neutral.

        Source: Loper et al. 2015, eq. 2-10; smplx/lbs.py.
        """
        vertices, joints = self._shaped(motion.betas)
        poses = self._own_joints(motion.poses)
        position = np.empty((len(motion.poses), len(self.sensors), 3))
        orientation = np.empty((len(motion.poses), len(self.sensors), 3, 3))
        for start in range(0, len(motion.poses), BLOCK_FRAMES):
            block = slice(start, start + BLOCK_FRAMES)
            position[block], orientation[block] = self._block(poses[block], vertices, joints)
        position += motion.trans[:, None]
        return Trajectory(
            position=position @ motion.to_canonical.T,
            orientation=motion.to_canonical @ orientation,
            rate_hz=motion.rate_hz,
            sensors=self.sensors,
        )

    def _shaped(self, betas: Float[np.ndarray, " betas"]) -> tuple[Float[np.ndarray, "K 3"], Float[np.ndarray, "J 3"]]:
        """The sensors' vertices and the joints of a person in rest pose, m."""
        n = min(len(betas), self._shapedirs.shape[2])
        vertices = self._template + self._shapedirs[:, :, :n] @ betas[:n]
        return vertices, self._joints + self._joint_shapedirs[:, :, :n] @ betas[:n]

    def _sources(self, n_joints: int) -> list[int | None]:
        """Which joint of a file's pose each of the model's takes; None stays at rest."""
        given = POSE_JOINTS[n_joints]
        names = [name if name in given else HANDS.get(name) for name in self._joint_names]
        return [given.index(name) if name in given else None for name in names]

    def _own_joints(self, poses: Float[np.ndarray, "T joints 3"]) -> Float[np.ndarray, "T J 3"]:
        """The pose by the model's joints, whatever the file's."""
        own = np.zeros((len(poses), len(self._joint_names), 3))
        for joint, source in enumerate(self._sources(poses.shape[1])):
            if source is not None:
                own[:, joint] = poses[:, source]
        return own

    def _block(
        self, poses: Float[np.ndarray, "T J 3"], vertices: Float[np.ndarray, "K 3"], joints: Float[np.ndarray, "J 3"]
    ) -> tuple[Float[np.ndarray, "T K 3"], Float[np.ndarray, "T K 3 3"]]:
        local = rotation_matrices(poses)
        pose_feature = (local[:, 1:] - np.eye(3)).reshape(len(poses), -1)
        bent = vertices + np.einsum("kcp,tp->tkc", self._posedirs, pose_feature)
        turn, place = forward_kinematics(local, joints, self._parents)
        shift = place - np.einsum("tjab,jb->tja", turn, joints)
        blended_turn = np.einsum("kj,tjab->tkab", self._weights, turn)
        blended_shift = np.einsum("kj,tja->tka", self._weights, shift)
        position = np.einsum("tkab,tkb->tka", blended_turn, bent) + blended_shift
        return position, turn[:, self._segments]


def smpl_trajectory(motion: SmplMotion, model: SmplModel, placements: Sequence[Placement]) -> Trajectory:
    """`SmplBody(model, placements).trajectory(motion)`, for a single take."""
    return SmplBody(model, placements).trajectory(motion)


def rotation_matrices(axis_angle: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rodrigues' formula, float64, exact at any angle; AMASS holds angles up to 4.5 rad."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(axis_angle, -1, 0)
    zero = np.zeros_like(x)
    k = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    sine = np.sinc(angle / np.pi)  # sin(angle) / angle, 1 at 0
    cosine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2  # (1 - cos(angle)) / angle^2, 1/2 at 0
    return np.asarray(np.eye(3) + sine * k + cosine * (k @ k))


def forward_kinematics(
    local: Float[np.ndarray, "T J 3 3"], joints: Float[np.ndarray, "J 3"], parents: Sequence[int] = SMPL_PARENTS
) -> tuple[Float[np.ndarray, "T J 3 3"], Float[np.ndarray, "T J 3"]]:
    """Each joint's rotation and position in the world, before `trans`; `joints` in rest pose, m; parents come first."""
    turn, place = np.empty_like(local), np.empty((*local.shape[:2], 3))
    turn[:, 0], place[:, 0] = local[:, 0], joints[0]
    for joint, parent in enumerate(parents[1:], start=1):
        turn[:, joint] = turn[:, parent] @ local[:, joint]
        place[:, joint] = place[:, parent] + turn[:, parent] @ (joints[joint] - joints[parent])
    return turn, place
