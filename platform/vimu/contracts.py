"""The types that pass between rooms: motions, trajectories, recordings, rejections.

Every array is NumPy. World frame of everything here: right-handed, +Y up, metres; a person in rest pose faces +Z, so
that the body's left is +X. This is SMPL's own convention.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from jaxtyping import Float

STANDARD_GRAVITY = 9.80665
"""m/s^2. Source: ISO 80000-3; what a resting accelerometer reads along +Y when gravity is included."""

SMPL_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
"""SMPL's 24 joints in order. A joint's name also names the segment it moves: `left_elbow` moves the left lower arm.
Source: smplx/joint_names.py."""

SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
"""Parent of each SMPL joint; -1 is the root. Source: `kintree_table` of the published SMPL models."""

FINGER_JOINTS = tuple(
    f"{side}_{finger}{bone}"
    for side in ("left", "right")
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for bone in (1, 2, 3)
)
"""MANO's finger joints, as SMPL+H and SMPL-X have them."""

SMPLH_JOINTS = (*SMPL_JOINTS[:22], *FINGER_JOINTS)
"""SMPL+H's 52 joints: fingers instead of SMPL's two hand joints. Source: smplx/joint_names.py."""

SMPLX_JOINTS = (*SMPL_JOINTS[:22], "jaw", "left_eye", "right_eye", *FINGER_JOINTS)
"""SMPL-X's 55 joints. Source: smplx/joint_names.py."""

POSE_JOINTS = {len(joints): joints for joints in (SMPL_JOINTS, SMPLH_JOINTS, SMPLX_JOINTS)}
"""Which joints a pose of so many has."""

Frame = Literal["world", "sensor", "root"]
"""Axes of acceleration. `root`: those of the sensor on the pelvis, so that heading and lean of the body fall away."""
Gravity = Literal["included", "removed"]
Gender = Literal["male", "female", "neutral"]


class Reason(StrEnum):
    """Why a file, clip, trial or row was left out. Closed: a new reason is a change of the contract."""

    UNREADABLE = "unreadable"
    """Bytes that are not what the name says: empty, truncated, a flipped byte, a missing key."""
    OVERSIZED = "oversized"
    """Would expand beyond the stated limit."""
    UNSAFE_PICKLE = "unsafe_pickle"
    """Holds pickled objects outside the allow-list; nothing was executed."""
    UNKNOWN_RATE = "unknown_rate"
    IMPLAUSIBLE = "implausible"
    """No body moves like that: a wrong frame rate, unit, format or order of sensors."""
    NO_BODY = "no_body"
    """The folder of body models has none for the subject's gender, and no neutral one."""
    BAD_SHAPE = "bad_shape"
    NON_FINITE = "non_finite"
    NOT_A_ROTATION = "not_a_rotation"
    TOO_SHORT = "too_short"
    LOST_DECIMAL_POINT = "lost_decimal_point"
    """UMAFall values such as `1.012.598.156`: a locale accident, not recoverable."""
    MISSING_SENSOR = "missing_sensor"
    GAP = "gap"
    """A recording's sensor is silent for longer than may be filled."""
    REMOVED_BY_RULE = "removed_by_rule"
    REMOVED_BY_PERSON = "removed_by_person"
    """Somebody looked at it and decided to leave it out."""
    NO_LABEL = "no_label"
    """No label rule matches, or the label is not among those asked for."""
    UNLIKE_LABEL = "unlike_label"
    """The clip's acceleration does not look like that of its class."""
    DUPLICATE = "duplicate"
    CALIBRATION = "calibration"
    """The trial told how its session's sensors are mounted; what is known of it must not be asked."""


class Rejection(Exception):
    """One file, clip or trial left out, and why."""

    def __init__(self, path: str, reason: Reason, detail: str) -> None:
        super().__init__(path, reason, detail)  # all three, so that it survives pickling between workers
        self.path, self.reason, self.detail = path, reason, detail

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}: {self.detail}"


@dataclass(frozen=True)
class Take:
    """Where a motion comes from."""

    archive: str
    """Archive name, e.g. `bandai`, or the AMASS subset."""
    subject: str | None
    """None where the archive gives no actor; splits then keep clips apart."""
    sequence: str
    """Path below the archive's root, `/`-separated, without extension."""
    description: str
    """What the archive says of the motion: path and annotation words. Label rules read this."""


