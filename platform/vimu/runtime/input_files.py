"""The files of an input's folder, and what lies among them that cannot be read: a glob by itself passes over it."""

import os
from collections.abc import Iterator
from pathlib import Path

from vimu.contracts import Reason, Rejection
from vimu.runtime.errors import UserError


def files_matching(root: Path, pattern: str, *, hidden: bool = True) -> tuple[list[Path], list[Rejection]]:
    """The files below `root` that match a glob, sorted; and, as `unreadable`, what would be one and is not.

    That is a link to nothing, as git-annex leaves for what is not fetched; a link to a folder, which `**` does not
    follow; a pipe, socket or device, which would be waited for; and a name that is no Unicode, which no table holds.

    Args:
        hidden: False passes over what lies in folders, or has a name, that begin with a dot.

    Raises:
        UserError: a folder may not be looked into.
    """
    found: list[Path] = []
    odd: dict[str, str] = {}
    linked = [link for link in _linked_folders(root) if "**" in pattern] if root.is_dir() else []
    for path in root.glob(pattern):
        below = path.relative_to(root)
        if not hidden and _is_hidden(below):
            continue
        if path.is_file():
            if text_of(below) == below.as_posix():
                found.append(path)
            else:
                odd[text_of(below)] = "has a name that is no UTF-8: rename it"
        elif not path.is_dir():
            gone = path.is_symlink() and not path.exists()
            odd[text_of(below)] = f"is a link to {_target(path)}, where nothing is" if gone else "is no file"
    followed = {parent for path in found for parent in path.parents} if linked else set()  # by parts that are no `**`
    for link in linked:
        below = link.relative_to(root)
        if link not in followed and (hidden or not _is_hidden(below)):
            odd[text_of(below)] = f"is a link to the folder {_target(link)}, which is not followed"
    return sorted(found), [Rejection(name, Reason.UNREADABLE, detail) for name, detail in sorted(odd.items())]


def text_of(path: Path) -> str:
    r"""A path as text that every table and terminal takes: bytes of a name that are no UTF-8 become `\xfc`."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _linked_folders(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        if isinstance(error, PermissionError):
            raise UserError(
                f"`{Path(error.filename)}` must be a folder that can be read, but: {error.strerror}."
            ) from error
        raise error

    for folder, names, _ in os.walk(root, onerror=refuse):
        yield from (link for name in names if (link := Path(folder, name)).is_symlink())


def _target(link: Path) -> str:
    return f"`{text_of(link.readlink())}`"


def _is_hidden(below: Path) -> bool:
    return any(part.startswith(".") for part in below.parts)
