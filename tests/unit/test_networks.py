"""Which networks a run trains, and what it refuses to train on."""

import pytest

from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.stages import finetune, pretrain
from vimu.stages.config import Config
from vimu.stages.networks import model_file, networks_of, require_trained, tuned_file


def config_of(**changes):
    return validate(Config, {"name": "x", "tune": None} | changes, where="test")


def test_baselines_by_name_or_with_a_shape():
    named = config_of(baselines=["deepconvlstm", "random_forest"]).baselines
    assert [(shape.kind, shape.filters) for shape in named] == [("deepconvlstm", 64)]
    assert config_of(baselines=[{"kind": "deepconvlstm", "filters": 4}]).baselines[0].filters == 4
    assert config_of().baselines == ()


@pytest.mark.parametrize("baselines", [["penalty_cnn"], ["deepconvlstm", "deepconvlstm"], ["svm"], [3], "deepconvlstm"])
def test_a_baseline_is_another_network_and_named_once(baselines):
    with pytest.raises(UserError, match="baselines"):
        config_of(baselines=baselines)


def test_a_baseline_gets_what_ours_gets_but_the_shape():
    config = config_of(baselines=["deepconvlstm"], pretrain={"lr": 0.004, "epochs": 3, "penalty_weight": 2.0})
    ours, other = networks_of(config.pretrain, config.baselines).values()
    assert ours == config.pretrain
    assert other.model_copy(update={"model": ours.model}) == ours
    assert other.model.kind == "deepconvlstm"


def test_the_main_networks_files_keep_their_places():
    names = ["penalty_cnn", "deepconvlstm"]
    assert model_file("penalty_cnn", names) == "model.pt"
    assert model_file("deepconvlstm", names) == "baselines/deepconvlstm/model.pt"
    assert tuned_file("penalty_cnn", names, "scratch", 2, ".json") == "models/scratch-2.json"
    assert tuned_file("deepconvlstm", names, "scratch", 2, ".pt") == "baselines/deepconvlstm/scratch-2.pt"


def test_classes_without_a_training_window_are_named():
    windows = {"train": {"walking": 5, "waving": 0}, "val": {"waving": 2}, "test": {"walking": 1, "running": 3}}
    with pytest.raises(
        UserError, match="Each class of `dip` must have a training window, but running, waving have none"
    ):
        require_trained(windows, "dip", "prepare.real_split")
    assert require_trained({"train": {"b": 1, "a": 1}}, "dip", "x") == ("a", "b")


@pytest.mark.parametrize(("stage", "dataset", "setting"), [
    (pretrain, "amass", "virtual_split"), (finetune, "dip", "real_split"),
])  # fmt: skip
def test_a_stage_refuses_them_before_ray_starts(tmp_path, stage, dataset, setting):
    whole = {"train": {"walking": 5, "waving": 5}, "val": {"walking": 5}, "test": {"walking": 5}}
    lacking = {"train": {"walking": 5}, "val": {"walking": 5}, "test": {"waving": 5}}
    windows = {"amass": whole, "dip": whole} | {dataset: lacking}
    details = {"virtual_datasets": ["amass"], "real_dataset": "dip", "windows": windows}
    for name in ("prepare", "pretrain"):
        publish(
            tmp_path / "x" / name, identity={"stage": name}, made_by="-",
            build=lambda *_: Outcome(counts={"n": 1}, content_hash="h", details=details),
        )  # fmt: skip
    with pytest.raises(
        UserError, match=rf"`{dataset}` must have a training window, but waving has none.*{setting}.seed"
    ):
        stage.plan(config_of(runs_dir=str(tmp_path)))
