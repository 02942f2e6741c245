"""Channels that no mounting changes, gyroscopes of some sensors only, and the variation of windows that hold both."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from vimu.contracts import ImuRecording
from vimu.models.draws import Draws, window_keys
from vimu.models.penalty_cnn import PenaltyCnn
from vimu.models.settings import CnnSettings
from vimu.recordings.config import load_recordings
from vimu.runtime.errors import UserError
from vimu.stages import prepare
from vimu.training.augment import at_pace, augment, layout_of
from vimu.training.settings import AugmentSettings
from vimu.windows.features import channel_names, features
from vimu.windows.invariants import invariant_names, invariants
from vimu.windows.schema import window_schema
from vimu.windows.settings import WindowSettings
from vimu.windows.windowing import windows_of

SENSORS = ("right_pocket", "chest")
SOME = WindowSettings(
    rate_hz=20, length_frames=20, hop_frames=10, feature_set="sensor_acc_gyr", sensors=SENSORS, gyroscopes=("chest",),
    invariants=True,
)  # fmt: skip
NAMES = channel_names("sensor_acc_gyr", SENSORS, ("chest",))


def recording() -> ImuRecording:
    """A phone without gyroscope and a mote with one."""
    rng = np.random.default_rng(0)
    acc, gyr = rng.normal(0, 2, (2, 40, 2, 3)).astype(np.float32)
    acc[..., 1] += 9.8
    gyr[:, 0] = np.nan
    return ImuRecording(acc, gyr, None, 20.0, SENSORS, "sensor", "included")


def draws(n: int) -> Draws:
    return Draws.of_epoch(torch.from_numpy(window_keys(f"w{i}" for i in range(n))), seed=0, epoch=0)


def test_a_gyroscope_is_taken_where_it_is_named_only():
    r = recording()
    assert tuple(f"{v}.{a}" for v in ("right_pocket.acc", "chest.acc", "chest.gyr") for a in "xyz") == NAMES
    frames = features(r, "sensor_acc_gyr", sensors=SENSORS, rate_hz=20.0, gyroscopes=("chest",))
    np.testing.assert_array_equal(frames, np.concatenate([r.acc[:, 0], r.acc[:, 1], r.gyr[:, 1]], axis=1))
    umafall = load_recordings("umafall")
    prepare._check_gyroscopes(SOME, umafall, SENSORS)
    everyone = SOME.model_copy(update={"gyroscopes": None})
    with pytest.raises(UserError, match=r"right_pocket has none; take chest, or name in `windows.gyroscopes`"):
        prepare._check_gyroscopes(everyone, umafall, SENSORS)
    with pytest.raises(UserError, match=r"among the sensors \(right_pocket\), unlike chest"):
        prepare._check_gyroscopes(SOME, umafall, ("right_pocket",))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"feature_set": "sensor_acc"}, "`gyroscopes` must be left out with `sensor_acc`"),
        ({"gyroscopes": ["head"]}, "`gyroscopes` must be among `sensors`"),
        ({"feature_set": "world_acc_ori", "gyroscopes": None}, "`invariants` must be false with `world_acc_ori`"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given, says):
    with pytest.raises(ValidationError, match=says):
        WindowSettings.model_validate(SOME.model_dump() | given)


def test_invariants_of_a_sensor_at_rest_and_of_one_that_is_shaken_sideways():
    x = np.zeros((1, 4, 6))
    x[..., 2] = 9.8  # lying on its back; then shaken along x
    x[0, :, 0] = [3, -3, 3, -3]
    x[..., 3:] = [0, 4, 3]
    names = channel_names("sensor_acc_gyr", ["chest"])
    assert invariant_names(names) == tuple(f"chest.{s}.{p}" for s in ("acc", "gyr") for p in ("up", "across", "size"))
    np.testing.assert_allclose(invariants(x, names)[0, 0], [9.8, 3, np.hypot(9.8, 3), 3, 4, 5], rtol=1e-6)
    assert (invariants(np.zeros((2, 4, 6)), names) == 0).all()


@given(seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_no_turn_of_a_sensor_changes_them(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 3, (3, 10, 9))
    pocket, chest = Rotation.random(2, rng=rng).as_matrix()
    turned = np.concatenate([x[..., :3] @ pocket, x[..., 3:6] @ chest, x[..., 6:] @ chest], axis=2)
    np.testing.assert_allclose(invariants(turned, NAMES), invariants(x, NAMES), atol=1e-5)


def test_windows_hold_them_after_the_vectors_under_the_names_that_the_table_has():
    x, _ = windows_of(recording(), SOME, SENSORS)
    channels = window_schema(SOME, SENSORS).metadata[b"channels"].decode().split(",")
    assert x.shape == (3, 20, 18) and x.dtype == np.float32
    assert tuple(channels) == NAMES + invariant_names(NAMES)
    size = np.linalg.norm(x[..., [channels.index(f"chest.gyr.{a}") for a in "xyz"]], axis=2)
    np.testing.assert_allclose(x[..., channels.index("chest.gyr.size")], size, rtol=1e-5)


def test_variation_turns_a_sensors_vectors_together_and_gains_reach_their_invariants():
    x, _ = windows_of(recording(), SOME, SENSORS)
    layout = layout_of(NAMES + invariant_names(NAMES))
    given, std = torch.from_numpy(x), torch.ones(18)
    turned = augment(given, layout, AugmentSettings(misalignment_deg=60, scale=0), draws(3), std=std)
    torch.testing.assert_close(turned[..., 9:], given[..., 9:])
    assert not torch.allclose(turned[..., :9], given[..., :9], atol=0.1)
    np.testing.assert_allclose(invariants(turned.numpy(), NAMES), x[..., 9:], atol=1e-4)
    louder = augment(given, layout, AugmentSettings(misalignment_deg=0, scale=0.5), draws(3), std=std)
    np.testing.assert_allclose(invariants(louder.numpy(), NAMES), louder[..., 9:].numpy(), atol=1e-4)
    assert not torch.allclose(louder[..., 9:], given[..., 9:], atol=0.1)


def test_another_pace_is_the_same_motion_faster_or_slower():
    t = torch.arange(41.0)
    x = torch.stack([t, (t / 3).sin()], dim=1)[None]
    torch.testing.assert_close(at_pace(x, torch.ones(1), torch.full((1,), 0.3)), x)
    slow = at_pace(x, torch.full((1,), 0.5), torch.zeros(1))[0]
    torch.testing.assert_close(slow[:, 0], t / 2)
    torch.testing.assert_close(slow[:, 1], (t / 6).sin(), atol=0.02, rtol=0)
    fast = at_pace(x, torch.full((1,), 1.5), torch.full((1,), 0.5))[0, :, 0]
    torch.testing.assert_close(fast[20], t[20])
    mirrored = [10.0, 8.5, 7.0, 5.5, 4.0, 2.5, 1.0, 0.5]  # what would lie before the start
    torch.testing.assert_close(fast[:8], torch.tensor(mirrored))


def test_statistics_tell_the_network_how_strong_a_motion_is():
    """Normalisation by window takes that from the convolutions."""
    torch.manual_seed(0)
    plain, seeing = (PenaltyCnn(2, 3, CnnSettings(widths=(8,), statistics=s)) for s in (False, True))
    assert seeing.classifier[0].in_features == plain.classifier[0].in_features + 10
    x = torch.randn(4, 30, 2)
    with torch.no_grad():
        seeing.classifier[0].weight[:, :16] = 0  # of the latent
        assert (seeing(x) - seeing(3 * x)).abs().max() > 0.1
        torch.testing.assert_close(seeing(x), seeing(x.flip(1)))


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_short_windows_are_varied_to_numbers(n_frames):
    x = torch.arange(4.0 * n_frames * 3).view(4, n_frames, 3)
    paced = at_pace(x, torch.tensor([0.8, 1.2, 1.0, 1.9]), torch.tensor([0.0, 0.3, 1.0, 0.5]))
    assert torch.isfinite(paced).all()
    if n_frames == 1:
        torch.testing.assert_close(paced, x)
