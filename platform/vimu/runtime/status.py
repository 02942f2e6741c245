"""What a job is at: a small file beside the run's results, for who waits elsewhere. No result rests on it."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from vimu.runtime.storage import Location, write_whole

FOLDER = ".status"
SUBMISSION = "VIMU_SUBMISSION"
"""Environment variable: the id under which a cluster knows the job."""


@dataclass(frozen=True)
class Status:
    """One job of a run."""

    job: str
    state: Literal["running", "ended"]
    exit_code: int | None
    """None while it runs."""
    started: str
    """UTC, ISO 8601; so is `ended`."""
    ended: str | None
    host: str
    pid: int
    submission: str | None

    @property
    def lives(self) -> bool | None:
        """Whether its process is there; None where that is another machine's to know."""
        if self.state == "ended":
            return False
        if self.host != socket.gethostname() or not Path("/proc/self").exists():
            return None
        try:
            begun = Path(f"/proc/{self.pid}/stat").stat().st_ctime
        except OSError:
            return False
        return begun <= datetime.fromisoformat(self.started).timestamp() + 60  # else another one has its number


@contextmanager
def reported(run_dir: Location, job: str, exit_code_of: Callable[[BaseException | None], int]) -> Iterator[None]:
    """Say that a job runs while the block does, and then how it ended: `RUN/.status/JOB.json`.

    A job that finds another one of its name running leaves that one's report alone.

    Args:
        exit_code_of: the code that an exception ends the job with; None is no exception.
    """
    place = run_dir / FOLDER / f"{job}.json"
    other = read_status(place)
    if other is not None and other.lives and other.pid != os.getpid():
        yield
        return
    began = Status(
        job, "running", None, _now(), None, socket.gethostname(), os.getpid(), os.environ.get(SUBMISSION)
    )  # fmt: skip
    _write(place, began)
    try:
        yield
    except BaseException as error:
        _write(place, _ended(began, exit_code_of(error)))
        raise
    _write(place, _ended(began, exit_code_of(None)))


def read_status(place: Location) -> Status | None:
    """None where there is no report, or it is none."""
    try:
        status = Status(**json.loads(place.read_text(encoding="utf-8")))
        return status if isinstance(status.started, str) and isinstance(status.pid, int) else None
    except Exception:  # noqa: BLE001 - every store has errors of its own, and the job will meet them
        return None


def statuses(run_dir: Location) -> list[Status]:
    """Of all jobs of a run, in the order in which they began."""
    folder = run_dir / FOLDER
    found = [read_status(path) for path in folder.glob("*.json")] if folder.is_dir() else []
    return sorted((status for status in found if status is not None), key=lambda status: status.started)


def _ended(began: Status, code: int) -> Status:
    return Status(**asdict(began) | {"state": "ended", "exit_code": code, "ended": _now()})


def _write(place: Location, status: Status) -> None:
    with suppress(Exception):  # a full disk, or a store without credentials, is the job's to tell
        write_whole(place, json.dumps(asdict(status), indent=1))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
