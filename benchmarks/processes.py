"""What /proc says of processes: which belong to a folder, what memory is their own, how many files they have open."""

import os
from pathlib import Path


def of_folder(folder: Path) -> list[int]:
    """Living processes that name a folder in their command, or have a file below it open."""
    return [pid for pid in processes() if pid != os.getpid() and is_alive(pid) and belongs(pid, folder)]


def processes() -> list[int]:
    """Ids of all that are in the table, those that have ended and wait for their parent among them."""
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]


def is_alive(pid: int) -> bool:
    """Whether it is more than an entry in the table."""
    return _fields(pid)[:1] not in ([], ["Z"])


def children(pid: int) -> list[int]:
    return [p for p in processes() if _fields(p)[1:2] == [str(pid)]]


def belongs(pid: int, folder: Path) -> bool:
    """Whether it names the folder in its command, or has a file below it open."""
    if str(folder) in title(pid):
        return True
    try:
        return any(str(p.readlink()).startswith(str(folder)) for p in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # gone, or another user's
        return False


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


def _fields(pid: int) -> list[str]:
    """State, parent and so on: what follows the name in `stat`; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
