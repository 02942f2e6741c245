"""Where jobs tell people what they do: standard error, so that standard output stays for data."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

CONTROLS = [
    c for c in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)) if c not in (9, 10)
]
SHOWN = {c: f"\\x{c:02x}" if c < 0x100 else f"\\u{c:04x}" for c in CONTROLS}
"""Characters that move the cursor, erase, set a title or turn the order of letters around, as they are shown."""


class _PlainConsole(Console):
    """Messages quote names of files that come from strangers: no terminal obeys what stands in them."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(text.translate(SHOWN), **how)


console = _PlainConsole(stderr=True, highlight=False, soft_wrap=True)


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
