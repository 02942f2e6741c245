"""Tasks that each write a shard and a mark that says so: what lets a killed stage go on where it was.

A task's mark, `.tasks/SHARD.json`, holds the rows that the driver needs (ids, hashes, rejections) and what the shard's
file must hash to; it is written after the shard. Run again, tasks whose mark is there are not run. Ray Data schedules
the tasks and tries those again whose worker died or whose storage did not answer; the same task writes the same bytes
under the same name.

Ray Data tries a task whose worker dies without end, so the tries are counted here: each leaves an empty file. From the
second on, a task says which file it is about to read, for the message when it has died for the last time.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vimu.clips.schema import REJECTION_SCHEMA
from vimu.contracts import Rejection
from vimu.runtime.errors import OperationError, TransientError, UserError
from vimu.runtime.interrupts import interruptible
from vimu.runtime.metrics import count_task
from vimu.runtime.progress import tracked
from vimu.runtime.resources import ResourceSettings, granted
from vimu.runtime.session import RaySettings, ray_session
from vimu.runtime.storage import Location, StoredFile, create, files_below, location, stored, write_whole

MARKS = ".tasks"
MAX_TRIES = 4
"""A clip that takes its worker's memory does so each time; a node that is lost takes a task with it once or twice."""
SHARDS_A_BLOCK = (4, 64)
"""At least, as a task is started 100 to 200 ms after the one before it has ended; at most, as the progress bar knows
no more than that a task has ended."""
RETURNED_BYTES = 2**20
"""More than a task ever returns: its shard's name, or an error."""
Row = dict[str, Any]


def run_shards(
    task: Callable[[Row], Row],
    items: Sequence[Row],
    staging: Location,
    ray_settings: RaySettings,
    resources: ResourceSettings,
    stage: str,
) -> tuple[list[Row], list[StoredFile]]:
    """Run `task` on the items without a mark, inside Ray Data; the rows of all marks, in the order of `items`.

    Args:
        task: gets an item, writes its shard, calls `mark_done` and returns what that does.
        items: each with its own `shard` name, and `staging`.
        stage: whose needs in `resources` a task has.

    Returns:
        Rows; the files that hold the shards.

    Raises:
        UserError: a task's; or no node has what it needs.
        OperationError: a task's, a TransientError after `MAX_TRIES`; or a task's worker died as often.
    """
    done = _marked(staging)
    todo = [item for item in items if item["shard"] not in done]
    if todo:
        with ray_session(ray_settings, resources), interruptible() as raise_if_interrupted:
            import ray

            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False  # ours shows files, not blocks
            # Ray Data holds tasks back for what they may return, 128 MB each unless told: all but one in a small store
            context.target_max_block_size = RETURNED_BYTES
            context.retried_map_errors, context.max_map_retries = [TransientError.__name__], MAX_TRIES - 1
            run = os.urandom(4).hex()  # what a killed run tried does not count
            counted = [item | {"tries": f"{item['shard']}.{run}"} for item in todo]
            needs, n_workers = granted(resources, stage)
            blocks = [{"shards": b} for b in in_blocks(counted, n_workers)]
            mapped = ray.data.from_items(blocks, override_num_blocks=len(blocks)).flat_map(
                partial(_each_tried, task), **needs.options
            )
            for row in tracked(mapped.iter_rows(), "tasks", total=len(todo)):
                raise_if_interrupted()
                count_task(row)
                # rows of a block have all keys that one of them has
                if row.get("user_error"):
                    raise UserError(row["user_error"])
                if row.get("failed"):
                    raise OperationError(row["failed"])
            raise_if_interrupted()
    marks = [json.loads(_mark(staging, item["shard"]).read_text(encoding="utf-8")) for item in items]
    rows = [row for mark in marks for row in mark["rows"]]
    return rows, [StoredFile(**mark["file"]) for mark in marks if mark["file"]]


def in_blocks(items: Sequence[Row], n_workers: int) -> list[Sequence[Row]]:
    """Shards that one Ray Data task makes, one after the other: many at first, ever fewer towards the end.

    Tasks should be few, for what Ray Data takes to start one; and the workers should end together, so the last tasks
    should be short. Where a task's worker dies the task is run again, and shards that have their mark are not.

    Source: Polychronopoulos and Kuck, guided self-scheduling, IEEE Transactions on Computers C-36(12), 1987.
    """
    blocks, first = [], 0
    least, most = min(SHARDS_A_BLOCK[0], math.ceil(len(items) / max(1, n_workers))), SHARDS_A_BLOCK[1]
    while first < len(items):
        share = round((len(items) - first) / (1.5 * max(1, n_workers)))
        last = first + min(max(least, share), most)
        blocks.append(items[first:last])
        first = last
    return blocks


def _each_tried(task: Callable[[Row], Row], block: Row) -> Iterator[Row]:
    """A block's shards, one after the other."""
    for item in block["shards"]:
        yield _tried(task, item)


def _tried(task: Callable[[Row], Row], item: Row) -> Row:
    """`task`, with errors that end the run as a row: as exceptions, they would reach the driver as text among Ray's.

    Raises:
        TransientError: for Ray Data to try again.
    """
    staging = location(item["staging"])
    tries = staging / MARKS / item["tries"]
    nth = next((n for n in range(MAX_TRIES) if create(tries.with_name(f"{tries.name}.{n}"), b"")), None)
    about = tries.with_name(f"{tries.name}.about")
    if nth != 0 and _mark(staging, item["shard"]).is_file():
        return {"shard": item["shard"]}  # its node was lost after it, and its result with the node
    if nth is None:
        what = about.read_text(encoding="utf-8") if about.is_file() else f"shard {item['shard']}"
        return {
            "failed": f"A Ray worker died {MAX_TRIES} times over `{what}`, as one does that is out of memory. Give "
            "workers more, or take the file out, and run the same command again: what is finished is not repeated."
        }
    try:
        return task(item | {"about": str(about) if nth else None})
    except UserError as error:
        return {"user_error": str(error)}
    except OperationError as error:
        if isinstance(error, TransientError) and nth + 1 < MAX_TRIES:
            raise
        return {"failed": str(error)}


def say_about(item: Row, name: object) -> None:
    """Leave word, from a worker whose task has failed before, of what it is about to read."""
    if item.get("about") is not None:
        write_whole(location(item["about"]), str(name))


def mark_done(
    staging: Location, shard: str, rows: Sequence[Row], file: StoredFile | None, *, made: int, unit: str
) -> Row:
    """Say, from a worker, that a shard is whole, what it holds and what it left out; what its task returns.

    Args:
        made: how many frames or windows, as `unit` says.
    """
    mark = {"rows": list(rows), "file": None if file is None else asdict(file)}
    write_whole(_mark(staging, shard), json.dumps(mark))
    left_out = Counter(row["rejection"]["reason"] for row in rows if row.get("rejection"))
    return {"shard": shard, "made": made, "unit": unit, "left_out": json.dumps(left_out)}


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
