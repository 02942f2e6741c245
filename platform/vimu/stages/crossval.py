"""The experiments on all people: every real subject and virtual clip tested, by models fitted without it."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vimu.runtime.console import console
from vimu.runtime.errors import UserError, listed
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.resources import Needs, granted
from vimu.runtime.session import ray_session
from vimu.runtime.storage import write_whole
from vimu.stages import prepare
from vimu.stages.ablations import Ablated, ablate, command_of
from vimu.stages.budget import budget_of, kind_of
from vimu.stages.config import Config
from vimu.stages.crossval_fits import run_fits
from vimu.stages.crossval_parts import Part, Parts
from vimu.stages.crossval_results import Tables, results_of
from vimu.stages.shards import write_shard
from vimu.stages.stage import Plan, Stage, clips_of, input_identity, upstream
from vimu.stages.styles import styles_of
from vimu.tuning.experiments import CrossvalSettings, effective
from vimu.tuning.fits import Fit
from vimu.tuning.folds import Folds, folds_by, require_every_class, style_of_each
from vimu.tuning.rows import PRETRAINING, REAL, SHARED, STYLES, VIRTUAL, Row, Rows, Variant, every_fit
from vimu.tuning.side import Side, side_of
from vimu.windows.schema import WindowSet, read_windows

NAME = "crossval"
PARTS = ".parts"


@dataclass(frozen=True)
class Work:
    """The tables, the fits that they are made of, and what these look at."""

    prepared: Published
    settings: CrossvalSettings
    tested: dict[str, Side]
    """`real` and `virtual`, without the classes that too few did."""
    sides: dict[str, Part]
    """All windows that fits look at, but those of ablations, by the names that fits use."""
    folds: dict[str, Folds]
    rows: list[Row]
    fits: list[Fit]
    ablated: list[Ablated]


def plan(config: Config) -> Plan[Work]:
    """Which models will be fitted, on which folds.

    Raises:
        UserError: no `crossval` section, no windows are published yet, too few people or classes, a class without a
            training window in a fold, a subject in two splits, no styles where these are to be held out, an ablation
            that is unknown or changes nothing.
    """
    if config.crossval is None:
        raise UserError("`crossval` must be a section of the configuration, but is missing.")
    settings, prepared = config.crossval, upstream(config, "prepare")
    details, windows = prepared.details, read_windows(prepared.files("windows/"))
    tested = _tested(windows, details, settings)
    style_of = styles_of(clips_of(config)) if STYLES in settings.virtual_splits else {}
    folds = _dealt(tested, style_of, settings)
    sides = {name: Part(side.windows, side.classes) for name, side in tested.items()}
    pretraining = windows.where(dataset=details["virtual_datasets"], split=("train", "val"))
    sides[PRETRAINING] = Part(pretraining, pretraining.classes)
    known = _known(tested[REAL].classes, pretraining.classes, settings)
    of_known = sides[REAL].windows
    sides[SHARED] = Part(of_known.take(np.flatnonzero(np.isin(of_known.label, list(known)))), tuple(known))
    ablated = ablate(config, settings.ablations)
    rows = _rows(config, settings, ablated, known, styles=bool(style_of))
    fits = every_fit(rows)
    return Plan(
        identity={
            "settings": settings.identity(),
            "pretrain": effective(config.pretrain),
            "finetune": effective(config.finetune),
            "evaluate": config.evaluate.model_dump(mode="json", exclude={"published"}),
            "ablations": {a.variant.name: _identity_of(a) for a in ablated},
            "styles": hashlib.sha256(json.dumps(style_of, sort_keys=True).encode()).hexdigest() if style_of else None,
            "inputs": input_identity(prepared),
        },
        counts={
            "subjects": tested[REAL].n_groups, "windows": len(tested[REAL].windows),
            "virtual_windows": len(tested[VIRTUAL].windows) if VIRTUAL in tested else 0, "folds": settings.n_folds,
            "rows": len(rows), "fits": len(fits),
        },
        tables={
            "fits": sorted(Counter(kind_of(fit) for fit in fits).items()),
            "classes left out (subjects or clips)": sorted(
                (c, n) for s in tested.values() for c, (n, _) in s.left_out.items()
            ),
        },
        work=Work(prepared, settings, tested, sides, folds, rows, fits, ablated),
    )  # fmt: skip


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Run the fits that are not done yet, pool their folds; write `metrics.json` and `predictions.parquet`."""
    assert plan.work is not None
    work, parts = plan.work, Parts(staging / PARTS)
    with ray_session(config.ray, config.resources):
        needs, n_workers = granted(config.resources, NAME)
        sides = work.sides | _windows_of(work.ablated)
        _say_budget(work, sides, parts, needs, n_workers)
        run_fits(work.fits, sides, work.folds, parts, needs)
    generated = any(work.prepared.details["synthetic"][name] for name in work.prepared.details["virtual_datasets"])
    tables = Tables(
        sides, work.folds, work.tested, parts, work.settings, config.evaluate.n_resamples, virtual_synthetic=generated
    )
    results, predictions, notes = results_of(tables, work.rows)
    write_whole(staging / "metrics.json", json.dumps({"results": results, "notes": notes}, indent=1))
    write_shard(staging / "predictions.parquet", predictions, dictionary=["experiment", "method", "truth", "apart"])
    return Outcome(
        counts={name: plan.counts[name] for name in ("rows", "fits", "windows", "subjects")},
        content_hash=content_hash(
            (f"{i}:{r['experiment']}:{r['method']}", json.dumps(r["by_seed"], sort_keys=True))
            for i, r in enumerate(results)
        ),
        licences=work.prepared.manifest["licences"],
        details={"notes": notes},
    )


