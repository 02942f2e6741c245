"""Settings chosen inside an outer fold, on people who are neither tested there nor trained on: TPE, in one process.

Each method and start has the same number of trials; the first is the configuration's own settings, so that the search
does not end below these on the people who judge.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
from jaxtyping import Float

from vimu.metrics import scores
from vimu.models.settings import CnnSettings
from vimu.training.settings import AugmentSettings, FinetuneSettings, PretrainSettings, Schedule
from vimu.tuning import learners
from vimu.windows.schema import WindowSet

if TYPE_CHECKING:
    import optuna

SCALED = ("misalignment_deg", "scale", "speed", "noise")
"""What of the variation grows and shrinks together in a search."""
GREATEST_SPEED = 0.95
"""Relative change of the pace: at 1 a window would stand still, beyond it run backwards."""
Start = Literal["scratch", "finetuned", "forest"]
Params = dict[str, Any]


class Learner(Protocol):
    """A method with its settings, and where to look for better ones."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the probabilities, in order."""
        ...

    def fit(self, train: WindowSet, val: WindowSet, test: WindowSet) -> Float[np.ndarray, "n N"]:
        """Class probabilities of the test windows."""
        ...

    def configured(self) -> Params:
        """The settings it has, as a point of the space."""
        ...

    def suggest(self, trial: "optuna.Trial") -> Params:
        """A point of the space."""
        ...

    def after(self, params: Params) -> "Learner":
        """The same method with these settings."""
        ...


@dataclass(frozen=True)
class FromScratch:
    """A network from random weights."""

    settings: PretrainSettings
    classes: tuple[str, ...]

    def fit(self, train: WindowSet, val: WindowSet, test: WindowSet) -> Float[np.ndarray, "n N"]:
        """Class probabilities of the test windows."""
        return learners.network(train, val, test, classes=self.classes, settings=self.settings)

    def configured(self) -> Params:
        """The settings it has."""
        return {"lr_factor": 1.0, "variation": 1.0} | ({"penalty_factor": 1.0} if self._penalised else {})

    def suggest(self, trial: "optuna.Trial") -> Params:
        """The rate, lambda where there is one, how far windows are varied."""
        params = _rate_and_variation(trial)
        if self._penalised:
            params["penalty_factor"] = trial.suggest_float("penalty_factor", 0.1, 10, log=True)
        return params

    def after(self, params: Params) -> "FromScratch":
        """The same network, trained otherwise."""
        changes = {"lr": self.settings.lr * params["lr_factor"], "augment": varied(self.settings.augment, params)}
        changes["penalty_weight"] = self.settings.penalty_weight * params.get("penalty_factor", 1.0)
        return replace(self, settings=self.settings.model_copy(update=changes))

    @property
    def _penalised(self) -> bool:
        return isinstance(self.settings.model, CnnSettings) and self.settings.penalty_weight > 0


@dataclass(frozen=True)
class FineTuned:
    """On from a pre-trained network."""

    settings: FinetuneSettings
    classes: tuple[str, ...]
    start: Path
    seed: int

    def fit(self, train: WindowSet, val: WindowSet, test: WindowSet) -> Float[np.ndarray, "n N"]:
        """Class probabilities of the test windows."""
        return learners.finetuned(
            train, val, test, start=self.start, classes=self.classes, settings=self.settings, seed=self.seed
        )

    def configured(self) -> Params:
        """The settings it has."""
        share = {"encoder_lr_share": self.settings.encoder_lr_share} if self.settings.schedule == "all" else {}
        return {"lr_factor": 1.0, "variation": 1.0, "schedule": self.settings.schedule} | share

    def suggest(self, trial: "optuna.Trial") -> Params:
        """The rate, the schedule, the convolutions' share under `all`, how far windows are varied."""
        params = _rate_and_variation(trial) | {"schedule": trial.suggest_categorical("schedule", get_args(Schedule))}
        if params["schedule"] == "all":
            params["encoder_lr_share"] = trial.suggest_float("encoder_lr_share", 0.01, 1.0, log=True)
        return params

    def after(self, params: Params) -> "FineTuned":
        """The same network, fine-tuned otherwise."""
        changes = {"lr": self.settings.lr * params["lr_factor"], "augment": varied(self.settings.augment, params)}
        changes |= {name: params[name] for name in ("schedule", "encoder_lr_share") if name in params}
        return replace(self, settings=self.settings.model_copy(update=changes))


