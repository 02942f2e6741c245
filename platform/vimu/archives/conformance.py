"""Holds what a reader gives to the contract of `vimu.archives.readers`: that of an installed reader in every run."""

from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Float

from vimu.archives.config import ArchiveConfig
from vimu.archives.readers import ArchiveReader
from vimu.archives.take import take_of
from vimu.contracts import POSE_JOINTS, Gender, Motion, Reason, Rejection, SkeletonMotion, SmplMotion
from vimu.runtime.damage import assert_only_rejections
from vimu.runtime.errors import listed

ROTATION_TOLERANCE = 1e-4
"""Of R R^T from the identity, any entry: rotations that went through float32 pass."""
MIN_FRAMES = 3
MIN_RATE_HZ, MAX_RATE_HZ = 1.0, 1000.0


def check_motion(motion: object, config: ArchiveConfig, path: str) -> Motion:
    """`motion`, if it is as the contract has it.

    Args:
        path: names the file in a rejection.

    Raises:
        TypeError: the reader gives the wrong kind of motion or array, whatever the file.
        Rejection: `bad_shape`, `non_finite`, `not_a_rotation`, `too_short`, `unknown_rate`.
    """
    wanted = SmplMotion if config.of_smpl else SkeletonMotion
    if not isinstance(motion, wanted):
        raise TypeError(
            f"reader `{config.reader}` must give a {wanted.__name__} for an archive "
            f"{'without' if config.of_smpl else 'with'} `segments`, but gives {type(motion).__name__}"
        )
    shapes: dict[str, tuple[int, ...]]
    if isinstance(motion, SmplMotion):
        n_frames, n_joints = len(motion.poses), motion.poses.shape[1] if motion.poses.ndim > 1 else 0
        shapes = {"poses": (n_frames, n_joints, 3), "trans": (n_frames, 3), "betas": (motion.betas.size,)}
        shapes |= {"to_canonical": (3, 3)}
        turns = "to_canonical"
        faults = _smpl_faults(motion, n_joints)
    else:
        n_frames, n_joints = len(motion.translations), len(motion.joints)
        shapes = {"translations": (n_frames, n_joints, 3), "rotations": (n_frames, n_joints, 3, 3)}
        turns = "rotations"
        faults = _skeleton_faults(motion, config)
    arrays = {name: getattr(motion, name) for name in shapes}
    for name, array in arrays.items():
        if array.dtype != np.float64:
            raise TypeError(f"reader `{config.reader}` must give `{name}` as float64, but gives {array.dtype}")
        if array.shape != shapes[name]:
            faults.append(f"`{name}` is of shape {array.shape}, unlike {shapes[name]}")
    if faults:
        raise Rejection(path, Reason.BAD_SHAPE, "; ".join(faults))
    if n_frames < MIN_FRAMES:
        raise Rejection(path, Reason.TOO_SHORT, f"{n_frames} frames; acceleration needs three")
    if not MIN_RATE_HZ <= motion.rate_hz <= MAX_RATE_HZ:
        raise Rejection(path, Reason.UNKNOWN_RATE, f"{motion.rate_hz} Hz, unlike {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g}")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise Rejection(path, Reason.NON_FINITE, f"`{name}` holds NaN or infinity")
        off = rotation_error(array) if name == turns else 0.0
        if off > ROTATION_TOLERANCE:
            raise Rejection(path, Reason.NOT_A_ROTATION, f"`{name}` is off a rotation by {off:.2g}")
    return motion


def rotation_error(matrices: Float[np.ndarray, "*batch 3 3"]) -> float:
    """How far the worst of them is off a rotation: greatest entry of R R^T - 1; 2 for a mirrored one."""
    off = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max()
    return max(float(off), 2.0 * bool((np.linalg.det(matrices) < 0).any()))


def check_reader(read: ArchiveReader, file: Path, config: ArchiveConfig, root: Path | None = None) -> Motion:
    """Hold a reader to its contract on a good file and on damaged copies of it: for the tests of the reader's author.

    Args:
        file: a small file that the reader can read; it is read some 30 times.

    Returns:
        What the reader makes of it, for further checks.

    Raises:
        AssertionError, TypeError, Rejection: what the reader does wrong.
    """
    motion = check_motion(read(file, config, root), config, str(file))
    take = take_of(file, root, config)
    assert motion.take == take, f"`take` must be what `take_of` gives, {take}, but is {motion.take}"
    again = read(file, config, root)
    for name, array in vars(motion).items():
        assert np.array_equal(array, getattr(again, name)), f"`{name}` must be the same each time the file is read"
    assert_only_rejections(lambda path: check_motion(read(path, config, None), config, str(path)), file)
    return motion


def _smpl_faults(motion: SmplMotion, n_joints: int) -> list[str]:
    faults = []
    if n_joints not in POSE_JOINTS:
        faults.append(f"`poses` are of {n_joints} joints, unlike {listed(POSE_JOINTS)}")
    if motion.gender not in get_args(Gender):
        faults.append(f"`gender` is {motion.gender!r}, unlike {listed(get_args(Gender))}")
    return faults


def _skeleton_faults(motion: SkeletonMotion, config: ArchiveConfig) -> list[str]:
    faults = []
    mapped = {joint for s in config.segments.values() for joint in (s.joint, s.end) if joint is not None}
    if missing := mapped - set(motion.joints):
        faults.append(f"lacks the joint {listed(missing)}, which archive `{config.name}` maps: another rig")
    if len(set(motion.joints)) != len(motion.joints):
        faults.append("two joints have one name")
    if len(motion.parents) != len(motion.joints) or any(not -1 <= p < j for j, p in enumerate(motion.parents)):
        faults.append("`parents` must name an earlier joint for each, or -1")
    return faults
