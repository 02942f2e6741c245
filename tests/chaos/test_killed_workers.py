"""SIGKILL workers, or lose a whole node of a cluster, while the job runs: it goes on, and nothing is missing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.processes import children
from invariants import check_result
from running_job import job, share

pytestmark = [pytest.mark.ray, pytest.mark.chaos]


@pytest.mark.fault(2)
def test_three_workers_killed(configured, undisturbed, n_tasks, tmp_path):
    config = configured(tmp_path)
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    kills = 0
    with job(config, folder.with_name(".synthesize.staging"), "--set", "ray.num_cpus=2") as running:
        for fraction in (0.2, 0.4, 0.6):
            running.wait_until(share(n_tasks, fraction))
            kills += running.kill_a_worker()
        code, said = running.end()
    assert code == 0, said
    assert kills == 3
    assert check_result(folder) == undisturbed


@contextmanager
def two_nodes():
    """A function that loses the second node, and what the cluster says of itself."""
    folder = tempfile.mkdtemp(prefix="vimu-nodes-", dir="/tmp")
    variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    variables |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder}
    script = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("two_nodes.py"))], env=variables, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert script.stdin is not None
    assert script.stdout is not None

    def lose_a_node():
        script.stdin.write("\n")
        script.stdin.flush()
        return json.loads(script.stdout.readline())

    try:
        yield json.loads(script.stdout.readline()), lose_a_node
    finally:
        script.stdin.close()
        script.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.fault(3)
def test_two_nodes_lost_without_warning(configured, undisturbed, n_tasks, tmp_path):
    config = configured(tmp_path)
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    lost = 0
    with (
        two_nodes() as (cluster, lose_a_node),
        job(config, folder.with_name(".synthesize.staging"), RAY_ADDRESS=cluster["address"]) as running,
    ):
        for fraction in (0.3, 0.6):
            running.wait_until(share(n_tasks, fraction))
            raylet = cluster["raylet"]
            assert children(raylet), "the node had no worker"
            cluster = lose_a_node()
            lost += not Path(f"/proc/{raylet}").exists()
        code, said = running.end()
    assert code == 0, said
    assert lost == 2
    assert check_result(folder) == undisturbed
