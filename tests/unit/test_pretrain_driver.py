"""What the driver of pre-training asks of Ray before it starts anything."""

import pytest

from vimu.runtime import resources
from vimu.runtime.errors import UserError
from vimu.runtime.resources import ResourceSettings
from vimu.training import pretrain
from vimu.training.pretrain import pretrain_on_ray
from vimu.training.settings import PretrainSettings
from vimu.training.tracking import MLFLOW_VARIABLE


class Started(Exception):
    """A trainer was made."""


def start(monkeypatch, tmp_path, has, **changes):
    """The keywords that Ray's trainer is made with, on a Ray that has these resources, or these one after another."""
    made = {}

    def trainer(*_, **given):
        made.update(given)
        raise Started

    moments = [has] if isinstance(has, dict) else list(has)
    monkeypatch.setattr(pretrain.ray, "cluster_resources", lambda: moments[0])
    nodes = lambda: [{"Alive": True, "Resources": moments.pop(0) if len(moments) > 1 else moments[0]}]  # noqa: E731
    monkeypatch.setattr("ray.nodes", nodes)
    monkeypatch.setattr(pretrain, "TorchTrainer", trainer)
    with pytest.raises(Started):
        pretrain_on_ray(
            [], datasets=["d"], classes=["a", "b"], settings=PretrainSettings(**changes), trained_on="d",
            storage=tmp_path / "ray", tensorboard=tmp_path / "board", 
            resources=ResourceSettings(wait_s=0.01),
        )  # fmt: skip
    return made


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv(MLFLOW_VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("has", "changes", "said"),
    [
        ({"CPU": 1.0}, {}, "2 times CPU 1 fits its nodes 1 times. They have: CPU 1."),
        (
            {"CPU": 4.0, "GPU": 1.0},
            {"device": "gpu"},
            "2 times CPU 1, GPU 1 fits its nodes 1 times. They have: CPU 4, GPU 1.",
        ),
        (
            {"CPU": 4.0},
            {"device": "gpu", "n_workers": 1},
            "CPU 1, GPU 1 fits its nodes 0 times. They have: CPU 4, GPU 0.",
        ),
    ],
)
def test_too_many_workers_for_this_ray_are_refused_at_once(monkeypatch, tmp_path, has, changes, said):
    with pytest.raises(
        UserError, match=f"`pretrain.n_workers` times `resources.pretrain` must fit this Ray, but {said}"
    ):
        start(monkeypatch, tmp_path, has, **changes)


@pytest.fixture
def cluster(monkeypatch):
    """A cluster that is told what is wanted; what it was told, bundles by bundles."""
    told = []
    monkeypatch.setenv("RAY_ADDRESS", "somewhere")
    monkeypatch.setattr("ray.autoscaler.sdk.request_resources", lambda bundles: told.append(bundles))
    monkeypatch.setattr(resources, "CHECK_EVERY_S", 0.0)
    monkeypatch.setattr(resources, "_may_come", lambda _: True)
    return told


def test_a_cluster_is_told_what_is_wanted_and_may_grow(monkeypatch, tmp_path, cluster):
    has = [{"CPU": 1.0}, {"CPU": 1.0}, {"CPU": 1.0}, {"CPU": 2.0}]
    assert start(monkeypatch, tmp_path, has)["scaling_config"].num_workers == 2
    assert cluster == [[{"CPU": 1.0}] * 2, []]


@pytest.mark.parametrize(
    ("has", "changes", "said"),
    [
        ({"CPU": 1.0}, {}, "2 times CPU 1 fits its nodes 1 times"),
        ({"CPU": 4.0}, {"device": "gpu"}, "2 times CPU 1, GPU 1 fits its nodes 0 times"),
    ],
)
def test_a_cluster_that_never_offers_it_is_not_waited_for_for_ever(monkeypatch, tmp_path, cluster, has, changes, said):
    with pytest.raises(UserError, match=rf"{said}, also after 0.01 s \(`resources.wait_s`\)"):
        start(monkeypatch, tmp_path, has, **changes)
    assert cluster[-1] == []


def test_waiting_ends_within_a_minute_unless_told_otherwise():
    assert ResourceSettings().wait_s < 60


@pytest.mark.parametrize(
    ("n_gpus", "device", "wanted"), [(2, "auto", True), (1, "auto", False), (2, "cpu", False), (0, "auto", False)]
)
def test_workers_get_a_gpu_each_where_there_are_as_many(monkeypatch, tmp_path, n_gpus, device, wanted):
    made = start(monkeypatch, tmp_path, {"CPU": 4.0, "GPU": float(n_gpus)}, device=device)
    assert made["scaling_config"].use_gpu == wanted
    assert made["torch_config"].backend == ("cpu:gloo,cuda:nccl" if wanted else "gloo")


def test_mlflow_must_be_installed_where_it_is_configured(monkeypatch, tmp_path):
    monkeypatch.setenv(MLFLOW_VARIABLE, "http://x")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="must be installed"):
        start(monkeypatch, tmp_path, {"CPU": 4.0})
