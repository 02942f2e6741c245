"""Files for Ray's cluster launcher, held to Ray's own schema; the image; what a job takes along to a cluster."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from ray.autoscaler._private.util import prepare_config, validate_config  # private: pinned by ray's range
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
    commands = [*raw["head_start_ray_commands"], *raw["worker_start_ray_commands"]]
    starts = [command for command in commands if "ray start" in command]
    assert len(starts) == 2 and ["--head" in command for command in starts] == [True, False]
    assert all("RAY_AUTH_MODE=token ray start" in command for command in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]


@pytest.mark.fault(59)
def test_no_code_and_no_file_of_ours_binds_a_dashboard_to_others(repo):
    listed = subprocess.run(["git", "ls-files"], cwd=repo, capture_output=True, text=True, check=True).stdout.split()
    files = [
        repo / name for name in listed if name.startswith(("platform/", "jobs/", "deploy/", "cluster.yaml", "Makefile"))
    ]
    said = [host for file in files for host in re.findall(r"dashboard[-_]host[=\" :]+([^\s\",)]+)", file.read_text())]
    assert len(said) >= 4 and set(said) == {"127.0.0.1"}


@pytest.mark.parametrize("name", LAUNCHER)
def test_all_of_it_is_in_a_virtual_environment(repo, name):
    """A system's own Python refuses pip (PEP 668); a job's `python` is the one that its node's Ray was started by."""
    raw = YAML(typ="safe").load((repo / name).read_text())
    assert all(command.startswith(("python3 -m venv ~/venv ", "~/venv/bin/pip ")) for command in raw["setup_commands"])
    commands = [*raw["head_start_ray_commands"], *raw["worker_start_ray_commands"]]
    assert all(command.startswith(". ~/venv/bin/activate && ") for command in commands)


@pytest.mark.parametrize("name", ["cluster.yaml", "deploy/gcp.yaml"])
def test_nodes_offer_what_stages_may_ask_for(repo, name):
    types = prepare_config(YAML(typ="safe").load((repo / name).read_text()))["available_node_types"]
    assert {name: set(t["resources"]) - {"CPU", "GPU"} for name, t in types.items()} == {
        "head": set(), "cpu": {"synthesis"}, "gpu": {"training"},
    }  # fmt: skip


@pytest.mark.parametrize("gpu", [True, False])
def test_a_machine_that_is_there_offers_it_by_what_it_has(repo, tmp_path, gpu):
    """The worker's command, run by bash as the launcher does, with a `ray` that says what it was given.

    The launcher sets OMP_NUM_THREADS=1, which a plain `nproc` obeys.
    """
    raw = YAML(typ="safe").load((repo / "deploy" / "on_premises.yaml").read_text())
    tools = tmp_path / "venv" / "bin"
    tools.mkdir(parents=True)
    (tools / "activate").write_text(f"export PATH={tools}:$PATH")
    for tool, does in (("ray", "printf '%s\\n' $RAY_AUTH_MODE \"$@\""), ("nvidia-smi", f"exit {0 if gpu else 9}")):
        (tools / tool).write_text(f"#!/bin/sh\n{does}\n")
        (tools / tool).chmod(0o755)
    said = subprocess.run(
        ["bash", "-c", raw["worker_start_ray_commands"][1]], capture_output=True, text=True, check=True,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "RAY_HEAD_IP": "10.0.0.1", "OMP_NUM_THREADS": "1"},
    ).stdout.splitlines()  # fmt: skip
    *start, resources = said
    assert start == ["token", "start", "--address=10.0.0.1:6379"]
    offered = json.loads(resources.removeprefix("--resources="))
    assert offered == {"training" if gpu else "synthesis": int(subprocess.check_output(["nproc", "--all"]))}


def instructions(dockerfile):
    """(instruction, its argument) of each line, continued ones joined, comments left out."""
    text = "\n".join(line for line in dockerfile.splitlines() if not line.startswith("#"))
    lines = [line.strip() for line in re.sub(r"\\\n\s*", "", text).splitlines()]
    return [tuple(line.split(None, 1)) for line in lines if line]


def test_the_image_is_made_of_files_that_exist_and_of_pinned_packages(repo):
    read = instructions((repo / "deploy" / "Dockerfile").read_text())
    assert {name for name, _ in read} <= {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER"}
    assert read[0] == ("FROM", "python:3.11-slim-bookworm")  # the version that is tested
    copied = [path for name, rest in read if name == "COPY" for path in rest.split()[:-1]]
    assert copied and all((repo / path).exists() for path in copied)
    assert {"platform", "configs", "jobs", "constraints.txt"} <= set(copied)
    installs = [rest for name, rest in read if name == "RUN" and "pip install" in rest]
    assert len(installs) == 2 and all("--constraint constraints.txt" in rest for rest in installs)
    extras = re.search(r"'\.\[(.+)\]'", installs[-1])[1].split(",")
    assert all(re.search(rf"^{extra} = \[", (repo / "pyproject.toml").read_text(), re.MULTILINE) for extra in extras)
    user = [rest for name, rest in read if name == "USER"]
    assert read[-1] == ("USER", user[-1]) and not user[-1].startswith(("root", "0"))


def test_the_image_is_sent_what_it_copies_and_no_more(repo):
    lines = [x for x in (repo / ".dockerignore").read_text().splitlines() if x and not x.startswith("#")]
    read = instructions((repo / "deploy" / "Dockerfile").read_text())
    copied = [path for name, rest in read if name == "COPY" for path in rest.split()[:-1]]
    assert lines[0] == "*" and {line[1:] for line in lines if line.startswith("!")} == set(copied)


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
