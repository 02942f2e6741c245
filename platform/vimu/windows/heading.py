"""One heading for all windows: the same motion towards the north and towards the east becomes one window.

A window is turned about the vertical so that its orientations, taken together, come as near to rest (identity: upright,
facing +Z) as such a turn can bring them. With R = Ry(a) R', sum_t trace(Ry(-psi) R_t) is greatest for

    psi = atan2(sum R_xz - R_zx, sum R_xx + R_zz)

which moves with the world: turn the world by a, and psi grows by a.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

Heading = Literal["as_is", "shared", "per_sensor"]


def normalise_heading(
    x: Float[np.ndarray, "windows length channels"], n_sensors: int, heading: Heading
) -> Float[np.ndarray, "windows length channels"]:
    """World-frame windows turned to a heading of their own.

    Args:
        x: `world_acc_ori`: of each sensor acceleration (3), then orientation row by row (9).
        heading: `as_is` turns nothing; `shared` turns all sensors of a window alike, so that who faces where relative
            to whom remains: for orientations that share a world; `per_sensor` turns each by its own angle: for
            orientations that each come from a filter of their own.

    Returns:
        As `x`, float32. Where a sensor's vertical axis hangs upside down all through a window, its heading means
        nothing, and the turn is an arbitrary one.
    """
    if heading == "as_is":
        return x
    n, length, _ = x.shape
    parts = x.reshape(n, length, n_sensors, 12).astype(np.float64)
    acc, ori = parts[..., :3], parts[..., 3:].reshape(n, length, n_sensors, 3, 3)
    over = (1, 2) if heading == "shared" else 1
    sine = (ori[..., 0, 2] - ori[..., 2, 0]).sum(axis=over, keepdims=True)
    cosine = (ori[..., 0, 0] + ori[..., 2, 2]).sum(axis=over, keepdims=True)
    psi = np.broadcast_to(np.arctan2(sine, cosine)[:, 0], (n, n_sensors))
    back = np.zeros((n, n_sensors, 3, 3))  # Ry(-psi)
    back[..., 0, 0] = back[..., 2, 2] = np.cos(psi)
    back[..., 2, 0], back[..., 0, 2] = np.sin(psi), -np.sin(psi)
    back[..., 1, 1] = 1.0
    turned = [
        np.einsum("wsij,wtsj->wtsi", back, acc),
        np.einsum("wsij,wtsjk->wtsik", back, ori).reshape(*parts.shape[:3], 9),
    ]
    return np.concatenate(turned, axis=-1).reshape(x.shape).astype(np.float32)
