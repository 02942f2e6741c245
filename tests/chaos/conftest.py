"""An archive to disturb the synthesis of, and what it gives undisturbed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from faulty_reader import faulty_archive, faulty_environment
from invariants import Result, check_result
from ruamel.yaml import YAML
from running_job import run

from vimu.demo.archive import write_amass
from vimu.runtime.config import load_config
from vimu.stages import synthesize
from vimu.stages.config import Config

SUBJECT_OF_COPIES = "subject_99"

MakeConfig = Callable[..., Path]


class SlowFiles(NamedTuple):
    """AMASS's format, each file of which takes half a second to read: on any machine there is something to disturb."""

    kind: str
    """An archive's YAML, for a configuration."""
    environment: dict[str, str]
    """Of whatever starts Ray workers: the job, or the cluster that it runs on."""


@pytest.fixture(scope="session")
def slow_files(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> SlowFiles:
    folder = tmp_path_factory.mktemp("slow")
    kind = faulty_archive(folder, repo / "configs" / "archives" / "amass.yaml")
    return SlowFiles(str(kind), faulty_environment(folder, seconds=0.5))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AMASS's format, damaged files among them; eight takes occur twice, some shards hold nothing else."""
    folder = tmp_path_factory.mktemp("archive")
    write_amass(folder, n_subjects=5, takes_per_category=1)
    takes = sorted(folder.rglob("subject_03/*_poses.npz"))[:8]
    copies = takes[0].parent.with_name(SUBJECT_OF_COPIES)
    copies.mkdir()
    for take in takes:
        shutil.copy(take, copies / take.name)
    return folder


@pytest.fixture(scope="session")
def configured(archive: Path, demo_body: Path) -> MakeConfig:
    """Writes a configuration into a folder; its run is `folder/runs/chaos`."""

    def write(folder: Path, roots: list[Path] | None = None, kind: str = "amass") -> Path:
        inputs = [{"archive": kind, "root": str(root), "body": str(demo_body)} for root in roots or [archive]]
        values = {
            "name": "chaos", "runs_dir": str(folder / "runs"), "synthesize": {"inputs": inputs, "task_mb": 0.1},
            "ray": {"num_cpus": 1, "object_store_mb": 100},
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "chaos.yaml").open("w") as stream:
            YAML().dump(json.loads(json.dumps(values)), stream)
        return folder / "chaos.yaml"

    return write


@pytest.fixture(scope="session")
def n_tasks(configured: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> int:
    config = load_config(Config, configured(tmp_path_factory.mktemp("plan")))
    return synthesize.plan(config).counts["tasks"]


@pytest.fixture(scope="session")
def undisturbed(configured: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What the archive gives on one worker that nobody disturbs."""
    config = configured(tmp_path_factory.mktemp("undisturbed"))
    code, said = run(config)
    assert code == 0, said
    return check_result(config.parent / "runs" / "chaos" / "synthesize")
