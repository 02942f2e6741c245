"""Sensors beside their place: rigid-body physics, one draw a clip, nothing changed where there is none."""

import json
from dataclasses import asdict, replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import vimu
from vimu.archives.config import load_archive
from vimu.body.placement import load_placements
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import SkeletonMotion, Take, Trajectory
from vimu.imu.placement_error import displaced, drawn_offsets
from vimu.imu.presets import load_preset
from vimu.imu.virtual import virtual_imu
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.stages.config import SynthesizeSettings
from vimu.stages.synthesize_task import Task, run_task

SENSORS = ["left_wrist", "right_thigh", "head"]
RATE_HZ = 240.0

directions = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)


@settings(max_examples=50, deadline=None)
@given(directions, directions, st.floats(0.2, 1.5), st.floats(0.3, 1.2))
def test_acceleration_gains_what_a_rigid_body_says(axis, offset, swing_rad, swing_hz):
    """alpha x d + omega x (omega x d), d = R o, on a segment that swings about any axis while it is carried along."""
    t = np.arange(480) / RATE_HZ
    n = np.array(axis) / np.linalg.norm(axis)
    w = 2 * np.pi * swing_hz
    angle = swing_rad * np.sin(w * t)
    ori = (Rotation.from_rotvec(angle[:, None] * n) * Rotation.from_rotvec([0.3, -1.1, 0.4])).as_matrix()
    carried = np.stack([np.sin(3 * t), 1.4 * t, np.cos(2 * t)], axis=1)
    trajectory = Trajectory(carried[:, None], ori[:, None], RATE_HZ, ("s",))
    o = 0.05 * np.array(offset)

    plain = virtual_imu(trajectory, rate_hz=None)
    moved = virtual_imu(displaced(trajectory, o[None]), rate_hz=None)
    d = ori @ o
    omega = (swing_rad * w * np.cos(w * t))[:, None] * n
    alpha = (-swing_rad * w**2 * np.sin(w * t))[:, None] * n
    gain = np.cross(alpha, d) + np.cross(omega, np.cross(omega, d))
    np.testing.assert_allclose((moved.acc - plain.acc)[:, 0], gain[1:-1], atol=2e-3 + 2e-3 * np.abs(gain).max())
    np.testing.assert_array_equal(moved.ori, plain.ori)
    np.testing.assert_array_equal(moved.gyr, plain.gyr)


def test_on_a_real_take_the_offset_is_constant_in_the_segments_axes(bandai_mini):
    path = sorted(bandai_mini.rglob("*walk*.bvh"))[0]
    synthesizer = Synthesizer(load_archive("bandai"), SENSORS, None)
    motion = synthesizer.read(path)
    there = synthesizer.trajectory(motion)
    o = drawn_offsets(motion, there.sensors, 0.05, seed=0)
    moved = displaced(there, o)
    back = np.einsum("tsji,tsj->tsi", there.orientation, moved.position - there.position)
    np.testing.assert_allclose(back, np.broadcast_to(o, back.shape), atol=1e-12)
    np.testing.assert_array_equal(moved.orientation, there.orientation)


# --- the draw ---------------------------------------------------------------------------------------------------------


def still(height: float = 1.0, sequence: str = "a/b") -> SkeletonMotion:
    translations = np.zeros((5, 1, 3))
    translations[:, :, 1] = height
    take = Take("archive", None, sequence, "words")
    return SkeletonMotion(("hips",), (-1,), translations, np.tile(np.eye(3), (5, 1, 1, 1)), 30.0, take)


def test_offsets_fill_the_box_evenly():
    o = drawn_offsets(still(), [f"sensor {i}" for i in range(4000)], 0.05, seed=0)
    assert np.abs(o).max() <= 0.05
    np.testing.assert_allclose(np.percentile(o, [10, 50, 90], axis=0), [[-0.04] * 3, [0] * 3, [0.04] * 3], atol=0.003)
    assert np.abs(np.corrcoef(o.T) - np.eye(3)).max() < 0.06
    np.testing.assert_array_equal(drawn_offsets(still(), ["head"], 0.0, seed=0), np.zeros((1, 3)))


