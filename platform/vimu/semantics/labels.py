"""What each activity is called, and how its signals are described: an editable file, several texts an activity."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.errors import UserError, listed
from vimu.runtime.yaml import read_yaml
from vimu.semantics.digest import Digested


class Activity(Section):
    """One activity."""

    words: Annotated[tuple[str, ...], Field(min_length=1)]
    """What it is called in English, inflected: none of them may be in a window's interpretation."""
    texts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Interpretations, each a whole: what a window of this activity looks like."""
    evidence: str = ""
    """What the texts rest on."""


class Labels(Digested):
    """`configs/semantics/labels.yaml`: activities by their label."""

    activities: dict[str, Activity]

    @model_validator(mode="after")
    def _texts_once(self) -> "Labels":
        for name, activity in self.activities.items():
            if len(set(activity.texts)) < len(activity.texts):
                raise ValueError(f"`{name}` must have each of its `texts` once")
        return self

    def require(self, labels: Iterable[str], path: Path) -> None:
        """Raise a UserError unless the file describes every label."""
        missing = sorted(set(labels) - set(self.activities))
        if missing:
            raise UserError(
                f"`{path}` must describe every activity of the windows, but lacks {listed(missing, 30)}. Copy it, add "
                "them with their `words` and `texts`, and name the copy: --set semantics.labels_file=my_labels.yaml"
            )

    def words(self) -> tuple[str, ...]:
        """Every activity's words and names, sorted."""
        names = {name.replace("_", " ") for name in self.activities}
        return tuple(sorted(names | {w.lower() for activity in self.activities.values() for w in activity.words}))


def load_labels(path: Path | None = None) -> tuple[Labels, Path]:
    """The shipped label file, or a person's own, and where it lies. Raises UserError: no such file, or a wrong one."""
    path = path or configs_folder() / "semantics" / "labels.yaml"
    return validate(Labels, read_yaml(path), where=str(path)), path


def naming(words: Sequence[str]) -> re.Pattern[str]:
    """A pattern that finds any of the words, as whole words; spaces, hyphens and underscores are one."""
    parts = (r"[\s_-]+".join(re.escape(part) for part in re.split(r"[\s_-]+", word)) for word in words)
    # longest first, so that what is found is the whole name
    return re.compile(r"(?<![a-z])(?:" + "|".join(sorted(parts, key=lambda p: (-len(p), p))) + r")(?![a-z])", re.I)


def texts_of(labels: Labels, given: str) -> tuple[str | None, tuple[str, ...]]:
    """What a label that a person gives is compared by: the texts of the activity that it names, or itself.

    Returns:
        The activity and its texts; None and the label where no activity's words are in it. Of several, that whose words
        in it are the longest: `walking upstairs` is going upstairs.
    """
    found = []
    for name, activity in labels.activities.items():
        words = naming((*activity.words, name.replace("_", " "))).findall(given)
        if words:
            found.append((max(map(len, words)), name))
    if not found:
        return None, (given,)
    longest = max(found, key=lambda pair: pair[0])[1]
    return longest, labels.activities[longest].texts


def label_rows(labels: Labels, written: Mapping[str, Sequence[str]]) -> list[dict[str, object]]:
    """Rows of `labels.parquet`: the file's texts, then those that an endpoint wrote."""
    return [
        {"label": name, "index": index, "source": source, "text": text}
        for name, activity in labels.activities.items()
        for index, (source, text) in enumerate(
            [("file", text) for text in activity.texts] + [("openai", text) for text in written.get(name, ())]
        )
    ]
