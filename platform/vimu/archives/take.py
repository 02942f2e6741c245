"""What a file's path says of the motion in it: archive, subject, sequence, words."""

import re
from pathlib import Path

from vimu.archives.config import ArchiveConfig
from vimu.archives.identity import person_of, place_of, take_name
from vimu.contracts import Take

PART = " | "
"""Stands between the parts of a description: the sentences of an annotation, and the path. Words hold no `|`."""


def take_of(path: Path, root: Path | None, config: ArchiveConfig) -> Take:
    """Name the take that `path` holds.

    Args:
        root: the archive's folder; None counts the file name alone.

    Returns:
        A Take whose sequence is the path below `root` without its suffix, whose description is that path as words, and
        whose subject is what `config.subject` finds in it, by one name a person; None where it finds nothing.

    Raises:
        ValueError: `path` does not lie below `root`.
    """
    sequence, place = _located(path, root, config)
    return Take(
        archive=config.name,
        subject=None if place is None else person_of(place, config.same_person),
        sequence=sequence,
        description=words_of(sequence),
    )


def take_name_of(path: Path, root: Path | None, config: ArchiveConfig) -> str | None:
    """`COLLECTION/FOLDER/TAKE`, the same whatever the nesting, alias and release; None where there is no subject.

    Without `root` the whole path counts: a file read alone gets the same name as one read with its archive.
    """
    sequence, place = _located(path.absolute(), Path("/") if root is None else root.absolute(), config)
    return None if place is None else take_name(place, sequence, config.take_endings)


def _located(path: Path, root: Path | None, config: ArchiveConfig) -> tuple[str, str | None]:
    below = Path(path.name) if root is None else path.relative_to(root)
    sequence = below.with_suffix("").as_posix()
    return sequence, place_of(sequence, None if root is None else root.name, config.subject, config.collections)


def words_of(text: str) -> str:
    """Lower-case words by single spaces: `KIT/3/WalkingStraight01_poses` -> `kit 3 walking straight 01 poses`.

    Label rules search whole words, and archives glue theirs together.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])|[_\-/.|\s]+", " ", text)
    return " ".join(spaced.lower().split())
