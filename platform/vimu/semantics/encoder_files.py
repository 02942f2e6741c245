"""Where a text encoder's files lie, and whether they are the ones that are meant. Nothing is ever downloaded."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.errors import UserError
from vimu.runtime.storage import file_sha256
from vimu.runtime.yaml import read_yaml

WEIGHTS = "model.safetensors"
"""The only form of weights that is read: a pickle could execute anything."""
NEEDED = ("config.json", "tokenizer.json", WEIGHTS)


class Packaged(Section):
    """An encoder that a package brings: an entry of `configs/semantics/encoders.yaml`."""

    package: str
    """As it is imported."""
    folder: str
    """Within the package."""
    install: str
    """The command that gets it."""
    licence: str
    sha256: Annotated[dict[str, str], Field(min_length=1)]
    """File -> its sum."""
    evidence: str


@dataclass(frozen=True)
class EncoderFiles:
    """A folder in the Hugging Face layout."""

    folder: Path
    digest: str
    """Of the files that are read: two encoders with the same are the same."""


def encoder_files(name: str) -> EncoderFiles:
    """The files of an encoder of `configs/semantics/encoders.yaml`, or of a folder.

    Raises:
        UserError: the package is not installed, a file is missing, or it is not the file that was pinned.
    """
    known = {key: validate(Packaged, raw, where=f"encoders.yaml: {key}") for key, raw in _table().items()}
    packaged = known.get(name)
    folder = Path(name) if packaged is None else _package_folder(name, packaged)
    if not folder.is_dir():
        raise UserError(
            f"`align.text_encoder` must be one of {', '.join(known)}, or a folder in the Hugging Face layout, but "
            f"there is no folder `{folder}`."
        )
    missing = [file for file in NEEDED if not (folder / file).is_file()]
    if missing:
        get = "" if packaged is None else f" Get it again: {packaged.install} --force-reinstall"
        raise UserError(f"`{folder}` must hold {', '.join(NEEDED)}, but lacks {', '.join(missing)}.{get}")
    sums = {file: file_sha256(folder / file) for file in sorted({*NEEDED, *(packaged.sha256 if packaged else ())})}
    for file, expected in packaged.sha256.items() if packaged is not None else ():
        if sums[file] != expected:
            raise UserError(
                f"`{folder / file}` must have the SHA-256 {expected[:12]}..., but has {sums[file][:12]}...: it is "
                "another version, or damaged. Name it as a folder where that is meant: "
                f"--set align.text_encoder={folder}"
            )
    return EncoderFiles(folder, hashlib.sha256(repr(sorted(sums.items())).encode()).hexdigest()[:16])


def _table() -> dict[str, object]:
    return dict(read_yaml(configs_folder() / "semantics" / "encoders.yaml"))


def _package_folder(name: str, packaged: Packaged) -> Path:
    """Raises UserError: it is not installed."""
    found = importlib.util.find_spec(packaged.package)  # imports nothing
    if found is None or not found.submodule_search_locations:
        raise UserError(
            f"The text encoder `{name}` must be installed, but is not: {packaged.install}. Or name a folder in the "
            "Hugging Face layout: --set align.text_encoder=my/folder"
        )
    return Path(next(iter(found.submodule_search_locations))) / packaged.folder
