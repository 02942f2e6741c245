"""The sparse body equals the full smplx forward; the library call does what the README says."""

import numpy as np
import pytest
import smplx
import torch

import vimu
from vimu.archives.amass import read_amass
from vimu.archives.config import load_archive
from vimu.body.models import load_smpl_model
from vimu.body.placement import load_placements
from vimu.body.smpl import SmplBody, rotation_matrices
from vimu.contracts import POSE_JOINTS, SMPL_JOINTS, SmplMotion, Take
from vimu.runtime.errors import UserError

NAMES = ["left_wrist", "right_thigh", "head", "pelvis", "chest", "waist", "right_pocket", "left_ankle", "right_ankle"]


def smplx_vertices(body, motion, vertices):
    """The full mesh by smplx in float64, in the file's world, then turned to +Y up."""
    model = smplx.SMPL(str(body), dtype=torch.float64)
    names = POSE_JOINTS[motion.poses.shape[1]]
    joints = [names.index(n if n in names else n.replace("hand", "index1")) for n in SMPL_JOINTS]
    poses = torch.tensor(motion.poses[:, joints].reshape(len(motion.poses), 72))
    out = model(
        betas=torch.tensor(motion.betas[:10])[None].expand(len(poses), -1), global_orient=poses[:, :3],
        body_pose=poses[:, 3:], transl=torch.tensor(motion.trans),
    )  # fmt: skip
    return out.vertices.detach().numpy()[:, vertices] @ motion.to_canonical.T


def random_motion(greatest_rad, n=40):
    rng = np.random.default_rng(3)
    axis = rng.normal(size=(n, 24, 3))
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    poses = axis * rng.uniform(0, greatest_rad, size=(n, 24, 1))
    poses[0] = 0
    take = Take("t", None, "s", "d")
    return SmplMotion(poses, rng.normal(size=(n, 3)) * 10, rng.normal(size=16), "neutral", 60.0, take)


def test_equal_to_smplx_on_the_real_amass_files(amass_samples, demo_body):
    placements = load_placements(NAMES)
    body = SmplBody(load_smpl_model(demo_body), placements)
    for path in amass_samples:
        motion = read_amass(path, load_archive("amass"))
        wanted = smplx_vertices(demo_body, motion, [p.smpl.vertex for p in placements])
        assert np.abs(body.trajectory(motion).position - wanted).max() < 1e-6


@pytest.mark.parametrize("greatest_rad", [0.5, np.pi, 4 * np.pi])
def test_equal_to_smplx_on_random_poses(demo_body, greatest_rad):
    placements = load_placements(NAMES)
    motion = random_motion(greatest_rad)
    wanted = smplx_vertices(demo_body, motion, [p.smpl.vertex for p in placements])
    got = SmplBody(load_smpl_model(demo_body), placements).trajectory(motion)
    assert np.abs(got.position - wanted).max() < 1e-6


def test_orientation_is_the_chain_of_joint_rotations(demo_body):
    motion = random_motion(np.pi)
    got = SmplBody(load_smpl_model(demo_body), load_placements(["left_wrist"])).trajectory(motion).orientation[:, 0]
    local = rotation_matrices(motion.poses)
    chain = [SMPL_JOINTS.index(j) for j in ("pelvis", "spine1", "spine2", "spine3", "left_collar", "left_shoulder")]
    wanted = np.eye(3)
    for joint in [*chain, SMPL_JOINTS.index("left_elbow")]:
        wanted = wanted @ local[:, joint]
    np.testing.assert_allclose(got, wanted, atol=1e-9)


