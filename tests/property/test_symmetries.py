"""Symmetries that a virtual sensor must keep: other rates, other headings, the other side of the body."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motions import EPS32, EPS64, Swing, rounding
from scipy.spatial.transform import Rotation

from vimu.archives.config import Segment
from vimu.body.placement import load_placements
from vimu.body.skeleton import skeleton_trajectory
from vimu.contracts import SMPL_JOINTS, SMPL_PARENTS, SkeletonMotion, Take, Trajectory
from vimu.imu.virtual import virtual_imu
from vimu.runtime.config import configs_folder
from vimu.runtime.yaml import read_yaml

SEEDS = st.integers(0, 10_000)
MIRROR = np.diag([-1.0, 1.0, 1.0])
"""Left is +X."""


# ---- rates

SETTLED_S = 0.75
"""A Butterworth of order 8 at 27 Hz forgets its edges as exp(-t 2 pi 27 sin(pi / 16)) = exp(-33 t): 2e-11 of it."""
FAVARD = 1.2732 / np.pi**6
"""A quintic spline through samples h apart is off by FAVARD h^6 of the sixth derivative. Source: Schoenberg, Cardinal
Spline Interpolation, 1973, on the constants of Favard."""


@pytest.mark.fault(40)
@settings(max_examples=30)
@given(seed=SEEDS)
def test_the_same_motion_at_60_100_120_and_240_hz_reads_the_same(seed):
    """At 60 Hz all of them are the second difference over 1/60 s, in closed form, but for what resampling costs.

    Tolerance: below 3 Hz the low-pass costs (3 / 27)^16, nothing; where the rates do not divide, the spline's error
    enters a second difference four times. Slerp between samples is a straight line: off by h^2 / 8 of the second
    derivative, twice in a central difference.
    """
    swing, dt = Swing.drawn(seed), 1 / 60
    readings = {hz: virtual_imu(swing.sampled(hz, 4.0), rate_hz=60.0) for hz in (60.0, 100.0, 120.0, 240.0)}
    n = min(r.n_frames for r in readings.values())
    inner = slice(round(SETTLED_S * 60), n - round(SETTLED_S * 60))
    t = np.arange(1, n + 1)[inner] * dt
    acc = swing.second_difference(t, dt)
    for hz, recording in readings.items():
        whole = hz % 60 == 0
        spline = 0.0 if whole else 4 * 60**2 * FAVARD * (swing.w / hz) ** 6 * swing.amplitude_m.max()
        filtered = 0.0 if hz == 60 else 1e-6  # the edges' rest, times four squared rates
        off = spline + filtered + rounding(swing.sampled(hz, 4.0), 60.0, float(np.abs(acc).max()))
        np.testing.assert_allclose(recording.acc[inner, 0], acc, rtol=0, atol=off)
        slerp = 0.0 if whole else 2 * (1 / hz) ** 2 / 8 * swing.angle * swing.w**2 / (2 * dt)
        turning = swing.angle * swing.w**3 * dt**2 / 6 + slerp + 16 * EPS64 * 60 + 4 * EPS32 * swing.angle * swing.w
        np.testing.assert_allclose(recording.gyr[inner, 0], swing.angular_velocity(t), rtol=0, atol=turning)
        away = Rotation.from_matrix(recording.ori[inner, 0].astype(np.float64)).inv() * swing.turn(t)
        assert away.magnitude().max() <= (0.0 if whole else swing.angle * swing.w**2 / (8 * hz**2)) + 8 * EPS32


# ---- the world turned


@given(seed=SEEDS, gravity=st.sampled_from(["included", "removed"]))
def test_a_rigid_turn_of_the_world_leaves_sensor_signals_unchanged(seed, gravity):
    """Any turn where gravity is out, one about the vertical where it is in; and any shift. Only roundings differ."""
    rng = np.random.default_rng(seed)
    here = Swing.drawn(seed).sampled(60.0, 1.0)
    any_turn = Rotation.random(rng=rng) if gravity == "removed" else Rotation.from_euler("y", rng.uniform(0, 6.28))
    turn = any_turn.as_matrix()
    there = Trajectory(here.position @ turn.T + rng.uniform(-5, 5, 3), turn @ here.orientation, 60.0, here.sensors)
    a, b = (virtual_imu(t, frame="sensor", gravity=gravity) for t in (here, there))
    greatest = float(np.abs(virtual_imu(here).acc).max())
    np.testing.assert_allclose(
        b.acc, a.acc, rtol=0, atol=rounding(here, 60.0, greatest) + rounding(there, 60.0, greatest)
    )
    np.testing.assert_allclose(b.gyr, a.gyr, rtol=0, atol=64 * EPS64 * 60 + 2 * EPS32 * float(np.abs(a.gyr).max()))
    np.testing.assert_allclose(b.ori[:, 0], turn @ a.ori[:, 0], rtol=0, atol=4 * EPS32)


# ---- left and right


@given(seed=SEEDS)
def test_a_mirrored_motion_reads_mirrored(seed):
    """Acceleration is a vector: its x changes sign. Angular velocity is none: its y and z do."""
    here = Swing.drawn(seed).sampled(60.0, 1.0)
    there = Trajectory(here.position @ MIRROR, MIRROR @ here.orientation @ MIRROR, 60.0, here.sensors)
    for frame, gravity in (("world", "removed"), ("sensor", "included")):
        a, b = (virtual_imu(t, frame=frame, gravity=gravity) for t in (here, there))
        off = 2 * rounding(here, 60.0, float(np.abs(virtual_imu(here).acc).max()))
        np.testing.assert_allclose(b.acc, a.acc @ MIRROR, rtol=0, atol=off)
        np.testing.assert_allclose(
            b.gyr, -a.gyr @ MIRROR, rtol=0, atol=64 * EPS64 * 60 + 2 * EPS32 * np.abs(a.gyr).max()
        )


def other_side(name):
    for here, there in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(here):
            return there + name.removeprefix(here)
    return name


SEGMENTS = {
    joint: Segment(joint=joint, end=end, left="+x", up="+y", evidence="as SMPL's")
    for joint, end in {j: next((SMPL_JOINTS[k] for k, p in enumerate(SMPL_PARENTS) if SMPL_JOINTS[p] == j), None)
                       for j in SMPL_JOINTS}.items()
}  # fmt: skip
PAIRS = sorted(
    name for name, entry in read_yaml(configs_folder() / "placements.yaml").items() if "skeleton" in entry
)  # fmt: skip


def person(seed):
    """A symmetric rig of SMPL's joints that moves at random: translations and rotations (frames, joints, ...)."""
    rng, n = np.random.default_rng(seed), len(SMPL_JOINTS)
    bones = rng.uniform(-0.3, 0.3, (n, 3))
    for j, name in enumerate(SMPL_JOINTS):
        twin = SMPL_JOINTS.index(other_side(name))
        bones[j] = bones[twin] @ MIRROR if twin < j else bones[j] * (np.array([0, 1, 1]) if twin == j else 1)
    turns = np.array([Swing.drawn(seed + j).turn(np.arange(40) / 60).as_matrix() for j in range(n)])
    translations = np.tile(bones, (40, 1, 1))
    translations[:, 0] = Swing.drawn(seed).position(np.arange(40) / 60)
    return SkeletonMotion(
        SMPL_JOINTS, SMPL_PARENTS, translations, turns.transpose(1, 0, 2, 3), 60.0, Take("t", None, "t", "t")
    )  # fmt: skip


