"""World, sensor or root axes, gravity in or out, which sensors."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vimu.contracts import STANDARD_GRAVITY, Frame, Gravity, ImuRecording

UP = np.array([0.0, STANDARD_GRAVITY, 0.0])
"""What a resting accelerometer reads in the world frame."""


class ChannelMissingError(Exception):
    """A recording lacks what a conversion or a feature set needs. Never filled with zeros."""


def _axes(
    recording: ImuRecording, frame: Frame, ori: Float[np.ndarray, "frames sensors 3 3"]
) -> Float[np.ndarray, "frames sensors 3 3"]:
    """Axes of `frame` in the world for each sensor, as columns; `frame` is `sensor` or `root`."""
    if frame == "sensor":
        return ori
    roots = [i for i, sensor in enumerate(recording.sensors) if sensor == "pelvis" or sensor.endswith("@pelvis")]
    if not roots:
        raise ChannelMissingError(
            f"frame `root` needs a sensor on the pelvis, but there are only {', '.join(recording.sensors)}"
        )
    return np.broadcast_to(ori[:, roots[:1]], ori.shape)


def in_frame(recording: ImuRecording, *, frame: Frame, gravity: Gravity) -> ImuRecording:
    """The recording with its acceleration in `frame` and with gravity as asked.

    Raises:
        ChannelMissingError: the change needs the orientation, or a sensor on the pelvis, which the recording lacks.
    """
    if (recording.frame, recording.gravity) == (frame, gravity):
        return recording
    if recording.ori is None or np.isnan(recording.ori).any():
        raise ChannelMissingError(
            f"acceleration is in the {recording.frame} frame with gravity {recording.gravity}; "
            f"{frame} frame with gravity {gravity} needs `ori`, which is missing"
        )
    ori = recording.ori.astype(np.float64)
    acc = recording.acc.astype(np.float64)
    if recording.frame != "world":
        acc = np.einsum("tsij,tsj->tsi", _axes(recording, recording.frame, ori), acc)
    if recording.gravity != gravity:
        acc = acc + UP if gravity == "included" else acc - UP
    if frame != "world":
        acc = np.einsum("tsji,tsj->tsi", _axes(recording, frame, ori), acc)
    return replace(recording, acc=acc.astype(np.float32), frame=frame, gravity=gravity)


def of_sensors(recording: ImuRecording, sensors: Sequence[str]) -> ImuRecording:
    """The recording's `sensors` only, in that order; each must be in it."""
    index = [recording.sensors.index(s) for s in sensors]
    return replace(
        recording,
        acc=recording.acc[:, index],
        gyr=None if recording.gyr is None else recording.gyr[:, index],
        ori=None if recording.ori is None else recording.ori[:, index],
        sensors=tuple(sensors),
    )
