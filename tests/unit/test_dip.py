"""DIP-IMU trials, in files made here as published: pickled mappings of `imu_acc`, `imu_ori` and `gt`."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.body.placement import load_placements
from vimu.contracts import STANDARD_GRAVITY, Reason, Rejection
from vimu.demo.pickles import write_python2_pickle
from vimu.recordings.config import RecordingConfig, load_recordings
from vimu.recordings.trials import TrialFile, list_trials, read_trial
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml

RATE_HZ, N_SENSORS = 60.0, 17
SENSORS = ("left_wrist", "right_thigh", "head")
INDICES = [7, 10, 0]


@pytest.fixture(scope="module")
def config() -> RecordingConfig:
    return load_recordings("dip")


def take(duration_s: float = 12.0) -> dict[str, Any]:
    """Sensor s swings at (0.5 + s/20) Hz about its own axis; its acceleration has zero mean."""
    t = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    frequency = 0.5 + np.arange(N_SENSORS) / 20
    phase = 2 * np.pi * t[:, None] * frequency
    axis = np.stack([np.cos(frequency), np.sin(frequency), np.ones(N_SENSORS)], axis=1)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    turn = np.sin(phase)[..., None] * axis
    ori = Rotation.from_rotvec(turn.reshape(-1, 3)).as_matrix().reshape(len(t), N_SENSORS, 3, 3)
    acc = np.stack([np.sin(phase), np.cos(phase), 0.5 * np.sin(phase)], axis=2)
    return {"imu_acc": acc, "imu_ori": ori, "gt": np.zeros((len(t), 72))}


def written(folder: Path, data: object, protocol: int = 2, name: str = "s_01/03_a") -> TrialFile:
    path = folder / f"{name}.pkl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(data, protocol=protocol))
    return TrialFile(path, name, "s_01", "walking")


def read(trial: TrialFile, config: RecordingConfig, rate_hz: float = RATE_HZ):
    return read_trial(trial, config, sensors=SENSORS, rate_hz=rate_hz)


def rejection_of(trial: TrialFile, config: RecordingConfig) -> Rejection:
    with pytest.raises(Rejection) as caught:
        read(trial, config)
    assert caught.value.path == f"{trial.trial}.pkl"
    return caught.value


# ---- what a recording holds


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_the_wanted_sensors_come_back_in_their_order(tmp_path, config, protocol):
    data = take()
    recording = read(written(tmp_path, data, protocol), config)
    assert (recording.sensors, recording.rate_hz, recording.notes) == (SENSORS, 60.0, ())
    assert (recording.frame, recording.gravity, recording.gyr) == ("world", "removed", None)
    np.testing.assert_allclose(recording.acc, data["imu_acc"][:, INDICES], atol=1e-6)
    np.testing.assert_allclose(recording.ori, data["imu_ori"][:, INDICES], atol=1e-6)
    assert recording.acc.dtype == recording.ori.dtype == np.float32


def test_pickles_of_python_2_are_read(tmp_path, config):
    data = take()
    trial = written(tmp_path, {})
    write_python2_pickle(trial.path, data)
    np.testing.assert_allclose(read(trial, config).acc, data["imu_acc"][:, INDICES], atol=1e-6)


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 100.0])
def test_another_rate_keeps_the_signal_and_the_rotations(tmp_path, config, rate_hz):
    recording = read(written(tmp_path, take()), config, rate_hz)
    t = np.arange(recording.n_frames) / rate_hz
    middle = slice(int(rate_hz), -int(rate_hz))
    expected = np.sin(2 * np.pi * t * (0.5 + 7 / 20))
    assert np.abs(recording.acc[:, 0, 0] - expected)[middle].max() < 5e-3
    ori = recording.ori.astype(np.float64)
    np.testing.assert_allclose(ori @ np.swapaxes(ori, -1, -2), np.broadcast_to(np.eye(3), ori.shape), atol=1e-5)
    assert recording.duration_s == pytest.approx(12.0, abs=0.1)


def test_every_placement_of_the_file_exists_once(config):
    names = [sensor.placement for sensor in config.sensors.values()]
    assert len(names) == N_SENSORS == len(set(names))
    assert sorted(config.sensors) == list(range(N_SENSORS))
    load_placements(names)


# ---- gaps


@pytest.mark.fault(45)
@settings(max_examples=30, deadline=None)
@given(start=st.integers(70, 600), length=st.integers(1, 8), array=st.sampled_from(["imu_acc", "imu_ori"]))
def test_short_gaps_are_filled_along_the_motion_and_counted(tmp_path_factory, start, length, array):
    config, whole = load_recordings("dip"), take()
    data = {key: value.copy() for key, value in whole.items()}
    data[array][start : start + length, 7] = np.nan
    recording = read(written(tmp_path_factory.mktemp("gap"), data), config)
    assert recording.notes == (f"filled: {length} frames of left_wrist",)
    assert np.isfinite(recording.acc).all() and np.isfinite(recording.ori).all()
    assert np.abs(recording.acc - whole["imu_acc"][:, INDICES]).max() < 0.15
    off = np.swapaxes(recording.ori[:, 0], -1, -2) @ whole["imu_ori"][:, 7]
    assert Rotation.from_matrix(off).magnitude().max() < 0.08  # slerp; copying a neighbour would be off by 0.5
    np.testing.assert_allclose(np.linalg.det(recording.ori), 1.0, atol=1e-5)


def test_a_gap_of_a_sensor_that_is_not_wanted_does_not_matter(tmp_path, config):
    data = take()
    data["imu_acc"][100:400, 16] = np.nan
    assert read(written(tmp_path, data), config).notes == ()


@pytest.mark.fault(45)
def test_a_long_gap_rejects_the_take(tmp_path, config):
    data = take()
    data["imu_acc"][300:309, 10] = np.nan
    rejection = rejection_of(written(tmp_path, data), config)
    assert rejection.reason is Reason.GAP
    assert rejection.detail == "right_thigh is silent for 0.17 s at 5.0 s"


def test_silence_at_the_ends_is_cut(tmp_path, config):
    data = take()
    data["imu_ori"][:100, 0] = np.nan
    data["imu_acc"][-50:, 7] = np.inf
    recording = read(written(tmp_path, data), config)
    assert recording.n_frames == 720 - 150
    assert recording.notes == ("cut: 150 frames at the ends, where a sensor is silent",)
    np.testing.assert_allclose(recording.acc, data["imu_acc"][100:-50, INDICES], atol=1e-6)


def test_a_sensor_without_data_is_missing(tmp_path, config):
    data = take()
    data["imu_acc"][:, 0] = np.nan
    rejection = rejection_of(written(tmp_path, data), config)
    assert rejection.reason is Reason.MISSING_SENSOR and "head" in rejection.detail


# ---- files that are not what they should be

FAULTS: list[tuple[Callable[[dict[str, Any]], object], Reason, str]] = [
    (lambda d: d.pop("imu_acc"), Reason.UNREADABLE, "has no `imu_acc`"),
    (lambda d: d.update(imu_ori="nothing"), Reason.UNREADABLE, "`imu_ori` is no array of numbers"),
    (lambda d: d.update(imu_acc=d["imu_acc"][:, :6]), Reason.BAD_SHAPE, r"\(frames, 17, 3\), but is \(720, 6, 3\)"),
    (lambda d: d.update(imu_ori=d["imu_ori"].reshape(-1, 17, 9)), Reason.BAD_SHAPE, r"but is \(720, 17, 9\)"),
    (lambda d: d.update(gt=np.zeros((720, 156))), Reason.BAD_SHAPE, "`gt`"),
    (lambda d: d.update(gt=np.zeros((719, 72))), Reason.BAD_SHAPE, "719 in `gt`"),
    (lambda d: d.update(imu_acc=d["imu_acc"][:700]), Reason.BAD_SHAPE, "700 in `imu_acc`"),
    (lambda d: d.update({k: v[:30] for k, v in d.items()}), Reason.TOO_SHORT, "0.48 s are left"),
    (lambda d: d.update({k: v[:0] for k, v in d.items()}), Reason.TOO_SHORT, "has 0 frames"),
    (lambda d: d.update({k: v[:1] for k, v in d.items()}), Reason.TOO_SHORT, "has 1 frames"),
    (lambda d: d.update(imu_ori=2 * d["imu_ori"]), Reason.NOT_A_ROTATION, "720 of 720.*another representation"),
    (lambda d: d["imu_ori"].__setitem__((33, 10), 0.0), Reason.NOT_A_ROTATION, "right_thigh.*1 of 720.*frame 33"),
    (lambda d: d.update(imu_ori=d["imu_ori"] * [1, 1, -1]), Reason.NOT_A_ROTATION, "mirrored axes"),
    (lambda d: d.update(imu_acc=d["imu_acc"] + [0, STANDARD_GRAVITY, 0]), Reason.UNREADABLE, "gravity seems to be"),
    (lambda d: d.update(imu_acc=d["imu_acc"] / 9.8 + [0, 1, 0]), Reason.UNREADABLE, "in g, gravity included"),
    (lambda d: d["imu_acc"].__setitem__((40, 10, 0), 1e200), Reason.NON_FINITE, "right_thigh has values that no"),
    (lambda d: d.update(imu_acc=np.full((720, 17, 3), None)), Reason.UNSAFE_PICKLE, "array of pickled objects"),
]


@pytest.mark.fault(33, 43, 46, 48, 49)
@pytest.mark.parametrize(("damage", "reason", "detail"), FAULTS)
def test_each_fault_has_its_reason(tmp_path, config, damage, reason, detail):
    data = take()
    damage(data)
    rejection = rejection_of(written(tmp_path, data), config)
    assert rejection.reason is reason
    with pytest.raises(Rejection, match=detail):
        raise rejection


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(take())[:-1000], pickle.dumps([1, 2])])
def test_what_is_no_take_is_unreadable(tmp_path, config, content):
    trial = written(tmp_path, {})
    trial.path.write_bytes(content)
    assert rejection_of(trial, config).reason is Reason.UNREADABLE


def test_a_take_without_reference_poses_is_read(tmp_path, config):
    data = take()
    del data["gt"]
    assert read(written(tmp_path, data), config).n_frames == 720


# ---- listing and configuration


def test_takes_are_listed_with_subject_and_activity(tmp_path, config):
    root = tmp_path / "DIP_IMU"
    root.mkdir()
    for name in ("s_02/01", "s_01/03_b", "s_10/05", "s_01/03_a", "s_01/09", "s_01/notes"):
        written(root, {}, name=name)
    trials, left_out = list_trials(root, config)
    assert [(t.trial, t.subject, t.activity) for t in trials] == [
        ("s_01/03_a", "s_01", "walking"),
        ("s_01/03_b", "s_01", "walking"),
        ("s_02/01", "s_02", "stretching_arms"),
        ("s_10/05", "s_10", "desk_work"),
    ]
    assert [(r.path, r.reason) for r in left_out] == [
        ("s_01/09.pkl", Reason.NO_LABEL), ("s_01/notes.pkl", Reason.NO_LABEL),
    ]  # fmt: skip
    assert [t.path for t in list_trials(tmp_path, config)[0]] == [t.path for t in trials]


def edited(tmp_path: Path, **changes: object) -> str:
    raw = read_yaml(Path(__file__).parents[2] / "configs" / "recordings" / "dip.yaml")
    path = tmp_path / "mine.yaml"
    path.write_text(repr({**raw, **changes}))  # a Python literal of this kind is YAML's flow style
    return str(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trial": "(?P<subject>x"}, "must be a regular expression"),
        ({"trial": "(?P<subject>x)"}, "must have groups `subject` and `activity`"),
        ({"left_out": {"01": "no"}}, "must not share 01"),
        ({"reader": "bvh"}, "`reader`"),
        ({"unknown": 1}, "`unknown` is no setting"),
        ({"sensors": {i: {"placement": "head", "rate_hz": 60} for i in range(2)}}, "head occurs twice"),
        (
            {"sensors": {0: {"placement": "head", "rate_hz": 60}, 1: {"placement": "chest", "rate_hz": 50}}},
            "must share one `rate_hz`",
        ),
    ],
)
def test_faulty_yaml_is_the_users_error(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        load_recordings(edited(tmp_path, **changes))


def test_an_unknown_set_lists_those_there_are():
    with pytest.raises(UserError, match="dip, hapt, hhar, motionsense, pamap2, shoaib, uci_har, umafall"):
        load_recordings("opportunity")
