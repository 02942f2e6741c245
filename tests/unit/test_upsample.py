"""Up-sampling: a copy at another speed is a motion that could have been, and rare classes get their share."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.contracts import ImuRecording, Trajectory
from vimu.imu.frames import in_frame
from vimu.imu.virtual import virtual_imu
from vimu.resampling import resampled_length
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.windows.upsample import UpsampleSettings, at_speed, plan_copies

RATE_HZ = 240.0
"""So high that what second differences lose of a motion, and more so of a fast one, is below the tolerances."""
EDGE = slice(6, -6)
"""Away from the ends, where splines and filters have neighbours on both sides."""


def swinging(speed: float, n_frames: int) -> ImuRecording:
    """A sensor on a pendulum of 0.8 Hz, performed at `speed`; its first frame is the same instant at any speed.

    Acceleration takes an edge frame from the trajectory, so frame 0 of the recording stands a frame after its start.
    """
    t = 1 / RATE_HZ + speed * (np.arange(n_frames + 2) - 1) / RATE_HZ
    phase = 2 * np.pi * 0.8 * t
    position = np.stack([0.3 * np.sin(phase), 0.1 * np.cos(2 * phase), 0.05 * t**2], axis=-1)[:, None]
    orientation = Rotation.from_euler("zx", np.stack([0.9 * np.sin(phase), 0.4 * np.cos(phase)], -1)).as_matrix()
    return virtual_imu(Trajectory(position, orientation[:, None], RATE_HZ, ("wrist",)), rate_hz=RATE_HZ)


@pytest.mark.parametrize("speed", [0.5, 0.85, 0.93, 1.0, 1.1, 1.15, 2.0])
def test_a_copy_is_what_sensors_on_the_faster_motion_measure(speed):
    """Not the derivative of interpolated samples: the virtual IMU of the sped-up trajectory itself."""
    own = swinging(1.0, 400)
    copy = at_speed(own, speed)
    assert copy.n_frames == resampled_length(400, RATE_HZ, RATE_HZ / speed)
    wanted = swinging(speed, copy.n_frames)
    for name, size in (("acc", np.abs(wanted.acc).max()), ("gyr", np.abs(wanted.gyr).max()), ("ori", 1.0)):
        np.testing.assert_allclose(getattr(copy, name)[EDGE], getattr(wanted, name)[EDGE], atol=0.002 * size)
    assert (copy.rate_hz, copy.sensors, copy.frame, copy.gravity) == (RATE_HZ, ("wrist",), "world", "removed")


@settings(deadline=None)
@given(speed=st.floats(0.5, 2.0), hz=st.floats(0.3, 5.0))
def test_acceleration_grows_by_the_square_and_velocity_by_the_first_power(speed, hz):
    """Of a sine: peaks scale by speed^2 and speed, and come `speed` times as often."""
    t = np.arange(600) / RATE_HZ
    acc = np.zeros((600, 1, 3), np.float32)
    acc[:, 0, 0] = np.sin(2 * np.pi * hz * t)
    own = ImuRecording(acc, acc.copy(), None, RATE_HZ, ("s",), "world", "removed")
    copy = at_speed(own, speed)
    at = np.arange(copy.n_frames) / RATE_HZ
    wanted = np.sin(2 * np.pi * hz * speed * at)
    np.testing.assert_allclose(copy.acc[20:-20, 0, 0], speed**2 * wanted[20:-20], atol=0.002 * speed**2)
    np.testing.assert_allclose(copy.gyr[20:-20, 0, 0], speed * wanted[20:-20], atol=0.002 * speed)
    assert copy.ori is None


def test_speed_one_is_the_clip_and_gravity_must_be_out():
    own = swinging(1.0, 60)
    assert at_speed(own, 1.0) is own
    with pytest.raises(ValueError, match="must be world/removed, but is sensor/included"):
        at_speed(in_frame(own, frame="sensor", gravity="included"), 1.1)


CLIPS = {f"walk{i}": "walking" for i in range(10)} | {f"run{i}": "running" for i in range(4)} | {"wave0": "waving"}


def windows_at(clip: str, speed: float) -> int:
    """Clips of 6 s, windows of 1 s: fewer where the motion is faster."""
    return int(6 / speed)


def test_rare_classes_reach_their_share_or_the_cap():
    done = plan_copies(CLIPS, windows_at, UpsampleSettings())
    assert done.before == {"running": 24, "walking": 60, "waving": 6}
    assert done.after["walking"] == 60
    assert not any(clip.startswith("walk") for clip in done.speeds)
    assert abs(done.after["running"] - 60) <= 3  # as near as whole clips come
    assert len(done.speeds["wave0"]) == 3  # and no further: max_copies
    assert done.n_windows == sum(windows_at(clip, s) for clip, speeds in done.speeds.items() for s in speeds)
    assert done.counts()["waving"] == {"before": 6, "after": done.after["waving"]}
    drawn = [s for speeds in done.speeds.values() for s in speeds]
    assert all(0.85 <= s <= 1.15 for s in drawn)
    assert len(set(drawn)) == len(drawn)


def one_window(clip: str, speed: float) -> int:
    return 1


def one_if_slow(clip: str, speed: float) -> int:
    return int(speed <= 1)


def test_every_clip_gets_a_copy_before_any_gets_two():
    clips = {f"a{i}": "a" for i in range(20)} | {f"b{i}": "b" for i in range(8)}
    speeds = plan_copies(clips, one_window, UpsampleSettings(share=0.6)).speeds
    assert Counter(map(len, speeds.values())) == {1: 4}
    speeds = plan_copies(clips, one_window, UpsampleSettings()).speeds
    assert Counter(map(len, speeds.values())) == {1: 4, 2: 4}


@settings(deadline=None)
@given(seed=st.integers(0, 50), order=st.randoms())
def test_the_seed_and_the_ids_alone_decide(seed, order):
    clips = list(CLIPS.items())
    order.shuffle(clips)
    one, other = UpsampleSettings(seed=seed), UpsampleSettings(seed=seed + 1)
    assert plan_copies(dict(clips), windows_at, one) == plan_copies(CLIPS, windows_at, one)
    assert plan_copies(CLIPS, windows_at, one).speeds != plan_copies(CLIPS, windows_at, other).speeds


def test_a_copy_too_fast_for_a_window_is_none():
    clips = {f"a{i}": "a" for i in range(40)} | {f"b{i}": "b" for i in range(20)}
    done = plan_copies(clips, one_if_slow, UpsampleSettings(max_copies=1))
    assert 20 < done.after["b"] < 40
    assert done.n_windows == len(done.speeds)
    assert all(speed <= 1 for speeds in done.speeds.values() for speed in speeds)


def test_without_the_setting_there_are_no_copies():
    done = plan_copies(CLIPS, windows_at, None)
    assert (done.speeds, done.n_windows, done.counts(), done.table()) == ({}, 0, {}, [])


@pytest.mark.parametrize("speed", [[1.1, 0.9], [0.1, 1.0], [1.0, 3.0], [1.0, 1.0]])
def test_a_range_that_is_none_is_refused(speed):
    with pytest.raises(UserError, match=r"low < high"):
        validate(UpsampleSettings, {"speed": speed}, where="test")


def test_the_widest_range_of_speeds_is_one():
    assert validate(UpsampleSettings, {"speed": [0.5, 2.0]}, where="test").speed == (0.5, 2.0)
