"""The exported recogniser on recordings: torch's figures, windows as `prepare` cuts them, and clear refusals."""

from dataclasses import replace

import numpy as np
import pytest

import vimu
from exported import CLASSES, fed, network, worn, write_export
from vimu.contracts import STANDARD_GRAVITY
from vimu.imu.mounting import remounted
from vimu.models.forest import Forest
from vimu.runtime.errors import OperationError, UserError
from vimu.serving.export import check_equal, to_onnx
from vimu.serving.onnx_model import OnnxModel
from vimu.windows.windowing import windows_of

KINDS = {
    "default": {"kind": "penalty_cnn"},
    "deep and odd": {"widths": [7, 9, 11, 6], "hidden": 16, "kernel": 3},
    "statistics": {"statistics": True},
    "deepconvlstm": {"kind": "deepconvlstm", "filters": 8, "units": 32},
}


def random_windows(n, fits, seed=0, scale=6.0):
    shape = (n, fits.windows.length_frames, len(fits.channels))
    return np.random.default_rng(seed).normal(2, scale, shape).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_torchs(kind):
    fits = fed(length_frames=31)
    model = network(fits, KINDS[kind])
    graph = OnnxModel(
        to_onnx(model, length_frames=31, n_channels=6), where="m", length_frames=31, n_channels=6, n_classes=4
    )
    for n in (0, 1, 3, 700):
        for scale in (0.01, 6.0, 300.0):
            x = random_windows(n, fits, seed=n, scale=scale)
            np.testing.assert_allclose(graph(x), model.predict_proba(x), atol=1e-5, rtol=0)
    assert len(set(graph(random_windows(700, fits)).argmax(axis=1).tolist())) > 1


def test_export_is_held_to_torch(small_model):
    fits, model = small_model
    graph = to_onnx(model, length_frames=20, n_channels=6)
    assert check_equal(model, graph, fits, random_windows(50, fits)) <= 1e-5
    with pytest.raises(OperationError, match="must be within 1e-05 of torch's, but differ by"):
        check_equal(network(fits, seed=1), graph, fits, random_windows(50, fits))


def test_a_forest_is_refused():
    with pytest.raises(UserError, match="must be a network to be exported, but is a random forest"):
        to_onnx(Forest(4), length_frames=20, n_channels=6)


def test_exporting_leaves_the_model_as_it_was(small_model):
    _, model = small_model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    to_onnx(model, length_frames=20, n_channels=6)
    assert all((tensor == before[name]).all() for name, tensor in model.state_dict().items())
    assert not model.training


def test_a_recording_is_cut_as_prepare_cuts_it(small_model, recognizer):
    fits, model = small_model
    recording = worn(500, ("right_wrist", "waist", "chest"), rate_hz=52.0)
    x, starts = windows_of(recording, fits.windows, fits.sensors)
    got = recognizer.predict(recording)
    np.testing.assert_allclose(got.probabilities, model.predict_proba(x), atol=1e-5)
    np.testing.assert_array_equal(got.start_s, starts / 20)
    np.testing.assert_array_equal(got.end_s, (starts + 20) / 20)
    assert got.label.tolist() == [CLASSES[i] for i in got.probabilities.argmax(axis=1)]
    assert len(set(got.label.tolist())) > 1
    assert len(got) == len(x) and got.classes == recognizer.classes == CLASSES


def test_sensors_are_taken_by_name_whatever_their_order(recognizer):
    recording = worn()
    other = replace(recording, acc=recording.acc[:, ::-1], sensors=recording.sensors[::-1])
    np.testing.assert_array_equal(recognizer.predict(other).probabilities, recognizer.predict(recording).probabilities)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sensors": ("chest", "left_wrist")}, "right_wrist is missing from chest, left_wrist"),
        ({"rate_hz": 19.0}, "must be at least the model's 20 Hz, but is 19 Hz"),
        ({"rate_hz": float("nan")}, "must be at least the model's 20 Hz, but is nan Hz"),
        ({"acc": worn().acc / STANDARD_GRAVITY}, r"must be in m/s\^2, but .* is 0.1\d g"),
        ({"acc": worn().acc * 1000}, r"must be in m/s\^2, but"),
        ({"acc": worn().acc[:19]}, "at least a window of 1 s long, but is 0.95 s"),
        ({"acc": worn().acc[:0]}, "at least a window of 1 s long, but is 0.00 s"),
        ({"frame": "world", "gravity": "removed"}, "must be without gravity, as `gravity` says, but the mean of chest"),
        ({"frame": "world"}, "needs `ori`, which is missing"),
        ({"frame": "sensr"}, "`recording.frame` must be one of world, sensor, root, but is 'sensr'"),
        ({"gravity": "yes"}, "`recording.gravity` must be one of included, removed, but is 'yes'"),
    ],
)
def test_a_recording_that_does_not_fit_is_an_error(recognizer, changes, says):
    with pytest.raises(UserError, match=says):
        recognizer.predict(worn(**changes))


