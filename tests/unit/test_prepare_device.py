"""The device setting of the prepare stage: what a task does with clips, without Ray."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from vimu.clips.labels import Label
from vimu.clips.schema import CLIP_SCHEMA, clip_row
from vimu.contracts import STANDARD_GRAVITY, ImuRecording, SkeletonMotion, Take
from vimu.imu.device_models import load_devices
from vimu.recordings.config import load_recordings
from vimu.runtime.errors import UserError
from vimu.stages import prepare
from vimu.stages.config import PrepareSettings
from vimu.stages.shards import write_shard
from vimu.windows.features import features
from vimu.windows.settings import WindowSettings

SENSORS = ("chest", "waist")
WINDOWS = WindowSettings(rate_hz=20, length_frames=40, hop_frames=20, feature_set="sensor_acc_gyr", sensors=SENSORS)


def recording(n: int = 600) -> ImuRecording:
    """Swaying by 30 degrees at 1 Hz while shaking at 2 Hz; 60 Hz, world frame; a head sensor that no device serves."""
    t = np.arange(n)[:, None] / 60
    acc = np.repeat(np.sin(2 * np.pi * 2 * t)[:, None] * [3.0, 1.0, 2.0], 3, axis=1)
    angle = np.radians(30) * np.sin(2 * np.pi * t)
    ori = np.repeat(Rotation.from_euler("z", angle).as_matrix()[:, None], 3, axis=1)
    gyr = np.zeros((n, 3, 3))
    gyr[..., 2] = np.radians(30) * 2 * np.pi * np.cos(2 * np.pi * t)
    arrays = (a.astype(np.float32) for a in (acc, gyr, ori))
    return ImuRecording(*arrays, 60.0, (*SENSORS, "head"), "world", "removed")


def windows(
    tmp_path: Path, run: str, device: str | None, seed: int = 0, window_settings: WindowSettings = WINDOWS
) -> pa.Table:
    staging = tmp_path / run
    (staging / ".tasks").mkdir(parents=True)
    take = Take("made_up", None, "sway", "sway")
    turns = np.tile(np.eye(3), (3, 1, 1, 1))
    motion = SkeletonMotion(("root",), (-1,), np.zeros((3, 1, 3)), turns, 60.0, take)
    row = clip_row(motion, Label("swaying", "by hand"), recording(), clip_id="sway", body=None)
    clips = write_shard(staging / "clips.parquet", pa.Table.from_pylist([row], CLIP_SCHEMA), dictionary=[])
    prepare.run_task(
        {
            "shard": "s", "clips": json.dumps(asdict(clips)), "trials": "",
            "splits": json.dumps({row["clip_id"]: "train"}), "speeds": "{}", "dealt": "", "staging": str(staging),
            "settings": window_settings.model_dump_json(), "sensors": list(SENSORS), "recordings": "",
            "devices": load_devices(device).model_dump_json() if device else "", "device_seed": seed,
        }
    )  # fmt: skip
    return pq.read_table(staging / "windows" / "s.parquet")


def arrays(table: pa.Table) -> np.ndarray:
    return table.column("x").combine_chunks().to_numpy_ndarray()


def test_no_device_leaves_windows_bit_identical(tmp_path):
    frames = features(recording(), "sensor_acc_gyr", sensors=SENSORS, rate_hz=20)
    np.testing.assert_array_equal(arrays(windows(tmp_path, "none", None))[1], frames[20:60])


def test_a_device_changes_windows_by_its_faults_and_the_same_way_each_time(tmp_path):
    ideal, worn, again, other = (
        arrays(windows(tmp_path, run, device, seed))
        for run, device, seed in (("a", None, 0), ("b", "umafall", 0), ("c", "umafall", 0), ("d", "umafall", 1))
    )
    np.testing.assert_array_equal(worn, again)
    assert np.abs(worn - other).max() > 0.1
    for first in (0, 3, 6, 9):  # chest acc, chest gyr, waist acc, waist gyr
        size, real = (np.linalg.norm(x[..., first : first + 3], axis=-1) for x in (ideal, worn))
        unit = STANDARD_GRAVITY if first in (0, 6) else 1.0
        assert (
            0.001 * unit < np.abs(real - size).mean() < 0.12 * unit
        )  # mounting turns a vector, it does not stretch it


def test_what_passed_through_devices_gets_an_orientation_by_the_filter(tmp_path):
    """World windows of a virtual clip as a SensorTag's readings allow them, near those of the clip itself."""
    world = WINDOWS.model_copy(
        update={"feature_set": "world_acc_ori", "orientation": "vqf", "heading": "per_sensor", "rate_hz": 20}
    )
    truth = arrays(windows(tmp_path, "truth", None, window_settings=world)).reshape(-1, 40, 2, 12)
    worn = arrays(windows(tmp_path, "worn", "umafall", window_settings=world)).reshape(-1, 40, 2, 12)
    assert worn.shape[1:] == (40, 2, 12)
    n = min(len(truth), len(worn))
    up, true_up = (
        worn[:n, ..., 6:9],
        truth[:n, ..., 6:9],
    )  # the vertical in sensor axes: mounting turns it by 20 degrees
    assert np.degrees(np.arccos(np.clip((up * true_up).sum(-1), -1, 1))).mean() < 25
    assert np.abs(worn[:n, ..., 1] - truth[:n, ..., 1]).mean() < 1.0  # gravity is out


def settings(**windows: object) -> PrepareSettings:
    real = {"recordings": "umafall", "root": "nowhere"}
    return PrepareSettings.model_validate({"real": real, "device": "umafall", "windows": windows})


@pytest.mark.parametrize(
    "given",
    [
        {"feature_set": "sensor_acc_gyr"},
        {"feature_set": "world_acc_ori", "orientation": "vqf", "heading": "per_sensor"},
    ],
)
def test_a_sensor_without_gyroscope_is_refused_before_any_work_where_one_is_needed(given):
    umafall, sensors = load_recordings("umafall"), ("chest", "right_pocket")
    with pytest.raises(UserError, match="right_pocket has none; take chest"):
        prepare._check_gyroscopes(WindowSettings(**given), umafall, sensors)
    prepare._check_gyroscopes(WindowSettings(**given), umafall, ("chest",))
    prepare._check_gyroscopes(WindowSettings(feature_set="sensor_acc"), umafall, sensors)


def test_a_feature_set_that_the_devices_cannot_serve_is_refused_before_any_work():
    with pytest.raises(UserError, match="must do without orientation"):
        prepare._devices(settings(feature_set="world_acc_ori"), ("chest",))
    filtered = settings(feature_set="world_acc_ori", orientation="vqf", heading="per_sensor")
    assert prepare._devices(filtered, ("chest",)) == load_devices("umafall")
    with pytest.raises(UserError, match="must do without gyroscope, which `umafall` lacks at right_pocket"):
        prepare._devices(filtered, ("chest", "right_pocket"))
    with pytest.raises(UserError, match="lacks at right_pocket"):
        prepare._devices(settings(feature_set="sensor_acc_gyr"), ("chest", "right_pocket"))
    with pytest.raises(UserError, match="must have a device at head"):
        prepare._devices(settings(feature_set="sensor_acc"), ("head",))
    assert prepare._devices(settings(feature_set="sensor_acc_gyr"), ("chest",)) == load_devices("umafall")
    assert prepare._devices(settings().model_copy(update={"device": None}), ("head",)) is None
