"""Physics with known answers: acceleration, angular velocity, frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, ImuRecording, Trajectory
from vimu.imu.frames import ChannelMissingError, in_frame
from vimu.imu.kinematics import angular_velocity, linear_acceleration
from vimu.imu.virtual import virtual_imu
from vimu.runtime.errors import UserError

RATES = st.sampled_from([30.0, 59.0, 60.0, 100.0, 120.0, 240.0])


@given(rate_hz=RATES, span_frames=st.integers(1, 6), a=st.tuples(*[st.floats(-30, 30)] * 3))
def test_constant_acceleration_is_recovered_at_any_rate(rate_hz, span_frames, a):
    t = np.arange(40) / rate_hz
    position = (0.5 * np.array(a) * t[:, None] ** 2 + np.array([1.0, -2.0, 3.0]) * t[:, None])[:, None]
    acc = linear_acceleration(position, rate_hz=rate_hz, span_frames=span_frames)
    assert acc.shape == (40 - 2 * span_frames, 1, 3)
    np.testing.assert_allclose(acc[:, 0], np.tile(a, (len(acc), 1)), atol=1e-7 * rate_hz**2 + 1e-9)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_a_difference_over_parts_of_frames_has_no_frame_one_or_more(n):
    """Half-width 1.5: two frames at either end have no neighbour."""
    t = np.arange(n) / 60
    position = (0.5 * np.array([1.0, -2.0, 3.0]) * t[:, None] ** 2)[:, None]
    acc = linear_acceleration(position, rate_hz=60.0, span_frames=1.5)
    np.testing.assert_allclose(acc[:, 0], np.tile([1.0, -2.0, 3.0], (n - 4, 1)), atol=1e-8)


def test_the_plain_formula_is_the_papers():
    p = np.random.default_rng(0).normal(size=(7, 2, 3))
    acc = linear_acceleration(p, rate_hz=60.0)
    for t in range(1, 6):
        np.testing.assert_allclose(acc[t - 1], (p[t - 1] + p[t + 1] - 2 * p[t]) / (1 / 60) ** 2, rtol=1e-9)


@given(rate_hz=RATES, w=st.tuples(*[st.floats(-8, 8)] * 3), seed=st.integers(0, 99))
def test_constant_turning_rate_is_read_in_the_sensors_axes(rate_hz, w, seed):
    start = Rotation.random(rng=seed)
    t = np.arange(30) / rate_hz
    orientation = (start * Rotation.from_rotvec(np.outer(t, w))).as_matrix()[:, None]
    gyr = angular_velocity(orientation, rate_hz=rate_hz)
    np.testing.assert_allclose(gyr[:, 0], np.tile(w, (28, 1)), atol=1e-6)


def spinning_arm(rate_hz: float, radius: float = 0.6, w: float = 4.0, seconds: float = 3.0) -> Trajectory:
    """A sensor on an arm that turns about the vertical: x of the sensor points along the arm."""
    angle = w * np.arange(int(seconds * rate_hz)) / rate_hz
    turn = Rotation.from_euler("y", angle[:, None]).as_matrix()
    return Trajectory(turn[:, None] @ np.array([radius, 0, 0]), turn[:, None], rate_hz, ("arm",))


def test_an_arm_that_turns_feels_its_centripetal_acceleration_and_gravity():
    recording = virtual_imu(spinning_arm(240.0), rate_hz=None, frame="sensor", gravity="included")
    # towards the axis: -x; upwards: +y
    np.testing.assert_allclose(recording.acc[:, 0], np.tile([-0.6 * 16, STANDARD_GRAVITY, 0], (718, 1)), atol=5e-3)
    np.testing.assert_allclose(recording.gyr[:, 0], np.tile([0, 4.0, 0], (718, 1)), atol=1e-4)


@pytest.mark.fault(40)
@pytest.mark.parametrize("rate_hz", [100.0, 119.88, 120.0, 240.0])
def test_the_same_motion_at_another_rate_gives_the_same_signal(rate_hz):
    reference = virtual_imu(spinning_arm(60.0), rate_hz=60.0)
    other = virtual_imu(spinning_arm(rate_hz), rate_hz=60.0)
    n = min(reference.n_frames, other.n_frames)
    inner = slice(20, n - 20)  # the low-pass reaches a few frames in from the edges
    np.testing.assert_allclose(other.acc[inner], reference.acc[inner], atol=0.02)
    np.testing.assert_allclose(other.ori[inner], reference.ori[inner], atol=1e-3)


def test_free_fall_reads_nothing_and_rest_reads_gravity_upwards():
    t = np.arange(60) / 60
    tilt = np.tile(Rotation.from_euler("xz", [30, 70], degrees=True).as_matrix(), (60, 1, 1, 1))
    falling = Trajectory(np.stack([0 * t, -STANDARD_GRAVITY / 2 * t**2, 0 * t], axis=1)[:, None], tilt, 60.0, ("s",))
    np.testing.assert_allclose(virtual_imu(falling, frame="sensor", gravity="included").acc, 0, atol=1e-4)
    resting = virtual_imu(Trajectory(np.zeros((60, 1, 3)), tilt, 60.0, ("s",)), frame="sensor", gravity="included")
    np.testing.assert_allclose(np.linalg.norm(resting.acc, axis=-1), STANDARD_GRAVITY, rtol=1e-6)
    back = in_frame(resting, frame="world", gravity="included")
    np.testing.assert_allclose(back.acc, np.tile([0, STANDARD_GRAVITY, 0], (58, 1, 1)), atol=1e-5)


@given(seed=st.integers(0, 50))
def test_turning_the_whole_world_about_the_vertical_leaves_sensor_signals_alone(seed):
    arm = spinning_arm(60.0)
    turn = Rotation.from_euler("y", seed * 7.3).as_matrix()
    turned = Trajectory(arm.position @ turn.T + seed, turn @ arm.orientation, 60.0, arm.sensors)
    a = virtual_imu(arm, frame="sensor", gravity="included")
    b = virtual_imu(turned, frame="sensor", gravity="included")
    np.testing.assert_allclose(a.acc, b.acc, atol=1e-3)
    np.testing.assert_allclose(a.gyr, b.gyr, atol=1e-4)


def test_frames_go_there_and_back():
    recording = virtual_imu(spinning_arm(60.0))
    there = in_frame(recording, frame="sensor", gravity="included")
    back = in_frame(there, frame="world", gravity="removed")
    np.testing.assert_allclose(back.acc, recording.acc, atol=1e-4)


def test_without_orientation_a_change_of_frame_is_an_error():
    recording = ImuRecording(np.ones((5, 1, 3), np.float32), None, None, 20.0, ("s",), "sensor", "included")
    with pytest.raises(ChannelMissingError, match="needs `ori`, which is missing"):
        in_frame(recording, frame="world", gravity="removed")


@pytest.mark.parametrize("root", ["pelvis", "vertex:3021@pelvis"])
def test_relative_to_the_root_neither_heading_nor_lean_matters(root):
    """R_root^T a, written out."""
    n, rng = 40, np.random.default_rng(1)
    ori = Rotation.random(n * 2, rng=2).as_matrix().reshape(n, 2, 3, 3)
    acc = rng.normal(size=(n, 2, 3)).astype(np.float32)
    world = ImuRecording(acc, None, ori, 60.0, ("head", root), "world", "removed")
    turned = in_frame(world, frame="root", gravity="removed")
    for t in range(n):
        for s in range(2):
            np.testing.assert_allclose(turned.acc[t, s], ori[t, 1].T @ acc[t, s], atol=1e-5)
    lean = Rotation.random(rng=3).as_matrix()
    leaning = ImuRecording(acc @ lean.T, None, lean @ ori, 60.0, ("head", root), "world", "removed")
    np.testing.assert_allclose(in_frame(leaning, frame="root", gravity="removed").acc, turned.acc, atol=1e-5)
    with_gravity = in_frame(turned, frame="sensor", gravity="included")
    back = in_frame(in_frame(with_gravity, frame="root", gravity="included"), frame="world", gravity="removed")
    np.testing.assert_allclose(back.acc, acc, atol=1e-4)


def test_the_root_frame_needs_a_pelvis():
    with pytest.raises(ChannelMissingError, match="needs a sensor on the pelvis, but there are only arm"):
        virtual_imu(spinning_arm(60.0), frame="root")


def test_an_unknown_preset_lists_the_known():
    with pytest.raises(UserError, match=r"`preset` must be one of dip, dip18_published, .*, but is `transpoze`"):
        virtual_imu(spinning_arm(60.0), preset="transpoze")


def test_at_its_own_rate_two_frames_are_gone():
    recording = virtual_imu(spinning_arm(120.0), rate_hz=None)
    assert recording.n_frames == 360 - 2
    assert recording.acc.dtype == recording.ori.dtype == recording.gyr.dtype == np.float32
