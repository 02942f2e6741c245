"""From a recording, virtual or real, to its windows: the one way for both sides."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from vimu.contracts import ImuRecording
from vimu.imu.orientation import with_orientation
from vimu.windows.cut import cut
from vimu.windows.features import channel_names, features
from vimu.windows.heading import normalise_heading
from vimu.windows.invariants import invariant_names, invariants
from vimu.windows.settings import WindowSettings


def channels_of(settings: WindowSettings, sensors: Sequence[str]) -> tuple[str, ...]:
    """Names of a frame's channels, in the order in which `windows_of` gives them."""
    channels = channel_names(settings.feature_set, sensors, settings.gyroscopes)
    return (*channels, *invariant_names(channels)) if settings.invariants else channels


def windows_of(
    recording: ImuRecording, settings: WindowSettings, sensors: Sequence[str]
) -> tuple[Float[np.ndarray, "windows length channels"], Int[np.ndarray, " windows"]]:
    """All whole windows of a recording, and the frame at which each starts.

    Raises:
        ChannelMissingError: a sensor or a channel that the feature set needs is not there.
    """
    oriented = with_orientation(recording) if settings.orientation == "vqf" else recording
    frames = features(
        oriented, settings.feature_set, sensors=sensors, rate_hz=settings.rate_hz, gyroscopes=settings.gyroscopes
    )
    x, starts = cut(frames, length_frames=settings.length_frames, hop_frames=settings.hop_frames)
    if settings.invariants:
        names = channel_names(settings.feature_set, sensors, settings.gyroscopes)
        x = np.concatenate([x, invariants(x, names)], axis=2)
    return normalise_heading(x, len(sensors), settings.heading), starts
