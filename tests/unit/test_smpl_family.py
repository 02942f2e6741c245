"""SMPL+H and SMPL-X bodies: equal to smplx on model files of those formats, and which file serves whom."""

import dataclasses

import numpy as np
import pytest
import smplx
import torch
from smplx.joint_names import JOINT_NAMES, SMPLH_JOINT_NAMES

import vimu
from smpl_models import KINTREE, write_model
from vimu.archives.amass import read_amass
from vimu.archives.config import load_archive
from vimu.body.models import load_smpl_model, model_files
from vimu.body.placement import load_placements
from vimu.body.smpl import SmplBody
from vimu.body.subjects import Bodies
from vimu.contracts import POSE_JOINTS, SMPL_JOINTS, SMPLH_JOINTS, SMPLX_JOINTS, Reason, Rejection, SmplMotion, Take
from vimu.runtime.config import configs_folder
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml

NAMES = ["left_wrist", "right_thigh", "head", "chest", "right_foot", "left_hand"]
N_SHAPES = {"smplh": 16, "smplx": 20}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {kind: write_model(folder / f"{kind.upper()}_NEUTRAL.npz", kind, n) for kind, n in N_SHAPES.items()}


def random_motion(joints, n=25, greatest_rad=np.pi):
    rng = np.random.default_rng(3)
    axis = rng.normal(size=(n, joints, 3))
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    poses = axis * rng.uniform(0, greatest_rad, size=(n, joints, 1))
    return SmplMotion(poses, rng.normal(size=(n, 3)), rng.normal(size=10), "neutral", 60.0, Take("t", None, "s", "d"))


def smplx_vertices(kind, path, motion):
    """All vertices by smplx, for a motion of the model's own joints; ten betas, as smplx takes from such files."""
    model = (smplx.SMPLH if kind == "smplh" else smplx.SMPLX)(
        str(path), ext="npz", dtype=torch.float64, use_pca=False, flat_hand_mean=True, num_betas=10,
        batch_size=len(motion.poses),
    )  # fmt: skip
    poses = torch.from_numpy(motion.poses.reshape(len(motion.poses), -1))
    hands = 66 if kind == "smplh" else 75
    face = {} if kind == "smplh" else {
        "jaw_pose": poses[:, 66:69], "leye_pose": poses[:, 69:72], "reye_pose": poses[:, 72:75],
    }  # fmt: skip
    out = model(
        betas=torch.from_numpy(motion.betas[:10])[None].expand(len(poses), -1), global_orient=poses[:, :3],
        body_pose=poses[:, 3:66], left_hand_pose=poses[:, hands : hands + 45], right_hand_pose=poses[:, hands + 45 :],
        transl=torch.from_numpy(motion.trans), **face,
    )  # fmt: skip
    return out.vertices.detach().numpy()


def test_joint_names_are_smplxs():
    ours = [name.removesuffix("_smplhf") for name in JOINT_NAMES]
    assert list(SMPLX_JOINTS) == ours[:55]
    assert list(SMPLH_JOINTS) == SMPLH_JOINT_NAMES[:52]
    assert {k: len(v) for k, v in POSE_JOINTS.items()} == {24: 24, 52: 52, 55: 55}


@pytest.mark.parametrize("kind", ["smplh", "smplx"])
def test_equal_to_smplx(models, kind):
    placements = load_placements(NAMES)
    motion = random_motion(len(KINTREE[kind]))
    wanted = smplx_vertices(kind, models[kind], motion)[:, [p.on(kind).vertex for p in placements]]
    got = SmplBody(load_smpl_model(models[kind]), placements).trajectory(motion)
    assert np.abs(got.position - wanted).max() < 1e-6


