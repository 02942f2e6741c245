"""Configuration: frozen sections, YAML plus `--set`, every error at once."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails

from vimu.runtime.credentials import require_none
from vimu.runtime.errors import UserError, listed
from vimu.runtime.yaml import parse_yaml, read_yaml


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys refused, one docstring a field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
    _given: str = PrivateAttr("FILE")

    @property
    def given(self) -> str:
        """What gives it on a command line, after `--config`: the file, and `--set ...` for what goes over it."""
        return self._given


Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What NumPy, scikit-learn and torch all take as a seed."""
RateHz = Annotated[float, Field(ge=1.0, le=1000.0)]
"""Of recordings, as of takes. A mistyped million would fill the machine's memory, and Ray would try again for ever."""

T = TypeVar("T")


def _each_once(items: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(items)) < len(items):
        raise ValueError("must name each once")
    return items


EachOnce = Annotated[tuple[T, ...], Field(min_length=1), AfterValidator(_each_once)]
"""Some of them, none twice: a sensor that occurs twice would be two channels of one name."""


def regular_expression(pattern: str) -> re.Pattern[str]:
    """`pattern`, compiled. Raises ValueError, as validators do."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # `a{99999999999}`, a thousand brackets
        raise ValueError(f"must be a regular expression ({error})") from error


RegularExpression = Annotated[str, AfterValidator(lambda pattern: regular_expression(pattern).pattern)]

S = TypeVar("S", bound=Section)


def load_config(kind: type[S], path: Path | None, overrides: Sequence[str] = ()) -> S:
    """Read `path` into `kind` and apply `dotted.key=value` overrides, whose values are YAML.

    A file may say `extends: other.yaml`, a file beside it, and then only what differs, section within section.

    Raises:
        UserError: with every error of the file and the overrides in one message; first of all, that one of them holds
            credentials.
    """
    raw: dict[str, object] = _read(path) if path is not None else {}
    for override in overrides:
        _apply(raw, override)
    require_none(raw)
    loaded = validate(kind, raw, where=str(path) if path is not None else "the configuration")
    loaded._given = " ".join([str(path or "FILE"), *(f"--set {shlex.quote(override)}" for override in overrides)])
    return loaded


def validate(kind: type[S], raw: object, where: str) -> S:
    """`raw` as `kind`, or a UserError that lists all that is wrong with it."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise all_of(sentences(error, raw), where) from None


def all_of(said: Sequence[str], where: str) -> UserError:
    """One error that lists all that is wrong with `where`, a line each."""
    lines = "\n".join(f"  - {sentence}" for sentence in said)
    return UserError(f"{where} has {len(said)} error{'s' * (len(said) != 1)}:\n{lines}")


def sentences(error: ValidationError, raw: object) -> list[str]:
    """All that is wrong with `raw`, a sentence each, by the paths that it has."""
    problems = error.errors(include_url=False, include_context=False)
    items = {problem["loc"][:-1] for problem in problems}
    named: dict[int, Named] = {}
    return [
        _sentence(problem, _written(problem["loc"], raw, named, lacks=problem["type"] == "missing"))
        for problem in problems
        if not (problem["type"] == "too_short" and problem["loc"] in items)  # pydantic counts the good ones only
    ]


def merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """`below` with what `above` says, section within section."""
    both = dict(below)
    for key, value in above.items():
        inner = both.get(key)
        both[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def _read(path: Path) -> dict[str, object]:
    raw = read_yaml(path)
    if "extends" not in raw:
        return raw
    require_none(raw["extends"], "extends")
    base = path.parent / str(raw.pop("extends"))
    below = read_yaml(base)
    if "extends" in below:
        raise UserError(f"`extends` of `{path}` must name a file that extends no other, but `{base}` does.")
    return merged(below, raw)


Named = Mapping[str, object]
"""What is in a section or a list, by key or number as text."""


def _written(loc: Sequence[str | int], raw: object, named: dict[int, Named], *, lacks: bool) -> str:
    """The path that a person wrote: without what pydantic puts between, such as the kind of model it took it for.

    Args:
        named: of sections and lists by their `id`, filled here: one that has thousands of errors is looked at once.
        lacks: its last part is what is missing.
    """
    path, node = [], raw
    for i, part in enumerate(loc):
        if id(node) not in named:
            inner = (
                node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list | tuple) else ()
            )
            named[id(node)] = {str(key): value for key, value in inner}
        inside = named[id(node)]
        if str(part) in inside:
            node = inside[str(part)]
        elif not (lacks and i == len(loc) - 1):
            continue
        path.append(str(part))
    return ".".join(path)


