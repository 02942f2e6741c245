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
from vimu.stages.shards import Row, mark_done, rejection_row, write_shard

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
    decided: dict[str, tuple[float | None, tuple[str, ...]]] = field(default_factory=dict)
    """File -> rate in place of its own, and notes for its clip; only files that somebody decided on."""


def run_task(item: Row) -> Row:
    """One task, in a Ray worker: read, synthesize, write the shard."""
    task = Task(**json.loads(item["task"]))
    staging = Path(item["staging"])
    synthesizer = _synthesizer(task.archive, item["placements"], task.body, item["preset"])
    rows: list[Row] = []
    clips = []
    for name, (label, rule, description) in zip(task.files, task.labels, strict=True):
        path = Path(task.root) / name
        try:
            motion = as_decided(synthesizer.read(path, Path(task.root)), *task.decided.get(name, (None, ())))
            recording = synthesizer.recording(
                motion, rate_hz=item["rate_hz"], placement_error_m=item["placement_error_m"], seed=item["seed"]
            )
            if recording.n_frames == 0:
                raise Rejection(str(path), Reason.TOO_SHORT, "no frame is left after the difference")
        except Rejection as rejection:
            rows.append({"clip": None, "rejection": rejection_row(name, rejection, NAME)})
            continue
        clip = clip_row(
            replace(motion, take=replace(motion.take, description=description)),
            Label(label, rule),
            recording,
            body=synthesizer.body_name(motion),
            worker_pid=os.getpid(),
        )
        clips.append(clip)
        rows.append({"clip": {"shard": task.shard} | {key: clip[key] for key in KEPT}, "rejection": None})
    if clips:
        write_clips(staging, task.shard, pa.Table.from_pylist(clips, CLIP_SCHEMA))
    mark_done(staging, task.shard, rows)
    return {"shard": task.shard, "clips": len(clips)}


KEPT = ("clip_id", "archive", "subject", "sequence", "label", "rule", "n_frames", "worker_pid", "sha256")
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


def write_clips(staging: Path, shard: str, table: pa.Table) -> None:
    """Write a shard of the clips table, whole or not at all."""
    write_shard(staging / "clips" / f"{shard}.parquet", table, dictionary=["archive", "label", "rule"])