@pytest.mark.parametrize("kind", ["smplh", "smplx"])
def test_equal_to_smplx_on_the_real_takes(models, kind, amass_samples):
    """The real files are SMPL+H's: SMPL-X keeps jaw and eyes at rest, and gets each finger by its name."""
    placements = load_placements(NAMES)
    body = SmplBody(load_smpl_model(models[kind]), placements)
    for path in amass_samples:
        motion = read_amass(path, load_archive("amass"))
        motion = dataclasses.replace(
            motion, poses=motion.poses[::20], trans=motion.trans[::20], betas=motion.betas[:10]
        )
        full = motion
        if kind == "smplx":
            poses = np.zeros((len(motion.poses), 55, 3))
            poses[:, :22], poses[:, 25:] = motion.poses[:, :22], motion.poses[:, 22:]
            full = dataclasses.replace(motion, poses=poses)
        wanted = smplx_vertices(kind, models[kind], full)[:, [p.on(kind).vertex for p in placements]]
        got = body.trajectory(motion).position @ motion.to_canonical  # back into the file's world
        assert np.abs(got - wanted).max() < 1e-6


def test_sixteen_betas_count_on_smplh_but_never_as_expressions_on_smplx(models):
    still = dataclasses.replace(random_motion(52, n=3, greatest_rad=0.0), betas=np.zeros(16))
    changed = dataclasses.replace(still, betas=np.eye(16)[12])
    for kind, moves in (("smplh", True), ("smplx", False)):
        body = SmplBody(load_smpl_model(models[kind]), load_placements(NAMES))
        difference = np.abs(body.trajectory(changed).position - body.trajectory(still).position).max()
        assert (difference > 1e-4) == moves


def test_a_full_smplx_file_has_300_shapes(tmp_path, models):
    data = dict(np.load(models["smplx"]))
    data["shapedirs"] = np.zeros((10475, 3, 400), np.float32)
    np.savez(tmp_path / "full.npz", **data)
    assert load_smpl_model(tmp_path / "full.npz").shapedirs.shape[2] == 300


@pytest.mark.parametrize("joints", [24, 52, 55])
def test_smpl_takes_its_hands_from_whatever_the_file_has(demo_body, joints):
    motion = random_motion(joints)
    names = POSE_JOINTS[joints]
    picked = [names.index(n if n in names else n.replace("hand", "index1")) for n in SMPL_JOINTS]
    body = SmplBody(load_smpl_model(demo_body), load_placements(NAMES))
    alone = body.trajectory(dataclasses.replace(motion, poses=motion.poses[:, picked]))
    np.testing.assert_array_equal(body.trajectory(motion).position, alone.position)


def test_every_placement_has_its_own_vertex_on_smplx():
    raw = read_yaml(configs_folder() / "placements.yaml")
    placements = load_placements(list(raw))
    assert len({p.on("smplx").vertex for p in placements}) == len(placements)
    for p in placements:
        assert p.on("smplx").segment == p.smpl.segment
        assert "SMPL-X" in p.evidence


def test_a_vertex_of_smpl_means_nothing_on_smplx(models):
    placements = load_placements(["vertex:1961@left_elbow"])
    SmplBody(load_smpl_model(models["smplh"]), placements)
    with pytest.raises(UserError, match="must have an `smplx:` vertex"):
        SmplBody(load_smpl_model(models["smplx"]), placements)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"v_template": np.zeros((100, 3))}, "has 100 and 52"),
        ({"posedirs": np.zeros((6890, 3, 207))}, r"posedirs \(6890, 3, 207\)"),
        ({"kintree_table": np.array([[-1, *KINTREE["smplh"][1:50], 51, 50], range(52)])}, "before its parent"),
        ({"kintree_table": np.array([[-1, *[0] * 51], range(52)])}, "must be SMPL"),
    ],
)
def test_what_is_no_model_says_so(tmp_path, models, change, says):
    np.savez(tmp_path / "x.npz", **(dict(np.load(models["smplh"])) | change))
    with pytest.raises(UserError, match=says):
        load_smpl_model(tmp_path / "x.npz")


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ("SMPL_MALE.pkl", "SMPL_FEMALE.pkl", "SMPL_NEUTRAL.pkl"),
        ("basicModel_m_lbs_10_207_0_v1.0.0.pkl", "basicModel_f_lbs_10_207_0_v1.0.0.pkl", "basicModel_neutral_v1.1.pkl"),
        ("male/model.npz", "female/model.npz", "neutral/model.npz"),
        ("SMPLX_MALE.npz", "SMPLX_FEMALE.npz", "SMPLX_NEUTRAL.npz"),
    ],
)
def test_published_names_say_the_gender(tmp_path, names):
    files = model_files(touch(tmp_path, *names, "MANO_LEFT.pkl", "readme.txt"))
    assert files == dict(zip(("male", "female", "neutral"), (tmp_path / n for n in names), strict=True))


