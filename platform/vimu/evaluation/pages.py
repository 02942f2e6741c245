"""The templates of pages: what they share, and how numbers look in them. All texts are escaped."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, PrefixLoader

from vimu.evaluation.groups import method_of, number, span, tested_on

SIGNED = "+.3f"


def page_environment(*packages: str) -> Environment:
    """Templates of packages of vimu, by the package's last name: `evaluation/sections.html.j2`.

    Args:
        packages: beside `vimu.evaluation`, whose templates are always there.
    """
    loaders = {name.rpartition(".")[2]: PackageLoader(name, "") for name in ("vimu.evaluation", *packages)}
    environment = Environment(loader=PrefixLoader(loaders), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "signed": _signed, "span": span, "signed_span": _signed_span}
    environment.globals |= {"tested_on": tested_on, "method_of": method_of}
    return environment


def _signed(value: float | None) -> str:
    return "" if value is None else format(value, SIGNED)


def _signed_span(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"({span(interval, SIGNED)})"
