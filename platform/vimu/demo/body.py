"""An SMPL-format body of capsules: human-sized, with the real joint tree, and nothing of the licensed model in it.

Stands in for `SMPL_NEUTRAL.pkl` where that is missing. Its numbers are round ones of our own.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vimu.body.placement import load_placements
from vimu.contracts import SMPL_JOINTS, SMPL_PARENTS
from vimu.demo.mesh import Capsule, bridge, capsule_surface
from vimu.demo.pickles import write_python2_pickle
from vimu.runtime.config import configs_folder
from vimu.runtime.yaml import read_yaml

N_VERTICES = 6890
N_SHAPE = 10

_MIDDLE = {
    "pelvis": (0.0, -0.22, 0.02), "spine1": (0.0, -0.11, 0.01), "spine2": (0.0, 0.02, 0.0),
    "spine3": (0.0, 0.08, 0.01), "neck": (0.0, 0.28, 0.0), "head": (0.0, 0.36, 0.03),
}  # fmt: skip
_LEFT = {
    "hip": (0.08, -0.31, 0.01), "knee": (0.1, -0.69, 0.01), "ankle": (0.1, -1.08, -0.02), "foot": (0.11, -1.13, 0.1),
    "collar": (0.07, 0.2, 0.0), "shoulder": (0.18, 0.22, -0.01), "elbow": (0.44, 0.22, -0.02),
    "wrist": (0.69, 0.22, -0.02), "hand": (0.77, 0.22, -0.02),
}  # fmt: skip
"""Where the joints are, m; the right side mirrors the left. A person of 1.72 m in T-pose, facing +Z."""

_RADII = {
    "pelvis": 0.12, "spine1": 0.12, "spine2": 0.12, "spine3": 0.12, "neck": 0.055, "head": 0.1, "hip": 0.075,
    "knee": 0.052, "ankle": 0.04, "foot": 0.035, "collar": 0.06, "shoulder": 0.045, "elbow": 0.036, "wrist": 0.03,
    "hand": 0.025,
}  # fmt: skip

_ENDS = {
    "pelvis": (0.0, -0.17, 0.01), "head": (0.0, 0.46, 0.04), "left_foot": (0.11, -1.135, 0.17),
    "left_hand": (0.86, 0.22, -0.02),
}  # fmt: skip
"""Where segments end that no joint ends, m."""

DIP18_VERTICES = {
    1962: "left_wrist", 5431: "right_wrist", 1096: "left_lower_leg", 4583: "right_lower_leg", 412: "head",
}  # fmt: skip
"""Vertices of DIP's own synthesis code where they differ from `configs/placements.yaml`: near the named placement."""


def _mirrored(point: tuple[float, float, float]) -> tuple[float, float, float]:
    return (-point[0], point[1], point[2])


def _place(joint: str) -> tuple[float, float, float]:
    side, _, part = joint.partition("_")
    if side == "right":
        return _mirrored(_LEFT[part])
    return _LEFT[part] if side == "left" else _MIDDLE[joint]


JOINTS: Float[np.ndarray, "24 3"] = np.array([_place(joint) for joint in SMPL_JOINTS])
"""Rest-pose joints of the mean body, m."""


def _segment_end(joint: str) -> tuple[float, float, float]:
    if joint in _ENDS:
        return _ENDS[joint]
    if joint.startswith("right_"):
        return _mirrored(_segment_end(joint.replace("right", "left")))
    return _place(SMPL_JOINTS[SMPL_PARENTS.index(SMPL_JOINTS.index(joint))] if joint != "spine3" else "neck")


def _capsule(joint: str) -> Capsule:
    start = _place(joint) if joint != "pelvis" else (0.0, -0.25, 0.01)
    return Capsule(start, _segment_end(joint), _RADII[joint.removeprefix("left_").removeprefix("right_")])


CAPSULES = tuple(_capsule(joint) for joint in SMPL_JOINTS)
"""The capsule of each joint's segment."""


@lru_cache(maxsize=2)
def build_body(seed: int = 0) -> dict[str, Any]:
    """The body's arrays under the keys of an SMPL model file, read-only; the same for the same seed."""
    rng = np.random.default_rng([seed, 1])
    vertices, faces, segment = _surface()
    order = _order_by_landmarks(vertices, segment)
    vertices, segment = vertices[order], segment[order]
    faces = np.argsort(order)[faces]
    body = {
        "v_template": vertices,
        "f": faces.astype(np.uint32),
        "shapedirs": _shape_directions(vertices, segment, rng),
        "posedirs": _pose_directions(vertices, rng),
        "J_regressor": _joint_regressor(vertices, segment),
        "weights": _skinning_weights(vertices, segment),
        "kintree_table": np.array([SMPL_PARENTS, range(24)]).astype(np.uint32),  # the root's parent reads 2^32 - 1
        "J": JOINTS.copy(),
        "bs_type": "lrotmin",
        "bs_style": "lbs",
    }
    for value in body.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return body


def write_body(folder: Path, seed: int = 0) -> Path:
    """Write `SMPL_NEUTRAL.pkl`, as the published model is stored, and the same as `.npz`.

    Returns:
        The pickle's path: what `smplx.SMPL(model_path=...)` and `vimu.body.models.load_smpl_model` take.
    """
    folder.mkdir(parents=True, exist_ok=True)
    body = build_body(seed)
    path = folder / "SMPL_NEUTRAL.pkl"
    write_python2_pickle(path, body)
    np.savez(path.with_suffix(".npz"), **body)
    return path


def rest_joints(betas: Float[np.ndarray, " shape"], seed: int = 0) -> Float[np.ndarray, "24 3"]:
    """Rest-pose joints of the body with shape `betas`, m; betas beyond the tenth are left out."""
    body = build_body(seed)
    shaped = body["v_template"] + body["shapedirs"] @ betas[:N_SHAPE]
    return np.asarray(body["J_regressor"] @ shaped)


