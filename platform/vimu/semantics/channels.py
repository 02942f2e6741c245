"""The six channels of one sensor that are measured, wherever they are in windows that hold more."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet
from vimu.windows.settings import FeatureSet

FEATURE_SET: FeatureSet = "sensor_acc_gyr"


def sensors_to_measure(channels: Sequence[str]) -> list[str]:
    """Sensors of which windows hold both acceleration and angular velocity, in the order of the windows' own.

    Args:
        channels: `waist.acc.x`, ...; others, as of `windows.invariants`, do not matter.
    """
    sensors = dict.fromkeys(name.split(".")[0] for name in channels)
    return [sensor for sensor in sensors if set(channel_names(FEATURE_SET, (sensor,))) <= set(channels)]


def six_channels(windows: WindowSet, sensor: str) -> Float[np.ndarray, "windows length 6"]:
    """A sensor's acceleration (m/s^2), then its angular velocity (rad/s), as `measure` takes them.

    Args:
        sensor: one of `sensors_to_measure(windows.channels)`.
    """
    wanted = [windows.channels.index(name) for name in channel_names(FEATURE_SET, (sensor,))]
    return np.ascontiguousarray(windows.x[:, :, wanted])