def test_a_draw_depends_on_seed_take_and_sensor_and_on_nothing_else():
    """Not on other sensors or their order, nor on the take's name: a take under two names stays a duplicate."""
    o = drawn_offsets(still(), SENSORS, 0.05, seed=1)
    np.testing.assert_array_equal(drawn_offsets(still(), SENSORS[::-1], 0.05, seed=1), o[::-1])
    np.testing.assert_array_equal(drawn_offsets(still(sequence="c"), ["head"], 0.05, seed=1), o[2:])
    np.testing.assert_allclose(drawn_offsets(still(), SENSORS, 0.025, seed=1), o / 2, rtol=1e-12)
    others = [drawn_offsets(still(), SENSORS, 0.05, seed=2), drawn_offsets(still(1.1), SENSORS, 0.05, seed=1)]
    rate = replace(still(), rate_hz=60.0)
    for other in (*others, drawn_offsets(rate, SENSORS, 0.05, seed=1)):
        assert (np.abs(other - o) > 1e-6).all()
    pinned = drawn_offsets(still(), ["head"], 0.05, seed=0)  # the same on every machine
    np.testing.assert_allclose(pinned, [[-0.03758633671, -0.04961345237, -0.01814607396]], atol=1e-9)


@pytest.mark.parametrize("bad", [-0.01, 5.0, float("nan")])
def test_metres_are_meant(bandai_mini, bad):
    path = sorted(bandai_mini.rglob("*walk*.bvh"))[0]
    with pytest.raises(UserError, match=r"`placement_error_m` must be metres from 0 to 0\.2, but is"):
        vimu.synthesize(path, archive="bandai", placements=["head"], placement_error_m=bad)
    if bad == bad:
        inputs = [{"archive": "bandai", "root": "x"}]
        with pytest.raises(UserError, match="`placement_error_m`"):
            validate(SynthesizeSettings, {"inputs": inputs, "placement_error_m": bad}, where="run.yaml")


# --- through the job --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error_m", [0.0, 0.05])
def test_the_job_gives_what_the_call_gives_and_notes_it(bandai_mini, tmp_path, error_m):
    root = bandai_mini / "dataset"
    path = sorted(root.rglob("*walk*.bvh"))[0]
    name = path.relative_to(root).as_posix()
    task = Task("s", load_archive("bandai").model_dump_json(), str(root), None, (name,), (("a", "r", "d"),), ("id",))
    (tmp_path / ".tasks").mkdir()
    item = {
        "task": json.dumps(asdict(task)), "staging": str(tmp_path), "shard": "s", "rate_hz": 60.0,
        "placements": json.dumps([p.model_dump(mode="json") for p in load_placements(SENSORS)]),
        "preset": load_preset("dip").model_dump_json(exclude_unset=True), "placement_error_m": error_m, "seed": 3,
    }  # fmt: skip
    run_task(item)
    [row] = pq.read_table(tmp_path / "clips" / "s.parquet").to_pylist()
    given_there = vimu.synthesize(path, archive="bandai", placements=SENSORS)
    alone = vimu.synthesize(path, archive="bandai", placements=SENSORS, placement_error_m=error_m, seed=3)
    np.testing.assert_array_equal(np.array(row["acc"], np.float32), alone.acc.ravel())
    assert row["notes"] == list(alone.notes)
    np.testing.assert_array_equal(alone.gyr, given_there.gyr)
    np.testing.assert_array_equal(alone.ori, given_there.ori)
    if error_m == 0:
        np.testing.assert_array_equal(alone.acc, given_there.acc)
        assert alone.notes == ()
        return
    motion = Synthesizer(load_archive("bandai"), SENSORS, None).read(path)
    millimetres = drawn_offsets(motion, SENSORS, error_m, seed=3) * 1000
    assert list(alone.notes) == [
        f"placement_error: {s} at ({x:+.1f}, {y:+.1f}, {z:+.1f}) mm"
        for s, (x, y, z) in zip(SENSORS, millimetres, strict=True)
    ]
    assert np.abs(alone.acc - given_there.acc).max() > 0.1