def _surface() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces and each vertex's segment of all capsules, joined into one closed surface of 13,776 faces."""
    areas = np.array([capsule.area for capsule in CAPSULES])
    exact = areas / areas.sum() * N_VERTICES
    counts = exact.astype(int)
    counts[np.argsort(counts - exact)[: N_VERTICES - counts.sum()]] += 1
    firsts = np.concatenate([[0], np.cumsum(counts)])
    parts = [capsule_surface(capsule, int(n)) for capsule, n in zip(CAPSULES, counts, strict=True)]
    points = np.concatenate([p for p, _ in parts])
    faces = np.concatenate([f + first for (_, f), first in zip(parts, firsts[:-1], strict=True)])
    segment = np.repeat(np.arange(24), counts)
    used: set[int] = set()
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        centres = points[faces].mean(axis=1)
        free = ~np.isin(faces, list(used)).any(axis=1)
        ends = []
        for part, target in ((parent, JOINTS[joint]), (joint, JOINTS[joint])):
            candidates = np.flatnonzero(free & (segment[faces] == part).all(axis=1))
            ends.append(int(candidates[np.linalg.norm(centres[candidates] - target, axis=1).argmin()]))
        used.update(faces[ends].ravel().tolist())
        faces = bridge(points, faces, *ends)
    return points, faces, segment


def _order_by_landmarks(vertices: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Which generated vertex each vertex id gets, so that every id that placements name lies where they say."""
    raw = read_yaml(configs_folder() / "placements.yaml")
    placements = {p.name: p for p in load_placements(tuple(raw))}
    wanted = {p.on("smpl").vertex: p for p in placements.values()}
    wanted |= {vertex: placements[name] for vertex, name in DIP18_VERTICES.items()}
    order = np.arange(N_VERTICES)
    taken = np.zeros(N_VERTICES, dtype=bool)
    for vertex, placement in wanted.items():
        if placement.skeleton is None:
            continue
        part = SMPL_JOINTS.index(placement.segment)
        start = JOINTS[part]
        target = start + placement.skeleton.fraction * (_segment_end(SMPL_JOINTS[part]) - start)
        target = target + placement.skeleton.offset_m
        distance = np.linalg.norm(vertices - target, axis=1)
        nearest = int(np.where((segment == part) & ~taken, distance, np.inf).argmin())
        taken[nearest] = True
        other = int(np.flatnonzero(order == nearest)[0])
        order[[vertex, other]] = order[[other, vertex]]
    return order


def _skinning_weights(vertices: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Each vertex moves with its segment, near a joint also with the segment across it; rows sum to 1."""
    weights = np.zeros((N_VERTICES, 24))
    weights[np.arange(N_VERTICES), segment] = 1.0
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        reach = 1.5 * min(CAPSULES[joint].radius, CAPSULES[parent].radius)
        near = np.clip(1 - np.linalg.norm(vertices - JOINTS[joint], axis=1) / reach, 0, 1)
        blend = near**2 * (3 - 2 * near)
        for own, other in ((joint, parent), (parent, joint)):
            weights[segment == own, other] = blend[segment == own]
    fourth = np.sort(weights, axis=1)[:, -4:-3]
    weights[weights < fourth] = 0.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _joint_regressor(vertices: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Rows that sum to 1 and give the joints exactly: even weights on the vertices around one, corrected least."""
    regressor = np.zeros((24, N_VERTICES))
    for joint, parent in enumerate(SMPL_PARENTS):
        around = np.flatnonzero((segment == joint) | (segment == parent))
        nearest = around[np.argsort(np.linalg.norm(vertices[around] - JOINTS[joint], axis=1))[:60]]
        basis = np.concatenate([vertices[nearest], np.ones((60, 1))], axis=1)
        even = np.full(60, 1 / 60)
        missing = np.append(JOINTS[joint], 1.0) - even @ basis
        regressor[joint, nearest] = even + np.linalg.pinv(basis).T @ missing
    return regressor


def _shape_directions(vertices: np.ndarray, segment: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stature, girth, leg length, arm length, shoulder width, and five slow waves; m a unit of beta."""
    directions = np.zeros((N_VERTICES, 3, N_SHAPE))
    directions[:, :, 0] = 0.03 * vertices
    for part, capsule in enumerate(CAPSULES):
        outward = capsule.outward(vertices[segment == part])
        directions[segment == part, :, 1] = 0.06 * outward
    x, y, _ = vertices.T
    directions[:, 1, 2] = -0.01 * np.logaddexp(0, -(y + 0.3) / 0.05) * 0.05 / 0.3
    directions[:, 0, 3] = 0.01 * np.sign(x) * np.logaddexp(0, (np.abs(x) - 0.25) / 0.03) * 0.03 / 0.3
    directions[:, 0, 4] = 0.008 * np.tanh(x / 0.1)
    wave, phase = rng.normal(0, 2.5, (3, 5)), rng.uniform(0, 2 * np.pi, 5)
    directions[:, :, 5:] = rng.normal(0, 0.002, (3, 5)) * np.sin(vertices @ wave + phase)[:, None]
    return directions


def _pose_directions(vertices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to some millimetres around each joint that turns, fading within a hand's breadth."""
    distance = np.linalg.norm(vertices[:, None] - JOINTS[1:], axis=2)
    near = np.exp(-0.5 * (distance / 0.08) ** 2)
    strength = rng.normal(0, 0.003, (3, 23, 9))
    return np.asarray(np.einsum("vj,cje->vcje", near, strength).reshape(N_VERTICES, 3, 207))
