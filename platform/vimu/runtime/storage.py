"""Where results live: a folder, or an object store by URI (`s3://bucket/runs`) through fsspec.

Two things differ between them, and only this module and `publish` know: a folder has a rename, an object store a
conditional write; and a file of a folder must be written under another name first, while an object appears whole.
"""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BeforeValidator, PlainSerializer
from upath import UPath

from vimu.runtime.credentials import has_credentials, with_credentials
from vimu.runtime.errors import OperationError, TransientError, UserError
from vimu.runtime.plain_columns import require_plain
from vimu.runtime.transient import is_transient

BROKEN_URI = re.compile(r"(?!file:///)[A-Za-z][\w+.-]+:(//?$|/?[^/]|///)")
"""`s3:/bucket`, `s3://`: as a path, a folder named `s3:`."""

Location = Path | UPath
"""`Path` for a folder, `UPath` for an object store."""


def location(text: str | Path | UPath) -> Location:
    """A folder, or a place in an object store, by path or URI.

    Raises:
        UserError: neither, or a URI that names no bucket, that holds a password, whose file system is not installed, or
            that other processes do not see.
    """
    if isinstance(text, Path | UPath):
        return text
    if isinstance(text, str) and has_credentials(text):  # no message may repeat them
        raise UserError(with_credentials("A place"))
    if not isinstance(text, str) or not text or BROKEN_URI.match(text):
        raise UserError(f"A place must be a folder or a URI such as `s3://bucket/runs`, but is `{text}`.")
    text = text.removeprefix("file://")  # a folder has what a store lacks: a rename
    if "://" not in text:
        return Path(text).expanduser()
    if text.startswith("memory:"):
        raise UserError(f"A place must be one that Ray's workers see as well, but `{text}` is in this process only.")
    try:
        place = UPath(text, use_listings_cache=False)
        _ = place.fs
    except (ImportError, ValueError) as error:
        raise UserError(f"`{text}` must be a folder, or a URI that fsspec opens, but: {error}.") from error
    return place


LocationSetting = Annotated[Location, BeforeValidator(location), PlainSerializer(str, return_type=str)]
"""A setting that names a folder or a URI."""


def require_store(place: Location) -> None:
    """Ask a store for what lies at `place`: what fails later fails in the middle of a worker's trace, or not at all.

    Raises:
        UserError: no credentials, no permission, no such bucket, no server.
    """
    if isinstance(place, Path):
        return
    try:
        place.fs.ls(place.path, detail=False)
    except Exception as error:  # every store has errors of its own
        if isinstance(error, FileNotFoundError) and "bucket" not in str(error).removeprefix(place.path):
            return  # nothing is there yet
        raise UserError(
            f"`{place}` must be in a store that can be reached, but {type(error).__name__}: {error}. Credentials and "
            "address come from the environment, e.g. `AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`."
        ) from error


def absolute(place: Location) -> str:
    """A place as workers find it, whose working folder is another."""
    return str(place.resolve()) if isinstance(place, Path) else str(place)


