"""`python -m vimu.archives.unpack SRC... --into FOLDER`: downloaded archives, unpacked once, safely and whole.

Each archive (`.tar.bz2`, `.tar.xz`, `.tar.gz`, `.tar`, `.zip`) gets a folder of its own, `FOLDER/NAME`, written beside
it under another name and renamed when all of it is there: killed, the same command goes on with the archives that are
missing. Archives are unpacked side by side, one a core.
"""

import errno
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path, PurePosixPath
from typing import IO, Annotated

import typer
from rich.markup import escape

from vimu.archives.packed import CHUNK, members_of
from vimu.contracts import Reason, Rejection
from vimu.runtime.console import console
from vimu.runtime.errors import EXIT_OPERATION_FAILED, OperationError, UserError, listed
from vimu.runtime.exit_codes import exit_codes

SUFFIXES = (".tar.bz2", ".tar.xz", ".tar.gz", ".tgz", ".tar", ".zip")
MARK = ".vimu-unpacked.json"
"""Lies in an unpacked folder: from which archive it was made."""
MAX_FILE_BYTES = 2**30
"""AMASS's longest take is about 90 MB."""
MAX_BYTES = 64 * 2**30
"""Of one archive. AMASS's largest expand to some 10 GB."""
DAMAGE = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EINVAL}
"""Errors of the file system that an archive's names and offsets make: too long, a file that is a folder elsewhere, an
offset before its start."""


def archive_name(path: Path) -> str | None:
    """The archive's name without its suffix, `CMU` for `CMU.tar.bz2`; None for another file."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return None


def archives_in(folder: Path) -> list[Path]:
    """The archives that lie in a folder itself, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_file() and archive_name(p))


def unpack(archive: Path, into: Path, *, max_bytes: int = MAX_BYTES) -> int:
    """Unpack one archive to `into/NAME`; the number of files, also where it was unpacked before.

    Raises:
        UserError: `into/NAME` is there and was made from something else.
        Rejection: `unreadable` (damaged, a link, a device, a name that leads out of the folder, one name twice),
            `oversized`. Nothing is left of it.
    """
    name = archive_name(archive)
    assert name is not None
    target, partial = into / name, into / f".{name}.partial"
    source = {"archive": archive.name, "bytes": archive.stat().st_size}
    if target.exists():
        mark = target / MARK
        made = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}
        if {key: made.get(key) for key in source} != source:
            raise UserError(f"`{target}` must be made from `{archive}`, but is not. Delete it, or unpack elsewhere.")
        return int(made["files"])
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        n_files = _write_members(archive, partial, max_bytes)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    (partial / MARK).write_text(json.dumps(source | {"files": n_files}), encoding="utf-8")
    partial.rename(target)
    return n_files


def _write_members(archive: Path, folder: Path, max_bytes: int) -> int:
    """Write the archive's files, byte by counted byte: no link, owner or mode of the archive is taken over."""
    n_files, left = 0, max_bytes
    try:
        for name, stream in members_of(archive, max_bytes):
            path = folder / _safe(archive, name)
            n_files += 1
            path.parent.mkdir(parents=True, exist_ok=True)
            left -= _copy(archive, name, stream, path, min(left, MAX_FILE_BYTES))
    except (Rejection, FileNotFoundError):
        raise
    except FileExistsError as error:
        raise Rejection(str(archive), Reason.UNREADABLE, f"holds `{error.filename}` twice") from error
    except OSError as error:
        if error.errno is not None and error.errno not in DAMAGE:  # the disk's: full, read-only
            raise
        raise _damaged(archive, error) from error
    except Exception as error:  # damage shows as any error of tarfile, zipfile, bz2, lzma or zlib
        raise _damaged(archive, error) from error
    return n_files


def _safe(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name or "\0" in name:
        raise Rejection(str(archive), Reason.UNREADABLE, f"`{name}` leads out of the folder")
    if path.parts[0] == MARK:
        raise Rejection(str(archive), Reason.UNREADABLE, f"holds `{MARK}`, which says here that an archive is unpacked")
    return path


def _copy(archive: Path, name: str, stream: IO[bytes], path: Path, limit: int) -> int:
    written = 0
    with path.open("xb") as out:
        while chunk := stream.read(CHUNK):
            written += len(chunk)
            if written > limit:
                raise Rejection(str(archive), Reason.OVERSIZED, f"`{name}` expands beyond the limit ({limit:,} bytes)")
            out.write(chunk)
    return written


def _damaged(archive: Path, error: Exception) -> Rejection:
    return Rejection(str(archive), Reason.UNREADABLE, f"{type(error).__name__}: {error}")


def _sources(given: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in given:
        here = archives_in(path) if path.is_dir() else [path] if path.is_file() and archive_name(path) else []
        if not here:
            raise UserError(
                f"`SRC` must be an archive ({', '.join(SUFFIXES)}) or a folder of them, but `{path}` is not."
            )
        found += here
    names = [archive_name(path) for path in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UserError(f"`SRC` must have one archive a name, but {listed(twice)} comes twice.")
    return found


def unpack_all(given: Sequence[Path], into: Path) -> dict[Path, int | Rejection]:
    """Unpack archives, and those in folders, side by side; files of each, or why it could not be unpacked.

    Raises:
        UserError: one of `given` is no archive, or what lies at its place was made from something else.
        OperationError: the disk is full, or fails.
    """
    archives = _sources(given)
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"`--into` must be a folder that can be written, but: {error}.") from error
    results: dict[Path, int | Rejection] = {}
    with ProcessPoolExecutor(min(len(archives), os.cpu_count() or 1)) as pool:
        jobs = {pool.submit(unpack, archive, into): archive for archive in archives}
        for job in as_completed(jobs):
            try:
                results[jobs[job]] = job.result()
                console.print(f"  {escape(jobs[job].name)}: {results[jobs[job]]} files")
            except Rejection as rejection:
                results[jobs[job]] = rejection
                console.print(f"  [bold red]left out[/] {escape(str(rejection))}")
            except OSError as error:  # the disk's, which the archives after it meet as well
                pool.shutdown(cancel_futures=True)
                raise OperationError(
                    f"`{jobs[job]}` must be unpacked into `{into}`, but: {os.strerror(error.errno or 0)}; "
                    f"{shutil.disk_usage(into).free:,} bytes are free there. Make room and run the same command again: "
                    "what is unpacked is not unpacked again."
                ) from error
    return results


def main(
    src: Annotated[list[Path], typer.Argument(help="Archives, or folders that hold them.")],
    into: Annotated[Path, typer.Option(help="Where each gets a folder of its own.")],
) -> None:
    """Unpack downloaded archives: `python -m vimu.archives.unpack ~/Downloads/amass --into data/amass`."""
    with exit_codes():
        results = unpack_all(src, into)
    failed = [result for result in results.values() if isinstance(result, Rejection)]
    console.print(f"{len(results) - len(failed)} of {len(results)} archives lie unpacked in {into}")
    if failed:
        raise typer.Exit(EXIT_OPERATION_FAILED)


if __name__ == "__main__":
    typer.run(main)
