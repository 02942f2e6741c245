"""The judge's hard gates: what an interpretation says must be so.

Each gate returns sentences that say what is wrong; they go to the backend with the request to write again, and to the
published table by the gate's name.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.yaml import read_yaml
from vimu.semantics.catalogue import FEATURES
from vimu.semantics.digest import Digested
from vimu.semantics.rules import Numbers
from vimu.semantics.schema import Interpretation

GATES = ("no_answer", "schema", "number", "relation", "activity_name", "unlike_neighbours")
"""Closed: the reasons of the published tables. The last is the soft gate's."""

NUMERAL = re.compile(r"(?<![\w.^])[-+\u2212]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?(?=(\s*(?:%|percent))?)", re.I)
"""A number in a text. Not the 2 of `s^2`, nor that of `x2`."""
DENIED = re.compile(r"\b(?:not|no|nor|never|neither|hardly|without)\b")
UNITS = re.compile(r"/s(?:\^|\*\*)?[23\u00b2\u00b3]|\bs\^?-?[23]\b|\b[1-9]-(?:axis|axes|d)\b", re.I)


@dataclass(frozen=True)
class Flag:
    """Why an interpretation is not accepted."""

    gate: str
    """One of `GATES`."""
    detail: str
    """A sentence for the backend."""

    def __str__(self) -> str:
        return f"{self.gate}: {self.detail}"


class Term(Section):
    """A word for a feature, as texts compare it."""

    pattern: str
    feature: str


class Relations(Digested):
    """`configs/semantics/relations.yaml`: how texts compare two features."""

    more: Annotated[tuple[str, ...], Field(min_length=1)]
    """Regular expressions for `exceeds`."""
    less: Annotated[tuple[str, ...], Field(min_length=1)]
    pairs: tuple[tuple[Term, Term], ...]

    @model_validator(mode="after")
    def _known(self) -> "Relations":
        for pattern in (*self.more, *self.less, *(term.pattern for pair in self.pairs for term in pair)):
            re.compile(pattern)
        unknown = [term.feature for pair in self.pairs for term in pair if term.feature not in FEATURES]
        if unknown:
            raise ValueError(f"a feature must be one of the catalogue's, but `{unknown[0]}` is not")
        return self

    @cached_property
    def _patterns(self) -> list["_Pattern"]:
        """Each order of each pair."""
        more, less = (r"\b(?:" + "|".join(words) + r")\b" for words in (self.more, self.less))
        return [
            _Pattern(
                a.feature, b.feature, re.compile(a.pattern), re.compile(f"{a.pattern}.*?{more}.*?{b.pattern}"),
                re.compile(f"{a.pattern}.*?{less}.*?{b.pattern}"),
            )
            for pair in self.pairs
            for a, b in (pair, pair[::-1])
        ]  # fmt: skip

    def claims(self, text: str) -> Iterator[tuple[str, str, str]]:
        """(greater feature, lesser feature, the words) of every comparison in a text."""
        for sentence in re.split(r"[.;:!?](?:\s|$)", text.lower()):
            for pattern in self._patterns:
                if pattern.word.search(sentence) is None:
                    continue
                for found, great, small in (
                    (pattern.exceeds.search(sentence), pattern.first, pattern.second),
                    (pattern.falls_short.search(sentence), pattern.second, pattern.first),
                ):
                    if found and not DENIED.search(found.group()):
                        yield great, small, found.group()


@dataclass(frozen=True)
class _Pattern:
    """One order of a pair of terms."""

    first: str
    second: str
    word: re.Pattern[str]
    """Finds the first term: most sentences have none, and are done with."""
    exceeds: re.Pattern[str]
    falls_short: re.Pattern[str]


def load_relations() -> Relations:
    """The shipped file. Raises UserError: it is damaged."""
    path = Path(configs_folder() / "semantics" / "relations.yaml")
    return validate(Relations, read_yaml(path), where=str(path))


@dataclass(frozen=True)
class HardGates:
    """The gates with what they need; the same for every window."""

    relations: Relations
    names: re.Pattern[str]
    """Finds activities' names: `labels.naming`."""
    tolerance: float = 0.05
    """By how much a quoted number may differ from its feature."""

    def flags(self, interpretation: Interpretation, numbers: Numbers) -> list[Flag]:
        """All that is wrong with an interpretation of these numbers."""
        found: list[Flag] = []
        for field, statement in interpretation.statements().items():
            found += self._numbers(field, statement.text, statement.numbers, numbers)
            claims = [(a, b, f"{a} > {b}") for a, b in statement.greater] + list(self.relations.claims(statement.text))
            found += self._relations(field, claims, numbers)
            found += [
                Flag("activity_name", f"{field} names an activity or a thing tied to one: `{match.group()}`")
                for match in [self.names.search(statement.text)]
                if match
            ]
        return found

    def _numbers(self, field: str, text: str, quoted: dict[str, float], numbers: Numbers) -> Iterator[Flag]:
        for name, value in quoted.items():
            if name not in FEATURES:
                yield Flag("number", f"{field} quotes `{name}`, which is no feature")
                continue
            measured = numbers[name]
            if measured is None:
                yield Flag("number", f"{field} quotes `{name}`, which this window does not support (null)")
            elif not self._near(value, measured):
                yield Flag("number", f"{field} quotes {value:g} for `{name}`, which is {measured:g}")
        for numeral, percent in in_text(text):
            known = [v * factor for v in quoted.values() for factor in ((1, 100) if percent else (1,))]
            if not any(self._near(numeral, value) for value in known):
                yield Flag("number", f"{field} says {numeral:g} in words without quoting a feature for it in `numbers`")

    def _relations(self, field: str, claims: Sequence[tuple[str, str, str]], numbers: Numbers) -> Iterator[Flag]:
        for greater, lesser, words in claims:
            unknown = [name for name in (greater, lesser) if name not in FEATURES]
            if unknown:
                yield Flag("relation", f"{field} compares `{unknown[0]}`, which is no feature")
                continue
            a, b = numbers[greater], numbers[lesser]
            if a is None or b is None:
                yield Flag("relation", f"{field} says `{words}`, which this window does not support (null)")
            elif a < b * (1 - self.tolerance):
                yield Flag("relation", f"{field} says `{words}`, but {greater} is {a:g} and {lesser} is {b:g}")

    def _near(self, value: float, measured: float) -> bool:
        return abs(value - measured) <= self.tolerance * abs(measured) + 1e-9


def in_text(text: str) -> Iterator[tuple[float, bool]]:
    """Numbers written in digits, and whether each is a percentage."""
    for match in NUMERAL.finditer(UNITS.sub(" ", text)):
        whole = re.sub(r",(?=\d{3}(?:\D|$))", "", match.group(0)).replace("\u2212", "-")
        try:
            yield float(whole.replace(",", ".", 1)), match.group(1) is not None
        except ValueError:  # 1.2.3: no number, hence no feature's
            yield float("nan"), False
