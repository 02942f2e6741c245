"""One run of `jobs/synthesize.py` on every hostile file of an archive, one of `jobs/prepare.py` on such recordings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hostile_dip import write_recordings
from hostile_npz import CASES, place
from running_job import run

from vimu.runtime.published import open_published


@dataclass(frozen=True)
class HostileRun:
    """What the job made of the files of `CASES`."""

    code: int
    said: str
    folder: Path
    """Published."""
    archive: Path
    canary: Path
    config: Path
    clips: Mapping[str, Mapping[str, Any]]
    """By path of the file, without its ending; without arrays."""
    rejections: Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory, demo_body: Path) -> HostileRun:
    folder = tmp_path_factory.mktemp("hostile")
    archive, canary = folder / "in", folder / "canary"
    write_recordings(folder / "dip", demo_body, canary)
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        path = place(archive, case.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        case.write(path, canary)
    inputs = [{"archive": "amass", "root": str(archive), "body": str(demo_body)}]
    values = {
        "name": "hostile", "runs_dir": str(folder / "runs"), "synthesize": {"inputs": inputs, "task_mb": 2},
        "prepare": {
            "real": {"recordings": "dip", "root": str(folder / "dip")}, "virtual_split": {"n_folds": 4},
            "real_split": {"test_groups": ["s_03"], "val_groups": ["s_02"]},
        },
        "ray": {"num_cpus": 1, "object_store_mb": 100},
    }  # fmt: skip
    config = folder / "hostile.yaml"
    config.write_text(json.dumps(values))
    code, said = run(config)
    published = open_published(folder / "runs" / "hostile" / "synthesize", made_by="-")
    table = pa.concat_tables([file.table() for file in published.files("clips/")])
    rejections = published.file("rejections.parquet").table().to_pylist()
    return HostileRun(
        code, said, folder / "runs" / "hostile" / "synthesize", archive, canary, config,
        {row["sequence"]: row for row in table.drop_columns(["acc", "gyr", "ori"]).to_pylist()},
        {row["path"]: row for row in rejections},
    )  # fmt: skip
