"""UCI HAR: a phone at the waist, published as windows of 128 samples that overlap by half, here put together again.

    train/subject_train.txt                          a line a window: who
    train/y_train.txt                                a line a window: which activity
    train/Inertial Signals/total_acc_x_train.txt     a line a window: 128 numbers, g, gravity included
    train/Inertial Signals/body_gyro_x_train.txt     the same in rad/s

Two neighbouring windows of one person and activity belong together where the end of one is the start of the next.
Source: README of the UCI HAR Dataset v1.0 (Anguita et al., ESANN 2013): 2.56 s, 50 % overlap, 50 Hz, noise filtered.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.channels import Channel, Kind, even_recording, sampled_evenly
from vimu.recordings.config import RecordingConfig
from vimu.recordings.scale import check_scale
from vimu.recordings.stretches import Stretch
from vimu.recordings.text_lines import numbers, read_lines

LENGTH, HOP = 128, 64
MAX_BYTES = 2**28
"""A signal of the training part has 15 MB."""
SIGNALS: dict[Kind, str] = {"acc": "total_acc", "gyr": "body_gyro"}


def signal_path(subjects: Path, kind: Kind, axis: str) -> Path:
    """The file of one axis that belongs to `subject_train.txt`."""
    part = subjects.stem.removeprefix("subject_")
    return subjects.parent / "Inertial Signals" / f"{SIGNALS[kind]}_{axis}_{part}.txt"


def stretches(path: Path, config: RecordingConfig) -> list[Stretch]:
    """Windows that follow on one another; `span` is the first and the last, counted from 1.

    Raises:
        Rejection: a file is missing, or they do not have as many lines as one another.
    """
    del config
    labels = path.with_name(path.name.replace("subject_", "y_", 1))
    beside = (labels, *(signal_path(path, kind, axis) for kind in SIGNALS for axis in "xyz"))
    paths = (path, labels, signal_path(path, "acc", "x"))
    who, what, signal = ([line.strip() for line in read_lines(p, max_bytes=MAX_BYTES)] for p in paths)
    if not all(who):
        raise Rejection(str(path), Reason.BAD_SHAPE, "a line of it names nobody")
    if not len(who) == len(what) == len(signal):
        detail = f"{len(who)} lines of people, {len(what)} of activities, {len(signal)} of signals must be as many"
        raise Rejection(str(path), Reason.BAD_SHAPE, detail)
    found: list[Stretch] = []
    end: list[bytes] = []
    first = 1
    for i, (subject, activity, line) in enumerate(zip(who, what, signal, strict=True), start=1):
        name, label, words = (
            subject.strip().decode("ascii", "replace"),
            activity.strip().decode("ascii", "replace"),
            line.split(),
        )
        goes_on = bool(found) and (found[-1].subject, found[-1].activity) == (name, label) and end == words[:HOP]
        first = first if goes_on else i
        if goes_on:
            found.pop()
        found.append(Stretch(label, (first, i), name, name, beside))
        end = words[HOP:]
    return found


def read(
    path: Path, config: RecordingConfig, *, sensors: tuple[str, ...], rate_hz: float, span: tuple[int, int]
) -> ImuRecording:
    """The samples of windows `span`, each once. See `vimu.recordings.trials.read_trial`."""
    sensor = config.sensors[config.sensor_ids(sensors)[0]]
    units: dict[Kind, float] = {"acc": config.acc_unit_m_s2, "gyr": config.gyr_unit_rad_s}
    channels: dict[tuple[str, Kind], Channel] = {}
    for kind, unit in units.items():
        axes = [_samples(signal_path(path, kind, axis), span) for axis in "xyz"]
        channels[sensor.placement, kind] = sampled_evenly(
            str(path), f"{sensor.placement} {kind}", np.stack(axes, axis=1) * unit, rate_hz=sensor.rate_hz,
            max_lost_share=config.max_lost_share,
        )  # fmt: skip
    check_scale(str(path), f"{sensor.placement} acc", channels[sensor.placement, "acc"].values)
    return even_recording(str(path), channels, config, sensors=sensors, rate_hz=rate_hz)


def _samples(path: Path, span: tuple[int, int]) -> Float[np.ndarray, " samples"]:
    lines = read_lines(path, max_bytes=MAX_BYTES)
    if span[1] > len(lines):
        raise Rejection(str(path), Reason.BAD_SHAPE, f"must have {span[1]:,} windows, but has {len(lines):,}")
    windows = numbers([line.split(None, LENGTH) for line in lines[span[0] - 1 : span[1]]], LENGTH)
    if not np.array_equal(windows[1:, :HOP], windows[:-1, HOP:], equal_nan=True):
        raise Rejection(str(path), Reason.BAD_SHAPE, "its windows do not follow on one another as the others' do")
    return np.concatenate([windows[0], windows[1:, HOP:].ravel()])
