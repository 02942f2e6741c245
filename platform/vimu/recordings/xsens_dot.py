"""Xsens DOT exports -> one recording: free acceleration in the world, without gravity, and orientation; no gyroscope.

One file a sensor, `NAME_DATE_TIME.csv`: lines of settings, a header, comma-separated rows. `SampleTimeFine` is a clock
of microseconds that synchronised sensors share; it wraps after 2^32.

Source: Xsens DOT User Manual, 4.2.3 to 4.2.5.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.worn import SensorRows, Worn, check_rate, read_columns, sensor_file, together

COLUMNS = (
    "PacketCounter", "SampleTimeFine", "Quat_W", "Quat_X", "Quat_Y", "Quat_Z", "FreeAcc_X", "FreeAcc_Y", "FreeAcc_Z",
)  # fmt: skip
CLOCK_WRAP = 2.0**32
"""us; a step back by more than half of it is the clock wrapping."""
UNIT_TOLERANCE = 0.01
"""Of a quaternion's length from 1."""


def read(folder: Path, worn: Worn) -> ImuRecording:
    """The files of `folder`. See `vimu.recordings.reference.read_reference`."""
    rows = {}
    for name, placement in worn.placements.items():
        path = sensor_file(folder, f"{name}_*.csv", placement)
        preamble, table = read_columns(path, COLUMNS, delimiter=",")
        check_rate(path, preamble, "OutputRate:", worn.rate_hz)
        wxyz = table[:, 2:6]
        length = np.linalg.norm(wxyz, axis=1)
        if not (np.abs(length - 1) < UNIT_TOLERANCE).all():
            raise Rejection(str(path), Reason.NOT_A_ROTATION, "has quaternions that are not of length 1")
        ori = Rotation.from_quat(wxyz, scalar_first=True).as_matrix()
        rows[placement] = SensorRows(_seconds(table[:, 1]), table[:, 6:], ori)
    return together(folder, rows, worn, frame="world", gravity="removed")


def _seconds(ticks: np.ndarray) -> np.ndarray:
    wraps = np.concatenate([[0], np.cumsum(np.diff(ticks) < -CLOCK_WRAP / 2)])
    return np.asarray((ticks + wraps * CLOCK_WRAP) / 1e6)
