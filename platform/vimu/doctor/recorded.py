"""Real recordings: who and what is there, against what is published and what the split names."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from vimu.contracts import ImuRecording, Rejection
from vimu.doctor.check import Check
from vimu.doctor.sample import sample_check, sampled
from vimu.recordings.config import RecordingConfig, load_recordings
from vimu.recordings.trials import TrialFile, list_trials, read_trial
from vimu.runtime.errors import UserError, listed
from vimu.runtime.safe_load import load_pickle
from vimu.stages.config import Config
from vimu.stages.downloads import Download, load_downloads
from vimu.stages.inputs import mend_of, recorded_input


def recorded(config: Config) -> Iterator[Check]:
    """Check the recordings of a configuration."""
    settings = config.preparation
    real, given = load_recordings(settings.real.recordings), recorded_input(config)
    if given.problem is not None:
        yield Check(real.name, "fail", f"`{given.path}` ({given.setting}) {given.problem}", mend_of(given))
        return
    try:
        trials, left_out = list_trials(settings.real.root, real)
    except UserError as error:
        yield Check(real.name, "fail", str(error), mend_of(given))
        return
    synthetic = "SYNTHETIC, " if settings.real.synthetic else ""
    beside = f"; {len(left_out):,} left out by name" if left_out else ""
    yield Check(real.name, "ok", f"{synthetic}`{settings.real.root}`: {len(trials):,} trials{beside}")
    if not trials:
        yield Check(real.name, "fail", "no file's name says subject and activity", f"e.g. {left_out[0]}")
        return
    yield from _published(config, real, trials, len(trials) + len(left_out), load_downloads().recordings.get(real.name))
    yield _activities(real, trials)
    yield from _sample(config, real, trials)


def _published(
    config: Config, real: RecordingConfig, trials: Sequence[TrialFile], n_files: int, download: Download | None
) -> Iterator[Check]:
    people = {trial.subject for trial in trials}
    subject = f"{real.name} subjects"
    split = config.preparation.real_split
    unknown = {*split.test_groups, *split.val_groups} - people
    n_all = None if download is None else download.subjects
    found = f"{len(people)}" + (f" of {n_all}" if n_all else "") + f": {listed(people, 20)}"
    if unknown:
        whole = f"is `{config.preparation.real.root}` the whole of {real.name}?"
        mend = f"{whole} Else --set prepare.real_split.test_groups=[...]"
        yield Check(subject, "fail", f"{found}; `prepare.real_split` names {listed(unknown)}, not there", mend)
    elif not split.test_groups and split.protocol == "subjects_apart" and len(people) < split.n_folds:
        yield Check(subject, "fail", f"{found}, fewer than `prepare.real_split.n_folds` = {split.n_folds}")
    elif n_all and len(people) < n_all:
        yield Check(subject, "warn", found, f"a part of {real.name} only, unless that is meant")
    else:
        yield Check(subject, "ok", found)
    wanted = None if download is None or download.files_at_least is None else download.files_at_least.count["all"]
    if wanted:
        few = n_files < wanted
        mend = f"a part of {real.name} only, unless that is meant" if few else ""
        yield Check(f"{real.name} files", "warn" if few else "ok", f"{n_files:,} of {wanted:,} or more", mend)
    ends = Counter(PurePosixPath(trial.trial).parts[-2:] for trial in trials)
    twice = ["/".join(end) for end, n in ends.items() if n > 1]
    if twice and real.reader == "dip":
        mend = "two copies are unpacked side by side, and each trial would count twice: name the folder of one"
        yield Check(f"{real.name} files", "warn", f"there twice, in different folders: {listed(twice, 4)}", mend)


def _activities(real: RecordingConfig, trials: Sequence[TrialFile]) -> Check:
    found = Counter(trial.activity for trial in trials)
    counts = ", ".join(f"{name} {n:,}" for name, n in sorted(found.items()))
    absent = {activity.name for activity in real.activities.values()} - found.keys()
    if absent:
        return Check(f"{real.name} activities", "warn", f"{counts}; none of {listed(absent)}")
    return Check(f"{real.name} activities", "ok", counts)


def _sample(config: Config, real: RecordingConfig, trials: Sequence[TrialFile]) -> Iterator[Check]:
    windows = config.preparation.windows
    placements = windows.sensors or (config.synthesize.placements if config.synthesize is not None else real.placements)
    sensors = tuple(name for name in placements if name in real.placements)
    subject = f"{real.name} sample"
    if not sensors:
        mend = f"--set synthesize.placements, to some of {listed(real.placements, 20)}"
        yield Check(subject, "fail", f"has no sensor at {listed(placements)}", mend)
        return
    of_path = {trial.path: trial for trial in trials}
    first_of = {trial.subject: trial.path for trial in reversed(trials)}
    chosen = sampled(list(of_path), list(first_of.values()))
    whole: list[tuple[Path, ImuRecording]] = []
    failed: list[tuple[Path, Rejection]] = []
    for path in chosen:
        try:
            whole.append((path, read_trial(of_path[path], real, sensors=sensors, rate_hz=windows.rate_hz)))
        except Rejection as rejection:
            failed.append((path, rejection))
    mended = sum(bool(recording.notes) for _, recording in whole)
    also = f"; {sum(recording.duration_s for _, recording in whole) / 60:.1f} min at {', '.join(sensors)}"
    also += f"; gaps or rows mended in {mended}" if mended else ""
    if real.reader == "dip" and whole:
        shares = [_missing_share(path) for path, _ in whole]
        also += f"; NaN in {np.mean(shares):.2%} of all sensors' frames, at most {max(shares):.2%} in a file"
    yield sample_check(subject, len(chosen), len(trials), failed, also)


def _missing_share(path: Path) -> float:
    """Share of a DIP trial's sensor frames that hold NaN."""
    return float(np.isnan(load_pickle(path, ("imu_acc",))["imu_acc"]).any(axis=-1).mean())
