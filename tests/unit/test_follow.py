"""Samples with a clock of their own: gaps, late ones, other rates, units and mountings; nothing ends the stream."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vimu
from exported import fed, network, worn, write_export
from vimu.contracts import STANDARD_GRAVITY
from vimu.imu.mounting import mean_vertical, mounting_turn, upright_directions
from vimu.runtime.errors import UserError
from vimu.serving.follow import Follower


def lines_of(recording, *, start_s=0.0, rate_hz=None, first=0):
    rate_hz = rate_hz or recording.rate_hz
    for i in range(first, recording.n_frames):
        values = [start_s + i / rate_hz, *recording.acc[i].ravel().tolist()]
        yield ",".join(map(repr, values)).encode()


def heard(follower, lines):
    return [r for line in lines for r in follower.line(line)]


def test_lines_give_what_the_recording_gives_by_the_lines_own_clock(recognizer):
    recording = worn()
    whole = recognizer.predict(recording)
    follower = Follower(recognizer)
    got = heard(follower, lines_of(recording, start_s=1000.0))
    np.testing.assert_allclose([r.start_s for r in got], 1000 + whole.start_s, atol=1e-9)
    np.testing.assert_allclose([r.end_s for r in got], 1000 + whole.end_s, atol=1e-9)
    assert [r.label for r in got] == whole.label.tolist()
    np.testing.assert_allclose([r.probabilities for r in got], whole.probabilities, atol=1e-6)
    assert (follower.counts.samples, follower.counts.windows, follower.counts.gaps) == (150, len(got), 0)


def test_a_gap_begins_the_stream_again_and_no_window_spans_it(recognizer):
    recording = worn()
    lines = list(lines_of(recording))
    follower = Follower(recognizer)
    got = heard(follower, lines[:70] + lines[71:])  # one sample was lost
    after = recognizer.predict(replace(recording, acc=recording.acc[71:]))
    before = recognizer.predict(replace(recording, acc=recording.acc[:70]))
    assert follower.counts.gaps == 1 and "0.100 s without a sample" in follower.counts.last_problem
    np.testing.assert_allclose([r.start_s for r in got], [*before.start_s, *(71 / 20 + after.start_s)], atol=1e-9)
    np.testing.assert_allclose(
        [r.probabilities for r in got], np.concatenate([before.probabilities, after.probabilities]), atol=1e-6
    )


def test_samples_that_come_late_or_twice_are_counted_and_not_taken(recognizer):
    lines = list(lines_of(worn()))
    follower = Follower(recognizer)
    shuffled = [*lines[:50], lines[48], lines[49], *lines[50:]]
    got = heard(follower, shuffled)
    assert follower.counts.late == 2 and follower.counts.gaps == 0
    assert [r.label for r in got] == recognizer.predict(worn()).label.tolist()


def test_a_clock_that_begins_anew_begins_the_stream_anew(recognizer):
    lines = list(lines_of(worn()))
    follower = Follower(recognizer)
    got = heard(follower, [*lines, *lines])
    n = len(recognizer.predict(worn()))
    assert follower.counts.gaps == 1 and "the clock went back by 7.450 s" in follower.counts.last_problem
    assert [r.start_s for r in got[n:]] == [r.start_s for r in got[:n]]


@pytest.mark.parametrize("rate_hz", [17.0, 22.0, 25.0, 50.0])
def test_at_another_rate_nothing_is_recognised_and_the_rate_is_named(recognizer, rate_hz):
    follower = Follower(recognizer)
    assert heard(follower, lines_of(worn(), rate_hz=rate_hz)) == []
    assert follower.counts.gaps
    assert f"samples must come at 20 Hz, but come at {rate_hz:.1f} Hz" in follower.counts.last_problem


def test_a_clock_that_trembles_is_none_of_another_rate(recognizer):
    rng = np.random.default_rng(0)
    recording = worn()
    t = np.arange(150) / 20 + rng.uniform(-0.01, 0.01, 150)
    lines = [",".join(map(repr, [float(t[i]), *recording.acc[i].ravel().tolist()])).encode() for i in range(150)]
    follower = Follower(recognizer)
    assert [r.label for r in heard(follower, lines)] == recognizer.predict(recording).label.tolist()
    assert follower.counts.gaps == 0


def test_another_unit_is_named_and_no_window_comes_of_it(recognizer):
    recording = worn()
    follower = Follower(recognizer)
    in_g = replace(recording, acc=recording.acc / STANDARD_GRAVITY)
    assert heard(follower, lines_of(in_g)) == []
    assert "must be in m/s^2" in follower.counts.last_problem
    assert heard(follower, lines_of(recording, start_s=100.0))


def test_orientations_that_are_no_rotations_are_malformed_lines(tmp_path):
    fits = fed(feature_set="world_acc_ori")
    loaded = vimu.Recognizer.load(write_export(tmp_path / "export", fits, network(fits)))
    follower = Follower(loaded)
    eye = ",".join(map(str, np.eye(3).ravel()))
    assert follower.line(f"0,0,0,0,{eye},0,0,0,{eye}".encode()) == []
    assert follower.line(f"0.05,0,0,0,{eye},0,0,0,2{eye[3:]}".encode()) == []
    assert follower.counts.malformed == 1 and "must hold rotations" in follower.counts.last_problem


def test_the_first_seconds_tell_the_mounting(tmp_path):
    fits = fed(mounting="estimated")
    loaded = vimu.Recognizer.load(write_export(tmp_path / "export", fits, network(fits)))
    recording = worn(170)
    follower = Follower(loaded, upright_s=2.0, as_worn=("chest",))
    got = heard(follower, lines_of(recording))
    upright, rest = replace(recording, acc=recording.acc[:40]), replace(recording, acc=recording.acc[40:])
    own = mean_vertical(upright)[1]
    mounting = {"chest": np.eye(3), "right_wrist": mounting_turn(own, upright_directions(["right_wrist"])[0])}
    wanted = loaded.predict(rest, mounting=mounting)
    np.testing.assert_allclose([r.probabilities for r in got], wanted.probabilities, atol=1e-5)
    np.testing.assert_allclose([r.start_s for r in got], 2.0 + wanted.start_s, atol=1e-9)


def test_a_gap_while_upright_begins_that_again(tmp_path):
    fits = fed(mounting="estimated")
    loaded = vimu.Recognizer.load(write_export(tmp_path / "export", fits, network(fits)))
    lines = list(lines_of(worn(170)))
    follower = Follower(loaded, upright_s=2.0)
    heard(follower, [*lines[:30], *lines[50:80]])
    assert follower.calibrates
    got = heard(follower, lines[80:])
    assert not follower.calibrates and got[0].start_s == pytest.approx((50 + 40) / 20)


def test_upright_seconds_belong_to_models_of_estimated_mountings(recognizer, turned):
    with pytest.raises(UserError, match="`--upright-s` must be given, as the model was trained with"):
        Follower(turned[0])
    with pytest.raises(UserError, match="`--as-worn` must name sensors of chest, right_wrist, but names waist"):
        Follower(turned[0], upright_s=5, as_worn=("waist",))
    with pytest.raises(UserError, match=r"`--upright-s` must be 1 to 120 s, but is 0\.1"):
        Follower(turned[0], upright_s=0.1)
    for given_too in ({"upright_s": 5.0}, {"as_worn": ("chest",)}):
        with pytest.raises(UserError, match="must not be given: the model was trained on sensors as they are worn"):
            Follower(recognizer, **given_too)


@given(st.lists(st.one_of(st.binary(max_size=80), st.tuples(*[st.floats(allow_nan=False, width=32)] * 7)), max_size=60))
def test_no_lines_whatever_end_the_stream(recognizer, lines):
    follower = Follower(recognizer)
    for line in lines:
        follower.line(line if isinstance(line, bytes) else ",".join(map(repr, line)).encode())
    c = follower.counts
    assert c.malformed + c.late <= c.samples <= len(lines) and c.last_problem.isprintable()
