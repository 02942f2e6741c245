"""YAML as people edit it, read without surprises: YAML 1.2, no tags, duplicate keys refused, every number finite.

A hostile file takes neither the machine's memory nor its time: what it may hold is bounded, aliases counted in full.
"""

import math
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from vimu.runtime.errors import UserError

MAX_BYTES = 2**20
"""The longest shipped file has 30 kB."""
MAX_VALUES = 100_000
"""Counted as often as aliases repeat them."""
MAX_DEPTH = 100
"""Of lists and mappings within one another."""


def read_yaml(path: Path) -> dict[str, object]:
    """Read one YAML mapping.

    Raises:
        UserError: the file is missing, is no mapping, repeats a key, holds a tag such as `!!python/...`, or
            `.nan`/`.inf`.
    """
    try:
        with path.open("rb") as stream:  # of a device, which says no size and has no end, no more either
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            size = max(path.stat().st_size, len(data))
            raise UserError(f"`{path}` must be a YAML file of at most {MAX_BYTES:,} bytes, but has {size:,}.")
        text = data.decode("utf-8")
    except FileNotFoundError as error:
        raise UserError(f"`{path}` does not exist.") from error
    except (OSError, ValueError) as error:  # of decoding, or a name with a zero byte
        raise UserError(f"`{path}` cannot be read: {error}.") from error
    value = parse_yaml(text, where=str(path))
    if not isinstance(value, dict):
        raise UserError(f"`{path}` must hold a mapping, but holds {type(value).__name__}.")
    return value


def parse_yaml(text: str, where: str) -> object:
    """Parse `text`; `where` names it in errors. Raises UserError as `read_yaml` does."""
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UserError(f"`{where}`{line}: {error.problem}.") from error
    except Exception as error:  # ruamel raises whatever Python does for a number, a date or a depth that is none
        raise UserError(f"`{where}` must be YAML, but is not: {type(error).__name__}: {error}"[:300] + ".") from error
    _check_values(value, where)
    return value


def _check_values(whole: object, where: str) -> None:
    """Refuse what is not finite, and what is too much: aliases make millions of values of a few lines, or no end."""
    left: list[tuple[object, _Place | None, int]] = [(whole, None, 0)]
    n_values = 0
    while left:
        value, at, depth = left.pop()
        n_values += 1
        if n_values > MAX_VALUES or depth > MAX_DEPTH:
            limits = f"{MAX_VALUES:,} values, {MAX_DEPTH} deep"
            raise UserError(f"`{where}` must hold at most {limits}, but with its aliases holds more.")
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"`{where}`: `{_dotted(at)}` must be a finite number, but is {value}.")
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        left += [(item, (at, key), depth + 1) for key, item in items]


_Place = tuple["_Place | None", object]
"""A key, and the place of the section that it is in."""


def _dotted(at: _Place | None) -> str:
    keys = []
    while at is not None:
        at, key = at
        keys.append(str(key))
    return ".".join(reversed(keys)) or "the value"
