"""Real recordings measured and put into words: HAPT's first two people, UMAFall's motes."""

from pathlib import Path

import numpy as np
import pytest

from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials, read_trial
from vimu.semantics.gates import HardGates, load_relations
from vimu.semantics.gravity import require_gravity
from vimu.semantics.labels import load_labels, naming
from vimu.semantics.measure import measure
from vimu.semantics.rules import as_numbers, load_rules
from vimu.windows.cut import cut
from vimu.windows.features import features


def windows_of(root: Path, name: str, sensor: str, rate_hz: float, wanted):
    """Windows of 4 s and their activities."""
    config = load_recordings(name)
    x, labels = [], []
    for trial in (t for t in list_trials(root, config)[0] if wanted(t)):
        recording = read_trial(trial, config, sensors=(sensor,), rate_hz=rate_hz)
        frames = features(recording, "sensor_acc_gyr", sensors=(sensor,), rate_hz=rate_hz)
        some, _ = cut(frames, length_frames=round(4 * rate_hz), hop_frames=round(2 * rate_hz))
        x.append(some)
        labels += [trial.activity] * len(some)
    return np.concatenate(x), np.array(labels)


@pytest.fixture(scope="module")
def measured(hapt):
    basic = ("walking", "going_upstairs", "going_downstairs", "sitting", "standing", "lying")
    x, labels = windows_of(hapt, "hapt", "waist", 50.0, lambda t: t.subject in ("01", "02") and t.activity in basic)
    return measure(x, rate_hz=50.0), labels


def test_gravity_of_hapt_is_as_it_must_be(measured):
    require_gravity(measured[0]["gravity_magnitude"], "hapt")


def test_who_walks_has_a_rhythm_and_who_rests_has_none(measured):
    found, labels = measured
    for activity in ("walking", "going_upstairs", "going_downstairs"):
        rhythm = found["acc_dominant_frequency_hz"][labels == activity]
        assert np.isfinite(rhythm).mean() > 0.9, activity
        assert 1.3 < np.nanmedian(rhythm) < 2.3, activity
    for activity in ("sitting", "standing", "lying"):
        assert np.isnan(found["acc_dominant_frequency_hz"][labels == activity]).mean() > 0.6, activity


def test_going_down_hits_harder_than_going_up(measured):
    found, labels = measured
    down, up = (np.median(found["impact_peak"][labels == f"going_{way}stairs"]) for way in ("down", "up"))
    assert down > 1.15 * up


def test_the_rules_words_of_real_windows_pass_the_hard_gates(measured):
    found, labels = measured
    gates, rules = HardGates(load_relations(), naming(load_labels()[0].words())), load_rules()
    for row in range(0, len(labels), 7):
        numbers = as_numbers(found, row)
        assert gates.flags(rules.interpret(numbers), numbers) == []


def test_motes_at_20_hz_tell_nothing_above_10(umafall):
    def jogs(trial):
        return trial.subject in ("02", "04") and trial.activity == "jogging"

    x, labels = windows_of(umafall, "umafall", "right_wrist", 20.0, jogs)
    found = measure(x, rate_hz=20.0)
    assert len(labels) > 3
    assert np.isnan(found["acc_high_rms"]).all()
    assert np.isfinite(found["acc_mid_rms"]).all()
    assert 2.2 < np.nanmedian(found["acc_dominant_frequency_hz"]) < 3.0
