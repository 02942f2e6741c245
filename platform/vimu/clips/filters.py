"""Clips that do not move like their class: thresholds from robust statistics of each class of the training split.

Two kinds of filter. One a statistic (`rms`, `peak`, ...): the clip lies too many robust deviations from its class's
median at some sensor. And `other_class`: all statistics together, the clip lies nearer to another class than to its
own, unlike most clips of its class. The first finds motions that no class has; the second mislabelled ones.

Medians and median absolute deviations are those of a class's right clips as long as these are the clear majority.

Source: arXiv 2003.01874, data preparation: clips whose peaks, variance, ... do not look like their class are dropped.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import Field, PositiveFloat

from vimu.clips.class_statistics import ClassStatistics, fit_classes, margins
from vimu.clips.statistics import STATISTICS
from vimu.runtime.config import EachOnce, Section

OTHER_CLASS = "other_class"


CLEARLY = 0.05
"""A clip moves like another class where it is nearer to that one by at least this part of the distance to its own: less
is a matter of which clips were drawn."""


class FilterSettings(Section):
    """Which clips are dropped because they do not move like their class.

    Each filter is a number of robust deviations; null turns it off.
    """

    splits: Literal["train", "train_and_val", "all"] = "train"
    """What is filtered. Thresholds come from the training split always. `all` is the seed paper's: it takes the odd
    clips out of the test too, which makes the test easier."""
    sensors: EachOnce[str] | None = None
    """Sensors looked at, of those synthesized; null takes all, also those that no window holds."""
    rms: PositiveFloat | None = 8.0
    """Size of acceleration, beyond the class's median."""
    median: PositiveFloat | None = 8.0
    """Its median."""
    peak: PositiveFloat | None = 8.0
    """Its 99th percentile."""
    spread: PositiveFloat | None = 8.0
    """Its standard deviation."""
    vertical: PositiveFloat | None = 8.0
    """Vertical over horizontal acceleration."""
    jerk: PositiveFloat | None = 8.0
    """Derivative of acceleration."""
    cadence: PositiveFloat | None = 8.0
    """Strongest frequency from 0.4 to 6 Hz."""
    centroid: PositiveFloat | None = 8.0
    """Mean frequency."""
    turning: PositiveFloat | None = 8.0
    """Angular velocity."""
    other_class: PositiveFloat | None = 1.5
    """The clip is nearer to another class than to its own: its margin lies so far below its class's median margin."""
    min_clips: Annotated[int, Field(ge=2)] = 8
    """Classes with fewer training clips are left alone, and no clip is found to be like them."""
    max_share: Annotated[float, Field(gt=0, le=0.5)] = 0.4
    """A class that would lose more of its training clips is left alone: it is several motions, not some mistakes."""

    def limit(self, name: str) -> float | None:
        """Robust deviations that the filter allows; None where it is off."""
        value: float | None = getattr(self, name)
        return value


@dataclass(frozen=True)
class Verdict:
    """Why a clip is unlike its class."""

    filter: str
    deviations: float
    """How far off, beyond which the filter's limit lies."""
    detail: str


@dataclass(frozen=True)
class Judgement:
    """What the filters say of each clip."""

    verdicts: tuple[Verdict | None, ...]
    """One a clip; None where it looks like its class, or its class is left alone."""
    statistics: ClassStatistics | None
    """None where no class has enough clips."""
    left_alone: Mapping[str, str]
    """Class -> why its clips are not filtered."""
    margin: Float[np.ndarray, " clips"]
    """How much nearer each clip is to its own class than to the next, in deviations; NaN where the class has too few
    clips, infinite where there is no other."""


