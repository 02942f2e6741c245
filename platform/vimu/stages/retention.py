"""What a folder of runs could do without, and what of it must stay: `vimu gc`. Here is looked, `removal` removes.

Leftovers are what killed jobs leave: a staging folder, in which Ray Train's and Ray Tune's own folders lie too; an old
result that an update was about to drop; in an object store, data that no manifest points to. Whole runs are looked at
where that is asked for. What was touched lately, is being written, or is read by a run that stays, stays.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from upath import UPath

from vimu.clips.decisions import IN_RUN
from vimu.runtime.errors import UserError, listed
from vimu.runtime.locks import is_free
from vimu.runtime.published import SUCCESS
from vimu.runtime.status import FOLDER, Status, statuses
from vimu.runtime.storage import Location, require_store
from vimu.stages.references import data_in_use, needed
from vimu.stages.usage import Usage, together, usage_of, usages_in_store

DAY_S = 86400.0
SILENT_DAYS = 14.0
"""How long a job of another machine, whose process cannot be seen from here, may touch nothing and count as alive."""
REMOVED = ".removed"
"""How the name of what is being removed ends: a removal that was killed is finished by the next one."""
LEFT = {
    ".staging": "what a job has not published yet",
    ".replaced": "an old result that an update replaced",
    REMOVED: "a removal that was killed left it",
}
LINK = "is a link: look yourself where it points to"


@dataclass(frozen=True)
class Piece:
    """Something that could be removed."""

    place: Location
    run: Location
    """The run that it is of, or that it is."""
    usage: Usage
    why: str
    """What it is."""
    stays: str | None = None
    """Why it is not removed all the same."""

    @property
    def is_run(self) -> bool:
        return self.place == self.run


def survey(
    runs_dir: Location, *, older_than_days: float, runs: bool = False, keep: Collection[str] = (),
    now: float | None = None,
) -> list[Piece]:  # fmt: skip
    """Every piece of every run, with what it holds and whether it stays.

    Args:
        older_than_days: what was touched since stays.
        runs: look at whole runs too.
        keep: names of runs of which nothing is removed.
        now: seconds since 1970; None is now.

    Raises:
        UserError: no such folder, a run in place of a folder of runs, `keep` names none, or days below zero.
    """
    if not older_than_days >= 0:
        raise UserError(f"`--older-than-days` must be 0 or more, but is {older_than_days:g}.")
    folders = runs_of(runs_dir)
    names = {folder.name for folder in folders}
    if missing := [name for name in keep if name not in names]:
        raise UserError(f"`--keep` must name runs of `{runs_dir}` ({listed(names)}), but {listed(missing)} is none.")
    moment = time.time() if now is None else now
    found = list(_interrupted(runs_dir, moment))
    whole = [_kept(as_a_whole(folder, older_than_days, moment), keep) for folder in folders] if runs else []
    because = needed(folders, {piece.run.name for piece in whole if piece.stays is None}) if whole else {}
    whole = [replace(piece, stays=because.get(piece.run.name, piece.stays)) for piece in whole]
    going = {piece.run.name for piece in whole if piece.stays is None}
    for folder in folders:
        if folder.name not in going:
            found += [_kept(piece, keep) for piece in leftovers(folder, older_than_days, moment)]
    return [*found, *whole]


def runs_of(runs_dir: Location) -> list[Location]:
    """The runs in a folder, by name. A link is none: what it points to is not ours. Raises UserError."""
    require_store(runs_dir)
    if not runs_dir.is_dir():
        raise UserError(f"`{runs_dir}` must be a folder of runs, e.g. `runs`, but is none.")
    if is_run(runs_dir):
        raise UserError(f"`{runs_dir}` must be a folder of runs, but is a run: give the folder that holds it.")
    return [place for place in _folders(runs_dir) if not place.name.startswith(".") and is_run(place)]


def is_run(place: Location) -> bool:
    """Whether jobs have written there."""
    if (place / FOLDER).is_dir():
        return True
    if isinstance(place, Path) and any(
        p.name.startswith(".") and p.name.endswith((".staging", ".replaced", ".lock")) for p in place.iterdir()
    ):
        return True
    return any((p / SUCCESS).is_file() or (isinstance(p, UPath) and _data_of(p)) for p in _folders(place))


def leftovers(run: Location, older_than_days: float, now: float, *, locked: bool = False) -> Iterator[Piece]:
    """Pieces of one run.

    Args:
        locked: its locks are held by the caller, and say nothing.
    """
    jobs = statuses(run)
    if not isinstance(run, Path):
        yield from _in_store(run, jobs, older_than_days, now)
        return
    for place in sorted(run.iterdir()):
        ending = next((end for end in LEFT if place.name.startswith(".") and place.name.endswith(end)), None)
        if ending is None:
            continue
        if place.is_symlink():
            yield Piece(place, run, Usage(0, now), LEFT[ending], LINK)
            continue
        usage = usage_of(place)
        piece = Piece(place, run, usage, LEFT[ending])
        stage = run / place.name[1 : -len(ending)]
        if ending == REMOVED:
            yield piece
        elif ending == ".replaced" and not stage.exists():
            yield replace(piece, stays=f"is the only result of `{stage.name}`: the next job puts it back")
        elif (stays := _busy(usage, jobs, older_than_days, now)) is not None:
            yield replace(piece, stays=stays)
        elif not locked and not is_free(run / f".{stage.name}.lock"):
            yield replace(piece, stays="a job holds its lock")
        else:
            yield piece


def as_a_whole(run: Location, older_than_days: float, now: float, *, locked: bool = False) -> Piece:
    """A whole run, as far as it can be told from itself. Arguments as of `leftovers`."""
    usage = usage_of(run) if isinstance(run, Path) else together(usages_in_store(run, now).values(), now)
    stages = sorted(p.name for p in _folders(run) if (p / SUCCESS).is_file())
    piece = Piece(run, run, usage, "a run: " + (", ".join(stages) if stages else "nothing published"))
    stays = _busy(usage, statuses(run), older_than_days, now)
    if stays is None and not locked and isinstance(run, Path) and not all(is_free(p) for p in run.glob(".*.lock")):
        stays = "a job holds a lock of it"
    if stays is None and (run / IN_RUN).is_file():
        stays = f"holds what people decided: {IN_RUN}"
    return replace(piece, stays=stays)


def _busy(usage: Usage, jobs: Sequence[Status], older_than_days: float, now: float) -> str | None:
    """Why a piece stays by its age and its run's jobs; None where neither says so."""
    days = (now - usage.touched) / DAY_S
    for job in jobs:
        if job.lives:
            return f"`{job.job}` is running, process {job.pid}"
        if job.lives is None and days < SILENT_DAYS:
            return f"`{job.job}` may be running on {job.host}"
    return f"touched {days:.1f} days ago" if days < older_than_days else None


