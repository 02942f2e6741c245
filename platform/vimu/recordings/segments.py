"""A table of labels for stretches of long recordings: each stretch becomes a trial of its own.

    experiment user activity first last        1 1 5 250 1232     samples are counted from 1, both ends belong

Source: README of HAPT v2.1, Raw-Data/labels.txt.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from vimu.contracts import Reason, Rejection
from vimu.runtime.errors import UserError

MAX_BYTES = 16 * 2**20
"""HAPT's table of 1,214 rows has 20 kB."""
ROW = re.compile(r"\s*(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s*")
COLUMNS = "experiment, user, activity, first and last sample"

Recorded = tuple[str, str]
"""Experiment and user, without leading zeros: what names a recording."""


@dataclass(frozen=True)
class Segment:
    """One labelled stretch."""

    activity: str
    """The table's number of the activity."""
    first: int
    """Sample, counted from 1."""
    last: int
    """Sample, counted from 1; it belongs to the stretch."""
    row: int
    """Line of the table, counted from 1."""


def read_segments(path: Path, name: str) -> tuple[dict[Recorded, list[Segment]], list[Rejection]]:
    """The stretches of each recording in the order of their samples, and the rows that cannot be used.

    Where two stretches share samples, neither is used: which label is meant, nobody knows. A row that stands twice
    counts once.

    Args:
        name: how rejections call the table; the line's number follows.

    Raises:
        UserError: there is no such file, or it is no table of labels by its size.
    """
    segments: dict[Recorded, list[Segment]] = defaultdict(list)
    rejections: list[Rejection] = []
    seen: set[tuple[str, ...]] = set()
    for i, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        match = ROW.fullmatch(line)
        if match is None:
            detail = f"a row must be five whole numbers ({COLUMNS}), but is `{line.strip()[:60]}`"
            rejections.append(Rejection(f"{name}:{i}", Reason.UNREADABLE, detail))
            continue
        if match.groups() in seen:
            rejections.append(Rejection(f"{name}:{i}", Reason.DUPLICATE, f"`{line.strip()}` stands above already"))
            continue
        seen.add(match.groups())
        experiment, user, activity = (without_zeros(group) for group in match.groups()[:3])
        first, last = int(match[4]), int(match[5])
        if not 1 <= first <= last:
            detail = f"samples must run from 1 on and forwards, but run from {first} to {last}"
            rejections.append(Rejection(f"{name}:{i}", Reason.UNREADABLE, detail))
            continue
        segments[experiment, user].append(Segment(activity, first, last, i))
    for key, stretches in segments.items():
        stretches.sort(key=lambda s: (s.first, s.last))
        segments[key], overlapping = _apart(stretches)
        rejections += [
            Rejection(f"{name}:{s.row}", Reason.NO_LABEL, f"samples {s.first} to {s.last} have another label besides")
            for s in overlapping
        ]
    return dict(segments), rejections


def without_zeros(number: str) -> str:
    """`01` and `1` are one."""
    return number.lstrip("0") or "0"


def _lines(path: Path) -> list[str]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"`{path}` must be a table of labels, but has {size:,} bytes.")
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"`{path}` must be a table of labels ({COLUMNS}), but cannot be read: {error}.") from error


def _apart(ordered: list[Segment]) -> tuple[list[Segment], list[Segment]]:
    """Stretches that share no sample with another, and those that do; both in order of their first sample."""
    sharing: set[Segment] = set()
    furthest: Segment | None = None
    for segment in ordered:
        if furthest is not None and segment.first <= furthest.last:
            sharing |= {furthest, segment}
        if furthest is None or segment.last > furthest.last:
            furthest = segment
    return [s for s in ordered if s not in sharing], [s for s in ordered if s in sharing]
