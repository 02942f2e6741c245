"""`sources.parquet`: what became of every file that was read. With it a grown archive needs only what is new.

A file is known again by its root, path, size and time of change, and by the label and the id that it gets now.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from vimu.contracts import Reason, Rejection
from vimu.runtime.publish import reused
from vimu.runtime.published import Published
from vimu.runtime.storage import Location, StoredFile, remove
from vimu.stages.shards import Row, rejection_row, write_shard

FILE = "sources.parquet"
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("archive", "root", "path")),
        *(pa.field(name, pa.int64(), nullable=False) for name in ("bytes", "mtime_ns")),
        *(pa.field(name, pa.string(), nullable=False) for name in ("asked_label", "asked_rule", "asked_clip_id")),
        *(
            pa.field(name, pa.string())
            for name in ("shard", "clip_id", "sha256", "subject", "sequence", "label", "rule")
        ),
        pa.field("n_frames", pa.int64()),
        *(pa.field(name, pa.string()) for name in ("reason", "detail")),
    ],
    metadata={"schema": "vimu.sources", "schema_version": "2"},
)
CLIP = ("shard", "clip_id", "sha256", "archive", "subject", "sequence", "label", "rule", "n_frames")
"""What of a clip a source's row holds; None where the file was left out."""
KNOWN_BY = ("bytes", "mtime_ns", "asked_label", "asked_rule", "asked_clip_id")

Source = tuple[str, str]
"""(root, path below it)."""


def source_row(file: Row, clip: Row | None, rejection: Row | None) -> Row:
    """A row of `SCHEMA`.

    Args:
        file: `archive`, `root`, `path`, and what it is known by.
    """
    left_out = (
        {"reason": None, "detail": None} if rejection is None else {k: rejection[k] for k in ("reason", "detail")}
    )
    held = dict.fromkeys(CLIP) if clip is None else {name: clip[name] for name in CLIP}
    return held | file | left_out


def read_sources(previous: Published | None) -> dict[Source, Row]:
    """What an earlier publication knows of its files."""
    if previous is None:
        return {}
    return {(row["root"], row["path"]): row for row in previous.file(FILE).table().to_pylist()}


def write_sources(staging: Location, rows: Sequence[Row]) -> StoredFile:
    """Write `sources.parquet`."""
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: (row["root"], row["path"])), SCHEMA)
    return write_shard(staging / FILE, table, dictionary=["archive", "root", "label", "shard", "reason"])


def is_known(file: Row, old: Mapping[Source, Row]) -> bool:
    """True where a file is as it was. Not one that was left out as a duplicate: what it repeats may be gone."""
    row = old.get((file["root"], file["path"]))
    return (
        row is not None and row["reason"] != Reason.DUPLICATE and all(row.get(name) == file[name] for name in KNOWN_BY)
    )


def without_duplicates(rows: Sequence[Row], stage: str) -> list[Row]:
    """Keep the first of clips that hold the same; the others become rejections.

    Args:
        rows: `file`, `clip` (or None), `rejection` (or None) of each file read, in the order in which they count.
    """
    first: dict[str, Row] = {}
    out = []
    for row in rows:
        clip = row["clip"]
        if clip is None or first.setdefault(clip["sha256"], clip) is clip:
            out.append(row)
            continue
        same = Rejection(clip["sequence"], Reason.DUPLICATE, f"holds the same as {first[clip['sha256']]['sequence']}")
        out.append(row | {"clip": None, "rejection": rejection_row(clip["sequence"], same, stage)})
    return out


def settle_shards(
    before: Sequence[Row], rows: Sequence[Row], old: Mapping[str, StoredFile], new: Sequence[StoredFile],
    held: Mapping[str, int], staging: Location,
) -> list[StoredFile]:  # fmt: skip
    """The shards that hold just the clips of `rows`: as written, as published before, or without what went out.

    Args:
        before: `rows` before duplicates were taken out.
        old: shards of the earlier publication, by name.
        new: shards written now.
        held: how many clips each old shard holds.
    """
    fresh = {_name(file): file for file in new}
    written = Counter(row["clip"]["shard"] for row in before if row["clip"] and row["clip"]["shard"] in fresh)
    wanted: dict[str, list[str]] = {}
    for row in rows:
        if row["clip"]:
            wanted.setdefault(row["clip"]["shard"], []).append(row["clip"]["sequence"])
    files = []
    for shard in sorted({*fresh, *wanted}):
        path, keep = f"clips/{shard}.parquet", wanted.get(shard, [])
        is_new = shard in fresh
        if not keep:
            remove(staging / path)
        elif len(keep) == (written if is_new else held)[shard]:
            files.append(fresh[shard] if is_new else reused(old[shard], path, staging))
        else:
            # not checked against its hash: a run that was killed here has rewritten it already
            table = fresh[shard].columns() if is_new else old[shard].table()
            chosen = table.filter(pc.is_in(table.column("sequence"), pa.array(keep)))
            files.append(write_clips(staging, shard, chosen))
    return files


def write_clips(staging: Location, shard: str, table: pa.Table) -> StoredFile:
    """Write a shard of the clips table, whole or not at all."""
    return write_shard(staging / "clips" / f"{shard}.parquet", table, dictionary=["archive", "label", "rule"])


def shards_of(previous: Published | None) -> dict[str, StoredFile]:
    """The clips' shards of an earlier publication, by name."""
    return {} if previous is None else {_name(file): file for file in previous.files("clips/")}


def _name(file: StoredFile) -> str:
    return Path(file.where).stem
