"""Predictions of several seeds -> the results of `metrics.json`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from vimu.metrics import (
    confusion_by_subject,
    macro_f1_of,
    mean_known,
    one_vs_rest_auc,
    per_class,
    scores,
    subject_bootstrap,
)
from vimu.windows.schema import WindowSet

MIN_SUBJECTS = 3
HOLDOUT = "holdout"
"""Protocol of results on the run's own test split; any other is cross-validation."""


@dataclass(frozen=True)
class Experiment:
    """What was trained on what, and tested where."""

    dataset: str
    """Whose test split."""
    experiment: str
    """`virtual`, `scratch`, `finetuned` or `no_finetuning`."""
    method: str
    """`penalty_cnn`, `deepconvlstm` or `random_forest`."""
    synthetic: bool
    """Whether generated data take part."""


def result(
    what: Experiment, test: WindowSet, classes: Sequence[str], probabilities: Mapping[int, Float[np.ndarray, "n N"]],
    *, split: str, n_resamples: int,
) -> dict[str, Any]:  # fmt: skip
    """One entry of `metrics.json`.

    Scores are means over the seeds, with each seed's beside them; the interval draws subjects again and takes the
    mean over the seeds of each draw; per-class numbers and the confusion matrix are of all seeds' predictions together,
    but a class's AUC is the mean over the seeds. `auc` is the mean over the classes that have one: against each of them
    all others.

    Args:
        probabilities: by seed, of the test windows in order.
        split: how subjects were kept apart, for the reader.
    """
    truth = test.targets(classes)
    predicted = {seed: np.argmax(p, axis=1) for seed, p in probabilities.items()}
    by_class = {seed: one_vs_rest_auc(truth, p) for seed, p in probabilities.items()}
    by_seed: dict[int, dict[str, float | None]] = {
        seed: {**scores(truth, p), "auc": mean_known(by_class[seed])} for seed, p in predicted.items()
    }
    names = ("accuracy", "macro_f1", "weighted_f1", "auc")
    mean = {name: mean_known(s[name] for s in by_seed.values()) for name in names}
    counts = _counts(test, classes, probabilities)
    every = np.concatenate(list(predicted.values()))
    table = per_class(np.tile(truth, len(predicted)), every, classes)
    for i, name in enumerate(classes):
        of_class = test.label == name
        table[name]["auc"] = mean_known(of_seed[i] for of_seed in by_class.values())
        table[name] |= {"n_windows": int(of_class.sum()), "n_subjects": len(set(test.subject[of_class].tolist()))}
    return {
        "dataset": what.dataset,
        "experiment": what.experiment,
        "method": what.method,
        "synthetic": what.synthetic,
        "window_s": round(test.x.shape[1] / test.rate_hz, 3),
        "feature_set": test.feature_set,
        "channels": list(test.channels),
        "split": split,
        "seeds": list(probabilities),
        **mean,
        "by_seed": {str(seed): s for seed, s in by_seed.items()},
        "macro_f1_ci95": _interval(counts, _mean_macro_f1, n_resamples),
        "n_subjects": len(counts),
        "n_windows": len(test),
        "classes": list(classes),
        "per_class": table,
        "confusion": counts.sum(axis=(0, 1)).tolist(),
    }


def is_plain(result: Mapping[str, Any]) -> bool:
    """Whether a result is of the run's own split, with all labels and nothing left out: a row of the main tables."""
    return result.get("protocol", HOLDOUT) == HOLDOUT and is_whole(result)


def is_whole(result: Mapping[str, Any]) -> bool:
    """Whether a result is neither a point of the curve of labels nor of the ablations."""
    return result.get("label_share") is None and result.get("ablation") is None


def gain(
    test: WindowSet, classes: Sequence[str], ours: Mapping[int, Float[np.ndarray, "n N"]],
    base: Mapping[int, Float[np.ndarray, "n N"]], *, n_resamples: int,
) -> dict[str, Any]:  # fmt: skip
    """`gain_over_scratch` in macro-F1 and `gain_ci95`."""
    size, interval = paired_difference(test, classes, ours, base, n_resamples=n_resamples)
    return {"gain_over_scratch": size, "gain_ci95": interval}


def paired_difference(
    test: WindowSet, classes: Sequence[str], ours: Mapping[int, Float[np.ndarray, "n N"]],
    base: Mapping[int, Float[np.ndarray, "n N"]], *, n_resamples: int,
) -> tuple[float, list[float] | None]:  # fmt: skip
    """Macro-F1 of `ours` less that of `base`, and its 95 % interval: the same subjects drawn for both."""
    both = np.stack([_counts(test, classes, side) for side in (ours, base)], axis=1)

    def difference(sums: Float[np.ndarray, "draws 2 seeds N N"]) -> Float[np.ndarray, " draws"]:
        return np.asarray(_mean_macro_f1(sums[:, 0]) - _mean_macro_f1(sums[:, 1]))

    size = float(difference(both.sum(axis=0)[None])[0])
    return size, _interval(both, difference, n_resamples)


def _interval(
    per_subject: Int[np.ndarray, "subjects ..."],
    statistic: Callable[[Float[np.ndarray, "draws ..."]], Float[np.ndarray, " draws"]],
    n_resamples: int,
) -> list[float] | None:
    """None below three subjects: what two people span is no interval."""
    if len(per_subject) < MIN_SUBJECTS:
        return None
    return list(subject_bootstrap(per_subject, statistic, n_resamples=n_resamples))


def gain_sentence(finetuned: Mapping[str, Any]) -> str:
    """What a fine-tuned result says of pre-training, in words: a gain is a gain when its interval excludes 0."""
    size, interval = finetuned["gain_over_scratch"], finetuned["gain_ci95"]
    numbers = f"{size:+.3f} macro-F1"
    if interval is None:
        return f"Pre-training made {numbers}; with fewer than three test subjects no interval can be had."
    numbers += f" (95 % interval {interval[0]:+.3f} to {interval[1]:+.3f})"
    if interval[0] > 0:
        return f"Pre-training on virtual IMUs helped: {numbers} over the same network from scratch."
    if interval[1] < 0:
        return f"Pre-training on virtual IMUs hurt: {numbers} against the same network from scratch."
    return f"No gain from pre-training is shown: {numbers} over the same network from scratch."


def _counts(
    test: WindowSet, classes: Sequence[str], probabilities: Mapping[int, Float[np.ndarray, "n N"]]
) -> Int[np.ndarray, "subjects seeds N N"]:
    truth, subjects = test.targets(classes), test.subject.tolist()
    by_seed = [
        confusion_by_subject(truth, np.argmax(p, axis=1), subjects, len(classes)) for p in probabilities.values()
    ]
    return np.stack(by_seed, axis=1)


def _mean_macro_f1(sums: Float[np.ndarray, "draws seeds N N"]) -> Float[np.ndarray, " draws"]:
    return np.asarray(macro_f1_of(sums).mean(axis=1))
