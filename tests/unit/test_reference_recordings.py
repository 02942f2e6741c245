"""Readers of recordings without labels: Xsens MTw, Xsens DOT, TransPose, on generated files and on the real ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, ImuRecording, Reason, Rejection
from vimu.imu.frames import in_frame
from vimu.recordings.reference import ReferenceConfig, ReferenceSensor, load_reference, read_reference
from vimu.runtime.errors import UserError
from vimu.runtime.safe_load import load_torch_array

N = 150
EARTH_TO_WORLD = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
MTW_HEADER = "PacketCounter\tSampleTimeFine\tAcc_X\tAcc_Y\tAcc_Z\t" + "\t".join(
    f"Mat[{row}][{column}]" for column in (1, 2, 3) for row in (1, 2, 3)
)
DOT_HEADER = "PacketCounter,SampleTimeFine,Quat_W,Quat_X,Quat_Y,Quat_Z,FreeAcc_X,FreeAcc_Y,FreeAcc_Z,Status"


def config(reader: str, sensors: dict[str, str], up: str = "+z", rate_hz: float = 60) -> ReferenceConfig:
    known = {key: ReferenceSensor(placement=name, evidence="test") for key, name in sensors.items()}
    return ReferenceConfig(
        name="test", reader=reader, licence="none", evidence="test", rate_hz=rate_hz, up=up, max_gap_s=0.1,
        sensors=known,
    )  # fmt: skip


MTW = config("xsens_mtw", {"AA": "pelvis", "BB": "right_thigh"}, rate_hz=100)
DOT = config("xsens_dot", {"Pelvis": "pelvis"})
TRANSPOSE = config("transpose", {"0": "left_wrist", "1": "head"}, up="+y")


def turning(n: int = N, seed: int = 0) -> Rotation:
    """Smooth rotation from an earth-fixed start, sensor to earth."""
    start = Rotation.random(rng=np.random.default_rng(seed))
    return Rotation.from_rotvec(np.outer(np.arange(n) * 0.01, [0.5, 1.0, -0.3])) * start


def write_mtw(
    path: Path, turn: Rotation, *, counter: int = 7, rate: str = "100.0Hz", lost: set[int] = frozenset()
) -> None:
    acc = turn.inv().apply([0, 0, STANDARD_GRAVITY])
    rows = [
        f"{counter + t:05d}\t\t" + "\t".join("" if t in lost else f"{v:.6f}" for v in (*acc[t], *m.T.ravel()))
        for t, m in enumerate(turn.as_matrix())
    ]
    path.write_text("\n".join(["// Start Time: Unknown", f"// Update Rate: {rate}", MTW_HEADER, *rows]) + "\n")


def write_dot(path: Path, turn: Rotation, acc: np.ndarray, first_us: int = 1000) -> None:
    quaternions = turn.as_quat(scalar_first=True)
    rows = [
        f"{t + 1},{(first_us + 16667 * t) % 2**32}," + ",".join(f"{v:.6f}" for v in (*q, *acc[t])) + ",0"
        for t, q in enumerate(quaternions)
    ]
    path.write_text("\n".join(["sep=,", "OutputRate:,60Hz", "", DOT_HEADER, *rows]) + "\n")


def write_transpose(folder: Path, n_sensors: int = 2) -> tuple[np.ndarray, np.ndarray]:
    acc = np.random.default_rng(1).normal(size=(N, n_sensors, 3)).astype(np.float32)
    ori = np.stack([turning(seed=s).as_matrix() for s in range(n_sensors)], axis=1).astype(np.float32)
    torch.save(torch.from_numpy(acc), folder / "acc.pt")
    torch.save(torch.from_numpy(ori), folder / "ori.pt")
    return acc, ori


def refused(folder: Path, of: ReferenceConfig) -> Rejection:
    with pytest.raises(Rejection) as caught:
        read_reference(folder, of)
    return caught.value


# ---- Xsens MTw


def test_mtw_files_become_one_recording_in_our_world(tmp_path):
    write_mtw(tmp_path / "MT_AA.txt", turning())
    write_mtw(tmp_path / "MT_BB.txt", turning(seed=1), counter=17)  # starts ten packets later
    read = read_reference(tmp_path, MTW)
    assert (read.sensors, read.frame, read.gravity, read.rate_hz) == (
        ("pelvis", "right_thigh"),
        "sensor",
        "included",
        100,
    )
    assert (read.n_frames, read.gyr, read.notes) == (N - 10, None, ())
    assert read.ori is not None
    np.testing.assert_allclose(read.ori[:, 0], EARTH_TO_WORLD @ turning().as_matrix()[10:], atol=1e-5)
    at_rest = in_frame(read, frame="world", gravity="removed")
    np.testing.assert_allclose(at_rest.acc, 0, atol=1e-4)  # gravity is taken off along our +Y


def test_lost_mtw_packets_are_filled_and_counted(tmp_path):
    write_mtw(tmp_path / "MT_AA.txt", turning())
    write_mtw(tmp_path / "MT_BB.txt", turning(seed=1), lost={40, 41, 90})
    read = read_reference(tmp_path, MTW)
    assert read.notes == (f"filled: 3 of {N} samples of right_thigh",)
    assert read.ori is not None
    np.testing.assert_allclose(read.ori[:, 1], EARTH_TO_WORLD @ turning(seed=1).as_matrix(), atol=1e-4)


def test_a_long_gap_a_wrong_rate_and_a_missing_sensor_are_refused(tmp_path):
    write_mtw(tmp_path / "MT_AA.txt", turning())
    assert refused(tmp_path, MTW).reason == Reason.MISSING_SENSOR
    write_mtw(tmp_path / "MT_BB.txt", turning(), lost=set(range(60, 80)))
    assert refused(tmp_path, MTW).reason == Reason.GAP
    write_mtw(tmp_path / "MT_BB.txt", turning(), rate="60.0Hz")
    assert refused(tmp_path, MTW).reason == Reason.UNKNOWN_RATE
    with pytest.raises(UserError, match="must be the folder"):
        read_reference(tmp_path / "nowhere", MTW)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Mat[2][3]", "Mat[9][9]", Reason.UNREADABLE),
        ("PacketCounter", "Packets", Reason.UNREADABLE),
        ("\t0.", "\tx0.", Reason.UNREADABLE),
        ("\t0.", "\tnan", Reason.UNREADABLE),  # `nan7531` is no number
        ("00012\t", "00011\t", Reason.UNREADABLE),  # the counter stands still
        ("\t-0.", "\t0.", Reason.NOT_A_ROTATION),
    ],
)
def test_damaged_mtw_files_are_refused(tmp_path, old, new, reason):
    write_mtw(tmp_path / "MT_AA.txt", turning())
    write_mtw(tmp_path / "MT_BB.txt", turning())
    path = tmp_path / "MT_BB.txt"
    path.write_text(path.read_text().replace(old, new))
    assert refused(tmp_path, MTW).reason == reason


def test_not_a_number_is_refused(tmp_path):
    acc = np.zeros((N, 3))
    acc[50, 1] = np.nan
    write_dot(tmp_path / "Pelvis_1.csv", turning(), acc)
    assert refused(tmp_path, DOT).reason == Reason.NON_FINITE


# ---- Xsens DOT


@pytest.mark.parametrize("first_us", [1000, 2**32 - 16667 * 50])
def test_dot_files_are_read_also_where_their_clock_wraps(tmp_path, first_us):
    acc = np.sin(np.outer(np.arange(N), [0.05, 0.1, 0.03]))
    write_dot(tmp_path / "Pelvis_1.csv", turning(), acc, first_us)
    read = read_reference(tmp_path, DOT)
    assert (read.n_frames, read.frame, read.gravity) == (N, "world", "removed")
    np.testing.assert_allclose(read.acc[:, 0], acc @ EARTH_TO_WORLD.T, atol=2e-3)  # 16,667 us are no 1/60 s
    assert read.ori is not None
    np.testing.assert_allclose(read.ori[:, 0], EARTH_TO_WORLD @ turning().as_matrix(), atol=1e-4)


def test_a_quaternion_that_is_none_is_refused(tmp_path):
    write_dot(tmp_path / "Pelvis_1.csv", turning(), np.zeros((N, 3)))
    path = tmp_path / "Pelvis_1.csv"
    path.write_text(path.read_text().replace(",-0.", ",-1."))
    assert refused(tmp_path, DOT).reason == Reason.NOT_A_ROTATION


# ---- TransPose


def test_transpose_tensors_are_read_as_they_are(tmp_path):
    acc, ori = write_transpose(tmp_path)
    read = read_reference(tmp_path, TRANSPOSE)
    np.testing.assert_allclose(read.acc, acc, atol=1e-5)
    assert read.ori is not None
    np.testing.assert_allclose(read.ori, ori, atol=1e-5)
    assert read.notes == ()


def test_held_frames_are_counted(tmp_path):
    _, ori = write_transpose(tmp_path)
    torch.save(torch.from_numpy(ori[np.arange(N) // 2 * 2]), tmp_path / "ori.pt")
    assert read_reference(tmp_path, TRANSPOSE).notes == (f"held: {N // 2} of {N} frames repeat the one before",)


def test_transpose_files_of_another_shape_are_refused(tmp_path):
    write_transpose(tmp_path, n_sensors=3)
    assert refused(tmp_path, TRANSPOSE).reason == Reason.BAD_SHAPE
    write_transpose(tmp_path)
    torch.save({"acc": torch.zeros(3)}, tmp_path / "acc.pt")
    assert refused(tmp_path, TRANSPOSE).reason == Reason.UNREADABLE


def test_a_tensor_that_repeats_few_bytes_without_end_is_refused(tmp_path):
    path = tmp_path / "acc.pt"
    torch.save(torch.zeros(1).expand(10**12), path)
    assert path.stat().st_size < 10_000
    with pytest.raises(Rejection) as caught:
        load_torch_array(path)
    assert caught.value.reason == Reason.OVERSIZED


# ---- settings and real files


def test_two_sensors_at_one_place_are_refused():
    with pytest.raises(ValueError, match="occurs twice"):
        config("xsens_mtw", {"AA": "pelvis", "BB": "pelvis"})
    with pytest.raises(ValueError, match="numbered from 0"):
        config("transpose", {"0": "pelvis", "2": "head"})


def real(vimu_data: Path, name: str, folder: str) -> ImuRecording:
    return read_reference(vimu_data / "imu_fullbody_orientation" / folder, load_reference(name))


def test_the_real_opensense_walk(vimu_data):
    read = real(vimu_data, "opensense", "opensense_walk")
    assert (read.n_frames, len(read.sensors), read.rate_hz, read.notes) == (2432, 8, 100, ())
    mean = in_frame(read, frame="world", gravity="included").acc.mean(axis=0)
    assert np.abs(mean - [0, STANDARD_GRAVITY, 0]).max() < 0.1


def test_the_real_dot_and_transpose_recordings(vimu_data):
    dot = real(vimu_data, "xsens_dot", "xsens_dot_5imu")
    assert (dot.n_frames, dot.notes) == (352, ("filled: 157 of 352 samples of left_thigh",))
    pelvis = dot.acc[:, 0].std(axis=0)
    assert pelvis[1] > 2 * max(pelvis[0], pelvis[2])  # knee bends: up and down, which is our +Y
    transpose = real(vimu_data, "transpose", "transpose_6imu")
    assert transpose.n_frames == 1760
    assert transpose.notes == ("held: 344 of 1760 frames repeat the one before",)
