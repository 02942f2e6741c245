"""Every reader on damaged files: nothing but its refusals, 5 s of CPU and 2 GiB of memory at most.

Coverage-guided and for longer: `make fuzz` (docs/hardening.md). Here a reader is held to some hundred inputs, the same
each time, and to those that once found something.
"""

import multiprocessing
import os
import signal

import numpy as np
import pytest

from fuzz import driven, sandbox
from fuzz.mutations import mutated_by_seed
from fuzz.seeds import seeds_of
from fuzz.targets import READERS, Reader
from vimu.archives.readers import READERS as ARCHIVE_READERS
from vimu.contracts import Reason, Rejection
from vimu.recordings.readers import READERS as RECORDING_READERS
from vimu.recordings.reference import READERS as REFERENCE_READERS

N_EXAMPLES = {"configuration": 60, "facts": 40, "umafall": 100, "table": 100, "uci_har": 100, "hhar": 80, "smpl": 100}
"""Fewer of those that take longer: about two seconds a reader."""


@pytest.mark.parametrize("reader", READERS)
def test_no_damage_gets_more_out_of_a_reader_than_a_refusal(reader):
    told = driven.found(reader, N_EXAMPLES.get(reader, 250))
    assert told is None, told


def test_every_reader_has_a_target():
    assert set(ARCHIVE_READERS.names()) | set(RECORDING_READERS.names()) | set(REFERENCE_READERS) <= set(READERS)


# ---- the harness itself finds what it is there for


def _raises(error: BaseException):
    def target(data, folder):
        raise error

    return target


def _of_a_rejection_for_lack_of_memory(data, folder):
    try:
        raise MemoryError
    except MemoryError as error:
        raise Rejection("x", Reason.UNREADABLE, "x") from error


def _sleepless(data, folder):
    while True:
        pass


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (_raises(Rejection("x", Reason.UNREADABLE, "x")), None),
        (_raises(ZeroDivisionError()), ZeroDivisionError),
        (_of_a_rejection_for_lack_of_memory, MemoryError),
        (_sleepless, sandbox.TooSlowError),
    ],
)
def test_what_is_a_fault_and_what_is_none(monkeypatch, tmp_path, target, kind):
    monkeypatch.setitem(READERS, "bvh", Reader(target))
    monkeypatch.setattr(sandbox, "CPU_S", 0.2)
    fault = sandbox.fault("bvh", b"", tmp_path)
    assert (None if fault is None else type(fault)) is kind


def _takes(n_bytes: int, queue) -> None:
    sandbox.limit_memory()
    try:
        queue.put(np.empty(n_bytes, np.uint8).nbytes)
    except MemoryError:
        queue.put("refused")


def _dies(reader, n_examples, tell):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_reader_whose_process_dies_is_named(monkeypatch):
    monkeypatch.setattr(driven, "_search", _dies)
    assert driven.found("bvh", 1) == "the process of `bvh` died"


def test_memory_is_limited_in_a_child():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    for n_bytes, wanted in ((2**20, 2**20), (2 * sandbox.MEMORY_BYTES, "refused")):
        process = context.Process(target=_takes, args=(n_bytes, queue))
        process.start()
        assert queue.get(timeout=60) == wanted
        process.join()


@pytest.mark.parametrize("reader", READERS)
def test_damage_is_damage_and_the_same_each_time(reader):
    seed = seeds_of(reader)[0]
    damaged = [mutated_by_seed(seed, k) for k in range(40)]
    assert damaged == [mutated_by_seed(seed, k) for k in range(40)]
    assert len({*damaged, seed}) > 30
