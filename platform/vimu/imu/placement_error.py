"""A sensor beside the place where it was meant to sit."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vimu.contracts import Motion, SmplMotion, Trajectory
from vimu.imu.device import device_rng
from vimu.runtime.errors import UserError

GREATEST_M = 0.2
"""Beyond it a sensor is on another segment; guards against centimetres given as metres."""


def drawn_offsets(
    motion: Motion, sensors: Sequence[str], greatest_m: float, *, seed: int
) -> Float[np.ndarray, "sensors 3"]:
    """Where each sensor sits beside its place, drawn once for the whole take.

    A draw depends on (seed, what the take holds, sensor): not on other sensors, order, worker or file name. So the same
    take under two names is drawn alike and still found to be a duplicate.

    Args:
        greatest_m: 0.05 is WIMUSim's range; 0 to 0.2.

    Returns:
        Offsets in the axes of the sensor's segment (left, up, forward in the rest pose), m, along each axis uniform in
        +-`greatest_m`: in a box, so that the farthest are 1.7 times as far.

    Raises:
        UserError: `greatest_m` is out of range.

    Source: WIMUSim's placement range of +-5 cm.
    """
    if not 0 <= greatest_m <= GREATEST_M:
        raise UserError(f"`placement_error_m` must be metres from 0 to {GREATEST_M}, but is {greatest_m}.")
    take = _digest(motion)
    draws = [device_rng(seed, "placement", take, s).uniform(-greatest_m, greatest_m, 3) for s in sensors]
    return np.array(draws).reshape(len(sensors), 3)


def displaced(trajectory: Trajectory, offset_m: Float[np.ndarray, "sensors 3"]) -> Trajectory:
    """The trajectory with every sensor moved on its segment by the same offset throughout.

    The offset is fixed in the segment's axes, p + R o, so that a sensor further out on a limb swings faster:
    acceleration gains alpha x (R o) + omega x (omega x (R o)).

    Args:
        offset_m: in the segment's axes, m.

    Returns:
        World positions, m, float64; orientations as they were.
    """
    moved = trajectory.position + np.einsum("tsij,sj->tsi", trajectory.orientation, offset_m)
    return replace(trajectory, position=moved)


def offset_notes(sensors: Sequence[str], offset_m: Float[np.ndarray, "sensors 3"]) -> tuple[str, ...]:
    """What was drawn, for the clip's row: `placement_error: head at (+12.0, -3.1, +40.2) mm`."""
    return tuple(
        f"placement_error: {sensor} at ({', '.join(f'{1000 * o:+.1f}' for o in offset)}) mm"
        for sensor, offset in zip(sensors, offset_m, strict=True)
    )


def _digest(motion: Motion) -> str:
    """Of what the take holds, in float32: the last bits of float64 differ between machines."""
    smpl = isinstance(motion, SmplMotion)
    names = ("poses", "trans", "betas") if smpl else ("translations", "rotations")
    digest = hashlib.sha256(f"{motion.rate_hz:.6g}".encode())
    for name in names:
        digest.update(np.ascontiguousarray(getattr(motion, name), dtype=np.float32).tobytes())
    return digest.hexdigest()
