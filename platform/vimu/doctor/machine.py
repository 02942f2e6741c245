"""Python, packages and disk, against what was tested and what a run writes."""

import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from vimu.doctor.check import Check
from vimu.runtime.errors import UserError
from vimu.runtime.storage import Location
from vimu.serving.onnx_model import INSTALL, require_exporter

OUTPUT_SHARE = 0.2
"""What clips and windows take of the mocap's bytes. AMASS: 156 + 8 + 3 numbers of 8 bytes a frame at 120 Hz, against 45
and twice 36 (windows overlap by half) of 4 bytes a frame at 60 Hz: 0.18."""
MIN_FREE_BYTES = 2 * 2**30
"""Below this Ray, which spills to disk, and checkpoints run short, whatever the data."""


def machine(runs_dir: Location, mocap_bytes: int) -> Iterator[Check]:
    """Check this Python and the disk that `runs_dir` is on."""
    yield from _versions()
    yield from (_imports(name) for name in ("ray", "torch"))
    if isinstance(runs_dir, Path):  # an object store has no end that it would tell
        yield _disk(runs_dir, mocap_bytes)


def _versions() -> Iterator[Check]:
    """Ranges are those of the installed package's own metadata, so that they cannot differ from pyproject.toml."""
    python = ".".join(map(str, sys.version_info[:3]))
    try:
        about = metadata.metadata("vimu")
    except metadata.PackageNotFoundError:
        yield Check("python", "ok", python)
        yield Check("packages", "warn", "vimu is not installed: versions are not checked", "python -m pip install -e .")
        return
    wanted = SpecifierSet(about["Requires-Python"])
    tested = re.findall(r"Python :: (3\.\d+)$", "\n".join(about.get_all("Classifier") or ()), re.MULTILINE)
    if python not in wanted:
        yield Check(
            "python", "fail", f"{python}, but must be {wanted}", "make .venv with another: make PYTHON=python3.11"
        )
    elif python.rpartition(".")[0] not in tested:
        yield Check("python", "warn", f"{python}; tests were run on {', '.join(tested)} only")
    else:
        yield Check("python", "ok", python)
    needs = [Requirement(text) for text in metadata.requires("vimu") or ()]
    needs = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    problems = [problem for need in needs if (problem := _package(need)) is not None]
    yield from problems
    if not problems:
        found = f"{len(needs)} packages within the ranges of vimu {about['Version']}"
        yield Check("packages", "ok", found)


def _package(need: Requirement) -> Check | None:
    mend = f"python -m pip install '{need}'"
    try:
        version = metadata.version(need.name)
    except metadata.PackageNotFoundError:
        return Check(need.name, "fail", f"is not installed, but must be {need.specifier or 'there'}", mend)
    if not need.specifier.contains(version, prereleases=True):
        return Check(need.name, "fail", f"is {version}, but must be {need.specifier}", mend)
    return None


def _imports(name: str) -> Check:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - a broken installation may raise anything on import
        why = f"cannot be imported: {type(error).__name__}: {error}"
        return Check(name, "fail", why, f"python -m pip install --force-reinstall {name}")
    return Check(name, "ok", f"{module.__version__} imports")


def exporter() -> Check:
    """Check what the stage `export` takes, which is not among vimu's own requirements."""
    try:
        require_exporter()
    except UserError as error:
        return Check("export", "fail", str(error), INSTALL)
    return Check("export", "ok", "onnx and onnxruntime are installed")


def _disk(runs_dir: Path, mocap_bytes: int) -> Check:
    there = next(folder for folder in (runs_dir.absolute(), *runs_dir.absolute().parents) if folder.exists())
    free, need = shutil.disk_usage(there).free, max(MIN_FREE_BYTES, int(OUTPUT_SHARE * mocap_bytes))
    found = f"{gib(free)} free for `{runs_dir}`, about {gib(need)} needed"
    if free < need:
        return Check("disk", "warn", found, "free some, or --set runs_dir=/a/larger/disk")
    return Check("disk", "ok", found)


def gib(n_bytes: int) -> str:
    """Bytes as `1.5 GiB`."""
    return f"{n_bytes / 2**30:.1f} GiB"
