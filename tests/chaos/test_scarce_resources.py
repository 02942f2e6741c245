"""An object store that is full, a cluster that has nothing to offer: the run ends, or says what is missing."""

import json

import pytest
from fills_the_object_store import N_OBJECTS
from invariants import check_result
from own_cluster import own_cluster
from running_job import job, run

pytestmark = [pytest.mark.ray, pytest.mark.chaos]


@pytest.mark.fault(9)
def test_a_full_object_store_is_spilled(configured, undisturbed, tmp_path):
    config, word = configured(tmp_path), tmp_path / "filled.json"
    script = "tests/chaos/fills_the_object_store.py"
    with job(config, tmp_path / "runs", script=script, FILLED=str(word)) as running:
        code, said = running.end()
    assert code == 0, said
    filled = json.loads(word.read_text())
    assert filled["whole"] == N_OBJECTS
    assert filled["spilled"] > 0, "the store was not full"
    assert check_result(tmp_path / "runs" / "chaos" / "synthesize") == undisturbed


HEAD = """
import os, sys
from ray.cluster_utils import Cluster
head = {"num_cpus": 0, "object_store_memory": 100 * 2**20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head | {"temp_dir": os.environ["RAY_TMPDIR"] + "/ray"})
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.mark.fault(24)
def test_a_cluster_without_a_cpu_is_exit_2_and_gone_on_without(configured, undisturbed, tmp_path):
    config = configured(tmp_path)
    with own_cluster("-c", HEAD) as cluster:
        code, said = run(config, "--set", "resources.wait_s=2", RAY_ADDRESS=cluster.stdout.readline().strip())
    assert code == 2, said
    says = "A CPU for tasks on the cluster that `RAY_ADDRESS` names must fit this Ray, but CPU 1 fits its nodes 0 times"
    assert f"{says}, also after 2 s" in " ".join(said.split())
    assert "Traceback" not in said
    assert run(config)[0] == 0
    assert check_result(tmp_path / "runs" / "chaos" / "synthesize") == undisturbed
