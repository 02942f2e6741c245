"""The trials of a set of real recordings: which there are, and reading one."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.config import RecordingConfig
from vimu.recordings.conformance import check_recording
from vimu.recordings.hapt import gyro_path
from vimu.recordings.readers import READERS
from vimu.recordings.segments import read_segments, without_zeros
from vimu.recordings.stretches import LISTERS, Stretch
from vimu.runtime.errors import UserError
from vimu.runtime.input_files import files_matching


@dataclass(frozen=True)
class TrialFile:
    """One recording on disk: a file, or a stretch of one."""

    path: Path
    trial: str
    """Path below the set's root, `/`-separated, without extension; `@FIRST-LAST` follows for a stretch."""
    subject: str
    activity: str
    """The class, as the set's YAML names it."""
    session: str = ""
    """What the subject wore without a change: its trials share a mounting."""
    span: tuple[int, ...] | None = None
    """First and last sample of the stretch, counted from 1, or what its reader finds it by; None for the whole file."""
    beside: tuple[Path, ...] = ()
    """Further files that it is read from, or labelled by."""


def list_trials(root: Path, config: RecordingConfig) -> tuple[list[TrialFile], list[Rejection]]:
    """Every file of the set below `root`, or every labelled stretch of one, as a trial to read or as left out, both
    sorted by path.

    Raises:
        UserError: there is no such folder, no file in it matches, one is a link that leads out of it, or a table of
            labels cannot be read.
    """
    paths, odd = files_matching(root, config.files) if root.is_dir() else ([], [])
    if not paths:
        state = "holds none" if root.is_dir() else "is no folder"
        raise UserError(f"`{root}` must be a folder with files `{config.files}` of {config.name}, but {state}.")
    inside = root.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(inside):
            raise UserError(f"`{path}` must lie in `{root}`, but is a link to `{path.resolve()}`.")
    if config.segments is not None:
        trials, left_out = _list_segments(root, paths, config, config.segments)
    else:
        trials, left_out = _list_stretches(root, paths, config)
    return trials, left_out + odd


def _list_segments(
    root: Path, paths: Sequence[Path], config: RecordingConfig, table: str
) -> tuple[list[TrialFile], list[Rejection]]:
    """Every labelled stretch of the files at `paths`."""
    trials: list[TrialFile] = []
    left_out: list[Rejection] = []
    for folder in sorted({path.parent for path in paths}):
        labels = folder / table
        labels_name = labels.relative_to(root).as_posix()
        segments, faulty = read_segments(labels, labels_name)
        left_out += faulty
        for path in (p for p in paths if p.parent == folder):
            name = path.relative_to(root).as_posix()
            match = re.search(config.trial, name)
            if match is None:
                left_out.append(Rejection(name, Reason.NO_LABEL, "its name does not say subject and experiment"))
                continue
            mine = segments.pop((without_zeros(match["experiment"]), without_zeros(match["subject"])), [])
            if not mine:
                left_out.append(Rejection(name, Reason.NO_LABEL, f"`{table}` labels no stretch of it"))
            for s in mine:
                trial = f"{name.removesuffix(path.suffix)}@{s.first:06d}-{s.last:06d}"
                reason = _unused(trial, s.activity, config)
                if reason is not None:
                    left_out.append(reason)
                    continue
                activity, beside = config.activities[s.activity].name, (gyro_path(path), labels)
                session = f"{match['subject']} {match['experiment']}"
                trials.append(TrialFile(path, trial, match["subject"], activity, session, (s.first, s.last), beside))
        left_out += [
            Rejection(f"{labels_name}:{s.row}", Reason.UNREADABLE, f"no file is of experiment {key[0]}, user {key[1]}")
            for key, rest in segments.items()
            for s in rest
        ]
    return trials, left_out


def _list_stretches(
    root: Path, paths: Sequence[Path], config: RecordingConfig
) -> tuple[list[TrialFile], list[Rejection]]:
    """Every file at `paths` as one trial, or every stretch that its reader finds in it."""
    trials: list[TrialFile] = []
    left_out: list[Rejection] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        match = re.search(config.trial, name)
        if match is None:
            says = f"fit `{config.trial}`" if config.in_file else "say subject and activity"
            left_out.append(Rejection(name, Reason.NO_LABEL, f"its name does not {says}"))
            continue
        try:
            stretches = LISTERS[config.reader](path, config) if config.in_file else [Stretch(match["activity"], None)]
        except Rejection as rejection:
            left_out.append(Rejection(name, rejection.reason, rejection.detail))
            continue
        if not stretches:
            left_out.append(Rejection(name, Reason.NO_LABEL, "no line of it has a label"))
        for s in stretches:
            trial = name.removesuffix(path.suffix)
            if s.span is not None:
                trial += f"@{s.span[0]:06d}-{s.span[1]:06d}"
            reason = _unused(name if s.span is None else trial, s.activity, config)
            if reason is not None:
                left_out.append(reason)
                continue
            subject = match["subject"] if s.subject is None else s.subject
            session = s.session or f"{subject} {match.groupdict().get('session') or ''}".strip()
            activity = config.activities[s.activity].name
            trials.append(TrialFile(path, trial, subject, activity, session, s.span, s.beside))
    return trials, left_out


def _unused(name: str, activity: str, config: RecordingConfig) -> Rejection | None:
    """Why trials of an activity are not used; None where they are."""
    if not activity:
        return Rejection(name, Reason.NO_LABEL, "its lines have no label")
    if activity in config.left_out:
        return Rejection(name, Reason.REMOVED_BY_RULE, f"{activity}: {config.left_out[activity]}")
    if activity not in config.activities:
        return Rejection(name, Reason.NO_LABEL, f"`{activity}` is no activity of {config.name}")
    return None


def read_trial(trial: TrialFile, config: RecordingConfig, *, sensors: Sequence[str], rate_hz: float) -> ImuRecording:
    """One trial on a uniform timeline.

    Args:
        sensors: placements wanted, in the order that the recording is to have.

    Returns:
        float32 `acc` in m/s^2 and, where the set has them, `gyr` in rad/s and `ori`; from the first to the last moment
        that all of `sensors` cover. `notes` says what was filled, cut or mended.

    Raises:
        Rejection: the trial cannot be used; its `path` is the path below the set's root.
        UserError: `sensors` names one that the set does not have.
    """
    config.sensor_ids(tuple(sensors))
    try:
        read: Callable[..., ImuRecording] = READERS[config.reader]
        stretch = {} if trial.span is None else {"span": trial.span}
        recording = read(trial.path, config, sensors=tuple(sensors), rate_hz=rate_hz, **stretch)
        if READERS.is_own(config.reader):
            return recording
        return check_recording(recording, config, str(trial.path), sensors=tuple(sensors), rate_hz=rate_hz)
    except Rejection as rejection:
        name = trial.trial if trial.span is not None else f"{trial.trial}{trial.path.suffix}"
        raise Rejection(name, rejection.reason, rejection.detail) from rejection
    except Exception as error:
        error.add_note(f"while reader `{config.reader}` read {trial.path}")
        raise
