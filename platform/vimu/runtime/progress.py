"""How far a loop is: a bar in a terminal, a line now and then elsewhere, and Ray metrics."""

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.progress import track

from vimu.runtime.console import console
from vimu.runtime.metrics import count, say

T = TypeVar("T")

LINES = 10
"""About so many where no terminal draws a bar, of loops that take longer than a few seconds."""
AT_LEAST_S = 5.0
"""Between two of them."""


def tracked(things: Iterable[T], unit: str, total: int | None = None) -> Iterator[T]:
    """The things, one by one; the one before counts as done when the next is asked for.

    Args:
        unit: what they are, in the plural: `tasks`.
        total: how many; None takes the length of `things`.
    """
    n = total if total is not None else len(things) if isinstance(things, Sized) else None
    say("vimu_tasks", n or 0, unit=unit)
    shown = track(things, f"  {unit}", total=n, console=console) if console.is_terminal else _in_lines(things, unit, n)
    for thing in shown:
        yield thing
        count("vimu_tasks_done", 1, unit=unit)


def _in_lines(things: Iterable[T], unit: str, total: int | None) -> Iterator[T]:
    began = said = time.monotonic()
    said_of = 0
    for done, thing in enumerate(things):
        now = time.monotonic()
        enough = done - said_of >= (total or 0) / LINES
        if done and enough and now - said >= AT_LEAST_S:
            of = "" if total is None else f" of {total:,}"
            left = "" if total is None else f", {(now - began) / done * (total - done):,.0f} s left"
            console.print(f"  {unit} {done:,}{of}, {now - began:,.0f} s{left}", markup=False)
            said, said_of = now, done
        yield thing
    if said_of:
        console.print(f"  {unit} all done, {time.monotonic() - began:,.0f} s", markup=False)
