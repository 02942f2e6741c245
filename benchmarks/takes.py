"""Generated takes: AMASS files (120 Hz, SMPL+H, constant fingers) and BVH clips on Bandai's rig."""

from pathlib import Path

import numpy as np

from vimu.archives.config import ArchiveConfig

RATE_HZ = 120.0


def write_amass_takes(folder: Path, n_files: int, *, deflated: bool, seed: int = 0) -> list[Path]:
    """Takes of some 1,800 frames, log-normal as AMASS's, with the keys that its files have."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    save = np.savez_compressed if deflated else np.savez
    paths = [folder / f"{i:02d}_poses.npz" for i in range(n_files)]
    for path, n in zip(paths, np.clip(rng.lognormal(np.log(1400), 0.7, n_files), 200, 6000).astype(int), strict=True):
        t = np.arange(n)[:, None] / RATE_HZ
        poses = 0.12 * np.sin(2 * np.pi * rng.uniform(0.2, 2, 156) * t + rng.uniform(0, 6, 156))
        poses[:, 66:] = rng.normal(0, 0.15, 90)  # nobody captured the fingers
        save(
            path, poses=poses, trans=0.1 * np.cumsum(rng.normal(0, 0.002, (n, 3)), axis=0), betas=rng.normal(size=16),
            dmpls=rng.normal(0, 0.1, (n, 8)), gender=np.array("male"), mocap_framerate=np.array(RATE_HZ),
        )  # fmt: skip
    return paths


def write_bvh_clips(folder: Path, config: ArchiveConfig, n_files: int, n_frames: int = 150) -> list[Path]:
    """Clips of `config`'s joints, six channels each and six digits a number, as Bandai's have; no human motion."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = list(dict.fromkeys(n for s in config.segments.values() for n in (s.joint, s.end) if n is not None))
    channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    tree = "".join(f"{'JOINT' if i else 'ROOT'} {name} {{ OFFSET 0 20 0 {channels}\n" for i, name in enumerate(names))
    header = f"HIERARCHY\n{tree}{'} ' * len(names)}\nMOTION\nFrames: {n_frames}\nFrame Time: 0.0333333\n"
    paths = [folder / f"dataset-1_walk_normal_{i:03d}.bvh" for i in range(n_files)]
    for path in paths:
        rows = rng.uniform(-20, 20, (1, 6 * len(names))) + np.cumsum(rng.normal(0, 0.1, (n_frames, 6 * len(names))), 0)
        path.write_text(header + "\n".join(" ".join(f"{x:.6g}" for x in row) for row in rows) + "\n")
    return paths
