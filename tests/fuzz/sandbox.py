"""Runs a target on one input and says what is wrong, within limits of time and memory that every reader must keep."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fuzz.targets import READERS, emptied

CPU_S = 5.0
"""Of one input, CPU time: the machine may be shared."""
MEMORY_BYTES = 2 * 2**30
"""Beyond what the imports take: what `safe_load` may expand a file to, 512 MiB, four times."""


class TooSlowError(BaseException):
    """No `Exception`: a reader that catches those must not catch this."""


def limit_memory() -> None:
    """For the rest of this process; for good."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@contextmanager
def _cpu_time(limit_s: float) -> Iterator[None]:
    def too_slow(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGPROF, too_slow)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fault(reader: str, data: bytes, folder: Path) -> BaseException | None:
    """What a reader does wrong with an input; None where it reads or refuses it as it should.

    Args:
        folder: empty before and after.
    """
    try:
        with _cpu_time(CPU_S):
            READERS[reader].target(data, folder)
    except READERS[reader].allowed as refusal:
        return _memory_in(refusal)
    except (Exception, TooSlowError) as error:  # noqa: BLE001  whatever it is, it is a finding
        return error
    finally:
        emptied(folder)
    return None


def _memory_in(error: BaseException | None) -> MemoryError | None:
    """The lack of memory behind a refusal: the limit was met by the machine, not by the reader."""
    while error is not None:
        if isinstance(error, MemoryError):
            return error
        error = error.__cause__ or error.__context__
    return None
