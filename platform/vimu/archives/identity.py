"""One name a subject and a take, whatever folders, aliases and releases an archive comes in."""

import re
from collections.abc import Mapping, Sequence

from pydantic import model_validator

from vimu.runtime.config import RegularExpression, Section


class Collection(Section):
    """A part of an archive, by the name that this project gives it."""

    aliases: tuple[str, ...] = ()
    """Other names that its folder goes by."""
    evidence: str = ""
    """Where the aliases come from; none are claimed without."""

    @model_validator(mode="after")
    def _says_why(self) -> "Collection":
        if self.aliases and not self.evidence:
            raise ValueError("`aliases` must come with `evidence`")
        return self


class SamePerson(Section):
    """Folders that hold one person under several names: splits must not part them."""

    match: RegularExpression
    """Regular expression on the whole of `COLLECTION/FOLDER`."""
    subject: str
    r"""The person's name, with the groups of `match` as `\\1` or `\\g<name>`."""
    evidence: str


def own_name(folder: str, collections: Mapping[str, Collection]) -> str:
    """The collection that a folder's name means; the name itself where it is none of theirs."""
    for name, collection in collections.items():
        if folder == name or folder in collection.aliases:
            return name
    return folder


def place_of(sequence: str, root: str | None, pattern: str | None, collections: Mapping[str, Collection]) -> str | None:
    """`COLLECTION/FOLDER` of a take, the collection by its own name; None where `pattern` finds no subject.

    Args:
        sequence: path below the archive's root, without suffix.
        root: name of the root folder. It counts as part of the path only where it is a collection itself: a person may
            have unpacked a single one and given that.
    """
    if pattern is None:
        return None
    found = re.search(pattern, sequence)
    if found is None and root is not None and (root in collections or own_name(root, collections) != root):
        found = re.search(pattern, f"{root}/{sequence}")
    if found is None:
        return None
    first, slash, rest = found["subject"].partition("/")
    return own_name(first, collections) + slash + rest


def person_of(place: str, same_person: Sequence[SamePerson]) -> str:
    """The subject's name: `place`, unless the person goes by several."""
    for rule in same_person:
        found = re.fullmatch(rule.match, place)
        if found is not None:
            return found.expand(rule.subject)
    return place


def take_name(place: str, sequence: str, endings: Sequence[str]) -> str:
    """`COLLECTION/FOLDER/TAKE`, the same for every release of a take.

    Args:
        endings: what releases add to a take's name (`_poses`, `_stageii`).
    """
    name = sequence.rpartition("/")[2]
    for ending in endings:
        name = name.removesuffix(ending)
    return f"{place}/{name}".replace(" ", "_")
