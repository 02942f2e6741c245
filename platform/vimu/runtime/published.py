"""A published folder, for those who read it: its manifest first, then what the manifest names."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vimu.runtime.claims import require_manifest
from vimu.runtime.errors import UserError
from vimu.runtime.storage import Location, StoredFile, absolute, file_sha256, require_store

SUCCESS = "_SUCCESS"
SHARDED = ("clips/", "windows/")
"""Folders whose files are checked by the workers that read them: a driver would wait for terabytes."""


@dataclass(frozen=True)
class Published:
    """A published folder, its manifest verified."""

    folder: Location
    manifest: Mapping[str, Any]
    fresh: bool = False
    """True where this call built it, False where it stood there already."""

    @property
    def content_hash(self) -> str:
        return str(self.manifest["content_hash"])

    @property
    def details(self) -> Mapping[str, Any]:
        return dict(self.manifest["details"])

    def files(self, prefix: str) -> list[StoredFile]:
        """The files whose name begins with `prefix`, in the manifest's order. Readers follow the manifest only."""
        return [
            StoredFile(absolute(self.folder / f.get("at", f["path"])), f["bytes"], f["sha256"])
            for f in self.manifest["files"]
            if f["path"].startswith(prefix)
        ]

    def file(self, path: str) -> StoredFile:
        """The one file of that name."""
        [found] = [f for f, entry in zip(self.files(""), self.manifest["files"], strict=True) if entry["path"] == path]
        return found


def open_published(folder: Location, *, made_by: str) -> Published:
    """A folder that a stage published, its manifest checked and every file but the shards, which their readers check.

    Args:
        made_by: the command that makes it, for the error.

    Raises:
        UserError: nothing is published there, it is damaged, or its manifest is none or leads out of the folder.
    """
    if not (folder / SUCCESS).is_file():
        require_store(folder)
        raise UserError(f"`{folder}` is not published yet. Run first: {made_by}")
    named = (folder / SUCCESS).read_bytes().decode(errors="replace").strip()
    path = manifest_path(folder, named)
    text = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(text).hexdigest() != named:
        raise UserError(f"`{path}` is not what `_SUCCESS` names. Delete the folder and run: {made_by}")
    require_manifest(text, where=str(path), made_by=made_by)
    published = Published(folder, json.loads(text))
    for entry, file in zip(published.manifest["files"], published.files(""), strict=True):
        sharded = entry["path"].startswith(SHARDED)
        place = folder / entry.get("at", entry["path"])
        whole = place.is_file() and place.stat().st_size == entry["bytes"]
        if not whole or not (sharded or file_sha256(place) == entry["sha256"]):
            raise UserError(f"`{file.where}` is missing or damaged. Delete `{folder}` and run: {made_by}")
    return published


def manifest_path(folder: Location, named: str) -> Location:
    """Where the manifest lies whose sha256 `_SUCCESS` names: in a store, each under its own name."""
    return folder / ("manifest.json" if isinstance(folder, Path) else f"manifest-{named[:12]}.json")
