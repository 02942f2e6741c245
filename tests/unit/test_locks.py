"""Who looks at a lock, and who holds it."""

import fcntl
import os

import pytest
from filelock import FileLock, Timeout

from vimu.runtime.locks import held, is_free


def test_a_lock_is_free_until_a_job_or_a_removal_holds_it(tmp_path):
    lock = tmp_path / ".synthesize.lock"
    assert is_free(lock)
    assert not lock.exists(), "a look makes nothing"
    with FileLock(lock, timeout=0):
        assert not is_free(lock)
        with held(lock) as mine:
            assert not mine
    os.utime(lock, (1, 1))
    with held(lock) as mine:
        assert mine
        assert not is_free(lock)
        with pytest.raises(Timeout):
            FileLock(lock, timeout=0).acquire()
    assert is_free(lock)
    assert lock.stat().st_mtime == 1, "a lock tells when a job was here, and these are none"


def test_two_may_look_at_once(tmp_path):
    lock = tmp_path / ".synthesize.lock"
    lock.touch()
    with lock.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert is_free(lock)


def test_a_link_is_never_free(tmp_path):
    (tmp_path / ".a.lock").symlink_to(tmp_path / "elsewhere")
    assert not is_free(tmp_path / ".a.lock")
