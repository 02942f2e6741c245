"""The trials of a set of real recordings: which there are, and reading one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.config import RecordingConfig
from vimu.recordings.conformance import check_recording
from vimu.recordings.readers import READERS
from vimu.runtime.errors import UserError


@dataclass(frozen=True)
class TrialFile:
    """One recording on disk."""

    path: Path
    trial: str
    """Path below the set's root, `/`-separated, without extension."""
    subject: str
    activity: str
    """The class, as the set's YAML names it."""


def list_trials(root: Path, config: RecordingConfig) -> tuple[list[TrialFile], list[Rejection]]:
    """Every file of the set below `root`, as a trial to read or as left out, both sorted by path.

    Raises:
        UserError: there is no such folder, or no file in it matches.
    """
    paths = sorted(p for p in root.glob(config.files) if p.is_file()) if root.is_dir() else []
    if not paths:
        state = "holds none" if root.is_dir() else "is no folder"
        raise UserError(f"`{root}` must be a folder with files `{config.files}` of {config.name}, but {state}.")
    trials: list[TrialFile] = []
    left_out: list[Rejection] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        match = re.search(config.trial, name)
        activity = match["activity"] if match else None
        if match is None:
            left_out.append(Rejection(name, Reason.NO_LABEL, "its name does not say subject and activity"))
        elif activity in config.left_out:
            left_out.append(Rejection(name, Reason.REMOVED_BY_RULE, f"{activity}: {config.left_out[activity]}"))
        elif activity not in config.activities:
            left_out.append(Rejection(name, Reason.NO_LABEL, f"`{activity}` is no activity of {config.name}"))
        else:
            trial = name.removesuffix(path.suffix)
            trials.append(TrialFile(path, trial, match["subject"], config.activities[activity].name))
    return trials, left_out


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
        recording = READERS[config.reader](trial.path, config, sensors=tuple(sensors), rate_hz=rate_hz)
        if READERS.is_own(config.reader):
            return recording
        return check_recording(recording, config, str(trial.path), sensors=tuple(sensors), rate_hz=rate_hz)
    except Rejection as rejection:
        name = f"{trial.trial}{trial.path.suffix}"
        raise Rejection(name, rejection.reason, rejection.detail) from rejection
    except Exception as error:
        error.add_note(f"while reader `{config.reader}` read {trial.path}")
        raise
