"""`vimu doctor`, `status`, `report`, `stream`, `gc`, `review`, `submit`, `recognize`: what helps around the jobs."""

import getpass
import secrets
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from vimu.doctor.check import as_json, show, worst
from vimu.doctor.examine import examine
from vimu.runtime.config import load_config
from vimu.runtime.console import console
from vimu.runtime.errors import EXIT_DONE, EXIT_OPERATION_FAILED, EXIT_USER, UserError
from vimu.runtime.exit_codes import exit_codes
from vimu.runtime.storage import location
from vimu.stages.config import Config
from vimu.stages.job import ConfigOption, SetOption
from vimu.stages.overview import overview
from vimu.stages.removal import remove_all
from vimu.stages.retention import DAY_S, Piece, survey

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

    given = [*labels, *(more or [])]
    with exit_codes():
        says, tables = named_by(load_config(Config, config, overrides), given)
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
def status(run: Annotated[str, typer.Argument(help="A run's folder or URI, e.g. runs/demo.")]) -> None:
    """What a run has published, what is unfinished, and how its jobs ended: `vimu status runs/demo`."""
    with exit_codes():
        stages, jobs = overview(location(run))
    shown = Table("stage", "state", "counts", box=None, padding=(0, 2, 0, 0))
    for stage in stages:
        shown.add_row(stage.name, stage.state, escape(stage.says))
    Console().print(shown)
    table = Table(
        "job", "state", "exit", "started (UTC)", "ended", "host", "submission", box=None, padding=(0, 2, 0, 0)
    )
    for job in jobs:
        state = "gone without a word: killed?" if job.state == "running" and job.lives is False else job.state
        code = "" if job.exit_code is None else str(job.exit_code)
        table.add_row(
            job.job, state, code, job.started, job.ended or "", escape(job.host), escape(job.submission or "")
        )
    if jobs:
        Console().print(table)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run's folder or URI, e.g. runs/demo.")],
    out: Annotated[Path | None, typer.Option(help="The page; RUN/report.html where none is given.")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="A folder for each figure as SVG and PNG, with its data as CSV.")
    ] = None,
) -> None:
    """All that a run published as one page, opened from disk: `vimu report runs/demo`."""
    from vimu.report.command import report as reported

    with exit_codes():
        for line in reported(location(run), out=out, figures=figures):
            typer.echo(line)


@app.command()
def stream(
    recognizer: Annotated[str, typer.Option(help="A run, its `export` folder or a copy of that.")],
    recording: Annotated[Path | None, typer.Option(help="A file of lines, or with --recordings a trial.")] = None,
    recordings: Annotated[str | None, typer.Option(help="The set that the recording is of, e.g. umafall.")] = None,
    speed: Annotated[float | None, typer.Option(help="1 is real time; else as fast as it goes.")] = None,
    udp: Annotated[str | None, typer.Option(help="HOST:PORT to listen at for lines, e.g. 127.0.0.1:9000.")] = None,
    lines: Annotated[str | None, typer.Option(help="`-`, or a pipe or serial device, to read lines from.")] = None,
    upright_s: Annotated[
        float | None, typer.Option(help="First seconds, upright, that tell how sensors are mounted.")
    ] = None,
    as_worn: Annotated[list[str] | None, typer.Option(help="A sensor that is left as worn. Repeatable.")] = None,
) -> None:
    """What a recogniser takes samples for, as they come: `vimu stream --recognizer runs/open --udp 127.0.0.1:9000`.

    A line is `t,` and the recogniser's channels; docs/recognizer.md says more. Where standard output is no terminal, a
    JSON line a hop.
    """
    from vimu.serving.live import Source
    from vimu.serving.live import stream as follow

    def say(text: str) -> None:
        console.print(text, markup=False)

    with exit_codes():
        source = Source(recording, recordings, speed, udp, lines)
        follow(recognizer, source, upright_s=upright_s, as_worn=tuple(as_worn or ()), say=say)


