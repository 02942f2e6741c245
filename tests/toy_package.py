"""A package as somebody else would write it: a reader of mocap CSV and one of recordings, registered as entry points.

`install` puts it into a folder as pip would; on `sys.path`, that folder is an environment where it is installed.
"""

from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from vimu.contracts import STANDARD_GRAVITY

MODULE = '''
import numpy as np
from scipy.spatial.transform import Rotation

from vimu.archives.take import take_of
from vimu.contracts import ImuRecording, Reason, Rejection, SkeletonMotion

JOINTS, PARENTS = ("hips", "upper_arm", "fore_arm", "hand"), (-1, 0, 1, 2)
BONES = np.array([[0, 0, 0], [20, 40, 0], [30, 0, 0], [25, 0, 0]])


def table(path, columns):
    try:
        values = np.array([line.split(",") for line in path.read_text().splitlines()], dtype=float)
    except (OSError, ValueError) as error:
        raise Rejection(str(path), Reason.UNREADABLE, str(error)) from error
    if values.ndim != 2 or values.shape[1] != columns:
        raise Rejection(str(path), Reason.BAD_SHAPE, f"{values.shape}, unlike rows of {columns}")
    if not np.isfinite(values).all():
        raise Rejection(str(path), Reason.NON_FINITE, "holds NaN or infinity")
    return values


def read(path, config, root=None):
    """Place of the hips, then an axis-angle a joint, a row a frame."""
    values = table(path, 3 + 3 * len(JOINTS))
    rotations = Rotation.from_rotvec(values[:, 3:].reshape(-1, 3)).as_matrix().reshape(len(values), -1, 3, 3)
    translations = np.repeat(BONES[None] * config.unit_m, len(values), axis=0)
    translations[:, 0] = values[:, :3] * config.unit_m
    return SkeletonMotion(JOINTS, PARENTS, translations, rotations, config.rate_hz, take_of(path, root, config))


def read_recording(path, config, *, sensors, rate_hz):
    """Seconds, then the acceleration of each sensor, in the sensor's axes, gravity in."""
    values = table(path, 1 + 3 * len(config.sensors))
    times = values[:, 0]
    if len(times) < 2 or not (np.diff(times) > 0).all() or times[-1] - times[0] > 3600:
        raise Rejection(str(path), Reason.UNREADABLE, "times do not increase, or run for hours")
    even = np.arange(times[0], times[-1], 1 / rate_hz)
    columns = [1 + 3 * i + axis for i in config.sensor_ids(sensors) for axis in range(3)]
    acc = np.stack([np.interp(even, times, values[:, c]) for c in columns], axis=1).astype(np.float32)
    acc = acc.reshape(-1, len(sensors), 3) * np.float32(config.acc_unit_m_s2)
    return ImuRecording(acc, None, None, rate_hz, sensors, "sensor", "included")
'''
ENTRY_POINTS = """
[vimu.archive_readers]
toy = toymocap:read
[vimu.recording_readers]
toy = toymocap:read_recording
"""
RATE_HZ, OMEGA, RADIUS_M = 100.0, 3.0, 0.75
"""A take turns about the vertical at OMEGA rad/s; the hand is RADIUS_M from the hips' axis."""


def install(
    site: Path, name: str = "toymocap", *, module: str | None = MODULE, entry_points: str = ENTRY_POINTS
) -> Path:
    """`site` with the package `name` 0.1 in it; without its module, as after a broken installation."""
    info = site / f"{name}-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(entry_points)
    if module is not None:
        (site / f"{name}.py").write_text(module)
    return site


def write_take(path: Path, *, n_frames: int = 200, omega: float = OMEGA) -> Path:
    """A person in a T-pose on a turntable."""
    values = np.zeros((n_frames, 15))
    values[:, 1] = 95.0
    values[:, 4] = omega * np.arange(n_frames) / RATE_HZ
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, delimiter=",", fmt="%.9g")
    return path


def write_trial(path: Path, *, n_samples: int = 300) -> Path:
    """Two sensors at rest, upright, at 50 Hz, in g."""
    values = np.zeros((n_samples, 7))
    values[:, 0] = np.arange(n_samples) / 50
    values[:, [2, 5]] = 1.0
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, delimiter=",", fmt="%.9g")
    return path


def write_yaml(path: Path, value: object) -> Path:
    with path.open("w") as stream:
        YAML().dump(value, stream)
    return path


def archive_yaml(path: Path, **changes: object) -> Path:
    axes = {"left": "+x", "up": "+y"}
    segments = {
        "pelvis": {"joint": "hips", **axes}, "left_shoulder": {"joint": "upper_arm", "end": "fore_arm", **axes},
        "left_elbow": {"joint": "fore_arm", "end": "hand", **axes},
    }  # fmt: skip
    facts = {
        "name": "turntable", "reader": "toy", "licence": "CC0", "evidence": "made up", "files": "**/*.csv",
        "content": "/(?P<content>[a-z]+)", "unit_m": 0.01, "rate_hz": RATE_HZ, "segments": segments,
    }  # fmt: skip
    return write_yaml(path, facts | changes)


def placements_yaml(path: Path) -> Path:
    """The tip of the forearm, on skeletons only."""
    tip = {"skeleton": {"segment": "left_elbow", "fraction": 1.0}, "evidence": "made up"}
    return write_yaml(path, {"forearm_tip": tip})


def recordings_yaml(path: Path, **changes: object) -> Path:
    sensors = {0: {"placement": "chest", "rate_hz": 50}, 1: {"placement": "forearm_tip", "rate_hz": 50}}
    facts = {
        "name": "toyset", "reader": "toy", "licence": "CC0", "evidence": "made up", "files": "**/*.csv",
        "trial": "(?P<subject>[^/]+)/(?P<activity>[a-z]+)", "sensors": sensors, "max_gap_s": 0.3,
        "activities": {"turn": {"name": "turning"}}, "acc_unit_m_s2": STANDARD_GRAVITY,
    }  # fmt: skip
    return write_yaml(path, facts | changes)
