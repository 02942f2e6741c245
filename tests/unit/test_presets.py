"""Presets: each is its anchor's published formula, means the same at any rate, and drops edges."""

import json
import re
from dataclasses import asdict

import numpy as np
import pyarrow.parquet as pq
import pytest
import smplx
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

import vimu
from vimu.archives.amass import read_amass
from vimu.archives.config import load_archive
from vimu.body.placement import load_placements
from vimu.contracts import POSE_JOINTS, SMPL_JOINTS, Trajectory
from vimu.imu.presets import Preset, load_preset
from vimu.imu.virtual import virtual_imu
from vimu.resampling import resample_rotations, resample_vectors
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.stages.config import SynthesizeSettings
from vimu.stages.synthesize import Task, run_task

PRESETS = ("dip", "dip18_published", "transpose", "imuposer", "mobileposer")

VERTICES = {
    "dip18_published": [1962, 5431, 1096, 4583, 412, 3021],
    "transpose": [1961, 5424, 1176, 4662, 411, 3021],
    "imuposer": [1961, 5424, 876, 4362, 411, 3021],
    "mobileposer": [1961, 5424, 876, 4362, 411, 3021],
}
"""Left wrist, right wrist, left leg, right leg, head, pelvis. Source: each program's list of vertices."""


# --- the published formulas, on positions at 120 Hz; NaN where theirs has zeros or a narrower formula -----------------


def second_difference(v, n, fps):
    """(v[i] + v[i + 2n] - 2 v[i + n]) fps^2 / n^2, standing at frame i + n."""
    acc = np.full(v.shape, np.nan)
    for i in range(len(v) - 2 * n):
        acc[i + n] = (v[i] + v[i + 2 * n] - 2 * v[i + n]) * fps**2 / n**2
    return acc


def published_dip18(v):
    return second_difference(v[::2], 1, 60)


def published_transpose(v):
    return second_difference(v[::2], 4, 60)


def published_mobileposer(v):
    return second_difference(v[::4], 4, 30)


def published_imuposer(v):
    acc = second_difference(v[::2], 1, 60)
    at_25 = []
    for i in np.arange(0, len(acc), 60 / 25):
        start, end = int(np.floor(i)), min(int(np.ceil(i)), len(acc) - 1)
        at_25.append(acc[start] + (acc[end] - acc[start]) * (i - start))
    means = np.full((len(at_25), *v.shape[1:]), np.nan)
    for i in range(2, len(at_25) - 2):
        means[i] = (at_25[i - 2] + at_25[i - 1] + at_25[i] + at_25[i + 1] + at_25[i + 2]) / 5
    return means


PUBLISHED = {
    "dip18_published": (60, published_dip18),
    "transpose": (60, published_transpose),
    "imuposer": (25, published_imuposer),
    "mobileposer": (30, published_mobileposer),
}


def rough_trajectory(rate_hz: float = 120.0, n: int = 301) -> Trajectory:
    """Positions with energy up to the highest frequency: what is filtered, shifted or averaged otherwise shows."""
    rng = np.random.default_rng(5)
    position = np.cumsum(rng.normal(scale=0.01, size=(n, 2, 3)), axis=0)
    return Trajectory(position, Rotation.random(n * 2, rng=6).as_matrix().reshape(n, 2, 3, 3), rate_hz, ("a", "b"))


@pytest.mark.parametrize("n", [289, 301, 302, 303, 304, 311])  # 289: a frame at 25 Hz falls on the very end
@pytest.mark.parametrize("preset", PUBLISHED)
def test_equal_to_the_published_formula_frame_by_frame(preset, n):
    trajectory = rough_trajectory(n=n)
    rate_hz, published = PUBLISHED[preset]
    wanted = published(trajectory.position)
    inner = np.flatnonzero(np.isfinite(wanted[:, 0, 0]))
    recording = virtual_imu(trajectory, rate_hz="preset", preset=preset)
    assert recording.rate_hz == rate_hz
    np.testing.assert_allclose(recording.acc, wanted[inner], rtol=1e-5, atol=1e-4)
    turns = Slerp(np.arange(n) / 120, Rotation.from_matrix(trajectory.orientation[:, 1]))(inner / rate_hz)
    np.testing.assert_allclose(recording.ori[:, 1], turns.as_matrix(), atol=1e-6)


