"""Figures that a paper prints, and ours beside them: `configs/published/*.yaml`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from vimu.evaluation.results import is_plain
from vimu.runtime.config import Section, find_yaml, validate
from vimu.runtime.yaml import read_yaml

Percent = Annotated[float, Field(ge=0, le=100)]


class Figures(Section):
    """Of one method."""

    accuracy_percent: Percent | None = None
    f1_percent: Percent | None = None
    accuracy_below_percent: Percent | None = None
    """Where only a bound is printed."""

    @model_validator(mode="after")
    def _some(self) -> "Figures":
        if (self.accuracy_percent is None) == (self.accuracy_below_percent is None):
            raise ValueError("must have `accuracy_percent` or `accuracy_below_percent`, and not both")
        return self


class PublishedExperiment(Section):
    """One block of the paper's table, and which of our results it is."""

    title: str
    dataset: str
    experiment: str
    confusion: bool = False
    """Whether the paper shows its confusion matrix: ours is then printed."""
    figures: Annotated[dict[str, Figures], Field(min_length=1)]
    """By method, the paper's own first."""


class PublishedTable(Section):
    """A paper's table."""

    name: str
    title: str
    source: str
    evidence: str
    experiments: Annotated[tuple[PublishedExperiment, ...], Field(min_length=1)]


def load_published(name: str) -> PublishedTable:
    """The table `name` of `configs/published/`, or the YAML file of that path. Raises UserError."""
    path = find_yaml("published", name)
    return validate(PublishedTable, read_yaml(path), where=str(path))


def beside(table: PublishedTable, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The paper's table with ours beside it, for `metrics.json`.

    Returns:
        `name`, `title`, `source`, `evidence`, and `rows`: `title` of the experiment, `confusion` (whether to show it),
        `method`, `paper` (its figures in percent, null where it prints none) and `ours` (a result of this run, null
        where there is none). A method of ours that the paper's block lacks has a row too.
    """
    rows = []
    for block in table.experiments:
        ours = {
            r["method"]: r
            for r in results
            if is_plain(r) and (r["dataset"], r["experiment"]) == (block.dataset, block.experiment)
        }
        for method in dict.fromkeys([*block.figures, *ours]):
            figures = block.figures.get(method)
            rows.append(
                {
                    "title": block.title,
                    "confusion": block.confusion and method == next(iter(block.figures)),
                    "method": method,
                    "paper": None if figures is None else figures.model_dump(mode="json"),
                    "ours": ours.get(method),
                }
            )
    return {"name": table.name, "title": table.title, "source": table.source, "evidence": table.evidence, "rows": rows}
