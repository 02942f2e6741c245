"""Do acceleration, orientation and our angular velocity of it fit together, as they do on a rigid body?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, ImuRecording
from vimu.imu.frames import in_frame
from vimu.imu.kinematics import angular_velocity

JOINT_BAND_HZ = 10.0
"""Both sides of the joint's equation are filtered here: angular acceleration is a second difference of orientation."""


@dataclass(frozen=True)
class Reintegration:
    """How much of a rotation is lost on the way through our gyroscope and back."""

    rate_rms_deg_s: float
    """Of the angular velocity itself."""
    residual_rms_deg_s: float
    """Of the turn from frame to frame that the gyroscope gives, less the one that happened."""
    drift_deg: float
    """Between the last orientation and the one that the summed gyroscope reaches."""


def reintegrated(ori: Float[np.ndarray, "frames 3 3"], *, rate_hz: float) -> Reintegration:
    """Our angular velocity, summed up again by the trapezoidal rule, against the orientations it was taken from.

    Args:
        ori: sensor to world, four frames or more.
    """
    exact = ori.astype(np.float64)
    gyr = angular_velocity(exact[:, None], rate_hz=rate_hz)[:, 0]  # of frames 1 to the last but one
    turns = Rotation.from_rotvec((gyr[:-1] + gyr[1:]) / (2 * rate_hz))
    true = Rotation.from_matrix(exact[1:-2]).inv() * Rotation.from_matrix(exact[2:-1])
    reached = Rotation.from_matrix(exact[1])
    for turn in turns:
        reached = reached * turn
    off = (turns.inv() * true).magnitude() * rate_hz
    return Reintegration(
        rate_rms_deg_s=float(np.degrees(np.sqrt((gyr**2).sum(axis=1).mean()))),
        residual_rms_deg_s=float(np.degrees(np.sqrt((off**2).mean()))),
        drift_deg=float(np.degrees((reached.inv() * Rotation.from_matrix(exact[-2])).magnitude())),
    )


@dataclass(frozen=True)
class GravityCheck:
    """What is left of gravity, or how well it points up, for one sensor."""

    mean_up_m_s2: float
    """Mean vertical acceleration; with gravity 9.81 where the person ends as still as they began, without it 0."""
    mean_level_m_s2: float
    """Length of the mean horizontal acceleration: 0 where orientation is right."""
    tilt_deg: float
    """The error of inclination that would explain `mean_level_m_s2`."""
    still_noise_m_s2: float
    """Standard deviation of acceleration in the quietest second, root mean square over axes."""
    still_tilt_noise_deg: float
    """Standard deviation of the inclination that orientation gives, in that second."""


