"""A trajectory with a sensor at every mapped segment's joint, to ask physical questions of."""

import numpy as np

from vimu.archives.config import ArchiveConfig
from vimu.body.placement import OnSkeleton, OnSmpl, Placement
from vimu.body.skeleton import skeleton_trajectory
from vimu.contracts import SkeletonMotion, Trajectory

UP, FORWARD, LEFT = np.array([0.0, 1, 0]), np.array([0.0, 0, 1]), np.array([1.0, 0, 0])


def at(segment: str, fraction: float = 0.0, offset: tuple[float, float, float] = (0, 0, 0)) -> Placement:
    skeleton = OnSkeleton(segment=segment, fraction=fraction, offset_m=offset)
    return Placement(name=segment, smpl=OnSmpl(vertex=0, segment=segment), skeleton=skeleton)


class Body:
    """A take's trajectory with a sensor at every mapped segment's joint."""

    def __init__(self, motion: SkeletonMotion, config: ArchiveConfig) -> None:
        self.trajectory: Trajectory = skeleton_trajectory(motion, [at(s) for s in config.segments], config.segments)
        self.rate_hz = motion.rate_hz

    def position(self, segment: str) -> np.ndarray:
        return self.trajectory.position[:, self.trajectory.sensors.index(segment)]

    def orientation(self, segment: str) -> np.ndarray:
        return self.trajectory.orientation[:, self.trajectory.sensors.index(segment)]

    def axis(self, segment: str, axis: np.ndarray) -> np.ndarray:
        """Where the segment's `axis` points in the world."""
        return self.orientation(segment) @ axis

    def in_pelvis(self, segment: str) -> np.ndarray:
        return np.swapaxes(self.orientation("pelvis"), 1, 2) @ self.orientation(segment)

    def pelvis_velocity(self) -> np.ndarray:
        velocity = np.gradient(self.position("pelvis"), axis=0) * self.rate_hz
        velocity[:, 1] = 0
        return velocity


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=-1)
