"""Accuracy, F1, AUC, confusion, calibration, intervals: plain functions on label indices and class probabilities."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support, roc_auc_score


def scores(truth: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"]) -> dict[str, float]:
    """Accuracy, macro-F1 and weighted F1 over the classes that occur in `truth`.

    A class without a single test window has no F1; counting it as 0 would punish all methods alike for the split.
    """
    present = np.unique(truth)
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, labels=present, average="macro", zero_division=0)),
        "weighted_f1": float(f1_score(truth, predicted, labels=present, average="weighted", zero_division=0)),
    }


def macro_f1_of(counts: Float[np.ndarray, "*batch classes classes"]) -> Float[np.ndarray, "*batch"]:
    """Macro-F1 out of confusion matrices (rows are the truth), over the classes that occur; equal to `scores`."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    truth, said = counts.sum(axis=-1), counts.sum(axis=-2)
    f1 = 2 * right / np.maximum(truth + said, 1)
    present = truth > 0
    return np.asarray((f1 * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1))


def per_class(
    truth: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"], classes: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """Precision, recall, F1 and number of windows a class; None where the class has no test window."""
    rows = precision_recall_fscore_support(truth, predicted, labels=range(len(classes)), zero_division=0)
    table: dict[str, dict[str, float | None]] = {}
    for i, name in enumerate(classes):
        precision, recall, f1, support = (float(row[i]) for row in rows)
        known = support > 0
        table[name] = {
            "precision": precision if known else None,
            "recall": recall if known else None,
            "f1": f1 if known else None,
            "n_windows": support,
        }
    return table


def one_vs_rest_auc(truth: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n classes"]) -> list[float | None]:
    """Area under the ROC curve of each class against all others.

    None where every window or no window is of the class: then there is nothing to rank, and 0 would be a lie.
    """
    n_classes = probabilities.shape[1]
    of_class = truth[:, None] == np.arange(n_classes)
    both = of_class.any(axis=0) & ~of_class.all(axis=0)
    return [float(roc_auc_score(of_class[:, i], probabilities[:, i])) if both[i] else None for i in range(n_classes)]


def mean_known(values: Iterable[float | None]) -> float | None:
    """Mean of those that are there; None where none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def confusion_by_subject(
    truth: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"], subjects: Sequence[str], n_classes: int
) -> Int[np.ndarray, "subjects classes classes"]:
    """A confusion matrix a subject, subjects sorted."""
    names, row = np.unique(np.asarray(subjects), return_inverse=True)
    counts = np.zeros((len(names), n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (row, truth, predicted), 1)
    return counts


def reliability_by_subject(
    confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], subjects: Sequence[str], *, n_bins: int = 10
) -> Float[np.ndarray, "subjects bins 3"]:
    """What a reliability diagram is drawn of, a table a subject, subjects sorted.

    Args:
        confidence: probability of the class that was said, 0 to 1.
        right: whether it was the true one.

    Returns:
        Of each of `n_bins` bins of confidence, alike in width: windows, sum of their confidence, how many were right.
    """
    names, row = np.unique(np.asarray(subjects), return_inverse=True)
    at = np.clip((confidence * n_bins).astype(np.int64), 0, n_bins - 1)
    sums = np.zeros((len(names), n_bins, 3))
    np.add.at(sums, (row, at), np.stack([np.ones(len(at)), confidence, right], axis=1))
    return sums


def calibration_error(sums: Float[np.ndarray, "*batch bins 3"]) -> Float[np.ndarray, "*batch"]:
    """Expected calibration error: how far confidence is from the share that is right, a window's mean over the bins.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, section 2.
    """
    return np.asarray(np.abs(sums[..., 1] - sums[..., 2]).sum(axis=-1) / np.maximum(sums[..., 0].sum(axis=-1), 1))


def subject_bootstrap(
    per_subject: Float[np.ndarray, "subjects ..."],
    statistic: Callable[[Float[np.ndarray, "draws ..."]], Float[np.ndarray, " draws"]],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of a statistic of sums over subjects, when subjects, not windows, are what is drawn again.

    Args:
        per_subject: what is summed, e.g. `confusion_by_subject`, with any further axes.
        statistic: of the sums of each draw, e.g. `macro_f1_of`.

    Returns:
        The 2.5 and 97.5 percentiles. With a single subject they are the value itself: no interval can be had.
    """
    n = len(per_subject)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    draws = statistic(np.tensordot(times, per_subject, axes=1))
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)
