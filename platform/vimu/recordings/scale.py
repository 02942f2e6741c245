"""Numbers that no sensor gives, and whether acceleration is in the unit that a set's YAML says."""

import numpy as np
from jaxtyping import Float

from vimu.contracts import STANDARD_GRAVITY, Reason, Rejection

MAX_NUMBER = 1e7
"""Of times, s, and of m/s^2 and rad/s: no sensor gives it, and it would overflow later."""
PLAUSIBLE_MEDIAN_G = (0.3, 3.0)
"""Median |acc| of a person over a trial, gravity included; the extremes in UMAFall are hopping, 0.47 g, and jogging,
1.77 g."""


def check_scale(path: str, name: str, acc: Float[np.ndarray, "rows 3"]) -> None:
    """Refuse acceleration whose median no person has.

    Args:
        path, name: file and channel, named in the rejection.
        acc: m/s^2, gravity included.

    Raises:
        Rejection: `unreadable`; probably the unit is another.
    """
    median_g = float(np.median(np.linalg.norm(acc, axis=1))) / STANDARD_GRAVITY
    low, high = PLAUSIBLE_MEDIAN_G
    if not low < median_g < high:
        wanted = f"the median of {name} must be {low:g} to {high:g} g"
        raise Rejection(path, Reason.UNREADABLE, f"{wanted}, but is {median_g:.2f} g: in another unit?")
