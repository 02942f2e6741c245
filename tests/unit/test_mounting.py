"""Mounting: planted offsets with known answers, and how real sensors agree before and after."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import vimu
from vimu.contracts import SMPL_JOINTS, STANDARD_GRAVITY, ImuRecording
from vimu.imu.frames import ChannelMissingError, in_frame
from vimu.imu.mounting import mean_vertical, mounting_turn, remounted, upright_directions
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import TrialFile, list_trials, read_trial
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml
from vimu.stages.mountings import OTHERS, calibrate, estimated_sensors, turns_of

PLACEMENTS = ("chest", "waist", "right_wrist", "right_ankle", "left_thigh")


def angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def spread_deg(verticals: list[np.ndarray]) -> float:
    """Mean distance of unit vectors from their mean."""
    unit = np.array(verticals) / np.linalg.norm(verticals, axis=-1, keepdims=True)
    return float(angle_deg(unit, unit.mean(axis=0)).mean())


directions = st.integers(0, 10_000).map(lambda seed: Rotation.random(rng=seed).as_matrix()[:, 0])


# ---- the turn


@given(vertical=directions, up=directions, size=st.floats(0.2, 2))
def test_the_turn_is_a_rotation_that_takes_the_vertical_up(vertical, up, size):
    turn = mounting_turn(size * vertical, up)
    np.testing.assert_allclose(turn @ vertical, up, atol=1e-9)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1.0)


@given(st.floats(-np.pi, np.pi))
def test_a_turn_about_the_face_is_undone_whole(angle):
    planted = Rotation.from_euler("z", angle).as_matrix()
    up = np.array([0.0, 0.96, 0.28])
    np.testing.assert_allclose(mounting_turn(planted.T @ up, up), planted, atol=1e-9)


@pytest.mark.parametrize("vertical", [[0, 0, 1.0], [0, 0, -1.0], [0, -1.0, 0], [0, 1.0, 0], [1e-12, -1.0, 0]])
def test_flat_and_upside_down_are_no_special_case(vertical):
    turn = mounting_turn(np.array(vertical), np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(turn @ vertical, [0, 1, 0], atol=1e-9)
    if vertical[1] == -1.0:  # upside down: still facing the same way
        np.testing.assert_allclose(turn @ [0, 0, 1.0], [0, 0, 1], atol=1e-9)


# ---- on virtual data with a planted offset


@pytest.fixture(scope="module")
def walk(bandai_mini: Path) -> ImuRecording:
    file = next(bandai_mini.rglob("dataset-2_walk_youthful_*.bvh"))
    return vimu.synthesize(str(file), archive="bandai", placements=list(PLACEMENTS), rate_hz=60)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_planted_offset_is_found_up_to_the_turn_about_the_vertical(walk, seed):
    planted = Rotation.random(len(PLACEMENTS), rng=seed).as_matrix()
    worn = replace(remounted(in_frame(walk, frame="sensor", gravity="included"), planted), ori=None)
    truth = mean_vertical(walk)  # of this walker, in segment axes
    vertical = mean_vertical(worn)
    for sensor in range(len(PLACEMENTS)):
        turn = mounting_turn(vertical[sensor], truth[sensor] / np.linalg.norm(truth[sensor]))
        left = turn @ planted[sensor]
        assert angle_deg(left @ truth[sensor], truth[sensor]) < 4  # VQF against the truth


def test_the_vertical_comes_from_the_gyroscope_too_where_a_limb_swings(walk):
    truth = mean_vertical(walk)
    bare = in_frame(walk, frame="sensor", gravity="included")
    without = {"frame": "sensor", "gravity": "included", "rate_hz": 60.0, "sensors": PLACEMENTS, "ori": None}
    by_vqf = angle_deg(mean_vertical(ImuRecording(acc=bare.acc, gyr=bare.gyr, **without)), truth)
    by_acc = angle_deg(mean_vertical(ImuRecording(acc=bare.acc, gyr=None, **without)), truth)
    assert by_vqf.max() < 4 and by_acc[[0, 1]].max() < 1
    assert by_acc[2] > 20  # this walker's arms swing
    gyr = bare.gyr.copy()
    gyr[:, 2] = np.nan
    mixed = mean_vertical(ImuRecording(acc=bare.acc, gyr=gyr, **without))
    np.testing.assert_allclose(angle_deg(mixed, truth), [*by_vqf[:2], by_acc[2], *by_vqf[3:]], atol=1e-6)
    with pytest.raises(ChannelMissingError, match="the vertical needs"):
        mean_vertical(ImuRecording(walk.acc, None, None, 60.0, PLACEMENTS, "world", "removed"))


def test_remounting_is_a_change_of_axes_and_of_nothing_else(walk):
    turns = Rotation.random(len(PLACEMENTS), rng=3).as_matrix()
    in_sensor_axes = in_frame(walk, frame="sensor", gravity="included")
    turned = remounted(in_sensor_axes, turns)
    back = in_frame(turned, frame="world", gravity="removed")
    np.testing.assert_allclose(back.acc, walk.acc, atol=1e-4)
    np.testing.assert_array_equal(remounted(walk, turns).acc, walk.acc)  # in the world frame mounting plays no part
    np.testing.assert_allclose(remounted(turned, np.swapaxes(turns, -1, -2)).gyr, walk.gyr, atol=1e-5)


# ---- what the shipped directions say


def test_the_shipped_directions_are_those_of_walking_people(walk, repo):
    table = read_yaml(repo / "configs" / "upright.yaml")
    assert set(table) <= set(SMPL_JOINTS)
    for name, entry in table.items():
        assert np.linalg.norm(entry["up"]) == pytest.approx(1.0, abs=0.03), name
        other = {"left": "right", "right": "left"}.get(name.split("_")[0])
        if other:
            assert table[name.replace(name.split("_")[0], other)]["up"] == [-entry["up"][0], *entry["up"][1:]]
    distance = angle_deg(mean_vertical(walk), upright_directions(PLACEMENTS))
    assert (distance < [12, 6, 30, 8, 8]).all(), distance


# ---- estimates for a set


def still(folder: Path, subject: str, day: str, activity: str, axis: np.ndarray) -> TrialFile:
    """A UMAFall trial of 12 s in which the waist's mote reads 1 g along `axis`."""
    name = f"UMAFall_Subject_{subject}_ADL_{activity}_1_{day}_10-00-00"
    x, y, z = axis
    rows = [f"{round(50.05 * i)};{i};{x!r};{y!r};{z!r};0;2" for i in range(240)]
    rows += [f"{round(50.05 * i)};{i};0.0;0.0;0.0;1;2" for i in range(240)]
    (folder / f"{name}.csv").write_text(
        "\n".join(["TimeStamp;Sample No;X-Axis;Y-Axis;Z-Axis;Sensor_Type;Sensor_ID", *rows, ""])
    )


