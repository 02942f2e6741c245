"""BVH reading: known transforms, every channel order, every malformed input, and all real files there are."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from bvh_writer import RigJoint, bvh_text, write_bvh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.archives import bvh
from vimu.archives.bvh import read_bvh
from vimu.archives.config import ArchiveConfig, load_archive
from vimu.archives.take import take_of
from vimu.contracts import Reason, Rejection

SEGMENTS = {"pelvis": {"joint": "Hips", "left": "+x", "up": "+y"}}
CONFIG = ArchiveConfig(
    name="test", reader="bvh", licence="none", evidence="made up", unit_m=0.01, up="+y", segments=SEGMENTS
)
ROTATIONS = ("Xrotation", "Yrotation", "Zrotation")
POSITIONS = ("Xposition", "Yposition", "Zposition")
TWO_JOINTS = [
    RigJoint("Hips", -1, (0, 90, 0), POSITIONS + ROTATIONS),
    RigJoint("Head", 0, (0, 50, 0)),
]
VALID = bvh_text(TWO_JOINTS, np.arange(45, dtype=float).reshape(5, 9)).encode()

OTHER_RIGS = [
    ("cmu_bvh", "cmu/01_01.bvh", 2752, 120.0),
    ("cmu_hanging_arms", "animated_drawings/cmu1/jumping_jacks.bvh", 125, 30.0),
    ("fair", "animated_drawings/fair1/dab.bvh", 339, 30.0),
    ("fair", "animated_drawings/fair1/jumping.bvh", 654, 120 / 1.001),
    ("fair", "animated_drawings/fair1/wave_hello.bvh", 839, 120 / 1.001),
    ("fair", "animated_drawings/fair1/zombie.bvh", 779, 30.0),
    ("rokoko", "animated_drawings/rokoko/jesse_dance.bvh", 1007, 100.0),
]


def reason_for(tmp_path: Path, content: bytes, config: ArchiveConfig = CONFIG) -> Reason:
    path = tmp_path / "bad.bvh"
    path.write_bytes(content)
    with pytest.raises(Rejection) as caught:
        read_bvh(path, config)
    assert caught.value.path == str(path)
    assert len(str(caught.value)) < 600
    return caught.value.reason


@st.composite
def rigs(draw: st.DrawFn) -> tuple[list[RigJoint], np.ndarray]:
    n_joints = draw(st.integers(1, 6))
    rig = []
    for index in range(n_joints):
        kinds = ROTATIONS + (POSITIONS if index == 0 or draw(st.booleans()) else ())
        offset = tuple(draw(st.lists(st.integers(-50, 50), min_size=3, max_size=3)))
        # a chain below the last joint only: a tree walk then visits joints in the order of the list
        rig.append(RigJoint(f"j{index}" if index else "Hips", index - 1, offset, tuple(draw(st.permutations(kinds)))))
    n_columns = sum(len(j.channels) for j in rig)
    seed = draw(st.integers(0, 2**32 - 1))
    return rig, np.random.default_rng(seed).uniform(-360, 360, (4, n_columns))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rigs())
def test_any_channel_order_gives_scipys_intrinsic_rotations_and_positions_that_replace_the_offset(tmp_path, case):
    rig, rows = case
    motion = read_bvh(write_bvh(tmp_path / "a.bvh", rig, rows), CONFIG)
    assert motion.joints == tuple(j.name for j in rig)
    assert motion.parents == tuple(j.parent for j in rig)
    column = 0
    for index, joint in enumerate(rig):
        values = {c: rows[:, column + k] for k, c in enumerate(joint.channels)}
        column += len(joint.channels)
        order = [c for c in joint.channels if c in ROTATIONS]
        angles = np.stack([values[c] for c in order], axis=1)
        expected = Rotation.from_euler("".join(c[0] for c in order), angles, degrees=True).as_matrix()
        np.testing.assert_allclose(motion.rotations[:, index], expected, atol=1e-12)
        place = [values.get(c, np.full(len(rows), joint.offset[k])) for k, c in enumerate(POSITIONS)]
        np.testing.assert_allclose(motion.translations[:, index], 0.01 * np.stack(place, axis=1), atol=1e-12)


def test_zxy_is_rz_rx_ry_by_hand(tmp_path):
    rig = [RigJoint("Hips", -1, (0, 0, 0), ("Zrotation", "Xrotation", "Yrotation"))]
    motion = read_bvh(write_bvh(tmp_path / "a.bvh", rig, np.tile([90.0, 90.0, 0.0], (3, 1))), CONFIG)
    rz, rx = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    np.testing.assert_allclose(motion.rotations[0, 0], rz @ rx, atol=1e-15)
    assert motion.rotations.dtype == motion.translations.dtype == np.float64


def test_a_joint_with_fewer_channels_keeps_its_offset_and_turns_about_what_it_has(tmp_path):
    rig = [
        RigJoint("Hips", -1, (1, 2, 3), ("Yposition",)),
        RigJoint("Knee", 0, (4, 5, 6), ("Xrotation",)),
        RigJoint("Toe", 1, (7, 8, 9), ()),
    ]
    motion = read_bvh(write_bvh(tmp_path / "a.bvh", rig, np.tile([50.0, 90.0], (3, 1))), CONFIG)
    np.testing.assert_allclose(motion.translations[0], [[0.01, 0.5, 0.03], [0.04, 0.05, 0.06], [0.07, 0.08, 0.09]])
    np.testing.assert_allclose(motion.rotations[0, [0, 2]], [np.eye(3), np.eye(3)])
    np.testing.assert_allclose(motion.rotations[0, 1] @ [0, 1, 0], [0, 0, 1], atol=1e-15)


@pytest.mark.parametrize("up", ["+x", "-x", "+y", "-y", "+z", "-z"])
def test_any_vertical_axis_becomes_plus_y_and_handedness_stays(tmp_path, up):
    climb = {"x": 0, "y": 1, "z": 2}[up[1]]
    rows = np.zeros((4, 6))
    rows[:, climb] = (-1 if up[0] == "-" else 1) * np.arange(4) * 100
    rig = [RigJoint("Hips", -1, (0, 0, 0), POSITIONS + ROTATIONS)]
    motion = read_bvh(write_bvh(tmp_path / "a.bvh", rig, rows), CONFIG.model_copy(update={"up": up}))
    np.testing.assert_allclose(motion.translations[:, 0], [[0, i, 0] for i in range(4)], atol=1e-15)
    assert np.linalg.det(motion.rotations[0, 0]) == pytest.approx(1)
    if up == "+z":  # the turn that AMASS's Z-up world takes
        np.testing.assert_array_equal(motion.rotations[0, 0], [[1, 0, 0], [0, 0, 1], [0, -1, 0]])


@pytest.mark.parametrize(
    ("frame_time", "rate_hz"),
    [
        ("0.0333333", 30.0), (".03333", 30.0), ("0.00833333", 120.0), (".0083333", 120.0), ("0.010000", 100.0),
        ("0.016667", 60.0), ("0.008342", 120 / 1.001), ("0.016683", 60 / 1.001), ("0.0333667", 30 / 1.001),
        ("0.02", 50.0), ("1", 1.0), ("0.001", 1000.0), ("0.0169", 1 / 0.0169),
    ],
)  # fmt: skip
def test_a_rounded_frame_time_is_the_rate_that_was_meant(tmp_path, frame_time, rate_hz):
    rows = np.zeros((3, 9))
    assert read_bvh(write_bvh(tmp_path / "a.bvh", TWO_JOINTS, rows, frame_time), CONFIG).rate_hz == rate_hz


def test_tolerates_what_real_exporters_write(tmp_path):
    path = tmp_path / "a.bvh"
    text = VALID.decode().replace("JOINT Head", "JOINT Left  Hand").replace("Zrotation", "ZROTATION")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n  \r\n")
    motion = read_bvh(path, CONFIG)
    assert motion.joints == ("Hips", "Left Hand")
    assert motion.translations.shape == (5, 2, 3)


def test_ten_thousand_nested_joints_need_no_recursion(tmp_path):
    n = 10_000
    header = "HIERARCHY\nROOT Hips {OFFSET 0 0 0 CHANNELS 1 Yposition\n".replace("{", "{ ")
    header += "".join(f"JOINT j{i} {{ OFFSET 0 1 0\n" for i in range(n)) + "} " * n + "}\n"
    (tmp_path / "deep.bvh").write_text(header + "MOTION\nFrames: 3\nFrame Time: 0.01\n1\n2\n3\n")
    assert len(read_bvh(tmp_path / "deep.bvh", CONFIG).joints) == n + 1


def changed(old: bytes, new: bytes) -> bytes:
    assert VALID.count(old) >= 1
    return VALID.replace(old, new, 1)


LAST_ROW = VALID.splitlines(keepends=True)[-1]

MALFORMED = {
    "empty": (b"", Reason.UNREADABLE),
    "another format": (b"\x89PNG\r\n\x1a\n" + bytes(200), Reason.UNREADABLE),
    "no hierarchy": (VALID[VALID.index(b"MOTION") :], Reason.UNREADABLE),
    "header only": (VALID[: VALID.index(b"MOTION")], Reason.UNREADABLE),
    "no rows": (VALID[: VALID.index(b"0.0 1.0")], Reason.UNREADABLE),
    "blank rows": (VALID[: VALID.index(b"0.0 1.0")] + b" \n" * 200, Reason.UNREADABLE),
    "a frame is missing": (VALID.removesuffix(LAST_ROW), Reason.UNREADABLE),
    "cut within a row": (VALID[:-20], Reason.UNREADABLE),
    "one frame too many": (VALID + LAST_ROW, Reason.BAD_SHAPE),
    "a channel undeclared": (changed(b"CHANNELS 3 Zrotation Xrotation Yrotation", b"CHANNELS 2 Zrotation Xrotation"),
                             Reason.BAD_SHAPE),
    "a channel too many": (changed(b"CHANNELS 3 Z", b"CHANNELS 4 Xposition Z"), Reason.BAD_SHAPE),
    "channel count lies": (changed(b"CHANNELS 3", b"CHANNELS 2"), Reason.UNREADABLE),
    "channel count absurd": (changed(b"CHANNELS 3", b"CHANNELS 99999999999"), Reason.UNREADABLE),
    "channel count negative": (changed(b"CHANNELS 3", b"CHANNELS -3"), Reason.UNREADABLE),
    "channel twice": (changed(b"Zrotation Xrotation Y", b"Zrotation Zrotation Y"), Reason.UNREADABLE),
    "channel unknown": (changed(b"Zrotation", b"Wrotation"), Reason.UNREADABLE),
    "no channel at all": (changed(b"CHANNELS 6 Xposition Yposition Zposition Xrotation Yrotation Zrotation", b"")
                          .replace(b"CHANNELS 3 Zrotation Xrotation Yrotation", b""), Reason.BAD_SHAPE),
    "offset of two numbers": (changed(b"OFFSET 0.0 90.0 0.0", b"OFFSET 0.0 90.0"), Reason.UNREADABLE),
    "offset is text": (changed(b"OFFSET 0.0 90.0", b"OFFSET 0.0 ninety"), Reason.UNREADABLE),
    "offset is nan": (changed(b"OFFSET 0.0 90.0", b"OFFSET 0.0 nan"), Reason.NON_FINITE),
    "no offset": (changed(b"OFFSET 0.0 90.0 0.0", b""), Reason.UNREADABLE),
    "brace not closed": (changed(b"}\n", b"\n"), Reason.UNREADABLE),
    "brace too many": (changed(b"MOTION", b"}\nMOTION"), Reason.UNREADABLE),
    "brace not opened": (changed(b"{", b""), Reason.UNREADABLE),
    "two roots": (changed(b"MOTION", b"ROOT Other { OFFSET 0 0 0 }\nMOTION"), Reason.UNREADABLE),
    "joint in an end site": (changed(b"OFFSET 0 1 0", b"OFFSET 0 1 0 JOINT x { OFFSET 0 0 0 }"), Reason.UNREADABLE),
    "same name twice": (changed(b"JOINT Head", b"JOINT Hips"), Reason.UNREADABLE),
    "header is no text": (changed(b"Head", b"He\xffd"), Reason.UNREADABLE),
    "another rig": (changed(b"ROOT Hips", b"ROOT Pelvis"), Reason.BAD_SHAPE),
    "frames 0": (changed(b"Frames: 5", b"Frames: 0"), Reason.TOO_SHORT),
    "frames 2": (changed(b"Frames: 5", b"Frames: 2"), Reason.TOO_SHORT),
    "frames negative": (changed(b"Frames: 5", b"Frames: -5"), Reason.UNREADABLE),
    "frames no count": (changed(b"Frames: 5", b"Frames: 5.0"), Reason.UNREADABLE),
    "frames absurd": (changed(b"Frames: 5", b"Frames: 999999999999"), Reason.UNREADABLE),
    "frames beyond int": (changed(b"Frames: 5", b"Frames: " + b"9" * 9000), Reason.UNREADABLE),
    **{f"frame time {t}": (changed(b"Time: 0.0333333", b"Time: " + t.encode()), Reason.UNKNOWN_RATE)
       for t in ("0", "-0.01", "nan", "inf", "1e-320", "0.0009", "1.1", "fast", "1_0e-2x")},
    "row holds nan": (changed(b" 40.0 ", b" nan "), Reason.NON_FINITE),
    "row holds infinity": (changed(b" 40.0 ", b" -inf "), Reason.NON_FINITE),
    "row overflows": (changed(b" 40.0 ", b" 1e999 "), Reason.NON_FINITE),
    "row holds an absurd length": (changed(b" 40.0 ", b" 4e30 "), Reason.NON_FINITE),
    "row holds text": (changed(b" 40.0 ", b" 40,0 "), Reason.UNREADABLE),
    "row holds a null byte": (changed(b" 40.0 ", b" 4\x000 "), Reason.UNREADABLE),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_rejected_for_the_right_reason(tmp_path, case):
    content, reason = MALFORMED[case]
    assert reason_for(tmp_path, content) is reason


def test_a_rig_without_a_mapped_segments_end_is_another_rig(tmp_path):
    segments = {"pelvis": {"joint": "Hips", "end": "Spine", "left": "+x", "up": "+y"}}
    config = ArchiveConfig(**(CONFIG.model_dump() | {"segments": segments}))
    assert reason_for(tmp_path, VALID, config) is Reason.BAD_SHAPE


def test_a_missing_file_and_a_folder_are_rejected(tmp_path):
    for path in (tmp_path, tmp_path / "none.bvh"):
        with pytest.raises(Rejection) as caught:
            read_bvh(path, CONFIG)
        assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("limit", ["MAX_FILE_BYTES", "MAX_HEADER_BYTES", "MAX_EXPANDED_BYTES"])
def test_what_would_not_fit_is_oversized(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(bvh, limit, 100)
    assert reason_for(tmp_path, VALID) is Reason.OVERSIZED


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.binary(max_size=4), st.integers(0, 6)), max_size=4),
    st.integers(0, len(VALID)),
)
def test_damaged_bytes_give_a_rejection_or_a_valid_motion_and_never_another_error(tmp_path, edits, cut):
    content = VALID
    for at, new, dropped in edits:
        content = content[:at] + new + content[at + dropped :]
    if cut % 3 == 0:
        content = content[:cut]
    path = tmp_path / "fuzzed.bvh"
    path.write_bytes(content)
    try:
        motion = read_bvh(path, CONFIG)
    except Rejection as rejection:
        assert rejection.detail
        return
    assert np.isfinite(motion.translations).all()
    np.testing.assert_allclose(np.linalg.det(motion.rotations), 1, atol=1e-9)
    assert 1 <= motion.rate_hz <= 1000


def test_a_take_is_named_by_its_path(tmp_path):
    config = CONFIG.model_copy(update={"subject": r"^(?P<subject>\d+)/"})
    path = tmp_path / "07" / "07_01-walk slow.bvh"
    take = take_of(path, tmp_path, config)
    assert (take.archive, take.subject, take.sequence) == ("test", "07", "07/07_01-walk slow")
    assert take.description == "07 07 01 walk slow"
    assert take_of(path, None, config).sequence == "07_01-walk slow"
    assert take_of(path, None, config).subject is None


def bone_length_drift(motion: object) -> float:
    """Largest change of any bone's length over a take, m."""
    lengths = np.linalg.norm(motion.translations[:, 1:], axis=-1)
    free = np.array([j not in ("Hips",) for j in motion.joints[1:]])  # Bandai's Hips carry the world position
    return float(np.ptp(lengths[:, free], axis=0).max())


