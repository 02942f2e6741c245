"""Recordings in DIP-IMU's format: other people than the archive's, and sensors with the faults of real ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from vimu.body.models import load_smpl_model
from vimu.body.placement import load_placements
from vimu.body.smpl import SmplBody
from vimu.contracts import SmplMotion, Take
from vimu.demo.motions import perform
from vimu.demo.pickles import write_python2_pickle
from vimu.demo.posture import in_turned_world
from vimu.demo.subjects import Subject, draw_subject
from vimu.imu.virtual import virtual_imu

RATE_HZ = 60.0

SENSORS = (
    "head", "chest", "pelvis", "left_shoulder", "right_shoulder", "left_upper_arm", "right_upper_arm", "left_wrist",
    "right_wrist", "left_thigh", "right_thigh", "left_lower_leg", "right_lower_leg", "left_hand", "right_hand",
    "left_foot", "right_foot",
)  # fmt: skip
"""DIP-IMU's 17 sensors in its order."""

CLASSES = {
    "01": ("stretching_arms", 14.0, 2),
    "02": ("stretching_legs", 16.0, 1),
    "03": ("walking", 20.0, 1),
    "04": ("jumping", 9.0, 1),
    "05": ("desk_work", 18.0, 1),
}
"""DIP-IMU's motion class -> motion, a recording's mean duration (s), recordings a subject. Uneven, as DIP-IMU is."""

GAP_SHARE = 0.25
"""Part of the recordings in which a sensor falls silent for a few frames."""


class _Sensors:
    """The faults of one subject's sensors, the same in all of that subject's recordings."""

    def __init__(self, rng: np.random.Generator) -> None:
        n = len(SENSORS)
        axes = rng.normal(size=(n, 3))
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        self.misalignment = Rotation.from_rotvec(axes * np.deg2rad(rng.uniform(5, 15, (n, 1)))).as_matrix()
        heading = np.deg2rad(rng.normal(0, 10, n))
        self.heading = Rotation.from_rotvec(heading[:, None] * [0.0, 1.0, 0.0]).as_matrix()
        self.offset_m = rng.normal(0, 0.03, (n, 3))
        self.bias = rng.normal(0, 0.1, (n, 3))
        self.noise = rng.uniform(0.2, 0.6, (n, 1))


def write_dip(folder: Path, body: Path, seed: int = 0, n_subjects: int = 10) -> None:
    """Write `folder/s_NN/CC.pkl` (`CC_a.pkl`, `CC_b.pkl` where a class has two) for DIP-IMU's five classes.

    A file holds `imu_acc (T,17,3)` m/s^2, world frame, gravity removed; `imu_ori (T,17,3,3)`; `gt (T,72)` axis-angle;
    60 Hz, +Y up. Each sensor sits up to a few cm and 15 degrees off, disagrees about north, and has bias and noise.

    Args:
        body: SMPL model file for the sensors' places.
    """
    sensors_on = SmplBody(load_smpl_model(body), load_placements(SENSORS))
    for number in range(1, n_subjects + 1):
        rng = np.random.default_rng([seed, 3, number])
        subject = draw_subject(f"s_{number:02d}", "recordings", rng, body_seed=seed)
        faults = _Sensors(rng)
        place = folder / subject.name
        place.mkdir(parents=True, exist_ok=True)
        for code, (motion, mean_s, n_takes) in CLASSES.items():
            for take in range(n_takes):
                name = code if n_takes == 1 else f"{code}_{'abc'[take]}"
                recording = _record(motion, subject, sensors_on, faults, rng, mean_s * rng.uniform(0.7, 1.3))
                write_python2_pickle(place / f"{name}.pkl", recording)


def _record(
    motion: str, subject: Subject, body: SmplBody, faults: _Sensors, rng: np.random.Generator, duration_s: float
) -> dict[str, np.ndarray]:
    poses, trans = perform(motion, subject, rng, duration_s, RATE_HZ)
    facing = Rotation.from_rotvec(poses[0, 0]).apply([0.0, 0.0, 1.0])
    # people start from the calibration pose, so they face about the same way; in mocap archives they face anywhere
    front = Rotation.from_euler("Y", -np.arctan2(facing[0], facing[2]) + rng.normal(0, 0.35))
    poses, trans = in_turned_world(poses, trans, subject.joints[0], front.as_matrix())
    take = Take("demo", subject.name, motion, motion)
    trajectory = body.trajectory(SmplMotion(poses, trans, subject.betas, "neutral", RATE_HZ, take))
    lever = np.einsum("tsab,sb->tsa", trajectory.orientation, faults.offset_m)
    truth = virtual_imu(replace(trajectory, position=trajectory.position + lever), rate_hz=RATE_HZ)
    assert truth.ori is not None
    true_ori = truth.ori.astype(np.float64)
    acc = truth.acc + np.einsum("tsab,sb->tsa", true_ori, faults.bias)
    acc = np.einsum("sab,tsb->tsa", faults.heading, acc) + rng.normal(0, faults.noise, acc.shape)
    ori = faults.heading @ true_ori @ faults.misalignment
    if rng.random() < GAP_SHARE:
        sensor, start = rng.integers(len(SENSORS)), rng.integers(10, len(acc) - 20)
        gap = slice(start, start + rng.integers(2, 9))
        acc[gap, sensor] = ori[gap, sensor] = np.nan
    return {"imu_acc": acc, "imu_ori": ori, "gt": poses[1:-1].reshape(len(acc), 72)}
