"""A joint tree at the sensors: forward kinematics of the joints that carry one, and of what they hang on."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from vimu.archives.config import Segment
from vimu.body.placement import OnSkeleton, Placement
from vimu.contracts import SkeletonMotion, Trajectory
from vimu.runtime.compiled import compiled, plain
from vimu.runtime.errors import UserError, listed


def skeleton_trajectory(
    motion: SkeletonMotion, placements: Sequence[Placement], segments: Mapping[str, Segment]
) -> Trajectory:
    """Where sensors at `placements` are, and how their segments are turned.

    A sensor sits `fraction` of the way from its segment's joint to the segment's end, plus `offset_m` in the segment's
    axes. Its orientation is the joint's global rotation times the segment's rest axes, so that it means the same as
    that of the SMPL segment: identity in a T-pose that faces +Z, whatever axes the rig gives its bones.

    Args:
        motion: world +Y up, m. Holds every joint that `segments` names (`read_bvh` sees to it).
        segments: SMPL segment name -> the rig's joint, from the archive's YAML.

    Returns:
        World positions, m, and sensor-to-world rotations, float64, in the order of `placements`.

    Raises:
        UserError: the archive cannot serve one of `placements`; the message says which it can.
    """
    mounts = mounts_of(placements, segments, motion.take.archive)
    joint_index = {name: j for j, name in enumerate(motion.joints)}
    carriers = {joint_index[segment.joint] for _, segment in mounts}
    ends = {joint_index[segment.end] for _, segment in mounts if segment.end is not None}
    position, rotation = _forward_kinematics(motion, carriers | ends)
    positions, orientations = [], []
    for mount, segment in mounts:
        joint = joint_index[segment.joint]
        orientation = (rotation[joint].reshape(-1, 3) @ segment.rest_axes()).reshape(-1, 3, 3)  # one product, not many
        end = position[joint_index[segment.end]] if segment.end is not None else position[joint]
        along = mount.fraction * (end - position[joint])
        positions.append(position[joint] + along + orientation @ np.array(mount.offset_m))
        orientations.append(orientation)
    return Trajectory(
        position=np.stack(positions, axis=1),
        orientation=np.stack(orientations, axis=1),
        rate_hz=motion.rate_hz,
        sensors=tuple(p.name for p in placements),
    )


def mounts_of(
    placements: Sequence[Placement], segments: Mapping[str, Segment], archive: str
) -> list[tuple[OnSkeleton, Segment]]:
    """Where each placement sits on an archive's rig: can be asked before a file is read.

    Raises:
        UserError: the archive cannot serve one of `placements`; the message says which it can.
    """
    mounts = {}
    for placement in placements:
        mount = placement.skeleton
        segment = segments.get(mount.segment) if mount is not None else None
        if mount is not None and segment is not None and (mount.fraction == 0 or segment.end is not None):
            mounts[placement.name] = (mount, segment)
    if not placements or len(mounts) < len({p.name for p in placements}):
        unserved = [p.name for p in placements if p.name not in mounts]
        endless = {p.skeleton.segment for p in placements if p.skeleton and p.name in unserved} & set(segments)
        raise UserError(
            f"`placements` must be on segments of archive `{archive}` ({listed(segments, 24)}); of those "
            f"asked for it can serve {listed(mounts, 40)}, but not {listed(unserved, 40)}."
            + (f" What sits along the bone needs an `end`, which {listed(endless)} lacks." if endless else "")
        )
    return [mounts[p.name] for p in placements]


def joint_positions(motion: SkeletonMotion) -> Float[np.ndarray, "frames joints 3"]:
    """Where every joint is in the world, m, float64: the skeleton as it moves."""
    position, _ = _forward_kinematics(motion, set(range(len(motion.joints))))
    return np.stack([position[joint] for joint in range(len(motion.joints))], axis=1)


def _forward_kinematics(
    motion: SkeletonMotion, wanted: set[int]
) -> tuple[dict[int, Float[np.ndarray, "frames 3"]], dict[int, Float[np.ndarray, "frames 3 3"]]]:
    """World positions, m, and rotations of the joints in `wanted` and of their ancestors."""
    needed = set()
    for joint in wanted:
        while joint >= 0 and joint not in needed:
            needed.add(joint)
            joint = motion.parents[joint]
    chain = sorted(needed)  # parents come before children
    slots = {joint: slot for slot, joint in enumerate(chain)}
    shape = (len(chain), len(motion.translations), 3)
    position, rotation = np.empty(shape), np.empty((*shape, 3))
    parents = np.array([slots.get(motion.parents[joint], -1) for joint in chain])
    _chain(plain(motion.translations), plain(motion.rotations), np.array(chain), parents, position, rotation)
    return {j: position[slot] for j, slot in slots.items()}, {j: rotation[slot] for j, slot in slots.items()}


@compiled
def _chain(
    translations: Float[np.ndarray, "frames joints 3"],
    rotations: Float[np.ndarray, "frames joints 3 3"],
    joints: Int[np.ndarray, " slots"],
    parents: Int[np.ndarray, " slots"],
    position: Float[np.ndarray, "slots frames 3"],
    rotation: Float[np.ndarray, "slots frames 3 3"],
) -> None:
    """Fill `position` and `rotation` of `joints`, whose parents are earlier slots; -1: the world."""
    for t in range(len(translations)):
        for slot in range(len(joints)):
            joint, parent = joints[slot], parents[slot]
            place, turn = translations[t, joint], rotations[t, joint]
            for a in range(3):
                if parent < 0:
                    position[slot, t, a] = place[a]
                    for b in range(3):
                        rotation[slot, t, a, b] = turn[a, b]
                else:
                    x, y, z = rotation[parent, t, a]
                    position[slot, t, a] = position[parent, t, a] + (x * place[0] + y * place[1] + z * place[2])
                    for b in range(3):
                        rotation[slot, t, a, b] = x * turn[0, b] + y * turn[1, b] + z * turn[2, b]