def _sentence(problem: ErrorDetails, key: str) -> str:
    if problem["type"] == "extra_forbidden":
        return f"`{key}` is no setting."
    if problem["type"] == "missing":
        return f"`{key}` must be given, but is missing."
    message = problem["msg"].removeprefix("Value error, ")
    if not key:
        return f"{message}."
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):  # a whole section is too long to quote
        return f"`{key}`: {message}."
    return f"`{key}`: {message[0].lower() + message[1:]}, but is {problem['input']!r}."


def _apply(raw: dict[str, object], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UserError(f"`--set` must be `dotted.key=value`, but is `{override}`.")
    value = parse_yaml(text, where=f"--set {override}")
    node: dict[str, object] | list[object] = raw
    *parents, last = key.split(".")
    for part in parents:
        if isinstance(node, list):
            child = node[_index(node, part, override)]
        else:
            child = node.setdefault(part, {})
            if child is None:
                child = node[part] = {}
        if not isinstance(child, dict | list):
            raise UserError(f"`--set {override}`: `{part}` must be a section, but is {child!r}.")
        node = child
    if isinstance(node, list):
        node[_index(node, last, override)] = value
    else:
        node[last] = value


def _index(items: list[object], part: str, override: str) -> int:
    """`synthesize.inputs.0.root`: the number of an item of a list."""
    if not (part.isdecimal() and int(part) < len(items)):
        raise UserError(f"`--set {override}`: `{part}` must be an item's number, 0 to {len(items) - 1}.")
    return int(part)


def configs_folder() -> Path:
    """The folder of shipped YAML: `$VIMU_CONFIGS`, else beside the installed package, else the checkout's `configs/`.

    Raises:
        UserError: none of them exists.
    """
    here = Path(__file__).resolve()
    candidates = [here.parents[1] / "configs", here.parents[3] / "configs"]
    if "VIMU_CONFIGS" in os.environ:
        candidates = [Path(os.environ["VIMU_CONFIGS"])]
    for folder in candidates:
        if (folder / "placements.yaml").is_file():
            return folder
    raise UserError(f"The folder of YAML settings was not found; looked in {', '.join(map(str, candidates))}.")


KEYS = {
    "archives": "archive",
    "recordings": "recordings",
    "labels": "label_rules",
    "devices": "device",
    "studies": "tune.study",
    "published": "evaluate.published",
}
"""Folder of `configs/` -> the setting that names a file of it."""


def find_yaml(kind: str, name: str, *, holds: str | None = None) -> Path:
    """The YAML of one archive, recording set or rule file, by name (`bandai`) or by path (`my/archive.yaml`).

    Args:
        kind: subfolder of the configs folder, e.g. `archives`.
        holds: of a folder that holds several kinds of file, the `kind:` of those that may be meant.

    Raises:
        UserError: there is none; the message lists the names there are.
    """
    if name.endswith((".yaml", ".yml")):
        if Path(name).is_file():
            return Path(name)
        raise UserError(f"`{name}` does not exist.")
    folder = configs_folder() / kind
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = listed(p.stem for p in folder.glob("*.yaml") if holds in (None, read_yaml(p).get("kind")))
        raise UserError(
            f"`{KEYS.get(kind, kind)}` must be one of {known}, or the path of a YAML file, but is `{name}`."
        )
    return path
