"""Errors a person can mend, and the exit codes of every job."""

EXIT_DONE, EXIT_OPERATION_FAILED, EXIT_USER = 0, 1, 2
EXIT_INTERRUPTED = 130  # what shells say of Ctrl-C: 128 + SIGINT


class UserError(Exception):
    """Input or configuration that a person must change: exit 2, one message, no traceback.

    Messages read "`x` must be ..., but is ..." and, where there is one, name the command that mends it.
    """


class OperationError(Exception):
    """What failed through no fault of the input, e.g. a full disk: exit 1, one message, no traceback.

    Messages read as a UserError's do, and say what to do about it.
    """


class TransientError(OperationError):
    """What may succeed when it is tried again: storage that did not answer, a worker short of memory."""


def listed(names: object, limit: int = 12) -> str:
    """`names` as a short, sorted, human list: 'a, b, c and 4 more'."""
    items = sorted(str(n) for n in names)  # type: ignore[attr-defined]
    shown = ", ".join(items[:limit])
    return shown + (f" and {len(items) - limit} more" if len(items) > limit else "") or "nothing"
