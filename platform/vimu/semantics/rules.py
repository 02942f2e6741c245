"""The backend `rules`: fixed physical thresholds say in words what was measured. The same numbers, the same bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml
from vimu.semantics.catalogue import FEATURES
from vimu.semantics.digest import Digested
from vimu.semantics.measure import rounded
from vimu.semantics.schema import FIELDS, Interpretation, Statement

Numbers = Mapping[str, float | None]
"""A window's features, rounded; None where the window does not support one."""


class Level(Section):
    """Words for the values below a bound."""

    below: float | None = None
    """None: all that is left; of the last level only."""
    text: str
    """`{value}` stands for the number."""


class Scale(Section):
    """A feature in words."""

    feature: str
    levels: Annotated[tuple[Level, ...], Field(min_length=1)]
    missing: str
    """What is said where the window does not support the feature; may be empty."""
    evidence: str

    @model_validator(mode="after")
    def _ascending(self) -> "Scale":
        bounds = [level.below for level in self.levels]
        if bounds[-1] is not None or None in bounds[:-1] or bounds[:-1] != sorted(set(bounds[:-1]), key=float):  # type: ignore[arg-type]
            raise ValueError("`levels` must have ascending `below`, and none in the last")
        return self


class Comparison(Section):
    """Two features of one unit against each other."""

    compare: tuple[str, str]
    factor: Annotated[float, Field(gt=1.0)]
    """Nearer to each other than that, they are alike."""
    greater: str
    alike: str
    less: str
    missing: str
    evidence: str


class Rules(Digested):
    """`configs/semantics/rules.yaml`."""

    version: int
    fields: dict[str, tuple[Scale | Comparison, ...]]

    @model_validator(mode="after")
    def _whole(self) -> "Rules":
        if tuple(self.fields) != FIELDS:
            raise ValueError(f"`fields` must be {', '.join(FIELDS)}, in this order")
        for entry in (entry for entries in self.fields.values() for entry in entries):
            names = entry.compare if isinstance(entry, Comparison) else (entry.feature,)
            unknown = [name for name in names if name not in FEATURES]
            if unknown:
                raise ValueError(f"a feature must be one of the catalogue's, but `{unknown[0]}` is not")
            if len({FEATURES[name].unit for name in names}) > 1:
                raise ValueError(f"`{'` and `'.join(names)}` must have one unit to be compared")
        return self

    def interpret(self, numbers: Numbers) -> Interpretation:
        """Seven statements about a window."""
        return Interpretation(**{field: _statement(entries, numbers) for field, entries in self.fields.items()})


def load_rules(path: Path | None = None) -> Rules:
    """The shipped rules, or a person's own.

    Raises:
        UserError: the file is no such rules.
    """
    path = path or configs_folder() / "semantics" / "rules.yaml"
    rules = validate(Rules, read_yaml(path), where=str(path))
    everything = dict.fromkeys(FEATURES, 1.0)
    for numbers in (everything, dict.fromkeys(FEATURES)):
        try:
            rules.interpret(numbers)
        except (ValueError, KeyError, IndexError) as error:
            raise UserError(f"`{path}` must say something in each field for any window, but: {error}") from error
    return rules


def shown(value: float) -> str:
    """A rounded number as texts have it: no exponent, no digits beyond the third."""
    return str(np.format_float_positional(value, precision=3, fractional=False, trim="-"))


def _statement(entries: Sequence[Scale | Comparison], numbers: Numbers) -> Statement:
    texts: list[str] = []
    quoted: dict[str, float] = {}
    greater: list[tuple[str, str]] = []
    for entry in entries:
        if isinstance(entry, Comparison):
            text, claim = _compared(entry, numbers)
            greater += claim
        else:
            text = _scaled(entry, numbers, quoted)
        if text:
            texts.append(text)
    return Statement(text=" ".join(texts), numbers=quoted, greater=tuple(greater))


def _scaled(entry: Scale, numbers: Numbers, quoted: dict[str, float]) -> str:
    value = numbers[entry.feature]
    if value is None:
        return entry.missing
    level = next(level for level in entry.levels if level.below is None or value < level.below)
    if "{value}" in level.text:
        quoted[entry.feature] = value
    return level.text.replace("{value}", shown(value))


def _compared(entry: Comparison, numbers: Numbers) -> tuple[str, list[tuple[str, str]]]:
    first, second = entry.compare
    a, b = numbers[first], numbers[second]
    if a is None or b is None:
        return entry.missing, []
    if a > entry.factor * b:
        return entry.greater, [(first, second)]
    if b > entry.factor * a:
        return entry.less, [(second, first)]
    return entry.alike, []


def as_numbers(features: Mapping[str, Any], row: int) -> dict[str, float | None]:
    """A window's features from arrays, rounded as texts quote them."""
    return {name: rounded(float(features[name][row])) for name in FEATURES}
