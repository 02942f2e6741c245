"""AMC motion on its ASF skeleton -> `SkeletonMotion`.

    01/01.asf      the skeleton of subject 01
    01/01_01.amc   a take: each frame a number, then a line a bone with the angles of its degrees of freedom

A bone turns about axes of its own: with C the turn to those axes and M the turn of its angles, its frame turns by
C M C^-1 in its parent's. Both are products of turns about fixed axes, the first one listed applied first. The motion
file says no rate: it comes from the archive's YAML, as do the vertical and the unit that the skeleton's `length`
divides.

Source: as `vimu.archives.asf`.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from vimu.archives.asf import ROOT, AsfSkeleton, Bone, read_asf
from vimu.archives.bvh import MAX_EXPANDED_BYTES, MAX_FILE_BYTES, to_y_up
from vimu.archives.bvh_tree import MAX_NUMBER
from vimu.archives.config import ArchiveConfig
from vimu.archives.take import take_of
from vimu.contracts import Reason, Rejection, SkeletonMotion

FLAGS = {":FULLY-SPECIFIED", ":DEGREES", ":RADIANS"}


def read_amc(path: Path, config: ArchiveConfig, root: Path | None = None) -> SkeletonMotion:
    """Read one take. A joint is where the bone of its name starts.

    Args:
        path: the motion; `skeleton_of` finds the skeleton.
        config: its `unit_m` is what one inch of the format means in metres, `up` its vertical, `rate_hz` its rate; its
            `segments` name bones that must be there and, but for bones without degrees of freedom, be moved.
        root: the archive's folder; subject, sequence and description come from the path below it.

    Returns:
        Local transforms, m, float64; in the rest pose every joint's frame is the skeleton's.

    Raises:
        Rejection: `unreadable` (no AMC, truncated, no skeleton or a broken one), `oversized`, `bad_shape` (another
            skeleton's bones), `non_finite`, `too_short` (acceleration needs three frames).
    """
    name = str(path)
    frames, in_radians = _read_frames(path)
    skeleton = read_asf(skeleton_of(path))
    bones = skeleton.bones
    _check_bones(name, frames, skeleton, config)
    n_frames = len(frames[ROOT])
    translations = np.zeros((n_frames, len(bones), 3))
    rotations = np.empty((n_frames, len(bones), 3, 3))
    degrees = skeleton.degrees and not in_radians
    for index, bone in enumerate(bones):
        values = frames.get(bone.name)
        rotations[:, index] = _turn(bone, values, degrees=degrees)
        if bone.parent >= 0:
            translations[:, index] = bones[bone.parent].vector
        else:
            translations[:, index] = frames[ROOT][:, [bone.dof.index(t) for t in ("tx", "ty", "tz")]]
    assert config.unit_m is not None and config.up is not None and config.rate_hz is not None
    translations *= config.unit_m * skeleton.inches_per_unit
    upright = to_y_up(config.up)
    translations[:, 0] = translations[:, 0] @ upright.T
    rotations[:, 0] = upright @ rotations[:, 0]
    return SkeletonMotion(
        joints=tuple(b.name for b in bones),
        parents=tuple(b.parent for b in bones),
        translations=translations,
        rotations=rotations,
        rate_hz=config.rate_hz,
        take=take_of(path, root, config),
    )


def skeleton_of(path: Path) -> Path:
    """The skeleton of a motion `01_01.amc`: `01_01.asf` or `01.asf`, beside it or in the folder above.

    Raises:
        Rejection: `unreadable`, there is none.
    """
    names = (f"{path.stem}.asf", f"{path.stem.rpartition('_')[0]}.asf")
    for candidate in (folder / name for folder in (path.parent, path.parent.parent) for name in names):
        if candidate.is_file():
            return candidate
    raise Rejection(str(path), Reason.UNREADABLE, f"has no skeleton {' or '.join(names)} beside it or one folder up")


def _turn(bone: Bone, values: Float[np.ndarray, "frames dofs"] | None, *, degrees: bool) -> Float[np.ndarray, "..."]:
    """C M C^-1 of every frame; the identity for a bone without angles."""
    turns = [(dof[1], column) for column, dof in enumerate(bone.dof) if dof[0] == "r"]
    if values is None or not turns:
        return np.eye(3)
    axes = Rotation.from_euler(bone.axis_order, bone.axis_deg, degrees=degrees)
    order = "".join(axis for axis, _ in turns)
    angles = values[:, [column for _, column in turns]]
    return np.asarray((axes * Rotation.from_euler(order, angles, degrees=degrees) * axes.inv()).as_matrix())


def _check_bones(
    path: str, frames: dict[str, Float[np.ndarray, "frames dofs"]], skeleton: AsfSkeleton, config: ArchiveConfig
) -> None:
    bones = {b.name: b for b in skeleton.bones}
    mapped = {bone for s in config.segments.values() for bone in (s.joint, s.end) if bone is not None}
    missing = sorted(mapped - set(bones))
    if missing:
        detail = f"the skeleton lacks {', '.join(missing)}, which archive `{config.name}` maps: another rig"
        raise Rejection(path, Reason.BAD_SHAPE, detail)
    for name, values in frames.items():
        wanted = len(bones[name].dof) if name in bones else 0
        if values.shape[1] != wanted:
            detail = f"`{name[:40]}` has {values.shape[1]} values a frame, the skeleton says {wanted}"
            raise Rejection(path, Reason.BAD_SHAPE, detail)
    moving = set(mapped)
    for bone in reversed(skeleton.bones):  # what a mapped bone hangs on, too
        if bone.name in moving and bone.parent >= 0:
            moving.add(skeleton.bones[bone.parent].name)
    unmoved = sorted(b for b in moving | {ROOT} if bones[b].dof and b not in frames)
    if unmoved:
        raise Rejection(path, Reason.BAD_SHAPE, f"has no values of {', '.join(unmoved)[:120]}")
    expanded = 96 * len(frames[ROOT]) * len(bones)
    if expanded > MAX_EXPANDED_BYTES:
        raise Rejection(path, Reason.OVERSIZED, f"{expanded:,} bytes expanded, the limit is {MAX_EXPANDED_BYTES:,}")


def _read_frames(path: Path) -> tuple[dict[str, Float[np.ndarray, "frames dofs"]], bool]:
    """Each bone's values in every frame, and whether they are radians."""
    name = str(path)
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise Rejection(name, Reason.OVERSIZED, f"{size:,} bytes, the limit is {MAX_FILE_BYTES:,}")
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Rejection(name, Reason.UNREADABLE, f"{type(error).__name__}: {error}") from error
    lines = [line for line in text.splitlines() if line.strip() and not re.match(r"\s*#", line)]
    flags = {line.strip().upper() for line in lines if line.lstrip()[0] == ":"}
    rows = [line for line in lines if line.lstrip()[0] != ":"]
    unknown = sorted(flags - FLAGS)
    if unknown or {":DEGREES", ":RADIANS"} <= flags:
        raise Rejection(name, Reason.UNREADABLE, f"has the flags {', '.join(sorted(flags))[:80]}")
    starts = [i for i, row in enumerate(rows) if row.strip().isdecimal()]
    if not starts or starts[0] != 0:
        raise Rejection(name, Reason.UNREADABLE, "its first line that is no comment or flag must be a frame's number")
    if len(starts) < 3:
        raise Rejection(name, Reason.TOO_SHORT, f"{len(starts)} frames; acceleration needs three")
    per_frame = starts[1]
    if len(rows) != per_frame * len(starts) or any(start != i * per_frame for i, start in enumerate(starts)):
        detail = f"truncated: {len(rows):,} lines are no {len(starts):,} frames of {per_frame:,}"
        raise Rejection(name, Reason.UNREADABLE, detail)
    numbers = [int(row) if len(row.strip()) < 10 else -1 for row in rows[::per_frame]]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Rejection(name, Reason.UNREADABLE, "its frames are not numbered one after the other")
    values = dict(_bone_values(name, rows[k::per_frame]) for k in range(1, per_frame))
    if len(values) != per_frame - 1:
        raise Rejection(name, Reason.UNREADABLE, "a frame lists a bone twice")
    return values, ":RADIANS" in flags


def _bone_values(path: str, rows: list[str]) -> tuple[str, Float[np.ndarray, "frames dofs"]]:
    """The name and the values of the bone whose lines, one a frame, `rows` are."""
    parts = [row.split(maxsplit=1) for row in rows]
    bone = parts[0][0]
    if any(len(part) != 2 or part[0] != bone for part in parts):
        raise Rejection(path, Reason.UNREADABLE, f"frames must list the same bones in one order, unlike `{bone[:40]}`")
    try:
        values = np.array([part[1].split() for part in parts], dtype=np.float64)
    except ValueError as error:
        raise Rejection(path, Reason.UNREADABLE, f"`{bone[:40]}` is not equally many numbers ({error})") from error
    bad = ~(np.abs(values) < MAX_NUMBER)
    if bad.any():
        frame, column = np.argwhere(bad)[0]
        detail = f"value {column} of {bone[:40]} in frame {frame} is {values[frame, column]}, no length or angle"
        raise Rejection(path, Reason.NON_FINITE, detail)
    return bone, values
