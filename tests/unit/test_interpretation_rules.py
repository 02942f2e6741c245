"""The rules' words: whole, repeatable, and never an activity's name."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from vimu.runtime.errors import UserError
from vimu.semantics.catalogue import CATALOGUE, FEATURES
from vimu.semantics.gates import HardGates, load_relations
from vimu.semantics.labels import load_labels, naming
from vimu.semantics.prompts import PLACES, load_prompts
from vimu.semantics.rounds import Written
from vimu.semantics.rules import Scale, load_rules, shown
from vimu.semantics.schema import FIELDS, Interpretation, parse_interpretation
from vimu.semantics.tables import text_hashes


def feature(name):
    lowest = -3 if "skew" in name or "lag" in name else 0
    return st.one_of(st.none(), st.floats(lowest, 500).map(lambda v: float(f"{v:.3g}")))


any_numbers = st.fixed_dictionaries({name: feature(name) for name in FEATURES})


@pytest.fixture(scope="module")
def gates():
    return HardGates(load_relations(), naming(load_labels()[0].words()))


@pytest.fixture(scope="module")
def rules():
    return load_rules()


@settings(max_examples=200)
@given(numbers=any_numbers)
def test_the_rules_pass_every_hard_gate_whatever_is_measured(gates, rules, numbers):
    interpretation = rules.interpret(numbers)
    assert gates.flags(interpretation, numbers) == []
    assert list(interpretation.statements()) == list(FIELDS)
    assert rules.interpret(numbers).model_dump_json() == interpretation.model_dump_json()
    assert parse_interpretation(interpretation.model_dump_json()) == interpretation


def test_levels_go_by_their_bounds():
    numbers = dict.fromkeys(FEATURES, None) | {"body_acc_rms": 0.399, "tilt_drift_deg": 30.0}
    interpretation = load_rules().interpret(numbers)
    assert interpretation.strength.text == "There is almost no motion."
    assert interpretation.posture_drift.text == "The posture changes entirely, by 30 degrees."
    assert interpretation.posture_drift.numbers == {"tilt_drift_deg": 30.0}
    assert load_rules().interpret(numbers | {"body_acc_rms": 0.4}).strength.text == "The motion is gentle, 0.4 m/s^2."


def test_a_comparison_is_claimed_only_beyond_its_factor():
    numbers = dict.fromkeys(FEATURES, 1.0)
    rules = load_rules()
    assert rules.interpret(numbers).direction.greater == ()
    turning = rules.interpret(numbers | {"gyr_vertical_rms": 1.26}).direction
    assert turning.greater == (("gyr_vertical_rms", "gyr_horizontal_rms"),)
    assert "turns about the vertical more than it tilts" in turning.text


def test_null_is_said_and_not_quoted():
    interpretation = load_rules().interpret(dict.fromkeys(FEATURES))
    assert "No rhythm prevails." in interpretation.rhythm.text
    assert all(not s.numbers and not s.greater for s in interpretation.statements().values())


@pytest.mark.parametrize(("value", "text"), [(1230.0, "1230"), (0.00123, "0.00123"), (12.0, "12"), (-0.5, "-0.5")])
def test_numbers_are_shown_without_exponent(value, text):
    assert shown(value) == text


def test_no_word_of_ours_hints_at_an_activity():
    names = naming(load_labels()[0].words())
    rules, prompts = load_rules(), load_prompts()
    said = [feature.name + " " + feature.meaning for feature in CATALOGUE]
    for entries in rules.fields.values():
        for entry in entries:
            said += [level.text for level in entry.levels] if isinstance(entry, Scale) else [entry.greater, entry.less]
    said += [prompts.texts[name] for name in PLACES if name != "label"]
    assert [text for text in said if names.search(text)] == []


def test_every_threshold_states_its_evidence():
    assert all(entry.evidence for entries in load_rules().fields.values() for entry in entries)


def test_the_digest_follows_words_and_thresholds(tmp_path: Path, repo: Path):
    raw = YAML(typ="safe").load(repo / "configs" / "semantics" / "rules.yaml")
    raw["fields"]["strength"][0]["levels"][0]["below"] = 0.41
    (tmp_path / "rules.yaml").write_text(json.dumps(raw))
    assert load_rules(tmp_path / "rules.yaml").digest != load_rules().digest
    assert load_rules().digest == load_rules().digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f["strength"][0].update(feature="cadence"), "catalogue"),
        (lambda f: f["strength"][0]["levels"].reverse(), "ascending"),
        (lambda f: f["direction"][1].update(compare=["gyr_vertical_rms", "vertical_rms"]), "one unit"),
        (lambda f: f.pop("rhythm"), "in this order"),
        (lambda f: f["strength"][0].update(missing=""), "say something in each field"),
    ],
)
def test_wrong_rules_are_refused(tmp_path: Path, repo: Path, change, says):
    raw = YAML(typ="safe").load(repo / "configs" / "semantics" / "rules.yaml")
    change(raw["fields"])
    (tmp_path / "rules.yaml").write_text(json.dumps(raw))
    with pytest.raises(UserError, match=says):
        load_rules(tmp_path / "rules.yaml")


# --- labels and prompts ---


def test_labels_cover_all_sets_and_categories(repo: Path):
    labels, path = load_labels()
    wanted = set(YAML(typ="safe").load(repo / "configs" / "labels" / "daily12.yaml")["categories"])
    for name in ("hapt", "umafall", "dip"):
        known = YAML(typ="safe").load(repo / "configs" / "recordings" / f"{name}.yaml")["activities"]
        wanted |= {activity["name"] for activity in known.values()}
    labels.require(wanted, path)
    assert all(len(activity.texts) >= 2 and activity.evidence for activity in labels.activities.values())
    with pytest.raises(UserError, match="lacks juggling"):
        labels.require(["juggling", "walking"], path)


def test_no_label_text_names_its_activity():
    labels, _ = load_labels()
    for name, activity in labels.activities.items():
        names = naming((name.replace("_", " "), *activity.words))
        assert not [text for text in activity.texts if names.search(text)], name


def test_the_content_hash_follows_every_text_and_whether_it_was_accepted():
    def hashes(text="one", accepted=True, label="still"):
        written = [Written((text,), "rules", 1, accepted, ())]
        return set(text_hashes(["a:0"], written, [{"label": "standing", "index": 0, "text": label}]))

    assert hashes() == hashes()
    for other in (hashes(text="two"), hashes(accepted=False), hashes(label="at rest")):
        assert len(other - hashes()) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("as in WALKING.", "WALKING"), ("going_upstairs", "going_upstairs"), ("a sit-to-stand motion", "sit-to-stand"),
        ("the jumpy sensor", None), ("sidewalks", None), ("outstanding", None), ("a  phone   call", "phone   call"),
    ],
)  # fmt: skip
def test_names_are_found_as_whole_words(text, found):
    match = naming(load_labels()[0].words()).search(text)
    assert (match.group() if match else None) == found


def test_prompts_are_versioned_by_their_bytes_and_checked(tmp_path: Path, repo: Path):
    for name in PLACES:
        text = (repo / "configs" / "semantics" / "prompts" / f"{name}.md").read_text()
        (tmp_path / f"{name}.md").write_text(text)
    assert load_prompts(tmp_path).version == load_prompts().version
    (tmp_path / "window.md").write_text((tmp_path / "window.md").read_text() + "\n")
    assert load_prompts(tmp_path).version != load_prompts().version
    (tmp_path / "window.md").write_text("$features $duration_s $rate_hz $activity")
    with pytest.raises(UserError, match="must have the places"):
        load_prompts(tmp_path)
    (tmp_path / "window.md").unlink()
    with pytest.raises(UserError, match="must be a prompt"):
        load_prompts(tmp_path)


def test_a_window_s_prompt_holds_its_numbers_and_nothing_else_of_it():
    numbers = dict.fromkeys(FEATURES, 1.5) | {"jerk_rms": None}
    messages = load_prompts().window(numbers, duration_s=4.0, rate_hz=50.0)
    whole = "\n".join(message["content"] for message in messages)
    assert "body_acc_rms = 1.5 m/s^2" in whole
    assert "jerk_rms = null" in whole
    assert not naming(load_labels()[0].words()).search(whole)


def test_fenced_json_is_read_and_other_text_is_named():
    whole = load_rules().interpret(dict.fromkeys(FEATURES)).model_dump_json()
    assert isinstance(parse_interpretation(f"```json\n{whole}\n```"), Interpretation)
    assert "EOF" in str(parse_interpretation(whole[: len(whole) // 2]))
    assert "rhythm" in str(
        parse_interpretation(json.dumps({k: v for k, v in json.loads(whole).items() if k != "rhythm"}))
    )
    assert isinstance(parse_interpretation(whole.replace("{", '{"activity": {"text": "walking"}, ', 1)), str)
