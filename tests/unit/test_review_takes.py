"""A clip's take read again: the body that the page draws is the one that the sensors sat on."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clips_without_ray import synthesized
from vimu.body.models import load_faces, load_smpl_model
from vimu.body.placement import load_placements
from vimu.body.smpl import smpl_trajectory
from vimu.body.surface import SmplSurface
from vimu.clips.decisions import Decision, read_decisions
from vimu.clips.synthesis import synthesize
from vimu.contracts import SmplMotion, Take
from vimu.demo.archive import write_amass
from vimu.review.catalogue import Catalogue
from vimu.review.review import open_review
from vimu.review.takes import NotThereError, Takes
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.stages.config import Config


def config_of(folder, given, **settings):
    return validate(
        Config,
        {"name": "run", "runs_dir": str(folder), "synthesize": {"inputs": [given]} | settings},
        where="test",
    )


def opened(config):
    synthesized(config)
    catalogue = Catalogue(config.run_dir)
    return catalogue, Takes(catalogue)


@pytest.fixture(scope="module")
def amass(tmp_path_factory):
    folder = tmp_path_factory.mktemp("amass")
    write_amass(folder, n_subjects=1, takes_per_category=1)
    return folder


@pytest.fixture(scope="module")
def of_smpl(amass, demo_body, tmp_path_factory):
    given = {"archive": "amass", "root": str(amass), "body": str(demo_body)}
    return opened(config_of(tmp_path_factory.mktemp("runs"), given))


@pytest.fixture(scope="module")
def of_skeleton(bandai_mini, tmp_path_factory):
    given = {"archive": "bandai", "root": str(bandai_mini)}
    settings = {"placements": ["right_wrist", "chest"], "target": "content"}
    return opened(config_of(tmp_path_factory.mktemp("runs"), given, **settings))


def skinned(shown, frame):
    """As the page's graphics card does it."""
    a = shown.arrays
    joints, weights = a["bones"], a["weights"]
    local = a["vertices"][:, None] - a["rest"][joints]
    moved = np.einsum("vjab,vjb->vja", a["turn"][frame][joints], local) + a["joints"][frame][joints]
    return np.einsum("vj,vja->va", weights, moved)


def test_the_surface_is_smpl_s_but_for_what_pose_bends(demo_body):
    """Known answer: with `posedirs` at zero, the skin at a sensor's vertex is where `SmplBody` has it."""
    model = load_smpl_model(demo_body)
    rng = np.random.default_rng(3)
    turn = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    motion = SmplMotion(
        rng.normal(0, 0.4, (5, 24, 3)), rng.normal(size=(5, 3)), rng.normal(size=10), "neutral", 60.0,
        Take("amass", None, "x", "x"), to_canonical=turn,
    )  # fmt: skip
    placements = load_placements(["left_wrist", "right_thigh", "head"])
    wanted = smpl_trajectory(motion, replace(model, posedirs=0 * model.posedirs), placements).position
    surface = SmplSurface(model)
    posed = surface.posed(motion)
    vertices = [p.on("smpl").vertex for p in placements]
    local = posed.vertices[vertices][:, None] - posed.rest[surface.bones[vertices]]
    turned = np.einsum("tvjab,vjb->tvja", posed.turn[:, surface.bones[vertices]], local)
    world = np.einsum("vj,tvja->tva", surface.weights[vertices], turned + posed.place[:, surface.bones[vertices]])
    assert np.abs(world - wanted).max() < 1e-9


