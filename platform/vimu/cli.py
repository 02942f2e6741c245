"""`vimu doctor`: what helps around the jobs, which are `python jobs/NAME.py`."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from vimu.doctor.check import as_json, show, worst
from vimu.doctor.examine import examine
from vimu.runtime.config import load_config
from vimu.runtime.console import console
from vimu.runtime.errors import EXIT_DONE, EXIT_USER, UserError
from vimu.stages.config import Config
from vimu.stages.job import ConfigOption, SetOption

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
VERDICTS = {
    "ok": "all is there",
    "warn": "a run can start; see what is marked `warn`",
    "fail": "a run cannot start yet",
}


@app.callback()
def vimu() -> None:
    """Virtual IMUs from motion capture, on Ray: `vimu doctor --config configs/paper.yaml`."""


@app.command()
def doctor(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way of a repeatable option
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check versions, disk and every path of a configuration: `vimu doctor --config configs/paper.yaml`.

    Exit 0: a run can start, warnings or not; 2: something must be given or mended first. Files are counted and a sample
    of them is opened; nothing is written, and Ray is not started.
    """
    try:
        settings = load_config(Config, config, overrides)
        checks = examine(settings)
    except UserError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(EXIT_USER) from error
    path = settings.given
    if json:
        typer.echo(as_json(checks, path))
    else:
        show(checks, Console())
        console.print(f"{path}: {VERDICTS[worst(checks)]}", markup=False)
    raise typer.Exit(EXIT_USER if worst(checks) == "fail" else EXIT_DONE)
