"""`vimu doctor`, `vimu recognize`: what helps around the jobs, which are `python jobs/NAME.py`."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

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
def recognize(
    config: ConfigOption,
    labels: Annotated[list[str], typer.Option("--labels", help="Labels as text; more may follow the first.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[LABEL]...")] = None,
    overrides: SetOption = [],  # noqa: B006 - typer's way of a repeatable option
) -> None:
    """Name windows by labels given now: `vimu recognize --config FILE --labels "walking upstairs" sitting`.

    Test people of the source and all targets are named by the aligned model. A label is compared by the label file's
    texts of the activity that it names, else by its own words.
    """
    from vimu.stages.recognize import recognize as named_by

    try:
        given = [*labels, *(more or [])]
        says, tables = named_by(load_config(Config, config, overrides), given)
    except UserError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(EXIT_USER) from error
    for line in says:
        typer.echo(line)
    for table in tables:
        typer.echo(f"\n{table.title}")
        shown = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("is", "windows", *given):
            shown.add_column(column, justify="left" if column == "is" else "right")
        for name, n, shares in table.rows:
            shown.add_row(name, f"{n:,}", *(f"{share:.2f}" for share in shares))
        Console().print(shown)


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
