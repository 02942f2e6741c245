"""One local Ray a session, and a small run on generated data that most tests here look at."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vimu.demo.archive import write_amass
from vimu.demo.recordings import write_dip
from vimu.runtime.config import validate
from vimu.stages import prepare, synthesize
from vimu.stages.config import Config
from vimu.stages.pipeline import run_pipeline


@pytest.fixture(scope="session")
def local_ray(private_home: Path) -> Iterator[None]:
    """A Ray of two CPUs of our own: never one that happens to run on the machine."""
    os.environ.pop("RAY_ADDRESS", None)
    os.environ["RAY_AUTH_MODE"] = "disabled"
    from vimu.runtime.session import RaySettings, ray_session

    with ray_session(RaySettings(num_cpus=2, object_store_mb=200)):
        yield


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory, demo_body: Path) -> Path:
    """A small AMASS-format archive (with damaged files) and DIP-format recordings."""
    folder = tmp_path_factory.mktemp("small")
    write_amass(folder / "amass", n_subjects=4, takes_per_category=1)
    write_dip(folder / "dip", demo_body, n_subjects=4)
    return folder


@pytest.fixture(scope="session")
def small_config(small_data: Path, demo_body: Path) -> Callable[..., Config]:
    """Makes a configuration on the small data; `runs_dir` and sections can be given."""

    def make(runs_dir: Path, **changes: Any) -> Config:
        raw: dict[str, Any] = {
            "name": "small",
            "runs_dir": str(runs_dir),
            "synthesize": {
                "inputs": [
                    {"archive": "amass", "root": str(small_data / "amass"), "body": str(demo_body), "synthetic": True}
                ],
                "task_mb": 2,
            },
            "prepare": {
                "real": {"recordings": "dip", "root": str(small_data / "dip"), "synthetic": True},
                "virtual_split": {"n_folds": 4},
                "real_split": {"test_groups": ["s_04"], "val_groups": ["s_03"]},
            },
            "pretrain": {"epochs": 3, "checkpoint_every_epochs": 1, "model": {"widths": [16, 16], "hidden": 16}},
            "tune": {"n_trials": 2, "pretrain_epochs": 3},
            "finetune": {"epochs": 2, "seeds": [0, 1]},
            "baselines": [{"kind": "deepconvlstm", "filters": 2, "units": 4}],
            "evaluate": {"n_trees": 20, "n_resamples": 50},
        }
        return validate(Config, raw | changes, where="test")

    return make


@pytest.fixture(scope="session")
def cut_run(local_ray: None, small_config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Clips and windows only, as `small_run` has them: for tests of the stages that make them."""
    config = small_config(tmp_path_factory.mktemp("cut"))
    for stage in (synthesize.STAGE, prepare.STAGE):
        stage.run(config, stage.plan(config), "small.yaml")
    return config


@pytest.fixture(scope="session")
def small_run(local_ray: None, small_config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The whole pipeline, run once."""
    config = small_config(tmp_path_factory.mktemp("runs"))
    run_pipeline(config, "small.yaml", dry_run=False)
    return config
