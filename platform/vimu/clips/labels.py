"""Posture-based labelling: ordered description rules, from YAML, give each take a category or remove it.

Source: arXiv 2003.01874, section 2.1, step 1.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from pydantic import ConfigDict, field_validator, model_validator

from vimu.contracts import Reason, Rejection, Take
from vimu.runtime.config import Section, find_yaml, validate
from vimu.runtime.yaml import read_yaml


class Rule(Section):
    """One rule: a take whose description matches gets the category, or is removed."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    name: str
    """Stands in the clip's row, or in the rejection's."""
    match: str
    """Regular expression, case-insensitive, searched in the description (lower case, words by single spaces)."""
    category: str | None = None
    """Category given; None for a removal rule."""
    remove: bool = False
    """Remove the take: of little relevance to daily life, or changing too fast for 1 s windows."""
    evidence: str = ""

    @field_validator("match")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"must be a regular expression ({error})") from error
        return pattern

    @model_validator(mode="after")
    def _one_outcome(self) -> "Rule":
        if self.remove == (self.category is not None):
            raise ValueError("must either name a `category` or say `remove: true`")
        return self

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.match, re.IGNORECASE)


class LabelRules(Section):
    """An ordered list of rules: the first that matches decides."""

    categories: tuple[str, ...]
    """All categories, in the order in which tables show them."""
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _known_categories(self) -> "LabelRules":
        unknown = {rule.category for rule in self.rules if rule.category} - set(self.categories)
        if unknown:
            raise ValueError(f"rules must give one of `categories`, unlike {', '.join(sorted(unknown))}")
        names = [rule.name for rule in self.rules]
        if len(names) != len(set(names)):
            raise ValueError("each rule's `name` must be its own")
        return self


def load_label_rules(name: str) -> LabelRules:
    """The rules `name` of `configs/labels/`, or the YAML file of that path. Raises UserError."""
    path = find_yaml("labels", name)
    return validate(LabelRules, read_yaml(path), where=str(path))


@dataclass(frozen=True)
class Label:
    """A take's label and the rule that gave it."""

    name: str
    rule: str


def label_take(take: Take, rules: LabelRules) -> Label:
    """The category of the first rule that matches the take's description.

    Raises:
        Rejection: `removed_by_rule` naming the rule, or `no_label`.
    """
    for rule in rules.rules:
        if rule.pattern.search(take.description):
            if rule.category is None:
                raise Rejection(take.sequence, Reason.REMOVED_BY_RULE, rule.name)
            return Label(rule.category, rule.name)
    raise Rejection(take.sequence, Reason.NO_LABEL, f"no rule matches `{take.description}`")


def content_label(take: Take, pattern: str) -> Label:
    """The archive's own name of the activity: the group `content` of `pattern` in the take's path.

    Raises:
        Rejection: `no_label`: the path does not match.
    """
    found = re.search(pattern, take.sequence)
    if found is None:
        raise Rejection(take.sequence, Reason.NO_LABEL, f"path does not match `{pattern}`")
    return Label(found["content"], "archive_content")
