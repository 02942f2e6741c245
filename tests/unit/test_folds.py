"""Who is apart from whom, and how much of the recordings is labelled."""

import re
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toy_windows import HOP, LENGTH, windows
from vimu.archives.config import load_archive
from vimu.archives.take import take_of
from vimu.runtime.errors import UserError
from vimu.stages.crossval import _dealt
from vimu.tuning.experiments import CrossvalSettings
from vimu.tuning.folds import Folds, folds_by, parts_of, require_every_class, style_of_each
from vimu.tuning.rows import REAL
from vimu.tuning.shares import covered_frames, recorded_s, share_of_trials
from vimu.tuning.side import Side


@given(share=st.floats(0.001, 1), larger=st.floats(0.001, 1), seed=st.integers(0, 50))
def test_a_share_is_whole_trials_with_one_of_each_class_and_within_a_larger_share(share, larger, seed):
    every = windows(n_subjects=3)
    some = share_of_trials(every, min(share, larger), seed=seed)
    more = share_of_trials(every, max(share, larger), seed=seed)
    assert set(some.window_id) <= set(more.window_id)
    assert some.classes == every.classes
    n_of = {s: int((every.source == s).sum()) for s in set(every.source.tolist())}
    assert {s: int((some.source == s).sum()) for s in set(some.source.tolist())}.items() <= n_of.items()
    excess = len(some) - min(share, larger) * len(every)
    assert -0.001 <= excess < 3 or len(set(some.source.tolist())) == 3  # by less than a trial, or one of each class


def test_seconds_that_two_windows_share_count_once():
    every = windows(n_subjects=1, n_trials=1)
    assert recorded_s(every) == pytest.approx(3 * (LENGTH + 2 * HOP) / 20)
    apart = every.take(np.array([0, 2]))  # the two ends of a trial, which touch and do not overlap
    assert recorded_s(apart) == pytest.approx(2 * LENGTH / 20)


@given(seed=st.integers(0, 20), validation=st.sampled_from(["fold", "none"]))
def test_nobody_is_on_two_sides_and_everybody_is_tested_once(seed, validation):
    every = windows()
    folds = folds_by(every, every.subject.tolist(), "subjects", n_folds=3, seed=seed, dataset="toy")
    tested = []
    for k in range(3):
        train, val, test = parts_of(every, folds, k, validation)
        people = [set(part.subject.tolist()) for part in (train, val, test)]
        assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
        assert bool(people[1]) == (validation == "fold")
        assert sum(map(len, (train, val, test))) == len(every)
        tested += test.window_id.tolist()
    assert sorted(tested) == sorted(every.window_id.tolist())


@pytest.mark.fault(52)
def test_a_subject_in_two_splits_is_named():
    every = windows()
    fold = np.arange(len(every)) % 3
    with pytest.raises(UserError, match=r"in one split only, but in fold 1 s0, s1.* is in training and in test"):
        parts_of(every, Folds("subjects", fold, 3), 1, "fold")


def test_a_class_that_a_fold_cannot_learn_is_named():
    every = windows()
    folds = folds_by(every, every.subject.tolist(), "subjects", n_folds=3, seed=0, dataset="toy")
    one = every.subject[folds.test_rows(2)][0]
    label = np.where((every.label == "hopping") & (every.subject != one), "walking", every.label)
    with pytest.raises(
        UserError, match=r"of `toy`, but with subjects apart there is none of `hopping` in fold 1, `hopp"
    ):
        require_every_class(replace(every, label=label), folds, "fold", dataset="toy")


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"validation": "fold"}, True),
        ({"validation": "none"}, False),
        ({"validation": "none", "tune_trials": 2}, True),  # the search parts judges from those who train
    ],
)
def test_a_class_that_a_search_cannot_learn_is_named_before_it(changes, lacks):
    every = windows()
    fold = folds_by(every, every.subject.tolist(), "subjects", n_folds=3, seed=0, dataset="toy").fold
    people = [every.subject[fold == k][0] for k in (0, 1)]  # of all folds but one
    label = np.where((every.label == "hopping") & ~np.isin(every.subject, people), "walking", every.label)
    side = Side("toy", replace(every, label=label), every.classes, synthetic=True, groups="subjects", left_out={})
    settings = CrossvalSettings(n_folds=3, min_people=2, virtual_splits=(), fold_seed=0, **changes)
    with pytest.raises(UserError, match="none of `hopping` in fold") if lacks else nullcontext():
        _dealt({REAL: side}, {}, settings)


def test_held_out_styles_take_all_their_clips_with_them():
    every = windows()
    styles = {
        source: ("old", "happy", "sad", "giant")[i % 4] for i, source in enumerate(sorted(set(every.source.tolist())))
    }
    groups = style_of_each(every, styles)
    folds = folds_by(every, groups, "styles", n_folds=4, seed=0, dataset="toy")
    for k in range(4):
        tested = set(np.array(groups)[folds.fold == k].tolist())
        assert tested
        assert not tested & set(np.array(groups)[folds.fold != k].tolist())


def test_bandai_names_the_style_of_a_take(tmp_path):
    archive = load_archive("bandai")
    path = tmp_path / "dataset" / "data" / "dataset-1_walk-turn-left_not-confident_003.bvh"
    sequence = take_of(path, tmp_path, archive).sequence
    assert archive.style is not None
    found = re.search(archive.style, sequence)
    assert found is not None
    assert found["style"] == "not-confident"


@given(starts=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), max_size=20), length=st.integers(1, 30))
def test_covered_frames_are_counted_once(starts, length):
    source = np.array([name for name, _ in starts], dtype=np.str_)
    start = np.array([at for _, at in starts], dtype=np.int64)
    covered = {(name, frame) for name, at in starts for frame in range(at, at + length)}
    assert covered_frames(source, start, length) == len(covered)