@pytest.mark.parametrize("preset", PUBLISHED)
def test_equal_to_the_published_formula_on_the_full_mesh_of_a_real_take(preset, amass_samples, demo_body):
    path = next(p for p in amass_samples if "human_body_prior" in p.name)
    motion = read_amass(path, load_archive("amass"))
    assert motion.rate_hz == 120
    ignored = preset == "dip18_published"
    model = smplx.SMPL(str(demo_body), dtype=torch.float64)
    names = POSE_JOINTS[motion.poses.shape[1]]
    joints = [names.index(n if n in names else n.replace("hand", "index1")) for n in SMPL_JOINTS]
    poses = torch.from_numpy(motion.poses[:, joints].reshape(-1, 72))
    mesh = model(
        betas=torch.from_numpy(motion.betas[:10] * (not ignored))[None].expand(len(poses), -1),
        global_orient=poses[:, :3], body_pose=poses[:, 3:], transl=torch.from_numpy(motion.trans * (not ignored)),
    ).vertices.detach().numpy()  # fmt: skip
    _, published = PUBLISHED[preset]
    wanted = published(mesh[:, VERTICES[preset]] @ motion.to_canonical.T)
    recording = vimu.synthesize(path, body=demo_body, placements=preset, rate_hz="preset", preset=preset)
    assert (
        np.abs(recording.acc - wanted[np.isfinite(wanted[:, 0, 0])]).max() < 2e-3
    )  # 1e-7 m of smplx's, times 4 * 3600


@pytest.mark.parametrize("rate_hz", [30.0, 59.0, 60.0, 100.0, 119.88, 120.0, 250.0])
def test_dip_is_the_plain_formula_to_the_last_bit(rate_hz):
    trajectory = rough_trajectory(rate_hz)
    p = resample_vectors(trajectory.position, rate_hz, 60.0)
    recording = virtual_imu(trajectory)
    np.testing.assert_array_equal(recording.acc, ((p[:-2] + p[2:] - 2 * p[1:-1]) * 60.0**2).astype(np.float32))
    ori = resample_rotations(trajectory.orientation, rate_hz, 60.0)[1:-1].astype(np.float32)
    np.testing.assert_array_equal(recording.ori, ori)
    assert recording.gyr.shape == recording.acc.shape


# --- the same at any rate ---------------------------------------------------------------------------------------------


def sinc2(x):
    return float(np.sinc(x) ** 2)


def five_frame_mean(f):
    """Response of IMUPoser's mean of 5 frames at 25 Hz."""
    return float(np.sin(5 * np.pi * f / 25) / (5 * np.sin(np.pi * f / 25)))


def gain(f_hz: float, source_hz: float, **settings) -> float:
    """Amplitude of virtual acceleration over that of the true one, for a sine of `f_hz`."""
    t = np.arange(int(12 * source_hz)) / source_hz
    position = np.zeros((len(t), 1, 3))
    position[:, 0, 1] = np.sin(2 * np.pi * f_hz * t) / (2 * np.pi * f_hz) ** 2
    recording = virtual_imu(Trajectory(position, np.tile(np.eye(3), (len(t), 1, 1, 1)), source_hz, ("s",)), **settings)
    acc = recording.acc[:, 0, 1][int(recording.rate_hz) : -int(recording.rate_hz)]  # low-passes reach in from the ends
    at = np.arange(len(acc)) / recording.rate_hz
    waves = np.stack([np.sin(2 * np.pi * f_hz * at), np.cos(2 * np.pi * f_hz * at)], axis=1)
    return float(np.linalg.norm(np.linalg.lstsq(waves, acc, rcond=None)[0]))


@pytest.mark.parametrize(
    ("preset", "half_power_hz", "rates"),
    [
        ("dip", 19.1, [(60, 60), (120, 60)]),  # one frame, so at the rate of its paper
        ("dip18_published", 19.1, [(60, 60), (120, 60), (100, 100), (250, 100)]),
        ("transpose", 4.78, [(60, 60), (120, 60), (100, 60), (59, 60), (100, 100), (250, 250), (120, 25)]),
        ("mobileposer", 2.39, [(60, 30), (120, 30), (100, 60), (250, 100)]),
        ("imuposer", 2.21, [(60, 25), (120, 25)]),
    ],
)
def test_half_power_lies_where_the_anchor_has_it_at_any_rate(preset, half_power_hz, rates):
    for source_hz, rate_hz in rates:
        found = gain(half_power_hz, source_hz, rate_hz=float(rate_hz), preset=preset)
        assert found == pytest.approx(np.sqrt(0.5), abs=0.012), (source_hz, rate_hz)


@pytest.mark.parametrize("f_hz", [0.5, 2.0, 4.0, 6.0])
def test_the_response_is_the_formulas(f_hz):
    assert gain(f_hz, 60, preset="transpose") == pytest.approx(sinc2(f_hz * 4 / 60), abs=1e-3)
    assert gain(f_hz, 60, rate_hz=30.0, preset="mobileposer") == pytest.approx(sinc2(f_hz * 4 / 30), abs=1e-3)
    assert gain(f_hz, 100, rate_hz=None, preset="transpose") == pytest.approx(sinc2(f_hz * 4 / 60), abs=1e-3)
    assert gain(f_hz, 60, preset="dip") == pytest.approx(sinc2(f_hz / 60), abs=1e-3)
    mean = abs(five_frame_mean(f_hz))  # linear mixing of neighbours takes a little more, and adds images
    assert gain(f_hz, 60, rate_hz=25.0, preset="imuposer") == pytest.approx(sinc2(f_hz / 60) * mean, abs=0.03)


