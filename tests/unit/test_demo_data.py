"""Demo motions, archive and recordings: plausible as physics, right as formats, neither trivial nor hopeless."""

import functools
import hashlib
import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

import vimu.demo.data
from vimu.archives.amass import read_amass
from vimu.archives.config import load_archive
from vimu.body.models import SmplModel
from vimu.body.placement import load_placements
from vimu.body.smpl import SmplBody, forward_kinematics, rotation_matrices
from vimu.clips.labels import label_take, load_label_rules
from vimu.contracts import SMPL_JOINTS, SMPL_PARENTS, ImuRecording, Reason, Rejection, SmplMotion, Take
from vimu.demo import write_demo_data
from vimu.demo.__main__ import main
from vimu.demo.archive import RATES_HZ, TAKES, write_amass
from vimu.demo.body import build_body, write_body
from vimu.demo.motions import MOTIONS, perform
from vimu.demo.posture import CONTACTS
from vimu.demo.recordings import CLASSES, SENSORS, write_dip
from vimu.demo.subjects import Subject, draw_subject
from vimu.imu.virtual import virtual_imu
from vimu.recordings.config import load_recordings
from vimu.recordings.dip import read as read_dip
from vimu.runtime.errors import EXIT_DONE, EXIT_USER, UserError
from vimu.runtime.safe_load import load_pickle

PLACEMENTS = ("left_wrist", "right_thigh", "head")
N_SUBJECTS, N_TAKES = 6, 3


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def body() -> SmplBody:
    b = build_body()
    arrays = b["v_template"], b["shapedirs"], b["posedirs"], b["J_regressor"], b["weights"]
    model = SmplModel("smpl", SMPL_JOINTS, SMPL_PARENTS, *arrays)
    return SmplBody(model, load_placements(PLACEMENTS))


@pytest.fixture(scope="module")
def amass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("amass")
    write_amass(folder, n_subjects=N_SUBJECTS, takes_per_category=N_TAKES)
    return folder


@pytest.fixture(scope="module")
def dip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dip")
    write_dip(folder, write_body(tmp_path_factory.mktemp("body")), n_subjects=3)
    return folder


def takes_of(folder: Path) -> Iterator[SmplMotion | Rejection]:
    for path in sorted(folder.rglob("*_poses.npz")):
        try:
            yield read_amass(path, load_archive("amass"), folder)
        except Rejection as rejection:
            yield rejection


def performed(name: str, seed: int) -> tuple[Subject, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 9])
    subject = draw_subject("someone", "recordings" if seed % 2 else "archive", rng)
    return subject, *perform(name, subject, rng, 6.0, 120.0)


