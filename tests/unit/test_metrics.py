"""Metrics with known answers; intervals over subjects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vimu.evaluation.results import gain_sentence
from vimu.metrics import (
    calibration_error,
    confusion_by_subject,
    macro_f1_of,
    mean_known,
    one_vs_rest_auc,
    per_class,
    reliability_by_subject,
    scores,
    subject_bootstrap,
)


@given(seed=st.integers(0, 200), n_classes=st.integers(2, 6))
def test_macro_f1_of_a_confusion_matrix_is_that_of_its_windows(seed, n_classes):
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(n_classes, size=(2, 60))
    counts = confusion_by_subject(truth, said, [f"s{i % 4}" for i in range(60)], n_classes)
    assert counts.sum() == 60
    assert float(macro_f1_of(counts.sum(axis=0))) == pytest.approx(scores(truth, said)["macro_f1"])


def test_a_known_case():
    got = scores(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    assert got["accuracy"] == 0.75
    assert got["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_a_class_without_test_windows_has_no_f1():
    table = per_class(np.array([0, 0]), np.array([0, 1]), ["walk", "run"])
    assert table["run"] == {"precision": None, "recall": None, "f1": None, "n_windows": 0.0}


@given(seed=st.integers(0, 100), levels=st.integers(2, 50))
def test_the_auc_of_a_class_is_how_often_one_of_it_outranks_another(seed, levels):
    rng = np.random.default_rng(seed)
    truth, scored = rng.integers(3, size=40), rng.integers(levels, size=(40, 3)) / levels
    for i, auc in enumerate(one_vs_rest_auc(truth, scored)):
        ours, others = scored[truth == i, i], scored[truth != i, i]
        pairs = (ours[:, None] > others) + 0.5 * (ours[:, None] == others)
        assert auc == pytest.approx(pairs.mean())


def test_a_class_without_both_outcomes_has_no_auc():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    assert one_vs_rest_auc(np.array([0, 1, 0]), probabilities) == [1.0, 1.0, None]
    assert one_vs_rest_auc(np.array([0, 0, 0]), probabilities) == [None, None, None]
    assert mean_known([1.0, None, 0.5]) == 0.75
    assert mean_known([None]) is None


def test_the_interval_is_of_subjects_and_not_of_windows():
    """Two kinds of subjects, all right or all wrong: a thousand windows each do not narrow the interval."""
    truth = np.zeros(8000, int)
    said = np.repeat([0, 1] * 4, 1000)
    counts = confusion_by_subject(truth, said, np.repeat([f"s{i}" for i in range(8)], 1000), 2)

    def accuracy(sums):
        return np.trace(sums, axis1=1, axis2=2) / sums.sum(axis=(1, 2))

    low, high = subject_bootstrap(counts, accuracy)
    assert low < 0.25
    assert high > 0.75
    assert subject_bootstrap(counts, accuracy) == (low, high)


@pytest.mark.parametrize(
    ("interval", "says"),
    [((0.01, 0.1), "helped: +0.050"), ((-0.1, -0.01), "hurt"), ((-0.01, 0.1), "No gain"), (None, "no interval")],
)
def test_a_gain_is_called_one_when_its_interval_excludes_0(interval, says):
    assert says in gain_sentence({"gain_over_scratch": 0.05, "gain_ci95": interval})


def test_calibration_error_is_the_distance_of_confidence_from_what_is_right():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, False, True])
    sums = reliability_by_subject(confidence, right, ["b", "a", "a", "b", "a", "b"]).sum(axis=0)
    np.testing.assert_allclose(sums[9], [4, 3.8, 3])
    np.testing.assert_allclose(sums[5], [2, 1.1, 1])
    assert float(calibration_error(sums)) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)


@given(seed=st.integers(0, 100), n_bins=st.integers(1, 20))
def test_calibration_error_is_that_of_its_windows(seed, n_bins):
    rng = np.random.default_rng(seed)
    confidence = rng.choice([0.0, 1.0, *rng.uniform(size=4)], 60)
    right = rng.uniform(size=60) < confidence
    by_subject = reliability_by_subject(confidence, right, [f"s{i % 4}" for i in range(60)], n_bins=n_bins)
    assert by_subject.shape == (4, n_bins, 3) and by_subject[..., 0].sum() == 60
    at = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    wanted = sum(abs(confidence[at == b].sum() - right[at == b].sum()) for b in range(n_bins)) / 60
    assert float(calibration_error(by_subject.sum(axis=0))) == pytest.approx(wanted)
    certain = np.where(right, 1.0, 0.0)
    assert float(calibration_error(reliability_by_subject(certain, right, ["s"] * 60)[0])) == 0
