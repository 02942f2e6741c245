"""Posture-based labelling: ordered description rules, from YAML, give each take a category or remove it.

Source: arXiv 2003.01874, section 2.1, step 1.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import ConfigDict, Field, model_validator

from vimu.archives.take import PART
from vimu.contracts import Reason, Rejection, Take
from vimu.runtime.config import RegularExpression, Section, find_yaml, validate
from vimu.runtime.yaml import read_yaml


class Rule(Section):
    """One rule: a take whose description matches gets the category, or is removed."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    name: str
    """Stands in the clip's row, or in the rejection's."""
    match: RegularExpression
    """Regular expression, case-insensitive, searched in one part of the description (lower case, words by single
    spaces). `{walk}` stands for any of the file's `words: {walk: [...]}`, as whole words."""
    category: str | None = None
    """Category given; None for a removal rule."""
    remove: bool = False
    """Remove the take: of little relevance to daily life, or changing too fast for 1 s windows."""
    evidence: str = ""

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
    words: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Vocabulary: a name, and the regular expressions of its whole words."""
    rules: tuple[Rule, ...]

    @model_validator(mode="before")
    @classmethod
    def _with_words(cls, raw: object) -> object:
        """Put the vocabulary into the rules' `match`."""
        if (
            not isinstance(raw, dict)
            or not isinstance(raw.get("words"), dict)
            or not isinstance(raw.get("rules"), list)
        ):
            return raw
        if not all(isinstance(some, list) for some in raw["words"].values()):
            return raw  # their types say what is wrong
        words = {name: rf"\b(?:{'|'.join(map(str, some))})\b" for name, some in raw["words"].items()}

        def expand(found: re.Match[str]) -> str:
            if found[1] not in words:
                raise ValueError(f"`match` must use `words` that the file has, unlike {found[0]}")
            return words[found[1]]

        rules = [
            rule | {"match": re.sub(r"\{([a-z_]+)\}", expand, rule["match"])}
            if isinstance(rule, dict) and isinstance(rule.get("match"), str)
            else rule
            for rule in raw["rules"]
        ]
        return raw | {"rules": rules}

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
    """The label of a take by a vote of the sentences of its annotation; its path decides where none has a vote.

    A sentence votes for what the first rule that matches it says: a category, or removal. One that no rule matches does
    not vote. Of outcomes with as many votes, the one whose rule stands first wins: special rules stand before general
    ones. The path is the description's last part; so a take without annotation gets what the first rule says that
    matches its path.

    Returns:
        The category, and the first of the rules that voted for it.

    Raises:
        Rejection: `removed_by_rule` naming the rule, or `no_label`.
    """
    *sentences, path = take.description.split(PART)
    votes = _votes(sentences, rules) or _votes([path], rules)
    if not votes:
        raise Rejection(take.sequence, Reason.NO_LABEL, f"no rule matches `{take.description}`")
    counts = Counter(rules.rules[k].category for k in votes)
    rule = rules.rules[min(votes, key=lambda k: (-counts[rules.rules[k].category], k))]
    if rule.category is None:
        raise Rejection(take.sequence, Reason.REMOVED_BY_RULE, rule.name)
    return Label(rule.category, rule.name)


def _votes(parts: Sequence[str], rules: LabelRules) -> list[int]:
    """Number of the first rule that matches, for each part that one matches."""
    first = (next((k for k, rule in enumerate(rules.rules) if rule.pattern.search(part)), None) for part in parts)
    return [k for k in first if k is not None]


def content_label(take: Take, pattern: str) -> Label:
    """The archive's own name of the activity: the group `content` of `pattern` in the take's path.

    Raises:
        Rejection: `no_label`: the path does not match.
    """
    found = re.search(pattern, take.sequence)
    if found is None:
        raise Rejection(take.sequence, Reason.NO_LABEL, f"path does not match `{pattern}`")
    return Label(found["content"], "archive_content")
