"""Holds what a reader gives to the contract of `vimu.recordings.readers`: that of an installed reader in every run."""

from pathlib import Path

import numpy as np

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.config import RecordingConfig
from vimu.recordings.readers import RecordingReader
from vimu.runtime.damage import assert_only_rejections

ROTATION_TOLERANCE = 0.02
"""Of R R^T from the identity, any entry: orientations kept with two decimals still pass."""


def check_recording(
    recording: object, config: RecordingConfig, path: str, *, sensors: tuple[str, ...], rate_hz: float
) -> ImuRecording:
    """`recording`, if it is as the contract has it. Shapes are seen to by `ImuRecording` itself.

    Args:
        path: names the file in a rejection.

    Raises:
        TypeError: the reader gives something else than it was asked for, whatever the file.
        Rejection: `non_finite`, `not_a_rotation`, `too_short`.
    """
    if not isinstance(recording, ImuRecording):
        raise TypeError(f"reader `{config.reader}` must give an ImuRecording, but gives {type(recording).__name__}")
    if (recording.sensors, recording.rate_hz) != (sensors, rate_hz):
        raise TypeError(
            f"reader `{config.reader}` must give {sensors} at {rate_hz} Hz, "
            f"but gives {recording.sensors} at {recording.rate_hz} Hz"
        )
    if recording.n_frames == 0:
        raise Rejection(path, Reason.TOO_SHORT, "no frame is left")
    for name, array in (("acc", recording.acc), ("gyr", recording.gyr), ("ori", recording.ori)):
        if array is None:
            continue
        if array.dtype != np.float32:
            raise TypeError(f"reader `{config.reader}` must give `{name}` as float32, but gives {array.dtype}")
        for s, sensor in enumerate(sensors):
            column = array[:, s]
            if np.isnan(column).all():
                continue
            if not np.isfinite(column).all():
                raise Rejection(path, Reason.NON_FINITE, f"`{name}` of {sensor} holds NaN or infinity")
            if name == "ori":
                off = float(np.abs(column @ np.swapaxes(column, -1, -2) - np.eye(3)).max())
                if off > ROTATION_TOLERANCE or (np.linalg.det(column) < 0).any():
                    raise Rejection(path, Reason.NOT_A_ROTATION, f"`ori` of {sensor}: R R^T is off 1 by {off:.2g}")
    return recording


def check_reader(read: RecordingReader, file: Path, config: RecordingConfig, *, rate_hz: float = 50.0) -> ImuRecording:
    """Hold a reader to its contract on a good file and on damaged copies of it: for the tests of the reader's author.

    Args:
        file: a small trial that the reader can read; it is read some 30 times.

    Returns:
        What the reader makes of it, for further checks.

    Raises:
        AssertionError, TypeError, Rejection: what the reader does wrong.
    """

    def read_checked(path: Path, sensors: tuple[str, ...]) -> ImuRecording:
        recording = read(path, config, sensors=sensors, rate_hz=rate_hz)
        return check_recording(recording, config, str(path), sensors=sensors, rate_hz=rate_hz)

    recording = read_checked(file, config.placements)
    again = read_checked(file, config.placements)
    assert np.array_equal(recording.acc, again.acc, equal_nan=True), "`acc` must be the same each time the file is read"
    read_checked(file, config.placements[-1:])
    assert_only_rejections(lambda path: read_checked(path, config.placements), file)
    return recording
