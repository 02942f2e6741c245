"""A study of settings as data: what is searched, in which ranges, and what must hold for a parameter to exist."""

import json
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, JsonValue, PositiveInt, model_validator

from vimu.runtime.config import EachOnce, Section

FIXED = {
    "pretrain.epochs": "`tune.pretrain_epochs` sets it: trials are compared after the same number of epochs",
    "finetune.epochs": "trials are compared after the same number of epochs",
    "pretrain.patience_epochs": "a trial pre-trains for all its epochs, to be compared after the same number of them",
    "pretrain.seed": "the best seed of a validation split is luck",
    "finetune.seeds": "the best seed of a validation split is luck",
    "pretrain.n_workers": "a trial trains in one process",
    "pretrain.device": "a trial trains in one process, on its CPU",
    "pretrain.checkpoint_every_epochs": "a trial writes no checkpoints",
}
"""Settings that are not searched, and why."""


class Suggests(Protocol):
    """The part of an Optuna trial that is asked for values."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = ...) -> float: ...

    def suggest_int(self, name: str, low: int, high: int) -> int: ...

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


class Parameter(Section):
    """One setting's values: exactly one of `log`, `linear`, `integer` and `choice`."""

    log: tuple[float, float] | None = None
    """[low, high], every factor as likely as every other."""
    linear: tuple[float, float] | None = None
    """[low, high]."""
    integer: tuple[int, int] | None = None
    """[low, high], whole numbers, both ends included."""
    choice: tuple[JsonValue, ...] | None = None
    """These values; a list or a section may be one."""
    when: dict[str, JsonValue] = Field(default_factory=dict)
    """Setting -> value, or list of values, for which this parameter exists: {finetune.schedule: all}. The setting is a
    choice of the same study, further up, or is taken from the configuration."""
    also: EachOnce[str] | None = None
    """Settings that get the same value."""

    @model_validator(mode="after")
    def _one_range(self) -> "Parameter":
        given = [name for name in ("log", "linear", "integer", "choice") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("must have exactly one of `log`, `linear`, `integer` and `choice`")
        if self.choice is not None:
            if len({as_word(value) for value in self.choice}) < max(2, len(self.choice)):
                raise ValueError("`choice` must have two values or more, each once")
            return self
        low, high = getattr(self, given[0])
        if low >= high:
            raise ValueError(f"`{given[0]}` must be [low, high] with low < high")
        if self.log is not None and low <= 0:
            raise ValueError("`log` must be [low, high] with 0 < low")
        return self

    def extremes(self) -> tuple[JsonValue, ...]:
        """Values that a validator must like, if it is to like all."""
        return self.choice or self.log or self.linear or self.integer or ()

    def suggested(self, trial: Suggests, name: str) -> JsonValue:
        """A value that Optuna proposes."""
        if self.log is not None:
            return trial.suggest_float(name, *self.log, log=True)
        if self.linear is not None:
            return trial.suggest_float(name, *self.linear)
        if self.integer is not None:
            return trial.suggest_int(name, *self.integer)
        assert self.choice is not None
        values = {as_word(value): value for value in self.choice}
        return values[trial.suggest_categorical(name, list(values))]

    def allowed(self, path: str) -> list[JsonValue]:
        """The values of `path` for which this parameter exists."""
        wanted = self.when[path]
        return wanted if isinstance(wanted, list) else [wanted]


def as_word(value: JsonValue) -> str | int | float | bool | None:
    """A value as Optuna stores a choice: lists and sections as their JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


class Pruning(Section):
    """Asynchronous successive halving.

    Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
    """

    begins_in: Literal["pretraining", "finetuning"] = "finetuning"
    """Epochs count from here on. In pre-training a probe judges, which foretells less: docs/tuning.md."""
    grace_epochs: PositiveInt = 2
    """No trial ends before so many epochs; here is the first rung."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """At each rung about one of so many goes on, and the next rung is so many times later."""


class SettingsStudy(Section):
    """Which settings are searched, over what, and for what."""

    kind: Literal["settings"]
    """What the study compares."""
    space: Annotated[dict[str, Parameter], Field(min_length=1)]
    """Setting, as a path from `pretrain` or `finetune` on -> its values. A condition stands below what it looks at."""
    objectives: EachOnce[Literal["macro_f1", "n_parameters"]] = ("macro_f1",)
    """Macro-F1 of the validation people; with `n_parameters`, also the size of the network, the smaller the better."""
    pruning: Pruning | None = Pruning()
    """None lets every trial run to its end."""
    n_startup_trials: PositiveInt = 8
    """So many are drawn at random before TPE proposes."""

    @model_validator(mode="after")
    def _consistent(self) -> "SettingsStudy":
        if self.objectives[0] != "macro_f1":
            raise ValueError("`objectives` must begin with macro_f1")
        if len(self.objectives) > 1 and self.pruning is not None:
            raise ValueError(
                "`pruning` must be null where there are two objectives: pruning by macro-F1 alone ends small networks "
                "before they are measured"
            )
        return self

    def searched_twice(self) -> list[str]:
        """A sentence for each path that several parameters search."""
        every = [path for name, p in self.space.items() for path in (name, *(p.also or ()))]
        return [f"`{path}` must be searched once." for path in dict.fromkeys(every) if every.count(path) > 1]

    def problems_of(self, path: str) -> list[str]:
        """What is wrong with a parameter whatever the settings are, a sentence each."""
        parameter = self.space[path]
        said = []
        for name in (path, *(parameter.also or ())):
            if not name.startswith(("pretrain.", "finetune.")):
                said.append(f"`{name}` must be a setting of `pretrain` or `finetune`.")
            elif name in FIXED:
                said.append(f"`{name}` must not be searched: {FIXED[name]}.")
        above = list(self.space)[: list(self.space).index(path)]
        for condition in parameter.when:
            if condition not in self.space:
                continue
            choice = self.space[condition].choice
            if condition not in above or choice is None:
                said.append(f"`{path}`: `when` must look at a choice further up, but looks at `{condition}`.")
                continue
            if unknown := [value for value in parameter.allowed(condition) if value not in choice]:
                said.append(f"`{path}`: `when` must name values of `{condition}`, but names {unknown}.")
        return said
