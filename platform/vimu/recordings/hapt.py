"""HAPT: a phone at the waist, two text files an experiment, trials as labelled stretches of them.

`acc_expXX_userYY.txt` (g, gravity included) and `gyro_expXX_userYY.txt` (rad/s) hold a line of three numbers a sample,
at an even 50 Hz and without times: a sample's line is its time.

Source: README of HAPT v2.1 (Reyes-Ortiz et al., Neurocomputing 171, 2016).
"""

from pathlib import Path

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.channels import Channel, Kind, even_recording, sampled_evenly
from vimu.recordings.config import RecordingConfig
from vimu.recordings.scale import check_scale
from vimu.recordings.text_lines import numbers, read_lines

MAX_BYTES = 64 * 2**20
"""An experiment of seven minutes has 1.2 MB."""


def gyro_path(path: Path) -> Path:
    """Where the angular velocity to a file of accelerations is."""
    return path.with_name(path.name.replace("acc_", "gyro_", 1))


def read(
    path: Path, config: RecordingConfig, *, sensors: tuple[str, ...], rate_hz: float, span: tuple[int, int]
) -> ImuRecording:
    """Samples `span` (first and last, counted from 1) of an experiment, in the phone's axes, gravity included.

    See `vimu.recordings.trials.read_trial`.
    """
    sensor = config.sensors[config.sensor_ids(sensors)[0]]
    lines: dict[Kind, list[bytes]] = {
        "acc": read_lines(path, max_bytes=MAX_BYTES), "gyr": read_lines(gyro_path(path), max_bytes=MAX_BYTES),
    }  # fmt: skip
    n_acc, n_gyr = len(lines["acc"]), len(lines["gyr"])
    if n_acc != n_gyr:
        detail = f"must have as many samples as its gyroscope file, but has {n_acc:,} and {n_gyr:,}"
        raise Rejection(str(path), Reason.BAD_SHAPE, detail)
    if span[1] > n_acc:
        detail = f"is labelled from sample {span[0]:,} to {span[1]:,}, but has only {n_acc:,}"
        raise Rejection(str(path), Reason.BAD_SHAPE, detail)

    channels: dict[tuple[str, Kind], Channel] = {}
    units: dict[Kind, float] = {"acc": config.acc_unit_m_s2, "gyr": config.gyr_unit_rad_s}
    for kind, unit in units.items():
        values = numbers([line.split(None, 3) for line in lines[kind][span[0] - 1 : span[1]]], 3) * unit
        channels[sensor.placement, kind] = sampled_evenly(
            str(path),
            f"{sensor.placement} {kind}",
            values,
            rate_hz=sensor.rate_hz,
            max_lost_share=config.max_lost_share,
        )
    check_scale(str(path), channels[sensor.placement, "acc"].name, channels[sensor.placement, "acc"].values)
    return even_recording(str(path), channels, config, sensors=sensors, rate_hz=rate_hz)
