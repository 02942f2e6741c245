"""How far a loop is: a bar in a terminal, a line now and then elsewhere, and Ray metrics."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import track

from vimu.runtime.console import console
from vimu.runtime.metrics import count, say

T = TypeVar("T")

LINES = 10
"""About so many where no terminal draws a bar, of loops that take longer than a few seconds."""
AT_LEAST_S = 5.0
"""Between two of them."""


def tracked(things: Iterable[T], unit: str, *, total: int) -> Iterator[T]:
    """The things, one by one; the one before counts as done when the next is asked for.

    Args:
        unit: what they are, in the plural: `tasks`.
        total: how many.
    """
    say("vimu_tasks", total, unit=unit)
    bar = console.is_terminal
    for thing in track(things, f"  {unit}", total, console=console) if bar else _in_lines(things, unit, total):
        yield thing
        count("vimu_tasks_done", 1, unit=unit)


def _in_lines(things: Iterable[T], unit: str, total: int) -> Iterator[T]:
    began = said = time.monotonic()
    said_of = 0
    for done, thing in enumerate(things):
        now = time.monotonic()
        enough = done - said_of >= total / LINES
        if done and enough and now - said >= AT_LEAST_S:
            took_s = now - began
            left_s = took_s / done * (total - done)
            console.print(f"  {unit} {done:,} of {total:,}, {took_s:,.0f} s, {left_s:,.0f} s left", markup=False)
            said, said_of = now, done
        yield thing
    if said_of:
        console.print(f"  {unit} all done, {time.monotonic() - began:,.0f} s", markup=False)
