"""What device models are measured by, on signals whose answer is known."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from vimu.imu.measurement import noise_density, saturation, share_of_steps, still_windows, white_noise_std


def test_white_noise_is_found_beneath_a_smooth_motion():
    t = np.arange(20_000) / 100
    motion = np.stack([3 * np.sin(2 * np.pi * 0.5 * t), 2 * t, np.cos(t)], axis=1)
    std = np.array([0.1, 0.5, 1.0])
    readings = motion + np.random.default_rng(0).normal(size=motion.shape) * std
    np.testing.assert_allclose(white_noise_std(readings), std, rtol=0.03)


def test_readings_in_whole_steps_are_told_from_others():
    rng = np.random.default_rng(0)
    whole = 0.25 * rng.integers(-40, 40, size=(3000, 3))
    assert share_of_steps(whole, 0.25) == share_of_steps(whole + 0.049 * 0.25, 0.25) == 1.0
    assert share_of_steps(whole + 0.051 * 0.25, 0.25) == share_of_steps(whole + 0.125, 0.25) == 0.0
    assert share_of_steps(rng.uniform(-10, 10, size=(3000, 3)), 0.25) == pytest.approx(0.1, abs=0.01)


def test_the_range_is_where_readings_pile_up_either_way():
    t = np.arange(4000)[:, None] / 100
    shaken = np.clip(3 * np.sin(t * [1.0, 1.3, 1.7]), -2, 2)
    greatest, n = saturation(shaken, 0.01)
    assert greatest == 2 and n == (np.abs(shaken) == 2).sum() + ((np.abs(shaken) > 1.99) & (np.abs(shaken) < 2)).sum()
    assert saturation(np.array([[0.0, -3.0, 2.5], [1.0, 2.9, 2.0]]), 0.1) == (3.0, 1), "a step below is not within it"


def test_the_quietest_windows_come_first_and_are_judged_by_their_most_restless_axis():
    rng = np.random.default_rng(0)
    loudness = [5.0, 1.0, 3.0, 0.5, 4.0, 2.0]
    rows = np.concatenate([rng.normal(size=(50, 3)) * [level, 0.1, 0.1] for level in loudness])
    picked = still_windows([rows, rows[:49]], 50, 0.5)  # the second recording is too short for a window
    wanted = [rows[150:200], rows[50:100], rows[250:300]]
    assert [np.array_equal(a, b) for a, b in zip(picked, wanted, strict=True)] == [True] * 3
    assert len(still_windows([rows], 50, 0.01)) == 1
    assert len(still_windows([rows[:60]], 50, 1.0)) == 1  # what does not fill a window is left out


@pytest.mark.parametrize("rate_hz", [50.0, 200.0])
def test_density_is_per_root_of_hz_and_of_the_band(rate_hz):
    rng = np.random.default_rng(0)
    white = [rng.normal(size=(1000, 3)) * 0.2 for _ in range(60)]
    density = 0.2 / np.sqrt(rate_hz / 2)
    assert noise_density(white, rate_hz, (1.0, rate_hz / 4)) == pytest.approx(density, rel=0.05)
    low = [sosfilt(butter(4, rate_hz / 10, fs=rate_hz, output="sos"), w, axis=0) for w in white]
    assert noise_density(low, rate_hz, (1.0, rate_hz / 20)) == pytest.approx(density, rel=0.05)
    assert noise_density(low, rate_hz, (rate_hz / 4, rate_hz / 2)) < density / 20


def test_the_band_takes_its_lower_end_and_leaves_its_upper_one():
    """A pure tone on a bin's frequency counts where the band begins, and not where it ends."""
    tone = np.sin(2 * np.pi * 10 * np.arange(200) / 100)[:, None].repeat(3, axis=1)  # bins of 1 Hz
    assert noise_density([tone], 100.0, (10.0, 11.0)) > 100 * noise_density([tone], 100.0, (5.0, 9.0))
    assert noise_density([tone], 100.0, (8.0, 9.0)) < 0.01 * noise_density([tone], 100.0, (10.0, 11.0))
