"""Figures of the results: scores with their intervals, confusion, curve of labels, training."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vimu.evaluation.figures import (
    COLOURS,
    Curve,
    by_stage,
    confusion_figure,
    figure_style,
    label_efficiency_figure,
    learning_curves_figure,
    short,
)
from vimu.evaluation.groups import Result, method_of, tested_on
from vimu.evaluation.results import HOLDOUT
from vimu.report.plot import Plot, name_of

SCORE_COLUMNS = (
    "tested_on", "experiment", "method", "apart", "accuracy", "macro_f1", "macro_f1_low", "macro_f1_high",
    "weighted_f1", "auc", "gain_over_scratch", "gain_low", "gain_high", "subjects", "windows",
)  # fmt: skip


def scores_plot(name: str, caption: str, results: Sequence[Result]) -> Plot:
    """A dot and its interval a result, below each other by what was tested."""
    places = list(dict.fromkeys(place(r) for r in results))
    ordered = [r for p in places for r in sorted((r for r in results if place(r) == p), key=lambda r: -r["macro_f1"])]
    with figure_style():
        figure = Figure(figsize=(8.8, 0.7 + 0.24 * (len(ordered) + len(places))), layout="constrained")
        axes = figure.subplots()
        ticks: list[tuple[float, str]] = []
        height = 0.0
        for i, where in enumerate(places):
            ticks.append((height, short(where, 64)))
            colour = COLOURS[i % len(COLOURS)]
            for r in (r for r in ordered if place(r) == where):
                height += 1
                if r["macro_f1_ci95"]:
                    axes.plot(r["macro_f1_ci95"], [height, height], color=colour, linewidth=1.6, solid_capstyle="butt")
                axes.plot([r["macro_f1"]], [height], "o", color=colour, markersize=5)
                ticks.append((height, short(f"{r['experiment']}, {method_of(r)}", 48)))
            height += 1.2
        axes.set_yticks([at for at, _ in ticks], [label for _, label in ticks])
        for tick, (_, label) in zip(axes.get_yticklabels(), ticks, strict=True):
            tick.set_fontweight("bold" if label in {short(p, 64) for p in places} else "normal")
        axes.set_ylim(height - 0.4, -0.8)
        axes.set_xlabel("macro-F1, 95 % interval")
        axes.grid(axis="x", alpha=0.5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return Plot(name, caption, figure, SCORE_COLUMNS, [score_row(r) for r in ordered])


def place(r: Result) -> str:
    """What a result was tested on, and how training was kept apart."""
    return tested_on(r) + (f", {r['apart']} apart" if "apart" in r else "")


def score_row(r: Result) -> tuple[object, ...]:
    """A result as a row of `SCORE_COLUMNS`."""
    low_high, gain = r["macro_f1_ci95"] or (None, None), r.get("gain_ci95") or (None, None)
    return (
        tested_on(r), r["experiment"], method_of(r), r.get("apart", ""), r["accuracy"], r["macro_f1"], *low_high,
        r["weighted_f1"], r["auc"], r.get("gain_over_scratch"), *gain, r["n_subjects"], r["n_windows"],
    )  # fmt: skip


def confusion_plot(r: Result) -> Plot:
    """A result's confusion matrix."""
    crossed = r.get("protocol", HOLDOUT) != HOLDOUT
    title = f"{place(r)}: {r['experiment']}, {method_of(r)}{', cross-validated' * crossed}"
    name = name_of("confusion", "all-people" if crossed else "test-split", place(r), r["experiment"], method_of(r))
    rows = [
        (truth, said, count)
        for truth, counts in zip(r["classes"], r["confusion"], strict=True)
        for said, count in zip(r["classes"], counts, strict=True)
    ]
    figure = confusion_figure(r["confusion"], r["classes"])
    return Plot(name, title, figure, ("true", "predicted", "windows"), rows)


def labels_plot(name: str, rows: Sequence[Result]) -> Plot:
    """The curve of labels of one data set."""
    columns = ("experiment", "method", "label_share", "label_s", "macro_f1", "macro_f1_low", "macro_f1_high")
    table = [
        (
            r["experiment"],
            method_of(r),
            r["label_share"],
            r["label_s"],
            r["macro_f1"],
            *(r["macro_f1_ci95"] or ("", "")),
        )
        for r in rows
    ]
    caption = f"{name}: macro-F1 by how many seconds of recording were labelled, with 95 % intervals."
    return Plot(name_of("labels", name), caption, label_efficiency_figure(rows), columns, table)


def training_plots(curves: Sequence[Curve]) -> list[Plot]:
    """A figure a stage: loss and validation by epoch."""
    return [_training_plot(stage, of_stage) for stage, of_stage in by_stage(curves).items()]


CAPTIONS: Mapping[str, str] = {
    "pretrain": "Pre-training on virtual IMUs.",
    "finetune": "Training on real recordings, fine-tuned and from scratch; a line a seed.",
}


def _training_plot(stage: str, curves: Sequence[Curve]) -> Plot:
    rows = [
        (c.name, c.seed, line["epoch"] + 1, line["loss"], line["val_macro_f1"]) for c in curves for line in c.epochs
    ]
    columns = ("network", "seed", "epoch", "loss", "val_macro_f1")
    return Plot(name_of("training", stage), CAPTIONS[stage], learning_curves_figure(curves), columns, rows)
