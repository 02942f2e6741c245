"""`vimu review`: serve the page until Ctrl-C."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from vimu.review.review import open_review
from vimu.review.server import start
from vimu.runtime.storage import Location


def review(run: Location, *, decisions: Path | None, by: str, port: int, say: Callable[[str], None]) -> None:
    """Serve a run's clips on 127.0.0.1 until Ctrl-C or a TERM.

    Args:
        say: gets the page's address when it is there.

    Raises:
        UserError: as `open_review` and `start` do.
    """
    opened = open_review(run, decisions=decisions, by=by)
    opened.doubts.begin()

    async def serve() -> None:
        runner, address = await start(opened, port)
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        say(address)
        await ended.wait()
        await runner.cleanup()

    with contextlib.suppress(KeyboardInterrupt):  # between the handlers
        asyncio.run(serve())
