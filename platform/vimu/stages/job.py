"""The command line that every job has, and the exit codes: 0 done, 2 what a person gave, 130 Ctrl-C, 1 all else."""

import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from ruamel.yaml import YAML

from vimu.contracts import Rejection
from vimu.runtime.config import S, load_config
from vimu.runtime.console import console
from vimu.runtime.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_OPERATION_FAILED, EXIT_USER, OperationError, UserError
from vimu.runtime.json_lines import log_as_asked
from vimu.runtime.published import Published
from vimu.runtime.session import close_to_others
from vimu.runtime.status import reported
from vimu.semantics.summary import acceptance_lines
from vimu.stages.config import Config
from vimu.stages.inputs import require_inputs
from vimu.stages.stage import Plan, Stage

ConfigOption = Annotated[Path, typer.Option("--config", help="YAML file of the run, e.g. configs/open.yaml.")]
SetOption = Annotated[list[str], typer.Option("--set", help="Override a setting: --set pretrain.epochs=5. Repeatable.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the plan; start nothing, write nothing.")]
UpdateOption = Annotated[
    bool, typer.Option("--update", help="Take in files that were added to the archives; those as before are not read.")
]
DumpOption = Annotated[bool, typer.Option("--dump-config", help="Print the whole configuration as YAML and stop.")]


def run_stage(stage: Stage[Any], estimate: Callable[[Config, Plan[Any]], str] | None = None) -> None:
    """Command line of a single stage.

    Args:
        estimate: says, for `--dry-run`, what it would take.
    """

    def run(config: Config, path: str, dry_run: bool, update: bool = False) -> None:
        require_inputs(config, stage.name, path)
        plan = announce(stage, config, update=update)
        if dry_run:
            if estimate is not None:
                console.print(f"  {estimate(config, stage.shown(config, plan, update=update))}", markup=False)
            console.print(f"  {stage.state(config, plan, update=update)}", markup=False)
        else:
            with reported(config.run_dir, stage.name, exit_code_of):
                conclude(stage.run(config, plan, path, update=update))

    help_text = f"vimu {stage.name}: `python jobs/{stage.name}.py --config configs/open.yaml`"
    run_job(run, help_text, run_update=run if stage.build_on is not None else None)


def run_job(
    run: Callable[[S, str, bool], None],
    help_text: str,
    kind: type[S] = Config,  # type: ignore[assignment] # mypy knows no default for a type variable
    run_update: Callable[[S, str, bool, bool], None] | None = None,
) -> None:
    """Parse the command line, read the configuration as `kind`, run, and exit with the right code.

    Args:
        run_update: for a job that takes `--update`: gets it as its last argument.
    """
    close_to_others()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    def main(
        config: ConfigOption,
        overrides: SetOption = [],  # noqa: B006 - typer's way of a repeatable option
        dry_run: DryRunOption = False,
        dump_config: DumpOption = False,
        update: UpdateOption = False,
    ) -> None:
        settings = load_config(kind, config, overrides)
        if dump_config:
            YAML().dump(settings.model_dump(mode="json"), sys.stdout)
            return
        try:
            given = settings.given
            run(settings, given, dry_run) if run_update is None else run_update(settings, given, dry_run, update)
        except KeyboardInterrupt:  # here, as typer would say nothing
            console.print("[bold]interrupted.[/] Run the same command again: what is finished is not repeated.")
            sys.exit(EXIT_INTERRUPTED)

    def main_without_update(
        config: ConfigOption,
        overrides: SetOption = [],  # noqa: B006 - typer's way of a repeatable option
        dry_run: DryRunOption = False,
        dump_config: DumpOption = False,
    ) -> None:
        main(config, overrides, dry_run, dump_config)

    app.command(help=help_text)(main if run_update is not None else main_without_update)

    try:
        log_as_asked(Path(sys.argv[0]).stem)
        app()
    except UserError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(EXIT_USER)
    except Rejection as rejection:
        console.print(f"[bold red]error:[/] {escape(str(rejection))}")
        sys.exit(EXIT_USER)
    except OperationError as error:
        console.print(f"[bold red]failed:[/] {escape(str(error))}")
        sys.exit(EXIT_OPERATION_FAILED)
    except Exception as error:  # noqa: BLE001 - the last resort: anything else is a failed operation
        cause = _user_error_behind(error)
        if cause is not None:
            console.print(f"[bold red]error:[/] {escape(str(cause))}")
            sys.exit(EXIT_USER)
        traceback.print_exc()
        console.print(f"[bold red]failed:[/] {type(error).__name__}: {escape(str(error))}")
        sys.exit(EXIT_OPERATION_FAILED)


