"""Rates: nothing is strided, nothing aliases, rotations stay rotations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.resampling import resample_rotations, resample_vectors, resampled_length

PAIRS = [(120, 60), (100, 60), (59, 60), (119.88, 60), (30, 60), (250, 60), (60, 20), (200, 20)]


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_slow_sine_comes_through(from_hz, to_hz):
    t = np.arange(int(from_hz * 8)) / from_hz
    out = resample_vectors(np.sin(2 * np.pi * 2 * t)[:, None], from_hz, to_hz)
    at = np.arange(len(out)) / to_hz
    assert len(out) == resampled_length(len(t), from_hz, to_hz)
    assert at[-1] <= t[-1] * (1 + 1e-4)
    inner = slice(int(to_hz), -int(to_hz))
    np.testing.assert_allclose(out[inner, 0], np.sin(2 * np.pi * 2 * at)[inner], atol=1e-4)


def test_what_would_alias_is_removed():
    t = np.arange(1200) / 120
    out = resample_vectors(np.sin(2 * np.pi * 50 * t)[:, None], 120, 60)  # 50 Hz would come back as 10 Hz
    assert np.abs(out[60:-60]).max() < 0.02


def test_amass_rounding_of_a_rate_is_the_same_rate():
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert resample_vectors(x, 120.00004577636719, 120.0) is x


@given(n=st.integers(2, 40), pair=st.sampled_from(PAIRS), seed=st.integers(0, 99))
def test_rotations_stay_rotations_and_hit_the_ends(n, pair, seed):
    r = Rotation.random(n * 2, rng=seed).as_matrix().reshape(n, 2, 3, 3)
    out = resample_rotations(r, *pair)
    assert len(out) == resampled_length(n, *pair)
    np.testing.assert_allclose(out @ np.swapaxes(out, -1, -2), np.broadcast_to(np.eye(3), out.shape), atol=1e-9)
    np.testing.assert_allclose(out[0], r[0], atol=1e-9)


def test_half_way_between_two_rotations_is_half_the_turn():
    r = Rotation.from_euler("z", [[0], [170]], degrees=True).as_matrix()[:, None]
    out = resample_rotations(r, 30, 60)
    np.testing.assert_allclose(Rotation.from_matrix(out[1, 0]).as_euler("zyx", degrees=True)[0], 85, atol=1e-6)
