"""The record of a study: an Optuna study in a SQLite file, written before anything acts on it.

Whatever is killed, and when: a trial that was proposed is in the file with its number and its parameters, one that
ended with its result. Opened again, trials that were running are handed out again, under their numbers, before new ones
are proposed; those that ended are never run again.
"""

import sqlite3
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import JsonValue

from vimu.runtime.errors import UserError
from vimu.tuning.candidate import Candidate, suggested_params
from vimu.tuning.settings_study import SettingsStudy

SCORE = "val_macro_f1"
AGE = "epochs_that_count"
"""Epochs of a trial since rungs began to count; 0 or less before."""
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class Proposal:
    """A trial to run."""

    number: int
    params: Mapping[str, JsonValue]


class StudyRecord:
    """The study, and the only way to write to it."""

    def __init__(self, path: Path, study: SettingsStudy, base: Candidate, *, seed: int) -> None:
        """Open the record at `path`, or begin one.

        Raises:
            UserError: the file is there and cannot be read.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._base, self._seed = study, base, seed
        try:
            connect = partial(sqlite3.connect, path, timeout=60, check_same_thread=False)  # a URL cannot say every path
            self._storage = optuna.storages.RDBStorage("sqlite:///study", engine_kwargs={"creator": connect})
            self.study = optuna.create_study(
                storage=self._storage, study_name="tune", load_if_exists=True,
                directions=["maximize" if o == "macro_f1" else "minimize" for o in study.objectives],
            )  # fmt: skip
            self._running = {t.number: self._trial(t) for t in self._frozen(TrialState.RUNNING)}
        except Exception as error:  # damage shows as any error of SQLAlchemy, alembic or Optuna
            raise UserError(
                f"`{path}` must be the record of a study, but cannot be read: {error}. Delete it."
            ) from error
        self._interrupted = sorted(self._running)

    @property
    def n_ended(self) -> int:
        """Trials that are not to be run again."""
        return len(self._frozen(*STATES))

    def next(self) -> Proposal:
        """The trial to start now: one that was interrupted, else one that TPE proposes.

        What is proposed depends on the seed, the trial's number and the trials before it: not on how often the driver
        was killed. A sampler that began again with its seed would propose its first trials twice.
        """
        number = self._interrupted.pop(0) if self._interrupted else len(self.study.get_trials(deepcopy=False))
        self.study.sampler = self._sampler(number)
        trial = self._running.get(number) or self.study.ask()
        self._running[number] = trial
        params = trial.user_attrs.get("params")
        if params is None:  # new, or killed while its values were drawn
            params = suggested_params(trial, self._space, self._base)
            trial.set_user_attr("params", params)
        trial.set_user_attr("starts", trial.user_attrs.get("starts", 0) + 1)
        return Proposal(trial.number, params)

    def report(self, number: int, epoch: int, score: float) -> None:
        """A trial's figure after an epoch; of one that was interrupted, epochs come twice and are alike."""
        if len(self.study.directions) == 1 and epoch not in self._now(number).intermediate_values:
            self._running[number].report(score, epoch)

    def complete(self, number: int, figures: Mapping[str, float]) -> None:
        """A trial ran to its end.

        Args:
            figures: its last report, with `val_macro_f1` and `n_parameters`.
        """
        names = {"macro_f1": SCORE, "n_parameters": "n_parameters"}
        self._end(number, TrialState.COMPLETE, figures, [figures[names[o]] for o in self._space.objectives])

    def prune(self, number: int, figures: Mapping[str, float]) -> None:
        """A trial was ended at a rung."""
        self._end(number, TrialState.PRUNED, figures)

    def fail(self, number: int, error: str) -> None:
        """A trial crashed."""
        self._running[number].set_user_attr("error", error)
        self._end(number, TrialState.FAIL, {})

    def rungs(self) -> list[tuple[str, dict[int, float]]]:
        """Of each trial that ended: a name, and its figure after each epoch."""
        return [(f"ended-{t.number}", dict(t.intermediate_values)) for t in self._frozen(*STATES)]

    def rows(self) -> list[dict[str, Any]]:
        """What is published of each trial that ended, by number."""
        return [_row(trial) for trial in self._frozen(*STATES)]

    def close(self) -> None:
        """Let go of the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _end(
        self, number: int, state: TrialState, figures: Mapping[str, float], values: list[float] | None = None
    ) -> None:
        trial = self._running.pop(number)
        trial.set_user_attr("figures", dict(figures))
        self.study.tell(trial, values, state=state)

    def _frozen(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states)  # type: ignore[no-any-return]

    def _now(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def _trial(self, frozen: FrozenTrial) -> optuna.Trial:
        return optuna.Trial(self.study, frozen._trial_id)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group`
            return optuna.samplers.TPESampler(
                seed=seed,
                n_startup_trials=self._space.n_startup_trials,
                multivariate=True,
                group=True,  # parameters that exist together are proposed together
            )


def winner_of(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The best of the trials that ran to their end, the earlier one of two alike; None where none did."""
    done = [row for row in rows if row["state"] == "complete"]
    return max(done, key=lambda row: (row[SCORE], -row["number"]), default=None)


def _row(trial: FrozenTrial) -> dict[str, Any]:
    attributes = trial.user_attrs
    figures = attributes.get("figures", {})
    return {
        "number": trial.number,
        "state": STATES[trial.state],
        "params": attributes.get("params", {}),
        SCORE: figures.get(SCORE),
        "epochs": int(figures.get("epoch", max(trial.intermediate_values, default=0))),
        "windows_seen": int(figures.get("windows_seen", 0)),
        "n_parameters": figures.get("n_parameters"),
        "starts": attributes.get("starts", 0),
        "error": attributes.get("error"),
        "curve": {str(epoch): score for epoch, score in sorted(trial.intermediate_values.items())},
    }
