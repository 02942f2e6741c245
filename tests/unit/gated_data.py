"""AMASS, SMPL and DIP-IMU as people have them after unpacking: real names, layouts and formats; GENERATED contents."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vimu.demo.pickles import write_python2_pickle

TAKES = (
    "ACCAD/Female1Walking_c3d/B3 - walk1_poses", "ACCAD/Male2Running_c3d/C1 - stand to run_poses",
    "KIT/KIT/3/walking_slow01_poses", "KIT/KIT/3/jump_forward02_poses", "KIT/KIT/4/wave_right01_poses",
    "BioMotionLab_NTroje/rub001/0005_jumping_poses",
)  # fmt: skip
"""Both nestings, blanks in names, an older folder name."""
BODIES = {"female": "basicmodel_f_lbs_10_207_0_v1.1.0.pkl", "male": "basicmodel_m_lbs_10_207_0_v1.1.0.pkl"}
PEOPLE = tuple(f"s_{n:02d}" for n in range(1, 11))


def write_amass_layout(folder: Path, takes: Sequence[str] = TAKES) -> Path:
    """A second of rest pose a take, at rates that AMASS has; each person also a `shape.npz`."""
    for i, take in enumerate(takes):
        path = folder / f"{take}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        gender = "female" if "Female" in take else "male"
        np.savez(path.with_name("shape.npz"), betas=np.zeros(16), gender=gender)
        np.savez(
            path, poses=np.zeros((100, 156)), trans=np.zeros((100, 3)), betas=np.zeros(16), dmpls=np.zeros((100, 8)),
            gender=np.array(gender if i % 2 else gender.encode()), mocap_framerate=np.array((120.0, 100.0)[i % 2]),
        )  # fmt: skip
    return folder


def write_bodies(folder: Path, body: Path, genders: Sequence[str] = ("female", "male")) -> Path:
    """The model file `body` under the published name of each gender."""
    models = folder / "SMPL_python_v.1.1.0" / "smpl" / "models"
    models.mkdir(parents=True)
    for gender in genders:
        shutil.copy(body, models / BODIES[gender])
    return folder


def write_dip_layout(folder: Path, people: Sequence[str] = PEOPLE) -> Path:
    """Six recordings a person, 2.5 s of sensors at rest with noise; the first of each person lacks 3 frames of one."""
    rng = np.random.default_rng(0)
    for person in people:
        place = folder / person
        place.mkdir(parents=True)
        for name in ("01_a", "01_b", "02", "03", "04", "05"):
            acc = rng.normal(0, 0.1, (150, 17, 3))
            ori = np.tile(np.eye(3), (150, 17, 1, 1))
            if name == "01_a":
                acc[60:63, 7] = ori[60:63, 7] = np.nan
            write_python2_pickle(place / f"{name}.pkl", {"imu_acc": acc, "imu_ori": ori, "gt": np.zeros((150, 72))})
    return folder
