"""The lock that `publish` holds while a stage is written, for who wants to know of it or takes the stage away.

As filelock's, by flock, but a look neither makes nor truncates the file, whose time says when a job came by last.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_free(lock: Path) -> bool:
    """Whether nobody holds it; so it is where there is no such file. A link is not followed, and not free."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise
    try:
        return _locked(handle, fcntl.LOCK_SH)  # NFS gives no other to who only reads; and two may look at once
    finally:
        os.close(handle)


@contextmanager
def held(lock: Path) -> Iterator[bool]:
    """Hold it while the block runs; it is made where it is missing. False, and nothing held: another one holds it."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        yield _locked(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def _locked(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
