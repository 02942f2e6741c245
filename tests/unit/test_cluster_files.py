"""Files for Ray's cluster launcher, held to Ray's own schema; what a job takes along to a cluster."""

from pathlib import Path

import pytest
from ray.autoscaler._private.util import prepare_config, validate_config
from ruamel.yaml import YAML

from vimu.cluster.__main__ import with_absolute_paths
from vimu.cluster.submit import runtime_env_of
from vimu.runtime.config import load_config
from vimu.runtime.errors import UserError
from vimu.stages.config import Config

LAUNCHER = ["cluster.yaml", "deploy/gcp.yaml", "deploy/on_premises.yaml"]


def schema_errors(raw: dict) -> str:
    """What Ray's launcher says of a file; `ray up` asks the same."""
    try:
        validate_config(prepare_config(raw))
    except Exception as error:  # noqa: BLE001 - jsonschema's, ValueError, ClickException
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("name", LAUNCHER)
def test_the_launcher_takes_our_files(repo, name):
    raw = YAML(typ="safe").load((repo / name).read_text())
    assert schema_errors(raw) == ""
    assert "head_nod_type" in schema_errors(raw | {"head_nod_type": "head"}), "a misspelt key must be found"


@pytest.mark.fault(58, 59)
@pytest.mark.parametrize("name", LAUNCHER)
def test_what_they_start_asks_for_a_token_and_shows_its_dashboard_to_nobody(repo, name):
    raw = YAML(typ="safe").load((repo / name).read_text())
    for command in (*raw["head_start_ray_commands"], *raw["worker_start_ray_commands"]):
        assert "ray start" not in command or "RAY_AUTH_MODE=token" in command
        assert "--head" not in command or "--dashboard-host=127.0.0.1" in command


def test_a_job_takes_the_code_along_and_neither_data_nor_results(repo, tmp_path):
    excludes = runtime_env_of(repo)["excludes"]
    assert {"/data/", "/runs/", "/.venv/"} <= set(excludes)
    assert not [name for name in ("platform", "jobs", "configs") if f"/{name}/" in excludes]
    with pytest.raises(UserError, match="must be a checkout of vimu"):
        runtime_env_of(tmp_path)


def test_paths_of_a_submitted_configuration_hang_on_no_folder(repo):
    raw = with_absolute_paths(load_config(Config, repo / "configs" / "demo.yaml"), Path("/x"), "there")
    assert raw["name"] == "there" and raw["runs_dir"] == "/x/runs"
    assert raw["synthesize"]["inputs"][0]["root"] == "/x/data/demo/amass"
    assert raw["prepare"]["real"]["root"] == "/x/data/demo/dip"
