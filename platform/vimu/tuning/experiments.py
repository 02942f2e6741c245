"""The experiments on all people, as settings: what is compared, with how many folds and seeds."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, field_validator, model_validator

from vimu.runtime.config import EachOnce, Section, Seed, merged
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.folds import Validation

Method = Literal["penalty_cnn", "deepconvlstm", "random_forest"]
Share = Annotated[float, Field(gt=0, le=1)]
S = TypeVar("S", bound=Section)


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

    @model_validator(mode="after")
    def _fit(self) -> "MethodSettings":
        for name in ("pretrain", "scratch", "finetune"):
            kind = FinetuneSettings if name == "finetune" else PretrainSettings
            given = getattr(self, name)
            unknown = set(given) - set(kind.model_fields)
            if unknown:
                raise ValueError(f"`{name}.{min(unknown)}` is no setting")
            if unknown := set(given) & {"seed", "seeds"}:
                raise ValueError(f"`{name}.{min(unknown)}` must be left to `crossval.seeds`")
            without_model = {
                key: value for key, value in given.items() if key != "model"
            }  # whose kind is not known yet
            try:
                over(kind(), without_model)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                raise ValueError(f"`{name}.{'.'.join(map(str, first['loc']))}`: {first['msg']}") from error
        return self


class CrossvalSettings(Section):
    """Every real subject tested, folds pooled before scores; virtual clips likewise."""

    methods: EachOnce[Method] = ("penalty_cnn", "deepconvlstm", "random_forest")
    """A network of the run's `pretrain.model` where that is of this kind, else of its kind's default shape."""
    settings: dict[Literal["penalty_cnn", "deepconvlstm"], MethodSettings] = Field(default_factory=dict)
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

    @property
    def networks(self) -> tuple[Method, ...]:
        """The methods that are pre-trained."""
        return tuple(method for method in self.methods if method != "random_forest")

    def pretrain_of(self, method: Method, base: PretrainSettings) -> PretrainSettings:
        """Settings of `method` on virtual windows. Raises ValidationError."""
        return over(base.of_kind(method), self._of(method).pretrain)

    def scratch_of(self, method: Method, base: PretrainSettings) -> PretrainSettings:
        """Settings of `method` from scratch on real windows. Raises ValidationError."""
        return over(self.pretrain_of(method, base), self._of(method).scratch)

    def finetune_of(self, method: Method, base: FinetuneSettings) -> FinetuneSettings:
        """Settings of fine-tuning `method`. Raises ValidationError."""
        return over(base, self._of(method).finetune)

    def seeds_of(self, method: Method) -> tuple[int, ...]:
        """Seeds of `method` in the table."""
        return self._of(method).seeds or self.seeds

    def _of(self, method: Method) -> MethodSettings:
        return MethodSettings() if method == "random_forest" else self.settings.get(method, MethodSettings())


def over(settings: S, changes: Mapping[str, Any]) -> S:
    """`settings` with `changes`, section within section, checked. Raises ValidationError."""
    return type(settings).model_validate(merged(settings.model_dump(mode="json"), changes))
