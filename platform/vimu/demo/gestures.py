"""What people do in one place: stretching, waving, clapping, desk work. And boxing, which the label rules remove."""

import numpy as np

from vimu.demo.posture import Angles, both, standing, toward
from vimu.demo.signals import Signal, bouts, drift, pulse, rhythm
from vimu.demo.subjects import Subject
from vimu.demo.transitions import seat


def _maybe_seated(angles: Angles, rng: np.random.Generator, t: Signal, chance: float) -> None:
    if rng.random() < chance:
        seat(angles, rng, np.ones_like(t))


def stretching_arms(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Arms up to the front or the sides, overhead with a side bend, across the chest, or in circles."""
    angles = standing(subject, rng, t)
    _maybe_seated(angles, rng, t, 0.1)
    slow = 1 / subject.tempo
    size = min(0.5 + 0.5 * subject.vigour, 1.15)
    amount = bouts(rng, t, rest_s=(0.2, 1.5), move_s=(0.7 * slow, 1.6 * slow), hold_s=(0.4, 2.5))
    kind = rng.choice(["front", "sides", "overhead", "across", "circles", "one"])
    if kind == "front":
        toward(angles, both(arm=rng.uniform(1.3, 2.9) * size, elbow=0.15), amount)
    elif kind == "sides":
        toward(angles, both(arm_out=rng.uniform(1.2, 2.7) * size, elbow=0.15), amount)
    elif kind == "overhead":
        toward(angles, both(arm_out=2.7 * size, elbow=0.5, arm_turn=-0.4), amount)
        angles["side"] += amount * drift(rng, t, 0.25, max_hz=0.3)
    elif kind == "across":
        side = rng.choice(["left", "right"])
        toward(angles, {f"{side}_arm": 1.4 * size, f"{side}_arm_out": -0.5, f"{side}_elbow": 0.4}, amount)
        angles["twist"] += amount * (0.3 if side == "right" else -0.3)
    elif kind == "circles":
        phase = rhythm(rng, t, rng.uniform(0.35, 0.8) * subject.tempo)
        for side in ("left", "right"):
            angles[f"{side}_arm"] += amount * size * (0.9 + 0.7 * np.cos(phase))
            angles[f"{side}_arm_out"] += amount * size * (0.6 + 0.6 * np.sin(phase))
    else:
        side = rng.choice(["left", "right"])
        toward(angles, {f"{side}_arm": rng.uniform(1.2, 2.8) * size, f"{side}_elbow": rng.uniform(0.1, 1.0)}, amount)
    return angles


def stretching_legs(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Lunges, squats, knee raises, leg swings, or down to the toes."""
    angles = standing(subject, rng, t)
    slow = 1 / subject.tempo
    size = min(0.45 + 0.55 * subject.vigour, 1.2)
    amount = bouts(rng, t, rest_s=(0.2, 1.5), move_s=(0.7 * slow, 1.5 * slow), hold_s=(0.2, 2.5))
    side, other = rng.permutation(["left", "right"])
    kind = rng.choice(["lunge", "squat", "raise", "swing", "toes"])
    if kind == "lunge":
        front = {f"{side}_hip": 1.1 * size, f"{side}_knee": 1.2 * size, f"{side}_ankle": 0.1}
        toward(angles, front | {f"{other}_hip": -0.35 * size, f"{other}_knee": 0.5 * size, "bend": 0.1}, amount)
    elif kind == "squat":
        toward(angles, both(hip=1.4 * size, knee=1.6 * size, ankle=0.5 * size, arm=0.9 * size), amount)
        angles["pitch"] = angles["pitch"] + 0.35 * size * amount
    elif kind == "raise":
        toward(angles, {f"{side}_hip": 1.4 * size, f"{side}_knee": rng.uniform(0.3, 1.7) * size}, amount)
    elif kind == "swing":
        phase = rhythm(rng, t, rng.uniform(0.4, 0.9) * subject.tempo)
        angles[f"{side}_hip"] += amount * size * (0.15 + 0.55 * np.cos(phase))
        angles[f"{side}_knee"] += amount * 0.3
    else:
        toward(angles, {"pitch": 0.9 * size, "bend": 0.7 * size} | both(hip=0.9 * size, arm=1.2 * size), amount)
    toward(angles, both(arm_out=rng.uniform(0.1, 0.6), elbow=rng.uniform(0.1, 1.5)), 0.6)
    return angles


def waving(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """One hand, at times both, from the hip's height to overhead; the forearm swings."""
    angles = standing(subject, rng, t)
    _maybe_seated(angles, rng, t, 0.15)
    amount = bouts(rng, t, rest_s=(0.2, 1.8), move_s=(0.4, 0.9), hold_s=(1.5, 5.0))
    phase = rhythm(rng, t, rng.uniform(0.9, 2.0) * subject.tempo)
    swing = rng.uniform(0.15, 0.55) * subject.vigour
    hands = [["left"], ["right"], ["left", "right"]][rng.choice(3, p=[0.45, 0.25, 0.3])]
    for side in hands:
        raised = {f"{side}_arm": rng.uniform(0.3, 1.8), f"{side}_arm_out": rng.uniform(0.2, 1.5)}
        raised |= {f"{side}_elbow": rng.uniform(0.5, 1.8), f"{side}_arm_turn": rng.uniform(-1.4, 0.0)}
        toward(angles, raised, amount)
        angles[f"{side}_arm_turn"] = angles[f"{side}_arm_turn"] + amount * swing * np.sin(phase)
        angles[f"{side}_elbow"] = angles[f"{side}_elbow"] + amount * 0.4 * swing * np.cos(phase)
        angles[f"{side}_arm"] = angles[f"{side}_arm"] + amount * 0.25 * swing * np.sin(phase + 0.7)
    angles["side"] += amount * drift(rng, t, 0.08)
    return angles


def clapping(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Hands before the body, from polite to enthusiastic."""
    angles = standing(subject, rng, t)
    _maybe_seated(angles, rng, t, 0.3)
    amount = bouts(rng, t, rest_s=(0.2, 1.8), move_s=(0.4, 0.9), hold_s=(1.5, 5.0))
    phase = rhythm(rng, t, rng.uniform(1.2, 2.6) * subject.tempo)
    clap = rng.uniform(0.08, 0.35) * subject.vigour
    ready = both(arm=rng.uniform(0.2, 1.2), arm_out=0.15, elbow=rng.uniform(1.0, 1.7), arm_turn=rng.uniform(0.2, 0.6))
    toward(angles, ready, amount)
    for side in ("left", "right"):
        angles[f"{side}_arm_turn"] = angles[f"{side}_arm_turn"] + amount * clap * np.sin(phase)
        angles[f"{side}_elbow"] = angles[f"{side}_elbow"] + amount * 0.3 * clap * np.sin(phase + 0.4)
    angles["nod"] += amount * 0.03 * np.sin(phase)
    return angles


def desk_work(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Typing with pauses, reading, now and then a reach; mostly seated."""
    angles = standing(subject, rng, t)
    _maybe_seated(angles, rng, t, 0.75)
    at_desk = both(arm=rng.uniform(0.3, 0.9), elbow=rng.uniform(1.0, 1.6), arm_turn=rng.uniform(0.1, 0.5))
    toward(angles, at_desk | {"nod": rng.uniform(0.05, 0.4)}, 0.95)
    typing = bouts(rng, t, rest_s=(0.3, 2.5), move_s=(0.2, 0.4), hold_s=(1.0, 5.0))
    for side in ("left", "right"):
        keys = rhythm(rng, t, rng.uniform(2.0, 3.5) * subject.tempo)
        angles[f"{side}_wrist"] += typing * 0.06 * subject.vigour * np.sin(keys)
        angles[f"{side}_elbow"] += typing * 0.02 * subject.vigour * np.sin(keys + 1.0)
        angles[f"{side}_arm_turn"] += drift(rng, t, 0.1, max_hz=0.4)
    reach = bouts(rng, t, rest_s=(2.0, 8.0), move_s=(0.5, 1.0), hold_s=(0.3, 2.0))
    side = rng.choice(["left", "right"])
    toward(angles, {f"{side}_arm": rng.uniform(0.8, 1.5), f"{side}_elbow": rng.uniform(0.3, 1.0)}, 0.8 * reach)
    angles["bend"] += drift(rng, t, 0.06)
    return angles


def boxing(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Punches by turns: no daily-life activity, for the removal rules to find."""
    angles = standing(subject, rng, t)
    phase = rhythm(rng, t, 1.1 * subject.tempo)
    toward(angles, both(arm=0.5, elbow=2.0, arm_turn=0.2), 0.9)
    for side, at in (("left", 0.0), ("right", np.pi)):
        toward(angles, {f"{side}_arm": 1.5, f"{side}_elbow": 0.2}, pulse(phase, at, 5))
        angles["twist"] += (0.3 if side == "right" else -0.3) * pulse(phase, at, 5)
    return angles
