"""Pre-training's speed against a bare PyTorch loop: `python -m benchmarks.training --json FILE`.

Measured turn by turn, each way in a process of its own with one thread: a bare loop (shuffle, gather, torch's own noise
and dropout, gradient, clip, step), Ray Train with one worker, Ray Train with two; the same network, penalty and windows
(generated, 60 frames x 36 channels) held in memory, nothing varied. Epochs are short, and a figure is that of the
fastest one of all rounds: others on the machine only make epochs slower. `rounds` has the median epoch of each, and
`cpu_ratios` the same ratios by the CPU time of (the first of) the processes: what two free cores would give at best.

`bare_loop` is as one would write it: the encoder called for the classifier and for the decoder, AdamW as it comes;
`bare_loop_tuned` has vimu's ways, one call for both and a fused AdamW. `ceiling` is the latter's gradient and step
alone, on one batch that stays where it is: what no loop can be faster than. Where there are GPUs the same runs on them,
two workers only where there are two.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from benchmarks.bare_training import bare_loop, bare_loop_tuned, step_alone
from vimu.runtime.session import RaySettings, ray_session
from vimu.runtime.storage import StoredFile, file_sha256
from vimu.training.augment import AugmentSettings
from vimu.training.pretrain import LOG_FILE, pretrain_on_ray
from vimu.training.settings import PretrainSettings
from vimu.windows.schema import window_schema
from vimu.windows.settings import WindowSettings

N_WINDOWS, N_CLASSES = 1024, 12
TO_REACH = {"ray_over_bare_loop": 0.95, "two_workers_over_one": 1.6}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=256, help="over all workers")
    given = parser.parse_args()
    settings = PretrainSettings(
        epochs=given.epochs, patience_epochs=given.epochs, checkpoint_every_epochs=given.epochs,
        batch_size=given.batch_size, augment=AugmentSettings(misalignment_deg=0, scale=0),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name, ray_session(RaySettings(num_cpus=2)):
        seconds = measure(Path(name), settings, given.rounds)
        n_gpus = int(ray.cluster_resources().get("GPU", 0))
    figures = summary(seconds, "gpu" if n_gpus else "cpu", given.batch_size)
    for key, value in figures["windows_per_s"].items():
        print(f"{key:24} {value:12,.0f} windows / s")
    for key, value in figures["ratios"].items():
        by_cpu = figures["cpu_ratios"][key]
        print(f"{key:24} {value:12.3f}  (to reach {TO_REACH.get(key, '-')}; by CPU time {by_cpu:.3f})")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


def measure(folder: Path, settings: PretrainSettings, rounds: int) -> dict[str, list[np.ndarray]]:
    """Way -> (epochs, 2) seconds and CPU seconds, an array a round; first epochs, which warm up, left out."""
    file = write_windows(folder / "windows.parquet")
    seconds: dict[str, list[np.ndarray]] = {}
    n_gpus = int(ray.cluster_resources().get("GPU", 0))
    alone = ray.remote(num_cpus=1, num_gpus=min(n_gpus, 1), max_calls=1)
    for turn in range(rounds):
        for name, loop in (
            ("ceiling", step_alone),
            ("bare_loop", bare_loop),
            ("bare_loop_tuned", bare_loop_tuned),
        ):
            seconds.setdefault(name, []).append(np.array(ray.get(alone(loop).remote(file, settings)))[1:])
        for n, name in ((1, "one_worker"), (2, "two_workers")):
            if n_gpus and n > n_gpus:
                continue
            done = pretrain_on_ray(
                [file], datasets=["benchmark"], classes=class_names(), trained_on="benchmark",
                settings=settings.model_copy(update={"n_workers": n}), storage=folder / f"{name}-{turn}",
                tensorboard=folder / "tensorboard",
            )  # fmt: skip
            log = json.loads((done / LOG_FILE).read_text(encoding="utf-8"))["epochs"]
            seconds.setdefault(name, []).append(np.array([(line["seconds"], line["cpu_seconds"]) for line in log])[1:])
    return seconds


def summary(seconds: dict[str, list[np.ndarray]], device: str, batch_size: int) -> dict[str, Any]:
    """Windows a second of each way's fastest epoch, their ratios, and the bytes of windows that one worker reads."""
    speed, cpu_speed = (
        {name: N_WINDOWS / min(float(s[:, clock].min()) for s in of_round) for name, of_round in seconds.items()}
        for clock in (0, 1)
    )
    return {
        "device": device,
        "batch_size": batch_size,
        "ratios": _ratios(speed),
        "cpu_ratios": _ratios(cpu_speed),
        "windows_per_s": speed,
        "bytes_per_s": speed["one_worker"] * 60 * 36 * 4,
        "rounds": {n: [N_WINDOWS / float(np.median(s[:, 0])) for s in of_round] for n, of_round in seconds.items()},
    }


def _ratios(speed: dict[str, float]) -> dict[str, float]:
    one = speed["one_worker"]
    ratios = {
        f"ray_over_{name}" if name != "ceiling" else "one_worker_over_ceiling": one / speed[name]
        for name in ("bare_loop", "bare_loop_tuned", "ceiling")
    }
    return ratios | ({"two_workers_over_one": speed["two_workers"] / one} if "two_workers" in speed else {})


def class_names() -> list[str]:
    """Of the generated windows."""
    return [f"c{i:02d}" for i in range(N_CLASSES)]


def write_windows(path: Path) -> StoredFile:
    """Generated windows as `prepare` publishes them; 64 more than N_WINDOWS validate."""
    n = N_WINDOWS + 64
    schema = window_schema(WindowSettings(), ["left_wrist", "right_thigh", "head"])
    x = np.random.default_rng(0).normal(size=(n, 60, 36)).astype(np.float32)
    names = [f"w{i:05d}" for i in range(n)]
    table = pa.table(
        {
            "window_id": names, "dataset": ["benchmark"] * n, "source_id": names, "subject": names,
            "label": [class_names()[i % N_CLASSES] for i in range(n)], "start_frame": np.zeros(n, np.int32),
            "split": ["train" if i < N_WINDOWS else "val" for i in range(n)], "speed": np.ones(n, np.float32),
            "x": pa.FixedShapeTensorArray.from_numpy_ndarray(x),
        },
        schema=schema,
    )  # fmt: skip
    pq.write_table(table, path)
    return StoredFile(str(path), path.stat().st_size, file_sha256(path))


if __name__ == "__main__":
    main()
