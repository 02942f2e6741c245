"""Windows on Ray Data: published clips and real recordings in, one windows table with splits out."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vimu.imu.device_models import DeviceSet, load_devices
from vimu.imu.mounting import upright_directions
from vimu.recordings.config import RecordingConfig, load_recordings
from vimu.recordings.readers import READERS
from vimu.recordings.trials import TrialFile, list_trials
from vimu.runtime.errors import UserError, listed
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.storage import Location, absolute, file_sha256
from vimu.stages.config import Config, PrepareSettings
from vimu.stages.mountings import calibrate, estimated_sensors
from vimu.stages.prepare_clips import ClipPlan, dealt, plan_clips
from vimu.stages.prepare_task import run_task
from vimu.stages.shards import Row, rejection_row, run_shards, write_rejections
from vimu.stages.stage import Plan, Stage, clips_of, input_identity
from vimu.windows.features import FEATURE_SETS
from vimu.windows.settings import WindowSettings
from vimu.windows.split import assign_splits

NAME = "prepare"
TRIALS_A_TASK = 24
HASHED = ("dataset", "subject", "label", "split")
"""What of a source its arrays do not say."""


@dataclass(frozen=True)
class Work:
    """The plan's tasks, and the rejections that are known before a recording is read."""

    items: tuple[Row, ...]
    rejections: tuple[Row, ...]
    sensors: tuple[str, ...]
    synthesized: Published
    real: RecordingConfig
    clips: ClipPlan
    devices: DeviceSet | None
    trials: tuple[TrialFile, ...]


def plan(config: Config) -> Plan[Work]:
    """Choose the sensors, assign every clip and trial to a split, count the virtual windows.

    Raises:
        UserError: nothing is synthesized yet, no sensor is common to all inputs, there are too few subjects, or the
            device set does not serve the sensors or the feature set; archive and recordings have one name.
    """
    settings = config.preparation
    synthesized = clips_of(config)
    real = load_recordings(settings.real.recordings)
    if real.name in synthesized.details["datasets"]:
        raise UserError(
            f"`name` of a mocap archive must not be that of a set of recordings, but `{real.name}` is both: virtual "
            "and real windows could not be told apart. Give the archive's YAML another name."
        )
    trials, left_out = list_trials(settings.real.root, real)
    sensors = _sensors(settings.windows, synthesized, real)
    _check_gyroscopes(settings.windows, real, sensors)
    devices = _devices(settings, sensors)
    clips = plan_clips(settings, synthesized, devices, sensors)
    items = (*clips.items, *_trial_items(settings, real, trials))
    rejections = [*clips.rejections] + [
        rejection_row(_below(rejection.path, settings.real.root), rejection, NAME) for rejection in left_out
    ]
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json"),
            "recordings": real.model_dump(mode="json"),
            "devices": None if devices is None else devices.model_dump(mode="json"),
            "sensors": list(sensors),
            "upright": _upright(settings, real, sensors),
            "inputs": input_identity(synthesized) | {"recordings": _files_hash(trials)},
        },
        counts={
            "clips_in": synthesized.manifest["counts"]["clips"],
            "virtual_windows": clips.n_windows + clips.upsampling.n_windows,
            "upsampled_windows": clips.upsampling.n_windows,
            "trials_in": len(trials) + len(left_out),
            "trials_to_read": len(trials),
            "left_out": len(rejections),
            "tasks": len(items),
        },
        tables={
            "left out": sorted(Counter(row["reason"] for row in rejections).items()),
            "real label (trials)": sorted(Counter(t.activity for t in trials).items()),
            "up-sampled training windows": clips.upsampling.table(),
        }
        | ({} if clips.filtered is None else clips.filtered.tables()),
        work=Work(items, tuple(rejections), sensors, synthesized, real, clips, devices, tuple(trials)),
    )


