"""Files that hold many trials: which stretch of a file is which trial, as its reader finds them in the file itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vimu.runtime.registry import Registry

if TYPE_CHECKING:
    from vimu.recordings.config import RecordingConfig


@dataclass(frozen=True)
class Stretch:
    """One trial of a file of several."""

    activity: str
    """As the file calls it."""
    span: tuple[int, ...] | None
    """What the reader needs to find it again; the first two numbers name the trial. None: the whole file."""
    subject: str | None = None
    """None: the file's name says it."""
    session: str = ""
    """See `TrialFile`."""
    beside: tuple[Path, ...] = ()
    """Further files that it is read from."""


class Lister(Protocol):
    """Finds the stretches of one file. Raises Rejection: it has none that can be used."""

    def __call__(self, path: Path, config: "RecordingConfig", /) -> list[Stretch]: ...


LISTERS: Registry[Lister] = Registry(
    "vimu.recording_listers", {name: f"vimu.recordings.{name}:stretches" for name in ("table", "uci_har", "hhar")}
)
"""Of readers whose files hold several trials; a `table` does where its YAML says which column labels them."""


def runs(labels: Sequence[str]) -> list[tuple[str, int, int]]:
    """Equal neighbours together: label, first and last position, counted from 1."""
    found: list[tuple[str, int, int]] = []
    for i, label in enumerate(labels, start=1):
        if found and found[-1][0] == label:
            found[-1] = (label, found[-1][1], i)
        else:
            found.append((label, i, i))
    return found
