"""Errors a person can mend, and the exit codes of every job."""

EXIT_DONE, EXIT_OPERATION_FAILED, EXIT_USER = 0, 1, 2


class UserError(Exception):
    """Input or configuration that a person must change: exit 2, one message, no traceback.

    Messages read "`x` must be ..., but is ..." and, where there is one, name the command that mends it.
    """


def listed(names: object, limit: int = 12) -> str:
    """`names` as a short, sorted, human list: 'a, b, c and 4 more'."""
    items = sorted(str(n) for n in names)  # type: ignore[attr-defined]
    shown = ", ".join(items[:limit])
    return shown + (f" and {len(items) - limit} more" if len(items) > limit else "") or "nothing"
