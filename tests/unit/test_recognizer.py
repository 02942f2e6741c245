"""The exported recogniser: torch's figures, windows as `prepare` cuts them, and clear refusals."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import vimu
from exported import CLASSES, SMALL_CNN, fed, network, worn, write_export
from vimu.contracts import STANDARD_GRAVITY
from vimu.imu.mounting import remounted
from vimu.models.forest import Forest
from vimu.runtime.errors import OperationError, UserError
from vimu.serving.export import check_equal, to_onnx
from vimu.serving.onnx_model import OnnxModel
from vimu.serving.preprocessing import read_preprocessing
from vimu.windows.windowing import windows_of

KINDS = {
    "default": {"kind": "penalty_cnn"},
    "deep and odd": {"widths": [7, 9, 11, 6], "hidden": 16, "kernel": 3},
    "deepconvlstm": {"kind": "deepconvlstm", "filters": 8, "units": 32},
}
MODEL, FED = "model__onnx", "preprocessing__json"


@pytest.fixture(scope="module")
def small():
    fits = fed()
    return fits, network(fits)


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    return write_export(tmp_path_factory.mktemp("run") / "export", *small)


@pytest.fixture(scope="module")
def recognizer(folder):
    return vimu.Recognizer.load(folder)


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


def test_export_is_held_to_torch(small):
    fits, model = small
    graph = to_onnx(model, length_frames=20, n_channels=6)
    assert check_equal(model, graph, fits, random_windows(50, fits)) <= 1e-5
    with pytest.raises(OperationError, match="must be within 1e-05 of torch's, but differ by"):
        check_equal(network(fits, seed=1), graph, fits, random_windows(50, fits))


def test_a_forest_is_refused():
    with pytest.raises(UserError, match="must be a network to be exported, but is a random forest"):
        to_onnx(Forest(4), length_frames=20, n_channels=6)


def test_exporting_leaves_the_model_as_it_was(small):
    _, model = small
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    to_onnx(model, length_frames=20, n_channels=6)
    assert all((tensor == before[name]).all() for name, tensor in model.state_dict().items())
    assert not model.training


def test_a_recording_is_cut_as_prepare_cuts_it(small, recognizer):
    fits, model = small
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
    ],
)
def test_a_recording_that_does_not_fit_is_an_error(recognizer, changes, says):
    with pytest.raises(UserError, match=says):
        recognizer.predict(worn(**changes))


def test_what_is_no_recording_is_an_error(recognizer):
    with pytest.raises(UserError, match="must be an ImuRecording, but is ndarray"):
        recognizer.predict(worn().acc)


def test_a_value_that_is_not_finite_is_named(recognizer):
    acc = worn().acc.copy()
    acc[77, 1, 2] = np.nan
    with pytest.raises(UserError, match="`acc` of right_wrist must be finite, but is not in frame 77"):
        recognizer.predict(worn(acc=acc))


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """Of world-frame features, each window with a heading of its own, sensors turned into their segments' axes."""
    fits = fed(feature_set="world_acc_ori", heading="shared", mounting="estimated")
    model = network(fits)
    folder = write_export(tmp_path_factory.mktemp("turned") / "export", fits, model)
    ori = Rotation.random(150 * 2, rng=0).as_matrix().reshape(150, 2, 3, 3).astype(np.float32)
    mounting = dict(zip(fits.sensors, Rotation.random(2, rng=1).as_matrix(), strict=True))
    return vimu.Recognizer.load(folder), model, worn(ori=ori), mounting


def test_mounting_is_given_where_the_model_was_trained_with_it(turned, recognizer):
    loaded, model, recording, mounting = turned
    wanted, _ = windows_of(
        remounted(recording, np.array(list(mounting.values()))), loaded.preprocessing.windows, loaded.sensors
    )
    got = loaded.predict(recording, mounting=mounting)
    np.testing.assert_allclose(got.probabilities, model.predict_proba(wanted), atol=1e-5)
    for wrong in (None, {"chest": np.eye(3)}):
        with pytest.raises(UserError, match="`mounting` must give the turn of chest, right_wrist"):
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


# ---- streams


def samples(values, sensors, span=slice(None)):
    return {sensor: values[span, s] for s, sensor in enumerate(sensors)}


