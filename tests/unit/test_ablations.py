"""Ablations: each changes one part, and never the real windows."""

import pytest

from vimu.runtime.config import configs_folder, load_config
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml
from vimu.stages import ablations
from vimu.stages.ablations import ablate
from vimu.stages.config import Config
from vimu.training.augment import AugmentSettings


@pytest.fixture
def open_config(repo, monkeypatch):
    """The shipped configuration on open data; no clips are there, and windows are not planned."""
    monkeypatch.setattr(ablations, "clips_of", lambda _: type("Folder", (), {"folder": repo})())
    monkeypatch.setattr(ablations.prepare, "plan", lambda config: config.prepare)
    return lambda **changes: load_config(
        Config, repo / "configs" / "open.yaml", [f"{k}={v}" for k, v in changes.items()]
    )


def test_an_unknown_ablation_is_refused_with_the_names_there_are(open_config):
    with pytest.raises(UserError, match=r"`crossval.ablations` must be among .*penalty.*, but names magic"):
        ablate(open_config(), ("penalty", "magic"))


def test_every_shipped_ablation_can_be_taken_out_or_put_in(open_config):
    config = open_config()
    names = tuple(read_yaml(configs_folder() / "ablations.yaml"))
    assert {"penalty", "randomisation", "upsampling", "umafall_devices", "filter_jerk"} <= set(names)
    for one in ablate(config, names):
        assert one.variant.name.split()[1] in ("off", "on")
        assert one.config != config
        assert one.config.preparation.windows == config.preparation.windows
        assert (one.prepare is None) == (one.variant.pretraining == "pretraining")


def test_what_is_on_is_taken_out_and_what_is_off_is_put_in(open_config):
    [off] = ablate(open_config(**{"pretrain.penalty_weight": 0.7}), ("penalty",))
    [on] = ablate(open_config(**{"pretrain.penalty_weight": 0}), ("penalty",))
    assert (off.variant.name, off.variant.pretrain.penalty_weight) == ("penalty off", 0)
    assert on.variant.name == "penalty on"
    filters = open_config(**{"prepare.filters": "{rms: 5, jerk: null}"})
    [one] = ablate(filters, ("filter_rms",))
    assert one.variant.name == "filter_rms off"
    assert one.config.preparation.filters.rms is None
    [alone] = ablate(open_config(**{"prepare.filters": "null"}), ("filter_rms",))
    assert alone.variant.name == "filter_rms on"
    left = alone.config.preparation.filters.model_dump()
    assert [name for name in left if name not in ("splits", "sensors", "min_clips", "max_share") and left[name]] == [
        "rms"
    ]


def test_without_randomisation_nothing_is_varied(open_config):
    """Of whatever kind of variation there is: a new one must be named in `configs/ablations.yaml`."""
    kinds = {name: field.annotation is bool for name, field in AugmentSettings.model_fields.items()}
    all_on = "{" + ", ".join(f"{name}: {'true' if flag else 0.3}" for name, flag in kinds.items()) + "}"
    [one] = ablate(open_config(**{"pretrain.augment": all_on, "finetune.augment": all_on}), ("randomisation",))
    assert one.variant.name == "randomisation off"
    assert one.variant.pretrain.augment.none
    assert one.variant.finetune.augment.none


def test_an_ablation_must_leave_real_windows_alone(open_config, tmp_path, monkeypatch):
    (tmp_path / "ablations.yaml").write_text(
        "short: {what: x, off: {prepare: {windows: {length_frames: 10}}}, on: {prepare: {windows: {length_frames: 9}}}}"
    )
    config = open_config()
    monkeypatch.setattr(ablations, "configs_folder", lambda: tmp_path)
    with pytest.raises(UserError, match=r"`short` .* but changes prepare\.windows"):
        ablate(config, ("short",))
