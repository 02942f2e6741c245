"""AMASS files: the three real ones as they are, and every way in which one can be wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vimu
from vimu.archives.amass import read_amass
from vimu.archives.config import load_archive
from vimu.contracts import Reason, Rejection

AMASS = load_archive("amass")


def take(n=20, width=156, **changes):
    rng = np.random.default_rng(0)
    data = {
        "poses": rng.normal(0, 0.2, (n, width)), "trans": rng.normal(size=(n, 3)), "betas": np.zeros(16),
        "gender": np.array("female"), "mocap_framerate": np.array(120.0),
    }  # fmt: skip
    data |= changes
    return {k: v for k, v in data.items() if v is not None}


def rejected(path):
    with pytest.raises(Rejection) as error:
        read_amass(path, AMASS)
    return error.value.reason


def test_the_real_samples_load_as_they_are(amass_samples):
    frames, rates, genders = zip(
        *[(len(m.poses), m.rate_hz, m.gender) for m in (read_amass(p, AMASS) for p in amass_samples)], strict=True
    )
    assert sorted(frames) == [235, 500, 601]
    assert all(rate == pytest.approx(120) for rate in rates)
    assert sorted(genders) == ["female", "female", "male"]


def test_people_in_the_real_samples_stand_upright_in_the_canonical_world(amass_samples, demo_body):
    for path in amass_samples:
        recording_of = vimu.clips.synthesis.Synthesizer(AMASS, ["head", "pelvis", "left_foot", "right_foot"], demo_body)
        position = recording_of.trajectory(recording_of.read(path)).position.mean(axis=0)
        head, pelvis, *feet = position[:, 1]
        assert head > pelvis > max(feet)
        assert 0.5 < pelvis - min(feet) < 1.2
        assert abs(min(feet)) < 0.35  # the floor, but for the generated body's other proportions


@pytest.mark.fault(42)
@pytest.mark.parametrize(("width", "joints"), [(72, 24), (156, 52), (165, 55)])
def test_every_joint_of_each_release_is_kept(tmp_path, width, joints):
    poses = np.arange(5 * width, dtype=float).reshape(5, width) / 1000
    np.savez(tmp_path / "x.npz", **take(5, width, poses=poses))
    np.testing.assert_array_equal(read_amass(tmp_path / "x.npz", AMASS).poses, poses.reshape(5, joints, 3))


def test_subject_and_description_come_from_the_path(tmp_path):
    path = tmp_path / "CMU" / "CMU" / "13" / "13_18_poses.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **take())
    motion = read_amass(path, AMASS, tmp_path)
    assert (motion.take.subject, motion.take.sequence) == ("CMU/13", "CMU/CMU/13/13_18_poses")


@pytest.mark.fault(47)
@pytest.mark.parametrize(
    ("value", "gender"),
    [(np.array(b"female"), "female"), (np.array("Male"), "male"), (np.array("unknown"), "neutral"), (None, "neutral")],
)
def test_gender_as_text_or_bytes_or_not_at_all(tmp_path, value, gender):
    np.savez(tmp_path / "x.npz", **take(gender=value))
    assert read_amass(tmp_path / "x.npz", AMASS).gender == gender


@pytest.mark.fault(38)
def test_both_spellings_of_the_rate(tmp_path):
    np.savez(tmp_path / "x.npz", **take(mocap_framerate=None, mocap_frame_rate=np.array(59.94)))
    assert read_amass(tmp_path / "x.npz", AMASS).rate_hz == 59.94


@pytest.mark.fault(38, 39, 42, 43, 44, 46)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mocap_framerate": None}, Reason.UNKNOWN_RATE),
        *[({"mocap_framerate": np.array(rate)}, Reason.UNKNOWN_RATE) for rate in (0.0, -60.0, np.nan, 1e9, np.inf)],
        ({"mocap_framerate": np.array("120")}, Reason.UNKNOWN_RATE),
        ({"poses": np.zeros((20, 150))}, Reason.BAD_SHAPE),
        ({"poses": np.zeros((20, 52, 3))}, Reason.BAD_SHAPE),
        ({"poses": np.zeros((20, 156), int)}, Reason.BAD_SHAPE),
        ({"trans": np.zeros((19, 3))}, Reason.BAD_SHAPE),
        ({"betas": np.zeros((1, 16))}, Reason.BAD_SHAPE),
        ({"poses": np.full((20, 156), np.nan)}, Reason.NON_FINITE),
        ({"trans": np.full((20, 3), np.inf)}, Reason.NON_FINITE),
        ({"poses": np.zeros((2, 156)), "trans": np.zeros((2, 3))}, Reason.TOO_SHORT),
        ({"trans": None}, Reason.UNREADABLE),
        ({"poses": np.array([{}], dtype=object)}, Reason.UNSAFE_PICKLE),
    ],
)
def test_what_is_wrong_is_a_rejection_with_its_reason(tmp_path, changes, reason):
    np.savez(tmp_path / "x.npz", **take(**changes))
    assert rejected(tmp_path / "x.npz") is reason


@pytest.mark.fault(26, 27)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_read_or_rejected_and_nothing_else(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    np.savez(folder / "x.npz", **take(6))
    raw = bytearray((folder / "x.npz").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / "y.npz").write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    try:
        motion = read_amass(folder / "y.npz", AMASS)
    except Rejection:
        return
    assert np.isfinite(motion.poses).all()
