"""The virtual IMU: a trajectory in, an `ImuRecording` out."""

from math import ceil, floor, isclose
from typing import Literal

import numpy as np
from jaxtyping import Float

from vimu.contracts import Frame, Gravity, ImuRecording, Trajectory
from vimu.imu.frames import in_frame
from vimu.imu.kinematics import angular_velocity, at_frames, edge_frames, linear_acceleration, moving_mean
from vimu.imu.presets import Preset, load_preset
from vimu.resampling import SAME_RATE, resample_rotations, resample_vectors, resampled_length


def virtual_imu(
    trajectory: Trajectory,
    *,
    rate_hz: float | Literal["preset"] | None = 60.0,
    preset: Preset | str = "dip",
    frame: Frame = "world",
    gravity: Gravity = "removed",
) -> ImuRecording:
    """Acceleration as `preset` takes it, orientation, and the gyroscope that goes with it.

    Rotations are resampled by slerp. Frame k of the result stands at the time of the take's frame k at that rate, less
    the edge frames, which have no neighbours on both sides and are dropped.

    Args:
        rate_hz: of the result; `preset` is the preset's own, None keeps the take's.
        preset: how acceleration is taken: a name in `configs/presets.yaml`, or what `load_preset` gives. Whether betas
            and trans count is settled before, where the trajectory is made (`Synthesizer`).
        frame: axes of `acc`.
        gravity: `included` adds +9.80665 m/s^2 upwards, as a real accelerometer reads at rest.

    Returns:
        float32 arrays; `dip` has two frames less than the (resampled) take. No frame at all where the take is shorter
        than what the preset needs.

    Raises:
        UserError: unknown preset.

    Source: arXiv 2003.01874, section 2.2.
    """
    chosen = preset if isinstance(preset, Preset) else load_preset(preset)
    rate = chosen.rate_hz if rate_hz == "preset" else trajectory.rate_hz if rate_hz is None else float(rate_hz)
    orientation = resample_rotations(trajectory.orientation, trajectory.rate_hz, rate)
    acc, first = _acceleration(trajectory.position, trajectory.rate_hz, rate, chosen)
    gyr = angular_velocity(orientation, rate_hz=rate)  # stands at frames 1 to the last but one
    n_frames = max(min(len(acc), len(orientation) - 1 - first), 0)
    recording = ImuRecording(
        acc=acc[:n_frames].astype(np.float32),
        gyr=gyr[first - 1 : first - 1 + n_frames].astype(np.float32),
        ori=orientation[first : first + n_frames].astype(np.float32),
        rate_hz=rate,
        sensors=trajectory.sensors,
        frame="world",
        gravity="removed",
    )
    return in_frame(recording, frame=frame, gravity=gravity)


def _acceleration(
    position: Float[np.ndarray, "frames sensors 3"], from_hz: float, rate_hz: float, preset: Preset
) -> tuple[Float[np.ndarray, "frames_out sensors 3"], int]:
    """World acceleration at `rate_hz`, m/s^2, and which frame of the take at that rate its first is."""
    at_hz = rate_hz if preset.order == "decimate_first" else preset.difference_hz or from_hz
    filtered = preset.resampling == "band_limited"
    path = resample_vectors(position, from_hz, at_hz) if filtered else _unfiltered(position, from_hz, at_hz, degree=5)
    span = preset.span_frames(at_hz)
    acc, first = linear_acceleration(path, rate_hz=at_hz, span_frames=span), edge_frames(span)
    if not isclose(at_hz, rate_hz, rel_tol=SAME_RATE) and len(acc) > 0:
        # The ends are held only to keep the times of the take; what they reach is dropped right below.
        whole = np.pad(acc, ((first, first), (0, 0), (0, 0)), mode="edge")
        step, last = at_hz / rate_hz, len(whole) - 1 - first
        whole = resample_vectors(whole, at_hz, rate_hz) if filtered else _unfiltered(whole, at_hz, rate_hz, degree=1)
        first = ceil(first / step * (1 - SAME_RATE))
        acc = whole[first : floor(last / step * (1 + SAME_RATE)) + 1]
    acc, lost = moving_mean(acc, preset.mean_s * rate_hz)
    return acc, first + lost


def _unfiltered(
    x: Float[np.ndarray, "frames sensors 3"], from_hz: float, to_hz: float, degree: Literal[1, 5]
) -> Float[np.ndarray, "frames_out sensors 3"]:
    """Every k-th frame where the rates divide, else a spline through the frames; what would alias is left in."""
    step = from_hz / to_hz
    if isclose(step, round(step), rel_tol=SAME_RATE):
        return x[:: round(step)]
    at = np.minimum(np.arange(resampled_length(len(x), from_hz, to_hz)) * step, len(x) - 1)
    return at_frames(x, at, degree)
