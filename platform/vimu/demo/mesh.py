"""One closed surface over a set of capsules: where its vertices are, and which three make a face."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
BULGE = 1e-3
"""Part of the radius that a capsule's middle is thicker by: makes it strictly convex, so its hull has all points."""


@dataclass(frozen=True)
class Capsule:
    """All points within `radius` of the line from `start` to `end`, m."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float

    @property
    def length(self) -> float:
        return float(np.linalg.norm(np.subtract(self.end, self.start)))

    @property
    def area(self) -> float:
        return 2 * np.pi * self.radius * (self.length + 2 * self.radius)

    def outward(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """From the nearest point of the capsule's line to each point, m."""
        line = np.subtract(self.end, self.start)
        along = np.clip((points - self.start) @ line / (line @ line), 0, 1)
        return np.asarray(points - (np.asarray(self.start) + along[:, None] * line))


def capsule_surface(capsule: Capsule, n: int) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "2*n-4 3"]]:
    """`n` points spread evenly over a capsule, and the triangles between them, counter-clockwise from outside.

    A golden spiral with even steps along the axis is even in area on a capsule as on a sphere: by Archimedes, slices of
    either have areas as their heights.
    """
    r, length = capsule.radius, capsule.length
    along = -r + (np.arange(n) + 0.5) / n * (length + 2 * r)
    beyond = np.maximum(-along, 0) + np.maximum(along - length, 0)
    middle = 1 - (2 * along - length) ** 2 / (length + 2 * r) ** 2
    ring = np.sqrt(r**2 - beyond**2) + BULGE * r * middle
    turn = np.arange(n) * GOLDEN_ANGLE
    axis = np.subtract(capsule.end, capsule.start) / length
    side = np.cross(axis, [1.0, 0.0, 0.0] if abs(axis[0]) < 0.9 else [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    across = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * np.cross(axis, side)
    points = np.asarray(capsule.start) + along[:, None] * axis + ring[:, None] * across
    hull = ConvexHull(points)
    faces = hull.simplices.copy()
    a, b, c = (points[faces[:, i]] for i in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    faces[inward] = faces[inward][:, ::-1]
    return points, faces


def bridge(
    points: Float[np.ndarray, "points 3"],
    faces: Int[np.ndarray, "faces 3"],
    face_a: int,
    face_b: int,
) -> Int[np.ndarray, "faces+4 3"]:
    """Join two closed surfaces into one: a tube of six triangles in place of one face of each."""
    a, b = faces[face_a], faces[face_b][::-1]
    turned = [np.roll(b, k) for k in range(3)]
    b = min(turned, key=lambda c: float(np.linalg.norm(points[a] - points[c], axis=1).sum()))
    after = (1, 2, 0)
    tube = [[a[i], a[after[i]], b[after[i]]] for i in range(3)] + [[a[i], b[after[i]], b[i]] for i in range(3)]
    return np.concatenate([np.delete(faces, [face_a, face_b], axis=0), tube])
