"""A Ctrl-C that something swallowed is raised at the next check."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from vimu.runtime.interrupts import interruptible


@pytest.mark.fault(22)
def test_a_swallowed_interrupt_is_raised_again_and_the_handler_put_back():
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as check:
        check()
        with suppress(KeyboardInterrupt):  # as C++ does that waits for a worker
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(5)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_may_ask_as_well():
    done = []

    def ask() -> None:
        with interruptible() as check:
            check()
            done.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(5)
    assert done == [True]