def test_what_imuposer_means_at_25_hz_it_means_at_60():
    for f_hz in (0.5, 1.0, 2.0, 3.0):
        at_25, at_60 = (gain(f_hz, 60, rate_hz=rate, preset="imuposer") for rate in (25.0, 60.0))
        assert at_60 == pytest.approx(at_25, abs=0.03)


def test_smoothing_and_order_can_be_set():
    plain = load_preset("dip")
    as_transpose = load_preset("dip", smoothing_s=4 / 60)
    assert gain(4.78, 60, preset=as_transpose) == pytest.approx(np.sqrt(0.5), abs=0.01)
    first = load_preset("dip", order="difference_first")  # one frame of the take's 120 Hz
    assert gain(19.1, 120, preset=first) == pytest.approx(sinc2(19.1 / 120), abs=0.01)
    assert gain(19.1, 120, preset=plain) == pytest.approx(sinc2(19.1 / 60), abs=0.01)
    assert load_preset("imuposer", order="decimate_first").difference_hz is None
    assert load_preset("imuposer", order="difference_first") == load_preset("imuposer")


# --- time and edges ---------------------------------------------------------------------------------------------------

RATES = st.sampled_from([25.0, 30.0, 59.0, 60.0, 100.0, 119.88, 120.0, 250.0])


@settings(max_examples=80, deadline=None)
@given(source_hz=RATES, rate_hz=RATES, preset=st.sampled_from(PRESETS), reverse=st.booleans())
def test_acceleration_and_orientation_stand_at_the_same_instants(source_hz, rate_hz, preset, reverse):
    """On a turning arm, acceleration points along the arm: a shift of half a frame would turn it away."""
    chosen = load_preset(preset)
    if reverse:
        chosen = load_preset(preset, order=({"decimate_first", "difference_first"} - {chosen.order}).pop())
    w = 4.0
    turn = Rotation.from_euler("y", w * np.arange(int(5 * source_hz))[:, None] / source_hz).as_matrix()[:, None]
    arm = Trajectory(turn @ np.array([0.6, 0, 0]), turn, source_hz, ("arm",))
    recording = virtual_imu(arm, rate_hz=rate_hz, preset=chosen, frame="sensor")
    inner = recording.acc[int(rate_hz) : -int(rate_hz), 0]
    assert len(inner) > 2 * rate_hz
    assert np.abs(inner[:, [1, 2]]).max() < 0.02 * 0.6 * w**2
    assert -0.6 * w**2 * 1.01 < inner[:, 0].min() <= inner[:, 0].max() < -0.6 * w**2 * 0.85
    np.testing.assert_allclose(recording.gyr[:, 0], np.tile([0, w, 0], (recording.n_frames, 1)), atol=1e-2)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "dip"])
@pytest.mark.parametrize(("source_hz", "rate_hz"), [(120, 60), (120, 30), (60, 25), (100, 60), (60, 100), (59, 60)])
def test_no_edge_is_filled(preset, source_hz, rate_hz):
    """Under a constant acceleration every frame reads it, the first and the last too."""
    t = np.arange(3 * source_hz) / source_hz
    position = (0.5 * np.array([1.0, -2.0, 3.0]) * t[:, None] ** 2)[:, None]
    fall = Trajectory(position, np.tile(np.eye(3), (len(t), 1, 1, 1)), float(source_hz), ("s",))
    recording = virtual_imu(fall, rate_hz=float(rate_hz), preset=preset)
    np.testing.assert_allclose(recording.acc[:, 0], np.tile([1.0, -2.0, 3.0], (recording.n_frames, 1)), atol=1e-3)
    chosen = load_preset(preset)
    lost_s = 2 * chosen.smoothing_s + chosen.mean_s
    between_ends_s = (recording.n_frames - 1) / rate_hz
    take_s = 3 - 1 / source_hz
    assert take_s - lost_s - 5 / rate_hz < between_ends_s <= take_s - 2 * chosen.smoothing_s + 1e-5


