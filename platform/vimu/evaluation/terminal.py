"""Results as lines for a terminal of 100 columns, wherever they are printed."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from vimu.evaluation.figures import shares_of
from vimu.evaluation.groups import Result, differences, grouped, method_of, number, span, tested_on

WIDTH = 100


def results_text(metrics: Mapping[str, Any]) -> str:
    """All of `metrics.json` that a person wants at the end of a run: tables, then notes.

    Args:
        metrics: `results`, `notes` and, where a paper's figures are asked for, `published`.
    """
    # a console of its own: rich cuts tables to 80 columns where output is no terminal
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, highlight=False)
    for title, table in _tables(metrics):
        console.print(title, markup=False)  # not as the table's own, which would be as narrow as that
        console.print(table)
        console.print()
    for sentence in metrics["notes"]:
        console.print(sentence, markup=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def _tables(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    results: Sequence[Result] = metrics["results"]
    groups = grouped(results)
    for title, rows in (("test split", groups.on_test_split), ("cross-validation, pooled over folds", groups.crossval)):
        for place in dict.fromkeys(place_of(r) for r in rows):
            yield f"{place} ({title})", _scores([r for r in rows if place_of(r) == place])
    for name, rows in groups.labels.items():
        yield f"{name}: by labelled seconds", _labels(rows)
    for place in dict.fromkeys(place_of(r) for r in groups.ablations):
        yield f"{place} (ablations)", _ablations([r for r in groups.ablations if place_of(r) == place], results)
    if published := metrics.get("published"):
        rows = published["rows"]
        for title in dict.fromkeys(row["title"] for row in rows):
            block = [row for row in rows if row["title"] == title]
            on = ", ".join(dict.fromkeys(tested_on(row["ours"]) for row in block if row["ours"]))
            yield f"{title}\n{published['source']}, percent; ours on {on or 'nothing yet'}", _beside(block)
        for row in rows:
            if row["confusion"] and row["ours"]:
                of = f"{row['title']}, {row['method']}: {tested_on(row['ours'])}"
                yield f"confusion, {of}", _confusion(row["ours"])


def place_of(r: Result) -> str:
    """What a result was tested on: the title of the table that it is a row of."""
    of = "subjects or clips" if r["experiment"] == "virtual" else "subjects"
    held_out = f", {r['apart']} apart" if "apart" in r else ""
    return f"{tested_on(r)}: {r['n_windows']:,} windows of {r['window_s']:g} s, {r['n_subjects']} {of}{held_out}"


def _table(*columns: str, left: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < left else "right", no_wrap=True, min_width=13 if i == 0 else 5)
    return table


def _scores(rows: Sequence[Result]) -> Table:
    columns = ("acc.", "macro-F1", "95 %", "w. F1", "AUC", "gain over scratch")
    table = _table("experiment", "method", *columns, left=2)
    for r in rows:
        gain, interval = r.get("gain_over_scratch"), r.get("gain_ci95")
        gained = "" if gain is None else f"{gain:+.2f}" + (f" ({span(interval, '+.2f')})" if interval else "")
        table.add_row(
            r["experiment"], method_of(r), number(r["accuracy"]), number(r["macro_f1"]), _short(r["macro_f1_ci95"]),
            number(r["weighted_f1"]), number(r["auc"]), gained,
        )  # fmt: skip
    return table


def _labels(rows: Sequence[Result]) -> Table:
    table = _table("experiment", "method", "labels", "seconds", "macro-F1", "95 %", left=2)
    for r in rows:
        share, seconds = f"{100 * r['label_share']:g} %", f"{r['label_s']:,.0f}"
        table.add_row(r["experiment"], method_of(r), share, seconds, number(r["macro_f1"]), _short(r["macro_f1_ci95"]))
    return table


def _ablations(rows: Sequence[Result], results: Sequence[Result]) -> Table:
    table = _table("experiment", "method", "left out", "macro-F1", "difference", left=3)
    for r, left_out, size, interval in differences(rows, results):
        difference = "" if size is None else f"{size:+.3f}" + (f" ({span(interval, '+.2f')})" if interval else "")
        table.add_row(r["experiment"], r["method"], left_out or "nothing", number(r["macro_f1"]), difference)
    return table


def _beside(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One experiment of a paper's, in percent."""
    table = _table("method", "paper: acc.", "F1", "ours: acc.", "macro-F1", "95 %", "weighted", left=1)
    for row in rows:
        table.add_row(row["method"], *_paper(row["paper"]), *_ours(row["ours"]))
    return table


def _paper(figures: Mapping[str, float | None] | None) -> tuple[str, str]:
    if figures is None:
        return "", ""
    accuracy, f1 = figures["accuracy_percent"], figures["f1_percent"]
    bound = figures["accuracy_below_percent"]
    return f"< {bound:g}" if accuracy is None else f"{accuracy:.2f}", "" if f1 is None else f"{f1:.2f}"


def _ours(r: Result | None) -> tuple[str, ...]:
    if r is None:
        return ("not run",)
    interval = "too few" if r["macro_f1_ci95"] is None else span([100 * x for x in r["macro_f1_ci95"]], ".1f")
    accuracy, macro, weighted = (f"{100 * r[name]:.2f}" for name in ("accuracy", "macro_f1", "weighted_f1"))
    return accuracy, macro, interval, weighted


def _confusion(r: Result) -> Table:
    """Shares of the true class in percent; columns are numbered as rows are."""
    classes = r["classes"]
    table = _table("true (row), predicted (column), percent", left=1)
    for i in range(len(classes)):
        table.add_column(str(i + 1), justify="right", no_wrap=True, min_width=3)
    for i, (name, row) in enumerate(zip(classes, shares_of(r["confusion"]), strict=True)):
        table.add_row(f"{i + 1:>2} {name}", *(f"{100 * share:.0f}" for share in row))
    return table


def _short(interval: Sequence[float] | None) -> str:
    return span(interval, ".2f")
