"""What must hold after any fault: nothing lost, nothing twice, nothing half."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from vimu.clips.schema import clips_from, recording_sha256
from vimu.runtime.errors import UserError
from vimu.runtime.published import open_published


@dataclass(frozen=True)
class Result:
    """What an archive gives, however often its synthesis was disturbed."""

    files_in: int
    clip_ids: frozenset[str]
    content_hash: str
    left_out: tuple[tuple[str, str], ...]
    """(path, reason), sorted."""


def check_result(folder: Path) -> Result:
    """Check a published folder by itself, and say what it holds.

    Invariants (I1) clips + rejections = files in, and ids are distinct; (I2) every byte is what the manifest says,
    which is what `_SUCCESS` says, and nothing else lies there; (I3) each file left out is a row with its reason; (I7)
    the content hash is that of the arrays.
    """
    published = open_published(folder, made_by="-")
    for file in published.files(""):
        file.read()  # raises unless its hash is the manifest's
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert there == {f["path"] for f in published.manifest["files"]} | {"manifest.json", "_SUCCESS"}
    table = pa.concat_tables([file.table() for file in published.files("clips/")])
    ids = table.column("clip_id").to_pylist()
    left_out = published.file("rejections.parquet").table().to_pylist()
    counts = published.manifest["counts"]
    assert counts["files_in"] == len(ids) + len(left_out)
    assert len(set(ids)) == len(ids)
    assert all(row["path"] and row["reason"] and row["detail"] for row in left_out)
    hashes = [recording_sha256(clip.recording) for clip in clips_from(table)]
    assert hashes == table.column("sha256").to_pylist()
    assert _hash_of(("clip", sha256) for sha256 in hashes) == published.content_hash
    assert not [
        p.name for p in folder.parent.iterdir() if p.name not in {folder.name, f".{folder.name}.lock", ".status"}
    ]
    return Result(
        counts["files_in"], frozenset(ids), published.content_hash,
        tuple(sorted((row["path"], row["reason"]) for row in left_out)),
    )  # fmt: skip


def check_nothing_to_read(folder: Path) -> None:
    """(I2) Readers refuse what is not whole."""
    with pytest.raises(UserError, match="is not published yet"):
        open_published(folder, made_by="-")


def finished_shards(staging: Path) -> dict[str, tuple[int, int]]:
    """Shards that their marks call whole: name -> inode and time of change, ns."""
    marked = [p.stem for p in (staging / ".tasks").glob("*.json")]
    shards = {name: staging / "clips" / f"{name}.parquet" for name in marked}
    return {name: _stamp(path) for name, path in shards.items() if path.is_file()}


def check_not_repeated(before: dict[str, tuple[int, int]], folder: Path, rewritten: int = 1) -> None:
    """The shards that were finished then are the very same files now; those that held copies only are gone.

    Args:
        rewritten: at most so many, which held copies beside other clips, have lost them meanwhile.
    """
    now = {p.stem: _stamp(p) for p in (folder / "clips").glob("*.parquet")}
    kept = before.keys() & now.keys()
    changed = {name for name in kept if now[name] != before[name]}
    assert kept - changed
    assert len(changed) <= rewritten


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns


def _hash_of(rows: Iterable[tuple[str, str]]) -> str:
    """The content hash, written out again from its definition."""
    return hashlib.sha256("".join(f"{i} {h}\n" for i, h in sorted(rows)).encode()).hexdigest()
