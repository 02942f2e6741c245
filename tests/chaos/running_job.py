"""A `jobs/synthesize.py` that runs, with a Ray of its own or on a cluster, and can be killed piece by piece."""

import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import belongs, is_alive, processes, title

REPO = Path(__file__).resolve().parents[2]
PATIENCE_S = 150.0


@dataclass(frozen=True)
class Job:
    """One process of the job, leader of a process group of its own, as a shell starts it."""

    process: "subprocess.Popen[bytes]"
    marks: Path
    """Where tasks say that their shard is whole."""
    log: Path
    ray_folder: Path
    """Every process of its Ray has a file below it open, or names it."""

    def finished(self) -> set[str]:
        """Names of the shards that are whole."""
        return {p.stem for p in self.marks.glob("*.json")}

    def wait_until(self, n_finished: int) -> None:
        """Wait until so many shards are whole; fails where the job ends before."""
        wait_for(lambda: len(self.finished()) >= n_finished, self._is_running)

    def working(self) -> list[int]:
        """Process ids of the Ray workers that are at a task."""
        return self.titled("ray::FlatMap")

    def titled(self, begins: str) -> list[int]:
        """Process ids of the Ray workers whose title begins so."""
        return [pid for pid in self.processes() if title(pid).startswith(begins)]

    def kill_a_worker(self) -> int:
        """SIGKILL one that is at a task; 1, for it does not return before."""
        wait_for(lambda: any(kill(pid) for pid in self.working()), self._is_running)
        return 1

    def processes(self) -> list[int]:
        """All processes of the job's Ray, and the job."""
        return [pid for pid in processes() if pid == self.process.pid or belongs(pid, self.ray_folder)]

    def living(self) -> list[int]:
        """Those of `processes` that are more than an entry in the table of processes."""
        return [pid for pid in self.processes() if is_alive(pid)]

    def end(self) -> tuple[int, str]:
        """Exit code and what it said, when it has ended by itself."""
        code = self.process.wait(PATIENCE_S)
        return code, self.log.read_text()

    def _is_running(self) -> None:
        assert self.process.poll() is None, f"the job ended before it could be disturbed:\n{self.log.read_text()}"


@contextmanager
def job(
    config: Path, staging: Path, *options: str, script: str = "jobs/synthesize.py", **environment: str
) -> Iterator[Job]:
    """Start the job; end all that is left of it afterwards.

    Args:
        staging: where it writes until it publishes.
        environment: e.g. `RAY_ADDRESS` of a cluster.
    """
    ray_folder = Path(tempfile.mkdtemp(prefix="vimu-chaos-", dir="/tmp"))  # sockets need a short path
    log = ray_folder / "job.log"
    variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    variables |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": str(ray_folder)}
    command = [sys.executable, script, "--config", str(config), *options]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=REPO, env=variables | environment, stdout=stream, stderr=stream, start_new_session=True
        )
    running = Job(process, staging / ".tasks", log, ray_folder)
    try:
        yield running
    finally:
        for pid in running.processes():
            kill(pid)
        process.wait(30)
        shutil.rmtree(ray_folder, ignore_errors=True)


def run(config: Path, *options: str, **environment: str) -> tuple[int, str]:
    """Run the job to its end: exit code and what it said."""
    with job(config, config.parent, *options, **environment) as started:
        return started.end()


def kill(pid: int) -> int:
    """SIGKILL; 1 if the process was there and is gone, 0 if there was none."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    wait_for(lambda: not is_alive(pid))
    return 1


def settled(job: Job) -> set[str]:
    """What the shards are when the Ray of a killed driver has ended: until then its workers may finish one."""
    wait_for(lambda: not [pid for pid in job.living() if not any(agent in title(pid) for agent in AGENTS)])
    return job.finished()


AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""They look for their node once a minute; they do no work."""


def share(of: int, fraction: float) -> int:
    """So many shards are that fraction, but neither none nor all."""
    return min(max(math.ceil(of * fraction), 1), of - 1)


def wait_for(condition: Callable[[], object], check: Callable[[], None] = lambda: None) -> None:
    """Wait, in short steps, until the condition holds; `check` may fail meanwhile."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        check()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
