"""Real UMAFall trials through a small network: trained, exported, loaded, and fed whole and sample by sample."""

import numpy as np
import pytest

import vimu
from exported import write_export
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials, read_trial
from vimu.runtime.errors import UserError
from vimu.serving.preprocessing import preprocessing_of
from vimu.training.fit import fit_from_scratch
from vimu.training.settings import AugmentSettings, PretrainSettings
from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet
from vimu.windows.settings import WindowSettings
from vimu.windows.windowing import windows_of

SENSORS = ("right_pocket", "chest", "right_wrist")
WINDOWS = WindowSettings(rate_hz=20, length_frames=80, hop_frames=40, feature_set="sensor_acc", sensors=SENSORS)


@pytest.fixture(scope="module")
def recordings(umafall):
    """Four walks and four trials of bending, by (activity, trial)."""
    real = load_recordings("umafall")
    trials, _ = list_trials(umafall, real)
    chosen = [t for a in ("walking", "bending") for t in [t for t in trials if t.activity == a][:4]]
    return {(t.activity, t.trial): read_trial(t, real, sensors=SENSORS, rate_hz=20.0) for t in chosen}


@pytest.fixture(scope="module")
def trained(recordings):
    """A small network on their windows."""
    parts = [(windows_of(r, WINDOWS, SENSORS)[0], a, t) for (a, t), r in recordings.items()]
    x = np.concatenate([x for x, _, _ in parts])
    n = len(x)
    label, trial = (np.concatenate([[part[k]] * len(part[0]) for part in parts]) for k in (1, 2))
    same = np.array(["umafall"] * n)
    channels = channel_names("sensor_acc", SENSORS)
    data = WindowSet(x, label, trial, same, same, trial, channels, 20.0, "sensor_acc", np.ones(n, np.float32))
    settings = PretrainSettings(
        model={"widths": [8, 8], "hidden": 16}, epochs=15, batch_size=8, lr=1e-2,
        augment=AugmentSettings(misalignment_deg=0, scale=0),
    )  # fmt: skip
    return fit_from_scratch(data, data, data.classes, settings, trained_on="umafall").model, data.classes


@pytest.fixture(scope="module")
def recognizer(trained, tmp_path_factory):
    model, classes = trained
    fits = preprocessing_of(WINDOWS, sensors=SENSORS, classes=classes, mounting="as_worn", synthetic=False)
    return vimu.Recognizer.load(write_export(tmp_path_factory.mktemp("run") / "export", fits, model.eval()))


def test_real_trials_are_recognised_as_torch_does(trained, recordings, recognizer):
    right = []
    for (activity, _), recording in recordings.items():
        got = recognizer.predict(recording)
        x, _ = windows_of(recording, WINDOWS, SENSORS)
        np.testing.assert_allclose(got.probabilities, trained[0].predict_proba(x), atol=1e-5)
        right += (got.label == activity).tolist()
    assert np.mean(right) > 0.9  # of the very windows it was fitted to


def test_a_real_trial_as_a_stream(recordings, recognizer):
    recording = next(iter(recordings.values()))
    stream = recognizer.stream(rate_hz=20)
    got = []
    for frame in recording.acc:
        got += stream.push(acc=dict(zip(SENSORS, frame, strict=True)))
    whole = recognizer.predict(recording)
    assert [r.label for r in got] == whole.label.tolist()
    np.testing.assert_allclose([r.probabilities for r in got], whole.probabilities, atol=1e-6)


def test_another_set_of_real_sensors_is_refused(umafall, recognizer):
    real = load_recordings("umafall")
    trial = list_trials(umafall, real)[0][0]
    recording = read_trial(trial, real, sensors=("waist", "chest"), rate_hz=20.0)
    with pytest.raises(UserError, match="right_pocket, right_wrist is missing from waist, chest"):
        recognizer.predict(recording)
