"""SMPL at the sensors' vertices only: the same maths as the full mesh, a few thousand times less of it.

Legend: T frames, J = 24 joints, K sensors, B shape coefficients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.body.placement import Placement
from vimu.contracts import SMPL_JOINTS, SMPL_PARENTS, Rejection, SmplMotion, Trajectory
from vimu.runtime.errors import UserError
from vimu.runtime.safe_load import load_npz, load_pickle

KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
BLOCK_FRAMES = 4096
"""Frames evaluated at once: bounds memory to about 30 MB whatever a take's length."""


@dataclass(frozen=True)
class SmplModel:
    """The arrays of an SMPL model file, float64."""

    v_template: Float[np.ndarray, "vertices 3"]
    shapedirs: Float[np.ndarray, "vertices 3 B"]
    posedirs: Float[np.ndarray, "vertices 3 207"]
    j_regressor: Float[np.ndarray, "24 vertices"]
    weights: Float[np.ndarray, "vertices 24"]


def load_smpl_model(path: Path | str) -> SmplModel:
    """Read `SMPL_*.pkl` as published (no chumpy needed, nothing in it executes) or an npz of the same keys.

    Raises:
        UserError: the file is missing, is no SMPL model, or has another number of vertices or joints.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"`body` must be an SMPL model file (https://smpl.is.tue.mpg.de), but `{path}` does not exist.")
    try:
        data = load_npz(path, KEYS) if path.suffix == ".npz" else load_pickle(path, KEYS)
    except Rejection as rejection:
        raise UserError(f"`body` must be an SMPL model file, but {rejection}.") from rejection
    missing = [key for key in KEYS if key not in data]
    if missing:
        raise UserError(f"`body` must be an SMPL model file, but `{path}` has no {', '.join(missing)}.")
    parents = np.asarray(data["kintree_table"])[0].astype(np.int64)
    n_vertices = len(data["v_template"])
    if n_vertices != 6890 or tuple(parents[1:]) != SMPL_PARENTS[1:]:
        raise UserError(
            f"`body` must be SMPL (6890 vertices, 24 joints), but `{path}` has {n_vertices} and {len(parents)}."
        )
    return SmplModel(
        v_template=np.asarray(data["v_template"], np.float64),
        shapedirs=np.asarray(data["shapedirs"], np.float64),
        posedirs=np.asarray(data["posedirs"], np.float64),
        j_regressor=np.asarray(data["J_regressor"], np.float64),
        weights=np.asarray(data["weights"], np.float64),
    )


class SmplBody:
    """A model cut down to some placements; made once, evaluated for every take."""

    def __init__(self, model: SmplModel, placements: Sequence[Placement]) -> None:
        vertices = [p.smpl.vertex for p in placements]
        self.sensors = tuple(p.name for p in placements)
        self._segments = [SMPL_JOINTS.index(p.smpl.segment) for p in placements]
        self._template = model.v_template[vertices]
        self._shapedirs = model.shapedirs[vertices]
        self._posedirs = model.posedirs[vertices]
        self._weights = model.weights[vertices]
        self._joints = model.j_regressor @ model.v_template
        self._joint_shapedirs = np.einsum("jv,vcb->jcb", model.j_regressor, model.shapedirs)

    def trajectory(self, motion: SmplMotion) -> Trajectory:
        """Position of each sensor's vertex and orientation of its segment, in the canonical world.

        Betas beyond the model's shape directions are left out, as smplx must have it too (16 in AMASS, 10 in SMPL).

        Source: Loper et al. 2015, eq. 2-10; smplx/lbs.py.
        """
        n_betas = min(len(motion.betas), self._shapedirs.shape[2])
        betas = motion.betas[:n_betas]
        vertices = self._template + self._shapedirs[:, :, :n_betas] @ betas
        joints = self._joints + self._joint_shapedirs[:, :, :n_betas] @ betas
        position = np.empty((len(motion.poses), len(self.sensors), 3))
        orientation = np.empty((len(motion.poses), len(self.sensors), 3, 3))
        for start in range(0, len(motion.poses), BLOCK_FRAMES):
            block = slice(start, start + BLOCK_FRAMES)
            position[block], orientation[block] = self._block(motion.poses[block], vertices, joints)
        position += motion.trans[:, None]
        return Trajectory(
            position=position @ motion.to_canonical.T,
            orientation=motion.to_canonical @ orientation,
            rate_hz=motion.rate_hz,
            sensors=self.sensors,
        )

    def _block(
        self, poses: Float[np.ndarray, "T 24 3"], vertices: Float[np.ndarray, "K 3"], joints: Float[np.ndarray, "24 3"]
    ) -> tuple[Float[np.ndarray, "T K 3"], Float[np.ndarray, "T K 3 3"]]:
        local = rotation_matrices(poses)
        pose_feature = (local[:, 1:] - np.eye(3)).reshape(len(poses), -1)
        bent = vertices + np.einsum("kcp,tp->tkc", self._posedirs, pose_feature)
        turn, place = forward_kinematics(local, joints)
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
    local: Float[np.ndarray, "T 24 3 3"], joints: Float[np.ndarray, "24 3"]
) -> tuple[Float[np.ndarray, "T 24 3 3"], Float[np.ndarray, "T 24 3"]]:
    """Each joint's rotation and position in the world, before `trans`; `joints` in rest pose, m."""
    turn, place = np.empty_like(local), np.empty((*local.shape[:2], 3))
    turn[:, 0], place[:, 0] = local[:, 0], joints[0]
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        turn[:, joint] = turn[:, parent] @ local[:, joint]
        place[:, joint] = place[:, parent] + turn[:, parent] @ (joints[joint] - joints[parent])
    return turn, place