@given(cuts=st.lists(st.integers(0, 150), max_size=30), one_by_one=st.booleans())
def test_however_samples_come_the_results_are_those_of_the_recording(recognizer, cuts, one_by_one):
    recording = worn()
    whole = recognizer.predict(recording)
    stream = recognizer.stream(rate_hz=20.0)
    edges = [0, *sorted(cuts), 150]
    got = []
    for a, b in pairwise(edges):
        spans = range(a, b) if one_by_one else [slice(a, b)]
        for span in spans:
            got += stream.push(acc=samples(recording.acc, recording.sensors, span))
    assert [r.start_s for r in got] == whole.start_s.tolist()
    assert [r.end_s for r in got] == whole.end_s.tolist()
    assert [r.label for r in got] == whole.label.tolist()
    np.testing.assert_allclose([r.probabilities for r in got], whole.probabilities, atol=1e-6)


@given(chunk=st.integers(1, 150))
def test_a_stream_turns_axes_and_mountings_as_the_recording(turned, chunk):
    loaded, _, recording, mounting = turned
    whole = loaded.predict(recording, mounting=mounting)
    stream = loaded.stream(rate_hz=20.0, frame="sensor", gravity="included", mounting=mounting)
    got = []
    for start in range(0, 150, chunk):
        part = slice(start, start + chunk)
        got += stream.push(
            acc=samples(recording.acc, recording.sensors, part), ori=samples(recording.ori, recording.sensors, part)
        )
    np.testing.assert_allclose([r.probabilities for r in got], whole.probabilities, atol=1e-6)


def test_a_hop_longer_than_a_window_leaves_frames_out(tmp_path):
    fits = fed(hop_frames=50)
    loaded = vimu.Recognizer.load(write_export(tmp_path / "export", fits, network(fits)))
    recording = worn(230)
    stream = loaded.stream(rate_hz=20)
    got = stream.push(acc=samples(recording.acc, recording.sensors))
    np.testing.assert_allclose([r.probabilities for r in got], loaded.predict(recording).probabilities, atol=1e-6)
    assert len(got) == 5


def test_a_stream_of_another_rate_is_refused(recognizer):
    with pytest.raises(UserError, match="must be the model's 20 Hz, but is 50: have the device sample at that rate"):
        recognizer.stream(rate_hz=50)


@pytest.mark.parametrize(
    ("given_samples", "says"),
    [
        ({"acc": {"chest": np.zeros(3)}}, "must be given for chest, right_wrist, but is for chest"),
        ({"acc": {"chest": np.zeros(3), "right_wrist": np.zeros(3), "waist": np.zeros(3)}}, "but is for chest, right"),
        ({"acc": {"chest": np.zeros(3), "right_wrist": np.zeros((1, 3))}}, r"alike for all sensors, but is chest \(3,"),
        ({"acc": {"chest": np.zeros(6), "right_wrist": np.zeros(6)}}, r"must be \(3,\) or"),
        ({"acc": {"chest": np.full(3, np.nan), "right_wrist": np.zeros(3)}}, "must be finite, but is not"),
    ],
)
def test_samples_that_are_refused_leave_the_stream_as_it_was(recognizer, given_samples, says):
    recording = worn()
    stream = recognizer.stream(rate_hz=20)
    got = stream.push(acc=samples(recording.acc, recording.sensors, slice(0, 70)))
    with pytest.raises(UserError, match=says):
        stream.push(**given_samples)
    got += stream.push(acc=samples(recording.acc, recording.sensors, slice(70, 150)))
    np.testing.assert_allclose([r.probabilities for r in got], recognizer.predict(recording).probabilities, atol=1e-6)


def test_a_stream_in_g_is_refused_with_its_first_window_and_a_fall_later_is_not(recognizer):
    recording = worn()
    stream = recognizer.stream(rate_hz=20)
    with pytest.raises(UserError, match=r"must be in m/s\^2, but"):
        stream.push(acc=samples(recording.acc / STANDARD_GRAVITY, recording.sensors))
    stream = recognizer.stream(rate_hz=20)
    stream.push(acc=samples(recording.acc, recording.sensors))
    assert stream.push(acc=samples(0.01 * recording.acc, recording.sensors))


def test_a_stream_without_the_orientation_that_it_needs_is_refused(turned, recognizer):
    loaded, _, recording, mounting = turned
    stream = loaded.stream(rate_hz=20, frame="sensor", gravity="included", mounting=mounting)
    with pytest.raises(UserError, match="`ori` must be given for chest, right_wrist, but is for nothing"):
        stream.push(acc=samples(recording.acc, recording.sensors))
    turning = recognizer.stream(rate_hz=20, frame="world", gravity="removed")
    with pytest.raises(UserError, match="`ori` must be given"):
        turning.push(acc=samples(recording.acc, recording.sensors))