def test_all_of_bandai_mini_reads(bandai_mini):
    config = load_archive("bandai")
    paths = sorted(bandai_mini.glob(config.files))
    assert len(paths) == 66
    for path in paths:
        motion = read_bvh(path, config, bandai_mini)
        assert motion.rate_hz == 30.0
        assert len(motion.joints) == 22
        assert bone_length_drift(motion) < 1e-4
        assert motion.take.sequence == str(path.relative_to(bandai_mini).with_suffix(""))
        assert motion.take.subject is None


@pytest.mark.parametrize(("archive", "file", "n_frames", "rate_hz"), OTHER_RIGS)
def test_other_rigs_read_with_yaml_alone(vimu_data, archive, file, n_frames, rate_hz):
    root = vimu_data / "mocap_other_rigs" / "raw"
    motion = read_bvh(root / file, load_archive(archive), root)
    assert len(motion.translations) == n_frames
    assert motion.rate_hz == rate_hz
    assert bone_length_drift(motion) < 1e-4
    assert motion.take.subject == ("01" if archive == "cmu_bvh" else None)


@pytest.mark.slow
def test_all_1294_bandai_clips_read(vimu_data, tmp_path):
    with tarfile.open(vimu_data / "mocap_bandai_bvh" / "bandai_bvh_subset.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    config = load_archive("bandai")
    motions = (read_bvh(path, config, tmp_path) for path in tmp_path.glob(config.files))
    frames = [len(m.translations) for m in motions]
    assert (len(frames), sum(frames)) == (1294, 209_003)
