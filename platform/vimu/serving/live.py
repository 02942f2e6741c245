"""`vimu stream`: what a recogniser takes samples for, as they come."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vimu.runtime.errors import UserError
from vimu.serving.feeds import Feed, of_file, of_pipe, of_recording, of_udp, trial_of
from vimu.serving.follow import Follower
from vimu.serving.recognizer import Recognizer
from vimu.serving.view import JsonLines, Screen, View, counts_of


@dataclass(frozen=True)
class Source:
    """Where samples come from: one of `recording`, `udp` and `lines`."""

    recording: Path | None = None
    recordings: str | None = None
    """The set that `recording` is a trial of; None: it is a file of lines."""
    speed: float | None = None
    """Of a recording; 1 is real time, None as fast as it goes."""
    udp: str | None = None
    lines: str | None = None

    def check(self) -> None:
        """Raises UserError: none or several of them, or what belongs to another."""
        given = [f"--{name}" for name in ("recording", "udp", "lines") if getattr(self, name) is not None]
        if len(given) != 1:
            raise UserError(
                f"One of `--recording`, `--udp` and `--lines` must be given, but {' and '.join(given) or 'none'} is."
            )
        for name in ("recordings", "speed"):
            if getattr(self, name) is not None and self.recording is None:
                raise UserError(f"`--{name}` must stand with `--recording`, but stands with {given[0]}.")
        if self.speed is not None and not 0 < self.speed <= FASTEST:
            raise UserError(f"`--speed` must be above 0 and at most {FASTEST:g}, but is {self.speed:g}.")


FASTEST = 1000.0


def stream(
    folder: str, source: Source, *, upright_s: float | None, as_worn: tuple[str, ...], say: Callable[[str], None]
) -> None:
    """Follow a source to its end, or until Ctrl-C; a screen where standard output is a terminal, else JSON lines.

    Args:
        folder: a run, its `export` folder or a copy of that.
        say: gets what is to be known beside the results.

    Raises:
        UserError: the source, the recogniser or the two together cannot be used; or, at the end, no window was
            recognised, and why.
    """
    source.check()
    recognizer = Recognizer.load(folder)
    follower, feed, named = _feed(recognizer, source, upright_s, as_worn, say)
    classes = recognizer.classes
    view: View
    if sys.stdout.isatty():
        view = Screen(Console(), follower, classes, f"{named}, by {recognizer!r}")
    else:
        view = JsonLines(sys.stdout, follower, classes)
    try:
        for found in feed:
            view.show(found)
    except BrokenPipeError:  # who read the lines has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    finally:
        view.close()
        say(counts_of(follower))
    if not follower.counts.windows:
        why = follower.counts.last_problem or "they are fewer than a window, and what tells the mounting"
        raise UserError(
            f"Samples must make a window at least, but of {follower.counts.samples:,} none was made: {why}."
        )


def _feed(
    recognizer: Recognizer, source: Source, upright_s: float | None, as_worn: tuple[str, ...],
    say: Callable[[str], None],
) -> tuple[Follower, Feed, str]:  # fmt: skip
    if source.recording is not None and source.recordings is not None:
        trial = trial_of(source.recording, source.recordings, recognizer)
        follower = Follower(
            recognizer, upright_s=upright_s, as_worn=as_worn, frame=trial.frame, gravity=trial.gravity
        )  # fmt: skip
        return follower, of_recording(trial, follower, speed=source.speed), source.recording.name
    follower = Follower(recognizer, upright_s=upright_s, as_worn=as_worn)
    if source.recording is not None:
        return follower, of_file(source.recording, follower, speed=source.speed), source.recording.name
    say(f"lines: {follower.format.header}  at {follower.rate_hz:g} Hz")
    if source.udp is not None:
        return follower, of_udp(source.udp, follower, say), source.udp
    assert source.lines is not None
    return follower, of_pipe(source.lines, follower), "standard input" if source.lines == "-" else source.lines
