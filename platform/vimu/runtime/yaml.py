"""YAML as people edit it, read without surprises: YAML 1.2, no tags, duplicate keys refused, every number finite."""

import math
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from vimu.runtime.errors import UserError


def read_yaml(path: Path) -> dict[str, object]:
    """Read one YAML mapping.

    Raises:
        UserError: the file is missing, is no mapping, repeats a key, holds a tag such as `!!python/...`, or
            `.nan`/`.inf`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"`{path}` does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
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
    except YAMLError as error:
        raise UserError(f"`{where}`: {error}") from error
    _refuse_non_finite(value, where, "")
    return value


def _refuse_non_finite(value: object, where: str, at: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"`{where}`: `{at or 'the value'}` must be a finite number, but is {value}.")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _refuse_non_finite(item, where, f"{at}.{key}" if at else str(key))
