"""What the fits will cost, said before they start: windows x epochs, times the measured seconds of one."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vimu.runtime.futures import as_they_end
from vimu.runtime.resources import ONE_CPU, Needs
from vimu.stages.crossval_parts import Part, Parts
from vimu.tuning.fits import Fit, run_fit
from vimu.tuning.folds import Folds

Probe = Callable[[Sequence[Fit], Mapping[str, Part], Mapping[str, Folds]], dict[str, float]]
"""Fits, windows and folds -> CPU seconds a unit of each method."""
HERE = 0.2
"""Share of the trials that a short fit without Ray takes."""


@dataclass(frozen=True)
class Cost:
    """Of the fits of one kind."""

    name: str
    fits: int
    done: int
    cpu_minutes: float
    """Of those that are not done. Where none of the kind is done yet: at most, for a network may stop early."""


def kind_of(fit: Fit) -> str:
    """`scratch penalty_cnn`."""
    return f"{fit.kind} {fit.method}"


def units_of(fit: Fit, sides: Mapping[str, Part], folds: Mapping[str, Folds]) -> float:
    """How much a fit is: windows trained on x epochs; of a forest, windows x trees; without training, windows."""
    given = fit.given
    windows = sides[fit.windows].windows
    if fit.kind == "not_finetuned":
        return float(len(windows))
    if fit.kind == "pretrain":
        return float(len(windows.where(split="train")) * given["settings"]["epochs"])
    tested = folds[fit.folds]
    validates = fit.kind == "tune" or (fit.validation == "fold" and fit.kind != "forest")
    train = ~np.isin(tested.fold, [fit.fold, (fit.fold + 1) % tested.n] if validates else [fit.fold])
    n = float(train.sum()) * fit.share * float(given.get("trials", 1))
    settings = given["settings"]
    if fit.method == "random_forest":
        return n * float((1 + settings["copies"]) * settings["n_trees"])
    return n * float(settings["epochs"])


def budget_of(
    fits: Sequence[Fit], sides: Mapping[str, Part], folds: Mapping[str, Folds], parts: Parts | None, *,
    probe: Probe | None = None, needs: Needs = ONE_CPU,
) -> list[Cost]:  # fmt: skip
    """The cost of each kind of fit, by those of it that are done, else by a short one of its method.

    Args:
        probe: runs the short ones; None: on Ray, which must be up.
        needs: of each of those.
    """
    spent = {} if parts is None else parts.costs(fits)
    cpu_s, units = defaultdict[str, float](float), defaultdict[str, float](float)
    for fit, cost in spent.items():
        for name in (kind_of(fit), fit.method):
            cpu_s[name] += cost["cpu_s"]
            units[name] += cost["units"]
    rates = {name: cpu_s[name] / units[name] for name in cpu_s if units[name]}
    todo = [fit for fit in fits if fit not in spent]
    rates |= (probe or partial(_probed, needs))([fit for fit in todo if fit.method not in rates], sides, folds)
    costs = []
    for kind in dict.fromkeys(kind_of(fit) for fit in fits):
        of_kind = [fit for fit in fits if kind_of(fit) == kind]
        left = [fit for fit in of_kind if fit not in spent]
        rate = rates.get(kind, rates.get(of_kind[0].method, 0.0))
        minutes = rate * sum(units_of(fit, sides, folds) for fit in left) / 60
        costs.append(Cost(kind, len(of_kind), len(of_kind) - len(left), minutes))
    return costs


def probed_here(fits: Sequence[Fit], sides: Mapping[str, Part], folds: Mapping[str, Folds]) -> dict[str, float]:
    """As `_probed`, without Ray and on a part of the windows: for a plan, which nobody wants to wait for."""
    rates = {}
    for fit in _short_ones([fit for fit in fits if fit.folds], share=HERE):
        side = sides[fit.windows]
        done = run_fit(fit, side.windows, side.classes, folds[fit.folds])
        rates[fit.method] = done.cpu_s / units_of(fit, sides, folds)
    return rates


def _probed(
    needs: Needs, fits: Sequence[Fit], sides: Mapping[str, Part], folds: Mapping[str, Folds]
) -> dict[str, float]:
    """CPU seconds a unit of each method."""
    import ray

    task = ray.remote(**needs.options)(run_fit)
    running = {}
    for fit in _short_ones(fits):
        side = sides[fit.windows]
        done = task.remote(fit, side.windows, side.classes, folds.get(fit.folds))
        running[fit.method] = (done, units_of(fit, sides, folds))
    for done in as_they_end([done for done, _ in running.values()]):
        ray.get(done)  # one that failed is known at once
    return {method: ray.get(done).cpu_s / units for method, (done, units) in running.items() if units}


def _short_ones(fits: Sequence[Fit], share: float = 1.0) -> list[Fit]:
    """Of each method one epoch, or ten trees, of a fit that waits for no other."""
    found: dict[str, Fit] = {}
    for fit in fits:
        if fit.needs or fit.kind == "tune" or fit.method in found:
            continue
        given = fit.given
        given["settings"] |= {"n_trees": 10} if fit.method == "random_forest" else {"epochs": 1}
        found[fit.method] = replace(fit, settings=json.dumps(given, sort_keys=True), share=min(share, fit.share))
    return list(found.values())
