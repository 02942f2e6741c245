"""Configuration: every error at once, YAML without surprises."""

import re
import shlex
from pathlib import Path

import pytest

from vimu.runtime.config import configs_folder, find_yaml, load_config, regular_expression
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import parse_yaml, read_yaml
from vimu.stages.config import Config
from vimu.stages.stage import upstream

MINIMAL = (
    "name: x\nsynthesize: {inputs: [{archive: bandai, root: d}]}\nprepare: {real: {recordings: umafall, root: r}}\n"
)


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.mark.parametrize("name", ["open", "open-2s", "demo", "paper"])
def test_shipped_configurations_load(repo, name):
    assert load_config(Config, repo / "configs" / f"{name}.yaml").name == name


@pytest.mark.fault(56)
def test_all_errors_come_at_once(minimal):
    overrides = ["pretrain.epochs=0", "pretrain.batch_size=100", "prepare.windws=1", "tune.n_trials=0"]
    with pytest.raises(UserError) as error:
        load_config(Config, minimal, overrides)
    text = str(error.value)
    assert "has 4 errors" in text
    for part in ("`pretrain.epochs`", "multiple of 8", "`prepare.windws` is no setting", "`tune.n_trials`"):
        assert part in text
    assert "but is {" not in text  # a section that contradicts itself is not printed


def test_paths_are_those_that_were_written(minimal):
    overrides = [
        "pretrain.model={kind: deepconvlstm, filters: 0}", "baselines=[{kind: penalty_cnn, widths: [8, -1]}]",
        "finetune.seeds=[x]",
    ]  # fmt: skip
    with pytest.raises(UserError) as error:
        load_config(Config, minimal, overrides)
    paths = [line.split("`")[1] for line in str(error.value).splitlines()[1:]]
    assert paths == ["pretrain.model.filters", "finetune.seeds.0", "baselines.0.widths.1"]


def test_set_overrides_and_makes_sections(minimal):
    config = load_config(Config, minimal, ["pretrain.lr=1e-3", "tune.n_trials=3", "prepare.windows.rate_hz=20"])
    assert (config.pretrain.lr, config.tune.n_trials, config.prepare.windows.rate_hz) == (0.001, 3, 20)


def test_a_configuration_knows_what_to_paste_after_config(minimal):
    config = load_config(Config, minimal, ["pretrain.lr=1e-3", "prepare.real.root=/my data"])
    assert shlex.split(config.given) == [
        str(minimal), "--set", "pretrain.lr=1e-3", "--set", "prepare.real.root=/my data"
    ]  # fmt: skip
    with pytest.raises(UserError, match=re.escape(f"Run first: python jobs/prepare.py --config {config.given}")):
        upstream(config.model_copy(update={"runs_dir": minimal.parent}), "prepare")


def test_set_reaches_the_items_of_a_list(minimal):
    config = load_config(
        Config, minimal, ["synthesize.inputs.0.root=/elsewhere", "finetune.seeds=[0, 1]", "finetune.seeds.1=7"]
    )
    assert (config.synthesis.inputs[0].archive, config.synthesis.inputs[0].root) == ("bandai", Path("/elsewhere"))
    assert config.finetune.seeds == (0, 7)


@pytest.mark.parametrize("item", ["1", "-1", "x", "one.root"])
def test_an_item_that_a_list_has_not_is_named(minimal, item):
    with pytest.raises(UserError, match=f"`{item.partition('.')[0]}` must be an item's number, 0 to 0"):
        load_config(Config, minimal, [f"synthesize.inputs.{item}={{}}"])


@pytest.mark.parametrize("bad", ["pretrain", "=3", "name.x=1"])
def test_a_malformed_override_is_named(minimal, bad):
    with pytest.raises(UserError, match="--set"):
        load_config(Config, minimal, [bad])


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden"])
def test_a_run_name_is_no_path(minimal, name):
    with pytest.raises(UserError, match="name"):
        load_config(Config, minimal, [f"name='{name}'"])


