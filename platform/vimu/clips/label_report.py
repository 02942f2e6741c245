"""What label rules make of the published AMASS paths: how many takes each rule gets, with examples.

    python -m vimu.clips.label_report --labels daily12 --data $VIMU_DATA --out docs/labels-report.md

The report holds paths and counts, no annotation: those are not ours to publish.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from vimu.archives.take import words_of
from vimu.clips.annotations import Annotations, described, load_annotations
from vimu.clips.labels import LabelRules, label_take, load_label_rules
from vimu.contracts import Reason, Rejection, Take
from vimu.runtime.errors import UserError
from vimu.runtime.exit_codes import exit_codes

N_EXAMPLES = 20
SEED = 20200301874
"""Of the examples. arXiv 2003.01874."""

PATHS = "labels/humanml3d/index.csv"
TEXTS = ("labels/kitml/annotations.json", "labels/cmu_index_partial/cmu_index_subjects_01-17.partial.txt")

NO_RULE = "no rule"
Outcomes = Mapping[str, Sequence[str]]
"""A category, a removal rule or `NO_RULE` -> paths."""


def amass_paths(index: Path) -> list[str]:
    """Paths of AMASS takes in HumanML3D's `index.csv`, each once, sorted; its HumanAct12 rows are no AMASS.

    Raises:
        UserError: the file is missing or has no column `source_path`.
    """
    try:
        with index.open(encoding="utf-8", newline="") as lines:
            sources = {PurePosixPath(row["source_path"]) for row in csv.DictReader(lines)}
    except (OSError, KeyError) as error:
        raise UserError(f"`{index}` must be HumanML3D's index.csv, but cannot be read as such: {error!r}.") from error
    inside = (source.relative_to("pose_data").with_suffix("") for source in sources)
    return sorted(path.as_posix() for path in inside if path.parts[0] != "humanact12")


def outcomes(paths: Sequence[str], rules: LabelRules, annotations: Annotations) -> Outcomes:
    """What `rules` say of each path; every path is in exactly one outcome."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        # `annotations` takes a file's path: the suffix keeps a dot in the take's name from being read as one
        take = described(Take("amass", None, path, words_of(path)), annotations.of(PurePosixPath(f"{path}.npz")))
        try:
            found[label_take(take, rules).name].append(path)
        except Rejection as rejection:
            found[rejection.detail if rejection.reason == Reason.REMOVED_BY_RULE else NO_RULE].append(path)
    return found


def report(labels: str, data: Path) -> str:
    """The report as Markdown. Raises UserError."""
    rules = load_label_rules(labels)
    paths = amass_paths(data / PATHS)
    annotations = load_annotations([data / text for text in TEXTS])
    annotated = sum(bool(annotations.of(PurePosixPath(f"{path}.npz"))) for path in paths)
    by_path, by_both = outcomes(paths, rules, Annotations({})), outcomes(paths, rules, annotations)
    removals = [rule.name for rule in rules.rules if rule.remove]
    names = [*rules.categories, *removals, NO_RULE]
    lines = [
        f"# `{labels}` on the published AMASS paths",
        "",
        f"Of {len(paths):,} AMASS takes in HumanML3D's index, {annotated:,} have a sentence: KIT-ML's, or CMU's index",
        "of subjects 1 to 17. *Path* is what the rules say of the path alone; *both* where sentences vote first.",
        "Made by `python -m vimu.clips.label_report`.",
        "",
        "| outcome | path | both |",
        "|---|---:|---:|",
        *(f"| {name} | {len(by_path.get(name, ())):,} | {len(by_both.get(name, ())):,} |" for name in names),
        *(f"| **{title}** | {_total(by_path, some):,} | {_total(by_both, some):,} |"
          for title, some in (("labelled", rules.categories), ("removed", removals), ("all", names))),
        "",
        f"## Examples of *both*: up to {N_EXAMPLES} takes each, drawn at random",
    ]  # fmt: skip
    rng = random.Random(SEED)  # noqa: S311 (no secret)  # nosec B311
    for name in names:
        some = by_both.get(name, ())
        drawn = sorted(rng.sample(some, min(N_EXAMPLES, len(some))))
        lines += ["", f"### {name}: {len(some):,}", "", *([f"- `{path}`" for path in drawn] or ["None."])]
    return "\n".join(lines) + "\n"


def _total(found: Outcomes, names: Sequence[str]) -> int:
    return sum(len(found.get(name, ())) for name in names)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the real data, as $VIMU_DATA: holds labels/.")],
    out: Annotated[Path, typer.Option(help="The Markdown file to write.")],
    labels: Annotated[str, typer.Option(help="Name in configs/labels/, or a YAML path.")] = "daily12",
) -> None:
    """Count what label rules make of the published AMASS paths."""
    with exit_codes():
        text = report(labels, data)
    out.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
