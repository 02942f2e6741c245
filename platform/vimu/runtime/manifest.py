"""The manifest of a published folder: what it holds, from what it was made, by which code."""

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vimu.runtime.errors import UserError
from vimu.runtime.storage import Location, StoredFile

MANIFEST_VERSION = 2
PACKAGES = ("vimu", "ray", "torch", "numpy", "pyarrow", "scipy", "scikit-learn", "optuna", "smplx")


@dataclass(frozen=True)
class Outcome:
    """What a stage's build says of itself, for the manifest."""

    counts: Mapping[str, int]
    """Rows by kind; `rows_in` must be `rows_out + rejections` where a stage has them."""
    content_hash: str
    """Over sorted (id, sha256 of its arrays): versions and configuration do not move it."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Input name -> licence."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the next stage or a reader wants to know: classes, channels, empty categories."""
    files: Sequence[StoredFile] = ()
    """Files whose hash the workers that wrote them know already."""


def content_hash(rows: Iterable[tuple[str, str]]) -> str:
    """Hash of (id, sha256) pairs whatever their order."""
    digest = hashlib.sha256()
    for identity, array_hash in sorted(rows):
        digest.update(f"{identity} {array_hash}\n".encode())
    return digest.hexdigest()


def manifest_text(
    identity: Mapping[str, Any], outcome: Outcome, files: Sequence[Mapping[str, Any]], *, made_by: str, started: float
) -> str:
    """The manifest as JSON.

    Args:
        files: `path` below the folder, `bytes`, `sha256` of each.
        started: `time.time()` when the build began.
    """
    return json.dumps(
        {
            "manifest_version": MANIFEST_VERSION,
            "stage": identity["stage"],
            "identity": identity,
            "content_hash": outcome.content_hash,
            "counts": dict(outcome.counts),
            "details": dict(outcome.details),
            "licences": dict(outcome.licences),
            "code": {"version": _version("vimu"), "git": _git_commit()},
            "packages": {"python": sys.version.split()[0], **{name: _version(name) for name in PACKAGES}},
            "command": made_by,
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "duration_s": round(time.time() - started, 1),
            "files": list(files),
        },
        indent=1,
    )


def refuse_other(folder: Location, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise a UserError that lists where two identities differ, if they do."""
    found = list(differences(there, asked))
    if found:
        shown = "\n".join(f"  - {at}: {change}" for at, change in found[:12])
        more = f"\n  and {len(found) - 12} more" if len(found) > 12 else ""
        only_files = [at for at, _ in found] == [FILES]
        grown = " Or take in what is new in the archives with `--update`." if only_files else ""
        raise UserError(
            f"`{folder}` holds the result of other settings or inputs (there -> asked for):\n{shown}{more}\n"
            f"Keep both with `--set name={folder.parent.name}-2`, or delete `{folder}` and what was made from it."
            f"{grown}"
        )


FILES = "inputs.files"
"""Where an identity holds the hash of its list of input files."""
SHA256 = re.compile("[0-9a-f]{64}")


def only_differ_in(keys: Collection[str], there: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """True where two identities differ, and nowhere but in some of `keys`: with FILES, an archive has grown."""
    found = {at for at, _ in differences(there, asked)}
    return bool(found) and found <= set(keys)


def differences(there: object, asked: object, at: str = "") -> Iterable[tuple[str, str]]:
    """Where two JSON values differ: (dotted key, `old -> new`)."""
    if isinstance(there, Mapping) and isinstance(asked, Mapping):
        for key in sorted({*there, *asked}):
            yield from differences(there.get(key), asked.get(key), f"{at}.{key}" if at else str(key))
    elif isinstance(there, list) and isinstance(asked, list) and len(there) == len(asked):
        for i, (old, new) in enumerate(zip(there, asked, strict=True)):
            name = new.get("name", i) if isinstance(new, dict) else i
            yield from differences(old, new, f"{at}.{name}")
    elif there != asked and at == FILES:
        yield at, "a file of the archives was added, removed or changed (path, size or modification time)"
    elif there != asked:
        yield at, f"{_short(there)} -> {_short(asked)}"


def _short(value: object) -> str:
    """A JSON value as a person would write it in the configuration."""
    text = _flow(value)
    if SHA256.fullmatch(text):
        return text[:12]
    return text if len(text) <= 80 else text[:77] + "..."


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return value if isinstance(value, str) and value else json.dumps(value)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The checkout's commit, with `+changes` where it differs; None outside one."""
    here = Path(__file__).parent
    try:
        git = ["git", "-C", str(here)]
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603  # nosec B603
        dirty = subprocess.run(  # noqa: S603  # nosec B603
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")
