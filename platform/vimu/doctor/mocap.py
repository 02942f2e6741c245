"""Mocap archives and bodies: what lies there, against what is published."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from vimu.archives.config import ArchiveConfig, load_archive
from vimu.archives.readers import READERS
from vimu.archives.take import take_name_of, take_of
from vimu.body.models import load_smpl_model, model_files
from vimu.body.placement import load_placements
from vimu.contracts import Gender, Motion, Rejection, SmplMotion
from vimu.doctor.check import Check
from vimu.doctor.machine import gib
from vimu.doctor.sample import sample_check, sampled
from vimu.runtime.errors import UserError, listed
from vimu.stages.config import ArchiveInput, Config
from vimu.stages.downloads import Download, load_downloads
from vimu.stages.inputs import Given, mend_of, mocap_inputs
from vimu.stages.listing import files_of

NEARLY_ALL = 0.95
"""Share of the known takes at which a collection counts as whole: SMPL-X lacks 99 of CMU's 2,083."""


def mocap(config: Config) -> Iterator[Check]:
    """Check every archive of a configuration, its body and its annotation files."""
    given = {item.setting: item for item in mocap_inputs(config)}
    for i, archive_input in enumerate(config.synthesis.inputs):
        at, archive = f"synthesize.inputs.{i}", load_archive(archive_input.archive)
        root, body = given[f"{at}.root"], given.get(f"{at}.body")
        genders: Counter[Gender] = Counter()
        if root.problem is not None:
            yield _missing(archive.name, root)
        else:
            yield from _archive(config, archive, archive_input, genders)
        if body is not None:
            yield from [_missing(f"{archive.name} body", body)] if body.problem else _bodies(config, body, genders)
        for file in (item for key, item in given.items() if key.startswith(f"{at}.annotations") and item.problem):
            yield _missing(f"{archive.name} annotations", file)


def mocap_bytes(config: Config) -> int:
    """Size of the archives' files that are there."""
    return sum(
        path.stat().st_size
        for given in config.synthesis.inputs
        if given.root.is_dir()
        for path in given.root.glob(load_archive(given.archive).files)
        if path.is_file()
    )


def _missing(subject: str, given: Given) -> Check:
    return Check(subject, "fail", f"`{given.path}` ({given.setting}) {given.problem}", mend_of(given))


def _archive(config: Config, archive: ArchiveConfig, given: ArchiveInput, genders: Counter[Gender]) -> Iterator[Check]:
    name = archive.name
    try:
        paths, odd, aside = files_of(archive, given)
    except UserError as error:
        yield Check(name, "fail", str(error))
        return
    n_bytes = sum(path.stat().st_size for path in paths)
    beside = f"; beside them {aside['no_motion_by_name']:,} that are no motions" if aside["no_motion_by_name"] else ""
    synthetic = "SYNTHETIC, " if given.synthetic else ""
    yield Check(name, "ok", f"{synthetic}`{given.root}`: {len(paths):,} files, {gib(n_bytes)}{beside}")
    if aside["archives_not_unpacked"]:
        unpack = f"python -m vimu.archives.unpack {given.root} --into {given.root}"
        yield Check(
            name, "warn", f"{aside['archives_not_unpacked']} archives in `{given.root}` are still packed", unpack
        )
    links = [one.path for one in odd if (given.root / one.path).is_dir()]
    if links:
        mend = "move the folders there, or give each as an input of its own"
        yield Check(name, "warn", f"links to folders are not followed: {listed(links)}", mend)
    if gone := [f"`{one.path}` {one.detail}" for one in odd if one.path not in links]:
        mend = "fetch or mend them; synthesis leaves them out as unreadable"
        yield Check(name, "warn", f"{len(gone):,} of its names cannot be read: {listed(gone, 3)}", mend)
    takes = {path: take_name_of(path, given.root, archive) for path in paths}
    first = {str(take).partition("/")[0]: path for path, take in reversed(takes.items()) if take is not None}
    if archive.take_endings:
        yield _releases(archive, paths)
    if archive.collections:
        yield from _collections(archive, [take for take in takes.values() if take], load_downloads().archives.get(name))
    yield _subjects(config, archive, given, paths)
    chosen = sampled(paths, list(first.values()))
    motions, failed = _read(chosen, archive, given.root)
    genders.update(motion.gender for motion in motions if isinstance(motion, SmplMotion))
    rates = sorted({f"{motion.rate_hz:g}" for motion in motions}, key=float)
    yield sample_check(f"{name} sample", len(chosen), len(paths), failed, f"; rates {', '.join(rates)} Hz")


