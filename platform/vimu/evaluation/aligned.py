"""Results of aligned models: entries of `metrics.json`, with what they are better by than the softmax beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from vimu.evaluation.results import MIN_SUBJECTS, Experiment, result
from vimu.metrics import confusion_by_subject, subject_bootstrap
from vimu.windows.schema import WindowSet

Setting = Literal["cross_dataset", "unseen", "within"]
SETTINGS: dict[Setting, str] = {
    "cross_dataset": "trained on one data set, tested on another: none of its windows, labels or people was used",
    "unseen": "classes kept from training, named by their texts; seen and unseen ones compete",
    "within": "other people of the same data set",
}
Probabilities = Mapping[int, Float[np.ndarray, "n N"]]
"""By seed."""


@dataclass(frozen=True)
class Asked:
    """Windows that models are asked to name."""

    setting: Setting
    dataset: str
    windows: WindowSet
    """Their labels are classes."""
    classes: tuple[str, ...]
    """Among which models choose."""
    synthetic: bool
    split: str
    """Who was kept apart from whom, for the reader."""
    unseen: tuple[str, ...] = ()
    """Those of `classes` that the models did not learn."""


def aligned_result(
    tested: Asked, method: str, variant: str, by_seed: Probabilities, softmax: Probabilities | None, *, n_resamples: int
) -> dict[str, Any]:
    """One entry of `metrics.json`.

    Args:
        method: `aligned`, `softmax` or `random_forest`.
        variant: what was changed about it; the method's own name for nothing.
        softmax: the control's probabilities of the same windows, to be compared with.
    """
    experiment = "scratch" if tested.setting == "within" else "zero_shot"
    entry = result(
        Experiment(tested.dataset, experiment, method, tested.synthetic), tested.windows, tested.classes, by_seed,
        split=tested.split, n_resamples=n_resamples,
    )  # fmt: skip
    entry |= {
        "setting": tested.setting,
        "variant": variant,
        "split_protocol": "subjects_apart",
        "unseen": list(tested.unseen),
    }
    if tested.unseen:
        unseen = [tested.classes.index(name) for name in tested.unseen]
        counts = _counts(tested, by_seed)
        entry["unseen_recall"] = float(_recall(counts.sum(axis=0)[None], unseen)[0])
        entry["unseen_recall_ci95"] = _interval(counts, lambda sums: _recall(sums, unseen), n_resamples)
    if softmax is not None:
        both = np.stack([_counts(tested, by_seed), _counts(tested, softmax)], axis=1)

        def difference(sums: Float[np.ndarray, "draws 2 seeds N N"]) -> Float[np.ndarray, " draws"]:
            return np.asarray(_accuracy(sums[:, 0]) - _accuracy(sums[:, 1]))

        entry["accuracy_over_softmax"] = float(difference(both.sum(axis=0)[None])[0])
        entry["accuracy_over_softmax_ci95"] = _interval(both, difference, n_resamples)
    return entry


def with_classes(windows: WindowSet, names: Sequence[str]) -> WindowSet:
    """The same windows, called by their classes."""
    return replace(windows, label=np.array(names, dtype=np.str_))


def gate_sentences(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the results say of the method, in words, with windows and people of every class."""
    sentences = []
    for r in (r for r in results if r["variant"] == "aligned"):
        people = ", ".join(f"{name} {c['n_windows']} of {c['n_subjects']}" for name, c in r["per_class"].items())
        if r["setting"] == "cross_dataset" and "accuracy_over_softmax" in r:
            size, interval = 100 * r["accuracy_over_softmax"], r["accuracy_over_softmax_ci95"]
            span = "" if interval is None else f" (95 % interval {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"
            says = f"{size:+.1f} points of accuracy{span} over softmax with the same encoder and variation"
        elif r["setting"] == "cross_dataset":
            n = len(r["classes"])
            says = f"accuracy {r['accuracy']:.3f} among {n} classes (chance {1 / n:.3f})"
        elif r["setting"] == "unseen":
            says = f"mean recall {r['unseen_recall']:.3f} of {', '.join(r['unseen'])}, accuracy {r['accuracy']:.3f}"
        else:
            says = f"macro-F1 {r['macro_f1']:.3f} on people apart"
        sentences.append(f"{r['dataset']}, {r['setting']}: {says}. Windows of people: {people}.")
    return sentences


def _counts(tested: Asked, by_seed: Probabilities) -> Float[np.ndarray, "subjects seeds N N"]:
    truth, people = tested.windows.targets(tested.classes), tested.windows.subject.tolist()
    n = len(tested.classes)
    return np.stack([confusion_by_subject(truth, p.argmax(axis=1), people, n) for p in by_seed.values()], axis=1)


def _accuracy(sums: Float[np.ndarray, "draws seeds N N"]) -> Float[np.ndarray, " draws"]:
    right = np.trace(sums, axis1=-2, axis2=-1)
    return np.asarray((right / np.maximum(sums.sum(axis=(-2, -1)), 1)).mean(axis=-1))


def _recall(sums: Float[np.ndarray, "draws seeds N N"], of: Sequence[int]) -> Float[np.ndarray, " draws"]:
    """Mean recall of some classes."""
    right = np.diagonal(sums, axis1=-2, axis2=-1)[..., list(of)]
    return np.asarray((right / np.maximum(sums.sum(axis=-1)[..., list(of)], 1)).mean(axis=(-2, -1)))


def _interval(per_subject: Any, statistic: Any, n_resamples: int) -> list[float] | None:
    """None below three subjects."""
    if len(per_subject) < MIN_SUBJECTS:
        return None
    return list(subject_bootstrap(per_subject, statistic, n_resamples=n_resamples))