def test_what_the_model_has_no_use_for_is_not_looked_at(recognizer, turned):
    recording = worn(sensors=("chest", "left_wrist", "right_wrist"))
    recording.acc[5:9, 1] = np.nan  # the left wrist's battery was empty
    odd = np.full((150, 3, 3), 1e300)
    odd[::2] = np.nan
    more = replace(recording, gyr=odd, ori=np.zeros((150, 3, 3, 3)))
    alone = replace(recording, acc=recording.acc[:, [0, 2]], sensors=("chest", "right_wrist"))
    np.testing.assert_array_equal(recognizer.predict(more).probabilities, recognizer.predict(alone).probabilities)
    loaded, _, recording, mounting = turned
    np.testing.assert_array_equal(
        loaded.predict(replace(recording, gyr=odd[:, :2]), mounting=mounting | {"left_wrist": None}).probabilities,
        loaded.predict(recording, mounting=mounting).probabilities,
    )


def test_a_gyroscope_that_the_model_does_not_use_may_be_broken(tmp_path):
    fits = fed(feature_set="sensor_acc_gyr", gyroscopes=["right_wrist"])
    loaded = vimu.Recognizer.load(write_export(tmp_path / "export", fits, network(fits)))
    gyr = np.random.default_rng(0).normal(size=(150, 2, 3)).astype(np.float32)
    broken = gyr.copy()
    broken[3:, 0] = np.inf
    np.testing.assert_array_equal(
        loaded.predict(worn(gyr=broken)).probabilities, loaded.predict(worn(gyr=gyr)).probabilities
    )
    with pytest.raises(UserError, match="`gyr` of right_wrist must be finite, but is not in frame 3"):
        loaded.predict(worn(gyr=broken[:, ::-1]))


def test_what_is_no_recording_is_an_error(recognizer):
    with pytest.raises(UserError, match="must be an ImuRecording, but is ndarray"):
        recognizer.predict(worn().acc)


def test_a_value_that_is_not_finite_is_named(recognizer):
    acc = worn().acc.copy()
    acc[77, 1, 2] = np.nan
    with pytest.raises(UserError, match="`acc` of right_wrist must be finite, but is not in frame 77"):
        recognizer.predict(worn(acc=acc))


def test_mounting_is_given_where_the_model_was_trained_with_it(turned, recognizer):
    loaded, model, recording, mounting = turned
    wanted, _ = windows_of(
        remounted(recording, np.array(list(mounting.values()))), loaded.preprocessing.windows, loaded.sensors
    )
    got = loaded.predict(recording, mounting=mounting)
    np.testing.assert_allclose(got.probabilities, model.predict_proba(wanted), atol=1e-5)
    for wrong in (None, {"chest": np.eye(3)}):
        with pytest.raises(UserError, match=r"turn of chest, right_wrist .*right_wrist (is|are) missing"):
            loaded.predict(recording, mounting=wrong)
    for wrong in (2 * np.eye(3), np.zeros(3), np.diag([1.0, 1, -1])):
        with pytest.raises(UserError, match="must hold rotation matrices"):
            loaded.predict(recording, mounting={"chest": np.eye(3), "right_wrist": wrong})
    with pytest.raises(UserError, match="must not be given"):
        recognizer.predict(worn(), mounting=mounting)


def test_orientations_must_be_rotations(turned):
    loaded, _, recording, mounting = turned
    with pytest.raises(UserError, match="`ori` of chest must be rotations"):
        loaded.predict(replace(recording, ori=recording.ori * 1.1), mounting=mounting)


def test_numbers_beyond_float32_are_not_finite(recognizer):
    x = np.full(
        (1, recognizer.preprocessing.windows.length_frames, len(recognizer.preprocessing.channels)), np.nan, np.float32
    )
    with pytest.raises(UserError, match="must be finite"):
        recognizer.probabilities(x)
    recording = replace(worn(), acc=worn().acc.astype(np.float64))
    recording.acc[0, 0, 0] = 1e300
    with pytest.raises(UserError, match=r"must be finite, but is not in frame 0"):
        recognizer.predict(recording)
