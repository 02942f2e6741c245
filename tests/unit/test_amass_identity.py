"""AMASS as people have it: one name a subject and a take, rates that files get wrong, and what no body does."""

import dataclasses
import json
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vimu.archives.amass import read_amass
from vimu.archives.bvh import read_bvh
from vimu.archives.config import ArchiveConfig, load_archive
from vimu.archives.rates import RateCorrection, corrected_rate
from vimu.archives.take import take_name_of, take_of
from vimu.body.placement import load_placements
from vimu.clips.plausibility import check_plausible, load_limits
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import Reason, Rejection, Trajectory
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError

AMASS = load_archive("amass")
ALIASES = [(own, alias) for own, c in AMASS.collections.items() for alias in (own, *c.aliases)]


def subject(path, root="/data/AMASS"):
    root = PurePosixPath(root)
    return take_of(root / path, root, AMASS).subject


@given(
    names=st.sampled_from(ALIASES), nested=st.sampled_from([None, *ALIASES]),
    folder=st.text("abc", min_size=1, max_size=5), release=st.sampled_from(["_poses", "_stageii"]),
)  # fmt: skip
def test_a_subject_and_a_take_have_one_name(names, nested, folder, release):
    """Whatever the alias, the nesting, the release, and whether the archive or one collection is the root."""
    own, alias = names
    below = f"{alias}/{folder}/walk 1{release}.npz"
    roots = {"/data/AMASS": below, f"/data/{alias}": below.partition("/")[2], "/data/a": f"{own}/{below}"}
    if nested is not None and nested[0] == own:
        roots["/data/b"] = f"{nested[1]}/{below}"
    for root, path in roots.items():
        root = PurePosixPath(root)
        assert subject(path, root) == f"{own}/{folder}"
        assert take_name_of_pure(root / path, root) == f"{own}/{folder}/walk_1"


def take_name_of_pure(path, root):
    return take_name_of(Path(path), Path(root), AMASS)


@pytest.mark.parametrize(
    ("paths", "person"),
    [
        (("ACCAD/Male2Walking_c3d/B1_poses.npz", "ACCAD/ACCAD/Male2MartialArtsKicks_c3d/G1_poses.npz"), "ACCAD/Male2"),
        (("DFaust_67/50027/a_poses.npz", "MoSh/50027/b_stageii.npz", "MPI_mosh/50027/c_poses.npz"), "MPI/50027"),
        (("SSM_synced/20160930_50032/a_poses.npz",), "MPI/50032"),
        (("DanceDB/20120911_AnnaX/a_poses.npz", "DanceDB/20150927_AnnaX/a_poses.npz"), "DanceDB/AnnaX"),
        (("ACCAD/s001/EricCamper04_poses.npz",), "ACCAD/s001"),
        (("KIT/3/a_poses.npz",), "KIT/3"),
        (("EyesJapanDataset/Eyes_Japan_Dataset/aita/a_poses.npz",), "EyesJapanDataset/aita"),
    ],
)
def test_one_person_has_one_name(paths, person):
    assert {subject(path) for path in paths} == {person}


def test_people_of_different_collections_stay_apart():
    assert subject("DFaust/50027/x_poses.npz") == subject("MoSh/50027/x_poses.npz")
    names = {take_name_of_pure(f"/r/{c}/50027/x_poses.npz", "/r") for c in ("DFaust", "MoSh")}
    assert len(names) == 2  # one person, yet two takes
    assert subject("HumanEva/S1/x_poses.npz") != subject("GRAB/S1/x_poses.npz")


def test_every_published_path_has_a_subject(vimu_data):
    paths = json.loads((vimu_data / "labels" / "babel_index" / "amass_to_babel.json").read_text())
    folders = defaultdict(set)
    for path in paths:
        folders[subject(f"{path}.npz")].add("/".join(path.split("/")[:2]))
    assert None not in folders
    assert {name.split("/")[0] for name in folders} <= {*AMASS.collections, "MPI"}
    merged = {name: found for name, found in folders.items() if len(found) > 1}
    assert {name.split("/")[0] for name in merged} == {"ACCAD", "MPI"}
    assert not [p for p in paths if any(PurePosixPath(f"{p}.npz").match(pattern) for pattern in AMASS.skip)]


