"""What a terminal gets to see of names that strangers chose."""

import io

import pytest
from rich.table import Table

from vimu.runtime.console import _PlainConsole


@pytest.mark.fault(53)
def test_control_characters_of_a_name_are_shown_and_not_obeyed():
    out = io.StringIO()
    console = _PlainConsole(file=out, force_terminal=True, highlight=False, soft_wrap=True, width=200)
    name = "walk\x1b]0;title\x07\x1b[2K\r\u202egpj.npz\x9b1A"
    table = Table(box=None)
    table.add_row(name)
    console.print(f"  left out: {name}", markup=False)
    console.print(f"[bold red]error:[/] {name}\n\tnext")
    console.print(table)
    shown = r"walk\x1b]0;title\x07\x1b[2K\x0d\u202egpj.npz\x9b1A"
    assert out.getvalue().count(shown) == 3
    assert "\n\tnext" in out.getvalue() or "\n        next" in out.getvalue()
    assert not set("\x07\r\u202e\x9b") & set(out.getvalue())
    assert out.getvalue().replace("\x1b[1;31m", "").replace("\x1b[0m", "").count("\x1b[2K") == 0
