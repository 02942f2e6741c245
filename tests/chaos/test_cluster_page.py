"""The loopback commands of docs/cluster.md, as they stand there: from nothing to a submitted sweep."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from vimu.demo.archive import write_amass
from vimu.demo.recordings import write_dip
from vimu.runtime.published import open_published

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(600)]


@pytest.fixture
def alone():
    """Runs a script where it sees its own processes and its own loopback alone: `ray stop` ends every Ray it sees."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("namespaces need root, iproute2 and util-linux")
    name = f"vimupage{os.getpid() % 10000}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"network namespaces must be allowed, but: {made.stderr.strip()}")
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)

    def run(script: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        variables = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | environment
        inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL", "bash", "-e", "-c", script]
        return subprocess.run(
            ["ip", "netns", "exec", name, *inside], cwd=folder, env=variables, capture_output=True, text=True,
            timeout=550,
        )  # fmt: skip

    yield run
    subprocess.run(["ip", "netns", "del", name], check=True)


def test_its_loopback_commands_do_what_it_says(alone, repo, tmp_path, demo_body):
    block = next(
        text for text in re.findall(r"```sh\n(.*?)```", (repo / "docs" / "cluster.md").read_text(), re.S)
        if "ray start --head" in text
    )  # fmt: skip
    assert "vimu submit" in block and "ray stop" in block
    write_amass(tmp_path / "amass", n_subjects=4, takes_per_category=1)
    write_dip(tmp_path / "dip", demo_body, n_subjects=4)
    raw = {
        "name": "mine", "runs_dir": str(tmp_path / "runs"),
        "synthesize": {
            "inputs": [{"archive": "amass", "root": str(tmp_path / "amass"), "body": str(demo_body), "synthetic": True}]
        },
        "prepare": {
            "real": {"recordings": "dip", "root": str(tmp_path / "dip"), "synthetic": True},
            "virtual_split": {"n_folds": 4}, "real_split": {"test_groups": ["s_04"], "val_groups": ["s_03"]},
        },
        "pretrain": {"epochs": 3, "model": {"widths": [8, 8], "hidden": 8}},
        "tune": {"n_trials": 2, "pretrain_epochs": 3},
        "finetune": {"epochs": 2, "seeds": [0]},
    }  # fmt: skip
    config = tmp_path / "my.yaml"
    with config.open("w") as stream:
        YAML().dump(json.loads(json.dumps(raw)), stream)
    here = f"{Path(sys.executable).parent}/"  # the environment of this test, in the place of the checkout's
    script = re.sub(r"(\$PWD/)?\.venv/bin/", here, block).replace("$PWD/my.yaml", str(config))
    done = alone(script, repo, HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / ".ray" / "auth_token").stat().st_mode & 0o077 == 0
    published = open_published(tmp_path / "runs" / "mine" / "tune", made_by="-")
    assert published.manifest["counts"]["trials"] == 2
