"""The experiments on all people, as settings: what is compared, with how many folds and seeds."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from vimu.runtime.config import EachOnce, Section, Seed, merged
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.folds import Validation

Method = Literal["penalty_cnn", "deepconvlstm", "random_forest"]
Network = Literal["penalty_cnn", "deepconvlstm"]
Share = Annotated[float, Field(gt=0, le=1)]
S = TypeVar("S", bound=Section)
IDLE = frozenset({"seed", "seeds", "n_workers", "device", "checkpoint_every_epochs"})
"""Of `pretrain` and `finetune`, what changes no fit: each is fitted in one process on its CPU, with seeds of
`crossval`."""


class MethodSettings(Section):
    """What a network gets in place of the run's `pretrain` and `finetune` sections, key by key."""

    pretrain: dict[str, Any] = Field(default_factory=dict)
    """Over `pretrain`: on virtual windows, and from scratch on real ones."""
    scratch: dict[str, Any] = Field(default_factory=dict)
    """Over these again, from scratch on real windows only."""
    finetune: dict[str, Any] = Field(default_factory=dict)
    """Over `finetune`."""
    seeds: EachOnce[Seed] | None = None
    """In place of `crossval.seeds`: fewer for a network that takes long. Its rows say so."""


class CrossvalSettings(Section):
    """Every real subject tested, folds pooled before scores; virtual clips likewise."""

    methods: EachOnce[Method] = ("penalty_cnn", "deepconvlstm", "random_forest")
    """A network of the run's `pretrain.model` where that is of this kind, else of its kind's default shape."""
    settings: dict[Network, MethodSettings] = Field(default_factory=dict)
    """What a network gets in place of the run's settings."""
    n_folds: Annotated[int, Field(ge=3)] = 5
    """Each fold tests once."""
    fold_seed: Seed = 0
    """Of how people are dealt into folds: the same folds for all methods and seeds."""
    validation: Validation = "fold"
    """`fold`: the next fold says which epoch of a network is kept; `none`: it trains too, and the last one is kept."""
    seeds: EachOnce[Seed] = (0, 1, 2)
    """Of models; tables give the mean. Networks are pre-trained once a seed, for all folds."""
    min_people: PositiveInt = 3
    """Classes that fewer people (clips, where an archive names none) did are left out, and named."""
    forest_copies: NonNegativeInt = 4
    """The forest is also trained with so many copies of each window, varied as the networks' are; 0 leaves that out."""
    tune_trials: NonNegativeInt = 0
    """Settings tried in each fold, without its test people, for each method and start alike; 0 takes those given."""
    virtual_splits: tuple[Literal["groups", "styles"], ...] = ("groups",)
    """Virtual windows tested with clips (people, where the archive names them) apart, and with styles held out, where
    its YAML has `style`; [] leaves that experiment out."""
    virtual_methods: EachOnce[Method] | None = None
    """Methods of these rows; None takes all."""
    virtual_seeds: EachOnce[Seed] = (0,)
    known_as: dict[str, EachOnce[str]] = Field(default_factory=dict)
    """Real class -> the names that virtual clips have for it, for the row without fine-tuning: `{jogging: [run]}`.
    Classes that are not here are known by their own name, or not at all."""
    label_shares: tuple[Share, ...] = ()
    """Of the real training recordings, by whole trials: a curve of scratch and fine-tuned; [] leaves it out."""
    label_seeds: EachOnce[Seed] = (0,)
    ablations: tuple[str, ...] = ()
    """Names of `configs/ablations.yaml`: parts taken out, or put in, one at a time."""
    ablation_seeds: EachOnce[Seed] = (0,)

    @field_validator("virtual_splits", "label_shares", "ablations")
    @classmethod
    def _once(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(items)) < len(items):
            raise ValueError("must name each once")
        return items

    @field_validator("settings", mode="wrap")
    @classmethod
    def _fit(cls, given: Any, as_sections: ValidatorFunctionWrapHandler) -> dict[Network, MethodSettings]:
        """All that is wrong at once: those that are sections are looked into, also where others are none."""
        problems: list[InitErrorDetails] = []
        try:
            settings: dict[Network, MethodSettings] = as_sections(given)
        except ValidationError as error:
            problems = _problems(error)
            odd = {str(problem["loc"][0]) for problem in problems if problem["loc"]}
            some = isinstance(given, Mapping)
            settings = as_sections({name: given[name] for name in given if name not in odd}) if some else {}
        problems += [problem for method, section in settings.items() for problem in _misfits(method, section)]
        if problems:
            raise ValidationError.from_exception_data("settings", problems)
        return settings

    def identity(self) -> dict[str, Any]:
        """All that changes a result, as JSON."""
        raw = self.model_dump(mode="json")
        for section in raw["settings"].values():
            for name in ("pretrain", "scratch", "finetune"):
                section[name] = {key: value for key, value in section[name].items() if key not in IDLE}
        return raw

    @property
    def networks(self) -> tuple[Method, ...]:
        """The methods that are pre-trained."""
        return tuple(method for method in self.methods if method != "random_forest")

    def pretrain_of(self, method: Method, base: PretrainSettings) -> PretrainSettings:
        """Settings of `method` on virtual windows."""
        return over(base.of_kind(method), self._of(method).pretrain)

    def scratch_of(self, method: Method, base: PretrainSettings) -> PretrainSettings:
        """Settings of `method` from scratch on real windows."""
        return over(self.pretrain_of(method, base), self._of(method).scratch)

    def finetune_of(self, method: Method, base: FinetuneSettings) -> FinetuneSettings:
        """Settings of fine-tuning `method`."""
        return over(base, self._of(method).finetune)

    def seeds_of(self, method: Method) -> tuple[int, ...]:
        """Seeds of `method` in the table."""
        return self._of(method).seeds or self.seeds

    def _of(self, method: Method) -> MethodSettings:
        return MethodSettings() if method == "random_forest" else self.settings.get(method, MethodSettings())


