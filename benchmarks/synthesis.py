"""Synthesis against what the field does: `python -m benchmarks.synthesis --json FILE`.

Measured in one run, one thread, on generated AMASS files (120 Hz, SMPL+H, stored members): frames a CPU second of the
full smplx mesh, of the body at three sensors, and of the whole way from a file to float32 signals.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch are imported

import numpy as np
import smplx
import torch

from vimu.archives.config import load_archive
from vimu.clips.synthesis import Synthesizer
from vimu.demo.body import write_body
from vimu.imu.virtual import virtual_imu

SENSORS = ("left_wrist", "right_thigh", "head")
N_FILES, N_FRAMES, MESH_FRAMES, BATCH = 8, 2000, 256, 64


def frames_per_cpu_s(work: Callable[[], int], repeats: int = 3) -> float:
    """Best of some repeats: the noise of a shared machine only ever slows."""
    best = 0.0
    for _ in range(repeats):
        start = time.process_time()
        frames = work()
        best = max(best, frames / (time.process_time() - start))
    return best


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    target = parser.parse_args().json
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name))
    for key, value in figures["frames_per_cpu_s"].items():
        print(f"{key:24} {value:12,.0f} frames / CPU s")
    for key, value in figures["ratios"].items():
        print(f"{key:36} {value:8.1f}")
    if target is not None:
        target.write_text(json.dumps(figures, indent=1))


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """The figures, on files written below `folder`."""
    body_file = write_body(folder)
    files = [_write_take(folder / f"{i}_poses.npz", seed=i) for i in range(N_FILES)]
    archive = load_archive("amass")
    synthesizer = Synthesizer(archive, SENSORS, body_file)
    motions = [synthesizer.read(path) for path in files]
    mesh = smplx.SMPL(str(body_file), batch_size=BATCH)
    poses = torch.from_numpy(motions[0].poses[:MESH_FRAMES].reshape(-1, 72)).float()

    def full_mesh() -> int:
        with torch.inference_mode():
            for start in range(0, MESH_FRAMES, BATCH):
                part = poses[start : start + BATCH]
                mesh(global_orient=part[:, :3], body_pose=part[:, 3:])
        return MESH_FRAMES

    def sparse() -> int:
        return sum(len(synthesizer.trajectory(motion).position) for motion in motions)

    def whole() -> int:
        for path in files:
            virtual_imu(synthesizer.trajectory(synthesizer.read(path)), rate_hz=60)
        return N_FILES * N_FRAMES

    speed = {
        "smplx_full_mesh": frames_per_cpu_s(full_mesh),
        "body_at_3_sensors": frames_per_cpu_s(sparse),
        "file_to_signals": frames_per_cpu_s(whole),
    }
    ratios = {"body_over_smplx_full": speed["body_at_3_sensors"] / speed["smplx_full_mesh"]}
    return {"frames_per_cpu_s": speed, "ratios": ratios}


def _write_take(path: Path, seed: int) -> Path:
    """A smooth random take of SMPL+H, stored as AMASS's samples are."""
    rng = np.random.default_rng(seed)
    t = np.arange(N_FRAMES)[:, None] / 120
    poses = 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 2, 156) * t + rng.uniform(0, 6, 156))
    np.savez(
        path, poses=poses, trans=np.cumsum(rng.normal(0, 0.002, (N_FRAMES, 3)), axis=0), betas=rng.normal(size=16),
        gender="neutral", mocap_framerate=120.0,
    )  # fmt: skip
    return path


if __name__ == "__main__":
    main()
