"""A study on Ray Tune, in small: trials that crash, trials that are cut, and people who are never looked at."""

import json
import os
import signal

import pytest

from tune_data import publish_windows, tune_config, write_study
from vimu.runtime.errors import OperationError, UserError
from vimu.runtime.published import open_published
from vimu.stages import tune, tune_search
from vimu.stages.winner import tuned
from vimu.tuning.record import AGE, SCORE, StudyRecord

pytestmark = pytest.mark.ray

CALM = "finetune.lr: {log: [1.0e-3, 1.0e-2]}"
LAMBDA = "pretrain.penalty_weight: {log: [0.01, 10.0]}"
MAY_CRASH = "pretrain.lr: {choice: [1.0e-3, 1.0e+30]}"
"""A rate at which the loss is no number from the second step on."""


@pytest.fixture
def run(local_ray, tmp_path):
    """Runs the stage on a study; gives what was published and its trials."""

    def start(space, *more, name="run", test_scale=1.0, **settings):
        config = tune_config(tmp_path / name, write_study(tmp_path / f"{name}.yaml", space, *more), **settings)
        publish_windows(config.run_dir, test_scale=test_scale)
        done = tune.STAGE.run(config, tune.plan(config), "toy.yaml")
        return config, done, json.loads((done.folder / "trials.json").read_text())

    return start


@pytest.mark.fault(20)
def test_a_trial_that_crashes_has_failed_and_the_study_goes_on(run):
    config, done, trials = run(f"{{{MAY_CRASH}, {CALM}}}", "pruning: null", n_trials=6)
    crashed = [t for t in trials if t["params"]["pretrain.lr"] > 1]
    assert [t["number"] for t in trials] == list(range(6))
    assert 0 < len(crashed) < 6
    for trial in trials:
        assert trial["state"] == ("failed" if trial in crashed else "complete")
        assert (trial["error"] or "").startswith("LossNotFiniteError: loss is " if trial in crashed else "")
        assert trial["starts"] == 1
        assert trial["epochs"] == len(trial["curve"]) == (0 if trial in crashed else 6)
    assert done.manifest["counts"]["failed"] == len(crashed)
    assert done.details["winner"]["pretrain.lr"] == 1e-3
    pretrain, finetune, identity = tuned(config)
    assert (pretrain.lr, finetune.lr) == (1e-3, done.details["winner"]["finetune.lr"])
    assert (pretrain.epochs, identity["tune"]) == (config.pretrain.epochs, done.content_hash)
    assert not list(done.folder.glob(".*"))


