"""The same movement real and virtual: walking of UMAFall, OpenSense and Bandai as windows of |acc|, m/s^2."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.archives.config import load_archive
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import ImuRecording, Rejection
from vimu.evaluation.gait import as_mocap_sees, step_frequency, walking_windows
from vimu.imu.device import apply_devices
from vimu.imu.device_models import load_devices
from vimu.imu.frames import UP, in_frame, of_sensors
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials, read_trial
from vimu.resampling import resample_vectors
from vimu.runtime.errors import UserError

UMAFALL_SENSORS = ("right_wrist", "waist", "right_ankle")
UMAFALL_HZ = 20.0
LIMBS = {
    "pelvis": ("pelvis",),
    "thigh": ("left_thigh", "right_thigh"),
    "shank": ("left_lower_leg", "right_lower_leg"),
    "foot": ("left_foot", "right_foot"),
}
"""Positions of OpenSense that are compared, left and right together."""
OPENSENSE_SENSORS = tuple(name for names in LIMBS.values() for name in names)
MOCAP_HZ = 30.0
"""Bandai's frame rate."""
SEED = 0


@dataclass(frozen=True)
class Walking:
    """Walking windows of one source."""

    rate_hz: float
    sensors: tuple[str, ...]
    x: Float[np.ndarray, "windows length sensors"]
    """|acc| with gravity, m/s^2."""
    group: tuple[str, ...]
    """Person of each window, or clip where the source names no people."""
    left_out: tuple[str, ...] = field(default=())
    """Files that could not be read, and why."""
    n_files: int = 0
    """Files that were read."""


def walking(
    recordings: Sequence[tuple[str, ImuRecording]], *, trunk: str, left_out: Sequence[str] = (),
    judged: ImuRecording | None = None,
) -> Walking:  # fmt: skip
    """The walking windows of recordings that share sensors and rate; `trunk` is the sensor that decides.

    Args:
        recordings: group and recording, gravity included.
        judged: whose trunk decides, where it is not each recording's own; at the same instants.
    """
    first = recordings[0][1]
    parts, groups = [], []
    for group, recording in recordings:
        size = np.linalg.norm(recording.acc.astype(np.float64), axis=2)
        judge = (judged or recording).acc[:, recording.sensors.index(trunk)].astype(np.float64)
        windows = walking_windows(np.linalg.norm(judge, axis=1), size, recording.rate_hz)
        parts.append(windows)
        groups += [group] * len(windows)
    return Walking(
        first.rate_hz, first.sensors, np.concatenate(parts), tuple(groups), tuple(left_out), len(recordings)
    )  # fmt: skip


def umafall_walking(root: Path) -> Walking:
    """UMAFall's walking trials at wrist, waist and ankle, 20 Hz. Raises UserError where there is none to read."""
    config = load_recordings("umafall")
    read, left_out = [], []
    for trial in list_trials(root, config)[0]:
        if trial.activity == "walking":
            try:
                read.append((trial.subject, read_trial(trial, config, sensors=UMAFALL_SENSORS, rate_hz=UMAFALL_HZ)))
            except Rejection as rejection:
                left_out.append(str(rejection))
    if not read:
        raise UserError(f"`{root}` must hold walking trials of UMAFall, but none could be read.")
    return walking(read, trunk="waist", left_out=left_out)


def opensense_walking(recording: ImuRecording, *, mocap_hz: float | None = None) -> Walking:
    """OpenSense's walking; with `mocap_hz`, as a second difference of positions at that rate would see it."""
    sensed = of_sensors(recording, OPENSENSE_SENSORS)
    if mocap_hz is None:
        return walking([("OpenSense", sensed)], trunk="pelvis")
    world = in_frame(sensed, frame="world", gravity="removed")
    seen = with_acc(world, lambda acc: as_mocap_sees(acc, rate_hz=world.rate_hz, mocap_hz=mocap_hz) + UP)
    return walking([("OpenSense", seen)], trunk="pelvis", judged=sensed)


def bandai_walking(root: Path, styles: str) -> tuple[list[ImuRecording], list[str]]:
    """Bandai's `walk` clips of the styles that the glob `styles` matches: every sensor compared here, in its own axes,
    gravity included, 30 Hz.

    Returns:
        The recordings, and what was left out and why.

    Raises:
        UserError: there is no such clip.
    """
    archive = load_archive("bandai")
    synthesizer = Synthesizer(archive, (*UMAFALL_SENSORS, *OPENSENSE_SENSORS), None)
    paths = sorted(root.rglob(f"dataset-*_walk_{styles}_*.bvh"))
    if not paths:
        raise UserError(f"`{root}` must hold Bandai's walk clips, but holds none; `make open-data` unpacks them.")
    made, left_out = [], []
    for path in paths:
        try:
            motion = synthesizer.read(path, root)
            made.append(synthesizer.recording(motion, rate_hz=None, frame="sensor", gravity="included"))
        except Rejection as rejection:
            left_out.append(str(rejection))
    return made, left_out


def virtual_walking(
    made: Sequence[ImuRecording], sensors: Sequence[str], *, trunk: str, rate_hz: float, devices: str | None = None
) -> Walking:
    """Virtual recordings of `sensors` at `rate_hz`, band-limited and perfect, or through the devices of that name."""
    sets = load_devices(devices) if devices is not None else None
    recordings = []
    for i, whole in enumerate(made):
        clip, recording = f"clip {i:04d}", of_sensors(whole, sensors)
        if sets is not None:
            worn = apply_devices(recording, sets, seed=SEED, clip_id=clip, rate_hz=rate_hz)
        else:
            worn = resampled(recording, rate_hz)
        recordings.append((clip, worn))
    return walking(recordings, trunk=trunk)


def at_cadence(walk: Walking, trunk: str, steps_hz: tuple[float, float]) -> Walking:
    """The windows whose step frequency at the trunk lies between the two."""
    steps = step_frequency(walk.x[:, :, walk.sensors.index(trunk)], walk.rate_hz)
    kept = (steps >= steps_hz[0]) & (steps < steps_hz[1])
    return replace(walk, x=walk.x[kept], group=tuple(np.array(walk.group)[kept].tolist()))


def resampled(recording: ImuRecording, rate_hz: float) -> ImuRecording:
    """Acceleration at another rate, band-limited."""
    return with_acc(recording, lambda acc: resample_vectors(acc, recording.rate_hz, rate_hz), rate_hz)


def with_acc(
    recording: ImuRecording, change: Callable[[Float[np.ndarray, "t s 3"]], Float[np.ndarray, "t2 s 3"]],
    rate_hz: float | None = None,
) -> ImuRecording:  # fmt: skip
    """Acceleration alone, changed; `change` must leave gravity included."""
    acc = np.asarray(change(recording.acc.astype(np.float64)))
    return ImuRecording(
        acc=acc, gyr=None, ori=None, rate_hz=rate_hz or recording.rate_hz, sensors=recording.sensors,
        frame=recording.frame, gravity="included",
    )  # fmt: skip
