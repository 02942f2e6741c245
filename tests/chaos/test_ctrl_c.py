"""Ctrl-C in the middle of what Ray Train and Ray Tune run, which take it for themselves where they may (fault 22)."""

import os
import signal

import pytest
from ruamel.yaml import YAML
from running_job import job, wait_for

from tune_data import publish_windows, tune_config, write_study
from vimu.runtime.published import open_published

pytestmark = [pytest.mark.ray, pytest.mark.chaos]

SPACE = "{pretrain.penalty_weight: {log: [0.01, 10.0]}}"
LONG = "{epochs: 300, patience_epochs: 300, checkpoint_every_epochs: 2}"


@pytest.fixture
def config_file(tmp_path):
    study = write_study(tmp_path / "study.yaml", SPACE, "pruning: null")
    config = tune_config(tmp_path / "runs", study, n_trials=3)
    publish_windows(config.run_dir)
    with (tmp_path / "toy.yaml").open("w") as stream:
        YAML().dump(config.model_dump(mode="json", exclude_none=True), stream)
    (tmp_path / "fits").mkdir()
    return tmp_path / "toy.yaml"


def interrupted(running, due):
    """Ctrl-C as a terminal sends it, when it is due; the job ends by itself, and says one line of it."""
    wait_for(due, running._is_running)
    os.killpg(running.process.pid, signal.SIGINT)
    code, said = running.end()
    wait_for(lambda: not running.living())
    assert code == 130, said
    assert said.count("interrupted. Run the same command again") == 1
    assert "Traceback" not in said


@pytest.mark.fault(22)
def test_in_a_study_which_is_not_published_with_the_trials_it_has(config_file, tmp_path):
    folder = tmp_path / "runs" / "toy" / "tune"
    options = {"script": "tests/chaos/counts_fits.py", "FITS": str(tmp_path / "fits")}
    with job(config_file, folder.with_name(".tune.staging"), **options) as running:
        interrupted(running, lambda: list((tmp_path / "fits").iterdir()))
    assert not folder.exists()
    with job(config_file, folder.with_name(".tune.staging"), **options) as again:
        assert again.end()[0] == 0
    assert open_published(folder, made_by="-").manifest["counts"]["trials"] == 3


@pytest.mark.fault(22)
def test_in_pretraining_which_goes_on_from_its_checkpoint(config_file, tmp_path):
    folder = tmp_path / "runs" / "toy" / "pretrain"
    options = ("--set", "tune=null", "--set", f"pretrain={LONG}")
    with job(config_file, folder.with_name(".pretrain.staging"), *options, script="jobs/pretrain.py") as running:
        interrupted(running, lambda: "epoch 6/" in running.log.read_text())
    assert not folder.exists()
    with job(config_file, folder.with_name(".pretrain.staging"), *options, script="jobs/pretrain.py") as again:
        wait_for(lambda: "epoch" in again.log.read_text(), again._is_running)
        assert "epoch 1/" not in again.log.read_text()
