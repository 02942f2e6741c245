"""Publishing a stage's folder: all of it at once, or nothing.

A stage writes into `.NAME.staging` beside its final folder. Only when every file is there do `manifest.json` and then
`_SUCCESS`, which names the manifest's sha256, follow, and one rename makes the folder visible. Readers open a folder
only through `open_published`, which checks both and every file's hash.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vimu.runtime.errors import UserError

MANIFEST_VERSION = 1
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


@dataclass(frozen=True)
class Published:
    """A published folder, verified."""

    folder: Path
    manifest: Mapping[str, Any]
    fresh: bool = False
    """True where this call built it, False where it stood there already."""

    @property
    def content_hash(self) -> str:
        return str(self.manifest["content_hash"])

    @property
    def details(self) -> Mapping[str, Any]:
        return dict(self.manifest["details"])

    def files(self, prefix: str) -> list[Path]:
        """The files whose name begins with `prefix`, in the manifest's order. Readers follow the manifest only."""
        return [self.folder / f["path"] for f in self.manifest["files"] if f["path"].startswith(prefix)]


def content_hash(rows: Iterable[tuple[str, str]]) -> str:
    """Hash of (id, sha256) pairs whatever their order."""
    digest = hashlib.sha256()
    for identity, array_hash in sorted(rows):
        digest.update(f"{identity} {array_hash}\n".encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_published(folder: Path, *, made_by: str) -> Published:
    """A folder that a stage published, its manifest and every file checked.

    Args:
        made_by: the command that makes it, for the error.

    Raises:
        UserError: nothing is published there, or it is damaged.
    """
    success = folder / "_SUCCESS"
    if not success.is_file():
        raise UserError(f"`{folder}` is not published yet. Run first: {made_by}")
    text = (folder / "manifest.json").read_bytes() if (folder / "manifest.json").is_file() else b""
    if hashlib.sha256(text).hexdigest() != success.read_text(encoding="utf-8").strip():
        raise UserError(f"`{folder}/manifest.json` is not what `_SUCCESS` names. Delete the folder and run: {made_by}")
    manifest = json.loads(text)
    for entry in manifest["files"]:
        path = folder / entry["path"]
        if not path.is_file() or file_sha256(path) != entry["sha256"]:
            raise UserError(f"`{path}` is missing or damaged. Delete `{folder}` and run: {made_by}")
    return Published(folder, manifest)


def publish(folder: Path, *, identity: Mapping[str, Any], build: Callable[[Path], Outcome], made_by: str) -> Published:
    """Build a stage's folder, unless it stands there already.

    Args:
        folder: the final folder, `runs/NAME/STAGE`.
        identity: `stage`, `settings` and `inputs`: what decides whether two runs are the same run. JSON values.
        build: writes into the staging folder it is given. A run that was killed finds there what it had written.
        made_by: the command that makes it, for errors and the manifest.

    Raises:
        UserError: another run writes there now, or the folder holds the result of another configuration.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    identity = json.loads(json.dumps(identity))
    try:
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=0):
            if folder.exists():
                published = open_published(folder, made_by=made_by)
                _refuse_other(folder, published.manifest["identity"], identity)
                return published
            staging = _staging(folder, identity)
            started = time.time()
            outcome = build(staging)
            _seal(staging, identity, outcome, made_by, started)
            staging.rename(folder)
            _sync(folder.parent)
    except Timeout as error:
        raise UserError(f"Another run is writing `{folder}`. Wait for it, or give another `name`.") from error
    published = open_published(folder, made_by=made_by)
    return Published(published.folder, published.manifest, fresh=True)


def _staging(folder: Path, identity: Mapping[str, Any]) -> Path:
    """The staging folder: kept from a killed run of the same identity, else empty."""
    staging = folder.parent / f".{folder.name}.staging"
    mark = staging / ".identity.json"
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == identity:
        return staging
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    write_atomically(mark, json.dumps(identity, indent=1))
    return staging


def _seal(staging: Path, identity: Mapping[str, Any], outcome: Outcome, made_by: str, started: float) -> None:
    (staging / ".identity.json").unlink()
    for torn in staging.rglob("*.partial"):  # left by a worker that was killed while it wrote
        torn.unlink()
    paths = sorted(p for p in staging.rglob("*") if p.is_file())
    manifest = {
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
        "files": [
            {"path": p.relative_to(staging).as_posix(), "bytes": p.stat().st_size, "sha256": file_sha256(p)}
            for p in paths
        ],
    }
    text = json.dumps(manifest, indent=1)
    write_atomically(staging / "manifest.json", text)
    write_atomically(staging / "_SUCCESS", hashlib.sha256(text.encode()).hexdigest() + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a text file under its name only when it is whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(path)


def publishing_state(folder: Path, identity: Mapping[str, Any]) -> str:
    """What `publish` would do with `folder`: nothing, refuse, go on or begin."""
    if folder.exists():
        there = open_published(folder, made_by="the job again").manifest["identity"]
        try:
            _refuse_other(folder, there, json.loads(json.dumps(identity)))
        except UserError as error:
            return f"would be refused: {error}"
        return f"nothing to do: {folder} holds this already"
    mark = folder.parent / f".{folder.name}.staging" / ".identity.json"
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == json.loads(json.dumps(identity)):
        return f"would go on with what an earlier run left in {mark.parent}"
    return f"would publish {folder}"


def _refuse_other(folder: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    differences = list(_differences(there, asked, ""))
    if differences:
        shown = "\n".join(f"  - {line}" for line in differences[:12])
        raise UserError(
            f"`{folder}` holds the result of other settings or inputs:\n{shown}\n"
            f"Keep both with `--set name={folder.parent.name}-2`, or delete `{folder}` and what was made from it."
        )


def _differences(there: object, asked: object, at: str) -> Iterable[str]:
    if isinstance(there, Mapping) and isinstance(asked, Mapping):
        for key in sorted({*there, *asked}):
            yield from _differences(there.get(key), asked.get(key), f"{at}.{key}" if at else str(key))
    elif isinstance(there, list) and isinstance(asked, list) and len(there) == len(asked):
        for i, (old, new) in enumerate(zip(there, asked, strict=True)):
            name = new.get("name", i) if isinstance(new, dict) else i
            yield from _differences(old, new, f"{at}.{name}")
    elif there != asked and at == "inputs.files":
        yield "a file of the archives was added, removed or changed (path, size or modification time)"
    elif there != asked:
        yield f"`{at}` was {_short(there)}, but is {_short(asked)}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


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
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        dirty = subprocess.run(  # noqa: S603
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
