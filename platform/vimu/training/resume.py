"""Checkpoints of a training run: sealed by hashes when written; only whole ones of the same run are gone on from."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vimu.runtime.errors import UserError
from vimu.runtime.manifest import differences
from vimu.runtime.storage import file_sha256

SEAL_FILE = "seal.json"


@dataclass(frozen=True)
class Sealed:
    """A whole checkpoint."""

    folder: Path
    epoch: int
    """The last one that it has seen."""
    final: bool
    """Whether training ended with it."""


def seal(folder: Path, identity: Mapping[str, Any], *, epoch: int, final: bool) -> None:
    """Write, as the last file of a checkpoint, the hashes of the others and what run they belong to.

    Args:
        identity: settings and inputs, JSON values: a run with others may not go on from here.
    """
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    body = json.dumps({"epoch": epoch, "final": final, "identity": identity, "files": files}, sort_keys=True)
    (folder / SEAL_FILE).write_text(f"{_sha256(body)}\n{body}", encoding="utf-8")


def newest_whole(storage: Path, identity: Mapping[str, Any], warn: Callable[[str], None]) -> Sealed | None:
    """The whole checkpoint that has seen most, below any run folder of `storage`; None where there is none.

    Args:
        warn: told of each checkpoint that is cut short or altered, and skipped.

    Raises:
        UserError: a whole checkpoint belongs to other settings or inputs; the message says which.
    """
    found = []
    for folder in sorted(path for path in storage.glob("*/checkpoint_*") if path.is_dir()):
        try:
            body = _opened(folder)
        except (OSError, ValueError, KeyError) as error:
            warn(f"warning: checkpoint {folder.name} is damaged ({error}); an earlier one is used")
            continue
        if other := list(differences(body["identity"], json.loads(json.dumps(identity)))):
            shown = "\n".join(f"  - {at}: {change}" for at, change in other)
            raise UserError(
                f"Checkpoint `{folder}` must be of this configuration, but is of another (there -> here):\n{shown}\n"
                f"Delete `{storage}` to begin anew."
            )
        found.append(Sealed(folder, int(body["epoch"]), bool(body["final"])))
    return max(found, key=lambda sealed: sealed.epoch, default=None)


def sealed_parts(storage: Path, identity: Mapping[str, Any], warn: Callable[[str], None]) -> dict[str, Path]:
    """Folders of checkpoints that are whole by themselves, by name: models that one run trained side by side.

    Args:
        warn: told of each that is cut short, altered or of other settings, and left out: it is made again.
    """
    found = {}
    for folder in sorted(path for path in storage.glob("*/checkpoint_*/*") if path.is_dir()):
        try:
            body = _opened(folder)
        except (OSError, ValueError, KeyError) as error:
            warn(f"warning: {folder.name} is damaged ({error}); it is made again")
            continue
        if other := list(differences(body["identity"], json.loads(json.dumps(identity)))):
            shown = "; ".join(f"{at}: {change}" for at, change in other)
            warn(f"warning: {folder.name} is of another configuration ({shown}); it is made again")
            continue
        found[folder.name] = folder
    return found


def _opened(folder: Path) -> dict[str, Any]:
    """The seal's content. Raises OSError, ValueError, KeyError: something is missing or not as it was written."""
    stated, _, body = (folder / SEAL_FILE).read_text(encoding="utf-8").partition("\n")
    if _sha256(body) != stated:
        raise ValueError(f"{SEAL_FILE} fails its hash")
    content: dict[str, Any] = json.loads(body)
    for name, sha256 in content["files"].items():
        if file_sha256(folder / name) != sha256:
            raise ValueError(f"{name} fails its hash")
    return content


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