def test_no_frame_is_lost_where_both_rates_have_an_instant():
    """3 s at 240 Hz, differences at 60 Hz, wanted at 120: one frame of 60 Hz at either end, and half the mean."""
    recording = virtual_imu(rough_trajectory(240.0, 720), rate_hz=120.0, preset="imuposer")
    mean_frames = round(load_preset("imuposer").mean_s * 120)
    assert recording.n_frames == 2 * (180 - 2) - 1 - mean_frames


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("n", range(1, 40))
def test_a_take_too_short_has_no_frames_and_a_longer_one_has_finite_ones(preset, n):
    for source_hz, rate_hz in [(60.0, "preset"), (120.0, 60.0), (30.0, 60.0), (100.0, 60.0)]:
        recording = virtual_imu(rough_trajectory(source_hz, n), rate_hz=rate_hz, preset=preset)
        for array in (recording.acc, recording.gyr, recording.ori):
            assert len(array) == recording.n_frames
            assert np.isfinite(array).all()


# --- betas, trans, settings -------------------------------------------------------------------------------------------


def test_only_dip18_as_published_ignores_body_and_path(amass_samples, demo_body, tmp_path):
    path = next(p for p in amass_samples if "human_body_prior" in p.name)
    with np.load(path) as data:
        changed = {key: data[key] for key in data.files} | {"betas": data["betas"] + 2.0}
    changed["trans"] = changed["trans"] + 0.1 * np.sin(np.arange(len(changed["trans"])) / 10)[:, None]
    np.savez(tmp_path / "x_poses.npz", **changed)
    for preset in PRESETS:
        a, b = (
            vimu.synthesize(p, body=demo_body, placements=["head", "left_wrist"], preset=preset)
            for p in (path, tmp_path / "x_poses.npz")
        )
        assert np.array_equal(a.acc, b.acc) == (preset == "dip18_published")


def test_a_skeleton_has_no_betas_to_ignore(bandai_mini):
    path = next(bandai_mini.rglob("*walk_normal*.bvh"))
    with pytest.raises(
        UserError, match=r"`preset` must leave `betas` and `trans` .* archive `bandai` can take e.g. preset"
    ):
        vimu.synthesize(path, archive="bandai", placements=["head"], preset="dip18_published")
    assert vimu.synthesize(path, archive="bandai", placements="imuposer", preset="imuposer").n_frames > 0


def test_the_job_takes_the_preset_with_its_settings(amass_samples, demo_body, tmp_path):
    """Betas and trans are zero on the workers too, and the job's row is what the call gives."""
    path = next(p for p in amass_samples if "human_body_prior" in p.name)
    archive, said = load_archive("amass").model_dump_json(), ("a", "r", "d")
    task = Task("s", archive, str(path.parent), str(demo_body), (path.name,), (said,), ("id",))
    preset = load_preset("dip18_published", smoothing_s=0.05)
    (tmp_path / ".tasks").mkdir()
    placements = json.dumps([p.model_dump(mode="json") for p in load_placements(["head"])])
    item = {"placements": placements, "rate_hz": 60.0, "preset": preset.model_dump_json(exclude_unset=True)}
    item |= {"placement_error_m": 0.0, "seed": 0}
    run_task({"task": json.dumps(asdict(task)), "staging": str(tmp_path), "shard": "s", **item})
    row = pq.read_table(tmp_path / "clips" / "s.parquet").to_pylist()[0]
    wanted = vimu.synthesize(path, body=demo_body, placements=["head"], preset="dip18_published", smoothing_s=0.05)
    np.testing.assert_array_equal(np.array(row["acc"], np.float32), wanted.acc.ravel())


def test_a_presets_name_stands_for_its_sensors():
    inputs = [{"archive": "bandai", "root": "x"}]
    given = SynthesizeSettings(inputs=inputs, placements="transpose")
    names = ("left_wrist", "right_wrist", "left_lower_leg", "right_lower_leg", "head", "pelvis")
    assert given.placements == names == load_preset("transpose").placements
    with pytest.raises(UserError, match=r"or a preset whose sensors are meant \(dip, .*, but is `transpoze`"):
        SynthesizeSettings(inputs=inputs, placements="transpoze")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"smoothing_s": -0.1}, "`smoothing_s`"),
        ({"smoothing_s": float("nan")}, "`smoothing_s`"),
        ({"order": "x"}, "order"),
    ],
)
def test_a_wrong_override_is_the_users_error(changes, says):
    with pytest.raises(UserError, match=says):
        load_preset("dip", **changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"difference_hz": 60}, "`difference_hz` must be left out unless `order` is `difference_first`"),
        ({"mean_s": 0.1}, "`evidence` must be given for each field"),
        ({"rate_hz": 0}, "rate_hz"),
    ],
)
def test_a_preset_that_contradicts_itself_or_lacks_evidence_is_refused(changes, says):
    fields = load_preset("dip").model_dump(exclude_unset=True) | changes
    if "difference_hz" in changes:
        fields["evidence"] = {**fields["evidence"], "difference_hz": "x"}
    with pytest.raises(UserError, match=re.escape(says)):
        validate(Preset, fields, where="x")
