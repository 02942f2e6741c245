"""Walking, running, stairs and jumping."""

import numpy as np

from vimu.demo.posture import Angles, both, standing, toward
from vimu.demo.signals import Signal, bouts, drift, pulse, rhythm
from vimu.demo.subjects import Subject


def _stride(
    angles: Angles,
    subject: Subject,
    phase: Signal,
    going: Signal,
    *,
    hip: float,
    hip_bias: float,
    knee: float,
    arm: float,
) -> None:
    """Add a gait: legs half a cycle apart, each arm against its leg. The left heel strikes at phase 0.

    Source: angles as in Perry and Burnfield 2010, Gait analysis, rounded.
    """
    for side, shift, sign in (("left", 0.0, 1.0), ("right", np.pi, -1.0)):
        p = phase + shift
        size = going * (1 + sign * subject.asymmetry)
        angles[f"{side}_hip"] += size * (hip * np.cos(p) + hip_bias)
        angles[f"{side}_knee"] += size * (knee * pulse(p, 1.55 * np.pi, 3) + 0.15 * pulse(p, 0.25 * np.pi, 4))
        angles[f"{side}_ankle"] += size * (0.1 * np.sin(p) - 0.35 * hip * pulse(p, 1.15 * np.pi, 6))
        angles[f"{side}_arm"] -= going * (1 - sign * subject.asymmetry) * arm * np.cos(p + 0.15)
        angles[f"{side}_elbow"] += size * 0.5 * arm * pulse(p, np.pi, 1)
    angles["twist"] += going * 0.25 * arm * np.cos(phase)
    angles["yaw"] -= going * 0.12 * hip * np.cos(phase)
    angles["roll"] += going * 0.05 * np.sin(phase)
    angles["nod"] += going * 0.04 * np.sin(2 * phase)


def _going(rng: np.random.Generator, t: Signal) -> Signal:
    """1 while the body goes; some people stop in between."""
    rest_s = (0.6, 1.8) if rng.random() < 0.4 else (0.2, 0.5)
    return bouts(rng, t, rest_s=rest_s, move_s=(0.5, 0.9), hold_s=(5.0, 11.0))


def _carrying(angles: Angles, rng: np.random.Generator) -> None:
    """Some people walk with a hand in the pocket or with something in the arms, which then do not swing."""
    kind = rng.random()
    if kind < 0.15:
        side = rng.choice(["left", "right"])
        toward(angles, {f"{side}_arm": 0.15, f"{side}_elbow": 0.7, f"{side}_arm_out": 0.35}, 0.9)
    elif kind < 0.25:
        toward(angles, both(arm=0.4, elbow=1.4, arm_turn=0.4), 0.85)


def walking(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Strolling to striding, along slow curves."""
    angles = standing(subject, rng, t)
    going = _going(rng, t)
    phase = rhythm(rng, t, rng.uniform(0.85, 1.0) * subject.tempo**0.7)
    size = subject.vigour**0.4 * rng.uniform(0.88, 1.12)
    _stride(angles, subject, phase, going, hip=0.47 * size, hip_bias=0.1, knee=1.05 * size**0.5, arm=0.35 * size**2)
    _carrying(angles, rng)
    angles["yaw"] += going * drift(rng, t, 0.7, max_hz=0.15)
    return angles


def running(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Jogging on the spot to running, with a flight after each push-off."""
    angles = standing(subject, rng, t)
    going = _going(rng, t)
    phase = rhythm(rng, t, rng.uniform(1.05, 1.35) * subject.tempo**0.5)
    size = subject.vigour * rng.uniform(0.75, 1.2)
    _stride(angles, subject, phase, going, hip=0.5 * size, hip_bias=0.22, knee=1.5 * size**0.5, arm=0.45 * size)
    toward(angles, both(elbow=rng.uniform(0.9, 1.6)), 0.7 * going)
    angles["bend"] += going * 0.1 * size
    angles["lift"] += going * 0.035 * size * pulse(2 * phase, 1.75 * np.pi, 2)
    angles["yaw"] += going * drift(rng, t, 0.5, max_hz=0.15)
    return angles


def stairs(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Up or down, a step each half cycle, on stairs without end; the floor that `lift` counts from goes with them."""
    angles = standing(subject, rng, t)
    going = _going(rng, t)
    phase = rhythm(rng, t, rng.uniform(0.65, 0.95) * subject.tempo)
    up = rng.random() < 0.55
    size = 0.5 + 0.5 * subject.vigour
    hip, hip_bias, knee = (0.42, 0.3, 1.25) if up else (0.25, 0.15, 1.1)
    _stride(angles, subject, phase, going, hip=hip * size, hip_bias=hip_bias, knee=knee * size, arm=0.22 * size)
    if rng.random() < 0.35:
        side = rng.choice(["left", "right"])  # a hand on the rail
        toward(angles, {f"{side}_arm": 0.5, f"{side}_arm_out": 0.5, f"{side}_elbow": 0.6}, 0.9)
    angles["bend"] += 0.12 if up else -0.02
    angles["nod"] += 0.15
    climb = (phase - phase[0]) / np.pi - 0.7 * np.sin(2 * phase) / (2 * np.pi)
    rise = (0.16 if up else -0.16) * climb
    angles["lift"] += np.cumsum(going * np.gradient(rise))
    angles["yaw"] += drift(rng, t, 0.2, max_hz=0.1)
    return angles


def jumping(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Hopping in a rhythm, or single jumps out of a crouch with pauses between."""
    angles = standing(subject, rng, t)
    hopping = rng.random() < 0.5
    going = _going(rng, t) if hopping else bouts(rng, t, rest_s=(0.2, 1.2), move_s=(0.3, 0.5), hold_s=(0.9, 2.6))
    phase = rhythm(rng, t, (rng.uniform(1.3, 1.9) if hopping else rng.uniform(0.7, 1.0)) * subject.tempo**0.5)
    size = subject.vigour * rng.uniform(0.7, 1.2)
    crouch = going * (0.35 if hopping else 0.8) * size * pulse(phase, 0.0, 2)
    for side in ("left", "right"):
        angles[f"{side}_hip"] += 0.9 * crouch
        angles[f"{side}_knee"] += 1.5 * crouch
        angles[f"{side}_ankle"] += 0.6 * crouch - 0.3 * going * pulse(phase, np.pi, 4)
        angles[f"{side}_arm"] += going * rng.uniform(0.1, 0.6) * size * np.cos(phase - 2.6)
        angles[f"{side}_elbow"] += going * 0.5
    if rng.random() < 0.3:  # jumping jacks
        angles["left_arm_out"] += going * 0.9 * size * pulse(phase, np.pi, 1)
        angles["right_arm_out"] += going * 0.9 * size * pulse(phase, np.pi, 1)
    angles["bend"] += 0.4 * crouch
    angles["lift"] += going * (0.06 if hopping else 0.16) * size * pulse(phase, np.pi, 3)
    angles["yaw"] += going * drift(rng, t, 0.2, max_hz=0.15)
    return angles
