"""Which files a synthesis task reads: some megabytes each, in the order of their paths."""

import hashlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from vimu.archives.config import ArchiveConfig
from vimu.clips.curation import Curated
from vimu.stages.config import ArchiveInput
from vimu.stages.synthesize_task import Task

MIN_FILES_A_TASK = 4


def deal(
    archive: ArchiveConfig, given: ArchiveInput, kept: Sequence[tuple[str, int, Curated, str, str]], task_mb: float
) -> Iterator[Task]:
    """Deal files into tasks by bytes, at least four a task, in the order of their paths.

    Args:
        kept: path below the root, bytes, label, description and clip id of each file.
    """
    batch: list[tuple[str, int, Curated, str, str]] = []
    n_bytes = 0
    for i, item in enumerate(kept):
        batch.append(item)
        n_bytes += item[1]
        if (n_bytes >= task_mb * 2**20 and len(batch) >= MIN_FILES_A_TASK) or i == len(kept) - 1:
            files = tuple(name for name, *_ in batch)
            root = str(given.root.resolve())
            yield Task(
                shard=_shard(archive.name, root, files),
                archive=archive.model_dump_json(),
                root=root,
                body=None if given.body is None else str(given.body.resolve()),
                files=files,
                labels=tuple((c.label.name, c.label.rule, words) for _, _, c, words, _ in batch),
                clip_ids=tuple(clip_id for *_, clip_id in batch),
                decided={name: (c.rate_hz, c.notes) for name, _, c, *_ in batch if c.notes},
            )
            batch, n_bytes = [], 0


def without_files(task: Task, known: Set[tuple[str, str]]) -> Task | None:
    """The task without the files that need not be read again, (root, path); None where none is left."""
    new = [i for i, name in enumerate(task.files) if (task.root, name) not in known]
    if len(new) in (0, len(task.files)):
        return task if new else None
    files = tuple(task.files[i] for i in new)
    name = ArchiveConfig.model_validate_json(task.archive).name
    shard = _shard(name, task.root, files)
    labels, clip_ids = tuple(task.labels[i] for i in new), tuple(task.clip_ids[i] for i in new)
    return replace(task, shard=shard, files=files, labels=labels, clip_ids=clip_ids)


def _shard(archive: str, root: str, files: Sequence[str]) -> str:
    """Named by what it holds: the same files are the same shard, run after run. A file's name may hold newlines."""
    key = "\n".join([archive, root, *(file.replace("\\", "\\\\").replace("\n", "\\n") for file in files)])
    return f"{archive}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