def judge_clips(
    values: Float[np.ndarray, "clips sensors statistics"],
    labels: Sequence[str],
    train: Bool[np.ndarray, " clips"],
    sensors: Sequence[str],
    settings: FilterSettings,
) -> Judgement:
    """Fit each class's statistics on the clips of `train`, and judge every clip by them.

    A clip that several filters find gets the verdict of the one whose limit it exceeds most.
    """
    counts = Counter(label for label, use in zip(labels, train, strict=True) if use)
    left_alone = {
        label: f"{counts[label]} training clips are fewer than `min_clips` = {settings.min_clips}"
        for label in sorted(set(labels))
        if counts[label] < settings.min_clips
    }
    classes = tuple(label for label in sorted(counts) if label not in left_alone)
    verdicts: list[Verdict | None] = [None] * len(labels)
    margin = np.full(len(labels), np.nan)
    if not classes:
        return Judgement(tuple(verdicts), None, left_alone, margin)
    known = [i for i, label in enumerate(labels) if label not in left_alone]
    own = np.array([classes.index(labels[i]) for i in known])
    statistics = fit_classes(values[known][train[known]], own[train[known]], classes, sensors)
    found, margin[known] = _judge(values[known], own, statistics, settings)
    for i, verdict in zip(known, found, strict=True):
        verdicts[i] = verdict
    lost = Counter(labels[i] for i in known if train[i] and verdicts[i] is not None)
    for label in classes:
        if lost[label] > settings.max_share * counts[label]:
            left_alone[label] = (
                f"{lost[label]} of {counts[label]} training clips are unlike the others, more than `max_share` = "
                f"{settings.max_share:g} of them"
            )
    final = tuple(None if label in left_alone else v for label, v in zip(labels, verdicts, strict=True))
    return Judgement(final, statistics, left_alone, margin)


def _judge(
    values: Float[np.ndarray, "clips sensors statistics"],
    own: Int[np.ndarray, " clips"],
    fitted: ClassStatistics,
    settings: FilterSettings,
) -> tuple[list[Verdict | None], Float[np.ndarray, " clips"]]:
    """The verdict on each clip of the fitted classes, and its margin."""
    clips = np.arange(len(values))
    off = (values - fitted.median[own]) / fitted.deviation[own]
    limits = np.array([settings.limit(name) or np.inf for name in STATISTICS])
    beyond = (np.abs(off) / limits).reshape(len(values), -1)
    worst = beyond.argmax(axis=1)
    distances = fitted.distances(values)
    margin, nearest = margins(distances, own)
    by_other, below = np.zeros(len(values)), np.zeros(len(values))
    if settings.other_class is not None and len(fitted.classes) > 1:
        clearly = margin < -CLEARLY * distances[clips, own]
        below = (fitted.margin_median[own] - margin) / fitted.margin_deviation[own]
        by_other = np.where(clearly, below / settings.other_class, 0)
    verdicts: list[Verdict | None] = []
    for i, c in enumerate(own):
        if max(by_other[i], beyond[i, worst[i]]) <= 1:
            verdicts.append(None)
        elif by_other[i] >= beyond[i, worst[i]]:
            other, own_name = fitted.classes[nearest[i]], fitted.classes[c]
            detail = (
                f"moves like `{other}` ({distances[i, nearest[i]]:.1f} deviations away) rather than `{own_name}` "
                f"({distances[i, c]:.1f}): its margin is {below[i]:.1f} robust deviations below `{own_name}`'s"
            )
            verdicts.append(Verdict(OTHER_CLASS, float(below[i]), detail))
        else:
            s, k = divmod(int(worst[i]), len(STATISTICS))
            verdicts.append(_too_far(fitted, int(c), s, k, values[i, s, k], off[i, s, k]))
    return verdicts, margin


def _too_far(fitted: ClassStatistics, c: int, s: int, k: int, value: float, off: float) -> Verdict:
    """A statistic of class, sensor and statistic `c`, `s`, `k` that is `off` by so many deviations."""
    name, unit = list(STATISTICS.items())[k]
    detail = (
        f"{name} at {fitted.sensors[s]} of {np.exp(value):.3g} {unit} is {abs(off):.1f} robust deviations "
        f"{'above' if off > 0 else 'below'} `{fitted.classes[c]}`'s {np.exp(fitted.median[c, s, k]):.3g}"
    )
    return Verdict(name, float(abs(off)), detail)
