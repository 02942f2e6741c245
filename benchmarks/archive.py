"""Synthesis at archive scale: `python -m benchmarks.archive --json FILE`.

Generates an archive as large as AMASS in files (11,394; frames scaled by `--scale`), and makes clips of it in several
ways, turn by turn, the page cache warm, medians over the rounds. AMASS's members are stored; `--deflated` has more work
in the same page cache. The ways:

- `jobs/synthesize.py`'s stage on a local Ray of two workers, and of one;
- the same tasks in a plain pool of two processes, and of one, without Ray: what the machine's second core adds;
- the same on the first 100 files, for the memory of a worker.

Start-up (Ray's, the pool's, loading of compiled code) is excluded on both sides: workers run a small archive first. The
stage's wall time has all the rest: tasks, shards, hashes, manifest, publishing; not the plan, whose seconds stand
apart.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vimu.demo.body import write_body
from vimu.runtime.config import validate
from vimu.runtime.session import ONE_THREAD, RaySettings, ray_session
from vimu.stages import synthesize
from vimu.stages.config import Config
from vimu.stages.synthesize_task import run_task

AMASS_FILES, MEAN_FRAMES, RATE_HZ = 11_394, 1_427, 120.0
"""Source: 16 SMPL-X subsets counted in public code: 16,258,989 frames in 11,394 sequences."""
FEW = 100
WARM = 64
"""Files of the small archive, in tasks of 1 MB: as many as it takes for every worker to have one."""
TO_REACH = {"ray_over_plain_wall": 1.25, "speedup_2_workers": 1.7}
"""At most; at least."""


def main() -> None:
    """Generate, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--files", type=int, default=AMASS_FILES)
    parser.add_argument("--scale", type=float, default=0.4, help="share of AMASS's frames a file has")
    parser.add_argument("--deflated", action="store_true", help="compress the members, as some users do")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the archive is made and kept; a temporary folder without")
    given = parser.parse_args()
    os.environ.update(ONE_THREAD)  # what the pool's processes inherit; Ray's workers get it from the session
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        body = write_body(folder / "body")
        n_frames = write_archive(folder / "amass", given.files, given.scale, deflated=given.deflated)
        write_archive(folder / "few", min(FEW, given.files), given.scale, deflated=given.deflated)
        write_archive(folder / "warm", WARM, 0.1, deflated=given.deflated)
        figures = measure(folder, body, given.rounds) | {"files": given.files, "source_frames": n_frames}
    figures["frames_per_s"] = n_frames / figures["seconds"]["ray_2_workers"]
    print(json.dumps(figures, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


def write_archive(folder: Path, n_files: int, scale: float, *, deflated: bool) -> int:
    """Takes in AMASS's format (SMPL+H, constant fingers), 40 people; returns their frames.

    Lengths are log-normal, as AMASS's; an archive of that name and size that stands there already is kept.
    """
    rng = np.random.default_rng(n_files)
    lengths = np.clip(rng.lognormal(np.log(0.78 * MEAN_FRAMES * scale), 0.7, n_files), 60, None).astype(int)
    made = folder / f".made-{n_files}-{scale:g}{'-deflated' * deflated}"
    if not made.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        jobs = [(folder, i, int(n), deflated) for i, n in enumerate(lengths)]
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            pool.starmap(_write_take, jobs, chunksize=64)
        made.touch()
    return int(lengths.sum())


def _write_take(folder: Path, i: int, n: int, deflated: bool) -> None:
    rng = np.random.default_rng(i)
    t = np.arange(n)[:, None] / RATE_HZ
    poses = np.empty((n, 156))
    poses[:, :66] = 0.12 * np.sin(2 * np.pi * rng.uniform(0.2, 2, 66) * t + rng.uniform(0, 6, 66))
    poses[:, 66:] = rng.normal(0, 0.15, 90)  # nobody captured the fingers
    path = folder / "CMU" / f"{i % 40:02d}" / f"{('walk', 'jog', 'jump', 'sit', 'wave')[i % 5]}_{i:05d}_poses.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    members = {
        "poses": poses, "trans": 0.1 * np.cumsum(rng.normal(0, 0.002, (n, 3)), axis=0), "betas": rng.normal(size=16),
        "dmpls": np.zeros((n, 8)), "gender": np.array("male"), "mocap_framerate": np.array(RATE_HZ),
    }  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED, compresslevel=1) as file:
        for name, array in members.items():
            with file.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array)


