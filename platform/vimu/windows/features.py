"""Named feature sets: what one frame of a window holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vimu.contracts import Frame, Gravity, ImuRecording
from vimu.imu.frames import ChannelMissingError, in_frame, of_sensors
from vimu.resampling import resample_rotations, resample_vectors
from vimu.windows.settings import FeatureSet

Signal = Literal["acc", "gyr", "ori"]
AXES: dict[Signal, tuple[str, ...]] = {
    "acc": ("x", "y", "z"),
    "gyr": ("x", "y", "z"),
    "ori": ("xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz"),
}


@dataclass(frozen=True)
class Features:
    """What a feature set takes from a recording."""

    signals: tuple[Signal, ...]
    frame: Frame
    gravity: Gravity


FEATURE_SETS: dict[FeatureSet, Features] = {
    "world_acc_ori": Features(("acc", "ori"), "world", "removed"),
    "sensor_acc_gyr": Features(("acc", "gyr"), "sensor", "included"),
    "sensor_acc": Features(("acc",), "sensor", "included"),
}


def channel_names(feature_set: FeatureSet, sensors: Sequence[str]) -> tuple[str, ...]:
    """Names of a frame's channels in order: `left_wrist.acc.x`, ..."""
    signals = FEATURE_SETS[feature_set].signals
    return tuple(f"{sensor}.{signal}.{axis}" for sensor in sensors for signal in signals for axis in AXES[signal])


def features(
    recording: ImuRecording, feature_set: FeatureSet, *, sensors: Sequence[str], rate_hz: float
) -> Float[np.ndarray, "frames channels"]:
    """A recording as frames of a feature set, float32, at `rate_hz`.

    Axes are turned at the recording's own rate, then signals resampled: as a device at that rate would have it.

    Raises:
        ChannelMissingError: a sensor or a channel that the set needs is not in the recording. Never zeros.
    """
    wanted = FEATURE_SETS[feature_set]
    missing = [s for s in sensors if s not in recording.sensors]
    if missing:
        raise ChannelMissingError(f"has no sensor {', '.join(missing)}, only {', '.join(recording.sensors)}")
    turned = in_frame(of_sensors(recording, sensors), frame=wanted.frame, gravity=wanted.gravity)
    parts = []
    for signal in wanted.signals:
        values = getattr(turned, signal)
        lacking = [s for i, s in enumerate(sensors) if values is None or np.isnan(values[:, i]).all()]
        if lacking:
            raise ChannelMissingError(f"has no `{signal}` at {', '.join(lacking)}, which `{feature_set}` needs")
        resample = resample_rotations if signal == "ori" else resample_vectors
        resampled = resample(values, turned.rate_hz, rate_hz)
        parts.append(resampled.reshape(len(resampled), len(sensors), -1))
    frames = np.concatenate(parts, axis=2)
    return np.ascontiguousarray(frames.reshape(len(frames), -1), dtype=np.float32)
