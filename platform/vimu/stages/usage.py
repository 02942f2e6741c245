"""How much a folder holds, and when it was touched last. Links are neither followed nor counted."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from upath import UPath

MODIFIED = ("LastModified", "last_modified", "updated", "mtime")
"""What stores call the time at which an object was written: S3, Azure, Google, fsspec's own."""


@dataclass(frozen=True)
class Usage:
    """Of one folder."""

    n_bytes: int
    """What removing it frees: files that stand elsewhere under another name do not count."""
    touched: float
    """Seconds since 1970: its newest file; where it has none, itself."""


def usage_of(folder: Path) -> Usage:
    """Of a local folder. What disappears meanwhile does not count; where it is the folder, it is touched now."""
    here: Counter[tuple[int, int]] = Counter()
    files: dict[tuple[int, int], os.stat_result] = {}
    for parent, _, names in os.walk(folder):  # follows no links
        for name in names:
            try:
                found = Path(parent, name).lstat()
            except FileNotFoundError:
                continue
            here[key := (found.st_dev, found.st_ino)] += 1
            files[key] = found
    n_bytes = sum(found.st_size for key, found in files.items() if found.st_nlink <= here[key])
    return Usage(n_bytes, max([found.st_mtime for found in files.values()] or [_own_time(folder)]))


def _own_time(folder: Path) -> float:
    try:
        return folder.lstat().st_mtime
    except FileNotFoundError:
        return time.time()


def usages_in_store(place: UPath, now: float) -> dict[str, Usage]:
    """Of each folder or object directly below a place of an object store.

    Args:
        now: seconds since 1970: the time of what says none, so that it stays.
    """
    found: dict[str, list[Usage]] = {}
    for path, info in place.fs.find(place.path, withdirs=False, detail=True).items():
        first = PurePosixPath(path).relative_to(place.path).parts[0]
        found.setdefault(first, []).append(Usage(int(info.get("size") or 0), _touched(info, now)))
    return {name: together(usages, now) for name, usages in found.items()}


def together(usages: Iterable[Usage], now: float) -> Usage:
    """Of several folders as one."""
    several = list(usages)
    return Usage(sum(u.n_bytes for u in several), max((u.touched for u in several), default=now))


def _touched(info: Mapping[str, Any], now: float) -> float:
    for name in MODIFIED:
        value = info.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return now
