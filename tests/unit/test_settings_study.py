"""What may be searched, which parameters exist under which values, and that all mistakes come at once."""

import warnings

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimu.runtime.config import find_yaml, load_config, validate
from vimu.runtime.errors import UserError
from vimu.stages.config import Config
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.candidate import Candidate, check_study, load_study, suggested_params
from vimu.tuning.settings_study import FIXED, SettingsStudy

BASE = Candidate(pretrain=PretrainSettings(epochs=8), finetune=FinetuneSettings())
UNDER = {
    "gradual": "finetune.unfreeze_every_epochs", "discriminative": "finetune.depth_decay",
    "all": "finetune.encoder_lr_share",
}  # fmt: skip
SHIPPED = ("settings", "open", "head", "size")
KINDS = """
pretrain.model.kind: {choice: [penalty_cnn, deepconvlstm]}
pretrain.model.widths: {choice: [[8, 16], [16, 32]], when: {pretrain.model.kind: penalty_cnn}}
pretrain.penalty_weight: {log: [0.01, 10.0], when: {pretrain.model.kind: penalty_cnn}}
finetune.schedule: {choice: [head, all], when: {pretrain.model.kind: penalty_cnn}}
finetune.encoder_lr_share: {log: [0.05, 1.0], when: {finetune.schedule: [all]}}
"""


def study(space, **more):
    from vimu.runtime.yaml import parse_yaml

    raw = parse_yaml(space, where="test") if isinstance(space, str) else space
    return validate(SettingsStudy, {"kind": "settings", "space": raw, **more}, where="study")


