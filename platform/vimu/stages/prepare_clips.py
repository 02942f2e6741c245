"""What `prepare` does with each clip: its split, whether it moves like its label, its copies, the task that cuts it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vimu.clips.schema import split_group
from vimu.contracts import Reason, Rejection
from vimu.imu.device import frames_through
from vimu.imu.device_models import DeviceSet
from vimu.resampling import resampled_length
from vimu.runtime.errors import UserError
from vimu.runtime.published import Published
from vimu.stages.config import PrepareSettings
from vimu.stages.prepare_filters import Filtered, filter_clips
from vimu.stages.shards import Row, rejection_row
from vimu.windows.cut import n_windows
from vimu.windows.settings import SplitSettings
from vimu.windows.split import assign_splits
from vimu.windows.upsample import Upsampling, plan_copies

NAME = "prepare"
INDEX = ("clip_id", "archive", "subject", "sequence", "label", "rule", "n_frames", "rate_hz")


@dataclass(frozen=True)
class ClipPlan:
    """The virtual half of a plan."""

    items: tuple[Row, ...]
    """A task a shard of clips."""
    n_windows: int
    """Of the clips that are cut, without their copies."""
    rejections: tuple[Row, ...]
    """Clips shorter than a window, and those unlike their label."""
    groups: str
    """What the split keeps apart: `subjects`, or `clips` where an archive names none."""
    upsampling: Upsampling
    filtered: Filtered | None
    """What the filters saw; None where none is asked for."""


def plan_clips(
    settings: PrepareSettings, synthesized: Published, devices: DeviceSet | None, sensors: Sequence[str]
) -> ClipPlan:
    """Split the clips, filter them by thresholds from the training split, plan copies of what is left of that.

    Raises:
        UserError: every clip is shorter than a window, there are too few subjects, or the filters lack what they need.
    """
    window = settings.windows
    files = synthesized.files("clips/")
    index = [file.columns(list(INDEX)).to_pylist() for file in files]
    rows = {row["clip_id"]: row for shard in index for row in shard}

    def n_at(clip_id: str, speed: float) -> int:
        row = rows[clip_id]
        n_frames = resampled_length(row["n_frames"], row["rate_hz"], row["rate_hz"] / speed)
        n_frames = (
            resampled_length(n_frames, row["rate_hz"], window.rate_hz)
            if devices is None
            else frames_through(n_frames, row["rate_hz"], devices, tuple(sensors), rate_hz=window.rate_hz)
        )
        return n_windows(n_frames, length_frames=window.length_frames, hop_frames=window.hop_frames)

    n_of = {clip_id: n_at(clip_id, 1.0) for clip_id in rows}
    usable = [row for row in rows.values() if n_of[row["clip_id"]]]
    left_out = [_too_short(row) for row in rows.values() if not n_of[row["clip_id"]]]
    if not usable:
        raise UserError("`windows.length_frames` must fit into a clip, but every clip is shorter.")
    groups = [split_group(row) for row in usable]
    splits = assign_splits(groups, [r["label"] for r in usable], settings.virtual_split, dataset="virtual clips")
    filtered = None if settings.filters is None else filter_clips(files, usable, splits, settings.filters)
    unlike = {} if filtered is None else filtered.rejections
    split_of = {row["clip_id"]: s for row, s in zip(usable, splits, strict=True) if row["clip_id"] not in unlike}
    training = {clip_id: rows[clip_id]["label"] for clip_id, split in split_of.items() if split == "train"}
    takes = {clip_id: f"{rows[clip_id]['archive']}/{rows[clip_id]['sequence']}" for clip_id in training}
    upsampling = plan_copies(training, n_at, settings.upsample, takes)
    items = []
    for file, shard in zip(files, index, strict=True):
        chosen = {row["clip_id"]: split_of[row["clip_id"]] for row in shard if row["clip_id"] in split_of}
        if chosen:
            speeds = {clip_id: s for clip_id, s in upsampling.speeds.items() if clip_id in chosen}
            given = {"splits": json.dumps(chosen), "speeds": json.dumps(speeds), "dealt": dealt(settings.virtual_split)}
            held = {"shard": Path(file.where).stem, "clips": json.dumps(asdict(file)), "trials": ""}
            items.append(held | given)
    named = all(row["subject"] is not None for row in usable)
    return ClipPlan(
        items=tuple(items),
        n_windows=sum(n_of[clip_id] for clip_id in split_of),
        rejections=tuple(rejection_row(r.path, r, NAME) for r in [*left_out, *unlike.values()]),
        groups="subjects" if named else "clips",
        upsampling=upsampling,
        filtered=filtered,
    )


def dealt(split: SplitSettings) -> str:
    """For a task: how it deals windows one by one; empty where every source has its split already."""
    return split.model_dump_json() if split.protocol == "paper_random_windows" else ""


def _too_short(row: Row) -> Rejection:
    seconds = f"{row['n_frames'] / row['rate_hz']:.2f} s"
    return Rejection(row["sequence"], Reason.TOO_SHORT, f"{seconds} are shorter than a window")
