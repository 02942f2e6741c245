"""The results of `metrics.json` in the groups that a reader compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vimu.evaluation.results import HOLDOUT, is_plain, is_whole

Result = Mapping[str, Any]

EXPERIMENTS = {
    "virtual": "trained and tested on virtual IMUs",
    "no_finetuning": "the pre-trained network as it is, on real recordings, choosing among their classes only",
    "scratch": "trained on real recordings alone",
    "finetuned": "pre-trained on virtual IMUs, then trained on real recordings",
}
SYNTHETIC = " (synthetic)"
RANDOM_WINDOWS = "paper_random_windows"


NOTHING = "none"
"""What an ablation is called that leaves nothing out: the one that others are compared with."""


@dataclass(frozen=True)
class Groups:
    """Results by what they are for."""

    holdout: dict[str, list[Result]]
    """Experiment -> results on the run's test split."""
    crossval: list[Result]
    """Each person tested once, predictions pooled over the folds."""
    labels: dict[str, list[Result]]
    """What was tested -> results with a share of the labels, least first."""
    ablations: list[Result]
    """With one thing left out, each after the result that it is compared with."""

    @property
    def on_test_split(self) -> list[Result]:
        """Those of `holdout`."""
        return [r for rows in self.holdout.values() for r in rows]


def grouped(results: Sequence[Result]) -> Groups:
    """All results, each in one group; the one that an ablation is compared with also stands before it."""
    labels: dict[str, list[Result]] = {}
    for r in sorted((r for r in results if r.get("label_share") is not None), key=lambda r: float(r["label_share"])):
        labels.setdefault(tested_on(r), []).append(r)
    holdout: dict[str, list[Result]] = {}
    for r in (r for r in results if is_plain(r)):
        holdout.setdefault(r["experiment"], []).append(r)
    return Groups(
        holdout={name: holdout[name] for name in dict.fromkeys([*EXPERIMENTS, *holdout]) if name in holdout},
        crossval=[r for r in results if is_whole(r) and not is_plain(r)],
        labels=labels,
        ablations=_beside_their_whole(results),
    )


def whole_of(ablated: Result, results: Sequence[Result]) -> Result | None:
    """The result from which an ablation leaves one thing out; None where it is not there."""
    keys = ("dataset", "experiment", "method", "window_s")
    same = [
        r for r in results
        if all(r[key] == ablated[key] for key in keys)
        and r.get("protocol", HOLDOUT) == ablated.get("protocol", HOLDOUT)
        and (is_whole(r) or r.get("ablation") == NOTHING)
    ]  # fmt: skip
    return max(same, key=lambda r: r.get("ablation") == NOTHING, default=None)


def difference_of(ablated: Result, results: Sequence[Result]) -> tuple[float | None, list[float] | None]:
    """Macro-F1 of an ablation less that of the whole, and the paired interval where the ablation came with one."""
    if not leaves_out(ablated):
        return None, None
    if "difference_to_whole" in ablated:
        return ablated["difference_to_whole"], ablated.get("difference_ci95")
    whole = whole_of(ablated, results)
    return (None if whole is None else ablated["macro_f1"] - whole["macro_f1"]), None


def differences(
    ablations: Sequence[Result], results: Sequence[Result]
) -> list[tuple[Result, str | None, float | None, list[float] | None]]:
    """The rows of a table of ablations: each with what it leaves out, and with its `difference_of`."""
    return [(r, leaves_out(r), *difference_of(r, results)) for r in ablations]


def leaves_out(result: Result) -> str | None:
    """What an ablation leaves out."""
    name = result.get("ablation")
    return None if name in (None, NOTHING) else str(name)


def method_of(result: Result) -> str:
    """The method, with the varied copies of the training windows where a forest got some."""
    copies = result.get("augmented_copies")
    return f"{result['method']}, {copies} copies" if copies else str(result["method"])


def synthetic_mark(result: Result) -> str:
    """What follows a dataset's name wherever generated data take part."""
    return SYNTHETIC if result["synthetic"] else ""


def tested_on(result: Result) -> str:
    """The dataset, with what a reader must not overlook: generated data, and windows split at random."""
    return f"{result['dataset']}{synthetic_mark(result)}" + f", {RANDOM_WINDOWS}" * is_leaky(result)


def is_leaky(result: Result) -> bool:
    """Whether overlapping windows of one person train and test."""
    return bool(result.get("split_protocol") == RANDOM_WINDOWS)


def number(value: float | None) -> str:
    """`0.512`; `none` where there is no such figure."""
    return "none" if value is None else format(value, ".3f")


def span(interval: Sequence[float] | None, form: str = ".3f") -> str:
    """`0.512 to 0.601`; `too few` where no interval could be had."""
    return "too few" if interval is None else " to ".join(format(value, form) for value in interval)


def _beside_their_whole(results: Sequence[Result]) -> list[Result]:
    rows: list[Result] = []
    for ablated in (r for r in results if leaves_out(r)):
        whole = whole_of(ablated, results)
        at = next((i for i, r in enumerate(rows) if r is whole), None)
        if at is None:
            rows += [ablated] if whole is None else [whole, ablated]
            continue
        after = next((i for i in range(at + 1, len(rows)) if not leaves_out(rows[i])), len(rows))
        rows.insert(after, ablated)
    return rows
