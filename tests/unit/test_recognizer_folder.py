"""Folders of recognisers: what loads, where, and what is refused as damaged, foreign or of another version."""

import json
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vimu
from exported import SMALL_CNN, fed, network, write_export
from vimu.runtime.errors import UserError
from vimu.serving.export import to_onnx
from vimu.serving.preprocessing import read_preprocessing

MODEL, FED = "model__onnx", "preprocessing__json"


def test_it_runs_without_torch_and_ray(export_folder):
    code = f"""
import sys
import vimu
assert "vimu.serving" not in sys.modules and "onnxruntime" not in sys.modules
from exported_plain import recording
r = vimu.Recognizer.load({str(export_folder)!r})
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
    (export_folder.parent / "exported_plain.py").write_text(plain)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=export_folder.parent)


def test_a_copy_of_the_folder_and_the_run_load_alike(export_folder, recognizer, tmp_path):
    shutil.copytree(export_folder, tmp_path / "elsewhere")
    for place in (export_folder.parent, str(export_folder), tmp_path / "elsewhere"):
        loaded = vimu.Recognizer.load(place)
        assert loaded.preprocessing == recognizer.preprocessing
        assert loaded.card == {"synthetic": True}
    assert "4 classes, windows of 20 frames every 7 at 20 Hz" in repr(recognizer)


@pytest.mark.parametrize("name", ["model.onnx", "preprocessing.json", "card.json", "manifest.json", "_SUCCESS"])
def test_a_damaged_file_is_refused(export_folder, tmp_path, name):
    whole = (export_folder / name).read_bytes()
    flip = len(whole) // 2
    for i, data in enumerate(
        [b"", whole[: len(whole) // 2], whole + b"x", whole[:flip] + bytes([whole[flip] ^ 1]) + whole[flip + 1 :], None]
    ):
        copy = shutil.copytree(export_folder, tmp_path / str(i))
        (copy / name).unlink() if data is None else (copy / name).write_bytes(data)
        with pytest.raises(UserError):
            vimu.Recognizer.load(copy)


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is not published yet. Run first: python jobs/export.py"):
        vimu.Recognizer.load(tmp_path)
    (tmp_path / "_SUCCESS").write_bytes(b"\xff\xfe")
    with pytest.raises(
        UserError, match=r"is not what `_SUCCESS` names. Delete the folder and run: python jobs/export.py"
    ):
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
def test_preprocessing_that_this_version_does_not_know_is_refused(small_model, tmp_path, values, says):
    write_export(tmp_path / "export", *small_model, **{FED: changed(small_model[0], **values)})
    with pytest.raises(UserError, match=says):
        vimu.Recognizer.load(tmp_path)


@given(order=st.permutations(range(6)))
def test_permuted_channels_are_refused(small_model, order):
    fits, _ = small_model
    channels = [fits.channels[i] for i in order]
    text = changed(fits, channels=channels)
    if channels == list(fits.channels):
        assert read_preprocessing(text, where="p") == fits
    else:
        with pytest.raises(UserError, match="`channels` must be those of `windows` in their order"):
            read_preprocessing(text, where="p")


def test_a_model_of_another_shape_or_none_is_refused(small_model, tmp_path):
    fits, model = small_model
    other = fed(sensors=("chest",))
    graph = to_onnx(network(other, SMALL_CNN), length_frames=20, n_channels=3)
    for i, (data, says) in enumerate(((graph, "must take and give"), (b"no model", "must be an ONNX model, but"))):
        write_export(tmp_path / str(i), fits, model, **{MODEL: data})
        with pytest.raises(UserError, match=says):
            vimu.Recognizer.load(tmp_path / str(i))