def build(config: Config, plan: Plan[Work], staging: Location) -> Outcome:
    """Cut the windows inside Ray Data; write them, the rejections and the counts."""
    assert plan.work is not None
    work, settings = plan.work, config.preparation
    told = calibrate(work.trials, work.real, work.sensors) if settings.mounting == "estimated" else None
    common = {
        "mountings": json.dumps(told.mountings if told else {}),
        "calibration": sorted(told.trials) if told else [],
        "staging": absolute(staging),
        "settings": settings.windows.model_dump_json(),
        "sensors": list(work.sensors),
        "recordings": work.real.model_dump_json(),
        "devices": "" if work.devices is None else work.devices.model_dump_json(),
        "device_seed": settings.device_seed,
    }
    rows, files = run_shards(
        run_task, [item | common for item in work.items], staging, config.ray, config.resources, NAME
    )
    broken = [row["error"] for row in rows if row.get("error")]
    if broken:
        raise UserError("A recording lacks what the feature set needs: " + "; ".join(broken[:5]))
    rejections = [*work.rejections, *(row["rejection"] for row in rows if row.get("rejection"))]
    windows = [row["windows"] for row in rows if row.get("windows")]
    copies = [row["copy"] for row in rows if row.get("copy")]
    sources_in = plan.counts["clips_in"] + plan.counts["trials_in"]
    if sources_in != len(windows) + len(rejections):
        raise RuntimeError(
            f"{sources_in} clips and trials came in, but {len(windows)} and {len(rejections)} rejections came out"
        )
    if sum(copy["n"] for copy in copies) != work.clips.upsampling.n_windows:
        raise RuntimeError(f"{work.clips.upsampling.n_windows} up-sampled windows were planned, but others came out")
    write_rejections(staging, rejections)
    if work.clips.filtered is not None:
        work.clips.filtered.write(staging)
    cut = windows + copies
    virtual = list(work.synthesized.details["datasets"])
    return Outcome(
        counts={
            "sources_in": sources_in, "sources_cut": len(windows), "rejections": len(rejections),
            "windows": sum(w["n"] for w in cut), "upsampled_windows": work.clips.upsampling.n_windows,
        },
        content_hash=content_hash((w["name"], w["sha256"]) for w in cut),
        licences=dict(work.synthesized.manifest["licences"]) | {work.real.name: work.real.licence},
        details={
            "virtual_datasets": virtual,
            "real_dataset": work.real.name,
            "reader": READERS.source(work.real.reader),
            "synthetic": {name: bool(work.synthesized.details["synthetic"]) for name in virtual}
            | {work.real.name: settings.real.synthetic},
            "empty_categories": work.synthesized.details["empty_categories"],
            "sensors": list(work.sensors),
            "groups": {"virtual": work.clips.groups, "real": "subjects"},
            "protocols": {"virtual": settings.virtual_split.protocol, "real": settings.real_split.protocol},
            "labels_hash": content_hash((w["name"], json.dumps([w[key] for key in HASHED])) for w in cut),
            "windows": _table(cut),
            "upsampled": work.clips.upsampling.counts(),
            "filters": None if work.clips.filtered is None else work.clips.filtered.summary(),
            "subjects": _subjects(windows),
            "left_out": dict(sorted(Counter(row["reason"] for row in rejections).items())),
            "notes": dict(sum((Counter(w["notes"]) for w in windows), Counter())),
        },
        files=files,
    )  # fmt: skip


STAGE = Stage(NAME, plan, build, workers_write=True)


def _sensors(settings: WindowSettings, synthesized: Published, real: RecordingConfig) -> tuple[str, ...]:
    """The sensors asked for, or those that clips and recordings both have."""
    virtual, recorded = list(synthesized.details["sensors"]), set(real.placements)
    if settings.sensors is None:
        common = tuple(s for s in virtual if s in recorded)
        if not common:
            raise UserError(
                f"`synthesize.placements` must share a sensor with `{real.name}` ({listed(recorded, 20)}), "
                f"but are {listed(virtual, 20)}."
            )
        return common
    for side, has in (("synthesize.placements", set(virtual)), (real.name, recorded)):
        lacking = [s for s in settings.sensors if s not in has]
        if lacking:
            raise UserError(f"`windows.sensors` must be in `{side}` ({listed(has, 20)}), unlike {listed(lacking, 20)}.")
    return settings.sensors


def _check_gyroscopes(settings: WindowSettings, real: RecordingConfig, sensors: tuple[str, ...]) -> None:
    """Refuse, before anything is read, sensors without the gyroscope that the feature set or VQF needs."""
    if "gyr" not in FEATURE_SETS[settings.feature_set].signals and settings.orientation != "vqf":
        return
    needed = sensors if settings.gyroscopes is None else settings.gyroscopes
    if unknown := [s for s in needed if s not in sensors]:
        raise UserError(
            f"`windows.gyroscopes` must be among the sensors ({listed(sensors, 20)}), unlike {listed(unknown)}."
        )
    lacking = [s.placement for s in real.sensors.values() if not s.gyroscope and s.placement in needed]
    if lacking:
        what = "`windows.orientation: vqf`" if settings.orientation == "vqf" else f"`{settings.feature_set}`"
        raise UserError(
            f"`windows.sensors` must have a gyroscope for {what}, but in `{real.name}` {listed(lacking)} has none; "
            f"take {listed(s for s in sensors if s not in lacking) or 'another set'}"
            + ("." if settings.orientation == "vqf" else ", or name in `windows.gyroscopes` those that have one.")
        )


