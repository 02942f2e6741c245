"""The capsule body: SMPL's format, a human's size, and every placement where it belongs."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import smplx
import torch

from vimu.body.models import load_smpl_model
from vimu.body.placement import load_placements
from vimu.body.smpl import smpl_trajectory
from vimu.contracts import SMPL_JOINTS, SMPL_PARENTS, SmplMotion, Take
from vimu.demo.body import CAPSULES, DIP18_VERTICES, JOINTS, build_body, rest_joints, write_body
from vimu.demo.mesh import Capsule, capsule_surface
from vimu.runtime.config import configs_folder
from vimu.runtime.safe_load import load_npz, load_pickle
from vimu.runtime.yaml import read_yaml

PLACEMENTS = load_placements(tuple(read_yaml(configs_folder() / "placements.yaml")))


@pytest.fixture(scope="module")
def body_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_body(tmp_path_factory.mktemp("body"))


@pytest.fixture(scope="module")
def reference(body_file: Path) -> smplx.SMPL:
    return smplx.SMPL(model_path=str(body_file))


def test_pickle_and_npz_hold_the_same_keys_and_arrays_as_smpl(body_file: Path) -> None:
    pickled = load_pickle(body_file)
    assert {key: np.shape(value) for key, value in pickled.items()} == {
        "v_template": (6890, 3), "f": (13776, 3), "shapedirs": (6890, 3, 10), "posedirs": (6890, 3, 207),
        "J_regressor": (24, 6890), "weights": (6890, 24), "kintree_table": (2, 24), "J": (24, 3), "bs_type": (),
        "bs_style": (),
    }  # fmt: skip
    for key, array in load_npz(body_file.with_suffix(".npz"), tuple(pickled)).items():
        np.testing.assert_array_equal(array, pickled[key])
    assert pickled["kintree_table"][0, 1:].tolist() == list(SMPL_PARENTS[1:])


def test_pickle_is_python_2s_and_half_the_size_of_todays(body_file: Path) -> None:
    data = body_file.read_bytes()
    assert data[:2] == b"\x80\x02"
    assert b"_codecs" not in data
    assert len(data) < 1.02 * sum(getattr(value, "nbytes", 0) for value in build_body().values())


def test_same_seed_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    digests = []
    for run, seed in enumerate((0, 0, 1)):
        build_body.cache_clear()
        path = write_body(tmp_path / str(run), seed)
        digests.append([hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, path.with_suffix(".npz"))])
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[2][0]


def test_surface_is_one_closed_sphere_with_outward_faces() -> None:
    body = build_body()
    points, faces = body["v_template"], body["f"].astype(int)
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)
    edges, times = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    assert (times == 2).all()
    assert 6890 - len(edges) + len(faces) == 2  # Euler's characteristic of a sphere
    a, b, c = (points[faces[:, i]] for i in range(3))
    assert (np.linalg.norm(np.cross(b - a, c - a), axis=1) > 0).all()
    litres = 1000 * np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert 60 < litres < 120  # a person's volume; capsules overlap at joints


@pytest.mark.parametrize("n", [60, 333])
def test_capsule_points_lie_on_the_capsule_and_are_all_used(n: int) -> None:
    capsule = Capsule((0.1, -0.2, 0.3), (0.4, 0.1, 0.2), 0.06)
    points, faces = capsule_surface(capsule, n)
    np.testing.assert_allclose(np.linalg.norm(capsule.outward(points), axis=1), 0.06, rtol=2e-3)
    assert faces.shape == (2 * n - 4, 3)
    assert set(faces.ravel().tolist()) == set(range(n))


def test_weights_sum_to_one_over_at_most_four_joints() -> None:
    weights = build_body()["weights"]
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert weights.min() >= 0
    assert ((weights > 0).sum(axis=1) <= 4).all()
    blended = ((weights > 0).sum(axis=1) > 1).mean()
    assert 0.05 < blended < 0.9


def test_regressor_gives_the_joints_for_any_shape() -> None:
    body = build_body()
    np.testing.assert_allclose(body["J_regressor"].sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(body["J_regressor"] @ body["v_template"], JOINTS, atol=1e-12)
    np.testing.assert_allclose(rest_joints(np.eye(16)[0]), 1.03 * JOINTS, atol=1e-12)


def test_body_faces_forward_with_its_left_to_plus_x_and_is_symmetric() -> None:
    joints = dict(zip(SMPL_JOINTS, JOINTS, strict=True))
    assert joints["left_wrist"][0] > 0.5
    assert joints["left_foot"][2] > joints["left_ankle"][2] + 0.05
    assert joints["head"][1] > joints["neck"][1] > joints["pelvis"][1] > joints["left_knee"][1]
    for name, place in joints.items():
        if name.startswith("left_"):
            np.testing.assert_array_equal(joints[name.replace("left", "right")], place * [-1, 1, 1])
    points = build_body()["v_template"]
    assert 1.65 < np.ptp(points[:, 1]) < 1.8
    assert 1.6 < np.ptp(points[:, 0]) < 1.85


@pytest.mark.parametrize("placement", PLACEMENTS, ids=lambda p: p.name)
def test_placement_lies_on_its_segment_at_the_place_it_names(placement) -> None:
    body = build_body()
    point = body["v_template"][placement.smpl.vertex]
    part = SMPL_JOINTS.index(placement.smpl.segment)
    capsule = CAPSULES[part]
    from_line = float(np.linalg.norm(capsule.outward(point[None])))
    assert abs(from_line - capsule.radius) < 0.001
    assert body["weights"][placement.smpl.vertex].argmax() == part
    if placement.name.startswith(("left_", "right_")):
        assert (point[0] > 0) == placement.name.startswith("left_")
    end = np.asarray(capsule.end)
    target = JOINTS[part] + placement.skeleton.fraction * (end - JOINTS[part]) + placement.skeleton.offset_m
    assert np.linalg.norm(point - target) < 0.05


def test_placements_of_well_known_spots() -> None:
    points = build_body()["v_template"]
    at = {p.name: points[p.smpl.vertex] for p in PLACEMENTS}
    joints = dict(zip(SMPL_JOINTS, JOINTS, strict=True))
    assert np.linalg.norm(at["left_wrist"] - joints["left_wrist"]) < 0.06
    assert np.linalg.norm(at["right_wrist"] - joints["right_wrist"]) < 0.06
    assert at["chest"][2] > 0.1 > -0.08 > at["pelvis"][2]
    assert at["head"][1] > joints["head"][1] + 0.1
    assert at["left_ankle"][1] < at["left_lower_leg"][1] < at["left_thigh"][1] < at["left_pocket"][1]
    for vertex, name in DIP18_VERTICES.items():
        assert np.linalg.norm(points[vertex] - at[name]) < 0.04


def test_smplx_poses_it_to_human_size(reference: smplx.SMPL) -> None:
    rest = reference()
    np.testing.assert_allclose(rest.joints[0, :24].detach().numpy(), JOINTS, atol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(5):
        poses = torch.tensor(rng.normal(0, 0.5, (1, 72)), dtype=torch.float32)
        betas = torch.tensor(rng.uniform(-2, 2, (1, 10)), dtype=torch.float32)
        vertices = reference(betas=betas, body_pose=poses[:, 3:], global_orient=poses[:, :3]).vertices.detach().numpy()
        assert np.isfinite(vertices).all()
        assert 0.3 < np.linalg.norm(vertices - vertices.mean(axis=1), axis=-1).max() < 1.5
        standing = reference(betas=betas).vertices.detach().numpy()
        assert 1.4 < np.ptp(standing[0, :, 1]) < 2.1


def test_vimu_and_smplx_agree_on_it_with_shape_and_pose_in_play(reference: smplx.SMPL, body_file: Path) -> None:
    rng = np.random.default_rng(1)
    poses, betas = rng.normal(0, 0.6, (4, 24, 3)), rng.normal(0, 1, 10)
    motion = SmplMotion(poses, np.zeros((4, 3)), betas, "neutral", 60.0, Take("a", None, "s", "d"))
    ours = smpl_trajectory(motion, load_smpl_model(body_file), PLACEMENTS).position
    flat = torch.tensor(poses.reshape(4, 72), dtype=torch.float32)
    posed = reference(
        betas=torch.tensor(betas[None], dtype=torch.float32).expand(4, -1),
        body_pose=flat[:, 3:],
        global_orient=flat[:, :3],
        transl=torch.zeros(4, 3),
    )
    theirs = posed.vertices.detach().numpy()[:, [p.smpl.vertex for p in PLACEMENTS]]
    np.testing.assert_allclose(ours, theirs, atol=5e-6)


def test_pose_directions_move_vertices_by_millimetres() -> None:
    posedirs = build_body()["posedirs"]
    assert 0.001 < np.abs(posedirs).max() < 0.02
    assert (np.abs(posedirs).max(axis=(0, 1)) > 1e-4).all()
