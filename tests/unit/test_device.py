"""Device models by physics: steps, saturation, filter, mounting, noise, clock; and determinism."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, ImuRecording
from vimu.imu.device import apply_device, apply_devices, device_rng, frames_through, random_turns, sampling_instants
from vimu.imu.device_models import ChannelModel, DeviceModel, DeviceSet, load_devices
from vimu.imu.frames import ChannelMissingError
from vimu.runtime.errors import UserError


def number(value: float) -> dict[str, object]:
    return {"value": value, "evidence": "made up"}


def channel(**changed: float) -> ChannelModel:
    """A channel without faults, but for those asked for."""
    ideal = {
        "bandwidth_hz": 1e4, "range": 1e6, "resolution": 1e-9, "noise_density": 0, "bias_std": 0, "scale_std": 0,
    }  # fmt: skip
    return ChannelModel.model_validate({k: number(v) for k, v in (ideal | changed).items()})


def device(
    rate_hz: float = 60.0, misalignment_deg: float = 0, clock_jitter_ms: float = 0, gyroscope: bool = True, **acc: float
) -> DeviceModel:
    return DeviceModel(
        rate_hz=number(rate_hz), clock_jitter_ms=number(clock_jitter_ms), misalignment_deg=number(misalignment_deg),
        acc=channel(**acc), gyr=channel() if gyroscope else None,
    )  # fmt: skip


def resting(n: int = 120, sensors: tuple[str, ...] = ("waist",), rate_hz: float = 60.0) -> ImuRecording:
    """Lying about in any orientation; still."""
    ori = Rotation.random(len(sensors), rng=np.random.default_rng(5)).as_matrix()
    zero = np.zeros((n, len(sensors), 3), np.float32)
    return ImuRecording(zero, zero, np.repeat(ori[None], n, axis=0), rate_hz, sensors, "world", "removed")


def shaken(hz: float, amplitude: float = 1.0, rate_hz: float = 240.0, seconds: float = 8.0) -> ImuRecording:
    """x swings, m/s^2; sensor frame."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    acc = np.zeros((len(t), 1, 3), np.float32)
    acc[:, 0, 0] = amplitude * np.sin(2 * np.pi * hz * t)
    return ImuRecording(acc, np.zeros_like(acc), None, rate_hz, ("waist",), "sensor", "included")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_an_ideal_device_at_the_same_rate_reads_what_the_sensor_frame_holds():
    read = apply_device(resting(), device(), rng())
    assert (read.frame, read.gravity, read.ori, read.rate_hz) == ("sensor", "included", None, 60.0)
    up = np.einsum("sji,j->si", resting().ori[0], [0, STANDARD_GRAVITY, 0])
    np.testing.assert_allclose(read.acc, np.repeat(up[None], 120, axis=0), atol=1e-5)


def test_readings_are_whole_steps_and_off_by_half_a_step_at_most():
    true, step = shaken(1.0, 5.0), 0.05
    read = apply_device(true, device(rate_hz=240, resolution=step), rng())
    steps = read.acc / STANDARD_GRAVITY / step
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    error = np.abs(read.acc - true.acc)[..., 0] / STANDARD_GRAVITY
    assert 0.4 * step < error.max() <= 0.5 * step + 1e-6


@pytest.mark.parametrize(("range_g", "step", "greatest"), [(2.0, 0.25, 2.0), (2.0, 0.3, 1.8)])
def test_readings_saturate_at_the_last_whole_step_within_the_range(range_g, step, greatest):
    read = apply_device(shaken(1.0, 50.0), device(rate_hz=240, range=range_g, resolution=step), rng())
    assert read.acc.max() == pytest.approx(greatest * STANDARD_GRAVITY)
    assert read.acc.min() == pytest.approx(-greatest * STANDARD_GRAVITY)
    assert (read.acc == read.acc.max()).sum() > 200  # it stays there


@pytest.mark.parametrize(("hz", "power"), [(1.0, 1.0), (10.0, 0.5), (20.0, 1 / 17)])
def test_the_low_pass_lets_half_the_power_through_at_its_bandwidth_and_falls_by_12_db_an_octave(hz, power):
    read = apply_device(shaken(hz), device(rate_hz=240, bandwidth_hz=10), rng()).acc[480:, 0, 0]
    assert 2 * np.mean(read**2) == pytest.approx(power, rel=0.07)


