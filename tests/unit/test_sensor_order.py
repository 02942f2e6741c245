"""Sensor order against reference poses: generated DIP files in the right and in wrong orders, and a real AMASS take."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from smplx.lbs import batch_rigid_transform

from vimu.body.placement import load_placements
from vimu.contracts import SMPL_JOINTS, SMPL_PARENTS, Reason, Rejection
from vimu.demo.recordings import write_dip
from vimu.recordings.config import load_recordings
from vimu.recordings.sensor_order import MIN_FRAMES, exchanged_sensors, misfit_deg, segment_orientations
from vimu.recordings.trials import TrialFile, read_trial
from vimu.runtime.safe_load import load_npz, load_pickle

CONFIG = load_recordings("dip")
JOINTS = [sensor.joint for sensor in CONFIG.sensors.values()]
LEFT_THIGH, RIGHT_THIGH, LEFT_HAND, RIGHT_HAND = 9, 10, 13, 14


def test_joints_are_those_that_carry_the_placements():
    placements = load_placements([sensor.placement for sensor in CONFIG.sensors.values()])
    assert [p.smpl.segment for p in placements] == JOINTS
    with pytest.raises(ValueError, match="must be one of SMPL's joints"):
        type(CONFIG.sensors[0])(placement="head", rate_hz=60, joint="skull")


def test_segments_turn_as_smplx_turns_them():
    poses = np.random.default_rng(0).normal(0, 0.5, (5, 72))
    local = torch.tensor(Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(5, 24, 3, 3))
    _, transforms = batch_rigid_transform(local, torch.randn(5, 24, 3, dtype=local.dtype), torch.tensor(SMPL_PARENTS))
    np.testing.assert_allclose(segment_orientations(poses), transforms[:, :, :3, :3].numpy(), atol=1e-9)


@pytest.fixture(scope="module")
def poses(amass_samples: list[Path]) -> np.ndarray:
    """A real take that moves everything; SMPL's two hand joints stay at rest."""
    file = next(f for f in amass_samples if f.name.startswith("human_body_prior"))
    body = load_npz(file, ["poses"])["poses"][:, :66]
    return np.concatenate([body, np.zeros((len(body), 6))], axis=1)


def worn(poses: np.ndarray, seed: int, skin_deg: float = 4.0) -> np.ndarray:
    """DIP's sensors on that body, each mounted anyhow, with skin that moves."""
    rng = np.random.default_rng(seed)
    segments = segment_orientations(poses)[:, [SMPL_JOINTS.index(j) for j in JOINTS]]
    skin = Rotation.from_rotvec(rng.normal(0, np.radians(skin_deg), (segments.shape[0] * 17, 3)))
    return segments @ Rotation.random(17, rng=seed).as_matrix() @ skin.as_matrix().reshape(segments.shape)


def test_the_misfit_is_the_angle_by_which_the_mounting_varies(poses):
    """Gaussian skin of 4 degrees an axis is sqrt 3 * 4 = 6.9 degrees in all."""
    segments = segment_orientations(poses)[:, [SMPL_JOINTS.index(j) for j in JOINTS]]
    np.testing.assert_allclose(np.diag(misfit_deg(worn(poses, 0), segments)), 6.9, atol=0.6)
    np.testing.assert_allclose(np.diag(misfit_deg(worn(poses, 0, skin_deg=0), segments)), 0.0, atol=1e-3)


@pytest.mark.fault(50)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100), data=st.data())
def test_any_exchange_of_segments_that_move_apart_is_told(poses, seed, data):
    i, j = data.draw(st.lists(st.sampled_from([0, 5, 6, 7, 8, 9, 10, 15, 16]), min_size=2, max_size=2, unique=True))
    sensors = worn(poses, seed)
    assert exchanged_sensors(sensors, poses, JOINTS) == []
    sensors[:, [i, j]] = sensors[:, [j, i]]
    (exchange,) = exchanged_sensors(sensors, poses, JOINTS)
    assert set(exchange.sensors) == {i, j}
    assert exchange.exchanged_deg < 8 < 18 < exchange.stated_deg


