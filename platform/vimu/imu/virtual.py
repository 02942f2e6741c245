"""The virtual IMU: a trajectory in, an `ImuRecording` out."""

import numpy as np

from vimu.contracts import Frame, Gravity, ImuRecording, Trajectory
from vimu.imu.frames import in_frame
from vimu.imu.kinematics import angular_velocity, linear_acceleration
from vimu.resampling import resample_rotations, resample_vectors
from vimu.runtime.errors import UserError, listed

SPAN_FRAMES = {"dip": 1}
"""Half-width of the second difference by preset. `dip`: the plain formula of DIP and the seed paper."""


def virtual_imu(
    trajectory: Trajectory,
    *,
    rate_hz: float | None = 60.0,
    preset: str = "dip",
    frame: Frame = "world",
    gravity: Gravity = "removed",
) -> ImuRecording:
    """Acceleration by the seed paper's formula, orientation, and the gyroscope that goes with it.

    Positions are resampled band-limited and rotations by slerp before the difference. Edge frames without
    neighbours are dropped.

    Args:
        rate_hz: of the result; None keeps the take's own.
        preset: how acceleration is taken, a key of `SPAN_FRAMES`.
        frame: axes of `acc`.
        gravity: `included` adds +9.80665 m/s^2 upwards, as a real accelerometer reads at rest.

    Returns:
        float32 arrays; `dip` has two frames less than the (resampled) take.

    Raises:
        UserError: unknown preset.

    Source: arXiv 2003.01874, section 2.2.
    """
    if preset not in SPAN_FRAMES:
        raise UserError(f"`preset` must be one of {listed(SPAN_FRAMES)}, but is `{preset}`.")
    span = SPAN_FRAMES[preset]
    rate = float(rate_hz if rate_hz is not None else trajectory.rate_hz)
    position = resample_vectors(trajectory.position, trajectory.rate_hz, rate)
    orientation = resample_rotations(trajectory.orientation, trajectory.rate_hz, rate)
    recording = ImuRecording(
        acc=linear_acceleration(position, rate_hz=rate, span_frames=span).astype(np.float32),
        gyr=angular_velocity(orientation[span - 1 : len(orientation) - span + 1], rate_hz=rate).astype(np.float32),
        ori=orientation[span : len(orientation) - span].astype(np.float32),
        rate_hz=rate,
        sensors=trajectory.sensors,
        frame="world",
        gravity="removed",
    )
    return in_frame(recording, frame=frame, gravity=gravity)
