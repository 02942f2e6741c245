"""Compiled turns equal scipy's; so does the filter."""

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from vimu.resampling import resample_rotations, resample_vectors
from vimu.rotations import part_of_the_way, turns_between


def pairs(angles, seed=0):
    rng = np.random.default_rng(seed)
    start = Rotation.random(len(angles), rng=rng)
    axis = rng.normal(size=(len(angles), 3))
    vector = axis / np.linalg.norm(axis, axis=1, keepdims=True) * np.asarray(angles)[:, None]
    return start.as_matrix(), (start * Rotation.from_rotvec(vector)).as_matrix(), vector


@pytest.mark.parametrize(
    "angles",
    [
        np.linspace(0, np.pi - 1e-6, 5000), 10.0 ** np.linspace(-16, 0, 2000), np.pi - 10.0 ** np.linspace(-6, 0, 2000),
        np.arcsin(0.25) + np.linspace(-1e-3, 1e-3, 99), np.full(500, np.arccos(-0.75)), np.full(500, np.pi / 2),
    ],
)  # fmt: skip
def test_a_turn_is_what_led_there_and_what_scipy_says(angles):
    start, end, vector = pairs(angles)
    got = turns_between(start, end)
    np.testing.assert_allclose(got, vector, rtol=0, atol=2e-9)  # near half a turn the matrices hold no more
    scipys = Rotation.from_matrix(np.swapaxes(start, 1, 2) @ end).as_rotvec()
    np.testing.assert_allclose(got, scipys, rtol=0, atol=1e-12)


@pytest.mark.parametrize("at", [0, 63, 64, 150, 199])
def test_a_large_turn_among_small_ones(at):
    """Turns are taken in groups; what is quick for small ones is wrong for this one, and only for this."""
    angles = np.full(200, 0.01)
    small = turns_between(*pairs(angles)[:2])
    angles[at] = 3.0
    start, end, vector = pairs(angles)
    got = turns_between(start, end)
    np.testing.assert_allclose(got, vector, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.delete(got, at, 0), np.delete(small, at, 0), rtol=0, atol=1e-15)


def test_half_a_turn_has_either_sign():
    start, end, vector = pairs(np.full(300, np.pi))
    got = turns_between(start, end)
    assert np.minimum(np.abs(got - vector).max(axis=1), np.abs(got + vector).max(axis=1)).max() < 1e-7


def test_part_of_the_way_goes_along_the_turn():
    start, end, vector = pairs(np.concatenate([[0.0, 1e-12, 1e-9], np.linspace(0, 3.1, 500)]))
    share = np.random.default_rng(1).uniform(0, 1, len(start))
    got = part_of_the_way(start, end, share)
    wanted = start @ Rotation.from_rotvec(vector * share[:, None]).as_matrix()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(part_of_the_way(start, end, 0 * share), start)
    np.testing.assert_allclose(part_of_the_way(start, end, 0 * share + 1), end, rtol=0, atol=1e-12)


@pytest.mark.parametrize("from_hz", [61.0, 100.0, 120.0, 250.0])
@pytest.mark.parametrize("n", [3, 28, 500])
def test_the_low_pass_is_scipys(from_hz, n):
    x = np.cumsum(np.random.default_rng(0).normal(size=(n, 2, 3)), axis=0)
    sos = butter(8, 0.45 * 60, fs=from_hz, output="sos")
    wanted = sosfiltfilt(sos, x, axis=0, padlen=min(n - 1, int(3 * from_hz / 60) * 9))
    before = x.copy()
    got = resample_vectors(x, from_hz, 60.0)
    np.testing.assert_array_equal(x, before)
    if from_hz == 120:
        np.testing.assert_allclose(got, wanted[::2], rtol=0, atol=1e-11)
    np.testing.assert_allclose(got[0], wanted[0], rtol=0, atol=1e-11)


def test_a_rate_of_120_00004_strides_rotations_as_it_strides_positions():
    turn = Rotation.from_rotvec(np.outer(np.arange(4001) / 120, [0, 4.0, 0])).as_matrix()[:, None]
    np.testing.assert_array_equal(resample_rotations(turn, 120.00004577636719, 60.0), turn[::2])
