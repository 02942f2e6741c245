"""Orientation by VQF: known answers, virtual truth, and Xsens's own orientation of a real walk."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import vimu
from vimu.contracts import STANDARD_GRAVITY, ImuRecording, Rejection
from vimu.imu.frames import ChannelMissingError, in_frame
from vimu.imu.kinematics import angular_velocity
from vimu.imu.orientation import filtered, inclination_error, with_orientation
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials, read_trial

UP = np.array([0.0, 1.0, 0.0])


def rms_deg(error: np.ndarray) -> np.ndarray:
    return np.degrees(np.sqrt((error**2).mean(axis=0)))


@given(seed=st.integers(0, 1000), rate_hz=st.sampled_from([20.0, 50.0, 200.0]))
@settings(max_examples=25, deadline=None)
def test_a_still_sensor_knows_which_way_is_up(seed, rate_hz):
    truth = Rotation.random(rng=seed).as_matrix()
    n = int(3 * rate_hz)
    acc = np.tile(truth.T @ UP * STANDARD_GRAVITY, (n, 1))
    ori = filtered(np.zeros((n, 3)), acc, rate_hz=rate_hz)
    assert np.degrees(inclination_error(ori, truth)).max() < 0.1
    np.testing.assert_allclose(np.linalg.det(ori), 1.0, atol=1e-9)  # our world is right-handed


def test_a_turn_about_the_vertical_is_a_turn_about_y():
    """90 degrees to the left in 3 s, by a sensor whose own x axis is up (as HAPT's phone)."""
    n, rate_hz = 300, 100.0
    acc, gyr = np.tile([STANDARD_GRAVITY, 0, 0], (n, 1)), np.tile([np.pi / 2 / 3, 0, 0], (n, 1))
    gyr[:100] = gyr[-100:] = 0
    gyr[100:200] *= 3
    ori = filtered(gyr, acc, rate_hz=rate_hz)
    turned = Rotation.from_matrix(ori[-1] @ ori[0].T).as_rotvec()
    np.testing.assert_allclose(np.degrees(turned), [0, 90, 0], atol=1.0)


def test_a_sensor_without_gyroscope_stays_without_orientation():
    rng = np.random.default_rng(0)
    acc = (rng.normal(size=(100, 2, 3)) + UP * STANDARD_GRAVITY).astype(np.float32)
    gyr = rng.normal(size=(100, 2, 3)).astype(np.float32)
    gyr[:, 1] = np.nan
    recording = ImuRecording(acc, gyr, None, 50.0, ("waist", "right_pocket"), "sensor", "included")
    oriented = with_orientation(recording)
    assert np.isfinite(oriented.ori[:, 0]).all() and np.isnan(oriented.ori[:, 1]).all()
    assert oriented.acc is recording.acc and oriented.notes == ("orientation: by VQF, heading unknown",)
    assert with_orientation(oriented) is oriented  # one of its own stays
    for faulty, says in (
        (replace(recording, gyr=None), "needs `gyr`, which is missing at waist, right_pocket"),
        (replace(recording, frame="world"), "it is in the world frame"),
        (replace(recording, gravity="removed"), "with gravity removed"),
    ):
        with pytest.raises(ChannelMissingError, match=says):
            with_orientation(faulty)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_a_few_frames_or_none_are_no_error(n):
    ori = filtered(np.zeros((n, 3)), np.tile([0, 9.8, 0], (n, 1)), rate_hz=50.0)
    assert ori.shape == (n, 3, 3) and np.isfinite(ori).all()


BOUNDS_DEG = {"chest": 0.5, "waist": 0.5, "right_ankle": 0.5, "right_pocket": 0.5, "right_wrist": 4.0}
"""Root mean square inclination error at 60 Hz, for a median clip."""


def test_virtual_sensors_give_their_inclination_back(bandai_mini):
    """Acceleration and gyroscope of real motions through the filter, against the orientation they were made from."""
    errors = []
    for file in sorted(bandai_mini.rglob("dataset-2_*.bvh"))[::2]:
        truth = vimu.synthesize(str(file), archive="bandai", placements=list(BOUNDS_DEG), rate_hz=60)
        bare = replace(in_frame(truth, frame="sensor", gravity="included"), ori=None)
        errors.append(rms_deg(inclination_error(with_orientation(bare).ori, truth.ori)))
    assert len(errors) > 10
    for name, error in zip(BOUNDS_DEG, np.median(errors, axis=0), strict=True):
        assert error < BOUNDS_DEG[name], name


def opensense(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Acceleration (frames, 3) in the sensor's axes and orientation, sensor to a +Z-up earth, at 100 Hz."""
    table = np.genfromtxt(file, skip_header=6, delimiter="\t")
    assert (np.diff(table[:, 0]) == 1).all()  # no packet is missing
    return table[:, 14:17], table[:, 17:26].reshape(-1, 3, 3).transpose(0, 2, 1)


def test_a_real_walk_is_inclined_as_xsens_says(vimu_data):
    """The export has no gyroscope: it is taken from the orientation itself. So this holds the filter's use of the real
    accelerometer, over 24 s of walking, to Xsens's, which had the magnetometer too."""
    files = sorted((vimu_data / "imu_fullbody_orientation" / "opensense_walk").glob("MT_*.txt"))
    assert len(files) == 8
    for file in files:
        acc, to_earth = opensense(file)
        to_world = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]) @ to_earth
        gyr = angular_velocity(to_world[:, None], rate_hz=100.0)[:, 0]
        error = inclination_error(filtered(gyr, acc[1:-1], rate_hz=100.0), to_world[1:-1])
        assert rms_deg(error) < 1.5, file.name  # 0.85 to 1.17 degrees
        assert np.degrees(error).max() < 5, file.name


@pytest.mark.parametrize(
    ("name", "sensors", "rate_hz"), [("hapt", ["waist"], 50.0), ("umafall", ["chest", "waist", "right_ankle"], 20.0)]
)
def test_real_trials_get_an_orientation_that_takes_gravity_out(request, name, sensors, rate_hz):
    """Over a trial of walking a body gains no speed: what is left of the mean is the accelerometer's bias and gain."""
    config = load_recordings(name)
    trials = [t for t in list_trials(request.getfixturevalue(name), config)[0] if t.activity == "walking"]
    left = []
    for trial in trials[:: len(trials) // 5]:
        with contextlib.suppress(Rejection):  # some of UMAFall's have gaps
            recording = with_orientation(read_trial(trial, config, sensors=sensors, rate_hz=rate_hz))
            left.append(in_frame(recording, frame="world", gravity="removed").acc.mean(axis=0))
    assert len(left) >= 3
    horizontal = np.linalg.norm(np.array(left)[..., [0, 2]], axis=-1)
    assert np.median(horizontal) < 0.25 and np.abs(np.median(np.array(left)[..., 1])) < 0.7
