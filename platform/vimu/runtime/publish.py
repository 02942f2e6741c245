"""Publishing a stage's folder: all of it at once, or nothing.

In a folder: a stage writes into `.NAME.staging` beside its final folder; when every file is there, `manifest.json` and
then `_SUCCESS`, which names the manifest's sha256, follow, and one rename makes it visible. What a build keeps to go on
after a kill is hidden (its name begins with a dot) and goes between `_SUCCESS` and the rename: until then, a killed run
repeats nothing.

In an object store, which has no rename: it writes below `NAME/data-IDENTITY/`, then `manifest-SHA256.json`, and one
conditional write of `_SUCCESS` makes it visible. Of several runs that publish there at once, one succeeds.

Readers open a folder only through `published.open_published` and follow its manifest.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout
from upath import UPath

from vimu.runtime.errors import UserError
from vimu.runtime.manifest import FILES, Outcome, manifest_text, only_differ_in, refuse_other
from vimu.runtime.published import SUCCESS, Published, manifest_path, open_published
from vimu.runtime.storage import (
    Location,
    StoredFile,
    absolute,
    create,
    file_sha256,
    files_below,
    remove,
    require_store,
    write_whole,
)

IDENTITY = ".identity.json"

Build = Callable[[Location, Published | None], Outcome]
"""Writes into the staging place it is given, where a killed run of the same identity left what it had written. The
second argument is what `update` brings up to date, None otherwise."""


def publish(
    folder: Location,
    *,
    identity: Mapping[str, Any],
    build: Build,
    made_by: str,
    update: bool = False,
    renewed_by: Collection[str] = (),
    workers_write: bool = False,
) -> Published:
    """Build a stage's folder, unless it stands there already.

    Args:
        folder: the final folder, `runs/NAME/STAGE`, or the like in an object store.
        identity: `stage`, `settings` and `inputs`: what decides whether two runs are the same run. JSON values.
        made_by: the command that makes it, for errors and the manifest.
        update: where the same settings published other input files, build on that and replace it.
        renewed_by: keys of the identity: what differs in these alone is built anew and replaced, without being asked.
        workers_write: `build` writes to an object store itself; else it is given a local folder, which is uploaded.

    Raises:
        UserError: another run writes there now, or the folder holds the result of another configuration.
    """
    identity = json.loads(json.dumps(identity))
    replacing = {*renewed_by, FILES} if update else set(renewed_by)
    if not isinstance(folder, Path):
        require_store(folder)
        return _publish_in_store(folder, identity, build, made_by, replacing, workers_write)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _touch(folder.parent / f".{folder.name}.lock")
    except OSError as error:
        raise UserError(f"`{folder.parent}` must be a folder that can be written, but: {error}.") from error
    try:
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=0):
            _finish_replacing(folder)
            previous = _standing(folder, identity, made_by, replacing)
            if previous is not None and previous.manifest["identity"] == identity:
                return previous
            staging = folder.parent / f".{folder.name}.staging"
            if not _is_sealed(staging, identity):
                _prepare_staging(staging, identity)
                started = time.time()
                outcome = build(staging, previous)
                _seal(staging, identity, outcome, made_by, started)
            _remove_hidden(staging)
            if previous is not None:
                folder.rename(_aside(folder))
            staging.rename(folder)
            _sync(folder.parent)
            if previous is not None:
                shutil.rmtree(_aside(folder))
    except Timeout as error:
        raise UserError(f"Another run is writing `{folder}`. Wait for it, or give another `name`.") from error
    published = open_published(folder, made_by=made_by)
    return Published(published.folder, published.manifest, fresh=True)


def publishing_state(folder: Location, identity: Mapping[str, Any], *, renewed_by: Collection[str] = ()) -> str:
    """What `publish` would do with `folder`: nothing, replace, go on or begin. Raises UserError: it would refuse."""
    require_store(folder)
    asked = json.loads(json.dumps(identity))
    if (folder / SUCCESS).is_file():
        there = open_published(folder, made_by="the job again").manifest["identity"]
        if only_differ_in(renewed_by, there, asked):
            return f"would renew {folder}: what it says of {', '.join(renewed_by)} has changed since"
        refuse_other(folder, there, asked)
        return f"nothing to do: {folder} holds this already"
    staging = folder.parent / f".{folder.name}.staging" if isinstance(folder, Path) else folder / _data(identity)
    if _left_by(staging) == asked:
        return f"would go on with what an earlier run left in {staging}"
    return f"would publish {folder}"


def reused(file: StoredFile, path: str, staging: Location) -> StoredFile:
    """A file of the previous publication as part of the new one, without copying its bytes.

    Args:
        path: below `staging`.
    """
    if not isinstance(staging, Path):
        return file  # a manifest may name any object of its stage
    place = staging / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.hardlink_to(file.where)
    return StoredFile(absolute(place), file.n_bytes, file.sha256)


def _standing(folder: Location, identity: Mapping[str, Any], made_by: str, replacing: set[str]) -> Published | None:
    """What is published there: the same, or what may be replaced. Raises UserError: something else."""
    if not (folder.exists() if isinstance(folder, Path) else (folder / SUCCESS).is_file()):
        return None
    if not (folder / SUCCESS).is_file():
        raise UserError(f"`{folder}` must be free, or what {made_by} published, but is neither. Move it away.")
    published = open_published(folder, made_by=made_by)
    there = published.manifest["identity"]
    if not only_differ_in(replacing, there, identity):
        refuse_other(folder, there, identity)
    return published


def _prepare_staging(staging: Location, identity: Mapping[str, Any]) -> None:
    """The staging place: kept from a killed run of the same identity, else empty."""
    if _left_by(staging) == identity:
        return
    if isinstance(staging, Path):
        if staging.is_symlink() or staging.is_file():
            staging.unlink()
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
    write_whole(staging / IDENTITY, json.dumps(identity, indent=1))


def _left_by(staging: Location) -> object:
    mark = staging / IDENTITY
    try:
        return json.loads(mark.read_bytes()) if mark.is_file() else None
    except ValueError:  # a disk's damage: what lies beside it may be damaged as well
        return None


def _seal(staging: Path, identity: Mapping[str, Any], outcome: Outcome, made_by: str, started: float) -> None:
    known = {file.where: file for file in outcome.files}
    entries = []
    for path in (Path(str(p)) for p in files_below(staging) if not _hidden(p, staging)):
        if path in (staging / "manifest.json", staging / SUCCESS):  # of a run that was killed while it wrote them
            continue
        file = known.get(absolute(path)) or StoredFile(str(path), path.stat().st_size, file_sha256(path))
        entries.append({"path": path.relative_to(staging).as_posix(), "bytes": file.n_bytes, "sha256": file.sha256})
    text = manifest_text(identity, outcome, entries, made_by=made_by, started=started)
    write_whole(staging / "manifest.json", text)
    write_whole(staging / SUCCESS, hashlib.sha256(text.encode()).hexdigest() + "\n")


def _is_sealed(staging: Path, identity: Mapping[str, Any]) -> bool:
    """Whether a run was killed between the last file of this very result and the rename."""
    try:
        return bool(open_published(staging, made_by="-").manifest["identity"] == identity)
    except UserError:
        return False


def _remove_hidden(staging: Location) -> None:
    """Remove what a build kept to go on with, and what workers left that were killed while they wrote."""
    for path in files_below(staging):
        if _hidden(path, staging):
            remove(path)
    if isinstance(staging, Path):  # an object store has no empty folders
        for folder in [p for p in staging.rglob(".*") if p.is_dir()]:
            shutil.rmtree(folder, ignore_errors=True)


def _publish_in_store(
    folder: UPath, identity: Mapping[str, Any], build: Build, made_by: str, replacing: set[str],
    workers_write: bool,
) -> Published:  # fmt: skip
    success, condition = folder / SUCCESS, {}
    if success.is_file() and replacing:
        condition = {"IfMatch": success.fs.info(success.path)["ETag"]}  # S3's word for "unless it has changed"
    previous = _standing(folder, identity, made_by, replacing)
    if previous is not None and previous.manifest["identity"] == identity:
        return previous
    data = folder / _data(identity)
    _prepare_staging(data, identity)
    started = time.time()
    outcome = build(data, previous) if workers_write else _built_here(data, identity, build, previous)
    files = {file.where: file for file in outcome.files}
    for path in (p for p in files_below(data) if not _hidden(p, data) and str(p) not in files):
        files[str(path)] = StoredFile(str(path), path.stat().st_size, file_sha256(path))
    entries = sorted((_entry(file, folder) for file in files.values()), key=lambda entry: str(entry["path"]))
    text = manifest_text(identity, outcome, entries, made_by=made_by, started=started).encode()
    named = hashlib.sha256(text).hexdigest()
    write_whole(manifest_path(folder, named), text)
    if not create(success, f"{named}\n".encode(), **condition):
        raise UserError(f"Another run published `{folder}` meanwhile. Run again to see whether it is the same.")
    _remove_hidden(data)
    published = open_published(folder, made_by=made_by)
    return Published(published.folder, published.manifest, fresh=True)


def _built_here(data: UPath, identity: Mapping[str, Any], build: Build, previous: Published | None) -> Outcome:
    """Build in a local folder, which a killed run of the same identity finds again, and upload it."""
    staging = Path(tempfile.gettempdir()) / f"vimu-{os.getuid()}" / data.name
    _prepare_staging(staging, identity)
    outcome = build(staging, previous)
    for path in (Path(str(p)) for p in files_below(staging) if not _hidden(p, staging)):
        write_whole(data / path.relative_to(staging).as_posix(), path.read_bytes())
    shutil.rmtree(staging)
    return outcome


def _entry(file: StoredFile, folder: UPath) -> dict[str, Any]:
    """A manifest's line: `path` as in a local folder, `at` as it lies in the store."""
    at = PurePosixPath(file.where.removeprefix(str(folder)).lstrip("/"))
    path = PurePosixPath(*at.parts[1:]).as_posix()
    return {"path": path, "at": str(at), "bytes": file.n_bytes, "sha256": file.sha256}


def _data(identity: Mapping[str, Any]) -> str:
    return "data-" + hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def _hidden(path: Location, below: Location) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(str(path).removeprefix(str(below))).parts)


def _aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.replaced"


def _finish_replacing(folder: Path) -> None:
    """What an update that was killed between its two renames left undone: the old result stands again."""
    if _aside(folder).is_dir() and not folder.exists():
        _aside(folder).rename(folder)
    elif _aside(folder).is_dir():
        shutil.rmtree(_aside(folder), ignore_errors=True)


def _touch(lock: Path) -> None:
    """Its time says when a job came by last. A link, which would have a file elsewhere truncated, is an OSError."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.utime(handle)
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
