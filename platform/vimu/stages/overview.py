"""A run at a glance, from what it published and what its jobs report: `vimu status runs/NAME`."""

import json
from dataclasses import dataclass

from vimu.runtime.errors import UserError
from vimu.runtime.published import SUCCESS, manifest_path
from vimu.runtime.status import FOLDER, Status, statuses
from vimu.runtime.storage import Location, require_store
from vimu.stages.shards import MARKS

ORDER = (
    "synthesize", "prepare", "tune", "interpret", "pretrain", "align", "finetune", "crossval", "study", "evaluate",
    "export",
)  # fmt: skip
"""Stages as they follow on one another; others come after, by name."""


@dataclass(frozen=True)
class StageState:
    """One stage of a run."""

    name: str
    state: str
    """`published`, `unfinished` or `damaged`."""
    says: str
    """Its counts, or how many tasks are done."""


def overview(run_dir: Location) -> tuple[list[StageState], list[Status]]:
    """Every stage that left something, and every job that reports.

    Raises:
        UserError: there is no such run.
    """
    require_store(run_dir)
    if not run_dir.is_dir():
        raise UserError(f"`{run_dir}` must be a run's folder, e.g. runs/demo, but is none.")
    names = {p.name for p in run_dir.iterdir() if p.is_dir() and (p / SUCCESS).is_file()}
    names |= {p.name[1 : -len(".staging")] for p in run_dir.iterdir() if p.name.endswith(".staging")}
    ordered = [*(n for n in ORDER if n in names), *sorted(names - set(ORDER))]
    jobs = statuses(run_dir)
    if not ordered and not jobs:
        raise UserError(f"`{run_dir}` must hold a run's stages, but holds none, nor `{FOLDER}`.")
    return [_state(run_dir, name) for name in ordered], jobs


def _state(run_dir: Location, name: str) -> StageState:
    folder = run_dir / name
    staging = run_dir / f".{name}.staging"
    if not (folder / SUCCESS).is_file():
        done = sum(1 for _ in (staging / MARKS).glob("*.json")) if (staging / MARKS).is_dir() else 0
        return StageState(name, "unfinished", f"tasks done {done:,}" if done else "")
    try:
        named = (folder / SUCCESS).read_text(encoding="utf-8").strip()
        counts = json.loads(manifest_path(folder, named).read_text(encoding="utf-8"))["counts"]
        said = "  ".join(f"{key} {value:,}" for key, value in counts.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return StageState(name, "damaged", "its manifest cannot be read")
    return StageState(name, "published", said)