def test_sensors_sit_on_the_skin_that_is_sent(of_smpl):
    _, takes = of_smpl
    shown = takes.shown(0)
    vertices = [p.on("smpl").vertex for p in takes.placements]
    for frame in (0, shown.header["n_frames"] // 2, -1):
        off = skinned(shown, frame)[vertices] - shown.arrays["sensor_place"][frame]
        assert np.linalg.norm(off, axis=1).max() < 0.03  # `posedirs` bend by as much
    assert len(shown.arrays["faces"]) > 1000
    assert shown.header["parents"][0] == -1
    assert (shown.header["sensors"], shown.header["notes"]) == (("left_wrist", "right_thigh", "head"), [])


def test_the_skin_is_that_of_the_model_that_served(amass, demo_body, tmp_path):
    """Of a folder of models, `female/model.npz` ends as `male/model.npz` does."""
    data = dict(np.load(demo_body.with_suffix(".npz")))
    for gender, size in (("female", 1.0), ("male", 1.3)):
        (tmp_path / "bodies" / gender).mkdir(parents=True)
        np.savez(tmp_path / "bodies" / gender / "model.npz", **(data | {"v_template": size * data["v_template"]}))
    given = {"archive": "amass", "root": str(amass), "body": str(tmp_path / "bodies")}
    catalogue, takes = opened(config_of(tmp_path / "runs", given))
    shown = takes.shown(0)
    assert catalogue.rows[0]["gender"] == catalogue.rows[0]["body"].split("/")[0]
    vertices = [p.on("smpl").vertex for p in takes.placements]
    assert np.abs(skinned(shown, 0)[vertices] - shown.arrays["sensor_place"][0]).max() < 0.03


def test_a_model_that_is_gone_is_said(amass, demo_body, tmp_path):
    body = tmp_path / "SMPL_NEUTRAL.npz"
    shutil.copy(demo_body.with_suffix(".npz"), body)
    _, takes = opened(config_of(tmp_path, {"archive": "amass", "root": str(amass), "body": str(body)}))
    body.unlink()
    with pytest.raises(NotThereError, match=r"cannot be read again: .*does not exist"):
        takes.shown(0)


def test_a_skeleton_carries_its_sensors_and_has_no_skin(of_skeleton):
    _, takes = of_skeleton
    shown = takes.shown(3)
    names, joints = shown.header["names"], shown.arrays["joints"]
    assert "vertices" not in shown.arrays
    wrist = joints[:, names.index("Hand_R")] - shown.arrays["sensor_place"][:, 0]
    assert np.linalg.norm(wrist, axis=1).max() < 0.3
    hips, feet = joints[:, names.index("Hips"), 1], joints[:, [names.index("Foot_L"), names.index("Foot_R")], 1]
    assert 0.5 < np.median(hips) < 1.2  # +Y up, metres
    assert np.median(feet.min(axis=1)) < 0.25
    turns = shown.arrays["sensor_turn"]
    assert np.abs(turns @ turns.swapaxes(-1, -2) - np.eye(3)).max() < 1e-9


def test_labels_that_are_an_archive_s_names_are_not_changed_but_dropped(of_skeleton, tmp_path):
    catalogue, _ = of_skeleton
    review = open_review(catalogue.run, decisions=tmp_path / "d.csv", by="ann")
    assert catalogue.categories is None
    take = catalogue.rows[0]["archive"], catalogue.rows[0]["sequence"]
    with pytest.raises(UserError, match="`target` of the run must be `category` for a relabel"):
        review.decide(Decision(*take, "relabel", "walking", "ann"))
    review.decide(Decision(*take, "drop", "", "ann"))
    assert [d.decision for d in read_decisions(tmp_path / "d.csv")] == ["drop"]


@pytest.mark.parametrize("which", ["of_smpl", "of_skeleton"])
def test_the_body_and_the_curves_keep_time(which, request):
    """The path of a sensor that is sent, differentiated twice, is the acceleration that was stored, at its times."""
    catalogue, takes = request.getfixturevalue(which)
    clip = max(range(len(catalogue)), key=lambda i: catalogue.rows[i]["acc_rms"])
    shown, recording = takes.shown(clip), catalogue.recording(clip)
    rate, place = shown.header["rate_hz"], shown.arrays["sensor_place"][:, 0]
    acc = np.diff(place, 2, axis=0) * rate**2
    times = np.arange(1, len(place) - 1) / rate - shown.header["offset_s"]
    stored = np.arange(recording.n_frames) / recording.rate_hz
    inside = (times >= 0) & (times <= stored[-1])

    def likeness(late_s):
        there = np.stack([np.interp(times[inside] + late_s, stored, recording.acc[:, 0, a]) for a in range(3)], axis=1)
        return np.corrcoef(there.ravel(), acc[inside].ravel())[0, 1]

    assert likeness(0) > 0.8
    assert likeness(0) > max(likeness(-0.1), likeness(0.1))


def test_a_corrected_rate_is_the_one_that_is_shown(of_smpl):
    catalogue, _ = of_smpl
    slower = [row | {"source_rate_hz": row["source_rate_hz"] / 2} for row in catalogue.rows]
    fast = Takes(catalogue).shown(0)
    catalogue_of_slow = Catalogue(catalogue.run)
    catalogue_of_slow.rows = tuple(slower)
    slow = Takes(catalogue_of_slow).shown(0)
    seconds = [s.header["n_frames"] / s.header["rate_hz"] for s in (fast, slow)]
    assert seconds[1] == pytest.approx(2 * seconds[0], rel=0.02)


def test_a_sensor_beside_its_place_is_drawn_there(amass, demo_body, tmp_path, of_smpl):
    given = {"archive": "amass", "root": str(amass), "body": str(demo_body)}
    catalogue, takes = opened(config_of(tmp_path, given, placement_error_m=0.1, seed=4))
    beside = takes.shown(0).arrays["sensor_place"] - of_smpl[1].shown(0).arrays["sensor_place"]
    assert np.linalg.norm(beside, axis=-1).min() > 0.005
    source = catalogue.sources[catalogue.rows[0]["clip_id"]]
    again = synthesize(
        Path(source["root"]) / source["path"], placements=["left_wrist", "right_thigh", "head"], body=demo_body,
        placement_error_m=0.1, seed=4,
    )  # fmt: skip
    assert np.allclose(again.acc, catalogue.recording(0).acc, atol=1e-4)


def test_a_file_that_changed_or_went_is_said(tmp_path, demo_body):
    write_amass(tmp_path / "amass", n_subjects=1, takes_per_category=1)
    given = {"archive": "amass", "root": str(tmp_path / "amass"), "body": str(demo_body)}
    catalogue, takes = opened(config_of(tmp_path / "runs", given))
    path = Path(given["root"]) / catalogue.sources[catalogue.rows[0]["clip_id"]]["path"]
    os.utime(path, (0, 0))
    assert takes.shown(0).header["notes"] == ["The mocap file has changed since the clip was made."]
    path.write_bytes(b"PK nonsense")
    with pytest.raises(NotThereError, match=r"cannot be read again: .*unreadable"):
        takes.shown(0)
    path.unlink()
    with pytest.raises(NotThereError, match=f"The mocap file is gone: {path}"):
        takes.shown(0)
    assert catalogue.recording(0).n_frames == catalogue.rows[0]["n_frames"]


def test_faces_that_do_not_fit_are_none(demo_body, tmp_path):
    data = dict(np.load(demo_body.with_suffix(".npz")))
    n = len(data["v_template"])
    np.testing.assert_array_equal(load_faces(demo_body, n), data["f"])
    for odd in (data["f"] + n, data["f"].astype(float), data["f"][:, :2], data["f"][:0]):
        np.savez(tmp_path / "odd.npz", **(data | {"f": odd}))
        assert load_faces(tmp_path / "odd.npz", n) is None
    del data["f"]
    np.savez(tmp_path / "none.npz", **data)
    assert load_faces(tmp_path / "none.npz", n) is None
    (tmp_path / "torn.npz").write_bytes(demo_body.read_bytes()[:1000])
    with pytest.raises(UserError, match="`body` must be an SMPL model file, but"):
        load_faces(tmp_path / "torn.npz", n)