def write_whole(path: Location, content: bytes | memoryview | str) -> None:
    """Write a file that is seen under its name only when it is whole.

    Raises:
        OperationError: there is no room for it; a TransientError where trying again may do.
    """
    data = content.encode() if isinstance(content, str) else content
    if not isinstance(path, Path):
        path.fs.pipe_file(path.path, bytes(data))  # an object appears whole
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with _writing(path, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(path)


@contextmanager
def _writing(path: Path, n_bytes: int) -> Iterator[None]:
    """Say of what the block could not write whether there is no room for it, or whether trying again may do."""
    try:
        yield
    except OSError as error:
        path.with_name(f".{path.name}.{os.getpid()}.partial").unlink(missing_ok=True)
        if error.errno in NO_ROOM:
            free = shutil.disk_usage(next(p for p in path.parents if p.is_dir())).free
            raise OperationError(
                f"`{path}` must be written, {n_bytes:,} bytes, but: {os.strerror(error.errno)}; {free:,} bytes are "
                "free there. Make room and run the same command again: what is finished is not repeated."
            ) from error
        if is_transient(error):
            raise TransientError(f"`{path}` must be written, but cannot be at the moment: {error}.") from error
        raise


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def create(path: Location, content: bytes, **condition: Any) -> bool:
    """Write a file or object unless it exists: of several that try, one succeeds. False where another one did.

    Args:
        condition: of the store's own, in place of "does not exist": e.g. `IfMatch` of S3.
    """
    if isinstance(path, Path):
        try:
            with _writing(path, len(content)):
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as stream:
                    stream.write(content)
        except FileExistsError:
            return False
        return True
    try:
        path.fs.pipe_file(path.path, content, **(condition or {"mode": "create"}))
    except FileExistsError:
        return False
    except OSError as error:
        if "pre-conditions you specified did not hold" in str(error):  # how S3 says that `IfMatch` does not
            return False
        raise
    return True


def files_below(place: Location) -> list[Location]:
    """All files below a place, sorted; none where there is no such place."""
    if isinstance(place, Path):
        return sorted(p for p in place.rglob("*") if p.is_file())
    found = place.fs.find(place.path, withdirs=False)  # a glob would read brackets in names
    return [place / PurePosixPath(path).relative_to(place.path).as_posix() for path in sorted(found)]


def remove(place: Location) -> None:
    """Remove one file, if it is there: a run that was killed may have."""
    if isinstance(place, Path):
        place.unlink(missing_ok=True)
    else:
        place.fs.rm_file(place.path)  # `unlink` would read brackets in names as a pattern


@dataclass(frozen=True)
class StoredFile:
    """One file of a published folder, and what its bytes must be. Travels to workers as it is."""

    where: str
    """Path or URI."""
    n_bytes: int
    sha256: str

    def read(self) -> bytes:
        """Its bytes, checked. Raises UserError: missing or damaged."""
        try:
            data = location(self.where).read_bytes()
        except FileNotFoundError:
            data = b""
        if len(data) != self.n_bytes or hashlib.sha256(data).hexdigest() != self.sha256:
            raise UserError(f"`{self.where}` is missing or damaged. Delete its stage's folder and run that job again.")
        return data

    def table(self) -> pa.Table:
        """The Parquet table it holds, checked. Raises UserError: missing, damaged, or of columns that may run code."""
        data = self.read()
        with _told(self.where), pq.ParquetFile(pa.BufferReader(data)) as file:
            require_plain(file.schema_arrow, self.where)
            return file.read(use_threads=False)

    def columns(self, names: list[str] | None = None) -> pa.Table:
        """Columns (None: all) of the Parquet table it holds, **not checked**: for a plan, whose work reads `table`."""
        with _told(self.where), _parquet(location(self.where)) as file:
            require_plain(file.schema_arrow, self.where)
            return file.read(columns=names, use_threads=False)

    def schema(self) -> pa.Schema:
        """The schema of the Parquet table it holds, not checked."""
        with _told(self.where), _parquet(location(self.where)) as file:
            return file.schema_arrow

    def local(self) -> Path:
        """A file on this machine with its bytes, checked: itself, or a copy in the temporary folder."""
        place = location(self.where)
        data = self.read()
        if isinstance(place, Path):
            return place
        copy = Path(tempfile.gettempdir()) / f"vimu-{os.getuid()}" / self.sha256[:16] / place.name
        if not copy.is_file() or hashlib.sha256(copy.read_bytes()).hexdigest() != self.sha256:
            write_whole(copy, data)
        return copy


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Say of what is no Parquet, or of an extension type that cannot be, that a person must look at it."""
    try:
        yield
    except (pa.ArrowException, ValueError) as error:  # an extension type's own code raises what it likes
        if isinstance(error, MemoryError):
            raise
        says = str(error).split(". ", maxsplit=1)[0].rstrip(".")  # what follows is advice, of Ray's to trust it
        raise UserError(
            f"`{where}` must be a Parquet file of numbers and text, but cannot be read: {says[:200]}. Delete its "
            "stage's folder and run that job again."
        ) from error


@contextmanager
def _parquet(place: Location) -> Iterator[pq.ParquetFile]:
    """A Parquet file, open. One of a folder is opened by pyarrow itself.

    Of a Python file, pyarrow's threads may let go only when the interpreter ends, which aborts a job that is done: 3 of
    58 runs that had nothing to do ended so, none of 98 since.
    """
    if isinstance(place, Path):
        with pq.ParquetFile(str(place)) as file:
            yield file
    else:
        with place.open("rb") as stream, pq.ParquetFile(stream) as file:
            yield file


def stored(path: Location, content: bytes | memoryview) -> StoredFile:
    """Write a file whole, and say what it holds."""
    write_whole(path, content)
    return StoredFile(str(path), len(content), hashlib.sha256(content).hexdigest())


def file_sha256(path: Location) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