def test_a_ring_of_three_is_one_exchange_that_says_who_fits_whom(poses):
    sensors = worn(poses, 1)
    sensors[:, [7, 8, 9]] = sensors[:, [8, 9, 7]]
    (exchange,) = exchanged_sensors(sensors, poses, JOINTS)
    ring = dict(zip(exchange.sensors, np.roll(exchange.sensors, -1), strict=True))
    assert ring == {7: 8, 8: 9, 9: 7}


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 100))
def test_gaps_change_no_verdict(poses, seed):
    rng = np.random.default_rng(seed)
    sensors, reference = worn(poses, seed), poses.copy()
    sensors[:, [LEFT_THIGH, RIGHT_THIGH]] = sensors[:, [RIGHT_THIGH, LEFT_THIGH]]
    sensors[rng.random(sensors.shape[:2]) < 0.3] = np.nan
    sensors[:, 0] = np.nan  # a sensor that is silent throughout is not judged, and no one's substitute
    reference[rng.random(len(reference)) < 0.2] = np.nan
    (exchange,) = exchanged_sensors(sensors, reference, JOINTS)
    assert set(exchange.sensors) == {LEFT_THIGH, RIGHT_THIGH}


def test_too_little_to_tell_accuses_nobody(poses):
    sensors = worn(poses, 0)
    sensors = sensors[:, np.random.default_rng(0).permutation(17)]
    assert exchanged_sensors(sensors, poses, JOINTS)
    assert exchanged_sensors(sensors[: MIN_FRAMES - 1], poses[: MIN_FRAMES - 1], JOINTS) == []
    assert exchanged_sensors(sensors, np.full_like(poses, np.nan), JOINTS) == []
    still = np.repeat(poses[:1], 300, axis=0)
    assert exchanged_sensors(worn(still, 0)[:, ::-1], still, JOINTS) == []  # nobody moves


# ---- generated files in DIP-IMU's format


@pytest.fixture(scope="module")
def files(demo_body: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dip")
    write_dip(folder, demo_body, n_subjects=1)
    return folder / "s_01"


def trial(file: Path, folder: Path, order: dict[int, int]) -> TrialFile:
    """The file with its sensors in another order."""
    data = {key: np.array(value) for key, value in load_pickle(file).items()}
    rows = [order.get(i, i) for i in range(17)]
    data |= {key: data[key][:, rows] for key in ("imu_acc", "imu_ori")}
    path = folder / file.name
    path.write_bytes(pickle.dumps(data, protocol=2))
    return TrialFile(path, file.stem, "s_01", "any")


def test_files_in_the_right_order_are_read(files, tmp_path):
    paths = sorted(files.glob("*.pkl"))
    assert len(paths) >= 5
    for file in paths:
        read_trial(trial(file, tmp_path, {}), CONFIG, sensors=["head"], rate_hz=60.0)


@pytest.mark.fault(50)
@pytest.mark.parametrize(
    ("file", "order", "says"),
    [
        ("03", {LEFT_THIGH: RIGHT_THIGH, RIGHT_THIGH: LEFT_THIGH}, "left_thigh, right_thigh are"),
        ("03", {11: 12, 12: 11, 15: 16, 16: 15}, "left_lower_leg, right_lower_leg are .*; left_foot, right_foot are"),
        ("01_a", {LEFT_HAND: RIGHT_HAND, RIGHT_HAND: LEFT_HAND}, "left_hand, right_hand are"),
    ],
)
def test_files_in_a_wrong_order_are_rejected_whatever_sensor_is_wanted(files, tmp_path, file, order, says):
    with pytest.raises(Rejection, match=f"another order, by `gt`: {says}") as caught:
        read_trial(trial(files / f"{file}.pkl", tmp_path, order), CONFIG, sensors=["head"], rate_hz=60.0)
    assert caught.value.reason is Reason.IMPLAUSIBLE