def _in_store(run: UPath, jobs: Sequence[Status], older_than_days: float, now: float) -> Iterator[Piece]:
    for stage in _folders(run):
        assert isinstance(stage, UPath)
        used = data_in_use(stage)
        published = (stage / SUCCESS).is_file()
        for name, usage in sorted(usages_in_store(stage, now).items()):
            if not name.startswith("data-") or (used is not None and name in used):
                continue
            why = "data of a result that another one replaced" if published else LEFT[".staging"]
            stays = "what the stage's manifest points to cannot be read" if used is None else None
            yield Piece(stage / name, run, usage, why, stays or _busy(usage, jobs, older_than_days, now))


def _interrupted(runs_dir: Location, now: float) -> Iterator[Piece]:
    """Whole runs whose removal was killed."""
    if isinstance(runs_dir, Path):
        for place in sorted(runs_dir.glob(f".*{REMOVED}")):
            if place.is_symlink():
                yield Piece(place, runs_dir, Usage(0, now), LEFT[REMOVED], LINK)
            elif place.is_dir():
                yield Piece(place, runs_dir, usage_of(place), LEFT[REMOVED])


def _kept(piece: Piece, keep: Collection[str]) -> Piece:
    return replace(piece, stays="--keep") if piece.run.name in keep else piece


def _folders(place: Location) -> list[Location]:
    found = [p for p in place.iterdir() if p.is_dir() and not (isinstance(p, Path) and p.is_symlink())]
    return sorted(found, key=lambda p: p.name)


def _data_of(stage: UPath) -> bool:
    return any(p.name.startswith("data-") for p in stage.iterdir())
