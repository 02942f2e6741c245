"""Damaged copies of a file, to see that a reader refuses them as it should."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vimu.contracts import Rejection

N_FLIPS = 16


def assert_only_rejections(read: Callable[[Path], object], file: Path) -> None:
    """Read damaged copies of `file`. Some damage is still a file, as a digit that became another: that may be read.

    Raises:
        AssertionError: `read` raises something else than a Rejection; the message says for which damage.
    """
    with TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        for damage, data in _damaged(file.read_bytes()):
            if data is None:
                copy.unlink(missing_ok=True)
            else:
                copy.write_bytes(data)
            try:
                read(copy)
            except Rejection:
                continue
            except Exception as error:
                raise AssertionError(f"a file that is {damage} must be a Rejection, but raises {error!r}") from error


def _damaged(data: bytes) -> Iterator[tuple[str, bytes | None]]:
    """What is wrong, and the bytes; None for no file at all. The same each time."""
    yield "missing", None
    yield "empty", b""
    for eighths in range(1, 8):
        yield f"cut to {eighths}/8", data[: len(data) * eighths // 8]
    rng = np.random.default_rng(0)
    yield "noise", rng.bytes(len(data))
    for at in rng.integers(0, max(len(data), 1), N_FLIPS):
        yield f"flipped at byte {at}", data[:at] + bytes(b ^ 0xFF for b in data[at : at + 1]) + data[at + 1 :]