def test_a_model_in_both_formats_is_one(tmp_path):
    assert model_files(touch(tmp_path, "SMPL_MALE.npz", "SMPL_MALE.pkl")) == {"male": tmp_path / "SMPL_MALE.npz"}


def test_several_kinds_in_one_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"one model a gender.*smpl/SMPL_MALE.pkl, smplx/SMPLX_MALE.npz"):
        model_files(touch(tmp_path, "smpl/SMPL_MALE.pkl", "smplx/SMPLX_MALE.npz"))
    with pytest.raises(UserError, match="holds none"):
        model_files(touch(tmp_path / "empty", "readme.txt"))


@pytest.mark.fault(47)
def test_the_gender_of_the_take_picks_the_model_and_neutral_stands_in(tmp_path, models):
    folder = tmp_path / "bodies"
    folder.mkdir()
    write_model(folder / "SMPLH_MALE.npz", "smplh", 16, seed=1)
    bodies = Bodies(folder, load_placements(NAMES))
    man = random_motion(52, n=3)
    man = dataclasses.replace(man, gender="male")
    woman = dataclasses.replace(man, gender="female")
    assert bodies.of(man)[1] == "SMPLH_MALE.npz"
    with pytest.raises(Rejection) as error:
        bodies.of(woman)
    assert error.value.reason is Reason.NO_BODY
    (folder / "SMPLH_NEUTRAL.npz").write_bytes(models["smplh"].read_bytes())
    bodies = Bodies(folder, load_placements(NAMES))
    assert bodies.of(woman)[1] == "SMPLH_NEUTRAL.npz"
    own, neutral = (bodies.of(m)[0].trajectory(man).position for m in (man, woman))
    assert np.abs(own - neutral).max() > 0.01
    assert Bodies(models["smplh"], load_placements(NAMES)).of(woman)[1] == "SMPLH_NEUTRAL.npz"


def test_the_library_call_takes_a_folder(demo_body, amass_samples, tmp_path):
    (tmp_path / "SMPL_NEUTRAL.npz").write_bytes(demo_body.with_suffix(".npz").read_bytes())
    by_folder = vimu.synthesize(amass_samples[0], body=tmp_path, placements=["head"])
    by_file = vimu.synthesize(amass_samples[0], body=demo_body, placements=["head"])
    np.testing.assert_array_equal(by_folder.acc, by_file.acc)


@pytest.mark.parametrize(
    ("key", "value"),
    [("weights", np.nan), ("v_template", "words"), ("kintree_table", 0.5), ("posedirs", []), ("shapedirs", 1j)],
)
def test_a_model_of_other_than_finite_numbers_is_refused(models, tmp_path, key, value):
    arrays = dict(np.load(models["smplh"]))
    np.savez(
        tmp_path / "bad.npz", **arrays | {key: np.broadcast_to(np.array(value), np.shape(value) or arrays[key].shape)}
    )
    with pytest.raises(UserError, match=f"must hold arrays of finite numbers, but .* has none as {key}"):
        load_smpl_model(tmp_path / "bad.npz")


def test_every_model_is_read_before_the_job_starts(tmp_path, models):
    (tmp_path / "SMPLH_NEUTRAL.npz").write_bytes(models["smplh"].read_bytes())
    (tmp_path / "SMPLH_MALE.npz").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"SMPLH_MALE\.npz"):
        Bodies(tmp_path, load_placements(NAMES)).load_all()
