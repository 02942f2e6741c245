"""Results of aligned models for people: tables for a terminal, and a page with confusion matrices and maps."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from vimu.evaluation.aligned import SETTINGS
from vimu.evaluation.figures import confusion_figure, svg_of
from vimu.evaluation.groups import Result, number, span, synthetic_mark
from vimu.evaluation.pages import page_environment

WIDTH = 110


def aligned_text(metrics: Mapping[str, Any]) -> str:
    """The tables and notes of `metrics.json`, for a terminal."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, highlight=False)
    for title, rows in by_set(metrics["results"]).items():
        console.print(title, markup=False)
        console.print(_table(rows))
        console.print()
    for sentence in metrics["notes"]:
        console.print(sentence, markup=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def render_aligned(name: str, metrics: Mapping[str, Any], maps: Mapping[str, str]) -> str:
    """The page as HTML.

    Args:
        metrics: `results` and `notes`.
        maps: SVG by `dataset, setting`.
    """
    sets = by_set(metrics["results"])
    return page_environment().get_template("evaluation/aligned.html.j2").render(
        name=name, notes=metrics["notes"], sets=sets, meaning=SETTINGS, maps=maps, over=_over,
        confusion={
            title: svg_of(confusion_figure(r["confusion"], r["classes"]))
            for title, rows in sets.items()
            for r in rows
            if r["variant"] == "aligned"
        },
    )  # fmt: skip


def by_set(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results by what was tested: the tables that are printed."""
    sets: dict[str, list[Result]] = {}
    for r in results:
        title = (
            f"{r['dataset']}{synthetic_mark(r)}, {r['setting']}: {r['n_windows']:,} windows of {r['window_s']:g} s, "
            f"{r['n_subjects']} subjects, {len(r['classes'])} classes"
        )
        sets.setdefault(title, []).append(r)
    return sets


def _table(rows: Sequence[Result]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    unseen = bool(rows[0]["unseen"])
    last = ("unseen recall", "95 %") if unseen else ("accuracy over softmax", "95 %")
    for i, column in enumerate(("method", "acc.", "macro-F1", "95 %", "w. F1", *last)):
        table.add_column(column, justify="right" if i else "left", no_wrap=True, min_width=15 if i == 0 else 5)
    for r in rows:
        table.add_row(
            r["variant"], number(r["accuracy"]), number(r["macro_f1"]), span(r["macro_f1_ci95"], ".2f"),
            number(r["weighted_f1"]), *_over(r),
        )  # fmt: skip
    return table


def _over(r: Result) -> tuple[str, str]:
    """The last two columns: recall of unseen classes, or points over softmax; and the interval."""
    if r["unseen"]:
        return number(r["unseen_recall"]), span(r["unseen_recall_ci95"], ".2f")
    if "accuracy_over_softmax" not in r:
        return "", ""
    return format(r["accuracy_over_softmax"], "+.3f"), span(r["accuracy_over_softmax_ci95"], "+.2f")
