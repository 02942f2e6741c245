"""How a sensor is mounted on its segment, as far as its own readings tell; and turning them into the segment's axes.

Which way is up in a segment's axes while a person walks or stands is known (`configs/upright.yaml`), and which way is
up in its own, a sensor measures. That settles two of three angles. The third, about the vertical, no accelerometer
sees; it is chosen by how devices are worn: with their face (z) away from the body, whichever edge is up. So a device
that is put on the other way up is turned back about z, not about some other axis.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from vimu.body.placement import load_placements
from vimu.contracts import ImuRecording
from vimu.imu.frames import ChannelMissingError
from vimu.imu.orientation import with_orientation
from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.yaml import read_yaml

FACE_UP = 0.3
"""Part of the vertical within a device's face below which it lies flat: no edge is up, and it is not turned about z."""


class Upright(Section):
    """Which way is up for a segment whose owner is upright."""

    up: tuple[float, float, float]
    """In the segment's axes; any length."""
    evidence: str
    """Where that comes from."""


def upright_directions(placements: Sequence[str]) -> Float[np.ndarray, "sensors 3"]:
    """Which way is up at each of `placements` while its wearer walks: unit vectors in the segment's axes.

    Raises:
        UserError: an unknown placement, or a faulty `configs/upright.yaml`.
    """
    path = configs_folder() / "upright.yaml"
    known = {name: validate(Upright, entry, where=f"{path}: {name}").up for name, entry in read_yaml(path).items()}
    up = np.array([known.get(p.segment, (0.0, 1.0, 0.0)) for p in load_placements(list(placements))])
    return np.asarray(up / np.linalg.norm(up, axis=1, keepdims=True))


def mean_vertical(recording: ImuRecording) -> Float[np.ndarray, "sensors 3"]:
    """Which way is up in each sensor's own axes, averaged over the recording. A unit vector where it never moves.

    By orientation: the recording's, or else VQF's. The mean of acceleration stands in for sensors without gyroscope
    only, for it leans on a limb that swings: what holds the limb on its arc points along it all the time (28 degrees at
    the wrist of a vigorous walker).

    Raises:
        ChannelMissingError: it has neither orientation nor acceleration in sensor axes with gravity.
    """
    if recording.ori is not None:
        return np.asarray(recording.ori[:, :, 1, :].astype(np.float64).mean(axis=0))
    if (recording.frame, recording.gravity) != ("sensor", "included"):
        raise ChannelMissingError("the vertical needs orientation, or acceleration in the sensor frame with gravity")
    size = np.linalg.norm(recording.acc, axis=-1).mean(axis=0)
    by_acc = recording.acc.astype(np.float64).mean(axis=0) / size[:, None]
    if recording.gyr is None:
        return np.asarray(by_acc)
    filtered = mean_vertical(with_orientation(recording))
    return np.asarray(np.where(np.isnan(filtered), by_acc, filtered))


def mounting_turn(vertical: Float[np.ndarray, "3"], up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The turn from a sensor's axes to its segment's: first about the sensor's face, then by the shortest way.

    Args:
        vertical: which way is up in the sensor's axes, of any length but 0.
        up: which way is up in the segment's axes, a unit vector.
    """
    unit = vertical / np.linalg.norm(vertical)
    about_face = np.eye(3)
    if min(np.hypot(*unit[:2]), np.hypot(*up[:2])) > FACE_UP:
        angle = np.arctan2(up[1], up[0]) - np.arctan2(unit[1], unit[0])
        about_face = Rotation.from_euler("z", angle).as_matrix()
    start = about_face @ unit
    axis = np.cross(start, up)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:  # there already, or exactly opposite: flat on its face instead of on its back
        rest = np.eye(3) if start @ up > 0 else Rotation.from_euler("x", np.pi).as_matrix()
    else:
        rest = Rotation.from_rotvec(axis / sine * np.arctan2(sine, start @ up)).as_matrix()
    return np.asarray(rest @ about_face)


def remounted(recording: ImuRecording, turns: Float[np.ndarray, "sensors 3 3"]) -> ImuRecording:
    """The recording in other sensor axes: v' = M v for what is in them, R' = R M^T for orientations."""
    acc, gyr, ori = recording.acc, recording.gyr, recording.ori
    if recording.frame == "sensor":
        acc = np.einsum("sij,tsj->tsi", turns, acc).astype(np.float32)
    if gyr is not None:
        gyr = np.einsum("sij,tsj->tsi", turns, gyr).astype(np.float32)
    if ori is not None:
        ori = np.einsum("tsij,skj->tsik", ori, turns).astype(np.float32)
    return replace(recording, acc=acc, gyr=gyr, ori=ori)
