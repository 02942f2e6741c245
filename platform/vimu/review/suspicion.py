"""Which clips to look at first: those whose signals do not agree with their label, or that no body moves like.

Each clip gets up to four doubts between 0 and 1, of which 1/2 is where one would call it odd; its suspicion is that at
least one of them is right, as if they were independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from vimu.body.placement import Placement
from vimu.clips.class_statistics import ClassStatistics
from vimu.clips.filters import FilterSettings, judge_clips
from vimu.clips.plausibility import Limits
from vimu.clips.statistics import MEDIAN, REST_ACC, STATISTICS
from vimu.review.agreement import Agreement, agreement
from vimu.review.rates import LEAST_DEVIATIONS, speeds

NEAR = 0.75
"""A near-miss of a filter: beyond this part of its limit."""
NEAR_LIMIT = 0.5
"""Near to what no body does: beyond this part of the plausibility gate's limit."""
FILTER_NAMES = (*STATISTICS, "other_class")


@dataclass
class Doubts:
    """What speaks against one clip."""

    kinds: dict[str, float] = field(default_factory=dict)
    """`label`, `filter`, `near_filter`, `rate` -> how strongly, 0 to 1."""
    reasons: list[str] = field(default_factory=list)
    """In words, for those of 1/2 and more, and for near-misses."""

    def add(self, kind: str, doubt: float, reason: str | None) -> None:
        """Note a doubt; of two of a kind the stronger counts."""
        self.kinds[kind] = max(self.kinds.get(kind, 0.0), min(max(doubt, 0.0), 1.0))
        if reason is not None:
            self.reasons.append(reason)

    @property
    def suspicion(self) -> float:
        """0 to 1."""
        return 1 - float(np.prod([1 - doubt for doubt in self.kinds.values()]))


def doubts(
    values: Float[np.ndarray, "clips sensors statistics"],
    labels: Sequence[str],
    groups: Sequence[str],
    sensors: Sequence[str],
    placements: Sequence[Placement],
    limits: Limits,
) -> list[Doubts]:
    """What speaks against each clip.

    Args:
        values: `clip_statistics` of each clip.
        groups: what a split keeps together (`split_group`): nobody's clips judge themselves.
        placements: of the sensors, in their order.
    """
    found = [Doubts() for _ in labels]
    _by_label(found, agreement(values, labels, groups), labels)
    fitted = _by_filters(found, values, labels, sensors)
    if fitted is not None:
        _by_speed(found, values, labels, fitted)
    _by_limits(found, values, placements, limits)
    return found


def _by_label(found: list[Doubts], agreed: Agreement, labels: Sequence[str]) -> None:
    for i, label in enumerate(labels):
        own = agreed.own[i]
        if np.isnan(own):
            continue
        odd = agreed.other[i] > own
        says = f"signals look like {agreed.likest[i]} ({agreed.other[i]:.2f}) rather than {label} ({own:.2f})"
        found[i].add("label", agreed.other[i] / (agreed.other[i] + own), says if odd else None)


def _by_filters(
    found: list[Doubts],
    values: Float[np.ndarray, "clips sensors statistics"],
    labels: Sequence[str],
    sensors: Sequence[str],
) -> ClassStatistics | None:
    """By `prepare`'s filters at their defaults, and by tighter ones for the near-misses. All clips count: here are no
    splits yet."""
    everyone, default = np.ones(len(labels), bool), FilterSettings()
    tighter = default.model_copy(update={name: NEAR * (default.limit(name) or np.inf) for name in FILTER_NAMES})
    judged = judge_clips(values, labels, everyone, sensors, default)
    near = judge_clips(values, labels, everyone, sensors, tighter)
    for i, (verdict, almost) in enumerate(zip(judged.verdicts, near.verdicts, strict=True)):
        if verdict is not None:
            beyond = verdict.deviations / (default.limit(verdict.filter) or np.inf)
            found[i].add("filter", _doubt(beyond), f"a filter would drop it: {_plain(verdict.detail)}")
        elif almost is not None:
            beyond = almost.deviations / (default.limit(almost.filter) or np.inf)
            found[i].add("near_filter", _doubt(beyond), f"a filter nearly drops it: {_plain(almost.detail)}")
    return judged.statistics


def _by_speed(
    found: list[Doubts],
    values: Float[np.ndarray, "clips sensors statistics"],
    labels: Sequence[str],
    fitted: ClassStatistics,
) -> None:
    known = [i for i, label in enumerate(labels) if label in fitted.classes]
    moved = speeds(values[known], np.array([fitted.classes.index(labels[i]) for i in known]), fitted)
    for i, factor, deviations, odd in zip(known, moved.factor, moved.deviations, moved.odd, strict=True):
        if odd:
            says = f"moves {factor:.1f} times as fast as {labels[i]}: is the rate right?"
            found[i].add("rate", _doubt(deviations / LEAST_DEVIATIONS), says)


def _by_limits(
    found: list[Doubts],
    values: Float[np.ndarray, "clips sensors statistics"],
    placements: Sequence[Placement],
    limits: Limits,
) -> None:
    """By how near a clip's median acceleration comes to what the plausibility gate refuses."""
    most = np.array([limits.acceleration_m_s2[placement.segment] for placement in placements])
    median = np.exp(values[:, :, MEDIAN]) - REST_ACC
    for i, shares in enumerate(median / most):
        worst = int(shares.argmax())
        if shares[worst] >= NEAR_LIMIT:
            says = (
                f"median acceleration at {placements[worst].name} is {median[i, worst]:.0f} m/s^2, "
                f"{shares[worst]:.0%} of what is plausible: is the rate right?"
            )
            found[i].add("rate", float(shares[worst]), says)


def _doubt(beyond: float) -> float:
    """1/2 at a limit, and ever nearer to 1 beyond it."""
    return beyond / (1 + beyond)


def _plain(detail: str) -> str:
    return detail.replace("`", "")
