"""What a file's path says of the motion in it: archive, subject, sequence, words."""

import re
from pathlib import Path

from vimu.archives.config import ArchiveConfig
from vimu.contracts import Take

PART = " | "
"""Stands between the parts of a description: the sentences of an annotation, and the path. Words hold no `|`."""


def take_of(path: Path, root: Path | None, config: ArchiveConfig) -> Take:
    """Name the take that `path` holds.

    Args:
        root: the archive's folder; None counts the file name alone.

    Returns:
        A Take whose sequence is the path below `root` without its suffix, whose description is that path as words, and
        whose subject is what `config.subject` finds in it, None where it finds nothing.

    Raises:
        ValueError: `path` does not lie below `root`.
    """
    below = Path(path.name) if root is None else path.relative_to(root)
    sequence = below.with_suffix("").as_posix()
    found = re.search(config.subject, sequence) if config.subject is not None else None
    return Take(
        archive=config.name,
        subject=found["subject"] if found is not None else None,
        sequence=sequence,
        description=words_of(sequence),
    )


def words_of(text: str) -> str:
    """Lower-case words by single spaces: `KIT/3/WalkingStraight01_poses` -> `kit 3 walking straight 01 poses`.

    Label rules search whole words, and archives glue theirs together.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])|[_\-/.|\s]+", " ", text)
    return " ".join(spaced.lower().split())
