"""Fits as Ray tasks, each as soon as those are done that it needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from vimu.runtime.console import console
from vimu.runtime.errors import listed
from vimu.runtime.futures import as_they_end
from vimu.runtime.progress import tracked
from vimu.runtime.resources import Needs
from vimu.stages.budget import units_of
from vimu.stages.crossval_parts import Part, Parts
from vimu.tuning.fits import Fit, run_fit
from vimu.tuning.folds import Folds
from vimu.windows.schema import WindowSet


def run_fits(
    fits: Sequence[Fit], sides: Mapping[str, Part], folds: Mapping[str, Folds], parts: Parts, needs: Needs
) -> None:
    """Run the fits that are not done, each as soon as those are done that it needs. Ray must be up.

    Args:
        fits: every fit after those that it needs.
        needs: of each fit.
    """
    import ray

    todo = [fit for fit in fits if not parts.has(fit)]
    if not todo:
        return
    if damaged := [fit.name for fit in todo if parts.is_damaged(fit)]:
        console.print(f"  damaged since, fitted again: {listed(damaged)}", markup=False)
    store = {name: ray.put(sides[name].windows) for name in sorted({fit.windows for fit in todo})}
    task = ray.remote(**needs.options, max_retries=3, num_returns=2)(_fitted)
    content: dict[Fit, Any] = {}
    waiting: dict[Any, Fit] = {}
    for fit in _quick_first(todo):
        for need in fit.needs:
            if need not in content:
                content[need] = ray.put(parts.result(need).read_bytes())
        content[fit], cpu_s = task.remote(
            fit, store[fit.windows], sides[fit.windows].classes, folds.get(fit.folds),
            *(content[need] for need in fit.needs),
        )  # fmt: skip
        waiting[cpu_s] = fit
    needed = {need for fit in todo for need in fit.needs}
    for ended in tracked(as_they_end(list(waiting)), "fits", total=len(waiting)):
        fit = waiting.pop(ended)
        parts.put(fit, ray.get(content[fit]), ray.get(ended), units_of(fit, sides, folds))
        if fit not in needed:
            del content[fit]


def _fitted(
    fit: Fit, windows: WindowSet, classes: tuple[str, ...], folds: Folds | None, *needed: bytes
) -> tuple[bytes, float]:
    """One fit, in a worker."""
    done = run_fit(fit, windows, classes, folds, *needed)
    return done.content, done.cpu_s


def _quick_first(fits: Sequence[Fit]) -> list[Fit]:
    """What others wait for before them; forests before networks: what is wrong shows early."""

    def turn(fit: Fit) -> tuple[int, bool, bool]:
        depth = max((turn(need)[0] + 1 for need in fit.needs), default=0)
        return depth, fit.kind != "pretrain" and fit.method != "random_forest", fit.method == "deepconvlstm"

    return sorted(fits, key=turn)
