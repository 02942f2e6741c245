"""Search of settings on Ray Tune with Optuna: what is searched is a file of `configs/studies/`.

A trial pre-trains briefly, fine-tunes on the real training subjects, and is judged by the macro-F1 of the validation
subjects. Test subjects take no part. The Optuna study in the staging folder is the record of truth: a killed run goes
on with it, and repeats no trial that ended.
"""

import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from vimu.runtime.config import find_yaml, sentences
from vimu.runtime.errors import OperationError, UserError
from vimu.runtime.futures import aside
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.metrics import say
from vimu.runtime.published import Published
from vimu.runtime.resources import ONE_CPU, Needs, granted
from vimu.runtime.session import ray_session
from vimu.runtime.storage import write_whole
from vimu.stages.config import Config, TuneSettings
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.tuning.candidate import Candidate, load_study, uncut_epochs
from vimu.tuning.record import AGE, SCORE, StudyRecord, winner_of
from vimu.tuning.settings_study import SettingsStudy
from vimu.tuning.study_report import write_report
from vimu.windows.schema import read_windows

if TYPE_CHECKING:
    from vimu.tuning.settings_trial import TrialWindows

NAME = "tune"
RECORD = "study.db"


@dataclass(frozen=True)
class Work:
    """Inputs, what is searched, and the settings around it."""

    prepared: Published
    settings: TuneSettings
    study: SettingsStudy
    base: Candidate


def plan(config: Config) -> Plan[Work]:
    """What is searched, with how many trials.

    Raises:
        UserError: no `tune` section, a study that does not fit the settings, or no windows are published yet.
    """
    if config.tune is None:
        raise UserError("`tune` must be a section of the configuration, but is missing.")
    pretrain = config.pretrain.model_copy(update={"epochs": config.tune.pretrain_epochs})
    base = Candidate(pretrain=pretrain, finetune=config.finetune)
    study = load_study(find_yaml("studies", config.tune.study, holds="settings"), base)
    work = Work(upstream(config, "prepare"), config.tune, study, base)
    return Plan(
        identity={
            "settings": config.tune.model_dump(mode="json", exclude={"study", "max_concurrent"}),
            "study": study.model_dump(mode="json"),
            "pretrain": config.pretrain.model_dump(mode="json"),
            "finetune": config.finetune.model_dump(mode="json"),
            "inputs": input_identity(work.prepared),
        },
        counts={
            "trials": config.tune.n_trials, "at_once": config.tune.max_concurrent, "parameters": len(study.space),
            "epochs_at_most": config.tune.n_trials * work.base.n_epochs,
        },
        work=work,
    )  # fmt: skip


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Run what the record lacks; the best trial's settings are what later stages use.

    Raises:
        OperationError: no trial ran to its end.
    """
    from vimu.tuning.settings_trial import TrialWindows

    assert plan.work is not None
    work = plan.work
    record = StudyRecord(staging / RECORD, work.study, work.base, seed=work.settings.seed)
    if record.n_ended < work.settings.n_trials:
        with ray_session(config.ray, config.resources):
            windows = TrialWindows.of(
                read_windows(work.prepared.files("windows/")), virtual=work.prepared.details["virtual_datasets"],
                real=work.prepared.details["real_dataset"],
            )  # fmt: skip
            needs, _ = granted(config.resources, NAME)
            run_trials(record, work, windows, staging / ".ray_tune", needs)
    trials = record.rows()
    best = winner_of(trials)
    if best is None:
        errors = [trial["error"] for trial in trials if trial["error"]]
        record.close()
        (staging / RECORD).unlink()  # what made all fail may be mended: the next run begins anew
        raise OperationError(f"No trial ran to its end; the first error: {errors[0]}")
    write_whole(staging / "trials.json", json.dumps(trials, indent=1))
    of = [*work.prepared.details["virtual_datasets"], work.prepared.details["real_dataset"]]
    synthetic = [name for name in of if work.prepared.details["synthetic"][name]]
    write_report(staging, record.study, trials, best, name=config.name, datasets=of, synthetic=synthetic)
    record.close()
    states = [trial["state"] for trial in trials]
    return Outcome(
        counts={"trials": len(trials), "pruned": states.count("pruned"), "failed": states.count("failed")}
        | {"epochs": sum(trial["epochs"] for trial in trials)},
        content_hash=content_hash((json.dumps(t["params"], sort_keys=True), repr(t[SCORE])) for t in trials),
        licences=work.prepared.manifest["licences"],
        details={
            "synthetic": bool(synthetic),
            "winner": best["params"],
            "best": {name: best[name] for name in ("number", "params", SCORE)},
        },
    )


def run_trials(record: StudyRecord, work: Work, windows: "TrialWindows", storage: Path, needs: Needs = ONE_CPU) -> None:
    """Ray Tune, until the record holds all trials.

    Args:
        windows: put into the object store once; trials of a node share one copy.
        storage: for what Ray Tune writes; nothing there is read again.
        needs: of a trial.
    """
    # Ctrl-C ends the job, as it ends every other: Ray Tune's own handler returns as if the search were over
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # pages of trace a failed trial; the recorder says it
    from ray import tune
    from ray.tune.schedulers import FIFOScheduler

    from vimu.stages.tune_search import RecordedSearch, Recorder, asha

    settings, pruning = work.settings, work.study.pruning
    n_left = settings.n_trials - record.n_ended
    say("vimu_tasks", n_left, unit="trials")
    shutil.rmtree(storage, ignore_errors=True)  # of a killed run
    trainable = tune.with_parameters(
        train_one, windows=windows, base=work.base.model_dump(mode="json"), uncut=uncut_epochs(work.study, work.base)
    )
    scheduler = FIFOScheduler() if pruning is None else asha(record, work.study, work.base)
    tuner = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([needs.bundle])),
        tune_config=tune.TuneConfig(
            num_samples=n_left, max_concurrent_trials=settings.max_concurrent,
            search_alg=RecordedSearch(record), scheduler=scheduler, reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="study", storage_path=str(storage.resolve()), verbose=0,
            callbacks=[Recorder(record, settings.n_trials, work.base.n_epochs)],
        ),
    )  # fmt: skip
    aside(tuner.fit)
    shutil.rmtree(storage)


def train_one(config: dict[str, Any], windows: "TrialWindows", base: dict[str, Any], uncut: int) -> None:
    """One trial, in a Ray Tune worker.

    Args:
        config: the proposal: `number` and `params`.
        uncut: epochs before rungs begin to count.
    """
    from ray import tune

    from vimu.tuning.settings_trial import run_trial

    raw = Candidate.model_validate(base).raw_with(config["params"])
    try:
        candidate = Candidate.model_validate(raw)
    except ValidationError as error:  # values that are fine one by one and do not go together
        raise UserError(" ".join(sentences(error, raw))) from None
    run_trial(candidate, windows, lambda progress: tune.report(progress | {AGE: progress["epoch"] - uncut}))


STAGE = Stage(NAME, plan, build)
