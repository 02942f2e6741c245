"""Statements side by side: numbers left out, each field in its place; windows without a class and their words."""

import re
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from published_windows import make_windows
from vimu.semantics.align_settings import AlignSettings, Stage2Settings, UnlabelledSettings, VarySettings
from vimu.semantics.fit_list import fits_of
from vimu.semantics.measure import measure
from vimu.semantics.rules import load_rules
from vimu.semantics.schema import FIELDS
from vimu.semantics.statements import StatementSpace, plain, sentences
from vimu.semantics.unlabelled import balanced, copies, in_words, unlabelled

RATE_HZ = 50.0


def embed(texts):
    """Words, hashed: what is alike has words in common."""
    vectors = torch.zeros(len(texts), 256)
    for row, text in enumerate(texts):
        for word in re.findall(r"[a-z]+", text.lower()):
            vectors[row, zlib.crc32(word.encode()) % 256] += 1
    return torch.nn.functional.normalize(vectors, dim=1)


def said(strength, rhythm, impact):
    return (
        f"The motion is {strength}.", "It goes everywhere.", f"A {rhythm} rhythm prevails.", "No wave repeats.",
        "The posture stays.", "Both are coupled.", f"Vertical impacts are {impact}.",
    )  # fmt: skip


WINDOWS = [said(s, r, i) for s in ("weak, 1.2 m/s^2", "strong") for r in ("brisk", "slow") for i in ("soft", "hard")]


@pytest.fixture(scope="module")
def space():
    labels = ["The motion is strong. Vertical impacts are hard.", "The motion is weak. A slow rhythm prevails."]
    return StatementSpace.learnt(WINDOWS, labels, embed)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("The motion is strong, 4.29 m/s^2. The sensor rotates fast.", "The motion is strong. The sensor rotates fast"),
        ("A brisk rhythm of 1.71 Hz prevails.", "A brisk rhythm prevails"),
        (
            "Vertical impacts are hard, 10.5 m/s^2 at most. Changes are abrupt.",
            "Vertical impacts are hard. Changes are abrupt",
        ),
        ("The posture drifts a little, by 2.8 degrees.", "The posture drifts a little"),
        ("A brisk rhythm near 1.8 Hz prevails, with even peaks.", "A brisk rhythm prevails, with even peaks"),
        ("Two to one, in order.", "Two to one, in order"),
    ],
)
def test_numbers_are_left_out_and_words_stay(text, without):
    assert plain(text) == without


@given(value=st.floats(0.001, 9999, allow_nan=False).map(lambda v: float(f"{v:.3g}")))
def test_whatever_number_the_rules_quote_the_statement_is_the_same(value):
    rules = load_rules()
    features = {"acc_dynamic_rms": value}
    for entry in (entry for entries in rules.fields.values() for entry in entries if hasattr(entry, "levels")):
        for level in entry.levels:
            quoted = level.text.replace("{value}", np.format_float_positional(value, 3, fractional=False, trim="-"))
            assert plain(quoted) == plain(level.text.replace("{value}", "7")), (features, quoted)
            assert not re.search(r"\d", plain(quoted))


def test_a_label_is_nearest_to_the_windows_that_read_like_it(space):
    vectors = space.of_windows(WINDOWS, embed)
    labels = space.of_labels(
        [["The motion is strong. Vertical impacts are hard."], ["A slow rhythm. The motion is weak."]], embed
    )
    assert vectors.shape == (8, space.width) and torch.allclose(vectors.norm(dim=1), torch.ones(8))
    cosine = vectors @ labels.T
    strong_hard = [i for i, w in enumerate(WINDOWS) if "strong" in w[0] and "hard" in w[6]]
    weak_slow = [i for i, w in enumerate(WINDOWS) if "weak" in w[0] and "slow" in w[2]]
    assert set(cosine[:, 0].topk(2).indices.tolist()) == set(strong_hard)
    assert set(cosine[:, 1].topk(2).indices.tolist()) == set(weak_slow)


def test_sentences_go_to_their_fields_in_any_order_and_what_is_not_said_is_nothing(space):
    one = ["Vertical impacts are hard. The motion is strong."]
    same = ["The motion is strong. Vertical impacts are hard."]
    first, second = space.of_labels([one, same], embed)
    assert torch.allclose(first, second)
    by_field = first.view(len(FIELDS), -1).norm(dim=1)
    assert [FIELDS[i] for i in range(len(FIELDS)) if by_field[i] > 0] == ["strength", "vertical_impact"]
    whole = space.of_labels([["quick bounds"]], embed)  # of no known words: still a label
    assert whole.norm() == pytest.approx(1.0)


