"""Xsens MTw text exports -> one recording: acceleration in sensor axes with gravity, and orientation; no gyroscope.

One file a sensor, `..._ID.txt`: lines that begin with `//`, a header, tab-separated rows. `PacketCounter` is shared by
all sensors. `Mat[r][c]` is row r, column c of the rotation from sensor to earth; the columns follow each other in the
header column by column, which reading them by name makes irrelevant.
"""

from pathlib import Path

from vimu.contracts import ImuRecording
from vimu.recordings.worn import SensorRows, Worn, check_rate, read_columns, sensor_file, together

ACC = ("Acc_X", "Acc_Y", "Acc_Z")
MAT = tuple(f"Mat[{row}][{column}]" for row in (1, 2, 3) for column in (1, 2, 3))


def read(folder: Path, worn: Worn) -> ImuRecording:
    """The files of `folder`. See `vimu.recordings.reference.read_reference`."""
    rows = {}
    for sensor_id, placement in worn.placements.items():
        path = sensor_file(folder, f"*_{sensor_id}.txt", placement)
        preamble, table = read_columns(path, ("PacketCounter", *ACC, *MAT), delimiter="\t")
        check_rate(path, preamble, "Update Rate:", worn.rate_hz)
        rows[placement] = SensorRows(table[:, 0] / worn.rate_hz, table[:, 1:4], table[:, 4:].reshape(-1, 3, 3))
    return together(folder, rows, worn, frame="sensor", gravity="included")
