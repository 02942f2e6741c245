"""A study of placements as data: which sensors are compared, by which methods, on whose windows."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, PositiveInt, model_validator

from vimu.runtime.config import EachOnce, Section, Seed
from vimu.runtime.errors import UserError, listed

Sensors = tuple[str, ...]


class ComparedMethod(Section):
    """A method and the sets of sensors it is tried with; all sensors together are always among them."""

    experiment: Literal["scratch", "finetuned", "virtual"]
    """`scratch`: trained and tested on real windows; `finetuned`: pre-trained on virtual ones first; `virtual`:
    trained and tested on virtual windows."""
    method: Literal["random_forest", "penalty_cnn", "deepconvlstm"]
    """A network of the base's `pretrain.model` where that is of this kind, else of its kind's default shape."""
    sizes: tuple[PositiveInt, ...] = ()
    """Every set of so many sensors: [1, 2] is each one alone and every pair."""
    subsets: tuple[Sensors, ...] = ()
    """Or these sets, sensor by sensor."""

    @model_validator(mode="after")
    def _sets(self) -> "ComparedMethod":
        if self.experiment == "finetuned" and self.method == "random_forest":
            raise ValueError("`method` must be penalty_cnn or deepconvlstm where `experiment` is finetuned")
        if bool(self.sizes) == bool(self.subsets):
            raise ValueError("must have either `sizes` or `subsets`, and not an empty list")
        for subset in self.subsets:
            if not subset or len(set(subset)) < len(subset):
                raise ValueError(f"`subsets` must name one sensor or more, each once, but one is {list(subset)}")
        sets = [frozenset(subset) for subset in self.subsets]
        if len(set(sets)) < len(sets) or len(set(self.sizes)) < len(self.sizes):
            raise ValueError("`sizes` and `subsets` must not repeat an entry")
        return self

    def sets_of(self, sensors: Sequence[str]) -> list[Sensors]:
        """The sets to try, small ones first, all of `sensors` last; each in the order of `sensors`.

        Raises:
            UserError: a sensor or a size that `sensors` does not have.
        """
        unknown = {name for subset in self.subsets for name in subset} - set(sensors)
        if unknown:
            raise UserError(
                f"`subsets` must name sensors of the windows ({', '.join(sensors)}), but names {listed(unknown)}."
            )
        if self.sizes and max(self.sizes) > len(sensors):
            raise UserError(
                f"`sizes` must be at most {len(sensors)}, the sensors there are, but one is {max(self.sizes)}."
            )
        chosen = [tuple(s for s in sensors if s in subset) for subset in self.subsets]
        chosen += [subset for size in self.sizes for subset in combinations(sensors, size)]
        every = set(chosen) | {tuple(sensors)}
        return sorted(every, key=lambda subset: (len(subset), [list(sensors).index(s) for s in subset]))


class PlacementStudy(Section):
    """Which sensors matter: the same windows and people with the channels of some sensors only."""

    kind: Literal["placements"]
    """What the study compares."""
    base: Path
    """Configuration of the run: data, windows, and the settings that every set of sensors gets alike."""
    overrides: tuple[str, ...] = ()
    """Over the base, as on the command line: `prepare.windows.length_frames=40`. `name=...` names the run folder."""
    methods: Annotated[tuple[ComparedMethod, ...], Field(min_length=1)]
    seeds: EachOnce[Seed] = (0, 1, 2)
    """A seed deals people into folds and starts the models; tables give the mean."""
    n_folds: Annotated[int, Field(ge=3)] = 5
    """Each fold tests once, validates once and trains otherwise."""
    min_people: PositiveInt = 3
    """Classes that fewer people did are left out, and named: nobody else is there to learn them from."""

    @model_validator(mode="after")
    def _once(self) -> "PlacementStudy":
        kinds = [(m.experiment, m.method) for m in self.methods]
        if len(set(kinds)) < len(kinds):
            raise ValueError("`methods` must have each pair of experiment and method once")
        return self


class Trial(NamedTuple):
    """One task of a study."""

    experiment: str
    method: str
    sensors: Sensors
    seed: int

    @property
    def file(self) -> str:
        """Its file of probabilities."""
        return f"{self.experiment}-{self.method}-{'+'.join(self.sensors)}-{self.seed}.npz"