def contacts(subject: Subject, poses: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height of the lowest ball (m) and the ball's speed over the floor (m/s, one frame shorter)."""
    turn, place = forward_kinematics(rotation_matrices(poses), subject.joints)
    index = [SMPL_JOINTS.index(joint) for joint, _, _ in CONTACTS]
    centres = place[:, index] + np.einsum("tjab,jb->tja", turn[:, index], [centre for _, centre, _ in CONTACTS])
    centres += trans[:, None]
    bottom = centres[:, :, 1] - [radius for _, _, radius in CONTACTS]
    speed = np.linalg.norm(np.diff(centres[:, :, [0, 2]], axis=0), axis=-1) * 120
    return bottom.min(axis=1), speed[np.arange(len(speed)), bottom[1:].argmin(axis=1)]


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("seed", range(4))
def test_motion_is_smooth_finite_and_within_a_persons_reach(name: str, seed: int, body: SmplBody) -> None:
    subject, poses, trans = performed(name, seed)
    assert np.isfinite(poses).all()
    assert np.isfinite(trans).all()
    motion = SmplMotion(poses, trans, subject.betas, "neutral", 120.0, Take("a", None, "s", name))
    measured = virtual_imu(body.trajectory(motion), rate_hz=None)
    assert np.linalg.norm(measured.acc, axis=-1).max() < 100
    assert np.linalg.norm(measured.gyr, axis=-1).max() < 30
    turns = rotation_matrices(poses)
    steps = np.einsum("tjab,tjab->tj", turns[:-1], turns[1:])
    assert np.degrees(np.arccos(np.clip((steps - 1) / 2, -1, 1))).max() < 15  # no jump within 1/120 s


@pytest.mark.parametrize("name", sorted(set(MOTIONS) - {"stairs"}))
@pytest.mark.parametrize("seed", range(4))
def test_body_is_on_the_floor_and_leaves_it_only_to_jump_or_run(name: str, seed: int) -> None:
    low, _ = contacts(*performed(name, seed))
    assert low.min() > -0.04
    assert low.max() < {"jumping": 0.4, "running": 0.12}.get(name, 0.04)


def test_stairs_lead_up_and_down_by_a_step_each() -> None:
    climbs = []
    for seed in range(8):
        low, _ = contacts(*performed("stairs", seed))
        climbs.append(low[-1] - low[0])
    assert min(climbs) < -0.8
    assert max(climbs) > 0.8
    assert max(np.abs(climbs)) < 4


@pytest.mark.parametrize("name", ["walking", "running"])
def test_gait_goes_forward_and_the_foot_on_the_floor_hardly_slides(name: str) -> None:
    speeds = []
    for seed in range(6):
        subject, poses, trans = performed(name, seed)
        forward = (rotation_matrices(poses[1:, 0]) @ [0.0, 0.0, 1.0])[:, [0, 2]]
        speed = np.einsum("ta,ta->t", np.diff(trans[:, [0, 2]], axis=0) * 120, forward)
        _, slide = contacts(subject, poses, trans)
        assert np.median(slide) < 0.3
        speeds.append(np.percentile(speed, 75))  # some stop in between
    assert min(speeds) > 0.5
    assert {"walking": 0.8, "running": 1.2}[name] < np.mean(speeds) < {"walking": 1.8, "running": 3.5}[name]


def test_rate_changes_the_samples_but_not_the_motion() -> None:
    for name in MOTIONS:
        samples = []
        for rate_hz in (60.0, 120.0):
            rng = np.random.default_rng(4)
            subject = draw_subject("someone", "archive", rng)
            samples.append(rotation_matrices(perform(name, subject, rng, 4.0, rate_hz)[0]))
        agree = np.abs(samples[0] - samples[1][::2]).max()
        assert agree < (0.05 if name == "stairs" else 1e-9), name


def test_every_take_has_its_categorys_label_and_boxing_is_removed(amass: Path) -> None:
    rules = load_label_rules("daily12")
    assert set(MOTIONS) == set(rules.categories)
    names = {take: category for category, (takes, _) in TAKES.items() for take in takes}
    for take, category in names.items():
        words = f"DemoMocap subject 01 {take.replace('_', ' ')} 01 poses"
        assert label_take(Take("amass", None, take, words), rules).name == category
    outcomes = Counter[str]()
    for motion in takes_of(amass):
        try:
            if isinstance(motion, Rejection):
                raise motion
            outcomes[label_take(motion.take, rules).name] += 1
        except Rejection as rejection:
            outcomes[rejection.reason] += 1
    assert outcomes == {
        **dict.fromkeys(MOTIONS, N_SUBJECTS * N_TAKES),
        Reason.REMOVED_BY_RULE: N_SUBJECTS, Reason.UNREADABLE: 1, Reason.NON_FINITE: 1,
    }  # fmt: skip


def test_archive_files_are_as_amass_stores_them(amass: Path) -> None:
    genders, rates = set(), set()
    for path in amass.rglob("*_poses.npz"):
        if path.name == "walking_98_poses.npz":  # the one cut short
            continue
        with np.load(path) as data:
            n_frames = len(data["poses"])
            assert data["poses"].shape == (n_frames, 156)
            assert data["poses"].dtype == np.float64
            shapes = {key: data[key].shape for key in ("trans", "betas", "dmpls", "gender", "mocap_framerate")}
            assert shapes == {
                "trans": (n_frames, 3), "betas": (16,), "dmpls": (n_frames, 8), "gender": (), "mocap_framerate": (),
            }  # fmt: skip
            assert (data["poses"][:, 66:] == data["poses"][:1, 66:]).all()  # the hands do not move
            genders.add(data["gender"].dtype.kind)
            rates.add(float(data["mocap_framerate"]))
        assert path.stat().st_size > 1248 * n_frames  # stored, not deflated
    assert genders == {"U", "S"}
    assert rates <= set(RATES_HZ)
    assert len(rates) >= 4
    assert len(list(amass.rglob("shape.npz"))) == N_SUBJECTS


def test_archive_stands_upright_on_the_floor_after_its_z_up_world_is_turned(amass: Path, body: SmplBody) -> None:
    for motion in takes_of(amass):
        if isinstance(motion, Rejection) or "wave" not in motion.take.sequence:
            continue
        _wrist, _thigh, head = np.moveaxis(body.trajectory(motion).position, 1, 0)
        assert 0.9 < np.median(head[:, 1]) < 2.1  # seated or standing, above a floor at 0
        _, place = forward_kinematics(rotation_matrices(body._own_joints(motion.poses)), body._joints)
        assert np.ptp(motion.trans[:, 2]) < 0.5
        assert 0.4 < np.median((place[:, 0] + motion.trans)[:, 2]) < 1.2  # +Z is up in the file


def test_same_seed_same_bytes(amass: Path, dip: Path, tmp_path: Path) -> None:
    first = tree_hash(amass / "DemoMocap" / "subject_01")
    for seed in (0, 1):
        write_amass(tmp_path / str(seed), n_subjects=1, takes_per_category=N_TAKES, seed=seed)
        assert (tree_hash(tmp_path / str(seed) / "DemoMocap" / "subject_01") == first) == (seed == 0)
    write_dip(tmp_path / "dip", write_body(tmp_path / "body"), n_subjects=1)
    assert tree_hash(tmp_path / "dip" / "s_01") == tree_hash(dip / "s_01")


def test_recordings_have_dips_names_keys_shapes_and_types(dip: Path) -> None:
    names = sorted(p.stem for p in (dip / "s_02").iterdir())
    assert names == ["01_a", "01_b", "02", "03", "04", "05"]
    for path in dip.rglob("*.pkl"):
        data = load_pickle(path)
        with path.open("rb") as stream:
            plain = pickle.load(stream, encoding="latin1")
        n_frames = len(data["gt"])
        wanted = {"imu_acc": (n_frames, 17, 3), "imu_ori": (n_frames, 17, 3, 3), "gt": (n_frames, 72)}
        assert {key: value.shape for key, value in data.items()} == wanted
        for key, value in data.items():
            assert value.dtype == np.float64
            np.testing.assert_array_equal(value, plain[key])


def test_vimus_reader_takes_every_recording_and_says_what_it_filled(dip: Path) -> None:
    config = load_recordings("dip")
    assert tuple(sensor.placement for sensor in config.sensors.values()) == SENSORS
    assert {code: activity.name for code, activity in config.activities.items()} == {
        code: motion for code, (motion, _, _) in CLASSES.items()
    }
    filled = 0
    for path in sorted(dip.rglob("*.pkl")):
        recording = read_dip(path, config, sensors=SENSORS, rate_hz=60.0)
        assert np.isfinite(recording.acc).all()
        filled += any("filled" in note for note in recording.notes)
    assert filled > 0


def test_recordings_gaps_are_few_short_and_in_both_channels(dip: Path) -> None:
    gaps = 0
    files = list(dip.rglob("*.pkl"))
    for path in files:
        data = load_pickle(path)
        silent = np.isnan(data["imu_acc"]).any(axis=-1)
        np.testing.assert_array_equal(silent, np.isnan(data["imu_ori"]).any(axis=(-1, -2)))
        assert np.isfinite(data["gt"]).all()
        assert silent.sum() <= 8
        assert silent.any(axis=0).sum() <= 1
        gaps += bool(silent.any())
    assert 0 < gaps < len(files) / 2


def test_recordings_sensors_are_misaligned_alike_in_all_of_a_subjects_files(dip: Path) -> None:
    by_file = []
    for path in sorted((dip / "s_01").iterdir()):
        data = load_pickle(path)
        turn, _ = forward_kinematics(rotation_matrices(data["gt"].reshape(-1, 24, 3)), np.zeros((24, 3)))
        segments = [SMPL_JOINTS.index(p.smpl.segment) for p in load_placements(SENSORS)]
        error = np.swapaxes(turn[:, segments], -1, -2) @ data["imu_ori"]
        angle = np.degrees(np.arccos(np.clip((np.trace(error, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))
        by_file.append(np.nanmedian(angle, axis=0))
    angles = np.array(by_file)
    assert 5 < angles.mean() < 25
    assert angles.max() < 50
    assert angles.std(axis=0).max() < 8


def test_recordings_acceleration_is_the_motions_plus_moderate_noise(dip: Path) -> None:
    desk = load_pickle(dip / "s_01" / "05.pkl")["imu_acc"]
    jumps = load_pickle(dip / "s_01" / "04.pkl")["imu_acc"]
    assert 0.1 < np.nanstd(desk[:, 2]) < 1  # the pelvis of a typist: noise
    assert np.nanmax(np.abs(jumps[:, 2])) > 5
    assert np.abs(np.nanmean(jumps, axis=0)).max() < 1  # no gravity


def test_forest_confuses_subjects_kept_apart_but_not_hopelessly(amass: Path, body: SmplBody) -> None:
    rules = load_label_rules("daily12")
    features, labels, subjects = [], [], []
    for motion in takes_of(amass):
        if isinstance(motion, Rejection) or "boxing" in motion.take.sequence:
            continue
        windows = window_features(virtual_imu(body.trajectory(motion)))
        features += windows
        labels += [label_take(motion.take, rules).name] * len(windows)
        subjects += [motion.take.subject] * len(windows)
    forest = RandomForestClassifier(50, random_state=0)
    predicted = cross_val_predict(forest, features, labels, groups=subjects, cv=GroupKFold(3))
    assert 0.6 < np.mean(predicted == np.array(labels)) < 0.95


def window_features(recording: ImuRecording) -> list[np.ndarray]:
    assert recording.ori is not None
    flat = recording.ori.reshape(recording.n_frames, len(recording.sensors), 9)
    x = np.concatenate([recording.acc, flat], axis=-1).reshape(recording.n_frames, -1)
    windows = (x[start : start + 60] for start in range(0, len(x) - 59, 60))
    return [np.concatenate([w.mean(axis=0), w.std(axis=0), w.min(axis=0), w.max(axis=0)]) for w in windows]


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        vimu.demo.data, "write_amass", functools.partial(write_amass, n_subjects=1, takes_per_category=1)
    )
    monkeypatch.setattr(vimu.demo.data, "write_dip", functools.partial(write_dip, n_subjects=1))


@pytest.mark.usefixtures("small_demo")
def test_demo_data_is_written_once_whole_and_says_synthetic(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "data" / "demo"
    assert main([str(folder)]) == EXIT_DONE
    assert "synthetic" in capsys.readouterr().out
    assert {p.name for p in folder.iterdir()} == {"amass", "body", "dip", "README.txt", "demo.json"}
    assert (folder / "README.txt").read_text().startswith("SYNTHETIC")
    assert (folder / "dip" / "s_01" / "03.pkl").is_file()
    assert set(CLASSES) == {p.stem[:2] for p in (folder / "dip" / "s_01").iterdir()}
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    write_demo_data(folder)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    first = tree_hash(folder)
    write_demo_data(folder, seed=1)
    assert tree_hash(folder) != first


@pytest.mark.usefixtures("small_demo")
def test_an_interrupted_write_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vimu.demo.data, "write_dip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_demo_data(tmp_path / "demo")
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []
    write_demo_data(tmp_path / "demo")
    assert (tmp_path / "demo" / "dip" / "s_01").is_dir()


def test_a_folder_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds something else"):
        write_demo_data(tmp_path)
    assert main([str(tmp_path)]) == EXIT_USER
    assert main([]) == EXIT_USER
    assert (tmp_path / "thesis.tex").exists()
