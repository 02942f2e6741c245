"""What a doctor says: one finding a line, with its mend."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Status = Literal["ok", "warn", "fail"]
COLOURS: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    subject: str
    status: Status
    """`fail`: a job would stop; `warn`: it would go on without something; `ok`."""
    finding: str
    mend: str = ""
    """What to do about it."""


def show(checks: Sequence[Check], console: Console) -> None:
    """A table on a terminal, plain lines elsewhere: `STATUS  SUBJECT: FINDING`, and `-> MEND` below."""
    if not console.is_terminal:
        for check in checks:
            console.print(f"{check.status:<4}  {check.subject}: {check.finding}", markup=False, soft_wrap=True)
            if check.mend:
                console.print(f"      -> {check.mend}", markup=False, soft_wrap=True)
        return
    table = Table("", "what", "found", "what to do", box=None, padding=(0, 2), header_style="bold")
    for check in checks:
        colour = COLOURS[check.status]
        status = f"[{colour}]{check.status}[/]"
        table.add_row(status, escape(check.subject), escape(check.finding), escape(check.mend))
    console.print(table)


def as_json(checks: Sequence[Check], config_path: str) -> str:
    """All checks for a program: `{config, status, checks: [{subject, status, finding, mend}]}`."""
    return json.dumps(
        {"config": config_path, "status": worst(checks), "checks": [asdict(check) for check in checks]}, indent=1
    )


def worst(checks: Sequence[Check]) -> Status:
    """`fail` where one failed, else `warn` where one warned, else `ok`."""
    found = {check.status for check in checks}
    return "fail" if "fail" in found else "warn" if "warn" in found else "ok"
