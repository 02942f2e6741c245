"""From joint angles with anatomical names to SMPL poses, and from poses to a body that stands on the floor."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from vimu.body.smpl import forward_kinematics, rotation_matrices
from vimu.contracts import SMPL_JOINTS
from vimu.demo.signals import Signal, drift
from vimu.demo.subjects import Subject

Angles = dict[str, Signal]
"""Angle by name over time, rad. Of the body `yaw pitch roll` (pitch forward), of the trunk `bend side twist`, of the
head `nod turn`; and `lift` above what the body stands on, m. Of a side, with `left_` or `right_` before it: `hip`
(thigh forward), `hip_out`, `knee`, `ankle` (toes up), `arm` (forward from hanging), `arm_out` (sideways), `arm_turn`
(forearm inwards), `elbow`, `wrist`."""

BODY = ("yaw", "pitch", "roll", "bend", "side", "twist", "nod", "turn", "lift")
SIDE = ("hip", "hip_out", "knee", "ankle", "arm", "arm_out", "arm_turn", "elbow", "wrist")

CONTACTS = (
    ("left_ankle", (0.0, -0.05, -0.03), 0.04), ("right_ankle", (0.0, -0.05, -0.03), 0.04),
    ("left_foot", (0.0, 0.0, 0.0), 0.035), ("right_foot", (0.0, 0.0, 0.0), 0.035),
    ("left_knee", (0.0, 0.0, 0.0), 0.055), ("right_knee", (0.0, 0.0, 0.0), 0.055),
    ("left_hip", (0.0, -0.06, -0.04), 0.08), ("right_hip", (0.0, -0.06, -0.04), 0.08),
    ("spine3", (0.0, 0.1, 0.0), 0.12), ("head", (0.0, 0.1, 0.0), 0.1),
    ("left_elbow", (0.0, 0.0, 0.0), 0.04), ("right_elbow", (0.0, 0.0, 0.0), 0.04),
    ("left_hand", (0.0, 0.0, 0.0), 0.03), ("right_hand", (0.0, 0.0, 0.0), 0.03),
)  # fmt: skip
"""Balls that may touch the floor: joint, centre in the joint's axes (m), radius (m)."""

CONTACT_SOFTNESS_M = 0.012
"""Balls within about this height of the lowest share the body's load, so that contact passes on without a jerk."""

HEIGHT_SMOOTHING_S, SPEED_SMOOTHING_S = 0.04, 0.06
"""Widths (sigma) of what soft soles and tissue smooth of each contact."""


def both(**angles: float | Signal) -> dict[str, float | Signal]:
    """The same angles for the left and the right side."""
    return {f"{side}_{name}": value for name, value in angles.items() for side in ("left", "right")}


