"""Up-sampling of rare activities, in training only: the same motion performed somewhat faster and slower.

The seed paper interpolates windows of its minority classes. A clip interpolated in time and left at that would move at
one speed and accelerate at another; here a copy is what its sensors would have measured, had the person moved that much
faster or slower.

Source: arXiv 2003.01874, section 2.1 (up-sampling by interpolation).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from vimu.contracts import ImuRecording
from vimu.imu.device import device_rng
from vimu.resampling import resample_rotations, resample_vectors
from vimu.runtime.config import Section, Seed

SLOWEST, FASTEST = 0.5, 2.0
"""Beyond these, walking is running, and running is none any more."""


class UpsampleSettings(Section):
    """How many copies training clips of rare activities get."""

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of the windows of the largest class: what each class is brought up to, as far as `max_copies` lets it."""
    max_copies: Annotated[int, Field(ge=1, le=100)] = 3
    """Of a clip, besides itself: copies of few clips are no variety."""
    speed: tuple[float, float] = (0.85, 1.15)
    """Range of the copies' speeds; 1 is the clip's own."""
    seed: Seed = 0

    @field_validator("speed")
    @classmethod
    def _range(cls, speed: tuple[float, float]) -> tuple[float, float]:
        if not SLOWEST <= speed[0] < speed[1] <= FASTEST:
            raise ValueError(f"must be [low, high] with {SLOWEST:g} <= low < high <= {FASTEST:g}")
        return speed


@dataclass(frozen=True)
class Upsampling:
    """The copies that are to be made."""

    speeds: Mapping[str, tuple[float, ...]]
    """Clip -> speed of each of its copies; clips without copies are not in it."""
    before: Mapping[str, int]
    """Training windows by class."""
    after: Mapping[str, int]
    """The same with the copies."""

    @property
    def n_windows(self) -> int:
        """Of all copies."""
        return sum(self.after.values()) - sum(self.before.values())

    def counts(self) -> dict[str, dict[str, int]]:
        """Class -> training windows `before` and `after`; empty where nothing was asked for."""
        return {label: {"before": self.before[label], "after": n} for label, n in self.after.items()}

    def table(self) -> list[tuple[str, int]]:
        """`counts` to show."""
        return [(f"{label} (was {self.before[label]:,})", n) for label, n in self.after.items()]


def plan_copies(
    labels: Mapping[str, str],
    n_windows: Callable[[str, float], int],
    settings: UpsampleSettings | None,
    names: Mapping[str, str] | None = None,
) -> Upsampling:
    """Which training clips are copied at which speeds, until each class comes as near its share as whole copies can.

    All clips of a class get their first copy before any gets its second. Speeds, and which clips come first, depend on
    the seed and the clip's name only.

    Args:
        labels: training clip -> class.
        n_windows: windows that a clip gives at a speed.
        settings: None for no copies at all.
        names: clip -> what its draws depend on, in place of itself.
    """
    if settings is None:
        return Upsampling({}, {}, {})
    before = Counter[str]()
    for clip, label in labels.items():
        before[label] += n_windows(clip, 1.0)
    target = settings.share * max(before.values(), default=0)
    after, speeds = Counter(before), dict[str, tuple[float, ...]]()
    for copy in range(1, settings.max_copies + 1):
        drawn = {clip: _draw(clip if names is None else names[clip], copy, settings) for clip in labels}
        for clip in sorted(labels, key=lambda clip: (drawn[clip], clip)):
            label, (_, speed) = labels[clip], drawn[clip]
            missing = target - after[label]
            n = n_windows(clip, speed) if missing > 0 else 0
            if n and abs(missing - n) < missing:
                after[label] += n
                speeds[clip] = (*speeds.get(clip, ()), speed)
    return Upsampling(speeds, dict(sorted(before.items())), dict(sorted(after.items())))


def _draw(clip: str, copy: int, settings: UpsampleSettings) -> tuple[float, float]:
    """A place in the order of clips, and a speed."""
    rng = device_rng(settings.seed, "upsample", clip, str(copy))
    return float(rng.random()), round(float(rng.uniform(*settings.speed)), 4)


def at_speed(recording: ImuRecording, speed: float) -> ImuRecording:
    """What the sensors would have measured, had the same motion been performed at `speed` times its own.

    With x'(t) = x(speed t), velocities grow by `speed` and accelerations by its square; orientations are those between
    frames, by slerp. The rate stays; the first frames coincide.

    Args:
        recording: world frame, gravity removed: gravity does not grow with speed.
        speed: more than 1 is faster, and gives fewer frames: `resampled_length(n_frames, rate_hz, rate_hz / speed)`.

    Returns:
        float32 arrays; the recording itself for a speed of 1.
    """
    if speed == 1.0:
        return recording
    if (recording.frame, recording.gravity) != ("world", "removed"):
        raise ValueError(f"`recording` must be world/removed, but is {recording.frame}/{recording.gravity}.")
    rates = recording.rate_hz, recording.rate_hz / speed
    acc = resample_vectors(recording.acc, *rates) * speed**2
    gyr = None if recording.gyr is None else resample_vectors(recording.gyr, *rates) * speed
    ori = None if recording.ori is None else resample_rotations(recording.ori.astype(np.float64), *rates)
    return replace(
        recording,
        acc=acc.astype(np.float32),
        gyr=None if gyr is None else gyr.astype(np.float32),
        ori=None if ori is None else ori.astype(np.float32),
    )
