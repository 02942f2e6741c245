"""Filters: what they must find and must leave, where their thresholds come from, and mislabels planted on purpose."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimu.archives.config import load_archive
from vimu.clips.filters import OTHER_CLASS, FilterSettings, Judgement, judge_clips
from vimu.clips.labels import label_take, load_label_rules
from vimu.clips.planted import catch_planted, plant_swaps
from vimu.clips.statistics import STATISTICS, clip_statistics
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import Rejection
from vimu.demo.archive import write_amass

NAMES = tuple(STATISTICS)
SENSORS = ("left_wrist", "head")
OFF: dict[str, float | None] = dict.fromkeys((*NAMES, OTHER_CLASS))


def classes(n: int = 40, apart: float = 1.0, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """`n` clips of each of three classes, normal with deviation 0.2, their medians `apart` in every statistic."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.2, (3 * n, len(SENSORS), len(NAMES)))
    values += apart * np.repeat(np.arange(3), n)[:, None, None]
    return values, list(np.repeat(["a", "b", "c"], n))


def judge(values: np.ndarray, labels: list[str], train: np.ndarray | None = None, **given) -> Judgement:
    train = np.ones(len(values), bool) if train is None else train
    return judge_clips(values, labels, train, SENSORS, FilterSettings.model_validate(given))


def dropped(judgement: Judgement) -> list[int]:
    return [i for i, verdict in enumerate(judgement.verdicts) if verdict is not None]


def test_clips_like_their_class_are_kept():
    assert dropped(judge(*classes())) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sign", [1, -1])
def test_each_filter_finds_the_clip_that_is_odd_in_its_statistic_and_can_be_turned_off(name, sign):
    values, labels = classes()
    values[7, 1, NAMES.index(name)] += sign * 4
    verdict = judge(values, labels, **OFF | {name: 8.0}).verdicts[7]
    assert verdict.filter == name
    assert verdict.deviations == pytest.approx(4 / 0.2, rel=0.4)
    assert f"{name} at head of " in verdict.detail
    assert f"robust deviations {'above' if sign > 0 else 'below'} `a`'s " in verdict.detail
    assert dropped(judge(values, labels, **OFF)) == []
    assert dropped(judge(values, labels, **OFF | {name: 100.0})) == []
    others = OFF | dict.fromkeys(NAMES, 8.0) | {name: None}
    assert dropped(judge(values, labels, **others)) == []


def test_a_clip_that_moves_like_another_class_is_found_though_no_statistic_of_it_is_odd():
    values, labels = classes(apart=0.4)
    labels[50] = "a"
    assert dropped(judge(values, labels, **OFF | dict.fromkeys(NAMES, 8.0))) == []
    judged = judge(values, labels)
    assert dropped(judged) == [50]
    verdict = judged.verdicts[50]
    assert verdict.filter == OTHER_CLASS
    assert verdict.detail.startswith("moves like `b` (")
    assert dropped(judge(values, labels, other_class=None)) == []
    assert judged.margin[50] < 0 < np.delete(judged.margin, 50).min()


@settings(max_examples=20)
@given(odd=st.lists(st.floats(-100, 100), min_size=12, max_size=12), seed=st.integers(0, 10))
def test_what_is_no_training_clip_moves_no_threshold(odd, seed):
    values, labels = classes(seed=seed)
    train = np.ones(len(values), bool)
    train[::10] = False
    before = judge(values, labels, train)
    values[~train] += np.array(odd)[:, None, None]
    after = judge(values, labels, train)
    np.testing.assert_array_equal(before.statistics.median, after.statistics.median)
    np.testing.assert_array_equal(before.statistics.whitening, after.statistics.whitening)
    assert [before.verdicts[i] for i in np.flatnonzero(train)] == [after.verdicts[i] for i in np.flatnonzero(train)]


@pytest.mark.parametrize("size", [3.0, 300.0])
def test_three_wild_clips_in_ten_are_found_however_wild_and_the_right_ones_stay(size):
    values, labels = classes()
    values[:12] += size
    assert dropped(judge(values, labels, other_class=None)) == list(range(12))