def exit_code_of(error: BaseException | None) -> int:
    """What a job ends with that ends by an exception, or, None, without one."""
    if error is None:
        return EXIT_DONE
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else EXIT_OPERATION_FAILED
    if isinstance(error, UserError | Rejection):
        return EXIT_USER
    if isinstance(error, OperationError) or not isinstance(error, Exception):
        return EXIT_OPERATION_FAILED
    return EXIT_OPERATION_FAILED if _user_error_behind(error) is None else EXIT_USER


def announce(stage: Stage[Any], config: Config, *, update: bool = False) -> Plan[Any]:
    """Plan a stage and show what it will do."""
    plan = stage.plan(config)
    shown = stage.shown(config, plan, update=update)
    console.print(f"[bold]{stage.name}[/]  " + "  ".join(f"{k} {v:,}" for k, v in shown.counts.items()))
    for title, rows in shown.tables.items():
        if rows:
            console.print(_table(title, rows))
    return plan


def conclude(published: Published) -> None:
    """Say what was published, with the sum of rows."""
    counts: Mapping[str, int] = published.manifest["counts"]
    state = "published" if published.fresh else "already published, nothing to do:"
    console.print(f"  {state} {published.folder}  " + "  ".join(f"{k} {v:,}" for k, v in counts.items()))
    if (updated := published.details.get("updated")) is not None:
        console.print("  updated: " + "  ".join(f"{name} {n:,}" for name, n in updated.items()))
    if "rejections" in counts:
        into, out = next(iter(counts.items())), list(counts.items())[1]
        console.print(f"  {into[0]} {into[1]:,} = {out[0]} {out[1]:,} + rejections {counts['rejections']:,}")
    if left_out := published.details.get("left_out"):
        for line in _left_out(published, left_out):
            console.print(f"  left out: {line}", markup=False)
    _details_of(published)


def _details_of(published: Published) -> None:
    """What a person wants to see of a stage's result."""
    stage, details = published.manifest["stage"], published.details
    if stage == "synthesize" and details["empty_categories"]:
        console.print(f"  categories without a clip: {', '.join(details['empty_categories'])}")
    elif stage == "prepare":
        console.print(f"  sensors: {', '.join(details['sensors'])}")
        if details["notes"]:
            console.print("  mended: " + ", ".join(f"{n:,} {note}" for note, n in details["notes"].items()))
        for dataset, by_split in details["windows"].items():
            table = Table("windows of " + dataset, *SPLITS, box=None, title_justify="left", padding=(0, 2))
            for label in sorted({label for by_label in by_split.values() for label in by_label}):
                table.add_row(label, *(f"{by_split.get(s, {}).get(label, 0):,}" for s in SPLITS))
            console.print(table)
    elif stage == "tune":
        best = details["best"]
        console.print(f"  winner: trial {best['number']}, macro-F1 {best['val_macro_f1']:.3f} in validation")
        for path, value in best["params"].items():
            console.print(f"    {path}: {f'{value:.3g}' if isinstance(value, float) else value}", markup=False)
        console.print(f"  report: {published.folder}/report.html", markup=False)
    elif stage == "interpret":
        for line in acceptance_lines(details["summary"]):
            console.print(f"  {line}", markup=False)
    elif stage == "export":
        console.print(f"  {details['says']}", markup=False)
    elif stage == "evaluate" and "tested" in published.manifest["counts"]:
        from vimu.evaluation.aligned_report import aligned_text

        console.print(aligned_text(json.loads(published.file("metrics.json").read())), markup=False)
    elif stage in ("crossval", "evaluate"):
        from vimu.evaluation.terminal import results_text  # brings matplotlib, which other jobs do without

        console.print(results_text(json.loads(published.file("metrics.json").read())), markup=False)


NAMED = 3
"""Files of one reason that are named; of more, the first."""


def _left_out(published: Published, counts: Mapping[str, int]) -> list[str]:
    """A line a reason, and whose they are."""
    rows = published.file("rejections.parquet").columns(["path", "reason"]).to_pylist()
    lines = []
    for reason, n in counts.items():
        paths = [row["path"] for row in rows if row["reason"] == reason]
        named = ", ".join(paths[:NAMED]) if n <= NAMED else f"{paths[0]}, ..."
        lines.append(f"{n:,} {reason} ({named})")
    return [*lines, f"{sum(counts.values()):,} in all, each with its reason in {published.folder}/rejections.parquet"]


SPLITS = ("train", "val", "test")


def _table(title: str, rows: Sequence[tuple[str, int]]) -> Table:
    table = Table(box=None, show_header=False, title=title, title_justify="left", padding=(0, 2))
    for name, count in rows:
        table.add_row(name, f"{count:,}")
    return table


def _user_error_behind(error: BaseException) -> UserError | None:
    """A UserError that a worker raised, under Ray's wrapping."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, UserError):
            return current
        current = getattr(current, "cause", None) or current.__cause__
    return None