def effective(settings: PretrainSettings | FinetuneSettings) -> dict[str, Any]:
    """What of them a fit depends on, as JSON; its seed is its own."""
    return settings.model_dump(mode="json", exclude=set(IDLE))


def over(settings: S, changes: Mapping[str, Any]) -> S:
    """`settings` with `changes`, section within section, checked. Raises ValidationError."""
    return type(settings).model_validate(merged(settings.model_dump(mode="json"), changes))


def _misfits(method: Network, given: MethodSettings) -> list[InitErrorDetails]:
    """What a network's settings may not say in place of a run's, by paths from the network's name on."""
    problems: list[InitErrorDetails] = []

    def tried(base: S, changes: Mapping[str, Any], name: str) -> S:
        changes, at = dict(changes), (method, name)
        for seed in [own for own in ("seed", "seeds") if own in changes]:
            problems.append(_problem("seed", "must be left to `crossval.seeds`", (*at, seed), changes.pop(seed)))
        model = changes.get("model")
        if isinstance(model, Mapping) and (kind := model.get("kind", method)) != method:
            message = f"must be {method}, whose settings these are"
            problems.append(_problem("kind", message, (*at, "model", "kind"), kind))
            del changes["model"]
        try:
            return over(base, changes)
        except ValidationError as error:
            problems.extend(_problems(error, *at))
            return base

    before = tried(PretrainSettings().of_kind(method), given.pretrain, "pretrain")
    tried(before, given.scratch, "scratch")
    tried(FinetuneSettings(), given.finetune, "finetune")
    return problems


def _problems(error: ValidationError, *at: str) -> list[InitErrorDetails]:
    return [_problem(e["type"], e["msg"], (*at, *e["loc"]), e["input"]) for e in error.errors()]


def _problem(kind: str, message: str, loc: tuple[str | int, ...], value: object) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=loc, input=value)
