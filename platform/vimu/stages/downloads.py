"""`configs/downloads.yaml`: where what a run reads comes from, and how much of it there should be."""

from pydantic import Field, PositiveInt

from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.yaml import read_yaml


class Counts(Section):
    """How many files the published set has, as far as is known."""

    count: dict[str, PositiveInt]
    """Collection -> takes; `all` for a set without collections."""
    evidence: str


class Download(Section):
    """One thing to fetch."""

    title: str
    """As its authors call it."""
    url: str
    get: str
    """What to do there."""
    put: str
    """How it gets to its place; `{path}` is the configuration's."""
    layout: str
    """What the folder holds then."""
    evidence: str
    subjects: PositiveInt | None = None
    """People in the whole set."""
    files_at_least: Counts | None = None


class Downloads(Section):
    """All that is known of, by the names of archives and recording sets."""

    archives: dict[str, Download] = Field(default_factory=dict)
    recordings: dict[str, Download] = Field(default_factory=dict)
    bodies: Download


def load_downloads() -> Downloads:
    """Read `configs/downloads.yaml`. Raises UserError."""
    path = configs_folder() / "downloads.yaml"
    return validate(Downloads, read_yaml(path), where=str(path))
