"""The judge: what is false is flagged, what is true is not; rounds end."""

from collections.abc import Sequence

import numpy as np
import pytest

from vimu.semantics.catalogue import FEATURES
from vimu.semantics.gates import Flag, HardGates, in_text, load_relations
from vimu.semantics.labels import load_labels, naming
from vimu.semantics.neighbours import SoftGate, hashed_words
from vimu.semantics.rounds import Draft, Request, RulesBackend, write_all
from vimu.semantics.rules import load_rules
from vimu.semantics.schema import Interpretation, Statement

NUMBERS = dict.fromkeys(FEATURES, 1.0) | {
    "body_acc_rms": 2.0, "vertical_rms": 1.8, "horizontal_rms": 0.9, "vertical_share": 0.8,
    "acc_dominant_frequency_hz": 1.8, "acc_high_rms": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def gates():
    return HardGates(load_relations(), naming(load_labels()[0].words()))


def saying(text, numbers=None, greater=()):
    plain = Statement(text="As measured.")
    fields = dict.fromkeys(Interpretation.model_fields, plain)
    return Interpretation(**fields | {"strength": Statement(text=text, numbers=numbers or {}, greater=greater)})


def gates_of(gates, *args):
    return sorted({flag.gate for flag in gates.flags(saying(*args), NUMBERS)})


@pytest.mark.parametrize(
    ("text", "numbers", "flagged"),
    [
        ("It is 2 m/s^2.", {"body_acc_rms": 2.0}, []),
        ("It is 2.09 m/s^2.", {"body_acc_rms": 2.09}, []),
        ("It is 2.11 m/s^2.", {"body_acc_rms": 2.11}, ["number"]),
        ("It is 1.89 m/s^2.", {"body_acc_rms": 1.89}, ["number"]),
        ("It is 3 m/s^2.", {"body_acc_rms": 2.0}, ["number"]),  # quoted rightly, told wrongly
        ("It is 2 m/s^2.", {}, ["number"]),
        ("It is strong.", {"cadence": 1.8}, ["number"]),
        ("It is strong.", {"acc_high_rms": 0.1}, ["number"]),  # null
        ("80 % is vertical.", {"vertical_share": 0.8}, []),
        ("60 % is vertical.", {"vertical_share": 0.8}, ["number"]),
        ("80 is vertical.", {"vertical_share": 0.8}, ["number"]),
        ("The 3-axis signal is strong.", {}, []),
    ],
)
def test_every_number_must_be_its_feature_s(gates, text, numbers, flagged):
    assert gates_of(gates, text, numbers) == flagged


@pytest.mark.parametrize(
    ("text", "greater", "flagged"),
    [
        ("Strong.", (("vertical_rms", "horizontal_rms"),), []),
        ("Strong.", (("horizontal_rms", "vertical_rms"),), ["relation"]),
        ("Strong.", (("acc_high_rms", "vertical_rms"),), ["relation"]),
        ("Strong.", (("bounce", "vertical_rms"),), ["relation"]),
        ("Vertical acceleration exceeds horizontal acceleration.", (), []),
        ("Horizontal acceleration exceeds vertical acceleration.", (), ["relation"]),
        ("The vertical part is clearly weaker than the horizontal one.", (), ["relation"]),
        ("The horizontal part is clearly weaker than the vertical one.", (), []),
        ("Horizontal motion is not greater than vertical motion.", (), []),
        ("Acceleration is horizontal rather than vertical.", (), ["relation"]),
        ("It is vertical. Horizontal it is not.", (), []),
    ],
)
def test_comparisons_must_agree_with_the_numbers(gates, text, greater, flagged):
    assert gates_of(gates, text, None, greater) == flagged


@pytest.mark.parametrize("text", ["Typical of walking.", "As someone climbs.", "A jogger's? No: Jogging!", "stairs"])
def test_no_activity_may_be_named(gates, text):
    assert gates_of(gates, text) == ["activity_name"]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1.8 Hz, 12 deg/s, 3 m/s^2, 5 m/s², 4 rad/s", [1.8, 12, 3, 5, 4]), ("x2 y3.4 s^2", []),
        ("1,234.5 and -0.3", [1234.5, -0.3]), ("1,5", [1.5]), ("2e-3", [0.002]), ("−4", [-4]),
    ],
)  # fmt: skip
def test_numbers_in_texts(text, numbers):
    assert [value for value, _ in in_text(text)] == numbers


def test_what_is_no_number_is_near_to_none(gates):
    assert gates_of(gates, "Version 1.2.3.", {"body_acc_rms": 2.0}) == ["number"]


# --- the soft gate ---


