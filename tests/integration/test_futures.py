"""Waiting for Ray's tasks: all that end are told, and Ctrl-C is heard meanwhile, even one that vanished on its way."""

import os
import signal
import threading
import time

import pytest

from vimu.runtime.futures import as_they_end, aside

pytestmark = pytest.mark.ray


@pytest.fixture
def tasks(local_ray):
    """Starts tasks that take so many seconds; below 0 they fail."""
    import ray

    def take(seconds):
        if seconds < 0:
            raise ValueError("failed")
        time.sleep(seconds)
        return seconds

    started = []
    yield lambda *all_s: started.extend(ray.remote(num_cpus=0, max_retries=0)(take).remote(s) for s in all_s) or started
    for future in started:
        ray.cancel(future, force=True)


def test_each_is_told_once_as_it_ends_also_one_that_failed(tasks):
    import ray

    slow, failed, quick = tasks(4, -1, 0)
    ended = list(as_they_end([slow, failed, quick]))
    assert set(ended) == {slow, failed, quick} and ended[-1] == slow
    assert ray.get([slow, quick]) == [4, 0]
    with pytest.raises(ValueError, match="failed"):
        ray.get(failed)


@pytest.mark.fault(22)
@pytest.mark.parametrize("handler", [signal.default_int_handler, lambda *_: None], ids=["raises", "vanishes"])
def test_ctrl_c_is_heard_while_a_task_runs(tasks, handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        [endless] = tasks(600)
        pressed = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
        pressed.start()
        with pytest.raises(KeyboardInterrupt):
            list(as_they_end([endless]))
        assert signal.getsignal(signal.SIGINT) is handler, "what was there before is put back"
    finally:
        signal.signal(signal.SIGINT, before)
        pressed.join()


def test_work_done_aside_gives_what_it_gives_and_raises_what_it_raises():
    assert aside(threading.current_thread) is not threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        aside(lambda: 1 / 0)


@pytest.mark.fault(22)
@pytest.mark.parametrize("handler", [signal.default_int_handler, lambda *_: None], ids=["raises", "vanishes"])
def test_ctrl_c_is_heard_while_work_is_done_aside(handler):
    before, over = signal.signal(signal.SIGINT, handler), threading.Event()
    try:
        pressed = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
        pressed.start()
        with pytest.raises(KeyboardInterrupt):
            aside(lambda: over.wait(600))
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        over.set()
        signal.signal(signal.SIGINT, before)
        pressed.join()