@dataclass(frozen=True)
class SmplMotion:
    """A take as SMPL parameters, as its file has them.

    The root turns about the pelvis joint, whose place depends on `betas` and the body model: turning `trans` and the
    root into +Y up beforehand would shift the body by up to 0.3 m. So the turn is kept apart, for after the body.
    """

    poses: Float[np.ndarray, "frames joints 3"]
    """Axis-angle, rad, of all joints that the file has: `POSE_JOINTS` names them. The root's turns the body into the
    file's world."""
    trans: Float[np.ndarray, "frames 3"]
    """m, added after skinning, in the file's world."""
    betas: Float[np.ndarray, " shape"]
    gender: Gender
    rate_hz: float
    take: Take
    to_canonical: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    """Turns the file's world into the canonical one (+Y up); AMASS's is +Z up."""
    file_rate_hz: float | None = None
    """The rate that the file states; `rate_hz` is another where a correction applies. None: not from a file."""
    notes: tuple[str, ...] = ()
    """What the reader corrected or doubts, for the clip's row."""


@dataclass(frozen=True)
class SkeletonMotion:
    """A take as a joint tree with local transforms."""

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    """Index of each joint's parent, -1 for the root; parents come before children."""
    translations: Float[np.ndarray, "frames joints 3"]
    """Position of each joint in its parent's frame, m, float64."""
    rotations: Float[np.ndarray, "frames joints 3 3"]
    """Rotation of each joint's frame in its parent's, float64."""
    rate_hz: float
    take: Take
    file_rate_hz: float | None = None
    """The rate that the file states; `rate_hz` is another where a person corrected it. None: the same."""
    notes: tuple[str, ...] = ()
    """What was corrected, for the clip's row."""


Motion = SmplMotion | SkeletonMotion


@dataclass(frozen=True)
class Trajectory:
    """Where each virtual sensor is."""

    position: Float[np.ndarray, "frames sensors 3"]
    """World, m, float64: float32 costs 0.09 m/s^2 at 20 m from the origin."""
    orientation: Float[np.ndarray, "frames sensors 3 3"]
    """Sensor to world. Identity for every segment of a person in rest pose facing +Z."""
    rate_hz: float
    sensors: tuple[str, ...]


@dataclass(frozen=True)
class ImuRecording:
    """What sensors measured, virtual or real: the same type.

    A sensor that lacks a channel has NaN in that whole column (a phone without gyroscope); a column is either all
    finite or all NaN. `gyr` or `ori` is None where no sensor has it. Nothing is ever filled with zeros.
    """

    acc: Float[np.ndarray, "frames sensors 3"]
    """m/s^2, in `frame`, with gravity as `gravity` says (included: +9.80665 upwards at rest)."""
    gyr: Float[np.ndarray, "frames sensors 3"] | None
    """rad/s, always in the sensor's own axes, whatever `frame` is."""
    ori: Float[np.ndarray, "frames sensors 3 3"] | None
    """Sensor to world."""
    rate_hz: float
    sensors: tuple[str, ...]
    frame: Frame
    gravity: Gravity
    notes: tuple[str, ...] = field(default=())
    """What a reader filled, skipped or assumed, for the manifest."""

    def __post_init__(self) -> None:
        shape = (self.acc.shape[0], len(self.sensors), 3)
        for name, array, wanted in (
            ("acc", self.acc, shape), ("gyr", self.gyr, shape), ("ori", self.ori, (*shape, 3)),
        ):  # fmt: skip
            if array is not None and array.shape != wanted:
                raise ValueError(f"`{name}` must be of shape {wanted}, but is {array.shape}.")

    def __repr__(self) -> str:
        has = ", ".join(name for name in ("acc", "gyr", "ori") if getattr(self, name) is not None)
        return (
            f"ImuRecording({has}: {self.n_frames} frames at {self.rate_hz:g} Hz = {self.duration_s:.2f} s, "
            f"sensors {', '.join(self.sensors)}, {self.frame} frame, gravity {self.gravity})"
        )

    @property
    def n_frames(self) -> int:
        return int(self.acc.shape[0])

    @property
    def duration_s(self) -> float:
        return self.n_frames / self.rate_hz