def drawn(a_study, base, seed):
    """What a sampler that has seen nothing proposes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)
    trial = optuna.create_study(sampler=sampler).ask()
    return suggested_params(trial, a_study, base), trial


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_studies_hold_against_the_settings(name):
    check_study(load_config(SettingsStudy, find_yaml("studies", name)), BASE)


@pytest.mark.parametrize("name", ["open", "demo", "paper"])
def test_shipped_configurations_name_a_study_that_fits_them(repo, name):
    config = load_config(Config, repo / "configs" / f"{name}.yaml")
    pretrain = config.pretrain.model_copy(update={"epochs": config.tune.pretrain_epochs})
    check_study(
        load_config(SettingsStudy, find_yaml("studies", config.tune.study)),
        Candidate(pretrain=pretrain, finetune=config.finetune),
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31), name=st.sampled_from(SHIPPED), kind=st.sampled_from(["penalty_cnn", "deepconvlstm"]))
def test_a_parameter_exists_exactly_where_its_condition_holds(seed, name, kind):
    searched = load_config(SettingsStudy, find_yaml("studies", name))
    base = Candidate(pretrain=PretrainSettings(epochs=8).of_kind(kind), finetune=FinetuneSettings())
    if name == "size" and kind == "deepconvlstm":
        return  # its widths are the penalty CNN's, whatever the configuration says
    params, trial = drawn(searched, base, seed)
    schedule = params.get("finetune.schedule", "head")
    for under, path in UNDER.items():
        assert (path in params) == (schedule == under and path in searched.space)
    for path, parameter in searched.space.items():
        if "pretrain.model.kind" in parameter.when:
            assert (path in params) == (kind == "penalty_cnn")
        for tied in (parameter.also or ()) if path in params else ():
            assert params[tied] == params[path]
    assert set(trial.params) == {path for path in params if path in searched.space}
    chosen = base.having(params)
    assert chosen.finetune.schedule == schedule
    assert chosen.finetune.lr == params["finetune.lr"]
    assert base.having(params) == chosen


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31))
def test_conditions_on_conditions_and_another_kind_of_network(seed):
    params, _ = drawn(study(KINDS), BASE, seed)
    cnn = params["pretrain.model.kind"] == "penalty_cnn"
    assert ("pretrain.penalty_weight" in params) == ("finetune.schedule" in params) == cnn
    assert ("finetune.encoder_lr_share" in params) == (params.get("finetune.schedule") == "all")
    model = BASE.having(params).pretrain.model
    assert model.kind == params["pretrain.model.kind"]
    if cnn:
        assert list(model.widths) == params["pretrain.model.widths"]


def test_all_that_does_not_fit_the_settings_comes_at_once():
    bad = study(
        """
        pretrain.lr: {linear: [-1.0, 1.0]}
        pretrain.lr.x: {linear: [0.0, 1.0]}
        pretrain.batch_size: {choice: [8, 12]}
        pretrain.modle.widths: {choice: [[1], [2]]}
        pretrain.model.kind: {choice: [penalty_cnn, random_forest]}
        finetune.depth_decay: {linear: [0.5, 2.0]}
        finetune.encoder_lr_share: {linear: [0.1, 0.5], when: {finetune.schedul: all}}
        finetune.schedule: {choice: [head, tail]}
        finetune.augment: {choice: [{noise: 0.1}, {noise: -0.1}]}
        """,
        pruning={"grace_epochs": 21},
    )
    with pytest.raises(UserError) as error:
        check_study(bad, BASE)
    text = str(error.value)
    assert "has 10 errors" in text
    for part in (
        "`pretrain.lr`", "`pretrain.lr.x` is no setting", "multiple of 8, but is 12", "`pretrain.modle` is no setting",
        "random_forest", "`finetune.depth_decay`", "`finetune.schedul` is none", "'tail'", "`finetune.augment.noise`",
        "`pruning.grace_epochs` must be at most the 20 epochs",
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ("{}", "at least 1 item"),
        ("{finetune.lr: {}}", "exactly one of"),
        ("{finetune.lr: {log: [1e-4, 1e-3], linear: [1e-4, 1e-3]}}", "exactly one of"),
        ("{finetune.lr: {log: [1e-3, 1e-4]}}", "low < high"),
        ("{finetune.lr: {log: [0.0, 1.0]}}", "0 < low"),
        ("{finetune.lr: {linear: [.nan, 1.0]}}", "finite"),
        ("{finetune.lr: {log: [1e-4]}}", "log"),
        ("{finetune.schedule: {choice: [head]}}", "two values or more"),
        ("{finetune.schedule: {choice: [head, head]}}", "each once"),
        ("{lr: {log: [1e-4, 1e-3]}}", "setting of `pretrain` or `finetune`"),
        ("{prepare.windows.hop_frames: {integer: [1, 2]}}", "setting of `pretrain` or `finetune`"),
        ("{finetune.lr: {log: [1e-4, 1e-3], also: [pretrain.lr]}, pretrain.lr: {log: [1e-4, 1e-3]}}", "searched once"),
        ("{finetune.lr: {log: [1e-4, 1e-3], when: {pretrain.lr: 1}}, pretrain.lr: {log: [1e-4, 1e-3]}}", "further up"),
        (
            "{finetune.schedule: {choice: [head, all]}, finetune.lr: {log: [0.1, 1], when: {finetune.schedule: x}}}",
            "names ['x']",
        ),
        *[(f"{{{path}: {{integer: [1, 2]}}}}", "must not be searched") for path in FIXED],
    ],
)
def test_a_space_that_means_nothing_is_refused(space, says):
    with pytest.raises(UserError) as error:
        check_study(study(space), BASE)
    assert says in str(error.value)


def test_all_that_is_wrong_with_a_file_comes_in_one_round_a_line_each(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        """
        kind: settings
        prunning: null
        space:
          pretrain.lr: {log: [1.0e-2, 1.0e-3]}
          pretrain.n_workers: {choice: [1, 2]}
          lr: {log: [1.0e-4, 1.0e-3]}
          finetune.lr: {log: [1.0e-4, 1.0e-3], also: [pretrain.learning_rate]}
          finetune.encoder_lr_share: {linear: [0.1, 2.0], when: {finetune.schedule: head}}
          finetune.unfreeze_every_epochs: {integer: [1, 4], when: {finetune.schedule: gradual}}
        """
    )
    with pytest.raises(UserError) as error:
        load_study(path, BASE)
    said = str(error.value).splitlines()
    assert said[0] == f"{path} has 6 errors:"
    for line, part in zip(
        said[1:],
        (
            "`space.pretrain.lr`: `log` must be [low, high] with low < high", "`prunning` is no setting.",
            "`pretrain.n_workers` must not be searched", "`lr` must be a setting of `pretrain` or `finetune`.",
            "`pretrain.learning_rate` is no setting.", "`finetune.encoder_lr_share`: input should be less than or",
        ),
        strict=True,
    ):  # fmt: skip
        assert part in line


@pytest.mark.parametrize("space", ["3", "[1]", "{}", "{finetune.lr: 3}"])
def test_a_file_of_another_shape_is_refused(tmp_path, space):
    path = tmp_path / "mine.yaml"
    path.write_text(f"kind: settings\nspace: {space}\n")
    with pytest.raises(UserError, match="has 1 error"):
        load_study(path, BASE)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"objectives": ["macro_f1", "n_parameters"]}, "`pruning` must be null"),
        ({"objectives": ["n_parameters"], "pruning": None}, "begin with macro_f1"),
        ({"objectives": []}, "objectives"),
        ({"pruning": {"grace_epochs": 0}}, "grace_epochs"),
        ({"pruning": {"reduction_factor": 1}}, "reduction_factor"),
        ({"n_startup_trials": 0}, "n_startup_trials"),
        ({"kind": "placements"}, "kind"),
    ],
)
def test_a_study_that_cannot_run_is_refused(more, says):
    with pytest.raises(UserError) as error:
        study("{finetune.lr: {log: [1e-4, 1e-3]}}", **more)
    assert says in str(error.value)


def test_a_study_for_which_nothing_is_left_to_search_is_refused():
    only = study("{pretrain.penalty_weight: {log: [0.1, 1.0], when: {pretrain.model.kind: deepconvlstm}}}")
    with pytest.raises(UserError, match="must have a parameter whose condition holds"):
        check_study(only, BASE)
