"""What the page shows, gathered from a run's stages: each part, or why it is missing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vimu.evaluation.groups import Groups, Result, grouped, synthetic_mark
from vimu.evaluation.results import HOLDOUT
from vimu.evaluation.terminal import place_of
from vimu.report.confused import Pair, confused_pairs, pairs_plot
from vimu.report.data_card import Category, amounts_plot, categories, flow_sides
from vimu.report.flow import flow_plot
from vimu.report.plot import Plot
from vimu.report.predictions import Calibration, Predictions, calibration_of, read_predictions, reliability_plot
from vimu.report.run import Run
from vimu.report.scores import confusion_plot, labels_plot, scores_plot, training_plots
from vimu.report.signals import Curves, curves_plot, typical_clips, typical_windows
from vimu.report.tables import Clips, Windows, clips_of, windows_of
from vimu.stages.evaluate_page import curves_of

ALL_PEOPLE, TEST_SPLIT = "scores-all-people", "scores-test-split"
PREFERRED = ("finetuned", "aligned", "virtual", "scratch")
"""Of a data set's results the one whose mistakes are shown: the run's own method, as far along the way as it got."""


@dataclass(frozen=True)
class Data:
    """What a run's data are."""

    clips: Clips | None
    windows: Windows | None
    categories: Sequence[Category]
    flow: Plot | None
    amounts: Plot | None
    examples: Sequence[Plot]
    typical: dict[tuple[str, str], Curves]
    """Data set and class -> a typical window."""


@dataclass(frozen=True)
class Results:
    """What `metrics.json` holds, and its figures."""

    metrics: dict[str, Any]
    of_words: bool
    """Whether signals were named by words: other tables."""
    groups: Groups
    scores: Sequence[Plot]
    confusion: Sequence[tuple[Result, Plot]]
    labels: Mapping[str, tuple[Plot, Sequence[Result]]] = field(default_factory=dict)

    def tables(self) -> dict[str, dict[str, list[Result]]]:
        """Name of a figure of scores -> what was tested -> its rows."""
        found: dict[str, dict[str, list[Result]]] = {}
        for name, rows in ((ALL_PEOPLE, self.groups.crossval), (TEST_SPLIT, self.groups.on_test_split)):
            for r in rows:
                found.setdefault(name, {}).setdefault(place_of(r), []).append(r)
        return found


@dataclass(frozen=True)
class Mistakes:
    """What one result takes for what."""

    of: Predictions
    pairs: Sequence[Pair]
    plot: Plot | None


def data_of(run: Run) -> Data:
    """Clips and windows, as far as they are published."""
    synthesized, prepared = run.get("synthesize"), run.get("prepare")
    clips = clips_of(synthesized) if synthesized is not None and synthesized.files("clips/") else None
    windows = windows_of(prepared) if prepared is not None and prepared.files("windows/") else None
    real = run.detail("prepare", "real_dataset")
    found = categories(run, clips, windows)
    sides = flow_sides(run, clips, windows)
    flow, amounts = flow_plot(sides) if sides else None, amounts_plot(found) if found else None
    examples, typical = [], {}
    if synthesized is not None and clips is not None:
        curves = typical_clips(synthesized, clips, run.detail("prepare", "sensors", ()))
        mark = run.mark("+".join(np.unique(clips.archive)))
        caption = (
            f"Size of the acceleration of a typical clip of each category{mark}, at the virtual sensors, without "
            "gravity: the clip whose root mean square is nearest to the median of its category."
        )
        examples.append(curves_plot("curves-virtual", caption, curves))
    if prepared is not None and windows is not None:
        typical = typical_windows(prepared, windows)
        if of_real := [one for (dataset, _), one in typical.items() if dataset == real]:
            gravity = "with" if windows.gravity == "included" else "without"
            caption = (
                f"Size of the acceleration of a typical window of each class of {real}{run.mark(real)}, {gravity} "
                "gravity: the window that varies as much as is the median of its class."
            )
            examples.append(curves_plot("curves-real", caption, of_real))
    return Data(clips, windows, found, flow, amounts, examples, typical)


def training_of(run: Run) -> list[Plot]:
    """The logs of pre-training and fine-tuning."""
    pretrained = run.get("pretrain")
    return [] if pretrained is None else training_plots(curves_of(pretrained, run.get("finetune")))