@dataclass(frozen=True)
class ForestWithCopies:
    """A forest on the windows and `copies` of each, varied; 0 copies are the plain forest."""

    classes: tuple[str, ...]
    seed: int
    n_trees: int
    copies: int
    variation: AugmentSettings

    def fit(self, train: WindowSet, val: WindowSet, test: WindowSet) -> Float[np.ndarray, "n N"]:
        """Class probabilities of the test windows."""
        return learners.forest(
            train, val, test, classes=self.classes, seed=self.seed, n_trees=self.n_trees, copies=self.copies,
            variation=self.variation,
        )  # fmt: skip

    def configured(self) -> Params:
        """The settings it has."""
        return {"copies": self.copies, "variation": 1.0}

    def suggest(self, trial: "optuna.Trial") -> Params:
        """How many copies, and how far they are varied."""
        copies = trial.suggest_int("copies", 0, 2 * self.copies)
        return {"copies": copies, "variation": trial.suggest_float("variation", 0.25, 2, log=True)}

    def after(self, params: Params) -> "ForestWithCopies":
        """The same forest on other copies."""
        return replace(self, copies=params["copies"], variation=varied(self.variation, params))


def learner_of(start: Start, given: Params, classes: tuple[str, ...], *, seed: int, pretrained: Path | None) -> Learner:
    """The learner that a fit names, from its settings as JSON has them."""
    if start == "scratch":
        return FromScratch(PretrainSettings.model_validate(given | {"seed": seed}), classes)
    if start == "finetuned":
        assert pretrained is not None
        return FineTuned(FinetuneSettings.model_validate(given), classes, pretrained, seed)
    return ForestWithCopies(
        classes, seed, given["n_trees"], given["copies"], AugmentSettings.model_validate(given["variation"])
    )


def tune_inside(
    learner: Learner, train: WindowSet, judges: WindowSet, *, n_trials: int, seed: int, pick_epoch: bool
) -> dict[str, Any]:
    """The settings that score best in macro-F1 on `judges`.

    Args:
        train: windows of the outer fold's training people.
        judges: windows of other people who are not tested in this fold.
        pick_epoch: whether they also say which epoch of a network is kept, as in the fit that follows.

    Returns:
        `params` for `Learner.after`, its `macro_f1`, and all `trials`.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=5))
    study.enqueue_trial(learner.configured())
    val = judges if pick_epoch else judges.take(np.arange(0))

    def score(trial: "optuna.Trial") -> float:
        tried = learner.after(learner.suggest(trial))
        said = np.argmax(tried.fit(train, val, judges), axis=1)
        return scores(judges.targets(learner.classes), said)["macro_f1"]

    study.optimize(score, n_trials=n_trials)
    trials = [{"params": t.params, "macro_f1": t.value} for t in study.trials]
    return {"params": study.best_params, "macro_f1": study.best_value, "trials": trials}


def varied(settings: AugmentSettings, params: Params) -> AugmentSettings:
    """The variation, `params["variation"]` times as far; of the pace, no further than to a standstill."""
    changes = {name: getattr(settings, name) * params["variation"] for name in SCALED}
    return settings.model_copy(update=changes | {"speed": min(changes["speed"], GREATEST_SPEED)})


def _rate_and_variation(trial: "optuna.Trial") -> Params:
    return {
        "lr_factor": trial.suggest_float("lr_factor", 0.3, 3, log=True),
        "variation": trial.suggest_float("variation", 0.25, 2, log=True),
    }