@pytest.fixture
def made_up(tmp_path: Path) -> list[TrialFile]:
    for subject, day, activity, axis in (
        ("01", "2016-06-01", "Walking", [1.0, 0.0, 0.0]), ("01", "2016-06-01", "Bending", [0.0, 0.0, 1.0]),
        ("01", "2017-03-01", "Walking", [-1.0, 0.0, 0.0]), ("02", "2016-06-01", "Bending", [0.8, 0.6, 0.0]),
        ("03", "2016-06-01", "OpeningDoor", [0.0, 1.0, 0.0]),
    ):  # fmt: skip
        still(tmp_path, subject, day, activity, axis)
    return list_trials(tmp_path, load_recordings("umafall"))[0]


def test_each_session_has_a_mounting_of_its_own_and_others_stand_in(made_up):
    config = load_recordings("umafall")
    mountings = json.loads(json.dumps(calibrate(made_up, config, ["waist"]).mountings))
    assert sorted(mountings) == [OTHERS, "01 2016-06-01", "01 2017-03-01", "03 2016-06-01"]
    up = upright_directions(["waist"])[0]
    for trial in made_up:
        turns, notes = turns_of(trial, mountings, ["waist"])
        assert bool(notes) == (trial.subject == "02")
        if trial.activity in ("walking", "opening_door"):
            acc = remounted(read_trial(trial, config, sensors=["waist"], rate_hz=20.0), turns).acc
            np.testing.assert_allclose(acc[:, 0], np.tile(up * STANDARD_GRAVITY, (len(acc), 1)), atol=1e-2)
        else:
            assert notes in ([], ["mounting_of_others: waist, no upright trial to be read"])
    np.testing.assert_array_equal(turns_of(trial, mountings, ["right_pocket"])[0], [np.eye(3)])


def test_one_upright_trial_a_session_tells_and_the_first_activity_of_the_set_comes_first(made_up, tmp_path):
    for activity in ("OpeningDoor", "GoUpstairs"):
        still(tmp_path, "01", "2016-06-01", activity, np.array([0.0, 0.0, 1.0]))
    config = load_recordings("umafall")
    trials = list_trials(tmp_path, config)[0]
    told = calibrate(trials, config, ["waist"])
    of = {trial.trial: (trial.session, trial.activity) for trial in trials}
    assert sorted(of[name] for name in told.trials) == [
        ("01 2016-06-01", "walking"), ("01 2017-03-01", "walking"), ("03 2016-06-01", "opening_door"),
    ]  # fmt: skip
    assert told.mountings["01 2016-06-01"] == calibrate(made_up, config, ["waist"]).mountings["01 2016-06-01"]


def test_a_set_that_cannot_serve_is_the_users_error(made_up):
    config = load_recordings("umafall")
    assert estimated_sensors(config, ["right_pocket", "waist"]) == ("waist",)  # the phone is put in anew each time
    for faulty, sensors in ((config.model_copy(update={"upright": {}}), ["waist"]), (config, ["right_pocket"])):
        with pytest.raises(UserError, match="its YAML names no `upright` activity"):
            estimated_sensors(faulty, sensors)
    bending = [t for t in made_up if t.activity == "bending"]
    with pytest.raises(UserError, match=r"must find a readable trial of .*walking.*none for waist"):
        calibrate(bending, config, ["waist"])
    with pytest.raises(UserError, match="none for right_wrist"):
        calibrate(made_up, config, ["waist", "right_wrist"])


@pytest.mark.parametrize(
    ("name", "sensor", "seen", "held_out", "before", "after"),
    [("hapt", "waist", ("walking",), "standing", 7.0, 4.5),
     ("umafall", "right_wrist", ("walking",), "bending", 60.0, 30.0)],
)  # fmt: skip
def test_real_sensors_agree_in_an_activity_that_told_nothing(request, name, sensor, seen, held_out, before, after):
    config = load_recordings(name)
    trials = list_trials(request.getfixturevalue(name), config)[0]
    trials = [
        t for t in trials if int(t.session.split()[0 if name == "umafall" else 1]) % (7 if name == "hapt" else 2) == 0
    ]
    mountings = calibrate([t for t in trials if t.activity in seen], config, [sensor]).mountings
    worn, turned = [], []
    for trial in (t for t in trials if t.activity == held_out):
        try:
            recording = read_trial(trial, config, sensors=[sensor], rate_hz=20.0)
        except vimu.contracts.Rejection:
            continue
        worn.append(mean_vertical(recording)[0])
        turned.append(mean_vertical(remounted(recording, turns_of(trial, mountings, [sensor])[0]))[0])
    assert spread_deg(worn) > before and spread_deg(turned) < after
