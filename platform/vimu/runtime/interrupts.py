"""Ctrl-C that is not lost on its way: while Ray waits, the KeyboardInterrupt that it becomes may vanish in C++."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Yields a check, to be called now and then: raises KeyboardInterrupt where one came, whatever became of it.

    In other threads than the main one, which no signal reaches, the check does nothing.
    """
    came = threading.Event()

    def check() -> None:
        if came.is_set():
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield check  # ignored, as of a job in the background, stays ignored
        return

    def note(number: int, frame: FrameType | None) -> None:
        came.set()
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