def test_rest_pose_has_identity_orientation_and_left_on_plus_x(demo_body):
    rest = SmplMotion(np.zeros((3, 24, 3)), np.zeros((3, 3)), np.zeros(10), "neutral", 60.0, Take("", None, "", ""))
    got = SmplBody(load_smpl_model(demo_body), load_placements(["left_wrist", "right_wrist", "head"])).trajectory(rest)
    np.testing.assert_allclose(got.orientation, np.broadcast_to(np.eye(3), (3, 3, 3, 3)), atol=1e-12)
    left, right, head = got.position[0]
    assert left[0] > 0.4
    assert right[0] < -0.4
    assert head[1] > max(left[1], right[1])


def test_long_takes_are_done_in_blocks(demo_body, monkeypatch):
    motion = random_motion(1.0)
    body = SmplBody(load_smpl_model(demo_body), load_placements(["head"]))
    whole = body.trajectory(motion)
    monkeypatch.setattr("vimu.body.smpl.BLOCK_FRAMES", 7)
    np.testing.assert_allclose(body.trajectory(motion).position, whole.position, atol=1e-12)


def test_the_call_of_the_readme(amass_samples, demo_body):
    path = next(p for p in amass_samples if "human_body_prior" in p.name)
    recording = vimu.synthesize(
        path, body=demo_body.with_suffix(".npz"), placements=["left_wrist", "right_thigh", "head"], rate_hz=60,
        preset="dip",
    )  # fmt: skip
    assert (recording.rate_hz, recording.acc.shape, recording.ori.shape) == (60, (248, 3, 3), (248, 3, 3, 3))
    own = vimu.synthesize(path, body=demo_body, placements=["head"], rate_hz=None, preset="dip")
    assert (own.rate_hz, own.n_frames) == (120.0, 498)  # the file's 500 less the two edges
    assert 1 < np.median(np.linalg.norm(own.acc, axis=-1)) < 20  # someone moves; no unit is off by ten


def test_the_same_call_takes_a_bvh_file(bandai_mini):
    path = next(bandai_mini.rglob("*walk_normal*.bvh"))
    recording = vimu.synthesize(path, archive="bandai", placements=["left_wrist", "head"], rate_hz=60)
    assert recording.sensors == ("left_wrist", "head")
    assert recording.rate_hz == 60


def test_a_person_standing_still_weighs_one_g(demo_body, tmp_path):
    np.savez(
        tmp_path / "s.npz", poses=np.zeros((60, 156)), trans=np.zeros((60, 3)), betas=np.zeros(16), gender="male",
        mocap_framerate=60.0,
    )  # fmt: skip
    recording = vimu.synthesize(
        tmp_path / "s.npz", body=demo_body, placements=["head"], frame="sensor", gravity="included"
    )
    np.testing.assert_allclose(np.linalg.norm(recording.acc, axis=-1), 9.80665, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"body": "none.npz"}, "`body` must be an SMPL model file"),
        ({"body": None}, "`body` must be an SMPL model file for an archive of SMPL parameters, as `amass` is"),
        ({"placements": ["lefft_wrist"]}, "`placements` must be among .*left_wrist"),
        ({"placements": ["vertex:7000@head"]}, "vertex"),
        ({"placements": ["vertex:12@nose"]}, "must be one of SMPL's joints"),
        ({"archive": "bandia"}, "`archive` must be one of"),
        ({"placements": "head"}, r"`placements` must be a list of names, e.g. \['head'\], or a preset"),
        ({"rate_hz": 0}, "`rate_hz`: input should be greater than or equal to 1, but is 0"),
    ],
)
def test_wrong_calls_say_what_would_be_right(amass_samples, demo_body, call, says):
    arguments = {"body": demo_body, "placements": ["head"]} | call
    with pytest.raises(UserError, match=says):
        vimu.synthesize(amass_samples[0], **arguments)


def test_any_vertex_can_be_given(demo_body, amass_samples):
    named = vimu.synthesize(amass_samples[0], body=demo_body, placements=["left_wrist"])
    by_id = vimu.synthesize(amass_samples[0], body=demo_body, placements=["vertex:1961@left_elbow"])
    np.testing.assert_array_equal(named.acc, by_id.acc)
