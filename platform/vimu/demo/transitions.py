"""Sitting down and standing up, lying down and getting up, bending."""

import numpy as np

from vimu.demo.posture import Angles, both, standing, toward
from vimu.demo.signals import Signal, bouts, drift, ease
from vimu.demo.subjects import Subject


def seat(angles: Angles, rng: np.random.Generator, amount: float | Signal) -> None:
    """Sit on a chair by `amount` (0 to 1), hands in the lap; half way the trunk leans forward."""
    target = both(hip=rng.uniform(1.35, 1.6), hip_out=rng.uniform(0.0, 0.2), knee=rng.uniform(1.35, 1.7))
    target |= both(arm=rng.uniform(0.2, 0.6), elbow=rng.uniform(0.6, 1.3), arm_turn=rng.uniform(0.0, 0.5))
    toward(angles, target, amount)
    angles["bend"] = angles["bend"] + rng.uniform(0.3, 0.8) * 4 * amount * (1 - amount)
    angles["pitch"] = angles["pitch"] + rng.uniform(-0.2, 0.05) * amount


def sitting_standing(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Down on a chair, some time there, and up again."""
    angles = standing(subject, rng, t)
    slow = 1 / subject.tempo
    amount = bouts(rng, t, rest_s=(0.3, 2.0), move_s=(0.9 * slow, 1.8 * slow), hold_s=(0.3, 3.5))
    seat(angles, rng, amount)
    if rng.random() < 0.3:  # pushes off with the hands
        toward(angles, both(arm=-0.3, elbow=0.9), 4 * amount * (1 - amount))
    angles["yaw"] += drift(rng, t, 0.15, max_hz=0.2)
    return angles


def bending(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Down to something on the floor or a low table and up, from the back or from the knees, with one hand or both."""
    angles = standing(subject, rng, t)
    slow = 1 / subject.tempo
    amount = bouts(rng, t, rest_s=(0.3, 1.8), move_s=(0.7 * slow, 1.5 * slow), hold_s=(0.1, 1.5))
    depth = rng.uniform(0.6, 1.05) * min(subject.vigour + 0.2, 1.1)
    knees = rng.uniform(0.0, 1.0)
    target = both(hip=(0.9 + 0.7 * knees) * depth, knee=(0.15 + 1.6 * knees) * depth, ankle=0.5 * knees * depth)
    hands = [["left"], ["right"], ["left", "right"]][rng.integers(3)]
    for side in hands:
        target |= {f"{side}_arm": rng.uniform(0.9, 1.6) * depth, f"{side}_elbow": 0.2}
    target |= {"pitch": (0.9 - 0.5 * knees) * depth, "bend": (0.8 - 0.3 * knees) * depth + subject.stoop}
    toward(angles, target, amount)
    angles["nod"] = angles["nod"] - 0.2 * amount
    angles["yaw"] += drift(rng, t, 0.3, max_hz=0.2)
    return angles


def lying_getting_up(subject: Subject, rng: np.random.Generator, t: Signal) -> Angles:
    """Through a crouch and a seat on the floor to the back or a side, rest there, and up the same way."""
    angles = standing(subject, rng, t)
    slow = 1 / subject.tempo
    whole = bouts(rng, t, rest_s=(0.3, 1.5), move_s=(3.6 * slow, 5.5 * slow), hold_s=(1.0, 4.0))
    crouch, sit, lie = (ease((whole - start) / 0.5) for start in (0.0, 0.25, 0.5))
    toward(angles, both(hip=1.6, knee=2.1, ankle=0.45, arm=0.7, elbow=0.4) | {"bend": 0.7, "pitch": 0.3}, crouch)
    toward(angles, both(hip=1.2, knee=1.1, ankle=0.0, arm=-0.5, elbow=0.3) | {"bend": 0.4, "pitch": -0.25}, sit)
    flat = both(hip=rng.uniform(0.0, 0.5), knee=rng.uniform(0.0, 0.9), arm=0.1, elbow=rng.uniform(0.1, 0.9))
    pitch, roll = ((-1.5, 0.0), (-1.5, 0.0), (-0.2, 1.45), (-0.2, -1.45))[rng.integers(4)]
    toward(angles, flat | {"bend": 0.05, "nod": 0.1, "pitch": pitch, "roll": roll}, lie)
    angles["yaw"] += drift(rng, t, 0.15, max_hz=0.15)
    return angles
