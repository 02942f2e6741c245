"""Measured features on signals whose answers are known, and under any turn of the sensor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.runtime.errors import UserError
from vimu.semantics.catalogue import CATALOGUE, FEATURES
from vimu.semantics.gravity import align, require_gravity, to_up
from vimu.semantics.measure import measure, rounded

G = 9.80665
DOWN_TO_UP = [[0, 0, 1], [0, 0, -1], [1, 0, 0], [0, -1, 0], [1, 1, 0], [1e-9, 0, -1], [0, 1e-4, -1], [-1, 0, 1e-12]]


def window(*, rate_hz=50.0, duration_s=4.0, vertical=(), forward=(), spin=(), tilt=()):
    """A window at rest but for sines, (Hz, amplitude): vertical and forward acceleration, turning, tilting."""
    t = np.arange(round(rate_hz * duration_s)) / rate_hz
    x = np.zeros((1, len(t), 6))
    x[0, :, 2] = G
    for axis, sines in ((2, vertical), (0, forward), (5, spin), (3, tilt)):
        for frequency, amplitude in sines:
            x[0, :, axis] += amplitude * np.sin(2 * np.pi * frequency * t)
    return x


def of(x, rate_hz=50.0):
    return {name: float(values[0]) for name, values in measure(x, rate_hz=rate_hz).items()}


def turned(x, rotation):
    return np.concatenate([x[:, :, :3] @ rotation.T, x[:, :, 3:] @ rotation.T], axis=2)


def test_every_feature_of_the_catalogue_is_measured_in_its_order():
    assert list(measure(window(), rate_hz=50.0)) == [feature.name for feature in CATALOGUE] == list(FEATURES)


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 100.0])
@pytest.mark.parametrize("frequency", [0.9, 1.37, 2.0, 2.71])
def test_a_sine_is_found_at_its_frequency_and_amplitude(rate_hz, frequency):
    found = of(window(rate_hz=rate_hz, vertical=[(frequency, 3.0)], tilt=[(frequency, 0.8)]), rate_hz)
    assert found["acc_dominant_frequency_hz"] == pytest.approx(frequency, abs=0.04)
    assert found["gyr_dominant_frequency_hz"] == pytest.approx(frequency, abs=0.04)
    assert found["sync_frequency_ratio"] == pytest.approx(1.0, abs=0.05)
    assert found["vertical_rms"] == pytest.approx(3.0 / np.sqrt(2), rel=0.06)
    assert found["gyr_horizontal_rms"] == pytest.approx(0.8 / np.sqrt(2), rel=0.1)
    assert found["gyr_vertical_rms"] < 0.03
    assert found["horizontal_rms"] < 0.03
    assert found["vertical_share"] > 0.99
    assert found["acc_dominant_share"] > 0.9
    assert found["gravity_magnitude"] == pytest.approx(G, rel=0.03), "a part of a cycle remains in the mean"


def test_jerk_is_the_derivative_and_bands_hold_what_lies_in_them():
    found = of(window(vertical=[(2.0, 3.0), (5.0, 1.0), (11.0, 0.5)]))
    assert found["acc_low_rms"] == pytest.approx(3.0 / np.sqrt(2), rel=0.1)
    assert found["acc_mid_rms"] == pytest.approx(1.0 / np.sqrt(2), rel=0.05)
    assert found["acc_high_rms"] == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    expected = 2 * np.pi * np.hypot(2.0 * 3.0, 5.0 * 1.0) / np.sqrt(2)
    assert found["jerk_rms"] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("overtone", [0.0, 0.4, 0.8])
def test_the_harmonic_ratio_is_that_of_the_amplitudes(overtone):
    found = of(window(vertical=[(1.5, 2.0), (3.0, 2.0 * overtone)]))
    assert found["acc_harmonic_ratio"] == pytest.approx(overtone, abs=0.08)


def test_peaks_of_a_sine_come_like_clockwork_and_of_half_the_beats_they_do_not():
    even = of(window(vertical=[(2.0, 3.0)]))
    assert even["n_peaks"] == 8
    assert even["peak_rate_hz"] == pytest.approx(2.0, rel=0.02)
    assert even["peak_interval_cv"] < 0.03
    x = window()
    for start in (10, 30, 90, 100, 170):
        x[0, start : start + 5, 2] += 6.0
    assert of(x)["peak_interval_cv"] > 0.4


def test_a_turn_about_the_vertical_adds_up_and_does_not_count_as_tilt():
    x = window()
    x[0, :, 5] = np.radians(30.0)
    found = of(x)
    assert found["turn_net_deg"] == pytest.approx(120.0, rel=1e-6)
    assert found["turn_total_deg"] == pytest.approx(120.0, rel=1e-6)
    assert found["gyr_horizontal_rms"] == pytest.approx(0.0, abs=1e-9)


def test_a_sensor_that_leans_over_drifts_by_that_angle():
    angle = np.radians(np.interp(np.arange(200), [0, 80, 120, 200], [0, 0, 40, 40]))
    x = np.zeros((1, 200, 6))
    x[0, :, 0], x[0, :, 2] = G * np.sin(angle), G * np.cos(angle)
    found = of(x)
    assert found["tilt_drift_deg"] == pytest.approx(40.0, abs=3.0)
    assert found["tilt_range_deg"] == pytest.approx(20.0, abs=3.0)


def test_rotation_that_follows_acceleration_is_found_with_its_lag():
    t = np.arange(200) / 50.0
    beat = np.exp(-((t - 2.0) ** 2) / 0.02)
    x = window()
    x[0, :, 2] += 5.0 * beat
    x[0, 10:, 3] += 2.0 * beat[:-10]
    found = of(x)
    assert found["sync_correlation"] > 0.9
    assert found["sync_lag_s"] == pytest.approx(0.2, abs=0.021)


# --- what a window cannot support is null ---


def test_what_the_rate_does_not_reach_is_null_and_not_zero():
    slow, fast = of(window(rate_hz=20.0, vertical=[(2, 3)]), 20.0), of(window(vertical=[(2, 3)]))
    assert np.isnan(slow["acc_high_rms"])
    assert fast["acc_high_rms"] >= 0
    crawl = of(window(rate_hz=5.0, vertical=[(2, 3)]), 5.0)
    for name in ("acc_low_rms", "acc_mid_rms", "jerk_rms", "acc_dominant_frequency_hz", "gyr_low_rms"):
        assert np.isnan(crawl[name])
    harmonics = of(window(rate_hz=12.5, vertical=[(2.5, 3)]), 12.5)
    assert harmonics["acc_dominant_frequency_hz"] == pytest.approx(2.5, abs=0.05)
    assert np.isnan(harmonics["acc_harmonic_ratio"]), "three times 2.5 Hz is beyond 6.25 Hz"


def test_rest_has_no_direction_and_no_rhythm():
    noise = np.random.default_rng(0).normal(scale=0.02, size=(1, 200, 6))
    noise[:, :, 3:] *= 0.5
    found = of(window() + noise)
    for name in (
        "vertical_share", "vertical_skewness", "acc_dominant_frequency_hz", "peak_rate_hz", "peak_interval_cv",
        "impact_crest", "gyr_dominant_frequency_hz", "sync_correlation", "sync_lag_s", "sync_frequency_ratio",
    ):  # fmt: skip
        assert np.isnan(found[name]), name
    assert found["n_peaks"] == 0
    assert found["tilt_drift_deg"] < 0.2


def test_one_peak_has_no_rhythm_and_two_have_no_regularity():
    for n, names in ((1, ("peak_rate_hz", "peak_interval_cv")), (2, ("peak_interval_cv",))):
        x = window()
        for start in (50, 120)[:n]:
            x[0, start : start + 6, 2] += 5.0
        found = of(x)
        assert found["n_peaks"] == n
        assert all(np.isnan(found[name]) for name in names)
        assert np.isnan(found["peak_rate_hz"]) == (n == 1)


def test_a_short_window_tells_no_slow_frequency():
    assert np.isnan(of(window(duration_s=1.5, vertical=[(1.0, 3.0)]))["acc_dominant_frequency_hz"])
    assert of(window(duration_s=1.5, vertical=[(2.5, 3.0)]))["acc_dominant_frequency_hz"] == pytest.approx(2.5, abs=0.1)


def test_without_gravity_nothing_is_vertical():
    x = window(vertical=[(2.0, 3.0)])
    x[:, :, 2] -= G
    found = of(x)
    assert np.isnan(found["vertical_rms"])
    assert np.isnan(found["tilt_drift_deg"])
    assert found["body_acc_rms"] == pytest.approx(3.0 / np.sqrt(2), rel=0.06)


# --- gravity ---


@pytest.mark.parametrize("direction", DOWN_TO_UP)
def test_every_direction_is_turned_up_by_a_rotation(direction):
    vector = np.array([direction], dtype=float) * G
    [turn] = to_up(vector)
    np.testing.assert_allclose(turn @ vector[0] / np.linalg.norm(vector), [0, 0, 1], atol=2e-7)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_no_gravity_at_all_is_turned_by_some_rotation():
    assert np.linalg.det(to_up(np.zeros((1, 3)))[0]) == pytest.approx(1.0)


turns = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda seed: Rotation.random(random_state=seed).as_matrix()),
    st.sampled_from(["xyz"[i] for i in range(3)])
    .flatmap(lambda axis: st.sampled_from([90.0, 179.9999999, 180.0, 270.0]).map(lambda a: (axis, a)))
    .map(lambda given: Rotation.from_euler(*given, degrees=True).as_matrix()),
)  # inverted and horizontal sensors among them


@settings(max_examples=40)
@given(turn=turns, seed=st.integers(0, 2**16), rate_hz=st.sampled_from([20.0, 50.0]))
def test_no_turn_of_the_sensor_changes_a_feature(turn, seed, rate_hz):
    rng = np.random.default_rng(seed)
    x = window(rate_hz=rate_hz, vertical=[(1.8, 3.0), (3.6, 1.2)], forward=[(0.9, 1.5)], spin=[(0.9, 1.0)])
    x = x + rng.normal(scale=0.2, size=x.shape)
    as_worn, otherwise = measure(x, rate_hz=rate_hz), measure(turned(x, turn), rate_hz=rate_hz)
    for name in FEATURES:
        np.testing.assert_allclose(otherwise[name], as_worn[name], rtol=1e-6, atol=1e-7, err_msg=name)


@settings(max_examples=25)
@given(turn=turns)
def test_aligned_windows_differ_by_heading_only(turn):
    x = window(vertical=[(1.8, 3.0)], forward=[(0.9, 1.5)], spin=[(0.9, 1.0)])
    x[:, :, 1] += 0.7
    straight, other = (align(w[:, :, :3], w[:, :, 3:], rate_hz=50.0) for w in (x, turned(x, turn)))
    for name in ("acc", "gyr", "slow"):
        a, b = getattr(straight, name)[0], getattr(other, name)[0]
        np.testing.assert_allclose(b[:, 2], a[:, 2], atol=1e-6)
        plane_a, plane_b = a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]
        turn_of_heading = np.vdot(plane_a, plane_b)
        np.testing.assert_allclose(plane_b, plane_a * turn_of_heading / abs(turn_of_heading), atol=1e-6)


@settings(max_examples=25)
@given(scale=st.floats(1.1, 4.0), frequency=st.floats(0.8, 2.9))
def test_stronger_motion_measures_stronger_at_the_same_frequency(scale, frequency):
    weak, strong = (of(window(vertical=[(frequency, a)])) for a in (1.5, 1.5 * scale))
    assert strong["body_acc_rms"] == pytest.approx(scale * weak["body_acc_rms"], rel=1e-6)
    assert strong["acc_dominant_frequency_hz"] == pytest.approx(weak["acc_dominant_frequency_hz"], abs=1e-6)


def test_windows_do_not_look_at_each_other():
    rng = np.random.default_rng(3)
    x = np.concatenate([window(vertical=[(f, 2.0)]) for f in rng.uniform(0.8, 2.8, 1030)])
    together, alone = measure(x, rate_hz=50.0), measure(x[1025:1026], rate_hz=50.0)
    for name in FEATURES:
        np.testing.assert_allclose(together[name][1025], alone[name][0], rtol=1e-9, err_msg=name)


# --- what is refused ---


@pytest.mark.parametrize(
    ("unit", "hint"), [(1 / G, "looks like g"), (1000 / G, "milli-g"), (0.0, "Gravity looks removed"), (4.0, "scale")]
)
def test_other_units_are_refused_with_what_they_look_like(unit, hint):
    measured = measure(window(vertical=[(2.0, 1.0)]) * unit, rate_hz=50.0)
    with pytest.raises(UserError, match=hint):
        require_gravity(measured["gravity_magnitude"], "mine")


def test_gravity_as_it_is_passes():
    require_gravity(np.array([9.4, 9.8, 10.1, 3.0]), "mine")


@pytest.mark.parametrize("shape", [(2, 200, 3), (2, 7, 6), (200, 6)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="must be of shape"):
        measure(np.zeros(shape), rate_hz=50.0)


def test_numbers_that_are_none_are_refused():
    x = window()
    x[0, 3, 1] = np.nan
    with pytest.raises(ValueError, match="must be finite"):
        measure(x, rate_hz=50.0)


def test_no_windows_measure_to_none():
    assert all(len(values) == 0 for values in measure(np.zeros((0, 200, 6)), rate_hz=50.0).values())


def test_rounding_keeps_three_digits_and_null():
    assert [rounded(v) for v in (12.3456, 0.00123456, 1234.56, float("nan"))] == [12.3, 0.00123, 1230.0, None]
