"""Measures of realism on signals whose answer is known, and the page's numbers measured again."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, ImuRecording
from vimu.evaluation.consistency import gravity_check, joint_fit, reintegrated
from vimu.evaluation.gait import (
    as_mocap_sees,
    band_rms,
    band_shares,
    log_spectral_distance,
    spectrum,
    step_frequency,
    stride,
    walking_windows,
)
from vimu.evaluation.realism import main, render_page, rounded
from vimu.evaluation.realism_results import reference_results
from vimu.evaluation.two_sample import auc_between
from vimu.evaluation.walking import (
    UMAFALL_SENSORS,
    at_cadence,
    bandai_walking,
    opensense_walking,
    umafall_walking,
    virtual_walking,
    walking,
)
from vimu.imu.kinematics import linear_acceleration
from vimu.recordings.reference import load_reference, read_reference

RATE = 100.0


def swinging(axes: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Rotation matrices that swing about changing axes by up to about a radian."""
    return Rotation.from_rotvec(np.sin(2 * np.pi * np.outer(t, [0.9, 1.3, 0.7]) + axes) * [0.8, 0.5, 0.9]).as_matrix()


def two_segments(arms: np.ndarray, heading: float = 0.0, seconds: float = 20.0) -> ImuRecording:
    """Two rigid segments about a joint that itself moves; sensors at `arms` from it, in their own axes."""
    t = np.arange(int(seconds * RATE)) / RATE
    joint = np.stack(
        [0.3 * np.sin(2 * np.pi * 0.8 * t), 0.1 * np.sin(2 * np.pi * 1.7 * t), 0.2 * np.cos(5 * t)], axis=1
    )
    ori = np.stack([swinging(np.zeros(3), t), swinging(np.array([1.0, 2.0, 0.5]), t)], axis=1)
    position = joint[:, None] - np.einsum("tsij,sj->tsi", ori, arms)
    acc = linear_acceleration(position, rate_hz=RATE)
    turned = Rotation.from_rotvec([0, heading, 0]).as_matrix()
    acc[:, 1], ori[:, 1] = acc[:, 1] @ turned.T, turned @ ori[:, 1]  # the second sensor's north is another
    return ImuRecording(
        acc=acc.astype(np.float32), gyr=None, ori=ori[1:-1].astype(np.float32), rate_hz=RATE,
        sensors=("upper", "lower"), frame="world", gravity="removed",
    )  # fmt: skip


# ---- rotation and gravity


def test_steady_turning_survives_the_round_trip_exactly():
    ori = Rotation.from_rotvec(np.outer(np.arange(300), [0.01, 0.02, -0.005])).as_matrix()
    found = reintegrated(ori, rate_hz=RATE)
    assert found.rate_rms_deg_s == pytest.approx(np.degrees(np.linalg.norm([1, 2, -0.5])))
    assert found.residual_rms_deg_s == pytest.approx(0, abs=1e-4)
    assert found.drift_deg == pytest.approx(0, abs=1e-4)


def test_a_swing_loses_more_at_fewer_frames():
    fine = swinging(np.zeros(3), np.arange(0, 20, 1 / RATE))
    at_100, at_25 = reintegrated(fine, rate_hz=RATE), reintegrated(fine[::4], rate_hz=RATE / 4)
    assert at_25.residual_rms_deg_s > 8 * at_100.residual_rms_deg_s  # second order: about 16 times


