"""Synthesis against what the field does: `python -m benchmarks.synthesis --json FILE`.

Measured in one run, one thread, CPU seconds, turn by turn, medians over the rounds:

- the full smplx mesh in its best batch size, the plain NumPy body, the compiled one at 3 and at 17 sensors;
- bare `np.load` of stored files, one-shot inflation of deflated ones, and the whole way from either to float32 signals
  (needed keys, checksum, checks, body, plausibility, 60 Hz, acceleration, orientation, gyroscope);
- a worker's whole task on stored files: the same, statistics, hashes, the Parquet shard on disk and its mark;
- BVH clips to trajectories, against a parser of `float()` a word.

A ratio is one of frames a CPU second, formed round by round. `spread` has the quartiles of all.
"""

import argparse
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch are imported

import numpy as np
import smplx
import torch

from benchmarks.plain_bvh import all_frames_at_once, frame_by_frame
from benchmarks.takes import write_amass_takes, write_bvh_clips
from benchmarks.timing import cpu_seconds, median_and_spread
from vimu.archives.config import load_archive
from vimu.body.kernel import CompiledSmplBody
from vimu.body.models import load_smpl_model
from vimu.body.placement import load_placements
from vimu.body.smpl import SmplBody
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import SmplMotion
from vimu.demo.body import write_body
from vimu.imu.presets import load_preset
from vimu.runtime.config import configs_folder
from vimu.runtime.yaml import read_yaml
from vimu.stages.shards import MARKS
from vimu.stages.synthesize_task import Task, run_task

