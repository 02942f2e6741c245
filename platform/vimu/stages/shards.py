"""Tasks that each write a shard and a mark that says so: what lets a killed stage go on where it was.

A task's mark, `.tasks/SHARD.json`, holds the rows that the driver needs (ids, hashes, rejections) and is written after
the shard. Run again, tasks whose mark is there are not run. Ray Data schedules the tasks and retries those whose worker
died; the same task writes the same bytes under the same name.
"""

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import track

from vimu.clips.schema import REJECTION_SCHEMA
from vimu.contracts import Rejection
from vimu.runtime.console import console
from vimu.runtime.errors import UserError
from vimu.runtime.publish import write_atomically
from vimu.runtime.session import RaySettings, ray_session

MARKS = ".tasks"
Row = dict[str, Any]


def run_shards(task: Callable[[Row], Row], items: Sequence[Row], staging: Path, ray_settings: RaySettings) -> list[Row]:
    """Run `task` on the items without a mark, inside Ray Data; the rows of all marks, in the order of `items`.

    Args:
        task: gets an item, writes its shard, calls `mark_done`; returns what little Ray Data shows.
        items: each with its own `shard` name, and `staging`.

    Raises:
        UserError: a task's.
    """
    (staging / MARKS).mkdir(exist_ok=True)
    todo = [item for item in items if not _mark(staging, item["shard"]).is_file()]
    if todo:
        with ray_session(ray_settings):
            import ray

            ray.data.DataContext.get_current().enable_progress_bars = False  # ours shows files, not blocks
            done = ray.data.from_items(todo, override_num_blocks=len(todo)).map(partial(_telling, task)).iter_rows()
            for row in track(done, "  tasks", total=len(todo), console=console):
                if "user_error" in row:
                    raise UserError(row["user_error"])
    return [row for item in items for row in json.loads(_mark(staging, item["shard"]).read_text(encoding="utf-8"))]


def _telling(task: Callable[[Row], Row], item: Row) -> Row:
    """`task`, with its UserError as a row: as an exception, it would reach the driver as text among Ray's."""
    try:
        return task(item)
    except UserError as error:
        return {"user_error": str(error)}


def mark_done(staging: Path, shard: str, rows: Sequence[Row]) -> None:
    """Say, from a worker, that a shard is whole, and what it holds and left out."""
    write_atomically(_mark(staging, shard), json.dumps(list(rows)))


def clear_marks(staging: Path) -> None:
    """Remove the marks: the last step of a build."""
    for mark in (staging / MARKS).iterdir():
        mark.unlink()
    (staging / MARKS).rmdir()


def write_shard(path: Path, table: pa.Table, *, dictionary: Sequence[str]) -> None:
    """Write a Parquet file under its name only when it is whole.

    Float tensors do not compress: plain pages for them, dictionaries for the columns named.
    """
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    pq.write_table(table, partial, compression="none", use_dictionary=list(dictionary))
    partial.rename(path)


def write_rejections(staging: Path, rows: Sequence[Row]) -> None:
    """Write `rejections.parquet`, also where there are none."""
    table = pa.Table.from_pylist(list(rows), REJECTION_SCHEMA)
    write_shard(staging / "rejections.parquet", table, dictionary=["reason", "stage"])


def rejection_row(path: str, rejection: Rejection, stage: str) -> Row:
    """A row of the rejections table; `path` is below the input's root."""
    return {"path": path, "reason": str(rejection.reason), "detail": rejection.detail, "stage": stage}


def _mark(staging: Path, shard: str) -> Path:
    return staging / MARKS / f"{shard}.json"
