"""A study of placements: every method, set of sensors and seed is a Ray task over the same windows."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vimu.evaluation.placements import best_single_sentence, compare_sensors, set_name, table_csv, write_figure
from vimu.evaluation.results import Experiment
from vimu.runtime.config import load_config
from vimu.runtime.console import console
from vimu.runtime.futures import as_they_end
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.progress import tracked
from vimu.runtime.published import Published
from vimu.runtime.resources import granted
from vimu.runtime.safe_load import load_npz
from vimu.runtime.session import ray_session
from vimu.runtime.storage import write_whole
from vimu.stages import prepare, synthesize
from vimu.stages.config import Config
from vimu.stages.job import announce, conclude
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.tuning.crossval import run_trial
from vimu.tuning.side import Side, cautions, side_of
from vimu.tuning.study import PlacementStudy, Sensors, Trial
from vimu.windows.schema import WindowSet, read_windows

NAME = "study"
PARTS = ".parts"
KEY = "probabilities"


@dataclass(frozen=True)
class Work:
    """The tasks, by experiment and method, and their windows."""

    prepared: Published
    sets: dict[tuple[str, str], list[Sensors]]
    sides: dict[str, Side]
    """Experiment -> what it is tested on."""
    virtual: WindowSet
    """What fine-tuned networks start from."""


def stage_of(study: PlacementStudy) -> Stage[Work]:
    """The stage that carries out one study; it publishes to `runs/NAME/study`."""
    return Stage(NAME, partial(plan, study=study), partial(build, study=study))


def run_study(study: PlacementStudy, study_path: str, dry_run: bool) -> None:
    """Make the windows unless they are there, carry out the study, show its table."""
    config = load_config(Config, study.base, study.overrides)
    first: list[Stage[Any]] = [synthesize.STAGE] if config.preparation.clips is None else []
    stages = [(stage, config.given) for stage in (*first, prepare.STAGE)]
    stages.append((stage_of(study), study_path))
    if dry_run:
        for stage, _ in stages:
            console.print(f"  {stage.state(config, announce(stage, config))}", markup=False)
            if not (config.run_dir / stage.name).is_dir():
                break
        return
    with ray_session(config.ray, config.resources):
        for stage, path in stages:
            published = stage.run(config, announce(stage, config), path)
            conclude(published)
    show(published)


def plan(config: Config, *, study: PlacementStudy) -> Plan[Work]:
    """Which sets of sensors are compared on which windows.

    Raises:
        UserError: no windows are published yet, a sensor is not in them, or too few people or classes are left.
    """
    prepared = upstream(config, "prepare")
    windows, details = read_windows(prepared.files("windows/")), prepared.details
    sets: dict[tuple[str, str], list[Sensors]] = {
        (m.experiment, m.method): m.sets_of(windows.sensors) for m in study.methods
    }
    virtual = windows.where(dataset=details["virtual_datasets"])
    of = {"virtual": ("+".join(details["virtual_datasets"]), virtual, details["groups"]["virtual"])}
    real = details["real_dataset"]
    of["scratch"] = of["finetuned"] = (real, windows.where(dataset=real), details["groups"]["real"])
    synthetic = {"scratch": details["synthetic"][real]}
    synthetic["virtual"] = any(details["synthetic"][name] for name in details["virtual_datasets"])
    synthetic["finetuned"] = any(synthetic.values())
    sides = {}
    for experiment, _ in sets:
        name, tested, groups = of[experiment]
        sides[experiment] = side_of(name, tested, study, synthetic=synthetic[experiment], groups=groups)
    return Plan(
        identity={
            "settings": study.model_dump(mode="json", exclude={"base", "overrides"}) | _used(config, sets),
            "inputs": input_identity(prepared),
        },
        counts={
            "windows": sum(len(s.windows) for s in {s.dataset: s for s in sides.values()}.values()),
            "sensors": len(windows.sensors),
            "tasks": sum(len(s) for s in sets.values()) * len(study.seeds),
            "models": sum(len(s) for s in sets.values()) * len(study.seeds) * study.n_folds,
        },
        tables={
            "sets of sensors": [(f"{e} {m}", len(s)) for (e, m), s in sets.items()],
            "classes left out (subjects)": sorted({(n, p) for s in sides.values() for n, (p, _) in s.left_out.items()}),
        },
        work=Work(prepared, sets, sides, virtual),
    )


def build(config: Config, plan: Plan[Work], staging: Path, *, study: PlacementStudy) -> Outcome:
    """Run the tasks that are not done yet; write `metrics.json`, `table.csv` and `placements.png`."""
    assert plan.work is not None
    work = plan.work
    parts = staging / PARTS
    parts.mkdir(exist_ok=True)
    trials = [Trial(*pair, s, seed) for pair, sets in work.sets.items() for s in sets for seed in study.seeds]
    todo = [trial for trial in trials if not (parts / trial.file).is_file()]
    todo.sort(key=lambda trial: trial.method != "random_forest")  # quick ones first: what is wrong shows early
    with ray_session(config.ray, config.resources):
        import ray

        windows = {e: ray.put(side.windows) for e, side in work.sides.items()}
        virtual = ray.put(work.virtual)
        needs, _ = granted(config.resources, NAME)
        task = ray.remote(**needs.options, max_retries=3)(_run)
        running = [
            task.remote(
                str((parts / t.file).resolve()), t, windows[t.experiment],
                virtual if t.experiment == "finetuned" else None, work.sides[t.experiment].classes, study.n_folds,
                config,
            )
            for t in todo
        ]  # fmt: skip
        for future in tracked(as_they_end(running), "tasks", total=len(running)):
            ray.get(future)
    done = {trial: load_npz(parts / trial.file, [KEY])[KEY] for trial in trials}
    rows, notes = _results(work, study, done, config.evaluate.n_resamples)
    write_whole(staging / "metrics.json", json.dumps({"results": rows, "notes": notes}, indent=1))
    write_whole(staging / "table.csv", table_csv(rows))
    write_figure(staging / "placements.png", rows)
    for path in parts.iterdir():
        path.unlink()
    parts.rmdir()
    return Outcome(
        counts={"results": len(rows), "models": plan.counts["models"], "windows": plan.counts["windows"]},
        content_hash=content_hash(
            (":".join([r["experiment"], r["method"], *r["sensors"]]), json.dumps(r["by_seed"], sort_keys=True))
            for r in rows
        ),
        licences=work.prepared.manifest["licences"],
        details={"synthetic": any(r["synthetic"] for r in rows), "notes": notes},
    )


def show(published: Published) -> None:
    """Print the table of a published study and what it says."""
    metrics = json.loads((published.folder / "metrics.json").read_text(encoding="utf-8"))
    rows = metrics["results"]
    every = max((r["sensors"] for r in rows), key=len)
    for what in dict.fromkeys((r["dataset"] + " (synthetic)" * r["synthetic"], *_of(r)) for r in rows):
        # lines and no rich table: its columns would be cut where output is no terminal
        console.print(f"\n{'  '.join(what):<30} macro-F1  95 %            against all  95 %", markup=False)
        for r in (r for r in rows if _of(r) == what[1:]):
            line = f"{set_name(r['sensors'], every):<30} {r['macro_f1']:.3f}     {_span(r['macro_f1_ci95'], '.3f'):<16}"
            if r["sensors"] != every:
                line += f"{r['difference_to_all']:+.3f}       {_span(r['difference_ci95'], '+.3f')}"
            console.print(line.rstrip(), markup=False)
    console.print()
    for sentence in metrics["notes"]:
        console.print(f"  {sentence}", markup=False)
    console.print(f"table: {(published.folder / 'table.csv').resolve()}", markup=False)


def _run(
    path: str, trial: Trial, windows: WindowSet, virtual: WindowSet | None, classes: tuple[str, ...], n_folds: int,
    config: Config,
) -> None:  # fmt: skip
    """One task, in a worker; its file appears when it is whole."""
    probabilities = run_trial(
        trial, windows, virtual, classes, n_folds=n_folds, n_trees=config.evaluate.n_trees, pretrain=config.pretrain,
        finetune=config.finetune,
    )  # fmt: skip
    partial_path = Path(path + ".partial")
    with partial_path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **{KEY: probabilities})
    partial_path.rename(path)


def _results(
    work: Work, study: PlacementStudy, done: dict[Trial, Float[np.ndarray, "n N"]], n_resamples: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """The table's rows and the sentences beside it."""
    rows, notes = [], []
    for (experiment, method), sets in work.sets.items():
        side = work.sides[experiment]
        what = Experiment(side.dataset, experiment, method, side.synthetic)
        by_sensors = {s: {seed: done[Trial(experiment, method, s, seed)] for seed in study.seeds} for s in sets}
        split = f"{study.n_folds} folds dealt by each seed: each of {side.n_groups} {side.groups} tested once a seed"
        new = compare_sensors(what, side.windows, side.classes, by_sensors, split=split, n_resamples=n_resamples)
        scores = {tuple(row["sensors"]): row["macro_f1"] for row in new}
        sentence = best_single_sentence(what, side.windows, side.classes, by_sensors, scores, n_resamples=n_resamples)
        rows += new
        notes += [sentence] if sentence else []
    most_rows = max(len(sets) for sets in work.sets.values())
    return rows, notes + cautions(list(work.sides.values()), study, most_rows=most_rows)


def _used(config: Config, sets: dict[tuple[str, str], list[Sensors]]) -> dict[str, Any]:
    """The sections of the run's configuration that these methods look at."""
    used = {"evaluate": config.evaluate.model_dump(mode="json")}
    if any(method != "random_forest" for _, method in sets):
        used["pretrain"] = config.pretrain.model_dump(mode="json")
    if any(experiment == "finetuned" for experiment, _ in sets):
        used["finetune"] = config.finetune.model_dump(mode="json", exclude={"seeds"})
    return used


def _of(row: dict[str, Any]) -> tuple[str, str]:
    return row["experiment"], row["method"]


def _span(interval: list[float] | None, form: str) -> str:
    return "" if interval is None else " to ".join(format(value, form) for value in interval)
