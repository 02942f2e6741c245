"""The pipeline on three machines, one of which is cut off in the middle of its work."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from invariants import check_result
from machines import Machines, machines
from ruamel.yaml import YAML
from running_job import REPO, run, share, wait_for

from vimu.demo.archive import write_amass
from vimu.demo.recordings import write_dip
from vimu.runtime.published import open_published

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(600)]

BOUND_S = 300.0
"""A run that lost a machine ends within it. Undisturbed it takes a minute; Ray notices a loss after some seconds."""
LONG = {"epochs": 50, "patience_epochs": 50, "checkpoint_every_epochs": 2}
"""Of pre-training: long enough to be cut off in the middle of."""


@pytest.fixture
def three(slow_files):
    with machines(3, **slow_files.environment) as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory, demo_body):
    folder = tmp_path_factory.mktemp("data")
    write_amass(folder / "amass", n_subjects=4, takes_per_category=1)
    write_dip(folder / "dip", demo_body, n_subjects=4)
    return folder


@pytest.fixture
def config(data, demo_body, tmp_path) -> Path:
    raw = {
        "name": "three", "runs_dir": str(tmp_path / "runs"),
        "synthesize": {
            "inputs": [{"archive": "amass", "root": str(data / "amass"), "body": str(demo_body), "synthetic": True}],
            "task_mb": 0.5,
        },
        "prepare": {
            "real": {"recordings": "dip", "root": str(data / "dip"), "synthetic": True},
            "virtual_split": {"n_folds": 4}, "real_split": {"test_groups": ["s_04"], "val_groups": ["s_03"]},
        },
        "pretrain": {"epochs": 3, "model": {"widths": [16, 16], "hidden": 16}},
        "finetune": {"epochs": 2, "seeds": [0]}, "evaluate": {"n_trees": 10, "n_resamples": 20}, "export": None,
    }  # fmt: skip
    with (tmp_path / "three.yaml").open("w") as stream:
        YAML().dump(json.loads(json.dumps(raw)), stream)
    return tmp_path / "three.yaml"


def start(made: Machines, script: str, config: Path, *options: str) -> "subprocess.Popen[str]":
    """A job on the first machine."""
    return subprocess.Popen(
        made.command(0, sys.executable, script, "--config", str(config), *options), cwd=REPO,
        env=made.environment | {"RAY_ADDRESS": made.address}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> str:
    """What it said, when it has ended by itself, and well, in bounded time."""
    said, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, said
    return said


def test_the_whole_pipeline_on_three_machines(three, config):
    ended(start(three, "jobs/pipeline.py", config))
    runs = config.parent / "runs" / "three"
    for stage in ("synthesize", "prepare", "pretrain", "finetune", "evaluate"):
        assert open_published(runs / stage, made_by="-").manifest["counts"]
    assert len(open_published(runs / "synthesize", made_by="-").details["worker_pids"]) >= 2, "one machine did it all"


@pytest.mark.fault(3)
def test_a_machine_cut_off_in_mid_synthesis(three, configured, undisturbed, n_tasks, slow_files, tmp_path):
    """The job waits for the task that ran there until it finds that nothing answers: `runtime.session.NOTICED`."""
    config = configured(tmp_path, kind=slow_files.kind)
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    marks = folder.with_name(".synthesize.staging") / ".tasks"
    process = start(three, "jobs/synthesize.py", config)
    wait_for(lambda: len(list(marks.glob("*.json"))) >= share(n_tasks, 0.2) and three.working(2, "ray::FlatMap"))
    three.pull(2)
    done_then = len(list(marks.glob("*.json")))
    ended(process)
    assert done_then < n_tasks, "nothing was left to do when the cable was pulled"
    assert three.alive() == 2
    assert check_result(folder) == undisturbed


@pytest.mark.fault(3)
def test_a_machine_cut_off_in_mid_training(three, config):
    """Training goes on from the last checkpoint, on the machines that are left."""
    code, said = run(config, script="jobs/synthesize.py")
    assert code == 0, said
    code, said = run(config, script="jobs/prepare.py")
    assert code == 0, said
    options = [f"--set=pretrain.{name}={value}" for name, value in LONG.items()]
    process = start(three, "jobs/pretrain.py", config, *options)
    storage = config.parent / "runs" / "three" / ".pretrain.staging" / ".ray_train"

    def epochs() -> int:
        lines = [line for log in storage.rglob("progress.log") for line in log.read_text().splitlines()]
        return max((int(found[1]) for line in lines if (found := re.match(r"epoch (\d+)/", line))), default=0)

    wait_for(lambda: epochs() >= 5)
    [lost, *_] = [i for i in (1, 2) if three.working(i, "ray::RayTrainWorker")]
    three.pull(lost)
    at = epochs()
    began = time.monotonic()
    ended(process)
    assert at < LONG["epochs"], "it was done before the cable was pulled"
    assert time.monotonic() - began < BOUND_S
    published = open_published(config.parent / "runs" / "three" / "pretrain", made_by="-")
    assert published.manifest["counts"]["epochs"] == LONG["epochs"]
    assert three.alive() == 2


def test_synthesis_and_training_share_machines_without_starving_each_other(config, configured, slow_files, tmp_path):
    """By resources that machines have: training is done while synthesis, which would fill every CPU, goes on."""
    for job in ("synthesize", "prepare"):
        code, said = run(config, script=f"jobs/{job}.py")
        assert code == 0, said
    write_amass(tmp_path / "more", n_subjects=30, takes_per_category=2)
    more = configured(tmp_path / "busy", [tmp_path / "more"], slow_files.kind)
    marks = tmp_path / "busy" / "runs" / "chaos" / ".synthesize.staging" / ".tasks"
    with machines(2, ["training", "synthesis"], **slow_files.environment) as made:
        synthesis = start(made, "jobs/synthesize.py", more, "--set=resources.synthesize.custom={synthesis: 1}")
        wait_for(lambda: list(marks.glob("*.json")))
        options = ["--set=pretrain.n_workers=1", "--set=resources.pretrain.custom={training: 1}"]
        training = start(made, "jobs/pretrain.py", config, *options)
        where = set[int]()
        while training.poll() is None:
            where |= {i for i in (0, 1) if made.working(i, "ray::FlatMap")}
            time.sleep(0.2)
        assert (training.returncode, synthesis.poll()) == (0, None), training.communicate()[0]
        assert where == {1}, "tasks of synthesis on a machine that is kept for training"