def gravity_check(recording: ImuRecording, sensor: int) -> GravityCheck:
    """Mean world acceleration of one sensor over the whole recording, and its noise in the quietest second.

    Raises:
        ChannelMissingError: the recording has no orientation.
    """
    world = in_frame(recording, frame="world", gravity=recording.gravity).acc[:, sensor].astype(np.float64)
    assert recording.ori is not None
    mean = world.mean(axis=0)
    level = float(np.hypot(mean[0], mean[2]))
    length = round(recording.rate_hz)
    starts = range(0, len(world) - length + 1, max(1, length // 4))
    quietest = min(starts, key=lambda i: float(world[i : i + length].std(axis=0).max()))
    still = slice(quietest, quietest + length)
    up = recording.ori[still, sensor, 1].astype(np.float64)  # the world's up in sensor axes: row 1 of sensor to world
    mean_up = up.mean(axis=0) / np.linalg.norm(up.mean(axis=0))
    lean = np.arcsin(np.clip(np.linalg.norm(np.cross(up, mean_up), axis=1), 0, 1))
    return GravityCheck(
        mean_up_m_s2=float(mean[1]),
        mean_level_m_s2=level,
        tilt_deg=float(np.degrees(np.arctan2(level, STANDARD_GRAVITY))),
        still_noise_m_s2=float(np.sqrt((world[still].std(axis=0) ** 2).mean())),
        still_tilt_noise_deg=float(np.degrees(np.sqrt((lean**2).mean()))),
    )


@dataclass(frozen=True)
class JointFit:
    """One joint's acceleration, as the two sensors beside it say."""

    difference_m_s2: float
    """Root mean square of one sensor's acceleration less the other's."""
    residual_m_s2: float
    """What is left of it when both are carried to the joint."""
    explained: float
    """Share of the difference's power that the lever arms explain."""
    arms_m: tuple[float, float]
    """From either sensor to the joint."""
    heading_deg: float
    """Turn of the second sensor's world about the vertical against the first's: magnetometers disagree."""


def joint_fit(recording: ImuRecording, first: str, second: str) -> JointFit:
    """Fit the joint between two sensors: a1 + K1 r1 = a2 + K2 r2, with K = [alpha] + [omega]^2 of each segment.

    Accelerometers measured the left of each side; angular velocity and acceleration are ours, from orientation alone.
    So what is explained is what `angular_velocity` and the lever-arm terms of a virtual accelerometer get right on real
    sensors. Lever arms are constant in each sensor's axes; a heading offset between the sensors is fitted too.

    Raises:
        ChannelMissingError: the recording has no orientation.

    Source: Seel, Raisch, Schauer, IMU-based joint angle measurement for gait analysis, Sensors 14(4), 2014.
    """
    world = in_frame(recording, frame="world", gravity="removed").acc.astype(np.float64)
    assert recording.ori is not None
    ori = recording.ori.astype(np.float64)
    low_pass = butter(4, JOINT_BAND_HZ, fs=recording.rate_hz, output="sos")
    acc, arm = [], []
    for name in (first, second):
        s = recording.sensors.index(name)
        acc.append(sosfiltfilt(low_pass, world[2:-2, s], axis=0))
        arm.append(sosfiltfilt(low_pass, _lever(ori[:, s], recording.rate_hz), axis=0))

    def solved(heading: float) -> tuple[Float[np.ndarray, " 6"], float, float]:
        turn = Rotation.from_rotvec([0, heading, 0]).as_matrix()
        difference = (acc[1] @ turn.T - acc[0]).reshape(-1)
        levers = np.concatenate([arm[0], -turn @ arm[1]], axis=2).reshape(-1, 6)
        arms = np.linalg.lstsq(levers, difference, rcond=None)[0]
        left = difference - levers @ arms
        return arms, float(np.sqrt((left**2).mean() * 3)), float(np.sqrt((difference**2).mean() * 3))

    best = minimize_scalar(lambda h: solved(h)[1], bounds=(-np.pi / 2, np.pi / 2), method="bounded")
    arms, residual, difference = solved(float(best.x))
    return JointFit(
        difference_m_s2=difference,
        residual_m_s2=residual,
        explained=1 - (residual / difference) ** 2,
        arms_m=(float(np.linalg.norm(arms[:3])), float(np.linalg.norm(arms[3:]))),
        heading_deg=float(np.degrees(best.x)),
    )


def _lever(ori: Float[np.ndarray, "frames 3 3"], rate_hz: float) -> Float[np.ndarray, "frames-4 3 3"]:
    """R ([alpha] + [omega]^2): turns a lever arm in sensor axes into the world acceleration that it adds, m/s^2 a m."""
    omega = angular_velocity(ori[:, None], rate_hz=rate_hz)[:, 0]
    alpha = (omega[2:] - omega[:-2]) * (rate_hz / 2)
    spin = _cross_matrix(omega[1:-1])
    return np.asarray(ori[2:-2] @ (_cross_matrix(alpha) + spin @ spin))


def _cross_matrix(v: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3 3"]:
    return np.asarray(np.cross(v[:, None, :], np.eye(3)[None]).swapaxes(-1, -2))
