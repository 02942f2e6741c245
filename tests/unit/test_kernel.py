"""The compiled body equals the NumPy one and smplx, on every kind of body, pose and take length."""

import dataclasses

import numpy as np
import pytest
import smplx
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smpl_models import write_model
from vimu.archives.amass import read_amass
from vimu.archives.config import load_archive
from vimu.body import kernel
from vimu.body.kernel import CompiledSmplBody
from vimu.body.models import load_smpl_model
from vimu.body.placement import load_placements
from vimu.body.smpl import SmplBody
from vimu.contracts import POSE_JOINTS, SMPL_JOINTS, SmplMotion, Take

NAMES = ["left_wrist", "right_thigh", "head", "pelvis", "chest", "left_hand", "right_foot"]
TURNED = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@pytest.fixture(scope="module")
def models(tmp_path_factory, demo_body):
    folder = tmp_path_factory.mktemp("models")
    kinds = {kind: write_model(folder / f"{kind}.npz", kind, n) for kind, n in (("smplh", 16), ("smplx", 20))}
    return {kind: load_smpl_model(path) for kind, path in (kinds | {"smpl": demo_body}).items()}


@pytest.fixture(scope="module")
def bodies(models):
    placements = load_placements(NAMES)
    return {kind: (SmplBody(m, placements), CompiledSmplBody(m, placements)) for kind, m in models.items()}


def motion_of(poses, seed=0):
    rng = np.random.default_rng(seed)
    trans, betas = rng.normal(0, 5, (len(poses), 3)), rng.normal(size=16)
    return SmplMotion(poses, trans, betas, "neutral", 120.0, Take("t", None, "s", "d"), TURNED)


def random_poses(n, joints, greatest_rad, seed=0):
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=(n, joints, 3))
    return axis / np.linalg.norm(axis, axis=-1, keepdims=True) * rng.uniform(0, greatest_rad, (n, joints, 1))


def assert_equal(bodies, motion, metres=3e-8, entries=1e-12):
    plain, compiled = bodies
    wanted, got = plain.trajectory(motion), compiled.trajectory(motion)
    assert got.position.shape == wanted.position.shape
    np.testing.assert_allclose(got.position, wanted.position, rtol=0, atol=metres)
    np.testing.assert_allclose(got.orientation, wanted.orientation, rtol=0, atol=entries)
    assert (got.sensors, got.rate_hz) == (wanted.sensors, wanted.rate_hz)
    assert got.position.dtype == got.orientation.dtype == np.float64


@pytest.mark.parametrize("kind", ["smpl", "smplh", "smplx"])
@pytest.mark.parametrize("joints", [24, 52, 55])
def test_equal_to_the_reference_for_every_body_and_release(bodies, kind, joints):
    assert_equal(bodies[kind], motion_of(random_poses(40, joints, 4 * np.pi)))


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, kernel.BLOCK - 1, kernel.BLOCK, kernel.BLOCK + 1, 3 * kernel.BLOCK])
def test_equal_to_the_reference_at_every_length_about_a_block(bodies, n):
    assert_equal(bodies["smpl"], motion_of(random_poses(n, 52, np.pi, seed=n)))


@settings(max_examples=40, deadline=None)
@given(poses=arrays(np.float64, (3, 24, 3), elements=st.floats(-7.2, 7.2)), seed=st.integers(0, 9))
def test_equal_to_the_reference_on_any_pose_up_to_four_pi(bodies, poses, seed):
    assert_equal(bodies["smpl"], motion_of(poses, seed))


@pytest.mark.parametrize("angle", [0.0, 5e-324, 1e-160, 1e-9, np.pi, 2 * np.pi, np.nextafter(2 * np.pi, 7), 4 * np.pi])
def test_angles_where_a_formula_could_break(bodies, angle):
    poses = np.zeros((3, 24, 3))
    poses[1, :, 1] = angle
    poses[2] = angle * np.array([0.6, 0.0, -0.8])
    assert_equal(bodies["smpl"], motion_of(poses))


def test_no_finite_angle_overflows(bodies):
    poses = np.zeros((2, 24, 3))
    poses[1] = [1e300, -1e300, 1e200]
    got = bodies["smpl"][1].trajectory(motion_of(poses))
    turn = got.orientation[1, 0]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.isfinite(got.position).all()


