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


def sensors_with(signal: Signal, sensors: Sequence[str], gyroscopes: Sequence[str] | None) -> list[str]:
    """Those of `sensors` whose `signal` is taken: all, but of `gyr` those among `gyroscopes`, where that is given."""
    return [s for s in sensors if signal != "gyr" or gyroscopes is None or s in gyroscopes]


def channel_names(
    feature_set: FeatureSet, sensors: Sequence[str], gyroscopes: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Names of a frame's channels in order, sensor by sensor: `left_wrist.acc.x`, ..."""
    signals = FEATURE_SETS[feature_set].signals
    return tuple(
        f"{sensor}.{signal}.{axis}"
        for sensor in sensors
        for signal in signals
        if sensor in sensors_with(signal, sensors, gyroscopes)
        for axis in AXES[signal]
    )


def features(
    recording: ImuRecording,
    feature_set: FeatureSet,
    *,
    sensors: Sequence[str],
    rate_hz: float,
    gyroscopes: Sequence[str] | None = None,
) -> Float[np.ndarray, "frames channels"]:
    """A recording as frames of a feature set, float32, at `rate_hz`.

    Axes are turned at the recording's own rate, then signals resampled: as a device at that rate would have it.

    Args:
        gyroscopes: sensors whose angular velocity is taken, where the feature set holds any; None takes all.

    Raises:
        ChannelMissingError: a sensor or a channel that the set needs is not in the recording. Never zeros.
    """
    wanted = FEATURE_SETS[feature_set]
    missing = [s for s in sensors if s not in recording.sensors]
    if missing:
        raise ChannelMissingError(f"has no sensor {', '.join(missing)}, only {', '.join(recording.sensors)}")
    turned = in_frame(of_sensors(recording, sensors), frame=wanted.frame, gravity=wanted.gravity)
    parts: dict[tuple[str, Signal], Float[np.ndarray, "frames axes"]] = {}
    for signal in wanted.signals:
        values, taken = getattr(turned, signal), sensors_with(signal, sensors, gyroscopes)
        at = [list(sensors).index(s) for s in taken]
        lacking = [s for s, i in zip(taken, at, strict=True) if values is None or np.isnan(values[:, i]).all()]
        if lacking:
            raise ChannelMissingError(f"has no `{signal}` at {', '.join(lacking)}, which `{feature_set}` needs")
        if taken:
            resample = resample_rotations if signal == "ori" else resample_vectors
            resampled = resample(values[:, at], turned.rate_hz, rate_hz)
            parts |= {(s, signal): resampled[:, i].reshape(len(resampled), -1) for i, s in enumerate(taken)}
    ordered = [parts[s, signal] for s in sensors for signal in wanted.signals if (s, signal) in parts]
    return np.ascontiguousarray(np.concatenate(ordered, axis=1), dtype=np.float32)
