"""The skeleton body on made-up rigs: rest pose, placements, turning; and what a person can get wrong."""

from pathlib import Path

import numpy as np
import pytest
from bvh_writer import RigJoint, write_bvh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.transform import Rotation
from skeleton_probe import LEFT, UP, Body, at

from vimu.archives.bvh import read_bvh
from vimu.archives.config import ArchiveConfig, Segment, load_archive
from vimu.body.placement import load_placements
from vimu.body.skeleton import skeleton_trajectory
from vimu.contracts import SkeletonMotion, Take
from vimu.runtime.config import configs_folder
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml

# --- a synthetic T-pose -----------------------------------------------------------------------------------------------

BONES = {  # SMPL segment: parent, place in the T-pose (left, up, forward), m
    "pelvis": (None, (0, 0.9, 0)), "spine3": ("pelvis", (0, 1.2, 0)), "head": ("spine3", (0, 1.5, 0)),
    "left_shoulder": ("spine3", (0.2, 1.4, 0)), "left_elbow": ("left_shoulder", (0.5, 1.4, 0)),
    "left_wrist": ("left_elbow", (0.75, 1.4, 0)), "right_shoulder": ("spine3", (-0.2, 1.4, 0)),
    "right_elbow": ("right_shoulder", (-0.5, 1.4, 0)), "right_wrist": ("right_elbow", (-0.75, 1.4, 0)),
    "left_hip": ("pelvis", (0.1, 0.85, 0)), "left_knee": ("left_hip", (0.1, 0.45, 0)),
    "left_ankle": ("left_knee", (0.1, 0.05, 0)), "right_hip": ("pelvis", (-0.1, 0.85, 0)),
    "right_knee": ("right_hip", (-0.1, 0.45, 0)), "right_ankle": ("right_knee", (-0.1, 0.05, 0)),
}  # fmt: skip
ENDS = {"left_elbow": "left_wrist", "right_hip": "right_knee", "spine3": "head"}
AXES = [np.array(m) for m in Rotation.create_group("O").as_matrix().round()]


def name_of(axis: np.ndarray) -> str:
    index = int(np.abs(axis).argmax())
    return ("+" if axis[index] > 0 else "-") + "xyz"[index]


