"""Where jobs tell people what they do: standard error, so that standard output stays for data."""

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)
