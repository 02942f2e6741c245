"""Where jobs tell people what they do: standard error, so that standard output stays for data."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """Text without what would steer a terminal or break a line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


@contextmanager
def echo_lines(path: Path, every_s: float = 1.0) -> Iterator[None]:
    """While the block runs, show each line that workers append to `path`; lines there before are not shown."""
    stop = threading.Event()
    shown = len(_lines(path))

    def follow(shown: int) -> None:
        ended = False
        while not ended:
            ended = stop.wait(every_s)
            lines = _lines(path)
            for line in lines[shown:]:
                console.print(f"  {line}", markup=False)
            shown = len(lines)

    thread = threading.Thread(target=follow, args=(shown,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