def test_motion_above_half_the_rate_aliases_where_the_filter_lets_it_through():
    """13 Hz sampled at 20 Hz reads as 7 Hz."""
    for bandwidth_hz, wanted in ((1e4, 1.0), (3.0, 0.06)):
        read = apply_device(shaken(13.0), device(rate_hz=20, bandwidth_hz=bandwidth_hz), rng()).acc[20:120, 0, 0]
        spectrum = 2 * np.abs(np.fft.rfft(read)) / len(read)
        assert np.argmax(spectrum) == 35  # 7 Hz in 5 s
        assert spectrum[35] == pytest.approx(wanted, rel=0.2)


def test_a_filter_does_not_ring_on_gravity_at_the_start():
    read = apply_device(resting(), device(bandwidth_hz=5), rng()).acc
    np.testing.assert_allclose(read, np.repeat(read[:1], len(read), axis=0), atol=1e-5)


def test_mounting_turns_are_uniform_up_to_the_greatest_and_of_no_special_axis():
    turns = Rotation.from_matrix(random_turns(20_000, 20.0, rng())).as_rotvec(degrees=True)
    angle = np.linalg.norm(turns, axis=1)
    assert angle.max() <= 20.0
    np.testing.assert_allclose(np.percentile(angle, [10, 50, 90]), [2, 10, 18], atol=0.3)
    np.testing.assert_allclose((turns / angle[:, None]).mean(axis=0), 0, atol=0.02)


def test_a_sensor_mounted_askew_reads_one_turn_in_both_channels_all_the_time():
    true = replace(shaken(1.0), gyr=shaken(1.0).acc)
    read = apply_device(true, device(rate_hz=240, misalignment_deg=20), np.random.default_rng(3))
    np.testing.assert_allclose(read.acc, read.gyr, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(read.acc, axis=-1), np.linalg.norm(true.acc, axis=-1), atol=1e-5)
    swing = read.acc[60, 0] / np.linalg.norm(read.acc[60, 0])
    assert 1 < np.degrees(np.arccos(swing[0])) < 20


@pytest.mark.parametrize("bandwidth_hz", [218.0, 8.0])
def test_noise_has_its_density_and_folds_back_where_the_bandwidth_is_beyond_half_the_rate(bandwidth_hz):
    density = 0.002
    read = apply_device(resting(60 * 600), device(rate_hz=60, bandwidth_hz=bandwidth_hz, noise_density=density), rng())
    std = (read.acc.std(axis=0) / STANDARD_GRAVITY).mean()
    enbw = bandwidth_hz if bandwidth_hz > 30 else 1.11 * bandwidth_hz  # noise bandwidth of a second-order Butterworth
    assert std == pytest.approx(density * np.sqrt(enbw), rel=0.03)
    neighbours = np.corrcoef(read.acc[:-1, 0, 0], read.acc[1:, 0, 0])[0, 1]
    assert neighbours == pytest.approx(0.0 if bandwidth_hz > 30 else 0.8, abs=0.1)


def test_noise_is_as_loud_in_the_first_readings_as_in_later_ones():
    """The filter has forgotten its start by then."""
    model = device(rate_hz=60, bandwidth_hz=3.0, noise_density=0.002)
    takes = np.stack([apply_device(resting(60), model, np.random.default_rng(k)).acc[:, 0] for k in range(400)])
    first, later = (part.std(axis=0).mean() for part in (takes[:, :3], takes[:, 30:]))
    assert first == pytest.approx(later, rel=0.1)


def test_bias_and_gain_are_constant_in_a_take_and_spread_over_takes():
    many = [apply_device(resting(4), device(bias_std=0.03, scale_std=0.02), device_rng(0, str(i))) for i in range(2000)]
    for read in many[:10]:
        assert np.ptp(read.acc, axis=0).max() < 1e-5
    true = apply_device(resting(4), device(), rng()).acc[0, 0] / STANDARD_GRAVITY
    error = np.stack([read.acc[0, 0] / STANDARD_GRAVITY for read in many]) - true
    np.testing.assert_allclose(error.mean(axis=0), 0, atol=0.003)
    np.testing.assert_allclose(error.std(axis=0), np.hypot(0.03, 0.02 * true), rtol=0.06)


