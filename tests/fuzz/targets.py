"""One function a reader: bytes in, and nothing out but the refusals that the reader is allowed.

A target lays the bytes out as the reader finds them on disk, and reads. Damage may end in a `Rejection`, or for what a
person edits in a `UserError`; what is read must keep the reader's contract. Anything else is a finding.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

from fuzz.container import unpacked
from vimu.archives.amass import read_amass
from vimu.archives.asf_amc import read_amc
from vimu.archives.bvh import read_bvh
from vimu.archives.config import ArchiveConfig, load_archive
from vimu.archives.conformance import check_motion
from vimu.archives.unpack import unpack
from vimu.body import models
from vimu.body.placement import Placement
from vimu.clips.annotations import load_annotations
from vimu.clips.decisions import read_decisions, write_decisions
from vimu.clips.labels import LabelRules
from vimu.contracts import ImuRecording, Rejection
from vimu.imu.device_models import DeviceSet
from vimu.recordings.config import RecordingConfig, load_recordings
from vimu.recordings.conformance import check_recording
from vimu.recordings.reference import ReferenceConfig, read_reference
from vimu.recordings.trials import TrialFile, list_trials, read_trial
from vimu.runtime.config import load_config, validate
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml
from vimu.stages.config import Config

Target = Callable[[bytes, Path], None]


class BrokenContractError(AssertionError):
    """A reader took damage for data: its own contract refuses what it gave."""


def _write(folder: Path, names: tuple[str, ...], data: bytes) -> list[Path]:
    """The input's files under `names`, in that order; where it has fewer, the others are missing."""
    paths = [folder / name for name in names]
    for path, part in zip(paths, unpacked(data), strict=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part)
    return paths


# ---- mocap archives


@cache
def _archive(reader: str) -> ArchiveConfig:
    if reader == "amass":
        return load_archive("amass")
    joint, end = {"bvh": ("Hips", "Chest"), "asf_amc": ("root", "shin")}[reader]
    common = {"name": "test", "reader": reader, "licence": "none", "evidence": "made up", "unit_m": 0.01, "up": "+z"}
    segments = {"pelvis": {"joint": joint, "end": end, "left": "+x", "up": "+y"}}
    rate = {"rate_hz": 120} if reader == "asf_amc" else {}
    return validate(ArchiveConfig, common | rate | {"segments": segments}, where="-")


def _motion(reader: str, *names: str) -> Target:
    read = {"amass": read_amass, "bvh": read_bvh, "asf_amc": read_amc}[reader]

    def target(data: bytes, folder: Path) -> None:
        path = _write(folder, names, data)[0]
        if not path.is_file():
            return
        motion = read(path, _archive(reader), folder)
        try:
            check_motion(motion, _archive(reader), path.name)
        except Rejection as rejection:
            raise BrokenContractError(str(rejection)) from rejection

    return target


def smpl(data: bytes, folder: Path) -> None:
    path = _write(folder, ("SMPL_MALE.pkl",), data)[0]
    with mock.patch.dict(models.KINDS, {(24, 8): models.KINDS[24, 6890]}):
        models.load_smpl_model(path)


# ---- recordings


@cache
def _set(name: str) -> RecordingConfig:
    if name == "table":
        columns = {"acc": ["a.x", "a.y", "a.z"], "gyr": [3, 4, ["g.z"]]}
        return validate(
            RecordingConfig,
            {
                "name": "table", "reader": "table", "licence": "none", "evidence": "made up", "max_gap_s": 0.1,
                "files": "*.csv", "trial": r"(?P<subject>\d+)\.csv", "activities": {"walk": {"name": "walking"}},
                "table": {"separator": ",", "header_lines": 1, "label": "label"},
                "sensors": {0: {"placement": "waist", "rate_hz": 50, "columns": columns}},
            },
            where="-",
        )  # fmt: skip
    config = load_recordings(name)
    kept = {"dip": (0, 1), "umafall": (0, 1, 3)}.get(name, tuple(config.sensors))
    shorter = {"hhar": {"min_duration_s": 1.0, "edge_s": 1.0}}.get(name, {})
    return config.model_copy(update={"sensors": {i: config.sensors[i] for i in kept}, "upright": {}, **shorter})


def _checked(recording: ImuRecording, config: RecordingConfig, sensors: tuple[str, ...], rate_hz: float) -> None:
    try:
        check_recording(recording, config, "file", sensors=sensors, rate_hz=rate_hz)
    except Rejection as rejection:
        raise BrokenContractError(str(rejection)) from rejection


def _trials(name: str, *names: str) -> Target:
    """Everything that is found in the files is read; a few trials, where the damage makes many of one."""

    def target(data: bytes, folder: Path) -> None:
        config = _set(name)
        _write(folder, names, data)
        if not (folder / names[0]).is_file():
            return
        trials, _ = list_trials(folder, config)
        for trial in trials[:4]:
            _read(trial, config)

    return target


def _read(trial: TrialFile, config: RecordingConfig) -> None:
    try:
        recording = read_trial(trial, config, sensors=config.placements, rate_hz=50.0)
    except Rejection:
        return
    _checked(recording, config, config.placements, 50.0)


