"""The clips table: one Parquet row a clip, readable by plain pyarrow."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from vimu.clips.labels import Label
from vimu.clips.statistics import STATISTICS, clip_statistics
from vimu.contracts import ImuRecording, Motion, SmplMotion

SCHEMA_VERSION = 3

TENSOR = pa.list_(pa.float32())
"""A clip's arrays are flat lists in C order; `n_frames` and `sensors` give the shape: acc, gyr (T,S,3) and ori
(T,S,3,3). `statistics` is (S,K) likewise, of natural logarithms; the metadata name the K."""

CLIP_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("archive", pa.string(), nullable=False),
        pa.field("subject", pa.string()),
        pa.field("sequence", pa.string(), nullable=False),
        pa.field("description", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("source_rate_hz", pa.float64(), nullable=False),
        pa.field("file_rate_hz", pa.float64(), nullable=False),
        pa.field("gender", pa.string()),
        pa.field("body", pa.string()),
        pa.field("notes", pa.list_(pa.string()), nullable=False),
        pa.field("rate_hz", pa.float64(), nullable=False),
        pa.field("n_frames", pa.int32(), nullable=False),
        pa.field("sensors", pa.list_(pa.string()), nullable=False),
        pa.field("acc_rms", pa.float32(), nullable=False),
        pa.field("acc_peak", pa.float32(), nullable=False),
        pa.field("statistics", pa.list_(pa.float32()), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("acc", TENSOR, nullable=False),
        pa.field("gyr", TENSOR, nullable=False),
        pa.field("ori", TENSOR, nullable=False),
    ],
    metadata={
        "schema": "vimu.clips",
        "schema_version": str(SCHEMA_VERSION),
        "frame": "world",
        "gravity": "removed",
        "units": "acc m/s^2, gyr rad/s (sensor axes), ori sensor->world",
        "statistics": ",".join(STATISTICS),
    },
)

REJECTION_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
    ],
    metadata={"schema": "vimu.rejections", "schema_version": str(SCHEMA_VERSION)},
)


@dataclass(frozen=True)
class Clip:
    """One labelled virtual recording, world frame, gravity removed."""

    clip_id: str
    archive: str
    recording: ImuRecording
    label: str
    group: str
    """What a split keeps together: the subject, else the clip itself."""
    sequence: str


def recording_sha256(recording: ImuRecording) -> str:
    """Hash of what a recording holds: the same take in two archives gets the same."""
    digest = hashlib.sha256(f"{recording.rate_hz}|{recording.sensors}|{recording.n_frames}".encode())
    for array in (recording.acc, recording.gyr, recording.ori):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def clip_id_of(archive: str, path: str, number: int) -> str:
    """A clip's id: by the name of its file, not by its numbers.

    The order of training follows ids. Numbers differ in their last bits from processor to processor (fused
    multiply-add, SIMD), so ids made of them gave each machine an order, and a result, of its own.

    Args:
        path: of the file, below its archive's root.
        number: how many earlier roots of the archive hold a file of that path.
    """
    return hashlib.sha256(json.dumps([archive, path, number]).encode()).hexdigest()[:32]


def clip_row(
    motion: Motion, label: Label, recording: ImuRecording, *, clip_id: str, body: str | None
) -> dict[str, object]:
    """A row of `CLIP_SCHEMA`; `recording`, made from `motion`, must be in the world frame with gravity removed.

    Args:
        clip_id: as `clip_id_of` gives it.
        body: name of the body model's file; None for a skeleton.
    """
    if (recording.frame, recording.gravity) != ("world", "removed"):
        raise ValueError(f"`recording` must be world/removed, but is {recording.frame}/{recording.gravity}.")
    assert recording.gyr is not None
    assert recording.ori is not None
    take, smpl = motion.take, motion if isinstance(motion, SmplMotion) else None
    magnitude = np.linalg.norm(recording.acc, axis=-1)
    return {
        "clip_id": clip_id,
        "archive": take.archive,
        "subject": take.subject,
        "sequence": take.sequence,
        "description": take.description,
        "label": label.name,
        "rule": label.rule,
        "source_rate_hz": motion.rate_hz,
        "file_rate_hz": motion.rate_hz if motion.file_rate_hz is None else motion.file_rate_hz,
        "gender": None if smpl is None else smpl.gender,
        "body": body,
        "notes": [*motion.notes, *recording.notes],
        "rate_hz": recording.rate_hz,
        "n_frames": recording.n_frames,
        "sensors": list(recording.sensors),
        "acc_rms": float(np.sqrt(np.mean(magnitude**2))),
        "acc_peak": float(magnitude.max()),
        "statistics": clip_statistics(recording).astype(np.float32).ravel(),
        "sha256": recording_sha256(recording),
        "acc": recording.acc.ravel(),
        "gyr": recording.gyr.ravel(),
        "ori": recording.ori.ravel(),
    }


def split_group(row: Mapping[str, Any]) -> str:
    """What a split keeps together: the row's subject, else the take.

    By the take's name: splits must not move with another rate, sensor or rounding.
    """
    return f"{row['archive']}/{row['sequence'] if row['subject'] is None else row['subject']}"


def clips_from(table: pa.Table) -> list[Clip]:
    """The clips of a table of `CLIP_SCHEMA`, their arrays without copies."""
    flat = {name: table.column(name).combine_chunks() for name in ("acc", "gyr", "ori")}
    clips = []
    for i, row in enumerate(table.drop_columns(list(flat)).to_pylist()):
        shape = (row["n_frames"], len(row["sensors"]), 3)
        recording = ImuRecording(
            acc=_array(flat["acc"], i, shape),
            gyr=_array(flat["gyr"], i, shape),
            ori=_array(flat["ori"], i, (*shape, 3)),
            rate_hz=row["rate_hz"],
            sensors=tuple(row["sensors"]),
            frame="world",
            gravity="removed",
        )
        group = split_group(row)
        clips.append(Clip(row["clip_id"], row["archive"], recording, row["label"], group, row["sequence"]))
    return clips


def _array(column: pa.ListArray, row: int, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    return np.asarray(column[row].values.to_numpy(zero_copy_only=True)).reshape(shape)
