"""What stages ask of a node, and what a Ray is found to have."""

import pytest
from ray.core.generated.autoscaler_pb2 import ClusterConfig, NodeGroupConfig

from vimu.runtime import resources
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.runtime.resources import Needs, ResourceSettings, granted


@pytest.fixture
def nodes(monkeypatch):
    """Gives this Ray nodes; where it is a cluster, one whose autoscaler knows node types."""

    def given(*nodes, cluster=False, types=None):
        alive = [{"Alive": True, "Resources": n} for n in nodes] + [{"Alive": False, "Resources": {"CPU": 64.0}}]
        monkeypatch.setattr("ray.nodes", lambda: alive)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        if cluster:
            monkeypatch.setenv("RAY_ADDRESS", "somewhere:1")
            known = None if types is None else ClusterConfig(node_group_configs=types)
            monkeypatch.setattr("ray._private.state.state.get_cluster_config", lambda: known)
            monkeypatch.setattr("ray.autoscaler.sdk.request_resources", lambda bundles: told.append(bundles))
            monkeypatch.setattr(resources, "CHECK_EVERY_S", 0.0)
        return told

    told: list = []
    return given


def asks(**of_stage) -> ResourceSettings:
    return validate(ResourceSettings, of_stage, where="resources")


def test_needs_are_said_as_tasks_and_as_placement_take_them():
    needs = Needs(cpus=0.5, memory_mb=100, custom={"synthesis": 1})
    assert needs.options == {"num_cpus": 0.5, "memory": 104857600, "resources": {"synthesis": 1}}
    assert needs.bundle == {"CPU": 0.5, "memory": 104857600.0, "synthesis": 1}
    assert Needs().options == {"num_cpus": 1.0}


def test_room_is_counted_node_by_node(nodes):
    nodes({"CPU": 3.0}, {"CPU": 3.0})
    assert granted(asks(prepare={"cpus": 2}), "prepare")[1] == 2, "half of one node and half of another are no place"
    assert granted(asks(prepare={"cpus": 0.1}), "prepare")[1] == 60


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"cpus": 4}, "CPU 4 fits its nodes 0 times. They have: CPU 2."),
        ({"memory_mb": 4096}, "CPU 1, memory 4,096 MB fits its nodes 0 times. They have: CPU 2, memory 1,024 MB."),
        ({"custom": {"synthesis": 1}}, "CPU 1, synthesis 1 fits its nodes 0 times. They have: CPU 2, synthesis 0."),
    ],
)
def test_what_a_local_ray_lacks_is_said_at_once(nodes, asked, says):
    nodes({"CPU": 2.0, "memory": 2.0**30})
    with pytest.raises(UserError) as raised:
        granted(asks(prepare=asked), "prepare")
    assert str(raised.value) == f"`resources.prepare` must fit this Ray, but {says}"


def test_what_no_node_type_of_a_cluster_has_is_not_waited_for(nodes):
    """Fault 24: said within a minute, however long `wait_s` is."""
    types = [NodeGroupConfig(name="cpu", resources={"CPU": 16}, max_count=8)]
    types += [NodeGroupConfig(name="gone", resources={"CPU": 16, "GPU": 1}, max_count=0)]
    told = nodes({"CPU": 2.0}, cluster=True, types=types)
    with pytest.raises(UserError, match="and none that its autoscaler can add has it"):
        granted(asks(wait_s=3600, prepare={"custom": {"GPU_HOURS": 1}}), "prepare")
    assert not told


def test_what_a_node_type_has_is_asked_for_and_waited_for(nodes):
    types = [NodeGroupConfig(name="cpu", resources={"CPU": 16}, max_count=-1)]
    told = nodes({"CPU": 2.0}, cluster=True, types=types)
    with pytest.raises(UserError, match=r"also after 0.01 s \(`resources.wait_s`\)"):
        granted(asks(wait_s=0.01, prepare={"cpus": 8}), "prepare")
    assert told == [[{"CPU": 8.0}], []], "what was wanted is withdrawn in the end"


def test_ctrl_c_withdraws_what_was_wanted(nodes, monkeypatch):
    """A cluster remembers a request after the job that made it: its nodes would stay, and cost."""
    told = nodes({"CPU": 2.0}, cluster=True)

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(resources.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        granted(asks(wait_s=600, prepare={"cpus": 8}), "prepare")
    assert told == [[{"CPU": 8.0}], []]


@pytest.mark.parametrize(
    "wrong", [{"cpus": 0}, {"custom": {"GPU": 1}}, {"custom": {"synthesis": -1}}, {"gpus": 1}, {"memory_mb": 0}]
)
def test_what_is_no_need_is_refused(wrong):
    with pytest.raises(UserError, match="prepare"):
        asks(prepare=wrong)