def test_a_space_comes_back_from_its_tensors(space):
    again = StatementSpace.from_state(space.state())
    assert torch.equal(again.of_windows(WINDOWS, embed), space.of_windows(WINDOWS, embed))


def test_a_text_is_cut_where_sentences_end():
    assert sentences("Strong, 4.2 m/s^2. Brisk; even! Two? ") == ["Strong", "Brisk", "even", "Two"]


@given(vigour=st.floats(1.0, 5.0), seed=st.integers(0, 99))
def test_copies_of_another_vigour_have_the_same_gravity_and_one_gain(vigour, seed):
    x = make_windows(4)[0]
    made = copies(x, UnlabelledSettings(vigour=vigour, pace=1.0), np.random.default_rng(seed))
    mean = x[:, :, :3].mean(axis=1, keepdims=True)
    assert np.allclose(made[:, :, :3].mean(axis=1, keepdims=True), mean, atol=1e-3)
    for i in range(len(x)):
        gain = np.linalg.norm(made[i, :, :3] - mean[i]) / np.linalg.norm(x[i, :, :3] - mean[i])
        assert 1 / vigour - 1e-4 <= gain <= vigour + 1e-4
        assert np.allclose(made[i, :, 3:], gain * x[i, :, 3:], atol=1e-3)


def test_a_quicker_copy_has_a_quicker_rhythm_and_turns_faster():
    t = np.arange(200) / RATE_HZ
    x = np.zeros((64, 200, 6), np.float32)
    x[:, :, 2] = 9.81 + 3 * np.sin(2 * np.pi * 1.5 * t)
    x[:, :, 3] = np.sin(2 * np.pi * 1.5 * t)
    made = copies(x, UnlabelledSettings(vigour=1.0, pace=1.5), np.random.default_rng(0))
    found = measure(made, rate_hz=RATE_HZ)["acc_dominant_frequency_hz"]
    speed = np.abs(made[:, :, 3]).max(axis=1)
    assert 0.95 < found.min() < 1.2 < 1.9 < found.max() < 2.35
    assert np.corrcoef(found, speed)[0, 1] > 0.95


def test_classes_are_copied_alike_and_other_windows_come_twice():
    rng = np.random.default_rng(0)
    y = np.array([0] * 90 + [1] * 10)
    drawn = balanced(y, 3, rng)
    assert np.bincount(y[drawn]).tolist() == [30, 30]
    x = make_windows(100)[0]
    more = unlabelled(x, y, [x[:7]], UnlabelledSettings(copies=3), seed=0)
    assert len(more) == 60 + 2 * 7 and np.array_equal(more[60:67], x[:7]) and not np.array_equal(more[67:], x[:7])
    assert np.array_equal(more, unlabelled(x, y, [x[:7]], UnlabelledSettings(copies=3), seed=0))


def test_a_stronger_copy_is_said_to_be_stronger():
    x = make_windows(4)[0][:1]
    rules = load_rules()
    mean = x[:, :, :3].mean(axis=1, keepdims=True)
    strong = np.concatenate([mean + 6 * (x[:, :, :3] - mean), x[:, :, 3:]], axis=2)
    (before,), (after,) = (in_words(w, rules, rate_hz=RATE_HZ) for w in (x, strong))
    assert len(before) == len(FIELDS) and plain(before[0]) != plain(after[0])


def test_what_statements_cannot_do_is_refused_and_their_variants_are_trained():
    classes = {"walking": ("walking",), "still": ("sitting",), "up": ("going_upstairs",)}
    for raw, says in (
        ({"learn": "virtual", "texts": "descriptions", "compare": "statements"}, "have no statements"),
        ({"unlabelled": {}}, "`unlabelled` must be left out"),
        ({"controls": ["whole_text"]}, "where `compare` is `statements`"),
    ):
        with pytest.raises(ValueError, match=says):
            AlignSettings.model_validate({"classes": classes, **raw})
    settings = AlignSettings(
        classes=classes, unseen=("up",), seeds=(0,), compare="statements", unlabelled=UnlabelledSettings(),
        controls=("softmax", "whole_text", "labelled_only", "no_judge"),
    )  # fmt: skip
    assert [fit.name for fit in fits_of(settings, classes) if fit.task == "unseen"] == [
        "unseen-aligned-0", "unseen-whole_text-0", "unseen-labelled_only-0",
    ]  # fmt: skip
    varied = Stage2Settings(vary=VarySettings(scale=0.5, without_gyr=0.5, noise=0.1)).of_statements.vary
    assert (varied.scale, varied.without_gyr, varied.noise) == (0.0, 0.0, 0.1)
