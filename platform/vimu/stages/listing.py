"""Which files of an input are takes, and which of them are the same take."""

from collections import Counter
from pathlib import Path

from vimu.archives.config import ArchiveConfig
from vimu.archives.take import take_name_of
from vimu.archives.unpack import archive_name, archives_in
from vimu.contracts import Reason, Rejection
from vimu.runtime.errors import UserError
from vimu.runtime.input_files import files_matching
from vimu.stages.config import ArchiveInput


def files_of(archive: ArchiveConfig, given: ArchiveInput) -> tuple[list[Path], list[Rejection], Counter[str]]:
    """The archive's files, sorted, what of its name cannot be read, and how many lie beside them unread.

    A file that is a link out of the root is refused. Folders whose name begins with a dot are not looked into:
    unpacking works in them.
    """
    if not given.root.is_dir():
        raise UserError(f"`root` of `{given.archive}` must be a folder, but `{given.root}` does not exist.")
    paths, odd = files_matching(given.root, archive.files, hidden=False)
    found = [p for p in paths if not any(p.match(pattern) for pattern in archive.skip)]
    packed = [p for p in archives_in(given.root) if not (given.root / str(archive_name(p))).is_dir()]
    if not found:
        mend = f" Unpack them: python -m vimu.archives.unpack {given.root} --into {given.root}" if packed else ""
        but = f"{len(packed)} packed archives only." if packed else "none."
        raise UserError(
            f"`root` of `{given.archive}` must hold `{archive.files}`, but `{given.root}` holds {but}{mend}"
        )
    root = given.root.resolve()
    for path in found:
        if not path.resolve().is_relative_to(root):
            raise UserError(f"`{path}` must lie in `{given.root}`, but is a link to `{path.resolve()}`.")
    aside = Counter({"no_motion_by_name": len(paths) - len(found), "archives_not_unpacked": len(packed)})
    return found, odd, +aside


def once(path: Path, relative: str, given: ArchiveInput, archive: ArchiveConfig, first: dict[str, str]) -> None:
    """Raise a Rejection (`duplicate`) for a take that an earlier file of the same archive holds, in whatever release.

    Args:
        first: take -> the first file that holds it; goes on from input to input.
    """
    name = take_name_of(path, given.root, archive) if archive.take_endings else None
    if name is not None and first.setdefault(f"{archive.name} {name}", str(path)) != str(path):
        raise Rejection(relative, Reason.DUPLICATE, f"is the take of {first[f'{archive.name} {name}']}")