def alike(n=200, seed=0):
    """Two kinds of windows, each with its own words."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % 2
    features = {name: rng.normal(loc=5.0 * kind + 10.0, scale=0.5) for name in FEATURES}
    words = [["calm slow faint quiet", "wild quick strong loud"][k] for k in kind]
    return features, kind, {i: f"{words[i]} {['and', 'or', 'with'][i % 3]} more" for i in range(n)}


def test_a_text_of_the_other_kind_is_flagged_and_no_other():
    features, _, texts = alike()
    texts[6] = texts[1]
    gate = SoftGate(features, np.ones(200, bool), hashed_words, n_neighbours=15, n_mads=3.0)
    unlike, threshold = gate.unlike(texts, list(texts))
    assert list(unlike) == [6]
    assert unlike[6] < threshold < 1


def test_the_reference_alone_sets_what_is_usual():
    features, kind, texts = alike()
    reference = np.arange(200) < 100
    for row in range(100, 200):  # the others say the opposite, all of them
        texts[row] = ["wild quick strong loud", "calm slow faint quiet"][kind[row]]
    gate = SoftGate(features, reference, hashed_words, n_neighbours=15, n_mads=3.0)
    unlike, _ = gate.unlike(texts, list(texts))
    assert set(unlike) == set(range(100, 200))


def test_too_few_windows_are_not_judged():
    features, _, texts = alike(20)
    gate = SoftGate(features, np.ones(20, bool), hashed_words, n_neighbours=15, n_mads=3.0)
    assert gate.unlike(texts, list(texts)) == ({}, None)


def test_each_text_is_embedded_once():
    features, _, texts = alike()
    seen: list[str] = []

    def embed(texts: Sequence[str]):
        seen.extend(texts)
        return hashed_words(texts)

    gate = SoftGate(features, np.ones(200, bool), embed, n_neighbours=15, n_mads=3.0)
    for _ in range(2):
        gate.unlike(texts, list(texts))
    assert sorted(seen) == sorted(set(texts.values()))


def test_features_that_are_null_everywhere_do_not_matter():
    features, _, texts = alike()
    features["acc_high_rms"] = np.full(200, np.nan)
    features["jerk_rms"][::2] = np.nan
    gate = SoftGate(features, np.ones(200, bool), hashed_words, n_neighbours=15, n_mads=3.0)
    assert gate.unlike(texts, list(texts))[0] == {}


# --- rounds ---


class Pupil:
    """Wrong at first; learns after so many rounds, or never."""

    name, learns = "openai", True

    def __init__(self, rounds_to_learn: dict[int, int]) -> None:
        self.rounds_to_learn, self.seen = rounds_to_learn, []

    def write(self, requests: Sequence[Request]):
        self.seen.append([(r.row, [] if r.before is None else [f.gate for f in r.before.flags]) for r in requests])
        for r in requests:
            if len(self.seen) <= self.rounds_to_learn.get(r.row, 0):
                if r.row % 2:
                    yield Draft(None, "{", (Flag("schema", "no JSON"),))
                else:
                    yield Draft(saying("It is 99 m/s^2, as in walking."), "...")
            else:
                yield Draft(load_rules().interpret(r.numbers), "...")


def rounds_of(backend, gates, n=6, max_rounds=3):
    rules = RulesBackend(load_rules().interpret)
    return write_all(backend, rules, lambda _: NUMBERS, n, hard=gates, soft=None, max_rounds=max_rounds)


def test_flagged_windows_alone_are_written_again_with_the_reasons_then_by_the_rules(gates):
    pupil = Pupil({0: 1, 1: 2, 2: 9, 3: 9})
    written, rounds = rounds_of(pupil, gates)
    assert [(r.asked, r.accepted, r.flagged) for r in rounds] == [
        (6, 2, {"schema": 2, "number": 2, "activity_name": 2}),
        (4, 1, {"schema": 2, "number": 1, "activity_name": 1}),
        (3, 1, {"schema": 1, "number": 1, "activity_name": 1}),
    ]
    assert pupil.seen[1] == [
        (0, ["number", "activity_name"]),
        (1, ["schema"]),
        (2, ["number", "activity_name"]),
        (3, ["schema"]),
    ]
    assert [(w.backend, w.round, w.accepted) for w in written] == [
        ("openai", 2, True), ("openai", 3, True), ("rules", 3, False), ("rules", 3, False), ("openai", 1, True),
        ("openai", 1, True),
    ]  # fmt: skip
    assert written[3].reasons == ("schema: no JSON",)
    assert written[3].text == load_rules().interpret(NUMBERS).text


def test_without_judge_what_can_be_read_is_taken(gates):
    written, rounds = rounds_of(Pupil({0: 9, 1: 9}), None, max_rounds=1)
    assert [(w.backend, w.accepted) for w in written[:3]] == [("openai", True), ("rules", False), ("openai", True)]
    assert "walking" in written[0].text
    assert rounds[0].flagged == {"schema": 1}


def test_rules_are_asked_once(gates):
    rules = RulesBackend(load_rules().interpret)
    written, rounds = rounds_of(rules, gates)
    assert len(rounds) == 1
    assert all(w.accepted and w.backend == "rules" for w in written)


def test_a_text_unlike_its_neighbours_is_written_again(gates):
    features, kind, _ = alike(80)
    rules = load_rules()
    calm = dict.fromkeys(FEATURES)
    numbers = lambda row: NUMBERS if kind[row] else calm  # noqa: E731

    class Confused:
        name, learns = "openai", True
        n_rounds = 0

        def write(self, requests):
            self.n_rounds += 1
            for r in requests:
                wrong = r.row == 7 and self.n_rounds == 1  # true of no number, so that the hard gates are silent
                yield Draft(rules.interpret(calm if wrong else r.numbers), "...")

    soft = SoftGate(features, np.ones(80, bool), hashed_words, n_neighbours=10, n_mads=3.0)
    written, rounds = write_all(
        Confused(), RulesBackend(rules.interpret), numbers, 80, hard=gates, soft=soft, max_rounds=3
    )
    assert [r.flagged for r in rounds] == [{"unlike_neighbours": 1}, {}]
    assert (written[7].round, written[7].accepted) == (2, True)
