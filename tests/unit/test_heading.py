"""Heading: nobody's north is special."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from vimu.contracts import ImuRecording
from vimu.windows.features import features
from vimu.windows.heading import normalise_heading
from vimu.windows.settings import WindowSettings
from vimu.windows.windowing import windows_of

SENSORS = ("chest", "right_wrist")


def about_y(angle: float) -> np.ndarray:
    return Rotation.from_euler("Y", angle).as_matrix()


def recording(seed: int = 0, n: int = 150) -> ImuRecording:
    """Sensors that sway by up to 40 degrees about mountings of up to 60, in a world frame."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None, None] / 60
    sway = 0.7 * np.sin(2 * np.pi * t * rng.uniform(0.5, 1.5, (2, 3))) * rng.uniform(0.2, 0.6, (2, 3))
    mounted = Rotation.from_rotvec(rng.uniform(-0.6, 0.6, (2, 3))).as_matrix()
    ori = Rotation.from_rotvec(sway.reshape(-1, 3)).as_matrix().reshape(n, 2, 3, 3) @ mounted
    acc = rng.normal(size=(n, 2, 3))
    return ImuRecording(acc.astype(np.float32), None, ori.astype(np.float32), 60.0, SENSORS, "world", "removed")


def turned(r: ImuRecording, angles: tuple[float, float]) -> ImuRecording:
    """Each sensor's world turned about the vertical."""
    turn = np.stack([about_y(a) for a in angles])
    acc, ori = np.einsum("sij,tsj->tsi", turn, r.acc), np.einsum("sij,tsjk->tsik", turn, r.ori)
    return ImuRecording(acc.astype(np.float32), None, ori.astype(np.float32), 60.0, SENSORS, "world", "removed")


def windows(r: ImuRecording, heading: str) -> np.ndarray:
    return windows_of(r, WindowSettings(heading=heading), SENSORS)[0]


@given(seed=st.integers(0, 50), angle=st.floats(-np.pi, np.pi))
@settings(max_examples=30, deadline=None)
def test_turning_the_world_changes_no_window(seed, angle):
    r = recording(seed)
    for heading in ("shared", "per_sensor"):
        np.testing.assert_allclose(windows(turned(r, (angle, angle)), heading), windows(r, heading), atol=2e-5)
    if abs(angle) > 0.1:
        assert np.abs(windows(turned(r, (angle, angle)), "as_is") - windows(r, "as_is")).max() > 0.05


@given(seed=st.integers(0, 50), angles=st.tuples(st.floats(-np.pi, np.pi), st.floats(-np.pi, np.pi)))
@settings(max_examples=30, deadline=None)
def test_per_sensor_forgets_each_sensors_own_north(seed, angles):
    r = recording(seed)
    np.testing.assert_allclose(windows(turned(r, angles), "per_sensor"), windows(r, "per_sensor"), atol=2e-5)


def test_a_shared_turn_keeps_who_faces_where_relative_to_whom():
    r = recording()
    apart = turned(r, (0.0, np.pi / 2))
    for source in (r, apart):
        x = windows(source, "shared").reshape(4, 60, 2, 12)
        ori = x[..., 3:].reshape(4, 60, 2, 3, 3)
        relative = np.swapaxes(ori[:, :, 0], -1, -2) @ ori[:, :, 1]
        raw = source.ori[:60]
        np.testing.assert_allclose(relative[0], np.swapaxes(raw[:, 0], -1, -2) @ raw[:, 1], atol=1e-5)
    assert np.abs(windows(apart, "shared") - windows(r, "shared")).max() > 0.3


def test_the_known_answer():
    """Upright and facing 70 degrees off: what comes out faces +Z, and what accelerated forwards does so along +Z."""
    n, turn = 60, about_y(np.radians(70))
    ori = np.tile(turn, (n, 2, 1, 1)).astype(np.float32)
    acc = np.tile(turn @ [0.0, 0.0, 2.0], (n, 2, 1)).astype(np.float32)
    r = ImuRecording(acc, None, ori, 60.0, SENSORS, "world", "removed")
    x = windows(r, "per_sensor").reshape(n, 2, 12)
    np.testing.assert_allclose(x[..., :3], np.broadcast_to([0, 0, 2.0], (n, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(x[..., 3:], np.broadcast_to(np.eye(3).ravel(), (n, 2, 9)), atol=1e-5)


def test_each_window_has_a_turn_of_its_own_and_vertical_signals_stay():
    r = recording()
    facing = np.linspace(0, np.pi, 150)  # a person who walks a half circle
    turn = np.stack([about_y(a) for a in facing])
    walked = ImuRecording(
        np.einsum("tij,tsj->tsi", turn, r.acc).astype(np.float32), None,
        np.einsum("tij,tsjk->tsik", turn, r.ori).astype(np.float32), 60.0, SENSORS, "world", "removed",
    )  # fmt: skip
    x = windows(walked, "shared").reshape(4, 60, 2, 12)
    mean_facing = x[..., 3:].reshape(4, 60, 2, 3, 3)
    sine, cosine = mean_facing[..., 0, 2] - mean_facing[..., 2, 0], mean_facing[..., 0, 0] + mean_facing[..., 2, 2]
    np.testing.assert_allclose(np.arctan2(sine.sum((1, 2)), cosine.sum((1, 2))), 0.0, atol=1e-6)
    raw = features(walked, "world_acc_ori", sensors=SENSORS, rate_hz=60.0)[:60].reshape(60, 2, 12)
    np.testing.assert_allclose(x[0, ..., 1], raw[..., 1], atol=1e-6)  # vertical acceleration
    np.testing.assert_allclose(x[0, ..., 6:9], raw[..., 6:9], atol=1e-6)  # the vertical in sensor axes


def test_no_window_is_no_error():
    assert normalise_heading(np.empty((0, 60, 24), np.float32), 2, "shared").shape == (0, 60, 24)


@pytest.mark.parametrize(
    ("given_settings", "says"),
    [
        ({"feature_set": "sensor_acc", "heading": "shared"}, "`heading` must be `as_is` with `sensor_acc`"),
        ({"feature_set": "sensor_acc_gyr", "orientation": "vqf"}, "must be `recorded` with `sensor_acc_gyr`"),
        ({"orientation": "vqf"}, "must be `per_sensor` where `orientation` is `vqf`"),
        ({"orientation": "vqf", "heading": "shared"}, "must be `per_sensor` where `orientation` is `vqf`"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(given_settings, says):
    with pytest.raises(ValidationError, match=says):
        WindowSettings.model_validate(given_settings)
