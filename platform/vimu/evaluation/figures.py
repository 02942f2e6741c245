"""Figures of the reports: confusion, learning curves, label efficiency; and as inline SVG."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from vimu.evaluation.groups import method_of
from vimu.runtime.console import printable

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
INK, GRID = "#1b1b1b", "#b8b8b8"
"""Of words and axes, and of grids: a page that turns dark finds them by these."""
LONGEST = 28
"""Characters of a name that a figure has room for."""


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


def by_stage(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """The curves of each stage."""
    found: dict[str, list[Curve]] = {}
    for curve in curves:
        found.setdefault(curve.stage, []).append(curve)
    return found


def confusion_figure(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """A confusion matrix; a cell's shade is its share of the row's windows."""
    n = len(classes)
    size = 2.6 + 0.34 * n
    names = [short(name) for name in classes]
    with figure_style():
        figure = Figure(figsize=(size, size), layout="constrained")
        axes = figure.subplots()
        _shade(axes, shares_of(counts))
        axes.set_xticks(range(n), names, rotation=90)
        axes.set_yticks(range(n), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
    return figure


def _shade(axes: Axes, shares: Sequence[Sequence[float]]) -> None:
    """A square a cell that holds something, drawn as such: an image would not scale, nor turn dark."""
    n = len(shares)
    cells = [(i, j, share) for i, row in enumerate(shares) for j, share in enumerate(row) if share >= 0.005]
    squares = [Rectangle((j - 0.5, i - 0.5), 1, 1) for i, j, _ in cells]
    blue = mpl.colors.to_rgb(COLOURS[0])
    axes.add_collection(PatchCollection(squares, facecolors=[(*blue, share) for *_, share in cells], linewidths=0))
    for i, j, share in cells:
        colour = "white" if share > 0.5 else INK
        axes.text(j, i, f"{share * 100:.0f}", ha="center", va="center", color=colour)
    axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")


def short(name: str, longest: int = LONGEST) -> str:
    """A name as a figure can show it: one line, no control characters, cut where it is too long."""
    plain = printable(name)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def shares_of(counts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Each row of a confusion matrix as shares of its sum; zeros where a class has no window."""
    return [[value / max(1, sum(row)) for value in row] for row in counts]


def learning_curves_figure(curves: Sequence[Curve]) -> Figure:
    """Training loss and validation macro-F1 by epoch: a colour a name, a line a seed."""
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(c.name for c in curves))}
    with figure_style():
        figure = Figure(figsize=(9, 3), layout="constrained")
        loss, score = figure.subplots(1, 2)
        named: set[str] = set()
        for curve in curves:
            label = None if curve.name in named else short(curve.name, 2 * LONGEST)
            named.add(curve.name)
            epochs = [line["epoch"] + 1 for line in curve.epochs]
            for axes, key in ((loss, "loss"), (score, "val_macro_f1")):
                values = [line[key] for line in curve.epochs]
                axes.plot(epochs, values, ".-", color=colour[curve.name], linewidth=1, markersize=3, label=label)
        for axes, title in ((loss, "training loss"), (score, "validation macro-F1")):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_title(title, fontsize=9)
            axes.grid(alpha=0.3)
        score.legend(fontsize=7)
    return figure


def label_efficiency_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
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
            named = short(name, 2 * LONGEST)
            axes.plot(at, [p["macro_f1"] for p in points], "o-", color=colour, markersize=4, linewidth=1, label=named)
            sure = [p for p in points if p["macro_f1_ci95"]]
            if sure:
                low, high = zip(*(p["macro_f1_ci95"] for p in sure), strict=True)
                axes.fill_between([p["label_s"] for p in sure], low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:,g}")  # a log scale's own labels are formulas
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("labelled seconds")
        axes.set_ylabel("macro-F1, 95 % interval")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=7)
    return figure


STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "vimu", "font.size": 8,
    "text.parse_math": False,  # names of others may hold dollar signs, which are no formulas
    "grid.color": GRID, "legend.framealpha": 0, "legend.edgecolor": "none",
    **{f"{of}.color": INK for of in ("text", "xtick", "ytick")}, "axes.edgecolor": INK, "axes.labelcolor": INK,
}  # fmt: skip


@contextmanager
def figure_style() -> Iterator[None]:
    """What is drawn in the block looks as figures of reports do."""
    with mpl.rc_context(STYLE):
        yield


def svg_of(figure: Figure, *, transparent: bool = False) -> str:
    """A figure as inline SVG, its words as text."""
    out = io.StringIO()
    with figure_style():
        figure.savefig(out, format="svg", metadata={"Date": None}, transparent=transparent)
    svg = out.getvalue()
    return svg[svg.index("<svg") :]
