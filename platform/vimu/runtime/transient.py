"""Errors of storage and machine, which say nothing about a file: they are tried again, and never make a rejection."""

import errno

from vimu.runtime.errors import TransientError

ERRNOS = frozenset(
    {
        errno.EIO, errno.EREMOTEIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EMFILE,
        errno.ENFILE, errno.ENOMEM, errno.ENODEV, errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNREFUSED,
        errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.EPIPE,
    }
)  # fmt: skip
"""A damaged file gives none of these; it gives e.g. EINVAL, where it sends its reader before its own beginning."""


def is_transient(error: BaseException) -> bool:
    """Whether the storage or the machine failed, for now."""
    return isinstance(error, MemoryError | TimeoutError) or (isinstance(error, OSError) and error.errno in ERRNOS)


def blame_storage(error: BaseException, path: object) -> None:
    """Raise a TransientError where `error`, or what it was raised from, is storage's or the machine's.

    Readers make a `Rejection` of what they cannot read; behind it may be a disk that did not answer.
    """
    cause: BaseException | None = error
    while cause is not None:
        if is_transient(cause):
            says = str(cause) or "out of memory"
            raise TransientError(f"`{path}` must be readable, but is not at the moment: {says}.") from cause
        cause = cause.__cause__
