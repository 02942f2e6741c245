"""What a manifest claims, looked at before anything rests on it: whoever publishes a folder can make its hashes fit."""

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, NonNegativeInt, ValidationError

from vimu.runtime.errors import UserError


def _below(path: str) -> str:
    """A path within the folder, whatever it is joined to."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path:
        raise ValueError("must lie in the folder")
    return path


def _each_once(files: list["_File"]) -> list["_File"]:
    if len({file.path for file in files}) < len(files):
        raise ValueError("must name each file once")
    return files


_Below = Annotated[str, AfterValidator(_below)]


class _File(BaseModel):
    path: _Below
    at: _Below | None = None
    bytes: NonNegativeInt
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Manifest(BaseModel):
    stage: str
    identity: dict[str, Any]
    content_hash: str
    counts: dict[str, int]
    details: dict[str, Any]
    files: Annotated[list[_File], AfterValidator(_each_once)]


def require_manifest(text: bytes, *, where: str, made_by: str) -> None:
    """Refuse what is no manifest, or one whose files lie elsewhere or occur twice.

    Args:
        where: names it in the message.
        made_by: the command that makes it.

    Raises:
        UserError: the message says which entry, and what is wrong with it.
    """
    try:
        _Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"])) or "all of it"
        says = first["msg"].removeprefix("Value error, ")
        raise UserError(
            f"`{where}` must be as a stage writes it, but is not: `{at}`: {says}. Delete the folder and run: {made_by}"
        ) from error
