"""`VIMU_LOG=json`: what a job tells people becomes lines of JSON, for who gathers logs of many jobs."""

import atexit
import json
import os
import secrets
import sys
from datetime import UTC, datetime
from typing import TextIO

from vimu.runtime.errors import UserError
from vimu.runtime.status import SUBMISSION

VARIABLE = "VIMU_LOG"


class JsonLines:
    """A text stream that writes each line as an object: time, run id, job, submission, process, message."""

    def __init__(self, below: TextIO, **of: str | int | None) -> None:
        self._below, self._of, self._begun = below, of, ""

    def write(self, text: str) -> int:
        """Whole lines are written; what comes after the last waits for its end."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._line(line)
        return len(text)

    def flush(self) -> None:
        """Of the stream below; a line that has no end yet goes on waiting."""
        self._below.flush()

    def close_line(self) -> None:
        """Write what waits, at the end of the process."""
        if self._begun:
            self._line(self._begun)
        self._begun = ""
        self.flush()

    def isatty(self) -> bool:
        """False: nobody draws bars into a log."""
        return False

    def fileno(self) -> int:
        """Of the stream below: what is no Python writes to it as it is."""
        return self._below.fileno()

    @property
    def encoding(self) -> str:
        """Of the stream below."""
        return self._below.encoding

    def _line(self, line: str) -> None:
        if line.strip():
            row = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **self._of, "message": line.rstrip()}
            self._below.write(json.dumps(row, ensure_ascii=False) + "\n")


def log_as_asked(job: str) -> None:
    """Have standard error written as `VIMU_LOG` asks: `text`, the default, or `json`.

    Each start of a job has an id of its own, `run_id`; `submission` is what a cluster knows it by.

    Raises:
        UserError: it asks for something else.
    """
    asked = os.environ.get(VARIABLE, "text")
    if asked not in ("text", "json"):
        raise UserError(f"`{VARIABLE}` must be text or json, but is {asked}.")
    if asked == "text":
        return
    lines = JsonLines(
        sys.stderr, run_id=secrets.token_hex(6), job=job, submission=os.environ.get(SUBMISSION), pid=os.getpid()
    )
    sys.stderr = lines  # what print, tracebacks and rich ask of a stream
    atexit.register(lines.close_line)
