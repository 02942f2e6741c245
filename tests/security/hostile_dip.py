"""Recordings in DIP-IMU's format that must not become windows, each by its row of tests/faults.yaml."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hostile_npz import Calls

from vimu.contracts import STANDARD_GRAVITY
from vimu.demo.recordings import write_dip
from vimu.runtime.safe_load import load_pickle

LEFT_THIGH, RIGHT_THIGH, LEFT_WRIST = 9, 10, 7
SWAPPED = [RIGHT_THIGH if i == LEFT_THIGH else LEFT_THIGH if i == RIGHT_THIGH else i for i in range(17)]
Data = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A recording, and what must become of it."""

    row: int
    trial: str
    change: Callable[[Data, Path], object]
    """Gets what a good file holds, to spoil it, and the canary's path; gives what to write."""
    reason: str | None
    """Of the rejection; None: it is cut into windows."""
    says: str = ""
    """Part of its detail; of what is cut, the name of a note."""


def silent(frames: slice) -> Callable[[Data, Path], object]:
    def change(data: Data, _: Path) -> object:
        data["imu_acc"][frames, LEFT_WRIST] = np.nan
        return data

    return change


CASES = [
    Case(33, "03_c", lambda data, canary: data | {"z": Calls(canary)}, "unsafe_pickle", "system"),
    Case(33, "03_d", lambda _, canary: Calls(canary), "unsafe_pickle", "system"),
    Case(45, "03_e", silent(slice(200, 208)), None, "filled"),
    Case(45, "03_f", silent(slice(200, 240)), "gap", "left_wrist is silent for 0.68 s"),
    Case(46, "03_g", lambda data, _: {k: v[:30] for k, v in data.items()}, "too_short", "0.48 s"),
    Case(46, "03_h", lambda data, _: {k: v[:1] for k, v in data.items()}, "too_short", "has 1 frames"),
    Case(48, "03_i", lambda data, _: data | {"imu_ori": data["imu_ori"] * 2}, "not_a_rotation", "representation?"),
    Case(48, "03_j", lambda data, _: data | {"imu_ori": data["imu_ori"] * [1, 1, -1]}, "not_a_rotation", "mirrored"),
    Case(49, "03_k", lambda data, _: data | {"imu_acc": data["imu_acc"] / STANDARD_GRAVITY + [0, 1, 0]},
         "unreadable", "in g, gravity included"),
    Case(50, "03_l", lambda data, _: data | {k: data[k][:, SWAPPED] for k in ("imu_acc", "imu_ori")},
         "implausible", "left_thigh, right_thigh are"),
]  # fmt: skip


def write_recordings(folder: Path, body: Path, canary: Path) -> None:
    """Good recordings of three people, and the cases among the first one's."""
    write_dip(folder, body, n_subjects=3)
    whole = {key: np.array(value) for key, value in load_pickle(folder / "s_01" / "03.pkl").items()}
    assert np.isfinite(whole["imu_acc"]).all()
    for case in CASES:
        data = case.change({key: value.copy() for key, value in whole.items()}, canary)
        (folder / "s_01" / f"{case.trial}.pkl").write_bytes(pickle.dumps(data, protocol=2))