def t_pose_archive(
    folder: Path, frames: dict[str, np.ndarray], order: str, *, positions: bool
) -> tuple[ArchiveConfig, Path]:
    """A BVH file of a T-pose facing +Z, in a rig whose joint of segment s has the world axes `frames[s]`."""
    rig, row = [], []
    names = list(BONES)
    walk = [n for n in names if BONES[n][0] is None]
    for name in walk:  # a tree walk, parents before children and depth first, as the writer's
        walk[walk.index(name) + 1 : walk.index(name) + 1] = [n for n in names if BONES[n][0] == name]
    for name in walk:
        parent, place = BONES[name]
        above, origin = (frames[parent], np.array(BONES[parent][1])) if parent else (np.eye(3), np.zeros(3))
        offset = tuple(100 * above.T @ (np.array(place) - origin))
        moves = ("Xposition", "Yposition", "Zposition") if positions or not parent else ()
        channels = (*moves, *(f"{axis}rotation" for axis in order))
        rig.append(RigJoint(name, walk.index(parent) if parent else -1, (9, 9, 9) if moves else offset, channels))
        local = Rotation.from_matrix(above.T @ frames[name])
        row += [*(offset if moves else ()), *local.as_euler(order, degrees=True, suppress_warnings=True)]
    segments = {
        name: Segment(
            joint=name, end=ENDS.get(name), left=name_of(frames[name].T @ LEFT), up=name_of(frames[name].T @ UP)
        )
        for name in names
    }
    config = ArchiveConfig(
        name="t", reader="bvh", licence="none", evidence="made up", unit_m=0.01, up="+y", segments=segments
    )
    return config, write_bvh(folder / "t.bvh", rig, np.tile(row, (4, 1)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.integers(0, len(AXES) - 1), min_size=len(BONES), max_size=len(BONES)),
    st.sampled_from(["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]),
    st.booleans(),
)
def test_a_t_pose_has_identity_on_every_segment_whatever_the_bone_axes(tmp_path, choices, order, positions):
    frames = {name: AXES[choice] for name, choice in zip(BONES, choices, strict=True)}
    config, path = t_pose_archive(tmp_path, frames, order, positions=positions)
    body = Body(read_bvh(path, config), config)
    for name, (_, place) in BONES.items():
        np.testing.assert_allclose(body.orientation(name), np.tile(np.eye(3), (4, 1, 1)), atol=1e-6)
        np.testing.assert_allclose(body.position(name), np.tile(place, (4, 1)), atol=1e-7)


def test_fraction_runs_along_the_bone_and_offset_in_the_segments_rest_axes(tmp_path):
    frames = {name: AXES[3 * k % len(AXES)] for k, name in enumerate(BONES)}
    config, path = t_pose_archive(tmp_path, frames, "ZXY", positions=True)
    placements = [at("left_elbow", 0.8, (0.01, 0.03, 0.0)), at("right_hip", 0.5, (-0.07, 0.0, 0.03)), at("head")]
    trajectory = skeleton_trajectory(read_bvh(path, config), placements, config.segments)
    expected = [[0.5 + 0.8 * 0.25 + 0.01, 1.43, 0.0], [-0.17, 0.65, 0.03], [0.0, 1.5, 0.0]]
    np.testing.assert_allclose(trajectory.position[0], expected, atol=1e-7)
    assert trajectory.sensors == ("left_elbow", "right_hip", "head")


def test_a_swinging_arm_has_its_centripetal_acceleration():
    rate_hz, radius, omega = 120.0, 0.6, 7.0
    time = np.arange(240) / rate_hz
    rotations = np.tile(np.eye(3), (240, 2, 1, 1))
    rotations[:, 0] = Rotation.from_rotvec(np.outer(omega * time, UP)).as_matrix()
    translations = np.tile([[0.0, 1.0, 0.0], [radius, 0.0, 0.0]], (240, 1, 1))
    motion = SkeletonMotion(("a", "b"), (-1, 0), translations, rotations, rate_hz, Take("t", None, "t", "t"))
    segments = {"left_shoulder": Segment(joint="a", end="b", left="+x", up="+y")}
    trajectory = skeleton_trajectory(motion, [at("left_shoulder", 1.0)], segments)
    acceleration = np.diff(trajectory.position[:, 0], 2, axis=0) * rate_hz**2
    inwards = -(trajectory.position[1:-1, 0] - [0, 1, 0]) / radius
    # the second difference of a turn is omega^2 r sinc^2(omega / 2 rate)
    expected = omega**2 * radius * np.sinc(omega / rate_hz / 2 / np.pi) ** 2
    np.testing.assert_allclose(acceleration, expected * inwards, atol=1e-8)
    np.testing.assert_allclose(trajectory.orientation[:, 0] @ LEFT, -np.stack(
        [-np.cos(omega * time), 0 * time, np.sin(omega * time)], axis=1), atol=1e-12)  # fmt: skip


def test_turning_the_whole_body_turns_every_sensor():
    config = load_archive("fair")
    rng = np.random.default_rng(0)
    names = tuple(
        sorted({s.joint for s in config.segments.values()} | {s.end for s in config.segments.values() if s.end})
    )
    parents = tuple(range(-1, len(names) - 1))
    translations = rng.normal(size=(5, len(names), 3))
    rotations = Rotation.random(5 * len(names), rng=1).as_matrix().reshape(5, len(names), 3, 3)
    motion = SkeletonMotion(names, parents, translations, rotations, 60.0, Take("t", None, "t", "t"))
    turn = Rotation.from_euler("XYZ", [0.3, 1.1, -2.0]).as_matrix()
    translations, rotations = motion.translations.copy(), motion.rotations.copy()
    translations[:, 0], rotations[:, 0] = translations[:, 0] @ turn.T, turn @ rotations[:, 0]
    turned = SkeletonMotion(names, parents, translations, rotations, 60.0, motion.take)
    placements = load_placements(["left_wrist", "right_thigh", "head", "chest"])
    before, after = (skeleton_trajectory(m, placements, config.segments) for m in (motion, turned))
    np.testing.assert_allclose(after.position, before.position @ turn.T, atol=1e-12)
    np.testing.assert_allclose(after.orientation, turn @ before.orientation, atol=1e-12)


# --- what a person can get wrong --------------------------------------------------------------------------------------


def test_a_placement_that_the_archive_cannot_serve_is_named_with_those_it_can(tmp_path):
    config, path = t_pose_archive(tmp_path, dict.fromkeys(BONES, np.eye(3)), "XYZ", positions=False)
    motion = read_bvh(path, config)
    placements = load_placements(["left_wrist", "left_foot", "vertex:12@head", "waist"])
    with pytest.raises(UserError) as caught:
        skeleton_trajectory(motion, placements, config.segments)
    message = str(caught.value)
    assert "can serve left_wrist, but not left_foot, vertex:12@head, waist" in message
    assert "`t`" in message
    assert "right_hip" in message
    with pytest.raises(UserError, match="needs an `end`, which left_wrist lacks"):
        skeleton_trajectory(motion, [at("left_wrist", 0.5)], config.segments)
    with pytest.raises(UserError):
        skeleton_trajectory(motion, [], config.segments)


def test_segment_axes_must_be_perpendicular_directions():
    for left, up in (("+x", "-x"), ([0, 0, 0], "+y"), ("+x", [1, 1, 0]), ("x", "+y"), ([1, 0], "+y")):
        with pytest.raises(ValidationError):
            Segment(joint="a", left=left, up=up)
    axes = Segment(joint="a", left="+y", up=[-0.64, 0.0, 0.77]).rest_axes()
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-15)
    assert np.linalg.det(axes) == pytest.approx(1)


def test_bandai_serves_every_shipped_placement():
    config = load_archive("bandai")
    for placement in load_placements(list(read_yaml(configs_folder() / "placements.yaml"))):
        assert placement.skeleton is not None
        segment = config.segments[placement.skeleton.segment]
        assert placement.skeleton.fraction == 0 or segment.end is not None
