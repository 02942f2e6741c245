"""Every figure of `docs/realism.md`, as plain values: `reference_results` and `walking_results`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vimu.contracts import ImuRecording
from vimu.evaluation.consistency import gravity_check, joint_fit, reintegrated
from vimu.evaluation.gait import (
    QUANTILES,
    SMOOTHED_HZ,
    Windows,
    as_mocap_sees,
    band_rms,
    band_shares,
    log_spectral_distance,
    spectrum,
    step_frequency,
)
from vimu.evaluation.two_sample import auc_between
from vimu.evaluation.walking import (
    LIMBS,
    MOCAP_HZ,
    OPENSENSE_SENSORS,
    UMAFALL_HZ,
    UMAFALL_SENSORS,
    Walking,
    at_cadence,
    bandai_walking,
    opensense_walking,
    umafall_walking,
    virtual_walking,
)
from vimu.imu.frames import in_frame
from vimu.recordings.reference import load_reference, read_reference

FOLDERS = {"opensense": "opensense_walk", "xsens_dot": "xsens_dot_5imu", "transpose": "transpose_6imu"}
"""Recording -> its folder below `imu_fullbody_orientation`."""
JOINTS = (
    ("pelvis", "left_thigh"), ("pelvis", "right_thigh"), ("left_thigh", "left_lower_leg"),
    ("right_thigh", "right_lower_leg"), ("left_lower_leg", "left_foot"), ("right_lower_leg", "right_foot"),
)  # fmt: skip
"""Pairs of sensors with one joint between them."""
MOCAP_RATES_HZ = (120.0, 60.0, 30.0)
PEAK_QUANTILES = (0.5, 0.9, 0.99, 1.0)
STYLES = {"normal": "normal", "all styles": "*"}
"""What is said -> glob of the style in Bandai's file names."""

WORN = "through the devices"
"""What a side is called whose virtual clips went through `configs/devices/umafall.yaml`."""
CADENCE_HZ = (1.7, 1.95)
"""Steps a second at the waist where both sides are compared again: Bandai's normal walk and UMAFall overlap there."""
N_HALVES = 8
"""Random halves of the real people that a forest tries to tell apart."""
SHOWN_HZ = 15.0
"""Spectra are kept up to here."""

Results = dict[str, Any]


def reference_results(data: Path) -> Results:
    """What the three recordings say of themselves, and what mocap's frame rate would take from OpenSense's walking."""
    folder = data / "imu_fullbody_orientation"
    recordings = {name: read_reference(folder / sub, load_reference(name)) for name, sub in FOLDERS.items()}
    return {
        "recordings": {name: _consistency(recording) for name, recording in recordings.items()},
        "mocap_rate": _cost_of_mocap_rate(recordings["opensense"]),
    }


def _consistency(recording: ImuRecording) -> Results:
    assert recording.ori is not None
    every = round(recording.rate_hz / MOCAP_HZ)
    sensors = {}
    for s, name in enumerate(recording.sensors):
        at_30 = reintegrated(recording.ori[::every, s], rate_hz=recording.rate_hz / every)
        sensors[name] = {
            **asdict(reintegrated(recording.ori[:, s], rate_hz=recording.rate_hz)),
            "drift_at_30_hz_deg": at_30.drift_deg,
            **asdict(gravity_check(recording, s)),
        }
    pairs = [pair for pair in JOINTS if set(pair) <= set(recording.sensors)]
    return {
        "rate_hz": recording.rate_hz,
        "duration_s": recording.duration_s,
        "notes": list(recording.notes),
        "sensors": sensors,
        "joints": {" to ".join(pair): asdict(joint_fit(recording, *pair)) for pair in pairs},
    }


def _cost_of_mocap_rate(recording: ImuRecording) -> Results:
    """Quantiles of |acc| without gravity while the pelvis moves: as measured, and as mocap at a rate would see it."""
    world = in_frame(recording, frame="world", gravity="removed")
    acc = world.acc.astype(np.float64)
    pelvis = np.linalg.norm(acc[:, world.sensors.index("pelvis")], axis=1)
    n = round(world.rate_hz)
    moving = np.convolve(pelvis, np.ones(n) / n, mode="same") > 1.0  # m/s^2, mean of a second
    result: Results = {"moving_s": float(moving.sum() / world.rate_hz)}
    for limb, names in LIMBS.items():
        of_limb = acc[:, [world.sensors.index(name) for name in names]]
        seen = {"measured": of_limb} | {
            f"{hz:g} fps": as_mocap_sees(of_limb, rate_hz=world.rate_hz, mocap_hz=hz) for hz in MOCAP_RATES_HZ
        }
        result[limb] = {
            key: np.quantile(np.linalg.norm(values, axis=2)[moving], PEAK_QUANTILES).tolist()
            for key, values in seen.items()
        }
    return result


