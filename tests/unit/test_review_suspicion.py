"""Which clips are shown first: planted mislabels and wrong rates among clips of known classes."""

import json

import numpy as np
import pytest

from reviewed import publish_clips, rows_of
from vimu.body.placement import load_placements
from vimu.clips.class_statistics import fit_classes
from vimu.clips.filters import FilterSettings
from vimu.clips.plausibility import load_limits
from vimu.clips.statistics import STATISTICS, clip_statistics
from vimu.contracts import ImuRecording
from vimu.review.agreement import agreement
from vimu.review.catalogue import Catalogue
from vimu.review.rates import POWER, speeds
from vimu.review.scoring import Scoring
from vimu.review.suspicion import FILTER_NAMES, doubts

SENSORS = ("left_wrist", "head")  # as those of `reviewed`
CLASSES = ("walking", "running", "waving")


@pytest.fixture(scope="module")
def clips():
    """120 clips of three classes that differ in each statistic, of 12 people."""
    rng = np.random.default_rng(5)
    own = np.arange(120) % 3
    values = rng.normal(0, 0.15, (120, len(SENSORS), len(STATISTICS)))
    values += rng.normal(0, 0.8, (3, len(SENSORS), len(STATISTICS)))[own]
    return values, [CLASSES[c] for c in own], [f"s{i // 10}" for i in range(120)]


def doubts_of(values, labels, groups):
    return doubts(values, labels, groups, SENSORS, load_placements(SENSORS), load_limits())


def test_planted_mislabels_come_first(clips):
    values, labels, groups = clips
    wrong = {7, 40, 95}
    planted = [CLASSES[(CLASSES.index(label) + 1) % 3] if i in wrong else label for i, label in enumerate(labels)]
    found = doubts_of(values, planted, groups)
    order = np.argsort([-doubt.suspicion for doubt in found])
    assert set(order[:3]) == wrong
    assert f"signals look like {labels[7]}" in found[7].reasons[0]
    assert found[7].kinds["label"] > 0.5
    assert "filter" in found[7].kinds


def test_a_clip_played_too_fast_is_said_to_be(clips):
    values, labels, groups = clips
    faster = np.array([POWER[name] for name in STATISTICS]) * np.log(2)
    found = doubts_of(np.concatenate([values[:1] + faster, values[1:]]), labels, groups)
    assert max(range(120), key=lambda i: found[i].kinds.get("rate", 0)) == 0
    assert any("moves 2.0 times as fast as walking" in reason for reason in found[0].reasons)
    assert sum("rate" in doubt.kinds for doubt in found) == 1


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_the_factor_of_speed_is_recovered(clips, factor):
    values, labels, _ = clips
    own = np.array([CLASSES.index(label) for label in labels])
    fitted = fit_classes(values, own, CLASSES, SENSORS)
    moved = fitted.median[own] + np.array([POWER[name] for name in STATISTICS]) * np.log(factor)
    found = speeds(moved, own, fitted)
    assert found.factor == pytest.approx(np.full(120, factor))
    assert found.odd.all() == (factor != 1)


def test_the_powers_are_those_of_a_motion_played_faster():
    """The same path in half the time: what the statistics themselves say of it."""
    t = np.arange(0, 8, 1 / 120)
    angle = 2 * np.pi * 1.1 * t
    acc = np.stack([4 * np.sin(angle), 9 * np.cos(angle), 2 * np.sin(2 * angle)], axis=-1)[:, None]
    gyr = np.stack([3 * np.cos(angle), 0 * angle, 1 + 0 * angle], axis=-1)[:, None]
    eye = np.tile(np.eye(3), (len(t), 1, 1, 1))
    slow, fast = (
        clip_statistics(ImuRecording(k**2 * acc, k * gyr, eye, 120.0 * k, ("head",), "world", "removed"))
        for k in (1.0, 2.0)
    )
    grown = dict(zip(STATISTICS, (fast - slow)[0] / np.log(2), strict=True))
    assert grown == pytest.approx(POWER, abs=0.12)


def test_nobody_s_clips_judge_themselves(clips):
    """A class that one person alone has cannot be judged; with the person's own clips it would agree perfectly."""
    values, labels, groups = clips
    alone = ["clapping" if group == "s3" else label for label, group in zip(labels, groups, strict=True)]
    agreed = agreement(values, alone, groups)
    of_s3 = np.array([group == "s3" for group in groups])
    assert np.isnan(agreed.own[of_s3]).all()
    assert not np.isnan(agreed.own[~of_s3]).any()
    found = doubts_of(values, alone, groups)
    assert all("label" not in doubt.kinds for doubt, is_s3 in zip(found, of_s3, strict=True) if is_s3)


@pytest.mark.parametrize("n", [1, 2])
def test_runs_of_one_class_or_one_person_have_no_doubt_about_labels(clips, n):
    values, _, groups = clips
    found = doubts_of(values[:20], ["walking"] * 20, groups[:20])
    assert all("label" not in doubt.kinds for doubt in found)
    found = doubts_of(values[:n], list(CLASSES[:n]), ["s0"] * n)
    assert [doubt.suspicion for doubt in found] == [0.0] * n


def test_what_nears_the_plausibility_gate_is_said(clips):
    values, labels, groups = clips
    [limit] = {load_limits().acceleration_m_s2[p.segment] for p in load_placements(["head"])}
    near = values.copy()
    near[4, 1, list(STATISTICS).index("median")] = np.log(0.8 * limit)
    reasons = doubts_of(near, labels, groups)[4].reasons
    assert any("median acceleration at head" in reason and "80% of what is plausible" in reason for reason in reasons)


def test_doubts_are_kept_beside_the_run_and_found_anew_where_they_are_damaged(tmp_path):
    run = publish_clips(tmp_path / "run", rows_of(21), root=tmp_path)

    def state():
        catalogue = Catalogue(run)
        scoring = Scoring(catalogue, load_placements(SENSORS))
        assert scoring.state() == {"state": "working"}
        scoring.begin()
        scoring.wait(60)
        return scoring.state()

    first = state()
    assert (first["state"], len(first["suspicion"])) == ("done", 21)
    [kept] = (run / ".review").iterdir()
    kept.write_text(json.dumps(first | {"suspicion": [0.125] * 21}))
    assert state()["suspicion"] == [0.125] * 21  # read, not found
    for damage in ("", "[]", json.dumps(first | {"suspicion": [0.5]})):
        kept.write_text(damage)
        assert state() == first


def test_a_failure_is_said_and_the_page_goes_on(tmp_path, monkeypatch):
    catalogue = Catalogue(publish_clips(tmp_path / "run", rows_of(3), root=tmp_path))
    monkeypatch.setattr("vimu.review.scoring.doubts", lambda *_: 1 / 0)
    scoring = Scoring(catalogue, ())
    scoring.begin()
    scoring.wait(60)
    assert scoring.state() == {"state": "failed", "why": "ZeroDivisionError: division by zero"}


def test_every_filter_has_a_near_miss():
    assert {name for name in FILTER_NAMES if FilterSettings().limit(name)} == {
        name for name, field in FilterSettings.model_fields.items() if "float" in str(field.annotation)
    } - {"max_share"}  # fmt: skip