def test_equal_clips_keep_their_like_and_a_constant_statistic_breaks_nothing():
    values, labels = classes()
    values[:40] = values[0]  # deviations of class a are zero
    values[:, :, 3] = 1.0  # and so are everybody's of one statistic
    values[0] += 0.001
    assert dropped(judge(values, labels)) == []
    values[1] += 5
    assert dropped(judge(values, labels)) == [1]


def test_a_class_with_few_training_clips_is_left_alone_and_that_is_said():
    values, labels = classes()
    train = np.ones(len(values), bool)
    train[7:40] = False
    values[0] += 100
    judged = judge(values, labels, train)
    assert dropped(judged) == []
    assert judged.left_alone == {"a": "7 training clips are fewer than `min_clips` = 8"}
    assert np.isnan(judged.margin[:40]).all()
    assert dropped(judge(values, labels, train, min_clips=7)) == [0]


def test_with_no_class_big_enough_nothing_is_dropped():
    values, labels = classes(n=5)
    judged = judge(values, labels)
    assert judged.statistics is None
    assert set(judged.left_alone) == {"a", "b", "c"}
    assert dropped(judged) == []


def test_one_class_alone_has_no_other_to_be_like():
    values, labels = classes()
    values[3, 0, 0] += 10
    assert dropped(judge(values[:40], labels[:40])) == [3]


def test_a_class_of_two_motions_is_left_alone_and_that_is_said():
    values, labels = classes()
    values[:18] += 5.0  # 18 of 40 are another motion that no class has
    judged = judge(values, labels)
    assert dropped(judged) == []
    assert judged.left_alone["a"].startswith(
        "18 of 40 training clips are unlike the others, more than `max_share` = 0.4"
    )
    assert dropped(judge(values, labels, max_share=0.5)) == list(range(18))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=6), share=st.floats(0, 0.4), seed=st.integers(0, 100)
)  # fmt: skip
def test_planted_swaps_keep_the_sizes_of_classes_and_their_share(sizes, share, seed):
    labels = [f"class {i}" for i, n in enumerate(sizes) for _ in range(n)]
    planted = plant_swaps(labels, share=share, rng=np.random.default_rng(seed))
    assert sorted(planted) == sorted(labels)
    for i, n in enumerate(sizes):
        wrong = sum(a != b for a, b in zip(labels, planted, strict=True) if a == f"class {i}")
        assert wrong <= round(share * n)


@pytest.fixture(scope="module")
def demo_clips(tmp_path_factory: pytest.TempPathFactory, demo_body: Path) -> tuple[np.ndarray, list[str], list[str]]:
    """Statistics, label and subject of each clip of the generated archive, as synthesis makes them."""
    folder = tmp_path_factory.mktemp("amass")
    write_amass(folder, n_subjects=5, takes_per_category=3)
    rules, synthesizer = load_label_rules("daily12"), Synthesizer(load_archive("amass"), SENSORS, demo_body)
    values, labels, subjects = [], [], []
    for path in sorted(folder.rglob("*_poses.npz")):
        try:
            motion = synthesizer.read(path, folder)
            labels.append(label_take(motion.take, rules).name)
        except Rejection:
            continue
        values.append(clip_statistics(synthesizer.recording(motion)))
        subjects.append(motion.take.subject)
    return np.stack(values), labels, subjects


def test_planted_mislabels_of_the_generated_archive_are_caught(demo_clips):
    """One clip in ten swapped between any two of twelve classes; four of five people train."""
    values, labels, subjects = demo_clips
    assert len(labels) == 5 * 12 * 3
    train = np.array([not subject.endswith("05") for subject in subjects])
    planted, found, false_shares = 0, 0, []
    for seed in range(100, 110):
        swapped = plant_swaps(labels, share=0.1, rng=np.random.default_rng(seed))
        caught = catch_planted(values, labels, swapped, train, SENSORS, FilterSettings())
        assert sum(caught.planted.values()) == sum(a != b for a, b in zip(labels, swapped, strict=True))
        assert sum(caught.planted.values()) + sum(caught.right.values()) == len(labels)
        planted += sum(caught.planted.values())
        found += sum(caught.found.values())
        false_shares.append(caught.false_share)
    assert planted > 200
    assert found / planted >= 0.8
    assert np.mean(false_shares) < 0.15