def test_sensors_read_together_have_a_bias_and_a_gain_each():
    two = resting(4, sensors=("waist", "left_wrist"))
    for faults in ({"bias_std": 0.03}, {"scale_std": 0.02}):
        error = apply_device(two, device(**faults), rng()).acc[0] - apply_device(two, device(), rng()).acc[0]
        assert len(np.unique(error.round(5))) == 6, "an axis of a sensor errs as another one does"


def test_jitter_shifts_instants_and_never_their_order():
    worn = device(rate_hz=20, clock_jitter_ms=2.0)
    instants = sampling_instants(6000, 60.0, worn, rng())
    assert len(instants) == 2000
    assert (instants - np.arange(2000) / 20)[1:-1].std() == pytest.approx(0.002, rel=0.1)
    wild = sampling_instants(6000, 60.0, device(rate_hz=20, clock_jitter_ms=500), rng())
    assert (np.diff(wild) > 0).all()
    assert wild[0] >= 0
    assert wild[-1] <= 5999 / 60


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 300), from_hz=st.sampled_from([30.0, 60.0, 100.0, 119.88]), seed=st.integers(0, 9))
def test_the_plans_count_of_frames_is_what_the_devices_give(n, from_hz, seed):
    devices, sensors = load_devices("umafall"), ("right_pocket", "chest")
    true = resting(n, sensors, from_hz)
    wanted = frames_through(n, from_hz, devices, sensors, rate_hz=20.0)
    if (n - 1) / from_hz < 0.2:
        return  # a handful of samples: too short for the spline that real trials go through, and for any window
    read = apply_devices(true, devices, seed=seed, clip_id=str(n), rate_hz=20.0)
    assert read.n_frames == wanted
    assert read.rate_hz == 20.0


def test_a_sensors_readings_depend_on_seed_clip_and_sensor_and_on_nothing_else():
    devices = load_devices("umafall")
    both = resting(600, ("right_pocket", "chest"))
    chest = replace(both, acc=both.acc[:, 1:], gyr=both.gyr[:, 1:], ori=both.ori[:, 1:], sensors=("chest",))

    def read(recording, seed=1, clip_id="a"):
        return apply_devices(recording, devices, seed=seed, clip_id=clip_id, rate_hz=20.0)

    first = read(both)
    np.testing.assert_array_equal(first.acc, read(both).acc)
    np.testing.assert_array_equal(first.acc[:, 1:], read(chest).acc)
    for other in (read(both, seed=2), read(both, clip_id="b")):
        assert np.abs(first.acc - other.acc).max() > 0.01
    assert np.isnan(first.gyr[:, 0]).all()  # the phone has no gyroscope
    assert np.isfinite(first.gyr[:, 1]).all()


def test_both_phones_are_worn_as_often_as_in_the_set():
    """Hard knocks saturate the one phone at 2 g, the other at 4 g."""
    devices, knocked = load_devices("umafall"), replace(shaken(1.0, 100.0), sensors=("right_pocket",))
    greatest = [
        np.abs(apply_devices(knocked, devices, seed=0, clip_id=str(i), rate_hz=198.1).acc).max() / STANDARD_GRAVITY
        for i in range(150)
    ]
    coarse = np.array(greatest) < 3.0
    assert coarse.mean() == pytest.approx(116 / 371, abs=0.1)
    assert np.median(np.array(greatest)[~coarse]) == pytest.approx(4.044, rel=0.1)


def test_a_recording_without_orientation_must_be_in_the_sensor_frame():
    with pytest.raises(ChannelMissingError, match="ori"):
        apply_device(replace(resting(), ori=None), device(), rng())


def test_a_set_says_where_it_has_devices():
    with pytest.raises(UserError, match="must have a device at head, but has them at"):
        apply_devices(resting(sensors=("head",)), load_devices("umafall"), seed=0, clip_id="a", rate_hz=20)


@pytest.mark.parametrize("name", ["umafall", "hapt"])
def test_shipped_sets_name_real_placements_and_give_evidence(name, repo):
    devices = load_devices(name)
    placements = (repo / "configs" / "placements.yaml").read_text(encoding="utf-8")
    assert all(f"\n{sensor}:" in f"\n{placements}" for sensor in devices.sensors)
    for model in devices.models.values():
        assert model.acc.resolution.value < model.acc.range.value / 100


def test_a_set_with_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="must name `models`"):
        DeviceSet(name="x", evidence="x", models={"a": device()}, sensors={"waist": {"b": 1}})
    with pytest.raises(ValueError, match="greater than 0"):
        channel(range=0)