def _devices(settings: PrepareSettings, sensors: tuple[str, ...]) -> DeviceSet | None:
    """The device set asked for, which must serve every sensor and all that the feature set needs."""
    if settings.device is None:
        return None
    devices = load_devices(settings.device)
    devices.check(sensors)
    feature_set = settings.windows.feature_set
    signals = FEATURE_SETS[feature_set].signals
    if "ori" in signals and settings.windows.orientation == "recorded":
        raise UserError(
            f"`windows.feature_set` must do without orientation where `prepare.device` is set, for a device measures "
            f"none (`windows.orientation: vqf` filters one), but is `{feature_set}`."
        )
    needed = sensors if settings.windows.gyroscopes is None else settings.windows.gyroscopes
    lacking = [s for s in needed if any(devices.models[m].gyr is None for m in devices.sensors[s])]
    if lacking and not {"gyr", "ori"}.isdisjoint(signals):
        raise UserError(
            f"`windows.feature_set` must do without gyroscope, which `{devices.name}` lacks at {listed(lacking)}, "
            f"but is `{feature_set}`."
        )
    return devices


def _upright(settings: PrepareSettings, real: RecordingConfig, sensors: tuple[str, ...]) -> list[list[float]] | None:
    """Which way is up at each sensor, where mountings are estimated; refuses a set that cannot serve that."""
    if settings.mounting == "as_worn":
        return None
    directions: list[list[float]] = upright_directions(estimated_sensors(real, sensors)).tolist()
    return directions


def _trial_items(settings: PrepareSettings, real: RecordingConfig, trials: Sequence[TrialFile]) -> list[Row]:
    """A task some trials."""
    splits = assign_splits(
        [t.subject for t in trials], [t.activity for t in trials], settings.real_split, dataset=real.name
    )
    items = []
    for start in range(0, len(trials), TRIALS_A_TASK):
        some = slice(start, start + TRIALS_A_TASK)
        entries = [
            {
                "path": str(t.path.resolve()), "trial": t.trial, "subject": t.subject, "activity": t.activity,
                "session": t.session, "span": t.span,
            }
            for t in trials[some]
        ]  # fmt: skip
        chosen = {t.trial: split for t, split in zip(trials[some], splits[some], strict=True)}
        shard = f"{real.name}-{start:06d}"
        given = {"trials": json.dumps(entries), "splits": json.dumps(chosen)}
        items.append({"shard": shard, "clips": "", **given, "speeds": "{}", "dealt": dealt(settings.real_split)})
    return items


def _table(windows: Sequence[Row]) -> dict[str, dict[str, dict[str, int]]]:
    """dataset -> split -> label -> windows."""
    table: dict[str, dict[str, dict[str, int]]] = {}
    for w in sorted(windows, key=lambda w: (w["dataset"], w["split"], w["label"])):
        for split, n in w["n_by_split"].items():
            by_label = table.setdefault(w["dataset"], {}).setdefault(split, {})
            by_label[w["label"]] = by_label.get(w["label"], 0) + n
    return table


def _subjects(windows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """dataset -> split -> number of subjects (clips, where there are none)."""
    names: dict[str, dict[str, set[str]]] = {}
    for w in windows:
        for split in w["n_by_split"]:
            names.setdefault(w["dataset"], {}).setdefault(split, set()).add(w["subject"])
    return {dataset: {split: len(s) for split, s in sorted(by.items())} for dataset, by in sorted(names.items())}


def _files_hash(trials: Sequence[TrialFile]) -> str:
    """Over every trial and the bytes of its files. A file that holds many trials is read once."""
    sha = {path: file_sha256(path) for path in {p for t in trials for p in (t.path, *t.beside)} if path.is_file()}
    return content_hash((t.trial, "".join(sha.get(path, "") for path in (t.path, *t.beside))) for t in trials)


def _below(path: str, root: Path) -> str:
    try:
        return Path(path).resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path