def test_repeated_frames_show_as_residual():
    fine = swinging(np.zeros(3), np.arange(0, 20, 1 / RATE))
    held = fine[np.arange(len(fine)) // 5 * 5]
    assert (
        reintegrated(held, rate_hz=RATE).residual_rms_deg_s > 50 * reintegrated(fine, rate_hz=RATE).residual_rms_deg_s
    )


def test_a_known_tilt_is_found():
    tilt = Rotation.from_rotvec([np.radians(3), 0, 0]).as_matrix()
    n, rng = 500, np.random.default_rng(0)
    acc = np.tile([0, STANDARD_GRAVITY, 0], (n, 1)) + rng.normal(0, 0.05, (n, 3))
    recording = ImuRecording(
        acc=acc[:, None], gyr=None, ori=np.tile(tilt, (n, 1, 1, 1)), rate_hz=RATE, sensors=("pelvis",),
        frame="sensor", gravity="included",
    )  # fmt: skip
    found = gravity_check(recording, 0)
    assert found.tilt_deg == pytest.approx(3, abs=0.1)
    assert found.mean_up_m_s2 == pytest.approx(STANDARD_GRAVITY * np.cos(np.radians(3)), abs=0.02)
    assert found.still_noise_m_s2 == pytest.approx(0.05, rel=0.2)
    assert found.still_tilt_noise_deg == pytest.approx(0, abs=1e-4)


# ---- joint


@pytest.mark.parametrize("heading", [0.0, 0.4])
def test_lever_arms_and_heading_of_two_rigid_segments_are_found(heading):
    arms = np.array([[0.05, -0.25, 0.02], [-0.03, 0.15, 0.01]])
    found = joint_fit(two_segments(arms, heading), "upper", "lower")
    assert found.explained > 0.99
    assert found.arms_m == pytest.approx(np.linalg.norm(arms, axis=1), abs=0.01)
    assert found.heading_deg == pytest.approx(-np.degrees(heading), abs=1)


def test_segments_that_share_no_joint_are_not_explained():
    one, other = two_segments(np.full((2, 3), 0.1)), np.random.default_rng(0).normal(0, 3, (1998, 3))
    acc = one.acc.copy()
    acc[:, 1] = other
    unrelated = ImuRecording(
        acc=acc, gyr=None, ori=one.ori, rate_hz=RATE, sensors=one.sensors, frame="world", gravity="removed"
    )
    assert joint_fit(unrelated, "upper", "lower").explained < 0.5


# ---- gait


@given(
    steps_hz=st.floats(1.35, 2.4), rate_hz=st.sampled_from([20.0, 30.0, 100.0]), limp=st.floats(0.1, 1.0),
    phase=st.floats(0, 6.28),
)  # fmt: skip
def test_a_known_step_frequency_is_found(steps_hz, rate_hz, limp, phase):
    t = np.arange(int(4 * rate_hz)) / rate_hz
    stride_hz = steps_hz / 2
    x = 9.8 + np.sin(2 * np.pi * steps_hz * t + phase) + limp * np.sin(2 * np.pi * stride_hz * t)
    found = step_frequency(x[None], rate_hz)[0]
    assert found == pytest.approx(steps_hz, rel=0.06)


def test_rest_and_noise_have_no_stride():
    assert np.isnan(stride(np.full(400, 9.8), RATE)[0])
    assert stride(np.random.default_rng(0).normal(size=400), RATE)[1] < 0.3


def test_only_walking_is_kept():
    t = np.arange(0, 30, 1 / RATE)
    walk = 9.8 + 2 * np.sin(2 * np.pi * 1.8 * t) + np.sin(2 * np.pi * 0.9 * t)
    trunk = np.where(t < 12, 9.8, walk)  # 12 s of standing
    windows = walking_windows(trunk, np.stack([trunk, t], axis=1), RATE)
    assert windows.shape[1:] == (400, 2)
    assert windows[:, 0, 1].min() >= 10  # no window of standing alone
    assert len(windows) >= 8


def test_white_noise_has_a_flat_spectrum_and_its_own_power():
    x = np.random.default_rng(0).normal(0, 2, (3000, 80))
    frequency, power = spectrum(x, 20.0)
    inside = (frequency > 0.5) & (frequency < 9.5)
    assert power[inside].mean() == pytest.approx(2**2 / 10, rel=0.03)  # variance over half the rate
    assert band_shares(frequency, power) == pytest.approx((2.5 / 9.5, 3 / 9.5, 4 / 9.5), abs=0.01)
    assert band_rms(frequency, power)[1] == pytest.approx(2 * np.sqrt(3 / 10), rel=0.03)


def test_ten_times_the_power_is_ten_db():
    frequency, power = spectrum(np.random.default_rng(0).normal(size=(50, 80)), 20.0)
    assert log_spectral_distance(frequency, 10 * power, power) == pytest.approx(10)
    assert log_spectral_distance(frequency, power, power) == 0


def test_smoothing_forgives_teeth_apart_but_not_power():
    frequency = np.arange(0, 10.1, 0.25)
    comb = np.where(np.arange(len(frequency)) % 5 == 0, 100.0, 1.0)
    moved = np.roll(comb, 2)
    assert (
        log_spectral_distance(frequency, comb, moved) < 1 < log_spectral_distance(frequency, comb, moved, smoothed_hz=0)
    )
    assert log_spectral_distance(frequency, 2 * comb, comb) == pytest.approx(10 * np.log10(2))


@given(hz=st.floats(1, 12), mocap_hz=st.sampled_from([30.0, 60.0, 120.0]))
def test_mocap_sees_a_sine_as_the_second_difference_does(hz, mocap_hz):
    t = np.arange(0, 10, 1 / RATE)
    acc = np.sin(2 * np.pi * hz * t)[:, None]
    at = np.arange(0, 10, 1 / mocap_hz)
    position = -np.sin(2 * np.pi * hz * at) / (2 * np.pi * hz) ** 2
    difference = linear_acceleration(position[:, None, None], rate_hz=mocap_hz)[:, 0, 0]
    gain = (difference @ np.sin(2 * np.pi * hz * at[1:-1])) / (np.sin(2 * np.pi * hz * at[1:-1]) ** 2).sum()
    seen = as_mocap_sees(acc, rate_hz=RATE, mocap_hz=mocap_hz)[200:800]
    assert np.abs(seen - gain * acc[200:800]).max() < 0.02


# ---- telling two samples apart


def test_equal_samples_are_not_told_apart_and_unequal_ones_are():
    rng = np.random.default_rng(0)
    x, groups = rng.normal(size=(100, 20, 1)), [str(i // 5) for i in range(100)]
    same = auc_between(x[:50], groups[:50], x[50:], groups[50:])
    other = auc_between(x[:50], groups[:50], 3 * x[50:], groups[50:])
    assert 0.25 < same < 0.75
    assert other > 0.98


def test_cadence_keeps_windows_with_their_people():
    t = np.arange(0, 12, 1 / RATE)

    def person(steps_hz: float) -> ImuRecording:
        up = 9.8 + np.sin(2 * np.pi * steps_hz * t) + 0.5 * np.sin(np.pi * steps_hz * t)
        acc = np.stack([np.zeros_like(t), up, np.zeros_like(t)], axis=1)[:, None]
        return ImuRecording(
            acc=acc, gyr=None, ori=None, rate_hz=RATE, sensors=("waist",), frame="sensor", gravity="included"
        )

    both = walking([("slow", person(1.4)), ("fast", person(1.9))], trunk="waist")
    assert set(both.group) == {"slow", "fast"}
    assert set(at_cadence(both, "waist", (1.7, 2.1)).group) == {"fast"}


def test_unfiltered_sampling_folds_power_into_virtual_walking(bandai_mini):
    made, left_out = bandai_walking(bandai_mini, "*")
    assert made
    assert not left_out
    settings = {"trunk": "waist", "rate_hz": 20.0}
    ideal = virtual_walking(made, UMAFALL_SENSORS, **settings)
    worn = virtual_walking(made, UMAFALL_SENSORS, devices="umafall", **settings)
    assert len(ideal.x) > 5
    highest = [band_rms(*spectrum(side.x[:, :, 1], 20.0))[2] for side in (ideal, worn)]
    assert highest[1] > 1.1 * highest[0]


# ---- the page


def test_missing_data_are_named_in_one_message(tmp_path, capsys):
    with pytest.raises(typer.Exit) as stopped:
        main(write=tmp_path / "realism.md", data=tmp_path, bandai=tmp_path, umafall=tmp_path)
    assert stopped.value.exit_code == 2
    assert "must be the folder of the recording opensense" in capsys.readouterr().err
    assert not (tmp_path / "realism.md").exists()


def test_the_page_is_what_its_numbers_say(repo):
    results = json.loads((repo / "docs" / "figures" / "realism.json").read_text())
    assert render_page(results) == (repo / "docs" / "realism.md").read_text(encoding="utf-8")


def same(found: object, kept: object) -> None:
    if isinstance(kept, dict):
        assert isinstance(found, dict)
        assert found.keys() == kept.keys()
        for key in kept:
            same(found[key], kept[key])
    elif isinstance(kept, float) or (isinstance(kept, list) and all(isinstance(v, float) for v in kept)):
        np.testing.assert_allclose(found, kept, rtol=0.02, atol=0.01)
    else:
        assert found == kept


def test_the_recordings_own_numbers_are_measured_again(vimu_data, repo):
    kept = json.loads((repo / "docs" / "figures" / "realism.json").read_text())
    found = rounded(reference_results(vimu_data))
    for part in found:
        same(found[part], kept[part])


def test_real_walking_is_measured_again(vimu_data, umafall, repo):
    kept = json.loads((repo / "docs" / "figures" / "realism.json").read_text())
    real = umafall_walking(umafall)
    assert (len(real.x), len(set(real.group)), len(real.left_out)) == (
        kept["umafall"]["waist"]["UMAFall"]["n_windows"], kept["umafall"]["waist"]["UMAFall"]["n_groups"],
        len(kept["left_out"]["UMAFall"]),
    )  # fmt: skip
    for position, sides in kept["umafall"].items():
        windows = real.x[:, :, real.sensors.index(position)]
        steps = np.nanquantile(step_frequency(windows, real.rate_hz), (0.25, 0.5, 0.75))
        np.testing.assert_allclose(steps, sides["UMAFall"]["steps_hz"], rtol=0.01)
    folder = vimu_data / "imu_fullbody_orientation" / "opensense_walk"
    walk = opensense_walking(read_reference(folder, load_reference("opensense")))
    assert len(walk.x) == kept["opensense"]["pelvis"]["OpenSense, 100 Hz"]["n_windows"]


def test_figures_are_small(repo):
    figures: list[Path] = sorted((repo / "docs" / "figures").glob("realism*"))
    assert [f.name for f in figures] == ["realism-opensense.png", "realism-umafall.png", "realism.json"]
    assert max(f.stat().st_size for f in figures) < 150_000
