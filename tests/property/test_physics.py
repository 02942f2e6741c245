"""What a virtual sensor must read where physics gives the answer. Each tolerance says what it is made of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from motions import EPS32, EPS64, Swing, rounding
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, Trajectory
from vimu.imu.virtual import virtual_imu

SEEDS = st.integers(0, 10_000)
RATES = st.sampled_from([59.0, 60.0, 100.0, 119.88, 120.0, 240.0])
UP = np.array([0.0, STANDARD_GRAVITY, 0.0])


def read(trajectory, rate_hz=None):
    """As a real sensor reads: its own axes, gravity in."""
    return virtual_imu(trajectory, rate_hz=rate_hz, frame="sensor", gravity="included")


@given(seed=SEEDS, rate_hz=RATES, radius_m=st.floats(0.05, 1.0), w=st.floats(0.2, 8.0))
def test_a_rotating_arm_feels_its_centripetal_acceleration(seed, rate_hz, radius_m, w):
    """w^2 r towards the axis, w about it, however the axis lies and the sensor is mounted.

    Tolerance: a second difference of a circle is short by 1 - sinc^2(w dt / 2) <= (w dt)^2 / 12 of itself.
    """
    rng = np.random.default_rng(seed)
    axis, mount = rng.normal(size=3), Rotation.random(rng=rng)
    axis /= np.linalg.norm(axis)
    arm = np.cross(axis, rng.normal(size=3))
    arm *= radius_m / np.linalg.norm(arm)
    turn = Rotation.from_rotvec(np.outer(w * np.arange(int(rate_hz)) / rate_hz, axis))
    held = (turn * mount).as_matrix()
    trajectory = Trajectory((turn.apply(arm) + rng.uniform(-5, 5, 3))[:, None], held[:, None], rate_hz, ("arm",))
    recording = read(trajectory)
    wanted = np.einsum("tji,tj->ti", held, -(w**2) * turn.apply(arm) + UP)[1:-1]
    centripetal = w**2 * radius_m
    off = centripetal * (w / rate_hz) ** 2 / 12 + rounding(trajectory, rate_hz, centripetal)
    np.testing.assert_allclose(recording.acc[:, 0], wanted, rtol=0, atol=off)
    about = np.tile(mount.inv().apply(w * axis), (len(wanted), 1))
    # matrices of eight roundings, differenced and multiplied by the rate
    np.testing.assert_allclose(recording.gyr[:, 0], about, rtol=0, atol=16 * EPS64 * rate_hz + 4 * EPS32 * w)


@given(seed=SEEDS, rate_hz=RATES, spin=st.floats(0, 10))
def test_free_fall_reads_nothing_however_it_tumbles(seed, rate_hz, spin):
    """The second difference of a parabola is exact: rounding is all that is left."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(rate_hz)) / rate_hz
    place = rng.uniform(-5, 5, 3) + np.outer(t, rng.uniform(-3, 3, 3)) - np.outer(t**2 / 2, UP)
    tumbling = Rotation.random(rng=rng) * Rotation.from_rotvec(np.outer(spin * t, rng.normal(size=3)))
    falling = Trajectory(place[:, None], tumbling.as_matrix()[:, None], rate_hz, ("s",))
    np.testing.assert_allclose(read(falling).acc, 0, rtol=0, atol=rounding(falling, rate_hz, STANDARD_GRAVITY))


@given(seed=SEEDS, from_hz=RATES, to_hz=st.sampled_from([None, 20.0, 50.0, 60.0]))
def test_at_rest_it_reads_9_80665_upwards_at_any_rate(seed, from_hz, to_hz):
    """Resampling leaves a constant alone to some roundings of it, which differences multiply by the squared rate."""
    rng = np.random.default_rng(seed)
    tilt = Rotation.random(rng=rng).as_matrix()
    n = int(2 * from_hz)
    rest = Trajectory(np.tile(rng.uniform(-5, 5, 3), (n, 1, 1)), np.tile(tilt, (n, 1, 1, 1)), from_hz, ("s",))
    acc = read(rest, to_hz).acc[:, 0].astype(np.float64)
    off = rounding(rest, to_hz or from_hz, 0.0) * (1 if to_hz is None else 1000)  # 8 biquads, twice, and a spline
    np.testing.assert_allclose(np.linalg.norm(acc, axis=1), 9.80665, rtol=0, atol=off)
    np.testing.assert_allclose(acc @ tilt.T, np.tile(UP, (len(acc), 1)), rtol=0, atol=off)
    assert np.abs(virtual_imu(rest, rate_hz=to_hz).gyr).max() < 16 * EPS64 * (to_hz or from_hz)


@given(seed=SEEDS, rate_hz=RATES)
def test_a_known_angular_rate_passes_through_the_gyroscope(seed, rate_hz):
    """A sine about one axis. The mean of two steps is a central difference: off by dt^2 / 6 of the third derivative."""
    swing = Swing.drawn(seed)
    gyr = virtual_imu(swing.sampled(rate_hz, 2.0), rate_hz=None).gyr[:, 0]
    wanted = swing.angular_velocity(np.arange(1, len(gyr) + 1) / rate_hz)
    off = swing.angle * swing.w**3 / (6 * rate_hz**2) + 16 * EPS64 * rate_hz + 4 * EPS32 * swing.angle * swing.w
    np.testing.assert_allclose(gyr, wanted, rtol=0, atol=off)


@given(seed=SEEDS, rate_hz=RATES)
def test_integrating_the_gyroscope_gives_the_orientation_back(seed, rate_hz):
    """Of a motion whose axis wanders. Two steps a, b are read as their mean, so (a + b) stands for a after b.

    Tolerance: by the Baker-Campbell-Hausdorff formula the two differ by |a x b| / 2, and terms of third order, at most
    |a x b| (|a| + |b|) / 12; errors of all pairs add up. So do readings of float32.
    """
    one, other = Swing.drawn(seed), Swing.drawn(seed + 1)
    t = np.arange(int(2 * rate_hz) | 1) / rate_hz
    truth = one.turn(t) * other.turn(t)
    trajectory = Trajectory(np.zeros((len(t), 1, 3)), truth.as_matrix()[:, None], rate_hz, ("s",))
    recording = virtual_imu(trajectory, rate_hz=None)
    steps = (truth[:-1].inv() * truth[1:]).as_rotvec()
    first, second = steps[0:-1:2], steps[1::2]
    cross = np.linalg.norm(np.cross(first, second), axis=1)
    size = np.linalg.norm(first, axis=1) + np.linalg.norm(second, axis=1)
    off = (cross / 2 + cross * size / 12 + 4 * EPS32 * size).sum() + 8 * EPS32
    held = truth[0]
    for reading in recording.gyr[::2, 0].astype(np.float64):  # frames 1, 3, 5, ...: each spans two steps
        held = held * Rotation.from_rotvec(reading * 2 / rate_hz)
    assert (held.inv() * truth[2 * len(recording.gyr[::2])]).magnitude() <= off
    last = Rotation.from_matrix(recording.ori[-1, 0].astype(np.float64))
    assert (last.inv() * truth[-2]).magnitude() <= 8 * EPS32  # nine numbers rounded
