"""TransPose's input tensors -> one recording: acceleration in the world, without gravity, and orientation.

`acc.pt (T,S,3)` and `ori.pt (T,S,3,3)`, torch zip files. No gyroscope; no times: samples are even.

Source: Yi, Zhou, Xu, TransPose, ACM TOG 40(4), 2021; github.com/Xinyu-Yi/TransPose.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.worn import SensorRows, Worn, sensor_file, together
from vimu.runtime.safe_load import load_torch_array


def read(folder: Path, worn: Worn) -> ImuRecording:
    """The two files of `folder`. See `vimu.recordings.reference.read_reference`."""
    n_sensors = len(worn.placements)
    arrays = {}
    for name, shape in (("acc", (n_sensors, 3)), ("ori", (n_sensors, 3, 3))):
        path = sensor_file(folder, f"{name}.pt", "all sensors")
        array = load_torch_array(path)
        if array.shape[1:] != shape or array.dtype.kind != "f":
            detail = f"must be of shape (frames, {', '.join(map(str, shape))}), but is {array.dtype} {array.shape}"
            raise Rejection(str(path), Reason.BAD_SHAPE, detail)
        arrays[name] = array.astype(np.float64)
    acc, ori = arrays["acc"], arrays["ori"]
    if len(acc) != len(ori):
        raise Rejection(str(folder), Reason.BAD_SHAPE, f"acc.pt has {len(acc)} frames, ori.pt {len(ori)}")
    times = np.arange(len(acc)) / worn.rate_hz
    rows = {name: SensorRows(times, acc[:, int(i)], ori[:, int(i)]) for i, name in worn.placements.items()}
    recording = together(folder, rows, worn, frame="world", gravity="removed")
    n_held = int((np.diff(ori, axis=0) == 0).all(axis=(1, 2, 3)).sum())
    held = (f"held: {n_held} of {len(ori)} frames repeat the one before",) * (n_held > 0)
    return replace(recording, notes=(*recording.notes, *held))
