"""What a Ray worker does for `synthesize`: read some takes, make their virtual IMUs, write the shard."""

import json
import os
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from platform import node

import pyarrow as pa

from vimu.archives.config import ArchiveConfig
from vimu.body.placement import Placement
from vimu.clips.curation import as_decided
from vimu.clips.labels import Label
from vimu.clips.schema import CLIP_SCHEMA, clip_row
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import Reason, Rejection
from vimu.imu.presets import Preset
from vimu.runtime.config import validate
from vimu.runtime.storage import location
from vimu.runtime.transient import blame_storage
from vimu.stages.shards import Row, mark_done, rejection_row, say_about
from vimu.stages.sources import write_clips

NAME = "synthesize"


@dataclass(frozen=True)
class Task:
    """Files of one archive that one Ray task reads, and the shard it writes."""

    shard: str
    archive: str
    """`ArchiveConfig` as JSON."""
    root: str
    body: str | None
    files: tuple[str, ...]
    labels: tuple[tuple[str, str, str], ...]
    """(label, rule, description) of each file."""
    clip_ids: tuple[str, ...]
    decided: dict[str, tuple[float | None, tuple[str, ...]]] = field(default_factory=dict)
    """File -> rate in place of its own, and notes for its clip; only files that somebody decided on."""


def run_task(item: Row) -> Row:
    """One task, in a Ray worker: read, synthesize, write the shard."""
    task = Task(**json.loads(item["task"]))
    staging = location(item["staging"])
    synthesizer = _synthesizer(task.archive, item["placements"], task.body, item["preset"])
    rows: list[Row] = []
    clips = []
    for name, (label, rule, description), clip_id in zip(task.files, task.labels, task.clip_ids, strict=True):
        path = Path(task.root) / name
        say_about(item, path)
        try:
            motion = as_decided(synthesizer.read(path, Path(task.root)), *task.decided.get(name, (None, ())))
            recording = synthesizer.recording(
                motion, rate_hz=item["rate_hz"], placement_error_m=item["placement_error_m"], seed=item["seed"]
            )
            if recording.n_frames == 0:
                raise Rejection(str(path), Reason.TOO_SHORT, "no frame is left after the difference")
        except (Rejection, OSError, MemoryError) as error:
            blame_storage(error, path)
            if not isinstance(error, Rejection):
                raise
            rows.append({"file": name, "clip": None, "rejection": rejection_row(name, error, NAME)})
            continue
        clip = clip_row(
            replace(motion, take=replace(motion.take, description=description)),
            Label(label, rule),
            recording,
            clip_id=clip_id,
            body=synthesizer.body_name(motion),
        )
        clips.append(clip)
        kept = {"shard": task.shard, "worker_pid": os.getpid()} | {key: clip[key] for key in KEPT}
        rows.append({"file": name, "clip": kept, "rejection": None})
    file = write_clips(staging, task.shard, pa.Table.from_pylist(clips, CLIP_SCHEMA)) if clips else None
    frames = sum(row["clip"]["n_frames"] for row in rows if row["clip"])
    return mark_done(
        staging, task.shard, [row | {"root": task.root} for row in rows], file, made=frames, unit="frames"
    )  # fmt: skip


KEPT = ("clip_id", "archive", "subject", "sequence", "label", "rule", "n_frames", "sha256")
"""What of a clip's row the driver holds."""


@lru_cache(maxsize=8)
def _synthesizer(archive: str, placements: str, body: str | None, preset: str) -> Synthesizer:
    """One a worker process and archive: the body is read once, not once a task.

    Raises:
        UserError: the archive's reader is not installed on this machine.
    """
    config = validate(ArchiveConfig, json.loads(archive), where=f"the archive, on the Ray worker {node()},")
    sensors = [Placement.model_validate(p) for p in json.loads(placements)]
    return Synthesizer(config, sensors, body, Preset.model_validate_json(preset))