def results_of(run: Run) -> Results | None:
    """Those of `evaluate`, which hold those of `crossval`; these alone where there is no `evaluate`."""
    published = run.get("evaluate") or run.get("crossval")
    if published is None:
        return None
    metrics = json.loads(published.file("metrics.json").read())
    results = metrics["results"]
    if any("variant" in r for r in results):
        confusion = [(r, confusion_plot(r)) for r in results if r["variant"] == "aligned"]
        return Results(metrics, True, grouped([]), [], confusion)
    groups = grouped(results)
    scores = [
        scores_plot(name, caption, rows)
        for name, caption, rows in (
            (
                ALL_PEOPLE,
                "Every person tested once, by models that never saw them; pooled over folds.",
                groups.crossval,
            ),
            (TEST_SPLIT, "On the run's test split.", groups.on_test_split),
        )
        if rows
    ]
    own_first = sorted([*groups.crossval, *groups.on_test_split], key=_own_first)
    confusion = [(r, confusion_plot(r)) for r in own_first]
    labels = {name: (labels_plot(name, rows), rows) for name, rows in groups.labels.items()}
    return Results(metrics, False, groups, scores, confusion, labels)


def _own_first(r: Result) -> tuple[bool, bool, int]:
    """On all people before the test split; on real people before clips; fine-tuned before the others."""
    names = [*PREFERRED, r["experiment"]]
    return r.get("protocol", HOLDOUT) == HOLDOUT, r["experiment"] == "virtual", names.index(r["experiment"])


def predictions_of(run: Run) -> list[Predictions]:
    """On all people where there are such, else on the test split."""
    published = run.get("crossval") or run.get("evaluate")
    if published is None:
        return []
    results = json.loads(published.file("metrics.json").read())["results"]
    marks = {(r["dataset"], r["experiment"]): synthetic_mark(r) for r in results}
    any_mark = max((synthetic_mark(r) for r in results), default="")

    def mark(dataset: str, experiment: str) -> str:
        return marks.get((dataset, experiment), any_mark)

    return read_predictions(published, mark)


def calibration_part(predictions: Sequence[Predictions]) -> tuple[Plot | None, list[Calibration]]:
    """The reliability diagrams, and the figures beside them."""
    found = [calibration_of(p) for p in predictions]
    return (reliability_plot(found) if found else None), found


def mistakes_of(run: Run, data: Data, predictions: Sequence[Predictions]) -> list[Mistakes]:
    """Of each data set, those of the run's own method."""
    prepared, networks = run.get("prepare"), run.detail("pretrain", "networks", ["aligned"])
    found = []
    for dataset in dict.fromkeys(p.dataset for p in predictions):
        of_dataset = [p for p in predictions if p.dataset == dataset and p.method == networks[0]]
        ranked = [p for name in PREFERRED for p in of_dataset if p.experiment == name]
        if not ranked:
            continue
        chosen = ranked[0]
        pairs = confused_pairs(chosen, data.windows, data.clips)
        plot = None
        if prepared is not None and data.windows is not None:
            plot = pairs_plot(chosen, pairs, data.typical, prepared, data.windows)
        found.append(Mistakes(chosen, pairs, plot))
    return sorted(found, key=lambda m: PREFERRED.index(m.of.experiment))


def totals(data: Data) -> list[tuple[str, str]]:
    """The data in a few numbers: number and what it counts."""
    shown: list[tuple[str, str]] = []
    for real, what in ((False, "clips synthesized"), (True, "trials recorded")):
        rows = [c for c in data.categories if c.real == real]
        if rows:
            seconds = sum(c.seconds for c in rows)
            length = f"{seconds / 3600:.1f} h" if seconds > 2 * 3600 else f"{seconds / 60:.0f} min"
            shown.append((f"{sum(c.sources for c in rows):,}", f"{what}, {length}"))
    if data.windows is not None:
        shown.append((f"{len(data.windows):,}", f"windows of {data.windows.length_frames / data.windows.rate_hz:g} s"))
        real_names = {c.dataset for c in data.categories if c.real}
        people = np.unique(data.windows.subject[np.isin(data.windows.dataset, list(real_names))])
        if len(people):
            shown.append((f"{len(people):,}", "people recorded"))
    return shown
