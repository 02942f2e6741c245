"""How well the filters find mislabelled clips: labels are swapped on purpose, and it is counted which are caught."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from vimu.clips.filters import FilterSettings, judge_clips


@dataclass(frozen=True)
class Caught:
    """What became of planted mislabels and of right labels."""

    planted: Mapping[tuple[str, str], int]
    """(right label, planted label) -> clips."""
    found: Mapping[tuple[str, str], int]
    right: Mapping[str, int]
    """Label -> clips that kept their right label."""
    dropped: Mapping[str, int]
    """Label -> of these, the clips dropped all the same."""
    left_alone: Mapping[str, str]

    @property
    def recall(self) -> float:
        """Share of all planted mislabels that are caught, those in classes left alone included; NaN where none is."""
        return _share(sum(self.found.values()), sum(self.planted.values()))

    @property
    def false_share(self) -> float:
        """Share of rightly labelled clips that are dropped."""
        return _share(sum(self.dropped.values()), sum(self.right.values()))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def plant_swaps(labels: Sequence[str], *, share: float, rng: np.random.Generator) -> list[str]:
    """Labels with `share` of each class's clips swapped, each with one of a class drawn from all others alike.

    Swaps keep the classes' sizes: labels planted at random would fill a small class with a large one's clips. What is
    left to swap in the last class stays right.
    """
    planted = np.array(labels, dtype=object)
    left = {}
    for label in sorted(set(labels)):
        members = rng.permutation(np.flatnonzero(planted == label))
        left[label] = list(members[: round(share * len(members))])
    while len(able := [label for label, clips in left.items() if clips]) > 1:
        one, other = rng.choice(len(able), 2, replace=False)
        i, j = left[able[one]].pop(), left[able[other]].pop()
        planted[i], planted[j] = able[other], able[one]
    return [str(label) for label in planted]


def catch_planted(
    values: Float[np.ndarray, "clips sensors statistics"],
    right: Sequence[str],
    planted: Sequence[str],
    train: Bool[np.ndarray, " clips"],
    sensors: Sequence[str],
    settings: FilterSettings,
) -> Caught:
    """Filter every clip under its `planted` label, by thresholds from `train`, and compare with the `right` one."""
    judged = judge_clips(values, planted, train, sensors, settings)
    counts: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for truth, label, verdict in zip(right, planted, judged.verdicts, strict=True):
        counts["all"][truth, label] += 1
        counts["unlike"][truth, label] += verdict is not None
    wrong = sorted(pair for pair in counts["all"] if pair[0] != pair[1])
    same = sorted(pair for pair in counts["all"] if pair[0] == pair[1])
    return Caught(
        planted={pair: counts["all"][pair] for pair in wrong},
        found={pair: counts["unlike"][pair] for pair in wrong},
        right={pair[0]: counts["all"][pair] for pair in same},
        dropped={pair[0]: counts["unlike"][pair] for pair in same},
        left_alone=judged.left_alone,
    )
