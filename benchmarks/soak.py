"""`python -m benchmarks.soak --minutes 60`: synthesis over and over in one driver, disturbed now and then.

A round publishes a generated archive's clips and finds them published; every fourth round a worker is killed at its
task, every eighth also a job of its own is killed half way, whose shards the round goes on with. Prints JSON: memory
that is the driver's and the workers' own (MiB), open files, processes and temporary files. Exit code 0: every round had
the same content hash, memory of the last third is at most 5 % above that of the first third after warming up, and
nothing is left.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import of_folder, open_files, own_mib, title

REPO = Path(__file__).resolve().parents[1]
WARM_UP = 5
"""Rounds whose memory does not count: imports, pools and machine code are made in them."""
MAY_GROW = 0.05
PATIENCE_S = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vimu-soak-", dir="/tmp") as name:  # short, for sockets  # nosec B108
        root = Path(name)
        for part in ("ray", "tmp"):
            (root / part).mkdir()
        os.environ |= {"TMPDIR": str(root / "tmp"), "RAY_TMPDIR": str(root / "ray"), "RAY_USAGE_STATS_ENABLED": "0"}
        tempfile.tempdir = None  # it was asked for above
        result = _soaked(root, 60 * given.minutes)
    print(json.dumps(result, indent=1))
    return 0 if not result["wrong"] else 1


def _soaked(root: Path, seconds: float) -> dict[str, Any]:
    config = _prepared(root)
    from vimu.runtime.config import load_config
    from vimu.runtime.session import ray_session
    from vimu.stages.config import Config
    from vimu.stages.synthesize import STAGE

    loaded = load_config(Config, config)
    folder, rounds = root / "runs" / "soak" / "synthesize", []
    n_files = open_files(os.getpid())
    begin = time.monotonic()
    with ray_session(loaded.ray):
        while time.monotonic() - begin < seconds:
            number = len(rounds) + 1
            shutil.rmtree(folder, ignore_errors=True)
            killed = _killed_half_way(config, folder) if number % 8 == 0 else 0
            with _worker_killed(root, folder, wanted=number % 4 == 0) as workers_killed:
                published = STAGE.run(loaded, STAGE.plan(loaded), str(config))
            again = STAGE.run(loaded, STAGE.plan(loaded), str(config))
            rounds.append(
                {
                    "hash": published.content_hash, "same_again": again.content_hash == published.content_hash,
                    "drivers_killed": killed, "workers_killed": len(workers_killed), **_measured(root),
                }
            )  # fmt: skip
    left = _left(root)
    return _judged(rounds, left | {"open_files": open_files(os.getpid()) - n_files}, time.monotonic() - begin)


def _prepared(root: Path) -> Path:
    from ruamel.yaml import YAML

    from vimu.demo.archive import write_amass
    from vimu.demo.body import write_body

    write_amass(root / "amass", n_subjects=2, takes_per_category=1)
    body = write_body(root / "body")
    inputs = [{"archive": "amass", "root": str(root / "amass"), "body": str(body), "synthetic": True}]
    values = {
        "name": "soak", "runs_dir": str(root / "runs"), "synthesize": {"inputs": inputs, "task_mb": 0.2},
        "ray": {"num_cpus": 2, "object_store_mb": 100},
    }  # fmt: skip
    with (root / "soak.yaml").open("w", encoding="utf-8") as stream:
        YAML().dump(values, stream)
    return root / "soak.yaml"


def _killed_half_way(config: Path, folder: Path) -> int:
    """A job with a Ray of its own, ended by SIGKILL when it has finished a shard; 1, or 0 where it was too quick."""
    ray = config.parent / "other"
    ray.mkdir(exist_ok=True)
    job = subprocess.Popen(  # noqa: S603 (our own arguments)  # nosec B603
        [sys.executable, "jobs/synthesize.py", "--config", str(config)], cwd=REPO, start_new_session=True,
        env=os.environ | {"RAY_TMPDIR": str(ray)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    marks = folder.with_name(f".{folder.name}.staging") / ".tasks"
    while job.poll() is None and not list(marks.glob("*.json")):
        time.sleep(0.02)
    killed = int(job.poll() is None)
    job.kill()
    job.wait()
    for pid in of_folder(ray):  # its Ray ends by itself within a minute; a machine that soaks need not wait
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(ray, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)  # where it was too quick
    return killed


@contextmanager
def _worker_killed(root: Path, folder: Path, *, wanted: bool) -> Iterator[list[int]]:
    """SIGKILL a worker at its task when a shard is finished; the list holds it afterwards."""
    killed: list[int] = []
    over = threading.Event()
    marks = folder.with_name(f".{folder.name}.staging") / ".tasks"

    def kill() -> None:
        while not over.wait(0.02):
            at_work = [pid for pid in of_folder(root / "ray") if title(pid).startswith("ray::FlatMap")]
            if at_work and list(marks.glob("*.json")):
                os.kill(at_work[0], signal.SIGKILL)
                killed.append(at_work[0])
                return

    thread = threading.Thread(target=kill)
    if wanted:
        thread.start()
    try:
        yield killed
    finally:
        over.set()
        if wanted:
            thread.join()


def _measured(root: Path) -> dict[str, float]:
    workers = [own_mib(pid) for pid in of_folder(root / "ray") if title(pid).startswith("ray::")]
    return {
        "driver_mib": own_mib(os.getpid()), "workers_mib": max(workers, default=0.0), "n_workers": len(workers),
        "open_files": open_files(os.getpid()), "temp_files": len(list((root / "tmp").rglob("*"))),
    }  # fmt: skip


def _left(root: Path) -> dict[str, Any]:
    """What is there after Ray has ended: its agents look for their node once a minute."""
    until = time.monotonic() + PATIENCE_S
    while (pids := of_folder(root)) and time.monotonic() < until:
        time.sleep(1)
    names = sorted(p.name for p in (root / "runs" / "soak").iterdir())
    return {
        "processes": [title(pid) for pid in pids],
        "temp_files": [str(p) for p in (root / "tmp").rglob("*")],
        "beside_the_result": [n for n in names if n not in {"synthesize", ".synthesize.lock", ".status"}],
    }


def _judged(rounds: list[dict[str, Any]], left: dict[str, Any], seconds: float) -> dict[str, Any]:
    wrong = []
    if len({r["hash"] for r in rounds}) != 1 or not all(r["same_again"] for r in rounds):
        wrong.append("the content hash is not the same in all rounds")
    warm = rounds[WARM_UP:]
    third = max(len(warm) // 3, 1)
    trends = {}
    for what in ("driver_mib", "workers_mib", "open_files", "temp_files"):
        early, late = (
            statistics.median(r[what] for r in part) for part in (warm[:third] or rounds, warm[-third:] or rounds)
        )
        trends[what] = {"first": round(early, 1), "last": round(late, 1)}
        if late > early * (1 + MAY_GROW):
            wrong.append(f"{what} grew from {early:.1f} to {late:.1f}")
    wrong += [f"left: {what}: {value}" for what, value in left.items() if value and what != "open_files"]
    return {
        "minutes": round(seconds / 60, 1), "rounds": len(rounds), "content_hash": rounds[0]["hash"],
        "drivers_killed": sum(r["drivers_killed"] for r in rounds),
        "workers_killed": sum(r["workers_killed"] for r in rounds), "after_warm_up": trends, "left": left,
        "wrong": wrong,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
