"""BVH text -> `SkeletonMotion`.

`bvh_tree` reads the joints, `bvh_rows` the numbers. Channels may be any of the six in any order, and the
order may differ from joint to joint; a position channel replaces its part of the joint's OFFSET, it is not added to it.
The format says neither its unit nor its vertical axis: both come from the archive's YAML.

Source: "Motion Capture File Formats Explained", M. Meredith and S. Maddock, University of Sheffield, 2001.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.archives.bvh_rows import local_transforms, read_numbers
from vimu.archives.bvh_tree import MAX_NUMBER, Joint, count, read_tree
from vimu.archives.config import ArchiveConfig, Axis, unit_vector
from vimu.archives.take import take_of
from vimu.contracts import Reason, Rejection, SkeletonMotion

MAX_FILE_BYTES = 256 * 2**20
MAX_HEADER_BYTES = 2**20
"""Limit of the joint tree's text; 60 joints with fingers take 10 kB."""

MAX_EXPANDED_BYTES = 2 * 2**30
"""Limit of the transforms made of one file: 96 bytes a joint and frame; 100 minutes of CMU's rig at 120 Hz."""

MIN_RATE_HZ, MAX_RATE_HZ = 1.0, 1000.0

ROUNDED_RATE = 1.5e-4
"""Relative. Frame Time is printed with few digits: 0.0333333 is 30 Hz, and 0.03333 too (it is off by 1.0e-4, and five
decimals of 1/30 can be by 1.5e-4). Unsnapped, 30.003 Hz would be resampled to 30 Hz for nothing."""

NTSC_RATES = tuple(base / 1.001 for base in (24, 30, 48, 60, 120, 240))
"""0.008342 is 119.88 Hz. They lie 1e-3 from the whole rates, far more than ROUNDED_RATE."""

MOTION = re.compile(
    rb"^[ \t]*MOTION[ \t\r]*\n\s*Frames:[ \t]*(\S+)\s+Frame Time:[ \t]*(\S+)[ \t\r]*(?:\n|\Z)", re.MULTILINE
)


def read_bvh(path: Path, config: ArchiveConfig, root: Path | None = None) -> SkeletonMotion:
    """Read one take. Every joint is kept, End Sites are not.

    Args:
        config: its `unit_m` and `up` bring the take to metres and +Y up; its `segments` name joints that must be there.
        root: the archive's folder; subject, sequence and description come from the path below it.

    Returns:
        Local transforms, m, float64. Only the root's are turned when the file's vertical is not +Y: other joints keep
        the rig's own axes.

    Raises:
        Rejection: `unreadable` (not BVH, truncated), `oversized`, `bad_shape` (header and rows disagree, or another
            rig), `non_finite`, `unknown_rate`, `too_short` (acceleration needs three frames).
    """
    name = str(path)
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise Rejection(name, Reason.OVERSIZED, f"{size:,} bytes, the limit is {MAX_FILE_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise Rejection(name, Reason.UNREADABLE, f"{type(error).__name__}: {error}") from error
    found = MOTION.search(data)
    if found is None:
        raise Rejection(name, Reason.UNREADABLE, "has no MOTION section with `Frames:` and `Frame Time:`")
    if found.start() > MAX_HEADER_BYTES:
        raise Rejection(name, Reason.OVERSIZED, f"{found.start():,} bytes of header, the limit is {MAX_HEADER_BYTES:,}")
    joints = read_tree(name, data[: found.start()])
    mapped = {joint for s in config.segments.values() for joint in (s.joint, s.end) if joint is not None}
    missing = sorted(mapped - {j.name for j in joints})
    if missing:
        detail = f"lacks the joint {', '.join(missing)}, which archive `{config.name}` maps: another rig"
        raise Rejection(name, Reason.BAD_SHAPE, detail)
    rate_hz = _rate_hz(name, found[2])
    n_frames = count(name, found[1], "Frames")
    values = _read_rows(name, data[found.end() :], n_frames, joints)
    translations, rotations = local_transforms(values, joints)
    assert config.unit_m is not None and config.up is not None  # ArchiveConfig demands them of a bvh archive
    translations *= config.unit_m
    upright = to_y_up(config.up)
    translations[:, 0] = translations[:, 0] @ upright.T
    rotations[:, 0] = upright @ rotations[:, 0]
    return SkeletonMotion(
        joints=tuple(j.name for j in joints),
        parents=tuple(j.parent for j in joints),
        translations=translations,
        rotations=rotations,
        rate_hz=rate_hz,
        take=take_of(path, root, config),
    )


def _read_rows(path: str, text: bytes, n_frames: int, joints: Sequence[Joint]) -> Float[np.ndarray, "frames channels"]:
    n_channels = sum(len(j.channels) for j in joints)
    if n_channels == 0:
        raise Rejection(path, Reason.BAD_SHAPE, "no joint has a channel")
    if n_frames < 3:
        raise Rejection(path, Reason.TOO_SHORT, f"{n_frames} frames; acceleration needs three")
    if 2 * n_frames * n_channels - 1 > len(text):  # a digit and a blank a number, before anything is allocated for it
        detail = f"claims {n_frames:,} frames of {n_channels:,} channels, which {len(text):,} bytes cannot hold"
        raise Rejection(path, Reason.UNREADABLE, detail)
    expanded = 96 * n_frames * len(joints)
    if expanded > MAX_EXPANDED_BYTES:
        raise Rejection(path, Reason.OVERSIZED, f"{expanded:,} bytes expanded, the limit is {MAX_EXPANDED_BYTES:,}")
    if text.isspace():
        raise Rejection(path, Reason.UNREADABLE, f"claims {n_frames:,} frames but holds none")
    try:
        values = read_numbers(text, n_frames, n_channels)
    except ValueError as error:
        raise Rejection(path, Reason.UNREADABLE, f"the rows are not equally many numbers ({error})") from error
    if values.shape[1] != n_channels or len(values) > n_frames:
        detail = f"must be {n_frames:,} rows of {n_channels:,} numbers, but is {len(values):,} of {values.shape[1]:,}"
        raise Rejection(path, Reason.BAD_SHAPE, detail)
    if len(values) < n_frames:
        raise Rejection(path, Reason.UNREADABLE, f"truncated: {len(values):,} of {n_frames:,} frames")
    bad = ~(np.abs(values) < MAX_NUMBER)
    if bad.any():
        frame, channel = np.argwhere(bad)[0]
        detail = f"channel {channel} of frame {frame} is {values[frame, channel]}, neither a length nor an angle"
        raise Rejection(path, Reason.NON_FINITE, detail)
    return values


def to_y_up(up: Axis) -> Float[np.ndarray, "3 3"]:
    """The rotation that brings the file's vertical to +Y and, for a vertical of y or z, leaves x where it is."""
    y = unit_vector(up)
    x = np.array([1.0, 0.0, 0.0]) if y[0] == 0 else np.array([0.0, -y[0], 0.0])
    return np.stack([x, y, np.cross(x, y)])


def _rate_hz(path: str, frame_time: bytes) -> float:
    try:
        seconds = float(frame_time)
    except ValueError:
        seconds = float("nan")
    if not 0.999 / MAX_RATE_HZ <= seconds <= 1.001 / MIN_RATE_HZ:
        raise Rejection(path, Reason.UNKNOWN_RATE, f"Frame Time must be 0.001 to 1 s, but is {frame_time[:40]!r}")
    rate = 1 / seconds
    exact = (float(round(rate)), *NTSC_RATES)
    return next((r for r in exact if abs(rate - r) <= ROUNDED_RATE * r), rate)