# ---- folders


def test_it_runs_without_torch_and_ray(folder):
    code = f"""
import sys
import vimu
assert "vimu.serving" not in sys.modules and "onnxruntime" not in sys.modules
from exported_plain import recording
r = vimu.Recognizer.load({str(folder)!r})
assert len(r.predict(recording)) == 19
assert r.stream(rate_hz=20).push(acc={{s: recording.acc[:, i] for i, s in enumerate(recording.sensors)}})
loaded = [name for name in ("torch", "ray", "sklearn", "onnx", "matplotlib") if name in sys.modules]
assert not loaded, loaded
"""
    plain = """
import numpy as np
from vimu import ImuRecording
acc = np.random.default_rng(0).normal(0, 1, (150, 2, 3)) + [0, 9.8, 0]
recording = ImuRecording(acc, None, None, 20.0, ("chest", "right_wrist"), "sensor", "included")
"""
    (folder.parent / "exported_plain.py").write_text(plain)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder.parent)


def test_a_copy_of_the_folder_and_the_run_load_alike(folder, recognizer, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    for place in (folder.parent, str(folder), tmp_path / "elsewhere"):
        loaded = vimu.Recognizer.load(place)
        assert loaded.preprocessing == recognizer.preprocessing
        assert loaded.card == {"synthetic": True}
    assert "4 classes, windows of 20 frames every 7 at 20 Hz" in repr(recognizer)


@pytest.mark.parametrize("name", ["model.onnx", "preprocessing.json", "card.json", "manifest.json", "_SUCCESS"])
def test_a_damaged_file_is_refused(folder, tmp_path, name):
    whole = (folder / name).read_bytes()
    flip = len(whole) // 2
    for i, data in enumerate(
        [b"", whole[: len(whole) // 2], whole + b"x", whole[:flip] + bytes([whole[flip] ^ 1]) + whole[flip + 1 :], None]
    ):
        copy = shutil.copytree(folder, tmp_path / str(i))
        (copy / name).unlink() if data is None else (copy / name).write_bytes(data)
        with pytest.raises(UserError):
            vimu.Recognizer.load(copy)


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is not published yet. Run first: python jobs/export.py"):
        vimu.Recognizer.load(tmp_path)
    (tmp_path / "_SUCCESS").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"must be what `jobs/export.py` published"):
        vimu.Recognizer.load(tmp_path)


def changed(fits, **values):
    return json.dumps(fits.model_dump(mode="json") | values).encode()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"schema_version": 2}, "`schema_version` of .* must be 1, but is 2: export the model again"),
        ({"schema_version": None}, "must be 1, but is None"),
        ({"kind": "other"}, "must be of kind `vimu.recognizer`"),
        ({"more": 1}, "`more` is no setting"),
        ({"gravity": "removed"}, "`frame` and `gravity` must be those of `sensor_acc`"),
        ({"units": {"acc": "g"}}, "`units` must be"),
        ({"classes": ["a", "b"]}, "must take and give"),
    ],
)
def test_preprocessing_that_this_version_does_not_know_is_refused(small, tmp_path, values, says):
    write_export(tmp_path / "export", *small, **{FED: changed(small[0], **values)})
    with pytest.raises(UserError, match=says):
        vimu.Recognizer.load(tmp_path)


@given(order=st.permutations(range(6)))
def test_permuted_channels_are_refused(small, order):
    fits, _ = small
    channels = [fits.channels[i] for i in order]
    text = changed(fits, channels=channels)
    if channels == list(fits.channels):
        assert read_preprocessing(text, where="p") == fits
    else:
        with pytest.raises(UserError, match="`channels` must be those of `sensor_acc` in their order"):
            read_preprocessing(text, where="p")


def test_a_model_of_another_shape_or_none_is_refused(small, tmp_path):
    fits, model = small
    other = fed(sensors=("chest",))
    graph = to_onnx(network(other, SMALL_CNN), length_frames=20, n_channels=3)
    for i, (data, says) in enumerate(((graph, "must take and give"), (b"no model", "must be an ONNX model, but"))):
        write_export(tmp_path / str(i), fits, model, **{MODEL: data})
        with pytest.raises(UserError, match=says):
            vimu.Recognizer.load(tmp_path / str(i))
