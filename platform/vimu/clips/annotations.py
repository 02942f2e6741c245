"""What people wrote about takes: sentences that say more of a motion than its path does."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from pydantic import BaseModel, TypeAdapter, ValidationError

from vimu.archives.take import PART, words_of
from vimu.contracts import Take
from vimu.runtime.errors import UserError

Key = tuple[str, ...]
"""The last folders and the name of a take's file, as `_key` writes them."""


class _Sentence(BaseModel):
    text: str


class _AnnotatedTake(BaseModel):
    path: str
    annotations: list[_Sentence]


_KIT_ML = TypeAdapter(dict[str, _AnnotatedTake])


@dataclass(frozen=True)
class Annotations:
    """Sentences by the end of the path of the file that they describe."""

    sentences: Mapping[Key, tuple[str, ...]]

    def of(self, path: PurePath) -> tuple[str, ...]:
        """The sentences of the take in the file `path`; empty where nobody described it.

        An entry describes every file whose path ends like it: `KIT/4/Walk01_poses` the file
        `/data/amass/KIT/KIT/4/Walk01_poses.npz`, and `02_01` the file `CMU/02/02_01_poses.npz`. The sentences are those
        of the longest end.
        """
        parts = _key(path.with_suffix("").as_posix())
        return next((self.sentences[parts[k:]] for k in range(len(parts)) if parts[k:] in self.sentences), ())


def load_annotations(files: Sequence[Path]) -> Annotations:
    """Read annotation files; a take that several describe has the sentences of all, in the order of `files`.

    Args:
        files: `.json` as KIT-ML's texts on AMASS (`{ID: {path, annotations: [{text}]}}`), or `.txt` as CMU's index
            (`ID<TAB>description`; lines without a tab are headings).

    Raises:
        UserError: a file is missing, of another kind, or holds no description.

    Source: https://github.com/Mathux/AMASS-Annotation-Unifier; http://mocap.cs.cmu.edu.
    """
    sentences: dict[Key, list[str]] = defaultdict(list)
    for file in files:
        if file.suffix not in READERS:
            raise UserError(f"`annotations` must be of {' or '.join(READERS)} files, but is `{file}`.")
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"`{file}` must be a readable annotation file, but is not: {error}.") from error
        entries = list(READERS[file.suffix](text, file))
        if not entries:
            raise UserError(f"`{file}` must describe at least one take, but describes none.")
        for name, sentence in entries:
            sentences[_key(name)].append(sentence)
    return Annotations({key: tuple(some) for key, some in sentences.items()})


def described(take: Take, sentences: Sequence[str]) -> Take:
    """`take` with `sentences`, as words, before the path in its description."""
    return replace(take, description=PART.join([*filter(None, map(words_of, sentences)), take.description]))


def _kit_ml(text: str, file: Path) -> Iterator[tuple[str, str]]:
    try:
        takes = _KIT_ML.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise UserError(f"`{file}` must be annotations as KIT-ML's, but `{where}`: {problem['msg']}.") from error
    return ((take.path, sentence.text) for take in takes.values() for sentence in take.annotations)


def _index(text: str, file: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        name, tab, description = line.partition("\t")
        if tab and not (name.strip() and description.strip()):
            raise UserError(f"`{file}`, line {number} must be `ID<TAB>description`, but is `{line}`.")
        if tab:
            yield name.strip(), description.strip()


READERS = {".json": _kit_ml, ".txt": _index}


def _key(name: str) -> Key:
    """Path parts without what the AMASS releases spell differently: `_poses` or `_stageii`, blanks or underscores."""
    return PurePath(re.sub(r"_(poses|stageii)$", "", name.replace(" ", "_"))).parts
