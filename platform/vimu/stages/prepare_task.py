"""What a Ray worker does for `prepare`: read some clips or trials, cut their windows, write the shard."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from platform import node
from typing import Any

import numpy as np
import pyarrow as pa

from vimu.clips.schema import clips_from
from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.imu.device import apply_devices
from vimu.imu.device_models import DeviceSet
from vimu.imu.frames import ChannelMissingError, of_sensors
from vimu.imu.mounting import remounted
from vimu.recordings.config import RecordingConfig
from vimu.recordings.trials import TrialFile, read_trial
from vimu.runtime.config import validate
from vimu.runtime.storage import StoredFile, location
from vimu.runtime.transient import blame_storage
from vimu.stages.mountings import turns_of
from vimu.stages.shards import Row, mark_done, rejection_row, say_about, write_shard
from vimu.windows.schema import window_schema
from vimu.windows.settings import SplitSettings, WindowSettings
from vimu.windows.split import random_splits
from vimu.windows.upsample import at_speed
from vimu.windows.windowing import windows_of

NAME = "prepare"


@dataclass(frozen=True)
class _Source:
    """A clip or a trial on its way to windows."""

    source_id: str
    dataset: str
    subject: str
    label: str
    path: str
    recording: ImuRecording
    copy: int = 0
    """Number of an up-sampled copy; 0 is the source itself."""
    speed: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.source_id}+{self.copy}" if self.copy else self.source_id


def run_task(item: Row) -> Row:
    """One task, in a Ray worker: read clips or trials, cut their windows, write the shard."""
    settings = WindowSettings.model_validate_json(item["settings"])
    sensors, staging = tuple(item["sensors"]), location(item["staging"])
    splits: dict[str, str] = json.loads(item["splits"])
    schema = window_schema(settings, sensors)
    rows: list[Row] = []
    tables = []
    for source in _clips(item, splits) if item["clips"] else _trials(item, settings, sensors):
        if isinstance(source, Rejection):
            rows.append({"rejection": rejection_row(source.path, source, NAME)})
            continue
        try:
            x, starts = windows_of(source.recording, settings, sensors)
        except ChannelMissingError as error:
            rows.append({"error": f"{source.path} {error}"})
            continue
        if not len(x):
            short = Rejection(source.path, Reason.TOO_SHORT, f"{source.recording.duration_s:.2f} s")
            rows.append({"rejection": rejection_row(source.path, short, NAME)})
            continue
        ids = [f"{source.dataset}:{source.name}:{start:06d}" for start in starts]
        of_window = [splits[source.source_id]] * len(x)
        if item["dealt"] and not source.copy:  # copies are for training
            of_window = random_splits(ids, SplitSettings.model_validate_json(item["dealt"]))
        tables.append(_windows_table(source, ids, of_window, x, starts, schema))
        rows.append(
            {
                "copy" if source.copy else "windows": {
                    "name": source.name, "dataset": source.dataset, "subject": source.subject,
                    "label": source.label, "split": _as_one(of_window), "n": len(x),
                    "n_by_split": dict(Counter(of_window)), "sha256": hashlib.sha256(x.data).hexdigest(),
                    "notes": dict(_counted(source.recording.notes)),
                }
            }
        )  # fmt: skip
    file = None
    if tables:
        dictionary = ["dataset", "source_id", "subject", "label", "split"]
        file = write_shard(
            staging / "windows" / f"{item['shard']}.parquet", pa.concat_tables(tables), dictionary=dictionary
        )
    return mark_done(staging, item["shard"], rows, file, made=sum(map(len, tables)), unit="windows")


def _clips(item: Row, splits: dict[str, str]) -> Iterator[_Source]:
    """The clips of the task, each followed by its copies: first at their speed, then through the devices."""
    speeds: dict[str, list[float]] = json.loads(item["speeds"])
    for clip in clips_from(StoredFile(**json.loads(item["clips"])).table()):
        if clip.clip_id not in splits:
            continue
        for copy, speed in enumerate((1.0, *speeds.get(clip.clip_id, ()))):
            source = _Source(
                clip.clip_id, clip.archive, clip.group, clip.label, clip.sequence, at_speed(clip.recording, speed),
                copy=copy, speed=speed,
            )  # fmt: skip
            take = f"{clip.archive}/{clip.sequence}" + (f"+{copy}" if copy else "")
            yield replace(source, recording=_through_devices(item, take, source.recording))


def _through_devices(item: Row, take: str, recording: ImuRecording) -> ImuRecording:
    """What the device set would have measured of a clip; the clip itself where there is none."""
    if not item["devices"]:
        return recording
    devices = DeviceSet.model_validate_json(item["devices"])
    rate_hz = WindowSettings.model_validate_json(item["settings"]).rate_hz
    worn = of_sensors(recording, item["sensors"])
    return apply_devices(worn, devices, seed=item["device_seed"], clip_id=take, rate_hz=rate_hz)


def _trials(item: Row, settings: WindowSettings, sensors: Sequence[str]) -> list["_Source | Rejection"]:
    where = f"the recording set, on the Ray worker {node()},"  # which may lack the package of the set's reader
    real = validate(RecordingConfig, json.loads(item["recordings"]), where=where)
    mountings = json.loads(item["mountings"])
    sources: list[_Source | Rejection] = []
    for entry in json.loads(item["trials"]):
        span = None if entry["span"] is None else tuple(entry["span"])
        named = (entry["trial"], entry["subject"], entry["activity"], entry["session"])
        trial = TrialFile(Path(entry["path"]), *named, span)
        if trial.trial in item["calibration"]:
            told = Rejection(trial.trial, Reason.CALIBRATION, f"tells how sensors of `{trial.session}` are mounted")
            sources.append(told)
            continue
        say_about(item, trial.path)
        try:
            recording = read_trial(trial, real, sensors=sensors, rate_hz=settings.rate_hz)
        except (Rejection, OSError, MemoryError) as error:
            blame_storage(error, trial.path)
            if not isinstance(error, Rejection):
                raise
            sources.append(Rejection(trial.trial, error.reason, error.detail))
            continue
        if mountings:
            turns, notes = turns_of(trial, mountings, sensors)
            recording = replace(remounted(recording, turns), notes=(*recording.notes, *notes))
        sources.append(_Source(trial.trial, real.name, trial.subject, trial.activity, trial.trial, recording))
    return sources


def _windows_table(
    source: _Source, ids: list[str], of_window: list[str], x: np.ndarray[Any, Any], starts: np.ndarray[Any, Any],
    schema: pa.Schema,
) -> pa.Table:  # fmt: skip
    n = len(x)
    columns = [
        pa.array(ids),
        *(pa.array([value] * n) for value in (source.dataset, source.source_id, source.subject, source.label)),
        pa.array(starts, pa.int32()),
        pa.array(of_window),
        pa.array([source.speed] * n, pa.float32()),
        pa.FixedShapeTensorArray.from_numpy_ndarray(x),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _as_one(splits: list[str]) -> str:
    """A source's split; where its windows are dealt one by one, all of them."""
    return splits[0] if len(set(splits)) == 1 else ",".join(splits)


def _counted(notes: Sequence[str]) -> Counter[str]:
    """`lost_decimal_point: 123 rows` -> 123 of `lost_decimal_point`; other notes count once."""
    counts: Counter[str] = Counter()
    for note in notes:
        name, _, rest = note.partition(":")
        words = rest.split()
        counts[name] += int(words[0]) if words and words[0].isdigit() else 1
    return counts