def _releases(archive: ArchiveConfig, paths: Sequence[Path]) -> Check:
    of_ending = Counter(next((e for e in archive.take_endings if p.stem.endswith(e)), "other") for p in paths)
    counts = ", ".join(f"{n:,} `*{ending}`" if ending != "other" else f"{n:,} other" for ending, n in of_ending.items())
    both = "; a take that is there in two releases is used once" if len(of_ending) > 1 else ""
    if of_ending["other"]:
        mend = f"names should end in {' or '.join(archive.take_endings)}: are these files of {archive.name}?"
        return Check(f"{archive.name} releases", "warn", counts + both, mend)
    return Check(f"{archive.name} releases", "ok", counts + both)


def _collections(archive: ArchiveConfig, takes: Sequence[str], download: Download | None) -> Iterator[Check]:
    """A line a collection, by its own name: distinct takes, and how many are known to be published."""
    known = {} if download is None or download.files_at_least is None else download.files_at_least.count
    found = Counter(take.partition("/")[0] for take in set(takes))
    for name in sorted(found.keys() & archive.collections.keys()):
        n, wanted = found[name], known.get(name)
        subject, counts = f"{archive.name} {name}", f"{n:,} takes" + (f" of {wanted:,} or more" if wanted else "")
        if wanted and n < NEARLY_ALL * wanted:
            yield Check(subject, "warn", counts, "a part only: unpack or download it again, unless that is meant")
        else:
            yield Check(subject, "ok", counts)
    strange = sorted(found.keys() - archive.collections.keys())
    if strange:
        mend = "is `root` the folder that holds the subsets? Otherwise fine: its people are told apart by these names"
        yield Check(archive.name, "warn", f"folders that are no subset by name: {listed(strange)}", mend)
    absent = sorted(archive.collections.keys() - found.keys())
    if absent:
        yield Check(archive.name, "ok", f"subsets that are not there, and need not be: {', '.join(absent)}")


def _subjects(config: Config, archive: ArchiveConfig, given: ArchiveInput, paths: Sequence[Path]) -> Check:
    people = {take_of(path, given.root, archive).subject for path in paths}
    subject = f"{archive.name} subjects"
    if None in people:
        return Check(subject, "ok", "not all are known: splits keep clips apart there")
    split = config.prepare.virtual_split if config.prepare is not None else None
    n_folds = split.n_folds if split is not None and split.protocol == "subjects_apart" else 0
    if len(people) < n_folds and len(config.synthesis.inputs) == 1:
        mend = f"give more of the archive, or --set prepare.virtual_split.n_folds={max(3, len(people))}"
        return Check(subject, "fail", f"{len(people)}, but `prepare.virtual_split.n_folds` is {n_folds}", mend)
    return Check(subject, "ok", f"{len(people):,}")


def _read(
    paths: Sequence[Path], archive: ArchiveConfig, root: Path
) -> tuple[list[Motion], list[tuple[Path, Rejection]]]:
    motions, failed = [], []
    for path in paths:
        try:
            motions.append(READERS[archive.reader](path, archive, root))
        except Rejection as rejection:
            failed.append((path, rejection))
    return motions, failed


def _bodies(config: Config, given: Given, genders: Counter[Gender]) -> Iterator[Check]:
    """A line a model file, read through the allow-list; and whether someone of the sample is left without."""
    assert given.path is not None
    files, placements = model_files(given.path), load_placements(config.synthesis.placements)
    for gender, path in files.items():
        subject = f"body {gender or 'for all'}"
        try:
            model = load_smpl_model(path)
            for placement in placements:
                placement.on(model.kind)
        except UserError as error:
            yield Check(subject, "fail", str(error), "download it again; see docs/archives.md, A body")
            continue
        arrays = (
            f"{len(model.joint_names)} joints, {len(model.v_template):,} vertices, {model.shapedirs.shape[2]} shapes"
        )
        yield Check(subject, "ok", f"`{path}`: {model.kind}, {arrays}")
    lacking = [g for g in genders if not files.keys() & {None, g, "neutral"}]
    if lacking:
        n = sum(genders[g] for g in lacking)
        found = (
            f"no model for {' and '.join(lacking)} people ({n} of {genders.total()} takes opened), and no neutral one"
        )
        yield Check("body", "warn", found, f"their takes are left out (no_body). {mend_of(given)}")
