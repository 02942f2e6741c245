"""A sensor beside the place where it was meant to sit."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vimu.contracts import Trajectory


def displaced(trajectory: Trajectory, greatest_m: float, rng: np.random.Generator) -> Trajectory:
    """The trajectory with every sensor moved on its segment, once for the whole take.

    The offset is fixed in the segment's axes, p + R o, so that a sensor further out on a limb swings faster; along each
    axis it is uniform in +-`greatest_m`.

    Args:
        greatest_m: 0.05 is WIMUSim's range.

    Returns:
        World positions, m, float64; orientations as they were. `trajectory` itself for 0.

    Source: WIMUSim's placement range of +-5 cm.
    """
    if greatest_m == 0:
        return trajectory
    offset: Float[np.ndarray, "sensors 3"] = rng.uniform(-greatest_m, greatest_m, (len(trajectory.sensors), 3))
    moved = trajectory.position + np.einsum("tsij,sj->tsi", trajectory.orientation, offset)
    return replace(trajectory, position=moved)
