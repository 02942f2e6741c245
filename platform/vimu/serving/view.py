"""What a stream is taken for, for people in a terminal and for programs in JSON lines."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vimu.runtime.console import printable
from vimu.serving.follow import Follower
from vimu.serving.stream import Recognised

BAR = 36
"""Characters of a probability of 1."""
HISTORY = 60
"""Windows whose classes are kept in sight."""
LONGEST = 40
"""Characters of a class's name."""
FRAMES_S = 8
"""Pictures a second."""


class View(Protocol):
    """Shows results as they come."""

    def show(self, found: Sequence[Recognised]) -> None:
        """Take what a sample completed, mostly nothing."""

    def close(self) -> None:
        """Nothing more comes."""


class JsonLines:
    """A JSON line a hop, so that a program that reads them has each at once."""

    def __init__(self, out: IO[str], follower: Follower, classes: Sequence[str]) -> None:
        self._out, self._follower, self._classes = out, follower, classes

    def show(self, found: Sequence[Recognised]) -> None:
        for r in found:
            shares = {name: round(float(p), 6) for name, p in zip(self._classes, r.probabilities, strict=True)}
            line = {
                "start_s": round(r.start_s, 6),
                "end_s": round(r.end_s, 6),
                "label": r.label,
                "probabilities": shares,
            }
            print(json.dumps(line | {"counts": asdict(self._follower.counts)}), file=self._out, flush=True)

    def close(self) -> None:
        self._out.flush()


class Screen:
    """The class of the last window, every class's probability as a bar, and what came."""

    def __init__(self, console: Console, follower: Follower, classes: Sequence[str], title: str) -> None:
        self._follower, self._classes, self._title = follower, classes, title
        self._last: Recognised | None = None
        self._history: list[str] = []
        self._live = Live(console=console, refresh_per_second=FRAMES_S, get_renderable=self.picture)
        self._live.start()

    def show(self, found: Sequence[Recognised]) -> None:
        for r in found:
            self._last = r
            self._history = [*self._history, r.label][-HISTORY:]

    def close(self) -> None:
        self._live.refresh()
        self._live.stop()

    def picture(self) -> Group:
        """All that is to be seen now."""
        return Group(Text(self._title, style="dim"), self._heading(), self._bars(), self._path(), self._counts())

    def _heading(self) -> Text:
        if self._last is None:
            waits = (
                "stand or walk upright: the mounting is estimated"
                if self._follower.calibrates
                else "waits for a window"
            )
            return Text(f"\n  {waits}\n", style="yellow")
        r = self._last
        text = Text("\n  ")
        text.append(_plain(r.label), style="bold green")
        return text.append(f"  {float(r.probabilities.max()):.2f}   {r.start_s:.1f} to {r.end_s:.1f} s\n", style="dim")

    def _bars(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 1))
        for i, name in enumerate(self._classes):
            p = 0.0 if self._last is None else float(self._last.probabilities[i])
            is_it = self._last is not None and name == self._last.label
            bar = Text("█" * round(BAR * p) or " ", style="green" if is_it else "blue")
            table.add_row(Text(_plain(name), style="bold" if is_it else ""), Text(f"{p:.2f}"), bar)
        return table

    def _path(self) -> Text:
        runs: list[tuple[str, int]] = []
        for label in self._history:
            if runs and runs[-1][0] == label:
                runs[-1] = (label, runs[-1][1] + 1)
            else:
                runs.append((label, 1))
        said = " > ".join(f"{_plain(label)} x{n}" if n > 1 else _plain(label) for label, n in runs[-6:])
        return Text(f"\n  {said}", style="cyan")

    def _counts(self) -> Text:
        text = Text(f"\n  {counts_of(self._follower)}", style="dim")
        if self._follower.counts.last_problem:
            text.append(f"\n  {self._follower.counts.last_problem}", style="yellow")
        return text


def counts_of(follower: Follower) -> str:
    """What came, in a line."""
    c = follower.counts
    return (
        f"{c.samples:,} samples, {c.windows:,} windows, {c.malformed:,} malformed, {c.late:,} late, "
        f"{c.gaps:,} times begun again"
    )


def _plain(name: str) -> str:
    return printable(name)[:LONGEST]
