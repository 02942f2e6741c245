"""The report: one self-contained HTML page, opened from disk."""

import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import matplotlib as mpl
from jinja2 import Environment
from matplotlib.figure import Figure
from ruamel.yaml import YAML


def render_report(
    *, name: str, results: Sequence[Mapping[str, Any]], data: Sequence[Mapping[str, Any]],
    flow: Sequence[Mapping[str, Any]], notes: Sequence[str], licences: Mapping[str, str],
    config: Mapping[str, Any], used: Mapping[str, Any], mended: Mapping[str, int], made: Mapping[str, Any],
) -> str:  # fmt: skip
    """The page as HTML.

    Args:
        results: entries of `metrics.json`.
        data: rows of dataset, split, label, windows.
        flow: a row a stage: what came in, what came out, what was left out and why.
        notes: what a reader must know before the numbers.
        used: settings that models were trained with, after tuning.
        mended: what readers filled, cut or scaled, by kind.
        made: command, time, code and package versions.
    """
    template = files("vimu.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8")
    shown = [dict(r) | {"figure": confusion_svg(r["confusion"], r["classes"])} for r in results]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        name=name, results=shown, data=data, flow=flow, notes=notes, licences=licences, config=_yaml(config),
        used=_yaml(used), mended=mended, made=made,
        synthetic=any(r["synthetic"] for r in results),
    )  # fmt: skip


def _yaml(value: Mapping[str, Any]) -> str:
    text = io.StringIO()
    YAML().dump(dict(value), text)
    return text.getvalue()


def confusion_svg(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """A confusion matrix as inline SVG; a cell's shade is its share of the row's windows."""
    n = len(classes)
    size = 2.6 + 0.34 * n
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "vimu", "font.size": 8}):
        figure = Figure(figsize=(size, size), layout="constrained")
        axes = figure.subplots()
        totals = [max(1, sum(row)) for row in counts]
        shares = [[value / total for value in row] for row, total in zip(counts, totals, strict=True)]
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
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :]
