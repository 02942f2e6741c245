"""Real rigs by physics: gravity, left and right, walking, hinges, mirror symmetry, free fall."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skeleton_probe import FORWARD, LEFT, UP, Body, at, dot

from vimu.archives.bvh import read_bvh
from vimu.archives.config import load_archive
from vimu.archives.readers import READERS
from vimu.body.placement import load_placements
from vimu.body.skeleton import skeleton_trajectory

SIDES = ("hip", "knee", "ankle", "collar", "shoulder", "elbow", "wrist")


@cache
def bandai_body(path: Path) -> Body:
    config = load_archive("bandai")
    return Body(read_bvh(path, config), config)


def bandai(folder: Path, content: str) -> list[Body]:
    found = [bandai_body(p) for p in sorted(folder.rglob("*.bvh")) if re.match(rf"dataset-\d_{content}_", p.name)]
    assert found, content
    return found


def other_rig(vimu_data: Path, archive: str, file: str) -> Body:
    config = load_archive(archive)
    return Body(READERS[config.reader](vimu_data / "mocap_other_rigs" / "raw" / file, config, None), config)


def assert_trunk_and_shoulders_are_aligned(body: Body) -> None:
    """Every segment of the trunk is upright and faces where the pelvis does, on the average of a take."""
    for segment in ("pelvis", "spine1", "spine3", "neck", "head", "left_collar", "right_collar"):
        assert body.axis(segment, UP)[:, 1].mean() > 0.5, segment
        for axis in (UP, FORWARD):
            assert dot(body.axis(segment, axis), body.axis("pelvis", axis)).mean() > 0.5, segment


def assert_hinge(body: Body, side: str, upper: str, lower: str, end: str) -> int:
    """Knees and elbows bend as SMPL's do: about the upper segment's hinge exactly, about the lower's but for its twist.

    Returns the number of frames that are bent enough to tell.
    """
    outwards = LEFT if side == "left" else -LEFT
    along, hinge = (-UP, LEFT) if upper == "hip" else (outwards, np.cross(outwards, FORWARD))
    first, second = (b - a for a, b in pairwise(body.position(f"{side}_{s}") for s in (upper, lower, end)))
    first, second = (bone / np.linalg.norm(bone, axis=1, keepdims=True) for bone in (first, second))
    assert dot(first, body.axis(f"{side}_{upper}", along)).min() > 0.995
    assert dot(second, body.axis(f"{side}_{lower}", along)).min() > 0.995
    for axis in (LEFT, UP):  # hand and foot hang on by joints of limited range
        assert dot(body.axis(f"{side}_{end}", axis), body.axis(f"{side}_{lower}", axis)).mean() > 0.5
    bend = np.cross(first, second)
    bent = np.linalg.norm(bend, axis=1) > 0.4
    if bent.any():
        axis = bend[bent] / np.linalg.norm(bend[bent], axis=1, keepdims=True)
        assert dot(axis, body.axis(f"{side}_{upper}", hinge)[bent]).min() > 0.98
        assert dot(axis, body.axis(f"{side}_{lower}", hinge)[bent]).mean() > 0.7
    return int(bent.sum())


# --- Bandai, by what its clips are called -----------------------------------------------------------------------------


def test_bandai_bodies_stand_on_their_feet(bandai_mini):
    bodies = [bandai_body(p) for p in sorted(bandai_mini.rglob("*.bvh"))]
    for body in bodies:
        hips, feet = body.position("pelvis")[:, 1], [body.position(f"{s}_ankle")[:, 1] for s in ("left", "right")]
        assert 0.8 < np.median(hips) < 1.0
        assert (body.position("head")[:, 1] > hips).mean() > 0.95
        assert (np.minimum(*feet) < hips).all()  # the other one may kick
        assert 0.08 < np.minimum(*feet).min() < 0.14
        assert body.axis("pelvis", UP)[:, 1].mean() > 0.75
        assert (dot(body.position("left_hip") - body.position("right_hip"), body.axis("pelvis", LEFT)) > 0.1).all()


def test_bandai_trunks_face_one_way(bandai_mini):
    for content in ("walk", "run", "walk-back", "wave-both-hands"):
        for body in bandai(bandai_mini, content):
            assert_trunk_and_shoulders_are_aligned(body)


def test_bandai_walkers_go_where_the_pelvis_faces(bandai_mini):
    def course(body: Body, axis: np.ndarray) -> float:
        velocity = body.pelvis_velocity()
        return float(dot(velocity, body.axis("pelvis", axis)).sum() / np.linalg.norm(velocity, axis=1).sum())

    for content in ("walk", "run", "dash", "walk-turn-left", "walk-turn-right"):
        for body in bandai(bandai_mini, content):
            assert course(body, FORWARD) > 0.85
            assert abs(course(body, LEFT)) < 0.25
    for body in bandai(bandai_mini, "walk-back"):
        assert course(body, FORWARD) < -0.9
    for content, sign in (("walk-left", 1), ("walk-right", -1)):
        for body in bandai(bandai_mini, content):
            assert sign * course(body, LEFT) > 0.1


def test_bandai_left_turns_are_left_turns(bandai_mini):
    for content, sign in (("walk-turn-left", 1), ("walk-turn-right", -1)):
        for body in bandai(bandai_mini, content):
            facing = body.axis("pelvis", FORWARD)
            turned = np.unwrap(np.arctan2(facing[:, 0], facing[:, 2]))  # about +Y, from +Z towards +X: to the left
            assert sign * (turned[-1] - turned[0]) > np.radians(45)


def test_bandai_left_hand_waves_are_of_the_left_hand(bandai_mini):
    def effort(body: Body, wrist: str) -> float:
        acceleration = np.diff(body.position(wrist), 2, axis=0) * body.rate_hz**2
        return float(np.linalg.norm(acceleration, axis=1).mean())

    for content in ("wave-{}-hand", "raise-up-{}-hand"):
        for side, other in (("left", "right"), ("right", "left")):
            for body in bandai(bandai_mini, content.format(side)):
                assert effort(body, f"{side}_wrist") > 2 * effort(body, f"{other}_wrist")
                height = body.position(f"{side}_wrist")[:, 1].max() - body.position("spine3")[:, 1].max()
                assert height > 0.1


def test_bandai_palms_face_forwards_in_waving_and_forearms_point_up(bandai_mini):
    for side, outwards in (("left", LEFT), ("right", -LEFT)):
        for content in (f"wave-{side}-hand", "wave-both-hands"):
            for body in bandai(bandai_mini, content):
                raised = body.position(f"{side}_wrist")[:, 1] > body.position("head")[:, 1] - 0.05
                assert raised.any()
                back_of_hand = dot(body.axis(f"{side}_wrist", UP), body.axis("spine3", FORWARD))[raised]
                assert back_of_hand.mean() < -0.5
                assert body.axis(f"{side}_elbow", outwards)[raised, 1].mean() > 0.6  # SMPL's forearm runs outwards


def test_bandai_raised_arms_lift_the_upper_arms_outer_axis(bandai_mini):
    for body in bandai(bandai_mini, "raise-up-both-hands"):
        for side, outwards in (("left", LEFT), ("right", -LEFT)):
            along = body.axis(f"{side}_shoulder", outwards)[:, 1]
            assert along.min() < -0.8  # hanging at first
            assert along.max() > 0.3


def test_bandai_knees_bend_backwards_and_elbows_forwards_about_smpls_hinges(bandai_mini):
    for content in ("run", "dash", "walk", "punch", "raise-up-both-hands"):
        bodies = bandai(bandai_mini, content)
        for side in ("left", "right"):
            assert sum(assert_hinge(body, side, "hip", "knee", "ankle") for body in bodies) > 10
            assert sum(assert_hinge(body, side, "shoulder", "elbow", "wrist") for body in bodies) > 10


def test_bandai_feet_flat_on_the_floor_are_level_and_point_ahead(bandai_mini):
    for body in bandai(bandai_mini, "walk") + bandai(bandai_mini, "wave-both-hands"):
        for side in ("left", "right"):
            speed = np.linalg.norm(np.gradient(body.position(f"{side}_ankle"), axis=0), axis=1) * body.rate_hz
            flat = speed < 0.05
            if flat.any():
                assert np.median(body.axis(f"{side}_ankle", UP)[flat, 1]) > 0.98
                ahead = dot(body.axis(f"{side}_ankle", FORWARD), body.axis("pelvis", FORWARD))[flat]
                assert np.median(ahead) > 0.7


def test_bandai_sides_mirror_each_other_in_walking(bandai_mini):
    for content in ("walk", "run"):
        turns = {
            s: Rotation.concatenate([Rotation.from_matrix(b.in_pelvis(s)) for b in bandai(bandai_mini, content)]).mean()
            for s in load_archive("bandai").segments
        }
        for segment in SIDES:
            left, right = turns[f"left_{segment}"], turns[f"right_{segment}"]
            mirrored = Rotation.from_rotvec(right.as_rotvec() * [1, -1, -1])  # a mirror at the plane of left and right
            assert np.degrees((left.inv() * mirrored).magnitude()) < 20, segment


def test_bandai_wrists_work_harder_in_running_than_in_walking(bandai_mini):
    config = load_archive("bandai")

    def mean_acceleration(content: str) -> float:
        paths = [p for p in sorted(bandai_mini.rglob("*.bvh")) if re.match(rf"dataset-\d_{content}_normal", p.name)]
        positions = [
            skeleton_trajectory(read_bvh(p, config), load_placements(["left_wrist"]), config.segments).position
            for p in paths
        ]
        return float(np.mean([np.linalg.norm(np.diff(p, 2, axis=0) * 900, axis=-1).mean() for p in positions]))

    walking, running = mean_acceleration("walk"), mean_acceleration("run")
    assert 3 < walking < 20
    assert 15 < running < 60
    assert running > 1.5 * walking


# --- other rigs -------------------------------------------------------------------------------------------------------

RIGS = [
    ("cmu_bvh", "cmu/01_01.bvh", slice(None)),
    ("cmu_asf_amc", "cmu/01_01.amc", slice(None)),
    ("cmu_asf_amc", "cmu/11_01.amc", slice(None)),
    ("cmu_hanging_arms", "animated_drawings/cmu1/jumping_jacks.bvh", slice(None)),
    ("fair", "animated_drawings/fair1/dab.bvh", slice(None)),
    ("fair", "animated_drawings/fair1/jumping.bvh", slice(0, 150)),
    ("fair", "animated_drawings/fair1/wave_hello.bvh", slice(None)),
    ("fair", "animated_drawings/fair1/zombie.bvh", slice(None)),
    ("rokoko", "animated_drawings/rokoko/jesse_dance.bvh", slice(-50, None)),  # elsewhere the dancer floats
]


@pytest.mark.parametrize(("archive", "file", "standing"), RIGS)
def test_other_rigs_stand_upright_at_a_persons_height(vimu_data, archive, file, standing):
    body = other_rig(vimu_data, archive, file)
    hips = body.position("pelvis")[:, 1]
    assert 0.8 < np.median(hips[standing]) < 1.1
    feet = np.maximum(body.position("left_ankle")[:, 1], body.position("right_ankle")[:, 1])
    assert (body.position("head")[standing, 1] > hips[standing] + 0.3).mean() > 0.95
    assert (feet[standing] < hips[standing]).all()
    assert_trunk_and_shoulders_are_aligned(body)
    assert (dot(body.position("left_hip") - body.position("right_hip"), body.axis("pelvis", LEFT)) > 0.1).all()


@pytest.mark.parametrize(("archive", "file"), [rig[:2] for rig in RIGS])
def test_other_rigs_bend_their_joints_about_smpls_hinges(vimu_data, archive, file):
    body = other_rig(vimu_data, archive, file)
    joints = [("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")]
    assert sum(assert_hinge(body, side, *chain) for side in ("left", "right") for chain in joints) > 50


@pytest.mark.parametrize(
    ("archive", "file", "flights"),
    [
        ("cmu_bvh", "cmu/01_01.bvh", 10),
        ("cmu_asf_amc", "cmu/01_01.amc", 10),
        ("cmu_hanging_arms", "animated_drawings/cmu1/jumping_jacks.bvh", 2),
    ],
)
def test_a_jumping_body_falls_at_g(vimu_data, archive, file, flights):
    """Unit, vertical axis and rate at once: the centre of mass of a body in the air falls at 9.81 m/s^2."""
    config = load_archive(archive)
    motion = READERS[config.reader](vimu_data / "mocap_other_rigs" / "raw" / file, config, None)
    # centre of each segment and its share of the body's mass; Source: Winter 1990, table 3.1
    shares = {"pelvis": 0.3, "spine3": 0.197, "head": 0.081} | {
        f"{side}_{s}": m
        for side in ("left", "right")
        for s, m in (("hip", 0.1), ("knee", 0.0465), ("ankle", 0.0145), ("shoulder", 0.028), ("elbow", 0.022))
    }
    placements = [at(s, 0.5 if config.segments[s].end else 0.0) for s in shares]
    centres = skeleton_trajectory(motion, placements, config.segments).position[..., 1]
    height = centres @ np.array(list(shares.values())) / sum(shares.values())
    toes = np.minimum(*(skeleton_trajectory(motion, [at(f"{s}_ankle", 1.0)], config.segments).position[:, 0, 1]
                        for s in ("left", "right")))  # fmt: skip
    in_air = np.concatenate([[0], toes > np.percentile(toes, 5) + 0.06, [0]])
    starts, stops = np.flatnonzero(np.diff(in_air) == 1), np.flatnonzero(np.diff(in_air) == -1)
    margin = int(0.02 * motion.rate_hz)  # the feet leave the floor before they are 6 cm above it
    falls = [
        2
        * np.polyfit(np.arange(stop - start - 2 * margin) / motion.rate_hz, height[start + margin : stop - margin], 2)[
            0
        ]
        for start, stop in zip(starts, stops, strict=True)
        if stop - start > 0.15 * motion.rate_hz
    ]
    assert len(falls) == flights
    assert np.median(falls) == pytest.approx(-9.81, abs=0.5)