def standing(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """The subject stands as is their habit, sways, and faces anywhere."""
    angles = {name: np.zeros_like(t) for name in BODY}
    angles |= {f"{side}_{name}": np.zeros_like(t) for side in ("left", "right") for name in SIDE}
    habits = both(arm_out=subject.arm_carriage, elbow=subject.elbow_carriage, knee=0.08, hip=0.04, ankle=0.04)
    habits |= {"bend": subject.stoop, "nod": subject.head_carriage, "yaw": rng.uniform(-np.pi, np.pi)}
    for name, value in habits.items():
        angles[name] += value
    for name in angles:
        angles[name] += drift(rng, t, 0.025 * subject.sway) if name != "lift" else 0.0
    for name in ("nod", "turn"):
        angles[name] += drift(rng, t, 0.12 * subject.sway, max_hz=0.3)
    return angles


def toward(angles: Angles, target: Mapping[str, float | Signal], amount: float | Signal) -> None:
    """Move the named angles by `amount` (0 to 1) of the way to the target, in place."""
    for name, value in target.items():
        angles[name] = angles[name] + amount * (value - angles[name])


def poses_of(angles: Angles) -> Float[np.ndarray, "frames 24 3"]:
    """SMPL's axis-angle poses, rad."""
    a = angles
    poses = np.zeros((len(a["yaw"]), 24, 3))

    def turned(joint: str, order: str, *values: Signal) -> None:
        turn = Rotation.from_euler(order, np.stack(values, axis=-1))
        poses[:, SMPL_JOINTS.index(joint)] = turn.as_rotvec()

    turned("pelvis", "YXZ", a["yaw"], a["pitch"], a["roll"])
    for spine in ("spine1", "spine2", "spine3"):
        turned(spine, "XZY", a["bend"] / 3, a["side"] / 3, a["twist"] / 3)
    for part in ("neck", "head"):
        turned(part, "YX", a["turn"] / 2, a["nod"] / 2)
    for side, mirror in (("left", 1.0), ("right", -1.0)):
        s = {name: a[f"{side}_{name}"] for name in SIDE}
        turned(f"{side}_hip", "XZ", -s["hip"], mirror * s["hip_out"])
        turned(f"{side}_knee", "X", s["knee"])
        turned(f"{side}_ankle", "X", -s["ankle"])
        # the last quarter of raising an arm is the collar's
        raised = np.maximum(s["arm_out"] - 1.2, 0.0) ** 2 * 0.15
        turned(f"{side}_collar", "Z", mirror * raised)
        turned(f"{side}_shoulder", "XZX", -s["arm"], mirror * (s["arm_out"] - raised - np.pi / 2), s["arm_turn"])
        turned(f"{side}_elbow", "Y", -mirror * s["elbow"])
        turned(f"{side}_wrist", "Z", mirror * s["wrist"])
    return poses


def on_floor(
    poses: Float[np.ndarray, "frames 24 3"], joints: Float[np.ndarray, "24 3"], lift: Signal, rate_hz: float
) -> Float[np.ndarray, "frames 3"]:
    """SMPL's `trans` (m) that puts the body's lowest parts at height `lift`, where they stay while they carry it.

    What touches the floor does not slide: the pelvis goes against the mean velocity of the touching parts, which is
    what makes a walk of swinging legs move forward.
    """
    turn, place = forward_kinematics(rotation_matrices(poses), joints)
    place = place - place[:, :1]
    index = [SMPL_JOINTS.index(joint) for joint, _, _ in CONTACTS]
    centres = place[:, index] + np.einsum("tjab,jb->tja", turn[:, index], [centre for _, centre, _ in CONTACTS])
    bottom = centres[:, :, 1] - np.array([radius for _, _, radius in CONTACTS])
    load = np.exp(-(bottom - bottom.min(axis=1, keepdims=True)) / CONTACT_SOFTNESS_M)
    load /= load.sum(axis=1, keepdims=True)
    height = gaussian_filter1d(-(load * bottom).sum(axis=1), HEIGHT_SMOOTHING_S * rate_hz, mode="nearest")
    velocity = -(load[:, :, None] * np.gradient(centres[:, :, ::2], 1 / rate_hz, axis=0)).sum(axis=1)
    velocity = gaussian_filter1d(velocity, SPEED_SMOOTHING_S * rate_hz, axis=0, mode="nearest")
    across = np.cumsum(velocity, axis=0) / rate_hz
    pelvis = np.stack([across[:, 0], height + lift, across[:, 1]], axis=1)
    return np.asarray(pelvis - joints[0])


def in_turned_world(
    poses: Float[np.ndarray, "frames 24 3"],
    trans: Float[np.ndarray, "frames 3"],
    pelvis: Float[np.ndarray, " 3"],
    turn: Float[np.ndarray, "3 3"],
) -> tuple[Float[np.ndarray, "frames 24 3"], Float[np.ndarray, "frames 3"]]:
    """The same motion seen from a world turned by `turn`. The root turns about `pelvis`, its rest-pose place, so that
    `trans` changes by more than a rotation."""
    turned = poses.copy()
    turned[:, 0] = (Rotation.from_matrix(turn) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    return turned, (trans + pelvis) @ turn.T - pelvis