def test_a_frame_does_not_depend_on_its_neighbours(bodies):
    motion = motion_of(random_poses(600, 52, np.pi))
    whole = bodies["smpl"][1].trajectory(motion)
    part = slice(250, 400)
    alone = bodies["smpl"][1].trajectory(
        dataclasses.replace(motion, poses=motion.poses[part], trans=motion.trans[part])
    )
    np.testing.assert_array_equal(alone.position, whole.position[part])
    np.testing.assert_array_equal(alone.orientation, whole.orientation[part])


def test_weights_that_sum_to_one_only_nearly_do_not_scale_the_path(models):
    model = dataclasses.replace(models["smpl"], weights=models["smpl"].weights * (1 + 1e-6))
    placements = load_placements(["head"])
    far = dataclasses.replace(motion_of(random_poses(5, 24, 1.0)), trans=np.full((5, 3), 1000.0))
    assert_equal((SmplBody(model, placements), CompiledSmplBody(model, placements)), far)


@pytest.mark.parametrize("names", [["head"], ["pelvis"], ["left_hand", "left_hand"]])
def test_one_sensor_and_one_twice(models, names):
    placements = tuple(load_placements([name])[0] for name in names)  # twice is refused from a person
    assert_equal(
        (SmplBody(models["smpl"], placements), CompiledSmplBody(models["smpl"], placements)),
        motion_of(random_poses(70, 52, 3.0)),
    )


def test_any_kind_of_array_is_taken(bodies):
    motion = motion_of(random_poses(30, 24, 1.0))
    wanted = bodies["smpl"][1].trajectory(motion)
    poses = motion.poses.copy()
    poses.flags.writeable = False
    for other in (poses, np.asfortranarray(motion.poses), np.repeat(motion.poses, 2, axis=0)[::2]):
        got = bodies["smpl"][1].trajectory(dataclasses.replace(motion, poses=other))
        np.testing.assert_array_equal(got.position, wanted.position)


def smplx_forward(body, motion):
    """Vertices and joint rotations of the full mesh by smplx in float64, in the canonical world."""
    model = smplx.SMPL(str(body), dtype=torch.float64)
    names = POSE_JOINTS[motion.poses.shape[1]]
    joints = [names.index(n if n in names else n.replace("hand", "index1")) for n in SMPL_JOINTS]
    poses = torch.from_numpy(motion.poses[:, joints].reshape(len(motion.poses), 72))
    out = model(
        betas=torch.tensor(motion.betas[:10])[None].expand(len(poses), -1), global_orient=poses[:, :3],
        body_pose=poses[:, 3:], transl=torch.tensor(motion.trans),
    )  # fmt: skip
    local = smplx.lbs.batch_rodrigues(poses.reshape(-1, 3)).reshape(-1, 24, 3, 3).numpy()
    turns = [local[:, 0]]
    for joint, parent in enumerate(model.parents[1:].tolist(), start=1):
        turns.append(turns[parent] @ local[:, joint])
    return out.vertices.detach().numpy() @ motion.to_canonical.T, motion.to_canonical @ np.stack(turns, axis=1)


def assert_equals_smplx(demo_body, bodies, motion):
    vertices, turns = smplx_forward(demo_body, motion)
    placements = load_placements(NAMES)
    got = bodies["smpl"][1].trajectory(motion)
    assert np.abs(got.position - vertices[:, [p.smpl.vertex for p in placements]]).max() < 1e-6
    segments = [SMPL_JOINTS.index(p.smpl.segment) for p in placements]
    assert np.abs(got.orientation - turns[:, segments]).max() < 1e-6


def test_equal_to_smplx_on_the_real_amass_files(amass_samples, demo_body, bodies):
    for path in amass_samples:
        motion = read_amass(path, load_archive("amass"))
        assert_equals_smplx(
            demo_body, bodies, dataclasses.replace(motion, poses=motion.poses[::3], trans=motion.trans[::3])
        )


def test_equal_to_smplx_on_random_poses_up_to_four_pi(demo_body, bodies):
    assert_equals_smplx(demo_body, bodies, motion_of(random_poses(60, 24, 4 * np.pi)))
