"""From a recording to the windows that a model takes, or an error that says why the recording does not fit it.

The windows are those of `windows_of`, which `prepare` calls too: what happens to a recording is written once.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from vimu.contracts import STANDARD_GRAVITY, ImuRecording, Rejection
from vimu.imu.frames import ChannelMissingError, of_sensors
from vimu.imu.mounting import remounted
from vimu.recordings.conformance import ROTATION_TOLERANCE
from vimu.recordings.scale import check_scale
from vimu.resampling import SAME_RATE, resampled_length
from vimu.runtime.errors import UserError, listed
from vimu.serving.preprocessing import Preprocessing
from vimu.windows.windowing import windows_of

Mounting = Mapping[str, Float[np.ndarray, "3 3"]]
"""Sensor -> turn from its own axes to its segment's (`vimu.imu.mounting.mounting_turn`)."""
MIN_GRAVITY_CHECK_S = 4.0
"""Nobody gains 0.7 g for so long: 27 m/s."""


def fitted_windows(
    recording: ImuRecording, preprocessing: Preprocessing, turns: Float[np.ndarray, "sensors 3 3"] | None
) -> tuple[Float[np.ndarray, "windows length channels"], Int[np.ndarray, " windows"]]:
    """All whole windows of a recording that `check_fits` passed, and the frame (at the model's rate) each starts at."""
    worn = of_sensors(recording, preprocessing.sensors)
    try:
        return windows_of(
            worn if turns is None else remounted(worn, turns), preprocessing.windows, preprocessing.sensors
        )
    except ChannelMissingError as error:
        raise UserError(f"`recording` must fit the model, but {error}.") from error


def check_fits(recording: ImuRecording, preprocessing: Preprocessing) -> None:
    """Refuse a recording that the model was not made for.

    Raises:
        UserError: it lacks a sensor, its rate is below the model's, it is shorter than a window, a value is not finite,
            an orientation is no rotation, or acceleration is not in m/s^2 with or without gravity as it says.
    """
    if not isinstance(recording, ImuRecording):
        raise UserError(f"`recording` must be an ImuRecording, but is {type(recording).__name__}.")
    lacking = [s for s in preprocessing.sensors if s not in recording.sensors]
    if lacking:
        raise UserError(
            f"`recording.sensors` must have {', '.join(preprocessing.sensors)}, but {listed(lacking)} is missing from "
            f"{', '.join(recording.sensors)}."
        )
    wanted = preprocessing.windows.rate_hz
    if not isinstance(recording.rate_hz, int | float):
        raise UserError(f"`recording.rate_hz` must be a number, but is {recording.rate_hz!r}.")
    if not (math.isfinite(recording.rate_hz) and recording.rate_hz >= wanted * (1 - SAME_RATE)):
        raise UserError(
            f"`recording.rate_hz` must be at least the model's {wanted:g} Hz, but is {recording.rate_hz:g} Hz: what "
            "was not sampled cannot be had by interpolation."
        )
    length_frames = preprocessing.windows.length_frames
    if resampled_length(recording.n_frames, recording.rate_hz, wanted) < length_frames:
        raise UserError(
            f"`recording` must be at least a window of {length_frames / wanted:g} s long, but is "
            f"{recording.duration_s:.2f} s."
        )
    worn = of_sensors(recording, preprocessing.sensors)
    for name, array in (("acc", worn.acc), ("gyr", worn.gyr), ("ori", worn.ori)):
        if array is not None and array.dtype.kind not in "iuf":
            raise UserError(f"`recording.{name}` must be real numbers, but is {array.dtype}.")
        for s, sensor in enumerate(preprocessing.sensors):
            if array is None or (name != "acc" and np.isnan(array[:, s]).all()):
                continue  # a sensor that lacks a channel: the feature set says whether it is needed
            _check_values(name, sensor, array[:, s])
    check_gravity(worn)


def as_numbers(what: str, values: object) -> np.ndarray[Any, Any]:
    """An array of real numbers.

    Raises:
        UserError: text, complex numbers, ragged lists, masked arrays: what NumPy would drop or fail at.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "iuf" or isinstance(values, np.ma.MaskedArray):
        kind = type(values).__name__ if array.dtype.kind == "O" else str(array.dtype)
        raise UserError(f"{what} must be real numbers, but is {kind}.")
    return array


def is_finite(values: np.ndarray[Any, Any]) -> bool:
    """Whether all are, as the float32 that windows hold."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(values.astype(np.float32)).all())


def _check_values(name: str, sensor: str, values: Float[np.ndarray, "frames *axes"]) -> None:
    if not is_finite(values):
        with np.errstate(over="ignore"):
            finite = np.isfinite(values.astype(np.float32)).reshape(len(values), -1).all(axis=1)
        frame = int(np.flatnonzero(~finite)[0])
        raise UserError(f"`{name}` of {sensor} must be finite, but is not in frame {frame}.")
    if name == "ori" and not is_rotation(values):
        raise UserError(f"`ori` of {sensor} must be rotations (sensor to world), but is not.")


def is_rotation(matrices: Float[np.ndarray, "*batch 3 3"]) -> bool:
    """True where all are rotations, to the decimals that files keep."""
    off = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max(initial=0.0)
    return bool(off <= ROTATION_TOLERANCE and (np.linalg.det(matrices) > 0).all())


def check_gravity(recording: ImuRecording) -> None:
    """Refuse acceleration that is in another unit, or holds gravity where it says otherwise.

    Without gravity, a unit that is too large by a factor looks like a calm person, and is not found.
    """
    for s, sensor in enumerate(recording.sensors):
        acc = recording.acc[:, s].astype(np.float64)
        if recording.gravity == "included":
            try:
                check_scale("recording", f"`acc` of {sensor}", acc)
            except Rejection as rejection:
                raise UserError(f"`recording.acc` must be in m/s^2, but {rejection.detail}") from rejection
        elif recording.frame == "world" and recording.duration_s >= MIN_GRAVITY_CHECK_S:
            mean_g = float(np.linalg.norm(acc.mean(axis=0))) / STANDARD_GRAVITY
            if mean_g > 0.7:
                raise UserError(
                    f"`recording.acc` must be without gravity, as `gravity` says, but the mean of {sensor} is "
                    f"{mean_g:.2f} g."
                )


def turns_for(preprocessing: Preprocessing, mounting: Mounting | None) -> Float[np.ndarray, "sensors 3 3"] | None:
    """The turns that a model needs, in the order of its sensors; None where it takes sensors as they are worn.

    Raises:
        UserError: they are missing, or given to a model that was trained on sensors as worn.
    """
    if preprocessing.mounting == "as_worn":
        if mounting is not None:
            raise UserError("`mounting` must not be given: the model was trained on sensors as they are worn.")
        return None
    if not isinstance(mounting, Mapping) or set(mounting) != set(preprocessing.sensors):
        raise UserError(
            f"`mounting` must give the turn of {', '.join(preprocessing.sensors)} into their segments' axes, as the "
            f"model was trained with `prepare.mounting: estimated`, but gives "
            + (listed(mounting) if isinstance(mounting, Mapping) else type(mounting).__name__)
            + "."
        )
    turns = [as_numbers(f"`mounting` of {s}", mounting[s]).astype(np.float64) for s in preprocessing.sensors]
    if any(turn.shape != (3, 3) or not is_rotation(turn) for turn in turns):
        raise UserError("`mounting` must hold rotation matrices (3, 3), but does not.")
    return np.array(turns)
