"""Ray Tune's three hooks into the record of a study: what to start, what to end early, and what came of it.

A module of its own, since Ray Tune pickles its searchers and callbacks by reference to one. It pickles them for its own
way of going on, which lags behind what has happened; the record does not, so they leave it out.
"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher

from vimu.runtime.console import console
from vimu.runtime.metrics import count
from vimu.tuning.candidate import Candidate, uncut_epochs
from vimu.tuning.record import AGE, SCORE, StudyRecord
from vimu.tuning.settings_study import SettingsStudy


class RecordedSearch(Searcher):  # type: ignore[misc]
    """Starts what the record hands out."""

    def __init__(self, record: StudyRecord) -> None:
        super().__init__(metric=SCORE, mode="max")
        self.record: StudyRecord | None = record

    def suggest(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002
        """Ray Tune's hook."""
        assert self.record is not None
        proposal = self.record.next()
        return {"number": proposal.number, "params": dict(proposal.params)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Ray Tune's hook; `Recorder` is told more."""

    def save(self, checkpoint_path: str) -> None:
        """Ray Tune's hook."""

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"record": None}


class Recorder(tune.Callback):  # type: ignore[misc]
    """Writes down every epoch and how each trial ended, and says so."""

    def __init__(self, record: StudyRecord, n_trials: int, n_epochs: int) -> None:
        self.record: StudyRecord | None = record
        self.n_trials, self.n_epochs = n_trials, n_epochs

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:  # noqa: ARG002
        """Ray Tune's hook."""
        assert self.record is not None
        self.record.report(trial.config["number"], result["epoch"], result[SCORE])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """Ray Tune's hook: the trial trained to its end, or was ended at a rung."""
        assert self.record is not None
        last = trial.last_result
        figures = {name: last[name] for name in ("epoch", SCORE, "windows_seen", "n_parameters")}
        if last["epoch"] == self.n_epochs:
            self.record.complete(trial.config["number"], figures)
            self._say(trial, f"{SCORE} {last[SCORE]:.3f}")
        else:
            self.record.prune(trial.config["number"], figures)
            self._say(trial, f"ended at epoch {last['epoch']}, {last[SCORE]:.3f}")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """Ray Tune's hook: the trial raised, or its process died."""
        assert self.record is not None
        path = Path(trial.error_file or "")  # on this machine; `get_error` looks where it is copied to, later
        error = sentence_of(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")
        self.record.fail(trial.config["number"], error)
        self._say(trial, f"failed: {error}")

    def _say(self, trial: Any, outcome: str) -> None:
        assert self.record is not None
        params = trial.config["params"]
        shown = "  ".join(
            f"{path.split('.')[-1]} {value:.3g}" if isinstance(value, float) else f"{path.split('.')[-1]} {value}"
            for path, value in params.items()
        )
        done = f"{self.record.n_ended}/{self.n_trials}"
        count("vimu_tasks_done", 1, unit="trials")
        console.print(f"  {done}  trial {trial.config['number']}  {outcome}  {shown}", markup=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"record": None}


def asha(record: StudyRecord, study: SettingsStudy, base: Candidate) -> ASHAScheduler:
    """Ray's ASHA with its rungs filled by the trials that ended: after a kill, cuts are as hard as before.

    One that was interrupted begins again and fills its rungs itself.
    """
    assert study.pruning is not None
    uncut = uncut_epochs(study, base)
    scheduler = ASHAScheduler(
        time_attr=AGE, metric=SCORE, mode="max", max_t=base.n_epochs - uncut,
        grace_period=study.pruning.grace_epochs, reduction_factor=study.pruning.reduction_factor,
    )  # fmt: skip
    for name, figures in record.rungs():
        ended = SimpleNamespace(trial_id=name)
        scheduler.on_trial_add(None, ended)
        for epoch, score in sorted(figures.items()):
            scheduler.on_trial_result(None, ended, {AGE: epoch - uncut, SCORE: score})
    return scheduler


ERROR_LINE = re.compile(r"^(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*: .+)$", re.MULTILINE)


def sentence_of(trace: str) -> str:
    """Kind and message of the error that a trace ends with; of a process that died, what Ray says of it."""
    found = ERROR_LINE.findall(trace)
    if found:
        return str(found[-1])[:500]
    lines = [line.strip() for line in trace.splitlines() if line.strip() and not line.startswith("Failure #")]
    return lines[0][:500] if lines else "no reason is known"
