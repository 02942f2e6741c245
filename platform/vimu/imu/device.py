"""A virtual recording as a real device would have made it.

    motion --mounted askew--> --low-pass--> --sampled--> --gain, bias, noise--> --range--> --whole steps--> reading
             misalignment      bandwidth    rate, jitter                        saturates  resolution

Sampling does not filter: what the device's own low-pass lets through above half its rate aliases, as it does in life.
"""

import hashlib
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.interpolate import make_interp_spline
from scipy.signal import butter, sosfilt, sosfilt_zi
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, ImuRecording
from vimu.imu.device_models import ChannelModel, DeviceModel, DeviceSet
from vimu.imu.frames import in_frame, of_sensors
from vimu.recordings.timeline import on_timeline, timeline_frames
from vimu.resampling import resampled_length

UNITS = {"acc": STANDARD_GRAVITY, "gyr": float(np.radians(1.0))}
"""SI a unit of the models: g, deg/s."""

FILTER_ORDER = 2
"""Of the low-pass, a causal Butterworth: 12 dB an octave, between the first-order filters of accelerometers and the
steeper ones of digital blocks."""


def device_rng(seed: int, *names: str) -> np.random.Generator:
    """Randomness that depends on `seed` and `names` (clip, sensor) only, not on order, worker or Python's hash."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:16], "little")])


def apply_device(recording: ImuRecording, device: DeviceModel, rng: np.random.Generator) -> ImuRecording:
    """What `device` would have given at every sensor of `recording`.

    Args:
        recording: with orientation, or already in the sensor frame with gravity.
        rng: draws mounting, gain, bias, instants and noise; each sensor its own.

    Returns:
        Sensor frame, gravity included, at the device's rate, float32; acceleration m/s^2, `gyr` rad/s, or None where
        device or recording have none. No orientation: a device measures none.

    Raises:
        ChannelMissingError: the change of frame needs an orientation that `recording` lacks.
    """
    sensed = in_frame(recording, frame="sensor", gravity="included")
    signals = {"acc": sensed.acc, "gyr": sensed.gyr if device.gyr is not None else None}
    models = {"acc": device.acc, "gyr": device.gyr}
    mounting = random_turns(len(sensed.sensors), device.misalignment_deg.value, rng)
    at_s = sampling_instants(recording.n_frames, recording.rate_hz, device, rng)
    readings: dict[str, Float[np.ndarray, "frames sensors 3"]] = {}
    for kind, signal in signals.items():
        model = models[kind]
        if signal is None or model is None:
            continue
        turned = np.einsum("sji,tsj->tsi", mounting, signal.astype(np.float64)) / UNITS[kind]
        sampled = _at(at_s, _low_pass(turned, model.bandwidth_hz.value, recording.rate_hz), recording.rate_hz)
        read = _read_out(sampled, model, device.rate_hz.value, rng)
        readings[kind] = (read * UNITS[kind]).astype(np.float32)
    return replace(
        sensed, acc=readings["acc"], gyr=readings.get("gyr"), ori=None, rate_hz=device.rate_hz.value
    )  # fmt: skip


def apply_devices(
    recording: ImuRecording, devices: DeviceSet, *, seed: int, clip_id: str, rate_hz: float
) -> ImuRecording:
    """Every sensor through the device that the set has there, all on one timeline, as the set's real trials are read.

    A sensor's readings depend on (seed, clip_id, sensor), not on which other sensors there are.

    Args:
        rate_hz: of the timeline; each device samples at its own.

    Returns:
        As `apply_device`, at `rate_hz`; a sensor without gyroscope has NaN in `gyr`.

    Raises:
        UserError: the set has no device at a sensor.
        ChannelMissingError: as `apply_device`.
    """
    devices.check(recording.sensors)
    read = []
    for sensor in recording.sensors:
        rng = device_rng(seed, clip_id, sensor)
        names, weights = zip(*devices.sensors[sensor].items(), strict=True)
        model = devices.models[rng.choice(names, p=np.array(weights) / sum(weights))]
        read.append(apply_device(of_sensors(recording, [sensor]), model, rng))
    end_s = _end_s(recording.n_frames, recording.rate_hz, devices, recording.sensors)
    acc = [_on(r.acc, r.rate_hz, rate_hz, end_s) for r in read]
    gyr = [None if r.gyr is None else _on(r.gyr, r.rate_hz, rate_hz, end_s) for r in read]
    absent = np.full_like(acc[0], np.nan)
    return replace(
        read[0],
        acc=np.concatenate(acc, axis=1),
        gyr=None if all(g is None for g in gyr) else np.concatenate([absent if g is None else g for g in gyr], axis=1),
        rate_hz=rate_hz,
        sensors=recording.sensors,
    )


def frames_through(
    n_frames: int, from_hz: float, devices: DeviceSet, sensors: tuple[str, ...], *, rate_hz: float
) -> int:
    """Frames that `apply_devices` gives for a recording of `n_frames` at `from_hz`."""
    return timeline_frames((0.0, _end_s(n_frames, from_hz, devices, sensors)), rate_hz)


def _end_s(n_frames: int, rate_hz: float, devices: DeviceSet, sensors: tuple[str, ...]) -> float:
    """The last moment that every device covers, whichever of its models a sensor draws."""
    rates = {devices.models[name].rate_hz.value for sensor in sensors for name in devices.sensors[sensor]}
    return min((resampled_length(n_frames, rate_hz, rate) - 1) / rate for rate in rates)


def random_turns(n: int, greatest_deg: float, rng: np.random.Generator) -> Float[np.ndarray, "n 3 3"]:
    """Rotations about axes of any direction, by angles uniform up to `greatest_deg`."""
    axis = rng.standard_normal((n, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.radians(greatest_deg) * rng.random((n, 1))
    return np.asarray(Rotation.from_rotvec(axis * angle).as_matrix())


def sampling_instants(
    n_frames: int, rate_hz: float, device: DeviceModel, rng: np.random.Generator
) -> Float[np.ndarray, " samples"]:
    """When the device samples a take of `n_frames` at `rate_hz`: s from its start, increasing, within the take."""
    period = 1 / device.rate_hz.value
    even = np.arange(resampled_length(n_frames, rate_hz, device.rate_hz.value)) * period
    jitter = rng.normal(0.0, device.clock_jitter_ms.value / 1000, len(even))
    instants = even + np.clip(jitter, -0.45 * period, 0.45 * period)  # never out of order
    return np.asarray(np.clip(instants, 0.0, (n_frames - 1) / rate_hz))


def _low_pass(
    x: Float[np.ndarray, "frames sensors 3"], bandwidth_hz: float, rate_hz: float
) -> Float[np.ndarray, "frames sensors 3"]:
    """The device's filter, settled on the first frame; nothing to do where the take holds nothing above it."""
    if bandwidth_hz >= rate_hz / 2:
        return x
    sos = butter(FILTER_ORDER, bandwidth_hz, fs=rate_hz, output="sos")
    settled = sosfilt_zi(sos)[:, :, None, None] * x[0]
    return np.asarray(sosfilt(sos, x, axis=0, zi=settled)[0])


