"""World or sensor axes, gravity in or out."""

from dataclasses import replace

import numpy as np

from vimu.contracts import STANDARD_GRAVITY, Frame, Gravity, ImuRecording

UP = np.array([0.0, STANDARD_GRAVITY, 0.0])
"""What a resting accelerometer reads in the world frame."""


class ChannelMissingError(Exception):
    """A recording lacks what a conversion or a feature set needs. Never filled with zeros."""


def in_frame(recording: ImuRecording, *, frame: Frame, gravity: Gravity) -> ImuRecording:
    """The recording with its acceleration in `frame` and with gravity as asked.

    Raises:
        ChannelMissingError: the change needs the orientation, which the recording lacks.
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
    if recording.frame == "sensor":
        acc = np.einsum("tsij,tsj->tsi", ori, acc)
    if recording.gravity != gravity:
        acc = acc + UP if gravity == "included" else acc - UP
    if frame == "sensor":
        acc = np.einsum("tsji,tsj->tsi", ori, acc)
    return replace(recording, acc=acc.astype(np.float32), frame=frame, gravity=gravity)