@pytest.mark.fault(56)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("a: 1\na: 2", "duplicate key"),
        ("a: .nan", "finite"),
        ("a: {b: [.inf]}", r"a\.b\.0"),
        ("a: [1", "line"),
    ],
)
def test_yaml_that_surprises_is_refused(text, says):
    with pytest.raises(UserError, match=says):
        parse_yaml(text, where="file.yaml")


@pytest.mark.fault(56)
def test_numbers_are_numbers():
    assert parse_yaml("{a: 1e-3, b: 0o17, c: yes, d: 60}", where="f") == {"a": 0.001, "b": 15, "c": "yes", "d": 60}


def test_an_unknown_archive_lists_the_known():
    with pytest.raises(UserError, match=r"`archive` must be one of .*bandai.*, but is `bandia`"):
        find_yaml("archives", "bandia")


def test_a_study_that_there_is_not_lists_those_of_its_kind():
    with pytest.raises(UserError) as error:
        find_yaml("studies", "nosuch", holds="settings")
    assert str(error.value).startswith("`tune.study` must be one of benchmark, head, open, settings, size, or the path")


def test_configs_are_found_in_a_checkout(repo):
    assert configs_folder() == repo / "configs"


def test_a_file_may_extend_another_and_say_only_what_differs(tmp_path, repo):
    long, short = (load_config(Config, repo / "configs" / f"{name}.yaml", []) for name in ("open", "open-2s"))
    assert (short.name, short.preparation.windows.length_frames) == ("open-2s", 40)
    assert short.pretrain == long.pretrain
    changed = short.preparation.windows.model_copy(update={"length_frames": 80, "hop_frames": 40})
    assert changed == long.preparation.windows
    (tmp_path / "a.yaml").write_text("extends: b.yaml\nname: a\n")
    (tmp_path / "b.yaml").write_text("extends: c.yaml\n")
    with pytest.raises(UserError, match=r"`extends` of .*a\.yaml` must name a file that extends no other"):
        load_config(Config, tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("pretrain: {epochs: 7, lr: 0.5}\n")
    (tmp_path / "a.yaml").write_text("extends: b.yaml\nname: a\npretrain: {lr: 0.25}\n")
    config = load_config(Config, tmp_path / "a.yaml", ["pretrain.batch_size=8"])
    assert (config.pretrain.epochs, config.pretrain.lr, config.pretrain.batch_size) == (7, 0.25, 8)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a]", "with its aliases holds more"),
        ("a: &a [1,1,1,1]\nb: &b [*a,*a,*a,*a]\n" + "c: [" + "*b," * 7000 + "]", "at most 100,000 values"),
        ("a: " + "[" * 101 + "]" * 101, "100 deep"),
        ("a: " + "[" * 5000, "must be YAML, but is not: RecursionError"),
        ("a: 2001-13-45", "must be YAML, but is not: ValueError: month must be in 1..12"),
        ("a: [{b: .inf}]", "`a.0.b` must be a finite number, but is inf"),
    ],
)  # fmt: skip
def test_yaml_takes_neither_the_memory_nor_the_time(text, said):
    with pytest.raises(UserError, match=re.escape(said)):
        parse_yaml(text, where="x")


def test_a_yaml_file_of_megabytes_is_refused_before_it_is_parsed(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1\n" + "#" * 2**20)
    with pytest.raises(UserError, match=r"at most 1,048,576 bytes, but has 1,048,581"):
        read_yaml(tmp_path / "a.yaml")


def test_a_device_that_a_strangers_file_extends_is_not_read_to_its_end(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: /dev/zero\n")
    with pytest.raises(UserError, match=r"`/dev/zero` must be a YAML file of at most 1,048,576 bytes"):
        load_config(Config, tmp_path / "a.yaml")


@pytest.mark.parametrize("pattern", ["a{99999999999}", "(" * 5000, "("])
def test_a_regular_expression_that_is_none_is_said(pattern):
    with pytest.raises(ValueError, match="must be a regular expression"):
        regular_expression(pattern)
