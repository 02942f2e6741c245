"""How a command ends: what its block raises as one line, and the exit code that goes with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.markup import escape

from vimu.runtime.console import console
from vimu.runtime.errors import EXIT_INTERRUPTED, EXIT_OPERATION_FAILED, EXIT_USER, OperationError, UserError


@contextmanager
def exit_codes() -> Iterator[None]:
    """End with the code of what the block raises."""
    try:
        yield
    except UserError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(EXIT_USER) from error
    except OperationError as error:
        console.print(f"[bold red]failed:[/] {escape(str(error))}")
        raise typer.Exit(EXIT_OPERATION_FAILED) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(EXIT_INTERRUPTED) from error
