"""A small archive in AMASS's SMPL+H format, with what such archives trouble a reader with."""

from pathlib import Path

import numpy as np

from vimu.archives.amass import Z_UP_TO_Y_UP
from vimu.contracts import SMPLH_JOINTS
from vimu.demo.motions import perform
from vimu.demo.posture import in_turned_world
from vimu.demo.subjects import Subject, draw_subject

SUBSET = "DemoMocap"

TAKES = {
    "walking": (("walking", "stroll"), 11.0),
    "running": (("running", "jogging"), 7.0),
    "jumping": (("jumping", "jump"), 6.0),
    "stairs": (("stairs", "walk_stairs"), 6.5),
    "sitting_standing": (("sit_down", "stand_up"), 7.0),
    "lying_getting_up": (("lie_down", "get_up_from_floor"), 9.0),
    "bending": (("bend", "pick_up"), 6.0),
    "stretching_arms": (("stretch_arms", "raise_arms"), 6.5),
    "stretching_legs": (("stretch_legs", "leg_stretch"), 6.0),
    "waving": (("wave", "waving"), 5.0),
    "clapping": (("clap", "clapping"), 4.5),
    "desk_work": (("desk_work", "typing"), 7.0),
}
"""Category -> names that its takes go by, in turn, and their mean duration, s. Uneven, as AMASS is."""

RATES_HZ = {120.0: 0.2, 120.00004577636719: 0.15, 100.0: 0.2, 60.0: 0.2, 59.94: 0.2, 250.0: 0.05}
"""Rates that AMASS's takes have -> share of takes."""


def write_amass(folder: Path, n_subjects: int = 8, takes_per_category: int = 3, seed: int = 0) -> None:
    """Write `folder/DemoMocap/subject_NN/NAME_NN_poses.npz`, world +Z up, as AMASS has it.

    Each subject also has a `shape.npz`, which is no motion, and a boxing take, which the label rules remove. The first
    two subjects have one damaged file each: one cut short, one with NaN.
    """
    for number in range(1, n_subjects + 1):
        rng = np.random.default_rng([seed, 2, number])
        subject = draw_subject(f"subject_{number:02d}", "archive", rng, body_seed=seed)
        place = folder / SUBSET / subject.name
        place.mkdir(parents=True, exist_ok=True)
        np.savez(place / "shape.npz", betas=subject.betas, gender=np.array(subject.gender))
        for motion, (names, mean_s) in TAKES.items():
            for k in range(takes_per_category):
                path = place / f"{names[k % len(names)]}_{k + 1:02d}_poses.npz"
                _write_take(path, motion, subject, rng, mean_s * rng.uniform(0.7, 1.3))
        _write_take(place / "boxing_01_poses.npz", "boxing", subject, rng, 5.0)
        if number == 1:
            damaged = _write_take(place / "walking_98_poses.npz", "walking", subject, rng, 5.0)
            damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size * 3 // 5])
        if number == 2:
            _write_take(place / "jumping_99_poses.npz", "jumping", subject, rng, 5.0, with_nan=True)


def _write_take(
    path: Path, motion: str, subject: Subject, rng: np.random.Generator, duration_s: float, *, with_nan: bool = False
) -> Path:
    rate_hz = float(rng.choice(list(RATES_HZ), p=list(RATES_HZ.values())))
    poses, trans = perform(motion, subject, rng, duration_s, rate_hz)
    poses, trans = in_turned_world(poses, trans, subject.joints[0], Z_UP_TO_Y_UP.T)
    smplh = np.zeros((len(poses), 52, 3))
    smplh[:, :22] = poses[:, :22]
    smplh[:, 22:] = rng.normal(0, 0.15, (30, 3))  # the archive has no finger capture: a constant hand
    smplh[:, [SMPLH_JOINTS.index(f"{side}_index1") for side in ("left", "right")]] = poses[:, 22:]
    if with_nan:
        smplh[len(poses) // 2, 5] = np.nan
    np.savez(
        path,
        trans=trans,
        gender=np.array(subject.gender if rng.random() < 0.6 else subject.gender.encode()),
        mocap_framerate=np.array(rate_hz),
        betas=subject.betas,
        dmpls=rng.normal(0, 0.1, (1, 8)) * np.ones((len(poses), 1)),
        poses=smplh.reshape(len(poses), 156),
    )
    return path
