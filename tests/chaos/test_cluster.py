"""Jobs submitted to a cluster of two nodes on loopback: their codes, their reports, and who is let in."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from vimu.cluster.loopback import Loopback, loopback_cluster
from vimu.demo.archive import write_amass
from vimu.runtime.published import open_published

pytestmark = [pytest.mark.ray, pytest.mark.chaos]  # a busy machine takes minutes to start two nodes


@pytest.fixture(scope="module")
def cluster():
    with loopback_cluster() as started:
        yield started


@pytest.fixture
def config(tmp_path, demo_body) -> Path:
    write_amass(tmp_path / "amass", n_subjects=2, takes_per_category=1)
    inputs = [{"archive": "amass", "root": str(tmp_path / "amass"), "body": str(demo_body), "synthetic": True}]
    raw = {"name": "there", "runs_dir": str(tmp_path / "runs"), "synthesize": {"inputs": inputs}}
    with (tmp_path / "config.yaml").open("w") as stream:
        YAML().dump(raw, stream)
    return tmp_path / "config.yaml"


def submit(cluster: Loopback, repo: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    options = ["--address", cluster.dashboard, "--working-dir", str(repo)]
    return subprocess.run(
        [sys.executable, "-m", "vimu", "submit", *options, "--", sys.executable, *arguments],
        env=os.environ | dict(cluster.environment), capture_output=True, text=True, timeout=280,
    )  # fmt: skip


def test_a_submitted_job_does_what_it_does_here_and_reports(cluster, repo, config):
    done = submit(cluster, repo, "jobs/synthesize.py", "--config", str(config))
    assert done.returncode == 0, done.stdout + done.stderr
    published = open_published(config.parent / "runs" / "there" / "synthesize", made_by="-")
    counts = published.manifest["counts"]
    assert counts["files_in"] == counts["clips"] + counts["rejections"] > 20
    report = json.loads((config.parent / "runs" / "there" / ".status" / "synthesize.json").read_text())
    assert (report["state"], report["exit_code"]) == ("ended", 0)
    assert report["submission"] in done.stderr
    assert "published" in done.stdout  # what the job prints is shown here


def test_what_a_person_must_mend_is_exit_2_here_as_well(cluster, repo, config):
    config.write_text(config.read_text().replace("amass\n", "no_such_archive\n", 1))
    done = submit(cluster, repo, "jobs/synthesize.py", "--config", str(config))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no_such_archive" in done.stdout


@pytest.mark.fault(58)
@pytest.mark.parametrize("token", [None, "0" * 64], ids=["none", "wrong"])
@pytest.mark.parametrize("job", [None, {"entrypoint": "true"}], ids=["asks for jobs", "sends one"])
def test_who_has_no_token_is_not_let_in(cluster, token, job):
    body = None if job is None else json.dumps(job).encode()
    request = urllib.request.Request(f"{cluster.dashboard}/api/jobs/", data=body)  # noqa: S310 - our own cluster
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)  # noqa: S310
    assert refused.value.code in ((401,) if token is None else (401, 403))


@pytest.mark.fault(58)
def test_who_has_it_is(cluster):
    token = Path(cluster.environment["RAY_AUTH_TOKEN_PATH"])
    assert token.stat().st_mode & 0o077 == 0, "nobody else may read the token"
    request = urllib.request.Request(f"{cluster.dashboard}/api/jobs/")  # noqa: S310
    request.add_header("Authorization", f"Bearer {token.read_text()}")
    assert urllib.request.urlopen(request, timeout=30).status == 200  # noqa: S310


@pytest.mark.fault(58)
def test_a_job_s_own_ray_is_closed_as_well(tmp_path, repo):
    asks = """
import os
from vimu.runtime.session import RaySettings, ray_session
with ray_session(RaySettings(num_cpus=1, object_store_mb=100)):
    import ray
    print(ray.get(ray.remote(lambda: os.environ["RAY_AUTH_MODE"]).remote()), len(os.environ["RAY_AUTH_TOKEN"]))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", asks], env=environment, cwd=repo, capture_output=True, text=True, timeout=200
    )
    assert done.stdout.split() == ["token", "64"], done.stdout + done.stderr
    assert not (tmp_path / ".ray").exists(), "no token may be left in the person's home"


def test_a_cluster_that_is_not_there_is_one_sentence_and_exit_1(repo):
    here = Loopback("127.0.0.1:1", "http://127.0.0.1:1", {}, repo)
    done = submit(here, repo, "jobs/synthesize.py")
    assert (done.returncode, "dashboard must answer" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
