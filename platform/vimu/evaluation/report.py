"""The report: one self-contained HTML page, opened from disk."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from vimu.evaluation.figures import (
    Curve,
    by_stage,
    confusion_figure,
    label_efficiency_figure,
    learning_curves_figure,
    svg_of,
)
from vimu.evaluation.groups import EXPERIMENTS, Result, differences, grouped, is_leaky
from vimu.evaluation.pages import page_environment


@dataclass(frozen=True)
class Page:
    """What the page shows beside the results."""

    name: str
    curves: Sequence[Curve]
    data: Sequence[Mapping[str, Any]]
    """Rows of dataset, split, label, windows."""
    flow: Sequence[Mapping[str, Any]]
    """A row a stage: what came in, what came out, what was left out and why."""
    licences: Mapping[str, str]
    config: Mapping[str, Any]
    used: Mapping[str, Any]
    """Settings that models were trained with, after tuning."""
    mended: Mapping[str, int]
    """What readers filled, cut or scaled, by kind."""
    made: Mapping[str, Any]
    """Command, time, code and package versions."""


def render_report(metrics: Mapping[str, Any], page: Page) -> str:
    """The page as HTML.

    Args:
        metrics: what `metrics.json` holds: `results`, `notes` (what a reader must know before the numbers) and, where a
            paper's figures are asked for, `published`.
    """
    results: Sequence[Result] = metrics["results"]
    groups = grouped(results)
    detailed = groups.on_test_split + groups.crossval
    return page_environment().get_template("evaluation/report.html.j2").render(
        page=page, notes=metrics["notes"], published=metrics.get("published"), groups=groups, meaning=EXPERIMENTS,
        detailed=[(r, svg_of(confusion_figure(r["confusion"], r["classes"]))) for r in detailed],
        curves={stage: svg_of(learning_curves_figure(curves)) for stage, curves in by_stage(page.curves).items()},
        labels={name: (svg_of(label_efficiency_figure(rows)), rows) for name, rows in groups.labels.items()},
        ablations=differences(groups.ablations, results),
        leaky=any(is_leaky(r) for r in results),
        synthetic=any(r["synthetic"] for r in results),
        config=as_yaml(page.config), used=as_yaml(page.used),
    )  # fmt: skip


def as_yaml(value: Mapping[str, Any]) -> str:
    """Settings as a person would write them."""
    text = io.StringIO()
    YAML().dump(dict(value), text)
    return text.getvalue()
