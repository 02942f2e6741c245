"""SIGKILL workers, or lose a whole node of a cluster, while the job runs: it goes on, and nothing is missing."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.processes import children
from invariants import check_result
from own_cluster import own_cluster
from running_job import job, share

pytestmark = [pytest.mark.ray, pytest.mark.chaos]


@pytest.mark.fault(2)
def test_three_workers_killed(configured, undisturbed, n_tasks, slow_files, tmp_path):
    config = configured(tmp_path, kind=slow_files.kind)
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    kills = 0
    staging = folder.with_name(".synthesize.staging")
    with job(config, staging, "--set", "ray.num_cpus=2", **slow_files.environment) as running:
        for fraction in (0.2, 0.4, 0.6):
            running.wait_until(share(n_tasks, fraction))
            kills += running.kill_a_worker()
        code, said = running.end()
    assert code == 0, said
    assert kills == 3
    assert check_result(folder) == undisturbed


@contextmanager
def two_nodes(**environment):
    """What the cluster says of itself, and a function that loses the second node."""
    with own_cluster(str(Path(__file__).with_name("two_nodes.py")), **environment) as script:

        def lose_a_node():
            script.stdin.write("\n")
            script.stdin.flush()
            return json.loads(script.stdout.readline())

        yield json.loads(script.stdout.readline()), lose_a_node


@pytest.mark.fault(3)
def test_two_nodes_lost_without_warning(configured, undisturbed, n_tasks, slow_files, tmp_path):
    config = configured(tmp_path, kind=slow_files.kind)
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    lost = 0
    with (
        two_nodes(**slow_files.environment) as (cluster, lose_a_node),
        job(
            config, folder.with_name(".synthesize.staging"), RAY_ADDRESS=cluster["address"], **slow_files.environment
        ) as running,
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