def test_aliases_need_evidence_and_patterns_must_compile():
    raw = AMASS.model_dump(mode="json")
    for change, says in (
        ({"collections": {"A": {"aliases": ["B"]}}}, "evidence"),
        ({"same_person": [{"match": "(", "subject": "x", "evidence": "e"}]}, "regular expression"),
        ({"rate_corrections": [{"match": "*", "rate_hz": 0, "evidence": "e"}]}, "greater than 0"),
    ):
        with pytest.raises(UserError, match=says):
            validate(ArchiveConfig, raw | change, where="x")


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    ("name", "file_hz", "rate_hz", "says"),
    [
        ("CMU/62/62_11", 120.0, 60.0, "is 60 Hz, not the file's 120"),
        ("CMU/62/62_11", 60.0, 60.0, None),
        ("CMU/64/64_01", 120.0, 120.0, None),
        ("CMU/8/8_01", 120.0, 120.0, None),
        ("TotalCapture/s1/walking1", 120.0, 60.0, "probably 60 Hz"),
        ("TotalCapture/s1/walking1", 60.00001, 60.00001, None),
        ("BMLhandball/S01_Expert/Trial_1", 120.0, 240.0, "is 240 Hz"),
        ("SSM/20161014_50033/clap_sync", 120.0, 59.0, "probably 59 Hz"),
        ("SSM/20160330_03333/ATU_001", 60.0, 60.0, None),
        ("TCDHands/ExperimentDatabase/typing", 150.0, 150.0, "in doubt"),
        ("NotBMLhandball/S01/x", 120.0, 120.0, None),
        (None, 120.0, 120.0, None),
    ],
)
def test_corrections_apply_where_the_evidence_does(name, file_hz, rate_hz, says):
    rate, note = corrected_rate(file_hz, name, AMASS.rate_corrections)
    assert rate == rate_hz
    assert (says in note) if says else note is None


@pytest.mark.fault(41)
def test_a_correction_of_one_stated_rate_leaves_another_alone():
    """One release may be right and the other wrong."""
    rule = RateCorrection(match="CMU/*", file_hz=120.0, rate_hz=60.0, evidence="e")
    assert corrected_rate(120.0, "CMU/62/62_11", [rule])[0] == 60.0
    assert corrected_rate(100.0, "CMU/62/62_11", [rule]) == (100.0, None)


def test_the_first_correction_counts():
    rules = [RateCorrection(match="A/*", rate_hz=hz, evidence="e") for hz in (50, 70)]
    assert corrected_rate(100.0, "A/b/c", rules)[0] == 50


def test_the_evidence_for_60_hz_is_in_the_real_files(vimu_data):
    """Takes at 60 Hz last whole sixtieths of a second; of those at 120 Hz half do."""
    annotations = json.loads((vimu_data / "labels" / "kitml" / "annotations.json").read_text())
    durations = {a["path"]: a["duration"] for a in annotations.values() if not a["path"].startswith("M/")}
    at_60, others = defaultdict(list), []
    for path, seconds in durations.items():
        if path.startswith("CMU/"):
            rate, _ = corrected_rate(120.0, path.removesuffix("_poses"), AMASS.rate_corrections)
            sixtieths = abs(seconds * 60 - round(seconds * 60)) < 0.06  # durations are rounded to a millisecond
            if rate == 60:
                at_60[path.split("/")[1]].append(sixtieths)
            else:
                others.append(sixtieths)
    assert all(all(found) for found in at_60.values())
    assert {subject: len(found) for subject, found in at_60.items()} == {
        "62": 6,
        "75": 12,
        "77": 17,
        "79": 47,
        "80": 25,
        "106": 19,
        "107": 10,
        "139": 17,
        "141": 23,
        "143": 24,
    }
    assert 0.4 < np.mean(others) < 0.6
    assert 3703 / durations["CMU/62/62_11_poses"] == pytest.approx(60, rel=0.01)
    assert 4 * 569 / durations["CMU/80/80_63_poses"] == pytest.approx(60, rel=0.01)