@pytest.mark.fault(20)
def test_a_trial_whose_process_dies_has_failed_and_the_study_goes_on(run, monkeypatch):
    train_one = tune.train_one

    def dies(config, windows, base, uncut):
        if config["number"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        train_one(config, windows, base, uncut)

    monkeypatch.setattr(tune, "train_one", dies)
    to_do, done = [], []
    monkeypatch.setattr(tune, "say", lambda name, value, **of: to_do.append((name, value, of)))
    monkeypatch.setattr(tune_search, "count", lambda name, n, **of: done.append((name, n, of)))
    _, _, trials = run(f"{{{CALM}}}", "pruning: null", n_trials=3)
    assert [t["state"] for t in trials] == ["complete", "failed", "complete"]
    assert "died unexpectedly" in trials[1]["error"]
    assert to_do == [("vimu_tasks", 3, {"unit": "trials"})]
    assert done == [("vimu_tasks_done", 1, {"unit": "trials"})] * 3


def test_where_all_trials_crash_the_first_error_is_named_and_the_next_run_begins_anew(run, tmp_path):
    for _ in range(2):
        with pytest.raises(OperationError, match=r"No trial ran to its end; the first error: LossNotFiniteError"):
            run("{pretrain.lr: {choice: [1.0e+30, 1.0e+31]}}", "pruning: null", n_trials=2)
    assert not (tmp_path / "run" / "toy" / ".tune.staging" / "study.db").exists()


def test_people_under_test_play_no_part(run):
    """Their windows altered, every trial is the same."""
    space = f"{{{LAMBDA}, {CALM}}}"
    _, _, plain = run(space, name="plain", max_concurrent=1, n_trials=3)
    _, _, other = run(space, name="other", max_concurrent=1, n_trials=3, test_scale=100.0)
    assert plain == other


def test_rungs_cut_trials_in_pre_training_and_in_fine_tuning(run):
    _, done, trials = run(
        f"{{pretrain.lr: {{log: [1.0e-6, 1.0e-2]}}, {CALM}}}",
        "pruning: {begins_in: pretraining, grace_epochs: 2, reduction_factor: 2}",
        n_trials=10, pretrain_epochs=3,
    )  # fmt: skip
    counts = done.manifest["counts"]
    assert counts["pruned"] == sum(t["state"] == "pruned" for t in trials) > 0
    assert counts["epochs"] == sum(t["epochs"] for t in trials) < 60
    for trial in trials:
        assert list(trial["curve"]) == [str(epoch) for epoch in range(1, trial["epochs"] + 1)]
        assert trial["epochs"] in ((6,) if trial["state"] == "complete" else (2, 4))
        assert trial["curve"][str(trial["epochs"])] == trial[SCORE]
        real, virtual = max(0, trial["epochs"] - 3) * 24, min(3, trial["epochs"]) * 24
        assert trial["windows_seen"] == real + virtual
    best = max((t for t in trials if t["state"] == "complete"), key=lambda t: t[SCORE])
    assert done.details["best"]["number"] == best["number"]
    assert (done.folder / "plots" / "slice.png").is_file()


def test_of_two_objectives_both_are_measured(run):
    _, done, trials = run(
        "{pretrain.model.widths: {choice: [[4, 4], [16, 16]]}}", "objectives: [macro_f1, n_parameters]",
        "pruning: null", n_trials=4,
    )  # fmt: skip
    sizes = {json.dumps(t["params"]["pretrain.model.widths"]): t["n_parameters"] for t in trials}
    assert sizes["[4, 4]"] < sizes["[16, 16]"]
    assert (done.folder / "plots" / "pareto.png").is_file()
    assert open_published(done.folder, made_by="-").manifest["counts"]["epochs"] == 24


@pytest.mark.parametrize(("begins_in", "rung"), [("pretraining", 2), ("finetuning", 5)])
def test_rungs_are_filled_again_from_the_record(tmp_path, begins_in, rung):
    """What a killed driver's ASHA knew: a trial below those that ended is cut, one above goes on."""
    from types import SimpleNamespace

    from vimu.stages.tune_search import asha

    pruning = f"pruning: {{begins_in: {begins_in}, grace_epochs: 2, reduction_factor: 2}}"
    config = tune_config(tmp_path, write_study(tmp_path / "s.yaml", f"{{{CALM}}}", pruning))
    publish_windows(config.run_dir)
    work = tune.plan(config).work
    record = StudyRecord(tmp_path / "study.db", work.study, work.base, seed=0)
    for score in (0.6, 0.8):
        number = record.next().number
        record.report(number, rung, score)
        record.prune(number, {SCORE: score, "epoch": rung})
    interrupted = record.next()
    record.report(interrupted.number, rung, 0.9)  # has not ended: it will fill its rung itself
    scheduler = asha(record, work.study, work.base)
    for name, score, decision in (("below", 0.65, "STOP"), ("above", 0.75, "CONTINUE")):
        trial = SimpleNamespace(trial_id=name)
        scheduler.on_trial_add(None, trial)
        assert scheduler.on_trial_result(None, trial, {AGE: 1, SCORE: 0.0}) == "CONTINUE"
        assert scheduler.on_trial_result(None, trial, {AGE: 2, SCORE: score}) == decision


def test_a_study_that_does_not_fit_is_refused_before_anything_starts(tmp_path):
    config = tune_config(tmp_path, write_study(tmp_path / "s.yaml", "{finetune.lrr: {log: [1.0e-3, 1.0e-2]}}"))
    publish_windows(config.run_dir)
    with pytest.raises(UserError, match=r"`finetune.lrr` is no setting"):
        tune.plan(config)
    with pytest.raises(UserError, match=r"`tune.study` must be one of .*settings"):
        tune.plan(tune_config(tmp_path, "nothing-of-that-name"))
