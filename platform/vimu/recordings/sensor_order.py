"""Whether a file's sensors stand in the order that its set's YAML says, by the reference poses that it carries.

A sensor turns with its segment, but for a constant mounting: S_t = B_t M. So the mean of B_t^T S_t over a recording is
nearly a rotation for the right segment, and shrinks for another one that moves otherwise. If exchanging some sensors
makes them fit far better, the file has another order. Segments that move alike are not told apart, and not accused.

Only rotations are needed: no body model, no shape.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from vimu.contracts import SMPL_JOINTS, SMPL_PARENTS

MAX_FRAMES = 2000
"""Frames looked at, spread evenly over the recording."""
MIN_FRAMES = 60
"""A sensor with fewer is not judged."""
MISFIT_GAIN_DEG = 10.0
"""An exchange must fit better by so much on average, and at least twice as well. Reference poses and the skin under a
sensor are off by some degrees; left and right thigh in walking differ by 26 and more."""


@dataclass(frozen=True)
class Exchange:
    """Sensors that fit better in another order."""

    sensors: tuple[int, ...]
    """Rows of the file: each fits the segment of the next, the last that of the first."""
    stated_deg: float
    """How far they are from turning with their own segments, as the YAML has them: root mean square."""
    exchanged_deg: float
    """How far with the other ones."""


def segment_orientations(poses: Float[np.ndarray, "frames 72"]) -> Float[np.ndarray, "frames 24 3 3"]:
    """Orientation of each SMPL segment in the world: the product of its joints' rotations from the root on.

    Args:
        poses: axis-angle of SMPL's 24 joints, rad, all finite.
    """
    local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(len(poses), len(SMPL_JOINTS), 3, 3)
    world = local.copy()
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            world[:, joint] = world[:, parent] @ local[:, joint]
    return np.asarray(world)


def misfit_deg(
    sensors: Float[np.ndarray, "frames sensors 3 3"], segments: Float[np.ndarray, "frames segments 3 3"]
) -> Float[np.ndarray, "sensors segments"]:
    """How far each sensor is from being fixed to each segment: root mean square angle about the best constant mounting.

    Args:
        sensors: sensor to world; frames with NaN do not count for that sensor.
        segments: segment to world, all finite.

    Returns:
        Degrees; by 4 sin^2 of half the angle, which is what the mean of rotation matrices gives. NaN for a sensor with
        fewer than `MIN_FRAMES`.
    """
    present: Bool[np.ndarray, "frames sensors"] = np.asarray(np.isfinite(sensors).all(axis=(-1, -2)))
    filled = np.where(present[..., None, None], sensors, 0.0)
    n_frames, n_sensors, n_segments = len(sensors), sensors.shape[1], segments.shape[1]
    left = segments.transpose(0, 2, 1, 3).reshape(n_frames * 3, n_segments * 3)
    right = filled.transpose(0, 2, 1, 3).reshape(n_frames * 3, n_sensors * 3)
    total = (left.T @ right).reshape(n_segments, 3, n_sensors, 3).transpose(2, 0, 1, 3)  # sum of B^T S
    count = present.sum(axis=0)
    mean = total / np.maximum(count, 1)[:, None, None, None]
    size = np.linalg.svd(mean, compute_uv=False)
    trace = size[..., 0] + size[..., 1] + np.sign(np.linalg.det(mean)) * size[..., 2]
    angle = np.degrees(2 * np.arcsin(np.sqrt(np.clip((3 - trace) / 4, 0, 1))))
    return np.asarray(np.where((count >= MIN_FRAMES)[:, None], angle, np.nan))


def exchanged_sensors(
    sensors: Float[np.ndarray, "frames sensors 3 3"], poses: Float[np.ndarray, "frames 72"], joints: list[str]
) -> list[Exchange]:
    """Groups of sensors that turn with one another's segments rather than with their own.

    Args:
        sensors: sensor to world, the world of `poses`; NaN where silent.
        poses: SMPL's joint rotations, axis-angle, rad; frames with NaN do not count.
        joints: SMPL joint whose segment each sensor is said to turn with.
    """
    usable = np.flatnonzero(np.isfinite(poses).all(axis=1))
    if len(usable) < MIN_FRAMES:
        return []
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, MAX_FRAMES).astype(int))]
    segments = segment_orientations(poses[chosen])[:, [SMPL_JOINTS.index(joint) for joint in joints]]
    misfit = misfit_deg(sensors[chosen], segments)
    judged = np.flatnonzero(np.isfinite(misfit).all(axis=1))
    misfit = misfit[np.ix_(judged, judged)]
    _, better = linear_sum_assignment(misfit**2)
    exchanges = []
    for cycle in _cycles(better.tolist()):
        stated = float(np.sqrt(np.mean([misfit[i, i] ** 2 for i in cycle])))
        exchanged = float(np.sqrt(np.mean([misfit[i, better[i]] ** 2 for i in cycle])))
        if stated - exchanged > MISFIT_GAIN_DEG and stated > 2 * exchanged:
            exchanges.append(Exchange(tuple(judged[cycle].tolist()), stated, exchanged))
    return exchanges


def _cycles(permutation: list[int]) -> list[list[int]]:
    """What goes round in a permutation; what stays is left out."""
    cycles, seen = [], set()
    for start in range(len(permutation)):
        cycle, at = [], start
        while at not in seen:
            seen.add(at)
            cycle.append(at)
            at = permutation[at]
        if len(cycle) > 1:
            cycles.append(cycle)
    return cycles
