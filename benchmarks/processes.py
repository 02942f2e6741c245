"""What /proc says of processes: which belong to a folder, what memory is their own, how many files they have open."""

import os
from collections.abc import Iterator
from pathlib import Path


def of_folder(folder: Path) -> list[int]:
    """Living processes that name a folder in their command, or have a file below it open."""
    return [pid for pid in _all() if pid != os.getpid() and _state(pid) not in ("", "Z") and _belongs(pid, str(folder))]


def title(pid: int) -> str:
    """Its command; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def own_mib(pid: int) -> float:
    """Memory that no other process shares with it, MiB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _all() -> Iterator[int]:
    return (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit())


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _belongs(pid: int, folder: str) -> bool:
    if folder in title(pid):
        return True
    try:
        return any(str(p.readlink()).startswith(folder) for p in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # gone, or another user's
        return False
