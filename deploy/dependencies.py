"""What vimu is installed with: packages reachable from pyproject.toml, their pins, and their licences by class.

`python -m deploy.dependencies` writes docs/dependencies.md.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "dependencies.md"


@dataclass(frozen=True)
class Dependency:
    name: str
    """Canonical: lower case, hyphens."""
    version: str
    licence: str
    licence_class: str
    wanted_by: tuple[str, ...]
    """Extras that lead to it; `vimu` for what every install has."""


@cache
def pins() -> Mapping[str, str]:
    """Package -> version, of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


@cache
def reachable() -> Mapping[str, tuple[str, ...]]:
    """Package -> the extras that lead to it, by the metadata of what is installed here.

    Of an extra that is not installed here as a whole, the page is believed as well: it is the same wherever it is made.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, set[str]] = {}
    for extra, texts in {"vimu": project["dependencies"], **project["optional-dependencies"]}.items():
        names, installed = _led_to(texts)
        for name in names if installed else names | _said_to_be_of(extra):
            found.setdefault(name, set()).add(extra)
    return {name: tuple(sorted(extras)) for name, extras in sorted(found.items())}


def _led_to(texts: Iterable[str]) -> tuple[set[str], bool]:
    """Packages that the requirements lead to, and whether all of them are installed here."""
    seen: set[tuple[str, frozenset[str]]] = set()
    installed, left = True, [Requirement(text) for text in texts]
    while left:
        requirement = left.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) not in seen:
            seen.add((name, extras))
            try:
                left += _required_by(name, extras)
            except metadata.PackageNotFoundError:
                installed = False
    return {name for name, _ in seen}, installed


def _said_to_be_of(extra: str) -> set[str]:
    """Packages that are still pinned and that the page has for this extra."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.is_file() else []
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {name for name, *_, wanted_by in rows if extra in wanted_by.split(", ")} & set(pins())


def _required_by(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """Raises PackageNotFoundError: it is not installed here."""
    for requirement in map(Requirement, metadata.requires(name) or []):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in (*extras, "")):
            yield requirement


@cache
def _known() -> Mapping[str, Mapping[str, object]]:
    loaded: Mapping[str, Mapping[str, object]] = YAML(typ="safe", pure=True).load(ROOT / "deploy" / "licences.yaml")
    return loaded


def licence_of(name: str) -> str | None:
    """An SPDX expression, or None where nothing says it: what is stated in licences.yaml, else the metadata."""
    stated = _known()["stated"].get(name)
    if isinstance(stated, Mapping):
        return str(stated["licence"])
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if about["License-Expression"]:
        return str(about["License-Expression"])
    spellings = {text: spdx for spdx, texts in _known()["spellings"].items() for text in (spdx, *_texts(texts))}
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License")]
    said = [*classifiers, (about["License"] or "").split("\n")[0].strip()]
    named = dict.fromkeys(spellings[text] for text in said if text in spellings)
    return " AND ".join(named) or (said[-1] if class_of(said[-1]) else None)


def class_of(expression: str | None) -> str | None:
    """The class of a licence; of several that all bind the strictest one, of a choice the mildest."""
    classes = {name: set(_texts(ids)) for name, ids in _known()["classes"].items()}
    order = list(classes)

    def of(licence: str) -> int | None:
        return next((k for k, name in enumerate(order) if licence in classes[name]), None)

    ranks = []
    for part in re.split(r"\s+AND\s+", (expression or "").replace("(", "").replace(")", "")):
        choice = [rank for rank in map(of, re.split(r"\s+OR\s+", part.strip())) if rank is not None]
        if not choice:
            return None
        ranks.append(min(choice))
    return order[max(ranks)]


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def dependencies() -> list[Dependency]:
    """Every pinned package, by name."""
    return [
        Dependency(name, version, licence_of(name) or "unknown", class_of(licence_of(name)) or "unknown",
                   reachable().get(name, ()))
        for name, version in sorted(pins().items())
    ]  # fmt: skip


def page() -> str:
    """docs/dependencies.md."""
    rows = dependencies()
    lines = [
        "# Packages and their licences",
        "",
        f"Written by `make licences` from the metadata of the {len(rows)} packages that constraints.txt pins;"
        " `deploy/licences.yaml`",
        "states what metadata does not, with evidence. `vimu` in the last column: every install has it; else the extras"
        " that do.",
        "Of an extra that is not installed where this is run, what stands here is kept.",
        "",
        "`smplx` may be used for non-commercial research only. vimu does not import it; tests and"
        " `benchmarks/synthesis.py` compare",
        "with it.",
        "",
        "| package | version | licence | class | wanted by |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {d.name} | {d.version} | {d.licence} | {d.licence_class} | {', '.join(d.wanted_by)} |" for d in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}: {len(dependencies())} packages")
