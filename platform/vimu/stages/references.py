"""Which runs are read by which: `prepare.clips`, `align.start`, `align.targets` and the like, as manifests tell it.

What only a configuration names that nothing was published from yet cannot be seen here.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vimu.runtime.publish import IDENTITY
from vimu.runtime.published import SUCCESS, manifest_path
from vimu.runtime.storage import Location


@dataclass(frozen=True)
class Told:
    """What the manifests of a run tell."""

    texts: frozenset[str]
    """Every text of settings, inputs and details: paths of other runs and hashes of what they hold among them."""
    stages: frozenset[str]
    hashes: frozenset[str]
    """Of what it holds itself."""
    unreadable: str | None
    """A manifest that cannot be read: what it refers to is not known."""

    def reads(self, name: str, other: "Told") -> bool:
        """Whether it was made from the run of that name: by a path, or by what that one holds and this one does not."""
        return any(_names(text, name, other.stages) for text in self.texts) or bool(
            (other.hashes - self.hashes) & self.texts
        )


def told_by(run: Location) -> Told:
    """Read the manifests of a run, and what unfinished stages are made from."""
    texts: set[str] = set()
    stages: set[str] = set()
    hashes: set[str] = set()
    unreadable = None
    for stage in (p for p in run.iterdir() if p.is_dir()):
        try:
            if (stage / SUCCESS).is_file():
                stages.add(stage.name)
                manifest = _manifest(stage)
                hashes.add(str(manifest["content_hash"]))
                texts |= set(_texts([manifest["identity"], manifest["details"]]))
            marks = [stage] if isinstance(run, Path) else [p for p in stage.iterdir() if p.name.startswith("data-")]
            for mark in marks:
                if (mark / IDENTITY).is_file():
                    texts |= set(_texts(json.loads((mark / IDENTITY).read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            unreadable = f"`{stage}`"
    return Told(frozenset(texts), frozenset(stages), frozenset(hashes), unreadable)


def needed(runs: Sequence[Location], going: Collection[str]) -> dict[str, str]:
    """Of the runs that would go, those which a run reads that stays, those which these read, and so on: name -> why."""
    told = {run.name: told_by(run) for run in runs}
    left = set(going)
    because: dict[str, str] = {}
    staying = sorted(set(told) - left)
    while staying:
        reader = staying.pop()
        for name in sorted(left):
            if told[reader].unreadable is not None:
                because[name] = f"{told[reader].unreadable} cannot be read, and may be made from it"
            elif told[reader].reads(name, told[name]):
                because[name] = f"`{reader}` is made from it"
            else:
                continue
            left.discard(name)
            staying.append(name)
    return because


def data_in_use(stage: Location) -> set[str] | None:
    """The `data-...` folders in an object store that a stage's manifest points to; None: it cannot be read."""
    if not (stage / SUCCESS).is_file():
        return set()
    try:
        return {PurePosixPath(entry["at"]).parts[0] for entry in _manifest(stage)["files"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _manifest(stage: Location) -> dict[str, Any]:
    named = (stage / SUCCESS).read_text(encoding="utf-8").strip()
    return dict(json.loads(manifest_path(stage, named).read_text(encoding="utf-8")))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _names(text: str, run: str, stages: frozenset[str]) -> bool:
    """Whether a text is a path to a run or to a stage of it, from wherever: `runs/NAME`, `s3://b/runs/NAME/prepare`."""
    if "/" not in text or run not in text:
        return False
    parts = PurePosixPath(text).parts
    return any(part == run and (i + 1 == len(parts) or parts[i + 1] in stages) for i, part in enumerate(parts))