def _at(
    instants: Float[np.ndarray, " samples"], x: Float[np.ndarray, "frames sensors 3"], rate_hz: float
) -> Float[np.ndarray, "samples sensors 3"]:
    """`x` between its frames, by a cubic spline."""
    if len(x) < 4:
        nearest = np.rint(instants * rate_hz).astype(int)
        return np.asarray(x[nearest])
    return np.asarray(make_interp_spline(np.arange(len(x)) / rate_hz, x, k=3)(instants))


def _read_out(
    x: Float[np.ndarray, "samples sensors 3"], model: ChannelModel, rate_hz: float, rng: np.random.Generator
) -> Float[np.ndarray, "samples sensors 3"]:
    """Gain, bias, noise, range and steps of one channel, in its unit."""
    gain = 1 + model.scale_std.value * rng.standard_normal(x.shape[1:])
    bias = model.bias_std.value * rng.standard_normal(x.shape[1:])
    errors = gain * x + bias + _noise(x.shape, model, rate_hz, rng)
    step = model.resolution.value
    greatest = np.floor(model.range.value / step + 1e-9)  # the last whole step within the range
    return np.asarray(np.clip(np.rint(errors / step), -greatest, greatest) * step)


def _noise(
    shape: tuple[int, ...], model: ChannelModel, rate_hz: float, rng: np.random.Generator
) -> Float[np.ndarray, "samples sensors 3"]:
    """Noise of the density, over the bandwidth. What lies above half the rate folds back: then all of it is white."""
    bandwidth_hz = model.bandwidth_hz.value
    white: Float[np.ndarray, "samples sensors 3"]
    if bandwidth_hz >= rate_hz / 2:
        white = rng.standard_normal(shape)
        return np.asarray(white * model.noise_density.value * np.sqrt(bandwidth_hz))
    run_in = int(np.ceil(2 * rate_hz / bandwidth_hz))  # until the filter has forgotten its start
    white = rng.standard_normal((shape[0] + run_in, *shape[1:])) * model.noise_density.value * np.sqrt(rate_hz / 2)
    sos = butter(FILTER_ORDER, bandwidth_hz, fs=rate_hz, output="sos")
    return np.asarray(sosfilt(sos, white, axis=0)[run_in:])


def _on(x: Float[np.ndarray, "samples 1 3"], from_hz: float, to_hz: float, end_s: float) -> Float[np.ndarray, "t 1 3"]:
    times = np.arange(len(x)) / from_hz
    even = on_timeline(times, x[:, 0].astype(np.float64), from_hz=from_hz, to_hz=to_hz, span=(0.0, end_s))
    return even[:, None].astype(np.float32)
