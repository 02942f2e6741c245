"""Streams: what a recording gives, however its samples come, and refusals that take nothing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vimu
from exported import fed, network, worn, write_export
from vimu.contracts import STANDARD_GRAVITY, ImuRecording
from vimu.models.choice import build_network
from vimu.models.penalty_cnn import CnnSettings
from vimu.runtime.errors import UserError
from vimu.serving.export import to_onnx
from vimu.serving.onnx_model import OnnxModel
from vimu.serving.preprocessing import preprocessing_of
from vimu.serving.recognizer import Recognizer
from vimu.windows.settings import WindowSettings


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


def test_a_model_that_needs_the_gyroscopes_of_some_sensors_streams_without_the_others():
    """As `configs/open.yaml` has it: a phone without gyroscope beside motes that have one, and invariants."""
    fed_by = preprocessing_of(
        WindowSettings(
            rate_hz=20, length_frames=20, hop_frames=10, feature_set="sensor_acc_gyr", gyroscopes=("chest",),
            invariants=True,
        ),
        sensors=("right_pocket", "chest"), classes=("a", "b"), mounting="as_worn", synthetic=True,
    )  # fmt: skip
    assert len(fed_by.channels) == 9 + 9  # acc of both and gyr of one, as vectors and as their invariant parts
    shape = {"n_channels": len(fed_by.channels), "length_frames": 20}
    network = build_network(CnnSettings(widths=(8,), hidden=8), n_classes=2, **shape).eval()
    model = OnnxModel(to_onnx(network, **shape), where="test", n_classes=2, **shape)
    made = Recognizer(model, fed_by, {})
    rng = np.random.default_rng(0)
    acc = (rng.normal(size=(60, 2, 3)) + np.array([0, 9.8, 0])).astype(np.float32)
    gyr = rng.normal(size=(60, 2, 3)).astype(np.float32)
    gyr[:, 0] = np.nan
    recording = ImuRecording(acc, gyr, None, 20.0, ("right_pocket", "chest"), "sensor", "included")
    whole = made.predict(recording)
    stream = made.stream(rate_hz=20)
    got = stream.push(acc={"right_pocket": acc[:, 0], "chest": acc[:, 1]}, gyr={"chest": gyr[:, 1]})
    np.testing.assert_allclose([r.probabilities for r in got], whole.probabilities, atol=1e-6)
    with pytest.raises(UserError, match="`gyr` must be given for chest"):
        stream.push(acc={"right_pocket": acc[:1, 0], "chest": acc[:1, 1]}, gyr={})


@pytest.mark.parametrize("odd", [["a"], np.ones((20, 3), complex), [[1, 2, 3], [1, 2]], np.ma.masked_all((20, 3))])
def test_samples_that_are_no_real_numbers_are_refused(recognizer, odd):
    recording = worn()
    given = samples(recording.acc, recording.sensors, slice(0, 20))
    with pytest.raises(UserError, match="must be real numbers"):
        recognizer.stream(rate_hz=20).push(acc=given | {recording.sensors[0]: odd})
