"""How fast to ask, when to ask again, and when to stop."""

import asyncio
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

BUSY = frozenset({408, 409, 425, 429})
"""Statuses that mean: later. So does every 5xx."""


class Pace:
    """Spaces requests evenly, and holds all of them back where the endpoint asks for a pause."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s, self._clock = 60.0 / per_minute, clock
        self._next = self._paused_until = 0.0

    def pause(self, seconds: float) -> None:
        """No turn before so many seconds from now."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self._next = max(self._next, self._paused_until)

    async def turn(self) -> None:
        """Wait for a turn. Who waited while a pause began that reaches beyond it takes another."""
        while True:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._interval_s
            await asyncio.sleep(turn - now)
            if self._paused_until <= turn:
                return


class Budget:
    """Tokens that a run may still use. What is under way counts as much as the dearest call so far, or its estimate."""

    def __init__(self, total: int | None, spent: int) -> None:
        self._total, self._spent, self._reserved, self._dearest = total, spent, 0, 0

    def reserve(self, tokens: int) -> bool:
        """False where the call could exceed the budget."""
        likely = self._spent + self._reserved + max(tokens, self._dearest)
        if self._total is not None and likely > self._total:
            return False
        self._reserved += tokens
        return True

    @property
    def under_way(self) -> bool:
        """Whether a call may yet use less than was reserved for it."""
        return self._reserved > 0

    def settle(self, reserved: int, used: int) -> None:
        """A call has ended: what it really used takes the place of what was reserved."""
        self._reserved -= reserved
        self._spent += used
        self._dearest = max(self._dearest, used)


def backoff_s(nth: int, *, base_s: float, most_s: float, key: str) -> float:
    """Wait after the `nth` failure, counted from 0: doubled each time, and spread by the request's key.

    By the key and not by chance, so that requests that failed together do not come back together, and tests know.
    """
    spread = 0.5 + int(key[:4], 16) / 0xFFFF
    return min(base_s * 2.0**nth * spread, most_s)


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or a date; None where it says nothing.

    Args:
        now: seconds since the epoch.
    """
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except ValueError:
        return None