@app.command()
def gc(
    runs_dir: Annotated[str, typer.Argument(help="The folder or URI that holds runs, e.g. runs.")],
    delete: Annotated[bool, typer.Option("--delete", help="Remove it. Without this it is only shown.")] = False,
    older_than_days: Annotated[float, typer.Option(help="What was touched since stays.")] = 14.0,
    runs: Annotated[
        bool, typer.Option("--runs", help="Whole runs too, but none that a run which stays needs.")
    ] = False,
    keep: Annotated[list[str], typer.Option(help="Name of a run of which nothing is removed. Repeatable.")] = [],  # noqa: B006
) -> None:
    """What killed jobs left, and, with --runs, old runs: `vimu gc runs`, and then `vimu gc runs --delete`.

    Nothing goes that a job is writing. Exit 0: done, or nothing to do; 2: something you gave is wrong; 1: something
    could not be removed.
    """
    now = time.time()
    with exit_codes():
        pieces = survey(location(runs_dir), older_than_days=older_than_days, runs=runs, keep=keep, now=now)

    def line(word: str, piece: Piece, why: str) -> None:
        days = f"{(now - piece.usage.touched) / DAY_S:.1f} days"
        typer.echo(f"{word:<8}{decimal(piece.usage.n_bytes):>10}{days:>12}  {piece.place}: {why}")

    going = [piece for piece in pieces if piece.stays is None]
    for piece in (piece for piece in pieces if piece.stays is not None):
        line("stays", piece, f"{piece.why}; {piece.stays}")
    if not delete:
        for piece in going:
            line("would go", piece, piece.why)
        freed = decimal(sum(piece.usage.n_bytes for piece in going))
        typer.echo(f"--delete would remove {len(going)} and free {freed}" if going else "nothing to remove")
        return
    failed = False
    for piece, still_there, failure in remove_all(going, older_than_days, now):
        line("gone" if still_there is None else "failed" if failure else "stays", piece, still_there or piece.why)
        failed = failed or failure
    if failed:
        raise typer.Exit(EXIT_OPERATION_FAILED)


@app.command()
def review(
    run: Annotated[str, typer.Argument(help="A run's folder, e.g. runs/open.")],
    decisions: Annotated[Path | None, typer.Option(help="The file to write; RUN/decisions.csv.")] = None,
    by: Annotated[str | None, typer.Option(help="Who decides; your name on this machine.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; 0 takes a free one.")] = 0,
) -> None:
    """Look at a run's clips in a browser and decide about them, until Ctrl-C: `vimu review runs/open`."""
    with exit_codes():
        try:
            from vimu.review.command import review as serve
        except ModuleNotFoundError as error:
            raise UserError(f"`vimu review` needs `{error.name}`: pip install 'vimu[review]'") from error
        serve(location(run), decisions=decisions, by=_own_name() if by is None else by, port=port, say=typer.echo)


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # in a container, run as a number that has no name
        raise UserError("`--by` must be given, but is not, and this machine has no name for you.") from error


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def submit(
    command: Annotated[list[str], typer.Argument(help="After `--`: python jobs/synthesize.py --config ...")],
    address: Annotated[
        str, typer.Option(help="The head's dashboard.", envvar="RAY_API_SERVER_ADDRESS")
    ] = "http://127.0.0.1:8265",
    submission: Annotated[str | None, typer.Option(help="Id; a new one where none is given.")] = None,
    working_dir: Annotated[Path, typer.Option(help="The checkout that is taken along.")] = Path(),
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show the job's output and end with its code.")] = True,
) -> None:
    """Submit a job to a Ray cluster; ends with the job's own exit code.

    vimu submit --address http://127.0.0.1:8265 -- python jobs/synthesize.py --config configs/demo.yaml
    """
    from vimu.cluster.submit import submit as submitted

    with exit_codes():
        code = submitted(
            command, address=address, submission=submission or f"vimu-{secrets.token_hex(4)}",
            working_dir=working_dir.resolve(), wait=wait,
        )  # fmt: skip
    raise typer.Exit(code)


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
    with exit_codes():
        settings = load_config(Config, config, overrides)
        checks = examine(settings)
    path = settings.given
    if json:
        typer.echo(as_json(checks, path))
    else:
        show(checks, Console())
        console.print(f"{path}: {VERDICTS[worst(checks)]}", markup=False)
    raise typer.Exit(EXIT_USER if worst(checks) == "fail" else EXIT_DONE)
