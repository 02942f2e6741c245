"""Figures of the report as inline SVG: confusion, learning curves, label efficiency."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from vimu.evaluation.groups import method_of

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


@dataclass(frozen=True)
class Curve:
    """A network's training, epoch by epoch."""

    stage: str
    """`pretrain` or `finetune`: a figure each."""
    name: str
    """Method and, of fine-tuning, start: what has a colour. Seeds share it."""
    seed: int
    epochs: Sequence[Mapping[str, Any]]
    """`epoch`, `loss` (training) and `val_macro_f1` of each."""


def confusion_svg(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """A confusion matrix as inline SVG; a cell's shade is its share of the row's windows."""
    n = len(classes)
    size = 2.6 + 0.34 * n
    with figure_style():
        figure = Figure(figsize=(size, size), layout="constrained")
        axes = figure.subplots()
        shares = shares_of(counts)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for i, row in enumerate(shares):
            for j, share in enumerate(row):
                if share >= 0.005:
                    axes.text(
                        j, i, f"{share * 100:.0f}", ha="center", va="center", color="white" if share > 0.5 else "black"
                    )
        axes.set_xticks(range(n), classes, rotation=90)
        axes.set_yticks(range(n), classes)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        return svg_of(figure)


def shares_of(counts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Each row of a confusion matrix as shares of its sum; zeros where a class has no window."""
    return [[value / max(1, sum(row)) for value in row] for row in counts]


def learning_curves_svg(curves: Sequence[Curve]) -> str:
    """Training loss and validation macro-F1 by epoch: a colour a name, a line a seed."""
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(c.name for c in curves))}
    with figure_style():
        figure = Figure(figsize=(9, 3), layout="constrained")
        loss, score = figure.subplots(1, 2)
        named: set[str] = set()
        for curve in curves:
            label = None if curve.name in named else curve.name
            named.add(curve.name)
            epochs = [line["epoch"] + 1 for line in curve.epochs]
            for axes, key in ((loss, "loss"), (score, "val_macro_f1")):
                values = [line[key] for line in curve.epochs]
                axes.plot(epochs, values, ".-", color=colour[curve.name], linewidth=1, markersize=3, label=label)
        for axes, title in ((loss, "training loss"), (score, "validation macro-F1")):
            axes.set_xlabel("epoch")
            axes.set_title(title, fontsize=9)
            axes.grid(alpha=0.3)
        score.legend(fontsize=7)
        return svg_of(figure)


def label_efficiency_svg(results: Sequence[Mapping[str, Any]]) -> str:
    """Macro-F1 and its interval over how many seconds of recording were labelled, a line an experiment and method.

    Args:
        results: with `label_s`.
    """
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for r in sorted(results, key=lambda r: float(r["label_s"])):
        lines.setdefault(f"{r['experiment']}, {method_of(r)}", []).append(r)
    with figure_style():
        figure = Figure(figsize=(6.5, 3.6), layout="constrained")
        axes = figure.subplots()
        for i, (name, points) in enumerate(lines.items()):
            colour, at = COLOURS[i % len(COLOURS)], [p["label_s"] for p in points]
            axes.plot(at, [p["macro_f1"] for p in points], "o-", color=colour, markersize=4, linewidth=1, label=name)
            sure = [p for p in points if p["macro_f1_ci95"]]
            if sure:
                low, high = zip(*(p["macro_f1_ci95"] for p in sure), strict=True)
                axes.fill_between([p["label_s"] for p in sure], low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set_xscale("log")
        axes.set_xlabel("labelled seconds")
        axes.set_ylabel("macro-F1, 95 % interval")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=7)
        return svg_of(figure)


@contextmanager
def figure_style() -> Iterator[None]:
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "vimu", "font.size": 8}):
        yield


def svg_of(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :]