@settings(max_examples=5)
@given(seed=SEEDS)
def test_a_person_who_does_the_same_elsewhere_reads_the_same(seed):
    """Turned about the vertical and put elsewhere, whole: sensors, beside their bones as well, go along."""
    rng, here = np.random.default_rng(seed), person(seed)
    turn = Rotation.from_euler("y", rng.uniform(0.5, 5.5)).as_matrix()
    translations, rotations, shift = here.translations.copy(), here.rotations.copy(), rng.uniform(-5, 5, 3)
    translations[:, 0] = here.translations[:, 0] @ turn.T + shift
    rotations[:, 0] = turn @ here.rotations[:, 0]
    there = replace(here, translations=translations, rotations=rotations)
    a, b = (skeleton_trajectory(m, load_placements(PAIRS), SEGMENTS) for m in (here, there))
    one, other = (virtual_imu(t, frame="sensor", gravity="included") for t in (a, b))
    np.testing.assert_allclose(b.position, a.position @ turn.T + shift, rtol=0, atol=1e-13)
    greatest = float(np.abs(virtual_imu(a).acc).max())
    off = rounding(a, 60.0, greatest) + rounding(b, 60.0, greatest)
    np.testing.assert_allclose(other.acc, one.acc, rtol=0, atol=off)
    np.testing.assert_allclose(other.gyr, one.gyr, rtol=0, atol=1e-11 + 4 * EPS32 * np.abs(one.gyr).max())


@pytest.mark.parametrize("placement", PAIRS)
@settings(max_examples=5)
@given(seed=SEEDS)
def test_the_other_side_of_a_mirrored_person_reads_mirrored(placement, seed):
    """Placements are pairs: offsets of one side that lack a sign would show here."""
    here = person(seed)
    twins = [SMPL_JOINTS.index(other_side(name)) for name in SMPL_JOINTS]
    there = SkeletonMotion(
        here.joints, here.parents, here.translations[:, twins] @ MIRROR, MIRROR @ here.rotations[:, twins] @ MIRROR,
        60.0, here.take,
    )  # fmt: skip
    a = skeleton_trajectory(here, load_placements([placement]), SEGMENTS)
    b = skeleton_trajectory(there, load_placements([other_side(placement)]), SEGMENTS)
    if placement != other_side(placement):  # what sits at the middle may sit a little to one side
        np.testing.assert_allclose(b.position, a.position @ MIRROR, rtol=0, atol=1e-13)
    np.testing.assert_allclose(b.orientation, MIRROR @ a.orientation @ MIRROR, rtol=0, atol=1e-13)
    one, other = (virtual_imu(t, frame="sensor", gravity="included") for t in (a, b))
    off = 2 * rounding(a, 60.0, float(np.abs(virtual_imu(a).acc).max()))
    np.testing.assert_allclose(other.acc, one.acc @ MIRROR, rtol=0, atol=off)
    np.testing.assert_allclose(other.gyr, -one.gyr @ MIRROR, rtol=0, atol=1e-11 + 4 * EPS32 * np.abs(one.gyr).max())