def walking_results(data: Path, bandai: Path, umafall: Path) -> Results:
    """Virtual walking against real walking, at UMAFall's three positions and at OpenSense's."""
    real = umafall_walking(umafall)
    opensense = read_reference(data / "imu_fullbody_orientation" / FOLDERS["opensense"], load_reference("opensense"))
    wrist_waist_ankle: dict[str, Walking] = {"UMAFall": real}
    limbs: dict[str, Walking] = {
        "OpenSense, 100 Hz": opensense_walking(opensense),
        "OpenSense, as 30 fps see it": opensense_walking(opensense, mocap_hz=MOCAP_HZ),
    }
    left_out: dict[str, list[str]] = {"UMAFall": list(real.left_out)}
    for name, styles in STYLES.items():
        made, left_out[f"virtual, {name}"] = bandai_walking(bandai, styles)
        wrist_waist_ankle[f"virtual, {name}"] = virtual_walking(
            made, UMAFALL_SENSORS, trunk="waist", rate_hz=UMAFALL_HZ
        )
        wrist_waist_ankle[f"virtual, {name}, {WORN}"] = virtual_walking(
            made, UMAFALL_SENSORS, trunk="waist", rate_hz=UMAFALL_HZ, devices="umafall"
        )
        limbs[f"virtual, {name}"] = virtual_walking(made, OPENSENSE_SENSORS, trunk="pelvis", rate_hz=MOCAP_HZ)
    at_umafall = {sensor: (sensor,) for sensor in UMAFALL_SENSORS}
    return {
        "left_out": left_out,
        "umafall": _compared(wrist_waist_ankle, "UMAFall", at_umafall),
        "opensense": _compared(limbs, "OpenSense, 100 Hz", LIMBS),
        "same_cadence": _compared(
            {side: at_cadence(walk, "waist", CADENCE_HZ) for side, walk in wrist_waist_ankle.items()},
            "UMAFall",
            at_umafall,
        ),
        "between_people_db": {sensor: _between_people(real, sensor, SMOOTHED_HZ) for sensor in UMAFALL_SENSORS},
        "between_people_unsmoothed_db": {sensor: _between_people(real, sensor, 0) for sensor in UMAFALL_SENSORS},
        "auc": _told_apart(wrist_waist_ankle, "UMAFall"),
    }


def _of(walk: Walking, names: tuple[str, ...]) -> Windows:
    """Windows of the sensors, one after the other."""
    return np.concatenate([walk.x[:, :, walk.sensors.index(name)] for name in names])


def _compared(sides: Mapping[str, Walking], real: str, positions: Mapping[str, tuple[str, ...]]) -> Results:
    result: Results = {}
    for position, names in positions.items():
        truth = spectrum(_of(sides[real], names), sides[real].rate_hz)
        result[position] = {}
        for side, walk in sides.items():
            windows = _of(walk, names)
            frequency, power = spectrum(windows, walk.rate_hz)
            upto, shown = int((frequency <= UMAFALL_HZ / 2).sum()), int((frequency <= SHOWN_HZ).sum())
            steps = step_frequency(windows, walk.rate_hz)
            result[position][side] = {
                "n_windows": len(walk.x),
                "n_groups": len(set(walk.group)),
                "steps_hz": np.nanquantile(steps, (0.25, 0.5, 0.75)).tolist(),
                "quantiles_m_s2": np.quantile(windows, QUANTILES).tolist(),
                "rms_m_s2": float(np.sqrt(windows.var(axis=1).mean())),
                "bands": list(band_shares(frequency, power)),
                "band_rms_m_s2": list(band_rms(frequency, power)),
                "distance_db": log_spectral_distance(frequency[:upto], power[:upto], truth[1][:upto]),
                "distance_unsmoothed_db": log_spectral_distance(
                    frequency[:upto], power[:upto], truth[1][:upto], smoothed_hz=0
                ),
                "frequency_hz": frequency[:shown].tolist(),
                "power": power[:shown].tolist(),
            }
    return result


def _between_people(walk: Walking, sensor: str, smoothed_hz: float) -> float:
    """Median over people of the distance of one's spectrum from the mean spectrum of all others, dB."""
    windows, group = _of(walk, (sensor,)), np.array(walk.group)
    distances = []
    for person in sorted(set(walk.group)):
        frequency, own = spectrum(windows[group == person], walk.rate_hz)
        others = spectrum(windows[group != person], walk.rate_hz)[1]
        distances.append(log_spectral_distance(frequency, own, others, smoothed_hz=smoothed_hz))
    return float(np.median(distances))


def _told_apart(sides: Mapping[str, Walking], real: str) -> Results:
    """AUC by position and by all positions together; `people`: one random half of the real people from the other."""
    walk = sides[real]
    result: Results = {}
    for position in (*walk.sensors, "all three"):
        channels = walk.sensors if position == "all three" else (position,)
        x = walk.x[:, :, [walk.sensors.index(name) for name in channels]]
        halves = [_between_halves(x, walk.group, seed) for seed in range(N_HALVES)]
        result[position] = {"people": float(np.mean(halves)), "people_range": [min(halves), max(halves)]} | {
            side: auc_between(x, walk.group, other.x[:, :, [other.sensors.index(c) for c in channels]], other.group)
            for side, other in sides.items()
            if side != real
        }
    return result


def _between_halves(x: Float[np.ndarray, "windows length channels"], group: tuple[str, ...], seed: int) -> float:
    people = np.random.default_rng(seed).permutation(sorted(set(group)))
    half = np.isin(group, people[: len(people) // 2])
    names = np.array(group)
    return auc_between(x[half], names[half].tolist(), x[~half], names[~half].tolist(), seed=seed)