STAGE = Stage(NAME, plan, build)


def _tested(windows: WindowSet, details: Mapping[str, Any], settings: CrossvalSettings) -> dict[str, Side]:
    real, virtual = details["real_dataset"], details["virtual_datasets"]
    own = windows.where(dataset=virtual)
    own = own.take(np.flatnonzero(own.speed == 1))  # copies are of training clips only
    synthetic = any(details["synthetic"][name] for name in virtual)
    recorded, invented = windows.where(dataset=real), details["synthetic"][real]
    tested = {REAL: side_of(real, recorded, settings, synthetic=invented, groups="subjects")}
    if settings.virtual_splits:
        groups = details["groups"]["virtual"]
        tested[VIRTUAL] = side_of("+".join(virtual), own, settings, synthetic=synthetic, groups=groups)
    return tested


def _dealt(tested: Mapping[str, Side], style_of: Mapping[str, str], settings: CrossvalSettings) -> dict[str, Folds]:
    """Folds by the names that fits use, each fold with every class to train on."""
    wanted = [(REAL, REAL)] + [(VIRTUAL, VIRTUAL)] * ("groups" in settings.virtual_splits)
    folds = {}
    for name, of in (*wanted, *([(STYLES, VIRTUAL)] * bool(style_of))):
        side = tested[of]
        groups = style_of_each(side.windows, style_of) if name == STYLES else side.windows.subject.tolist()
        folds[name] = folds_by(
            side.windows, groups, STYLES if name == STYLES else side.groups, n_folds=settings.n_folds,
            seed=settings.fold_seed, dataset=side.dataset,
        )  # fmt: skip
        searches = of == REAL and settings.tune_trials > 0  # whose judges never train, whatever the fit after it does
        validation = "fold" if searches else settings.validation
        require_every_class(side.windows, folds[name], validation, dataset=side.dataset)
    return folds


def _known(real: Sequence[str], virtual: Sequence[str], settings: CrossvalSettings) -> dict[str, list[str]]:
    """Real class -> its names among the virtual ones; classes that have none are left out."""
    names = {name for alike in settings.known_as.values() for name in alike}
    if (unknown := set(settings.known_as) - set(real)) or (unknown := names - set(virtual)):
        raise UserError(
            f"`crossval.known_as` must map real classes ({listed(real, 30)}) to virtual ones ({listed(virtual, 30)}), "
            f"unlike {listed(unknown)}."
        )
    alike = {c: list(settings.known_as.get(c, [c] if c in virtual else [])) for c in real}
    of_name: dict[str, str] = {}
    for real_class, virtual_names in alike.items():
        for name in virtual_names:
            if (other := of_name.setdefault(name, real_class)) != real_class:
                raise UserError(
                    f"`crossval.known_as` must give `{name}` to one class, but {other} and {real_class} have it."
                )
    return {c: names for c, names in alike.items() if names}


def _rows(
    config: Config,
    settings: CrossvalSettings,
    ablated: list[Ablated],
    known: Mapping[str, Sequence[str]],
    *,
    styles: bool,
) -> list[Row]:
    make = Rows(settings, Variant("", config.pretrain, config.finetune), config.evaluate.n_trees)
    method = config.pretrain.model.kind
    variants = [one.variant for one in ablated]
    rows = [*make.table(known=known, styles=styles), *make.curve(method)]
    for variant in variants:
        if len(list(make.ablation(method, [variant]))) == 2:  # the whole method's rows only
            raise UserError(
                f"`crossval.ablations`: `{variant.name}` must change what {method} is trained with, but "
                f"`crossval.settings.{method}` says otherwise."
            )
    return [*rows, *make.ablation(method, variants)]


def _windows_of(ablated: list[Ablated]) -> dict[str, Part]:
    """What networks are pre-trained on where an ablation changes it: published below the run, or found there."""
    sides = {}
    for one in ablated:
        if one.prepare is None:
            continue
        published = prepare.STAGE.run(one.config, one.prepare, command_of(one.config))
        windows = read_windows(published.files("windows/"))
        windows = windows.where(dataset=published.details["virtual_datasets"], split=("train", "val"))
        sides[one.variant.pretraining] = Part(windows, windows.classes)
    return sides


def _without_place(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Of a `prepare`: by what its clips hold, not where they lie."""
    return {**identity, "settings": {k: v for k, v in identity["settings"].items() if k != "clips"}}


def _identity_of(one: Ablated) -> dict[str, Any]:
    changed = one.variant
    return {
        "pretrain": effective(changed.pretrain),
        "finetune": effective(changed.finetune),
        "prepare": None if one.prepare is None else _without_place(one.prepare.identity),
    }


def _say_budget(work: Work, sides: Mapping[str, Part], parts: Parts, needs: Needs, n_workers: int) -> None:
    """Fits x cost, before they start."""
    costs = budget_of(work.fits, sides, work.folds, parts, needs=needs)
    console.print("  to fit                       fits  done  CPU minutes", markup=False)
    for cost in costs:
        console.print(f"  {cost.name:<28}{cost.fits:>5}{cost.done:>6}{cost.cpu_minutes:>13.1f}", markup=False)
    total = sum(cost.cpu_minutes for cost in costs)
    console.print(
        f"  {total:.1f} CPU minutes at most, {total / n_workers:.1f} minutes of {n_workers} at a time", markup=False
    )
