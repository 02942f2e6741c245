"""SIGKILL the driver in the middle of a study: no trial is lost, none that ended is run again (faults 20, 21)."""

import json
import sqlite3

import pytest
from ruamel.yaml import YAML
from running_job import job, kill, settled, wait_for

from tune_data import publish_windows, tune_config, write_study

pytestmark = pytest.mark.ray

N_TRIALS = 6
SPACE = "{pretrain.penalty_weight: {log: [0.01, 10.0]}, finetune.lr: {log: [1.0e-3, 1.0e-2]}}"


@pytest.fixture
def config_file(tmp_path):
    study = write_study(tmp_path / "study.yaml", SPACE, "pruning: {grace_epochs: 2, reduction_factor: 2}")
    config = tune_config(tmp_path / "runs", study, n_trials=N_TRIALS)
    publish_windows(config.run_dir)
    with (tmp_path / "toy.yaml").open("w") as stream:
        YAML().dump(config.model_dump(mode="json", exclude_none=True), stream)
    (tmp_path / "fits").mkdir()
    return tmp_path / "toy.yaml"


def states(record):
    """Number -> (state, parameters as they are stored), straight from the file."""
    with sqlite3.connect(f"file:{record}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "select t.number, t.state, a.value_json from trials t left join trial_user_attributes a "
            "on a.trial_id = t.trial_id and a.key = 'params'"
        ).fetchall()
    return {number: (state, params) for number, state, params in rows}


def fits(folder):
    return {int(path.name): path.read_text().split() for path in folder.iterdir()}


@pytest.mark.fault(21)
def test_a_study_goes_on_where_its_driver_was_killed(config_file, tmp_path):
    kill_and_rerun(config_file, tmp_path, [2])


@pytest.mark.fault(21)
@pytest.mark.chaos
def test_a_study_whose_driver_is_killed_three_times(config_file, tmp_path):
    kill_and_rerun(config_file, tmp_path, [1, 2, 4])


def kill_and_rerun(config_file, tmp_path, kill_at):
    """Kill it when so many trials have ended and another one has begun, then let it run to its end."""
    folder = tmp_path / "runs" / "toy" / "tune"
    staging = folder.with_name(".tune.staging")
    kills = 0
    seen = {}
    for n_ended in kill_at:
        with job(config_file, staging, script="tests/chaos/counts_fits.py", FITS=str(tmp_path / "fits")) as running:

            def due(n_ended=n_ended):
                now = fits(tmp_path / "fits")
                ended = sum(state != "RUNNING" for state, _ in states(staging / "study.db").values()) if now else 0
                return ended >= n_ended and any(lines[-1:] == ["begins"] for lines in now.values())

            wait_for(due, running._is_running)
            kills += kill(running.process.pid)
            settled(running)
        before = states(staging / "study.db")
        assert not folder.exists()
        assert {n: before[n] for n, was in seen.items() if was[0] != "RUNNING"} == {
            n: was for n, was in seen.items() if was[0] != "RUNNING"
        }
        seen = before
    interrupted = [n for n, (state, _) in seen.items() if state == "RUNNING"]
    begun = {n: lines.count("begins") for n, lines in fits(tmp_path / "fits").items()}
    assert kills == len(kill_at)
    assert interrupted
    with job(config_file, staging, script="tests/chaos/counts_fits.py", FITS=str(tmp_path / "fits")) as running:
        code, said = running.end()
    assert code == 0, said
    trials = json.loads((folder / "trials.json").read_text())
    assert [t["number"] for t in trials] == list(range(N_TRIALS))
    after = {n: lines.count("begins") for n, lines in fits(tmp_path / "fits").items()}
    for number, (state, params) in seen.items():
        if params is not None:  # else killed between its number and its values
            assert trials[number]["params"] == json.loads(params)
        assert after[number] == begun.get(number, 0) + (state == "RUNNING")
    assert all(t["state"] in ("complete", "pruned") for t in trials)