SENSORS = ("left_wrist", "right_thigh", "head")
BATCHES = (16, 64, 256)
N_FILES, MESH_FRAMES, REPEATS = 48, 256, 7
FILES_A_TASK = 8
"""18 MB of AMASS."""
TO_REACH = {
    "kernel_over_smplx_full": 500.0, "kernel_17_sensors_cost_over_3": 3.0, "whole_over_np_load_stored": 0.8,
    "whole_over_inflate_deflated": 0.75, "bvh_over_python_parser": 20.0,
}  # fmt: skip
"""At least; of the second, at most."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--bvh", type=Path, default=Path("data/bandai"), help="Bandai clips; generated without")
    parser.add_argument("--files", type=int, default=N_FILES, help="generated AMASS takes of each kind")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        speeds, source = measure(Path(name), given.files, given.bvh)
    figures = summary(speeds) | {"bvh_source": source}
    for key, value in figures["frames_per_cpu_s"].items():
        print(f"{key:28} {value:12,.0f} frames / CPU s")
    for key, value in figures["ratios"].items():
        low, high = (figures["spread"][key][f"quartile_{i}"] for i in (1, 3))
        print(f"{key:36} {value:8.2f}  ({low:.2f} to {high:.2f}; to reach {TO_REACH.get(key, '-')})")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


def summary(speed: dict[str, np.ndarray]) -> dict[str, dict]:
    """Medians of the speeds and of their ratios, and the quartiles of both."""
    mesh = max((speed[f"smplx_mesh_batch_{n}"] for n in BATCHES), key=np.median)
    ratios = {
        "kernel_over_smplx_full": speed["kernel_3_sensors"] / mesh,
        "kernel_over_numpy_reference": speed["kernel_3_sensors"] / speed["numpy_3_sensors"],
        "kernel_17_sensors_cost_over_3": speed["kernel_3_sensors"] / speed["kernel_17_sensors"],
        "whole_over_np_load_stored": speed["whole_stored"] / speed["np_load_stored"],
        "task_over_np_load_stored": speed["task_stored"] / speed["np_load_stored"],
        "whole_over_inflate_deflated": speed["whole_deflated"] / speed["inflate_deflated"],
        "bvh_over_python_parser": speed["bvh"] / speed["bvh_plain_frame_by_frame"],
        "bvh_over_python_parser_with_vectorised_kinematics": speed["bvh"] / speed["bvh_plain_all_at_once"],
    }
    spread = {key: median_and_spread(values) for key, values in (speed | ratios).items()}
    return {
        "ratios": {key: spread[key]["median"] for key in ratios},
        "frames_per_cpu_s": {key: spread[key]["median"] for key in speed},
        "spread": spread,
    }


def measure(folder: Path, n_files: int, bvh: Path) -> tuple[dict[str, np.ndarray], str]:
    """Frames a CPU second of every way, one figure a round; and which BVH clips were read."""
    body_file = write_body(folder)
    stored = write_amass_takes(folder / "stored", n_files, deflated=False)
    deflated = write_amass_takes(folder / "deflated", n_files, deflated=True)
    synthesizer = Synthesizer(load_archive("amass"), SENSORS, body_file)
    motions = [synthesizer.read(path, path.parent) for path in stored]
    assert all(isinstance(motion, SmplMotion) for motion in motions)
    model = load_smpl_model(body_file)
    three = load_placements(SENSORS)
    seventeen = load_placements(list(read_yaml(configs_folder() / "placements.yaml"))[:17])
    kernel_3, kernel_17 = CompiledSmplBody(model, three), CompiledSmplBody(model, seventeen)
    numpy_3 = SmplBody(model, three)
    archive = load_archive("bandai")
    found = sorted(bvh.glob(archive.files))[::40] if bvh.is_dir() else []
    clips = found or write_bvh_clips(folder / "bvh", archive, 16)
    skeletons = Synthesizer(archive, SENSORS, None)

    def whole(path: Path) -> object:
        return synthesizer.recording(synthesizer.read(path, path.parent))

    ways: dict[str, tuple[Callable[[], object], int]] = {}
    frames = sum(len(motion.poses) for motion in motions)
    for batch in BATCHES:
        ways[f"smplx_mesh_batch_{batch}"] = (_full_mesh(body_file, motions[0], batch), MESH_FRAMES)
    ways |= {
        "numpy_3_sensors": (_each(numpy_3.trajectory, motions[:4]), sum(len(m.poses) for m in motions[:4])),
        "kernel_3_sensors": (_each(kernel_3.trajectory, motions), frames),
        "kernel_17_sensors": (_each(kernel_17.trajectory, motions), frames),
        "np_load_stored": (_each(_np_load, stored), frames),
        "whole_stored": (_each(whole, stored), frames),
        "task_stored": (_each(run_task, _tasks(stored, body_file, folder / "shards")), frames),
        "inflate_deflated": (_each(_inflate, deflated), frames),
        "whole_deflated": (_each(whole, deflated), frames),
    }
    n_bvh = sum(map(all_frames_at_once, clips))
    ways |= {
        "bvh": (_each(lambda path: skeletons.trajectory(skeletons.read(path)), clips), n_bvh),
        "bvh_plain_all_at_once": (_each(all_frames_at_once, clips), n_bvh),
        "bvh_plain_frame_by_frame": (_each(frame_by_frame, clips[:4]), sum(map(all_frames_at_once, clips[:4]))),
    }
    seconds = cpu_seconds({name: work for name, (work, _) in ways.items()}, REPEATS)
    return {name: n / seconds[name] for name, (_, n) in ways.items()}, str(bvh) if found else "generated"


def _each(work: Callable, items: Sequence) -> Callable[[], object]:
    def run() -> None:
        for item in items:
            work(item)  # nothing is kept, as a worker keeps nothing

    return run


def _tasks(files: Sequence[Path], body: Path, out: Path) -> list[dict]:
    """What Ray Data hands to a worker, for `FILES_A_TASK` files each."""
    for name in ("clips", MARKS):
        (out / name).mkdir(parents=True)
    root, archive, parts = files[0].parent, load_archive("amass").model_dump_json(), range(0, len(files), FILES_A_TASK)
    names = [tuple(path.name for path in files[i : i + FILES_A_TASK]) for i in parts]
    tasks = [
        Task(f"{i}", archive, str(root), str(body), part, (("walking", "rule", "words"),) * len(part), part)
        for i, part in enumerate(names)
    ]
    common = {
        "staging": str(out), "placements": json.dumps([p.model_dump(mode="json") for p in load_placements(SENSORS)]),
        "placement_error_m": 0.0, "seed": 0, "rate_hz": 60.0,
        "preset": load_preset("dip").model_dump_json(exclude_unset=True),
    }  # fmt: skip
    return [{"shard": task.shard, "task": json.dumps(asdict(task))} | common for task in tasks]


def _full_mesh(body_file: Path, motion: SmplMotion, batch: int) -> Callable[[], object]:
    mesh = smplx.SMPL(str(body_file), batch_size=batch)
    poses = torch.from_numpy(np.ascontiguousarray(motion.poses[:MESH_FRAMES, :24]).reshape(-1, 72)).float()
    poses = torch.cat([poses] * -(-MESH_FRAMES // len(poses)))[:MESH_FRAMES]

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, MESH_FRAMES, batch):
                part = poses[start : start + batch]
                mesh(global_orient=part[:, :3], body_pose=part[:, 3:])

    return run


def _np_load(path: Path) -> None:
    with np.load(path) as data:
        for key in data.files:
            data[key]


def _inflate(path: Path) -> None:
    """The members that synthesis needs, each by one call; no checksum, no header, no array."""
    with zipfile.ZipFile(path) as archive:
        stream = archive.fp
        assert stream is not None
        for key in ("poses", "trans", "betas", "gender", "mocap_framerate"):
            info = archive.getinfo(f"{key}.npy")
            stream.seek(info.header_offset + 26)
            skip = sum(int.from_bytes(stream.read(2), "little") for _ in range(2))
            stream.seek(skip, os.SEEK_CUR)
            zlib.decompress(stream.read(info.compress_size), -zlib.MAX_WBITS, info.file_size)


if __name__ == "__main__":
    main()
