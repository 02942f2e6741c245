"""Orientation for recordings that have none: acceleration and angular velocity through VQF.

Source: Laidig and Seel, VQF: highly accurate IMU orientation estimation with bias estimation and magnetic disturbance
rejection, Information Fusion 91, 2023, pages 187-204; package `vqf`.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from vqf import offlineVQF

from vimu.contracts import ImuRecording
from vimu.imu.frames import ChannelMissingError

EARTH_TO_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""From VQF's earth, +Z up, to ours, +Y up."""


def with_orientation(recording: ImuRecording) -> ImuRecording:
    """The recording with `ori` from its own acceleration and gyroscope; itself where it has an orientation.

    Without a magnetometer only the inclination is known. Each sensor's heading starts anywhere and drifts with what is
    left of its gyroscope's bias, so headings of two sensors, or of two recordings, are not comparable: see
    `vimu.windows.heading`. The filter is the offline one: it looks ahead as well as back, and needs no time to settle.

    Args:
        recording: sensor frame, gravity included.

    Returns:
        `ori` float32, sensor to world; NaN for a sensor without gyroscope. All else as it was.

    Raises:
        ChannelMissingError: no sensor has a gyroscope, or acceleration is in other axes or without gravity.
    """
    if recording.ori is not None:
        return recording
    if (recording.frame, recording.gravity) != ("sensor", "included"):
        raise ChannelMissingError(
            f"orientation needs acceleration in the sensor frame with gravity included, but it is in the "
            f"{recording.frame} frame with gravity {recording.gravity}"
        )
    if recording.gyr is None:
        raise ChannelMissingError(f"orientation needs `gyr`, which is missing at {', '.join(recording.sensors)}")
    ori = np.full((*recording.acc.shape, 3), np.nan, dtype=np.float32)
    for s in range(len(recording.sensors)):
        gyr, acc = recording.gyr[:, s], recording.acc[:, s]
        if not np.isnan(gyr).all():
            ori[:, s] = filtered(gyr.astype(np.float64), acc.astype(np.float64), rate_hz=recording.rate_hz)
    return replace(recording, ori=ori, notes=(*recording.notes, "orientation: by VQF, heading unknown"))


def filtered(
    gyr: Float[np.ndarray, "frames 3"], acc: Float[np.ndarray, "frames 3"], *, rate_hz: float
) -> Float[np.ndarray, "frames 3 3"]:
    """Sensor to world of one sensor, its heading arbitrary.

    Args:
        gyr: rad/s, in the sensor's axes.
        acc: m/s^2, in the sensor's axes, gravity included.
    """
    if not len(acc):
        return np.empty((0, 3, 3))
    quaternion = offlineVQF(np.ascontiguousarray(gyr), np.ascontiguousarray(acc), None, 1 / rate_hz)["quat6D"]
    return np.asarray(EARTH_TO_WORLD @ Rotation.from_quat(quaternion, scalar_first=True).as_matrix())


def inclination_error(
    estimate: Float[np.ndarray, "*frames 3 3"], truth: Float[np.ndarray, "*frames 3 3"]
) -> Float[np.ndarray, "*frames"]:
    """Angle between the vertical of two orientations as the sensor sees it, rad. Heading plays no part."""
    up, true_up = estimate[..., 1, :].astype(np.float64), truth[..., 1, :].astype(np.float64)
    sine = np.linalg.norm(np.cross(up, true_up), axis=-1)
    return np.asarray(np.arctan2(sine, (up * true_up).sum(axis=-1)))
