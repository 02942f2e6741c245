"""The report of a study: Optuna's own plots as files, and one self-contained page with them and every trial."""

import base64
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import optuna
from jinja2 import Environment
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState

from vimu.runtime.storage import write_whole
from vimu.tuning.record import SCORE

LAMBDA = "pretrain.penalty_weight"
FEWEST = 4
"""Trials for importances: of fewer, Optuna draws a share of nothing."""
SCORE_NAME = "macro-F1 of the validation people"


class Plot(NamedTuple):
    """One of Optuna's."""

    name: str
    caption: str
    draw: Callable[[], Axes | np.ndarray[Any, Any]]


def write_report(
    folder: Path, study: optuna.Study, trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any], *, name: str,
    datasets: Sequence[str], synthetic: Sequence[str],
) -> None:  # fmt: skip
    """Write `report.html` and `plots/*.png`.

    Args:
        trials: what the record says of each.
        best: the winner's.
        datasets: pre-trained on and fine-tuned on; `synthetic`: those of them that are generated.
    """
    shown, missing = [], []
    for plot in _plots(study):
        try:
            png = _png(plot.draw)
        except (ValueError, RuntimeError) as error:  # too few trials that ran to their end, or all alike
            missing.append({"name": plot.name, "why": str(error)})
            continue
        write_whole(folder / "plots" / f"{plot.name}.png", png)
        shown.append({"name": plot.name, "caption": plot.caption, "data": base64.b64encode(png).decode()})
    template = files("vimu.tuning").joinpath("study_report.html.j2").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    states = [trial["state"] for trial in trials]
    write_whole(
        folder / "report.html",
        page.render(
            name=name, datasets=datasets, synthetic=synthetic, trials=trials, best=best, score=SCORE,
            plots=shown, missing=missing,
            counts={state: states.count(state) for state in ("complete", "pruned", "failed")},
            front=[t.number for t in study.best_trials] if len(study.directions) > 1 else [],
            paths=list(dict.fromkeys(path for trial in trials for path in trial["params"])),
            epochs=sum(trial["epochs"] for trial in trials),
        ),
    )  # fmt: skip


def _plots(study: optuna.Study) -> Iterator[Plot]:
    from optuna.visualization import matplotlib as plots

    done = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    searched = list(dict.fromkeys(path for t in done for path in t.params))
    several = len(study.directions) > 1
    first: dict[str, Any] = {"target_name": SCORE_NAME} | ({"target": _macro_f1} if several else {})
    yield Plot(
        "history", "Score of each trial, and the best so far.", lambda: plots.plot_optimization_history(study, **first)
    )
    yield Plot(
        "importances", "fANOVA's share of each parameter in the score's variance, of trials that ran to their end. "
        "Parameters that only exist under others' values are left out. Few trials make it unsure.",
        lambda: plots.plot_param_importances(_enough(study, done), **first),
    )  # fmt: skip
    if LAMBDA in searched:
        yield Plot(
            "slice_lambda",
            "Score over lambda, the penalty's weight.",
            lambda: plots.plot_slice(study, [LAMBDA], **first),
        )
    yield Plot("slice", "Score over each parameter.", lambda: plots.plot_slice(study, searched, **first))
    if several:
        yield Plot(
            "pareto", "Macro-F1 against the number of parameters: no other trial is better in both.",
            lambda: plots.plot_pareto_front(study, target_names=[SCORE_NAME, "parameters"]),
        )  # fmt: skip
    else:
        yield Plot(
            "curves", "Figure after each epoch: the probe's in pre-training, then the best epoch's of fine-tuning. A "
            "curve that ends early was cut at a rung.",
            lambda: plots.plot_intermediate_values(study),
        )  # fmt: skip


def _enough(study: optuna.Study, done: Sequence[FrozenTrial]) -> optuna.Study:
    """The study. Raises ValueError: too few trials to say what mattered."""
    if len(done) < FEWEST:
        raise ValueError(f"{len(done)} trials ran to their end, and {FEWEST} are needed")
    return study


def _macro_f1(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _png(draw: Callable[[], Axes | np.ndarray[Any, Any]]) -> bytes:
    """A plot as PNG. Optuna draws on pyplot's own figures, of which none is left behind.

    Raises:
        ValueError, RuntimeError: there is nothing to draw.
    """
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    with warnings.catch_warnings(), mpl.rc_context({"font.size": 9}):
        warnings.simplefilter("ignore")  # "experimental", "tight layout": nothing a person here can do
        try:
            drawn = draw()
            axes = drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn
            figure = axes.figure
            assert isinstance(figure, Figure)
            if not any(ax.has_data() for ax in figure.axes):
                raise ValueError("there is nothing to draw")
            if (legend := axes.get_legend()) is not None and len(legend.get_texts()) > 12:
                legend.remove()  # one entry a trial
            out = io.BytesIO()
            figure.savefig(out, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
        finally:
            plt.close("all")
    return out.getvalue()
