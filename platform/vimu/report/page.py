"""The report of a run: one HTML file that holds all it needs, and its figures as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vimu.evaluation.aligned import SETTINGS
from vimu.evaluation.aligned_report import by_set
from vimu.evaluation.groups import EXPERIMENTS, differences, is_leaky
from vimu.evaluation.pages import page_environment
from vimu.evaluation.report import as_yaml
from vimu.report.confused import review_command, review_link
from vimu.report.data_card import SPLITS
from vimu.report.parts import calibration_part, data_of, mistakes_of, predictions_of, results_of, totals, training_of
from vimu.report.plot import Plot
from vimu.report.run import Run
from vimu.stages.evaluate_page import FLOWS, flow_of, licences_of

PAGE = "report.html"


@dataclass(frozen=True)
class Report:
    """The page, and the figures in it."""

    html: str
    plots: Sequence[Plot]


def report_of(run: Run) -> Report:
    """Read what the run published, draw, and write the page."""
    data, training, results = data_of(run), training_of(run), results_of(run)
    predictions = predictions_of(run)
    reliability, calibration = calibration_part(predictions)
    mistakes = mistakes_of(run, data, predictions)
    plots = [plot for plot in (data.flow, data.amounts) if plot is not None] + [*data.examples, *training]
    entries: Sequence[Mapping[str, Any]] = []
    if results is not None:
        entries = results.metrics["results"]
        plots += [*results.scores, *(plot for plot, _ in results.labels.values())]
        plots += [plot for _, plot in results.confusion]
    plots += [plot for plot in (reliability, *(m.plot for m in mistakes)) if plot is not None]
    html = page_environment("vimu.report").get_template("report/page.html.j2").render(
        run=run, data=data, training=training, results=results, calibration=calibration, reliability=reliability,
        mistakes=mistakes, totals=totals(data), splits=SPLITS, stages=_stages(run), licences=_licences(run),
        flows=[flow_of(run.stages[name]) for name in FLOWS if name in run.stages],
        mended=run.detail("prepare", "notes", {}), empty=run.detail("prepare", "empty_categories", []),
        meaning=EXPERIMENTS, settings_meaning=SETTINGS,
        sets=by_set(entries) if results is not None and results.of_words else {},
        ablations=[] if results is None else differences(results.groups.ablations, entries),
        tables={} if results is None else results.tables(), leaky=any(is_leaky(r) for r in entries),
        synthetic=_synthetic(run), review=_review(run), review_link=review_link, settings=_settings(run),
        made=_made(run),
    )  # fmt: skip
    return Report(html, plots)


def _review(run: Run) -> str:
    """The command that opens the clips; empty where there are none."""
    synthesized = run.get("synthesize")
    return "" if synthesized is None else review_command(str(synthesized.folder.parent))


def _stages(run: Run) -> list[dict[str, Any]]:
    """A row a stage, in the pipeline's order; those that are missing say so."""
    rows = []
    for name, published in run.stages.items():
        manifest = published.manifest
        counts = ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in manifest["counts"].items())
        rows.append(
            {
                "name": name, "missing": "", "finished": manifest["finished_at"].replace("T", " ").rstrip("Z"),
                "duration": _duration(manifest["duration_s"]), "counts": counts, "command": run.commands[name],
                "elsewhere": published.folder.parent != run.folder and str(published.folder),
            }
        )  # fmt: skip
    rows += [{"name": name, "missing": why, "command": run.commands[name]} for name, why in run.missing.items()]
    order = list(run.order)
    return sorted(rows, key=lambda row: order.index(row["name"]))


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _licences(run: Run) -> dict[str, str]:
    prepared, synthesized = run.get("prepare"), run.get("synthesize")
    if prepared is not None:
        return licences_of(prepared)
    return {} if synthesized is None else dict(synthesized.manifest["licences"])


def _synthetic(run: Run) -> bool:
    """Whether generated data take part."""
    of = run.detail("prepare", "synthetic", {})
    return any(of.values()) or bool(run.detail("synthesize", "synthetic", False))


def _settings(run: Run) -> dict[str, str]:
    """Stage -> all that its result depends on, as its manifest has it, as YAML."""
    return {name: as_yaml(published.manifest["identity"]) for name, published in run.stages.items()}


def _made(run: Run) -> list[dict[str, Any]]:
    """The code and the packages that made the stages, each once."""
    found: list[dict[str, Any]] = []
    for name, published in run.stages.items():
        code, packages = published.manifest["code"], published.manifest["packages"]
        same = next((f for f in found if (f["code"], f["packages"]) == (code, packages)), None)
        if same is None:
            found.append({"stages": [name], "code": code, "packages": packages})
        else:
            same["stages"].append(name)
    return found