@cache
def _reference(reader: str) -> ReferenceConfig:
    sensors = {"xsens_mtw": ("AA", "BB"), "xsens_dot": ("Pelvis",), "transpose": ("0", "1")}[reader]
    return validate(
        ReferenceConfig,
        {
            "name": "test", "reader": reader, "licence": "none", "evidence": "made up", "up": "+z", "max_gap_s": 0.1,
            "rate_hz": 100 if reader == "xsens_mtw" else 60,
            "sensors": {key: {"placement": f"p{key}", "evidence": "made up"} for key in sensors},
        },
        where="-",
    )  # fmt: skip


def _worn(reader: str, *names: str) -> Target:
    def target(data: bytes, folder: Path) -> None:
        _write(folder, names, data)
        recording = read_reference(folder, _reference(reader))
        named = _set("table").model_copy(update={"reader": reader})  # all that the check asks of it
        _checked(recording, named, recording.sensors, recording.rate_hz)

    return target


# ---- what people edit


def configuration(data: bytes, folder: Path) -> None:
    load_config(Config, _write(folder, ("run.yaml", "base.yaml"), data)[0], ["pretrain.lr=1e-3", "tune.n_trials=3"])


KINDS = (ArchiveConfig, RecordingConfig, LabelRules, DeviceSet, ReferenceConfig)


def facts(data: bytes, folder: Path) -> None:
    """One YAML, taken for each kind in turn, and for a file of placements."""
    path = _write(folder, ("facts.yaml",), data)[0]
    raw = read_yaml(path)
    for kind in KINDS:
        with suppress(UserError):
            validate(kind, raw, where="facts.yaml")
    for name, entry in raw.items():
        with suppress(UserError):
            validate(Placement, {"name": name, **(entry if isinstance(entry, dict) else {"smpl": entry})}, where="-")


def decisions(data: bytes, folder: Path) -> None:
    found = read_decisions(_write(folder, ("d.csv",), data)[0])
    again = folder / "again.csv"
    write_decisions(again, found)
    if read_decisions(again) != found:
        raise BrokenContractError("decisions that are written are read otherwise")


def annotations(data: bytes, folder: Path) -> None:
    load_annotations(_write(folder, ("a.json" if data[:1] == b"{" else "a.txt",), data)[:1])


# ---- packed files

MAGIC = {b"PK": "zip", b"BZ": "tar.bz2", b"\x1f\x8b": "tar.gz", b"\xfd7": "tar.xz"}
MAX_UNPACKED = 2**24


def unpacking(data: bytes, folder: Path) -> None:
    archive = folder / f"CMU.{MAGIC.get(data[:2], 'tar')}"
    archive.write_bytes(data)
    try:
        unpack(archive, folder / "into", max_bytes=MAX_UNPACKED)
    finally:
        there = {path.name for path in folder.iterdir()} | {path.name for path in (folder / "into").glob("*")}
        if there - {archive.name, "into", "CMU"}:
            raise BrokenContractError(f"left {sorted(there)}")


SIGNALS = tuple(f"train/Inertial Signals/{s}_{axis}_train.txt" for s in ("total_acc", "body_gyro") for axis in "xyz")


@dataclass(frozen=True)
class Reader:
    """A target and what it may raise."""

    target: Target
    allowed: tuple[type[Exception], ...] = (Rejection,)


READERS: Mapping[str, Reader] = {
    "amass": Reader(_motion("amass", "KIT/3/walk_poses.npz")),
    "smpl": Reader(smpl, (UserError,)),
    "bvh": Reader(_motion("bvh", "a.bvh")),
    "asf_amc": Reader(_motion("asf_amc", "01/01_01.amc", "01/01.asf")),
    "dip": Reader(_trials("dip", "s_01/03.pkl")),
    "umafall": Reader(_trials("umafall", "UMAFall_Subject_01_ADL_Walking_1_2017-04-14_23-25-52.csv")),
    "hapt": Reader(_trials("hapt", "acc_exp01_user01.txt", "gyro_exp01_user01.txt", "labels.txt"), (UserError,)),
    "table": Reader(_trials("table", "7.csv")),
    "uci_har": Reader(_trials("uci_har", "train/subject_train.txt", "train/y_train.txt", *SIGNALS)),
    "hhar": Reader(_trials("hhar", "Phones_accelerometer.csv", "Phones_gyroscope.csv")),
    "xsens_mtw": Reader(_worn("xsens_mtw", "x_AA.txt", "x_BB.txt")),
    "xsens_dot": Reader(_worn("xsens_dot", "Pelvis_1.csv")),
    "transpose": Reader(_worn("transpose", "acc.pt", "ori.pt")),
    "configuration": Reader(configuration, (UserError,)),
    "facts": Reader(facts, (UserError,)),
    "decisions": Reader(decisions, (UserError,)),
    "annotations": Reader(annotations, (UserError,)),
    "unpacking": Reader(unpacking),
}


def emptied(folder: Path) -> None:
    """Remove what an input left, and its links to nowhere."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
