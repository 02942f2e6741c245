"""Waiting for Ray so that Ctrl-C is heard: one that comes while Ray waits may vanish in C++, or be taken for Ray's."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from vimu.runtime.interrupts import interruptible

T = TypeVar("T")
LISTEN_EVERY_S = 1.0


def as_they_end(futures: Sequence[Any]) -> Iterator[Any]:
    """Ray's futures, each once, in the order in which their tasks end, well or not; `ray.get` of one does not wait.

    Raises:
        KeyboardInterrupt: Ctrl-C, at most `LISTEN_EVERY_S` after it came.
    """
    import ray

    running = list(futures)
    with interruptible() as raise_if_interrupted:
        while running:
            ended, running = ray.wait(running, timeout=LISTEN_EVERY_S)
            raise_if_interrupted()
            yield from ended


def aside(work: Callable[[], T]) -> T:
    """Run `work` in a thread of its own and wait for it.

    For Ray Train and Ray Tune: called by the main thread, the one takes Ctrl-C for itself for good and ends the process
    with exit code 1, the other ends the study early as if all its trials were done.

    Raises:
        KeyboardInterrupt: Ctrl-C, at most `LISTEN_EVERY_S` after it came; the thread ends with the process.
        BaseException: what `work` raises.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    with interruptible() as raise_if_interrupted:
        while not done.done():
            wait([done], timeout=LISTEN_EVERY_S)
            raise_if_interrupted()
    return done.result()
