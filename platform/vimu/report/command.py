"""`vimu report`: write the page and, where asked for, its figures as files."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vimu.report.page import PAGE, report_of
from vimu.report.plot import write_figures
from vimu.report.run import open_run
from vimu.runtime.errors import UserError
from vimu.runtime.storage import Location, absolute, write_whole

T = TypeVar("T")


def report(folder: Location, *, out: Path | None, figures: Path | None) -> list[str]:
    """Write what is asked for. Returns what was written, a line each.

    Args:
        folder: the run.
        out: where the page is to be; None: `report.html` in the run.
        figures: a folder for each figure as `NAME.svg`, `NAME.png` and `NAME.csv`.

    Raises:
        UserError: there is no such run, or nothing of it is published, or a shard is damaged, or a stage is of another
            version of vimu, or a place cannot be written.
        OperationError: there is no room.
    """
    try:
        run = open_run(folder)
        report = report_of(run)
    except KeyError as error:  # stages say more from version to version
        raise UserError(
            f"`{folder}` must hold stages as this version of vimu publishes them, but one lacks {error}: run its job "
            "again."
        ) from error
    place = folder / PAGE if out is None else out
    _written(lambda: write_whole(place, report.html), place, "--out")
    said = [f"report: {absolute(place)}"]
    if figures is not None:
        names = _written(lambda: write_figures(figures, report.plots), figures, "--figures")
        said.append(f"figures: {len(names)} in {absolute(figures)}, each as svg, png and csv")
    said += [f"missing: {stage} {why}" for stage, why in run.missing.items()]
    return said


def _written(write: Callable[[], T], place: Location, option: str) -> T:
    """What `write` gives. Raises UserError: `place` cannot be written."""
    try:
        return write()
    except OSError as error:
        raise UserError(
            f"`{place}` must be a place that can be written, but: {error.strerror}. Name another by `{option}`."
        ) from error