def write_take(path, rate_hz):
    path.parent.mkdir(parents=True)
    np.savez(
        path, poses=np.zeros((20, 156)), trans=np.zeros((20, 3)), betas=np.zeros(16), gender="male",
        mocap_frame_rate=np.array(rate_hz),
    )  # fmt: skip


@pytest.mark.fault(41)
def test_a_correction_reaches_the_motion_with_or_without_its_archive(tmp_path):
    path = tmp_path / "BMLhandball" / "S01_Expert" / "Trial_1_stageii.npz"
    write_take(path, 120.0)
    for root in (tmp_path, path.parents[1], None):
        motion = read_amass(path, AMASS, root)
        assert (motion.rate_hz, motion.file_rate_hz) == (240.0, 120.0)
        assert "Helm" in motion.notes[0]


def moving(amplitude_m, frequency_hz, rate_hz=120.0, seconds=4.0, velocity_m_s=0.0):
    t = np.arange(0, seconds, 1 / rate_hz)
    position = np.zeros((len(t), 1, 3))
    position[:, 0, 1] = amplitude_m * np.sin(2 * np.pi * frequency_hz * t)
    position[:, 0, 0] = velocity_m_s * t
    orientation = np.broadcast_to(np.eye(3), (len(t), 1, 3, 3))
    return Trajectory(position, orientation, rate_hz, ("x",))


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    ("placement", "move", "passes"),
    [
        ("pelvis", {"amplitude_m": 0.05, "frequency_hz": 2.0}, True),
        ("pelvis", {"amplitude_m": 0.0, "frequency_hz": 0.0, "velocity_m_s": 12.0}, True),
        ("pelvis", {"amplitude_m": 0.0, "frequency_hz": 0.0, "velocity_m_s": 13.0}, False),
        ("pelvis", {"amplitude_m": 0.2, "frequency_hz": 3.5}, False),
        ("left_wrist", {"amplitude_m": 0.2, "frequency_hz": 3.5}, True),  # a hand may what a trunk may not
        ("left_wrist", {"amplitude_m": 20.0, "frequency_hz": 2.0}, False),  # centimetres read as metres
    ],
)
def test_only_what_no_body_does_is_left_out(placement, move, passes):
    check = (moving(**move), load_placements([placement]), load_limits(), "take")
    if passes:
        check_plausible(*check)
        return
    with pytest.raises(Rejection, match=r"beyond .*`rate_corrections`") as error:
        check_plausible(*check)
    assert error.value.reason is Reason.IMPLAUSIBLE


def test_noise_at_a_high_rate_is_no_reason():
    trajectory = moving(0.05, 1.0, rate_hz=480.0)
    noisy = trajectory.position + np.random.default_rng(0).normal(0, 0.001, trajectory.position.shape)
    check_plausible(dataclasses.replace(trajectory, position=noisy), load_placements(["head"]), load_limits(), "take")


def test_real_takes_pass_and_a_jumper_at_twice_the_rate_does_not(amass_samples, demo_body):
    synthesizer = Synthesizer(AMASS, ["left_wrist", "right_thigh", "head"], demo_body)
    motions = [synthesizer.read(path) for path in amass_samples]
    for motion in motions:
        synthesizer.trajectory(motion)
    shaken = next(m for m in motions if len(m.poses) == 235)
    with pytest.raises(Rejection, match="median acceleration"):
        synthesizer.trajectory(dataclasses.replace(shaken, rate_hz=2 * shaken.rate_hz))


def test_a_rig_in_the_wrong_unit_is_left_out(bandai_mini):
    bandai = load_archive("bandai")
    path = next(bandai_mini.rglob("*walk_normal*.bvh"))
    synthesizer = Synthesizer(bandai, ["left_wrist", "head"], None)
    synthesizer.trajectory(read_bvh(path, bandai))
    with pytest.raises(Rejection, match="beyond"):
        synthesizer.trajectory(read_bvh(path, bandai.model_copy(update={"unit_m": 1.0})))
