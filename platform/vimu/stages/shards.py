"""Tasks that each write a shard and a mark that says so: what lets a killed stage go on where it was.

A task's mark, `.tasks/SHARD.json`, holds the rows that the driver needs (ids, hashes, rejections) and what the shard's
file must hash to; it is written after the shard. Run again, tasks whose mark is there are not run. Ray Data schedules
the tasks and retries those whose worker died; the same task writes the same bytes under the same name.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
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
from vimu.runtime.session import RaySettings, ray_session
from vimu.runtime.storage import Location, StoredFile, files_below, remove, stored, write_whole

MARKS = ".tasks"
Row = dict[str, Any]


def run_shards(
    task: Callable[[Row], Row], items: Sequence[Row], staging: Location, ray_settings: RaySettings
) -> tuple[list[Row], list[StoredFile]]:
    """Run `task` on the items without a mark, inside Ray Data; the rows of all marks, in the order of `items`.

    Args:
        task: gets an item, writes its shard, calls `mark_done`; returns what little Ray Data shows.
        items: each with its own `shard` name, and `staging`.

    Returns:
        Rows; the files that hold the shards.

    Raises:
        UserError: a task's.
    """
    done = _marked(staging)
    todo = [item for item in items if item["shard"] not in done]
    if todo:
        with ray_session(ray_settings):
            import ray

            ray.data.DataContext.get_current().enable_progress_bars = False  # ours shows files, not blocks
            mapped = ray.data.from_items(todo, override_num_blocks=len(todo)).map(partial(_telling, task))
            for row in track(mapped.iter_rows(), "  tasks", total=len(todo), console=console):
                if "user_error" in row:
                    raise UserError(row["user_error"])
    marks = [json.loads(_mark(staging, item["shard"]).read_text(encoding="utf-8")) for item in items]
    rows = [row for mark in marks for row in mark["rows"]]
    return rows, [StoredFile(**mark["file"]) for mark in marks if mark["file"]]


def _telling(task: Callable[[Row], Row], item: Row) -> Row:
    """`task`, with its UserError as a row: as an exception, it would reach the driver as text among Ray's."""
    try:
        return task(item)
    except UserError as error:
        return {"user_error": str(error)}


def mark_done(staging: Location, shard: str, rows: Sequence[Row], file: StoredFile | None) -> None:
    """Say, from a worker, that a shard is whole, what it holds and what it left out."""
    mark = {"rows": list(rows), "file": None if file is None else asdict(file)}
    write_whole(_mark(staging, shard), json.dumps(mark))


def clear_marks(staging: Location) -> None:
    """Remove the marks: the last step of a build."""
    for mark in files_below(staging / MARKS):
        remove(mark)
    if isinstance(staging, Path) and (staging / MARKS).is_dir():  # an object store has no empty folders
        (staging / MARKS).rmdir()


def write_shard(path: Location, table: pa.Table, *, dictionary: Sequence[str]) -> StoredFile:
    """Write a Parquet file under its name only when it is whole.

    Float tensors do not compress: plain pages for them, dictionaries for the columns named.
    """
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="none", use_dictionary=list(dictionary))
    return stored(path, memoryview(buffer.getvalue()))


def write_rejections(staging: Location, rows: Sequence[Row]) -> StoredFile:
    """Write `rejections.parquet`, also where there are none."""
    table = pa.Table.from_pylist(list(rows), REJECTION_SCHEMA)
    return write_shard(staging / "rejections.parquet", table, dictionary=["reason", "stage"])


def rejection_row(path: str, rejection: Rejection, stage: str) -> Row:
    """A row of the rejections table; `path` is below the input's root."""
    return {"path": path, "reason": str(rejection.reason), "detail": rejection.detail, "stage": stage}


def _marked(staging: Location) -> set[str]:
    return {path.stem for path in files_below(staging / MARKS) if path.suffix == ".json"}


def _mark(staging: Location, shard: str) -> Location:
    return staging / MARKS / f"{shard}.json"
