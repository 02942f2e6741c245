"""Statistics of a clip: known answers on sines, what must not change them, and that they are always finite."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_statistics import plain_statistics
from scipy.spatial.transform import Rotation

from vimu.clips.statistics import REST, STATISTICS, STILL, clip_statistics
from vimu.contracts import ImuRecording
from vimu.imu.frames import in_frame

NAMES = tuple(STATISTICS)


def recording(acc: np.ndarray, gyr: np.ndarray | None = None, rate_hz: float = 60.0) -> ImuRecording:
    """One sensor; world frame, gravity removed."""
    gyr = np.zeros_like(acc) if gyr is None else gyr
    ori = np.tile(np.eye(3), (len(acc), 1, 1, 1))
    arrays = (a.astype(np.float32) for a in (acc[:, None], gyr[:, None], ori))
    return ImuRecording(*arrays, rate_hz, ("wrist",), "world", "removed")


def shaking(amplitude: float = 10.0, hz: float = 2.0, axis: int = 1, seconds: float = 10, rate_hz: float = 60.0):
    """A sine along one axis, m/s^2."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    acc = np.zeros((len(t), 3))
    acc[:, axis] = amplitude * np.sin(2 * np.pi * hz * t)
    return acc


def values(acc: np.ndarray, **given) -> dict[str, float]:
    """Name -> statistic in its unit."""
    return dict(zip(NAMES, np.exp(clip_statistics(recording(acc, **given))[0]), strict=True))


@settings(max_examples=30)
@given(
    amplitude=st.floats(5, 200), hz=st.sampled_from([1.1, 1.7, 2.3, 2.9]), rate_hz=st.sampled_from([30.0, 60.0, 100.0])
)
def test_a_sine_has_the_statistics_of_a_sine(amplitude, hz, rate_hz):
    acc = shaking(amplitude, hz, rate_hz=rate_hz)
    gyr = np.zeros_like(acc)
    gyr[:, 0] = 3.0
    found = values(acc, gyr=gyr, rate_hz=rate_hz)
    assert found["rms"] == pytest.approx(amplitude / np.sqrt(2), rel=0.02)
    assert found["median"] == pytest.approx(amplitude / np.sqrt(2), rel=0.1)  # |sine| is above its RMS half of the time
    assert found["peak"] == pytest.approx(amplitude, rel=0.05)
    assert found["jerk"] == pytest.approx(amplitude * 2 * np.pi * hz / np.sqrt(2), rel=0.1)
    assert found["turning"] == pytest.approx(3.0, rel=0.01)
    moves = (amplitude**2 / 2) / (amplitude**2 / 2 + STILL**2)
    middle = np.sqrt(0.4 * 6)
    assert found["cadence"] == pytest.approx(middle * (hz / middle) ** moves, rel=0.06)  # a grid of 1/8 Hz
    assert found["centroid"] == pytest.approx(hz, rel=0.1)


@settings(max_examples=30)
@given(turn=st.floats(0, 360), seed=st.integers(0, 5))
def test_heading_does_not_move_them(turn, seed):
    acc = np.random.default_rng(seed).normal(0, 5, (300, 3))
    turned = acc @ Rotation.from_euler("y", turn, degrees=True).as_matrix().T
    np.testing.assert_allclose(clip_statistics(recording(turned)), clip_statistics(recording(acc)), atol=1e-4)


def test_vertical_says_in_which_direction_a_sensor_shakes():
    up, level = values(shaking(axis=1))["vertical"], values(shaking(axis=0))["vertical"]
    assert up == pytest.approx(10 / np.sqrt(2) / REST["m/s^2"], rel=0.05)
    assert level == pytest.approx(REST["m/s^2"] / 5, rel=0.05)
    even = values(np.random.default_rng(0).normal(0, 5, (20_000, 3)))["vertical"]
    assert even == pytest.approx(1, rel=0.02)


def test_the_frequency_of_a_limb_at_rest_is_not_that_of_its_noise():
    """Tremor of the capture at 5.5 Hz and at 0.5 Hz: hardly apart at rest, far apart where the limb moves."""
    slow, fast = (values(shaking(0.2, hz))["cadence"] for hz in (0.5, 5.5))
    assert fast / slow < 1.25
    slow, fast = (values(shaking(20, hz))["cadence"] for hz in (0.5, 5.5))
    assert fast / slow > 10


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
@pytest.mark.parametrize("rate_hz", [20.0, 60.0, 240.0])
def test_rest_and_very_short_clips_are_finite(n, rate_hz):
    assert np.isfinite(clip_statistics(recording(np.zeros((n, 3)), rate_hz=rate_hz))).all()


def test_only_world_acceleration_without_gravity_is_taken():
    with pytest.raises(ValueError, match="must be world/removed with `gyr`, but is sensor/included"):
        clip_statistics(in_frame(recording(shaking()), frame="sensor", gravity="included"))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(3, 1200) | st.just(1),
    n_sensors=st.integers(1, 4),
    rate_hz=st.sampled_from([20.0, 29.97, 59.94, 60.0, 100.0]),
    scale=st.sampled_from([1e-4, 0.1, 5.0, 300.0]),
    seed=st.integers(0, 2**31),
)
def test_they_are_those_of_plain_numpy_and_scipy(n, n_sensors, rate_hz, scale, seed):
    """Grids of an odd and an even number of frequencies; any length but two frames, whose spectrum is flat: which
    frequency is strongest is then rounding's choice."""
    rng = np.random.default_rng(seed)
    acc, gyr = (
        (scale * (rng.normal(size=(n, n_sensors, 3)) + rng.normal(size=3))).astype(np.float32) for _ in range(2)
    )
    sensors = tuple(f"sensor_{i}" for i in range(n_sensors))
    given = ImuRecording(acc, gyr, None, rate_hz, sensors, "world", "removed")
    got, wanted = clip_statistics(given), plain_statistics(given)
    assert got.shape == wanted.shape == (n_sensors, len(STATISTICS))
    np.testing.assert_allclose(np.exp(got), np.exp(wanted), rtol=1e-9)