def measure(folder: Path, body: Path, rounds: int) -> dict:
    """All ways, `rounds` times in turn; then memory, in runs that are not timed: to look at a process disturbs it."""
    ways: dict[str, Callable[[], Run | float]] = {
        "plain_2_processes": lambda: plain(folder, body, 2),
        "plain_1_process": lambda: plain(folder, body, 1),
        "ray_2_workers": lambda: on_ray(folder, body, 2),
        "ray_1_worker": lambda: on_ray(folder, body, 1),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    runs: list[Run] = []
    for turn in range(rounds):
        for name, run in ways.items():
            _read_all(folder / "amass")  # before each: a shared machine's page cache goes cold between two
            result = run()
            seconds[name].append(result.seconds if isinstance(result, Run) else result)
            runs += [result] if isinstance(result, Run) and result.workers == 2 else []
            print(f"round {turn + 1}: {name} {seconds[name][-1]:.1f} s", flush=True)
    few, whole = (on_ray(folder, body, 2, archive, look=True) for archive in ("few", "amass"))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "ratios": {
            "ray_over_plain_wall": median["ray_2_workers"] / median["plain_2_processes"],
            "speedup_2_workers": median["ray_1_worker"] / median["ray_2_workers"],
            "plain_speedup_2_processes": median["plain_1_process"] / median["plain_2_processes"],
        },
        "to_reach": TO_REACH,
        "seconds": median,
        "all_seconds": seconds,
        "plan_s": statistics.median(run.plan_s for run in runs),
        "first_clip_s": statistics.median(run.first_clip_s for run in runs),
        "peak_worker_mb": whole.memory.worker_mb,
        "peak_worker_mb_100_files": few.memory.worker_mb,
        "peak_driver_mb": whole.memory.driver_mb,
        "peak_object_store_mb": whole.memory.store_mb,
        "rows": whole.counts,
    }


@dataclass
class Memory:
    """Greatest proportional set sizes (PSS) seen, MB."""

    worker_mb: float = 0.0
    driver_mb: float = 0.0
    store_mb: float = 0.0


@dataclass
class Run:
    """One run of the stage."""

    workers: int
    seconds: float
    plan_s: float
    first_clip_s: float
    counts: dict[str, int]
    memory: Memory = field(default_factory=Memory)


def on_ray(folder: Path, body: Path, workers: int, archive: str = "amass", *, look: bool = False) -> Run:
    """The stage, in a warm local Ray of so many CPUs; `look` watches memory meanwhile."""
    with ray_session(RaySettings(num_cpus=workers, object_store_mb=256)), tempfile.TemporaryDirectory() as runs:
        warm = _config(folder / "warm", body, Path(runs) / "warm", task_mb=1)
        config = _config(folder / archive, body, Path(runs))
        start = time.perf_counter()
        plan = synthesize.plan(config)
        plan_s = time.perf_counter() - start
        synthesize.STAGE.run(warm, synthesize.plan(warm), "-")  # right before: Ray ends workers that idle for a second
        with _watched(config.run_dir, look=look) as seen:
            start = time.perf_counter()
            published = synthesize.STAGE.run(config, plan, "-")
            seconds = time.perf_counter() - start
        counts = dict(published.manifest["counts"])
        assert counts["files_in"] == counts["clips"] + counts["rejections"]
        return Run(workers, seconds, plan_s, seen.first_mark - start, counts, seen.memory)


def plain(folder: Path, body: Path, processes: int) -> float:
    """Seconds that the same tasks take in a pool of processes: what Ray is measured against."""
    with tempfile.TemporaryDirectory() as name, multiprocessing.get_context("spawn").Pool(processes) as pool:
        warm = _config(folder / "warm", body, Path(name) / "warm", task_mb=1)
        pool.map(run_task, synthesize.tasks_of(warm, Path(name) / "warm"), chunksize=1)
        items = synthesize.tasks_of(_config(folder / "amass", body, Path(name)), Path(name) / "out")
        start = time.perf_counter()
        for _ in pool.imap_unordered(run_task, items, chunksize=1):
            pass
        return time.perf_counter() - start


def _config(root: Path, body: Path, runs: Path, **settings: object) -> Config:
    inputs = [{"archive": "amass", "root": str(root), "body": str(body), "synthetic": True}]
    given = {"name": "b", "runs_dir": str(runs), "synthesize": {"inputs": inputs} | settings}
    return validate(Config, given, where="benchmark")


def _read_all(folder: Path) -> None:
    """Fill the page cache."""
    for path in folder.rglob("*.npz"):
        with path.open("rb") as stream:
            while stream.read(1 << 22):
                pass


@dataclass
class _Seen:
    memory: Memory = field(default_factory=Memory)
    first_mark: float = float("nan")


@contextmanager
def _watched(run_dir: Path, *, look: bool) -> Iterator[_Seen]:
    """Watch the stage's first mark and, where `look` says so, memory twice a second."""
    seen, done = _Seen(), threading.Event()
    marks = run_dir / ".synthesize.staging" / ".tasks"

    def watch() -> None:
        while not done.wait(0.02) and not any(marks.glob("*.json")):
            pass
        seen.first_mark = time.perf_counter()
        over = not look
        while not over:
            over = done.wait(0.5)
            _look(seen.memory)  # once more at the end: a run may last no half second

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _look(memory: Memory) -> None:
    import ray

    memory.driver_mb = max(memory.driver_mb, _pss_mb("self"))
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _is_our_worker(process):
            memory.worker_mb = max(memory.worker_mb, _pss_mb(process.name))
    name = "object_store_memory"
    used = ray.cluster_resources()[name] - ray.available_resources().get(name, 0.0)
    memory.store_mb = max(memory.store_mb, used / 2**20)


def _is_our_worker(process: Path) -> bool:
    """A Ray worker, child of a raylet that this process started: there may be other Rays on the machine."""
    try:
        if not (process / "cmdline").read_bytes().startswith(b"ray::"):
            return False
        parent = _parent(process)
        return _parent(Path("/proc") / parent) == str(os.getpid())
    except OSError:  # it has ended meanwhile
        return False


def _parent(process: Path) -> str:
    return (process / "stat").read_text().rsplit(")", 1)[1].split()[1]


def _pss_mb(process: str) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
