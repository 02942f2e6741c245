"""What a run reads from outside: is it there? Asked before anything starts, and answered in one message."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vimu.archives.config import load_archive
from vimu.archives.unpack import archive_name, archives_in
from vimu.body.models import model_files
from vimu.recordings.config import load_recordings
from vimu.runtime.errors import UserError
from vimu.runtime.published import SUCCESS
from vimu.stages.config import ArchiveInput, Config, RecordingInput
from vimu.stages.downloads import Download, load_downloads

PIPELINE = "pipeline"


@dataclass(frozen=True)
class Given:
    """One path that the configuration names."""

    setting: str
    """Dotted key, as `--set` takes it."""
    path: Path | None
    problem: str | None
    """Why nothing can be read from there, as the end of a sentence; None where it can."""
    download: Download | None
    """Where it comes from; None for what is not in `configs/downloads.yaml`."""
    mend: str | None = None
    """What to do, where it lies there already but not ready to be read."""


def mocap_inputs(config: Config) -> Iterator[Given]:
    """Each archive's folder, body and annotation files. Raises UserError: an unknown archive."""
    downloads = load_downloads()
    for i, given in enumerate(config.synthesis.inputs):
        archive, at = load_archive(given.archive), f"synthesize.inputs.{i}"
        fetched = not given.synthetic
        download, generate = downloads.archives.get(archive.name) if fetched else None, _generate(given)
        problem, mend = _folder(given.root, archive.files)
        yield Given(f"{at}.root", given.root, problem, download, mend or generate)
        if archive.of_smpl:
            yield Given(f"{at}.body", given.body, _no_body(given.body), downloads.bodies if fetched else None, generate)
        for k, file in enumerate(given.annotations):
            yield Given(f"{at}.annotations.{k}", file, None if file.is_file() else _absence(file), None)


def recorded_input(config: Config) -> Given:
    """The folder of real recordings. Raises UserError: an unknown set."""
    given = config.preparation.real
    real = load_recordings(given.recordings)
    download = None if given.synthetic else load_downloads().recordings.get(real.name)
    problem, mend = _folder(given.root, real.files)
    return Given("prepare.real.root", given.root, problem, download, mend or _generate(given))


def inputs_of(config: Config, job: str) -> list[Given]:
    """The paths that a job needs: what it reads itself, and what stages before it read that are not published yet."""

    def lacks(stage: str) -> bool:
        return not (config.run_dir / stage / SUCCESS).is_file()

    recorded = config.prepare is not None and (
        job in (PIPELINE, "prepare") or (job != "synthesize" and lacks("prepare"))
    )
    own_clips = config.prepare is None or config.prepare.clips is None
    mocap = config.synthesize is not None and (
        job == "synthesize" or (own_clips and (job == PIPELINE or (recorded and lacks("synthesize"))))
    )
    return [*(mocap_inputs(config) if mocap else ()), *([recorded_input(config)] if recorded else ())]


def require_inputs(config: Config, job: str, config_path: str) -> None:
    """Raise one UserError that lists every path that is missing, what to download from where, and where to put it."""
    missing = [given for given in inputs_of(config, job) if given.problem is not None]
    if not missing:
        return
    many = "inputs that are" if len(missing) > 1 else "an input that is"
    entries = "\n".join(_entry(given) for given in missing)
    first = missing[0]
    raise UserError(
        f"`{config_path}` names {many} missing:\n{entries}\n"
        f"Is it elsewhere? Link it (ln -s /my/folder {first.path}) or name it (--set {first.setting}=/my/folder).\n"
        f"To check what is there: vimu doctor --config {config_path}"
    )


def mend_of(given: Given) -> str:
    """What to do about a path that is missing."""
    if given.mend is not None:
        return given.mend
    if given.download is None:
        return f"give its path: --set {given.setting}=..."
    put = given.download.put.format(path=given.path or "FOLDER")
    return f"{given.download.url}: {given.download.get} Then: {put}"


def _entry(given: Given) -> str:
    title = "" if given.download is None else f"{given.download.title}: "
    lines = [f"- {title}`{given.path}` ({given.setting}) {given.problem}."]
    if given.mend is not None:
        lines.append(f"    {given.mend}")
    elif given.download is not None:
        d = given.download
        lines += [f"    from   {d.url}", f"    get    {d.get}"]
        lines += [f"    put    {d.put.format(path=given.path or 'FOLDER')}", f"    holds  {d.layout}"]
    return "\n".join(lines)


def _generate(given: ArchiveInput | RecordingInput) -> str | None:
    return f"generate it: python -m vimu.demo {given.root.parent}" if given.synthetic else None


def _folder(root: Path, files: str) -> tuple[str | None, str | None]:
    """What is wrong with a folder that is to hold `files`, and what to do where that is known here."""
    if not root.is_dir():
        return _absence(root), None
    if next((path for path in root.glob(files) if path.is_file()), None) is not None:
        return None, None
    packed = [path for path in archives_in(root) if not (root / str(archive_name(path))).is_dir()]
    if packed:
        unpack = f"python -m vimu.archives.unpack {root} --into {root}"
        return f"holds {len(packed)} packed archives only", f"unpack them: {unpack}"
    return f"holds no `{files}`", None


def _no_body(body: Path | None) -> str | None:
    if body is None:
        return "is not given"
    if not body.exists():
        return _absence(body)
    try:
        model_files(body)
    except UserError as error:
        return f"cannot be used: {str(error).rstrip('.')}"
    return None


def _absence(path: Path) -> str:
    if path.is_symlink():
        return f"is a link to `{path.readlink()}`, where nothing is" if not path.exists() else "is no folder"
    return "is no folder" if path.exists() else "does not exist"
