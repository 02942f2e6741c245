"""Synthesis on Ray Data: mocap files in, a clips table and a table of everything left out."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from functools import partial

from vimu.archives.config import ArchiveConfig, load_archive
from vimu.archives.readers import READERS
from vimu.archives.take import take_of
from vimu.body.models import model_files
from vimu.body.placement import Placement, load_placements
from vimu.clips.annotations import described, load_annotations
from vimu.clips.curation import Curation, load_curation
from vimu.clips.labels import Label, LabelRules, content_label, label_take, load_label_rules
from vimu.clips.plausibility import load_limits
from vimu.clips.schema import clip_id_of
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import Reason, Rejection, Take
from vimu.imu.presets import Preset, load_preset
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.storage import Location, absolute, file_sha256
from vimu.stages.config import Config, SynthesizeSettings
from vimu.stages.dealing import deal, without_files
from vimu.stages.listing import files_of, once
from vimu.stages.shards import Row, rejection_row, run_shards, write_rejections
from vimu.stages.sources import (
    CLIP,
    Source,
    is_known,
    read_sources,
    settle_shards,
    shards_of,
    source_row,
    without_duplicates,
    write_sources,
)
from vimu.stages.stage import Plan, Stage
from vimu.stages.synthesize_task import Task, run_task

NAME = "synthesize"


@dataclass(frozen=True)
class Work:
    """The plan's tasks, and the rejections that are known before any file is read."""

    tasks: tuple[Task, ...]
    files: tuple[Row, ...]
    """Those that the tasks read, and what each is known by."""
    rejections: tuple[Row, ...]
    archives: tuple[ArchiveConfig, ...]
    placements: tuple[Placement, ...]
    preset: Preset
    empty: tuple[str, ...]
    """Categories that no file is labelled with."""
    curation: Curation


def plan(config: Config) -> Plan[Work]:
    """List the files, label each by its annotation and path, and deal those that are kept into tasks.

    Raises:
        UserError: a folder is missing or holds none of the archive's files, an unknown archive, rule file or placement,
            an annotation file that is none, decisions that are wrong.
    """
    settings = config.synthesis
    rules = load_label_rules(settings.label_rules) if settings.target == "category" else None
    curation = load_curation(settings.decisions, rules.categories if rules else None)
    preset = load_preset(settings.preset, smoothing_s=settings.smoothing_s, order=settings.order)
    placements = load_placements(settings.placements, settings.placements_file)
    tasks: list[Task] = []
    read: list[Row] = []
    rejections: list[Row] = []
    archives, listing, labels, annotated = [], [], Counter[str](), 0
    left_aside, n_odd, first, named = Counter[str](), 0, dict[str, str](), Counter[tuple[str, str]]()
    for given in settings.inputs:
        archive = load_archive(given.archive)
        synthesizer = Synthesizer(archive, placements, given.body, preset)
        if synthesizer.bodies is not None:
            synthesizer.bodies.load_all()  # says now what is wrong with bodies and placements
        archives.append(archive)
        annotations = load_annotations(given.annotations)
        kept = []
        files, odd, unread = files_of(archive, given)
        left_aside += unread
        n_odd += len(odd)
        rejections += [rejection_row(one.path, one, NAME) for one in odd]
        for path in files:
            relative = path.relative_to(given.root).as_posix()
            stat = path.stat()
            listing.append((archive.name, relative, stat.st_size, stat.st_mtime_ns))
            sentences = annotations.of(path.absolute())
            annotated += bool(sentences)
            take = described(take_of(path, given.root, archive), sentences)
            curation.found(take, path)
            try:
                once(path, relative, given, archive, first)
                curated = curation.decide(take, partial(_label, take, archive, rules))
            except Rejection as rejection:
                rejections.append(rejection_row(relative, rejection, NAME))
                continue
            labels[curated.label.name] += 1
            clip_id = clip_id_of(archive.name, relative, named[archive.name, relative])
            named[archive.name, relative] += 1
            kept.append((relative, stat.st_size, curated, take.description, clip_id))
            read.append(
                {
                    "archive": archive.name, "root": str(given.root.resolve()), "path": relative,
                    "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns,
                    "asked_label": curated.label.name, "asked_rule": curated.label.rule, "asked_clip_id": clip_id,
                }
            )  # fmt: skip
        tasks += deal(archive, given, kept, settings.task_mb)
    curation.check()
    if not tasks:
        raise UserError(f"`synthesize.inputs` must hold a file that gets a label, but {_why(rejections)}.")
    reasons = Counter(row["reason"] for row in rejections)
    rules_hit = Counter(row["detail"] for row in rejections if row["reason"] == Reason.REMOVED_BY_RULE)
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json"),
            "archives": [a.model_dump(mode="json", exclude={"style"}) for a in archives],  # no clip depends on it
            "placements": [p.model_dump(mode="json") for p in placements],
            "preset": preset.model_dump(mode="json", exclude={"evidence"}),
            "label_rules": rules.model_dump(mode="json") if rules else None,
            "plausibility": load_limits().model_dump(mode="json"),
            "inputs": {
                "files": hashlib.sha256(json.dumps(listing).encode()).hexdigest(),
                "bodies": [
                    file_sha256(file)
                    for g in settings.inputs
                    if g.body is not None
                    for file in model_files(g.body).values()
                ],
                "annotations": [file_sha256(file) for g in settings.inputs for file in g.annotations],
                "decisions": None if settings.decisions is None else file_sha256(settings.decisions),
            },
        },
        counts={"files_in": len(listing) + n_odd, "files_to_read": sum(labels.values()), "tasks": len(tasks)}
        | ({"annotated": annotated} if any(given.annotations for given in settings.inputs) else {})
        | {f"decisions_{kind}": n for kind, n in curation.counts().items()}
        | {f"left_out_{reason}": n for reason, n in sorted(reasons.items())}
        | dict(sorted(left_aside.items())),
        tables={
            "label": sorted(labels.items()),
            "left out by": sorted(rules_hit.items()),
            "decisions without effect": curation.table(),
        },
        work=Work(
            tuple(tasks), tuple(read), tuple(rejections), tuple(archives), placements, preset,
            tuple(c for c in rules.categories if not labels[c]) if rules else (), curation,
        ),
    )  # fmt: skip


def build(config: Config, plan: Plan[Work], staging: Location, previous: Published | None = None) -> Outcome:
    """Run the tasks inside Ray Data; write the clips' shards, the rejections, what became of each file.

    Args:
        previous: clips of the same settings; only files that are new or changed since are read.
    """
    assert plan.work is not None
    work, settings = plan.work, config.synthesis
    old = read_sources(previous)
    files = {(file["root"], file["path"]): file for file in work.files}
    known = _known(files, old)
    tasks = _without(work.tasks, known)
    items = _items(work, tasks, settings, staging)
    read, written = run_shards(run_task, items, staging, config.ray, config.resources, NAME)
    before = [_as_before(old[source]) for source in sorted(known)] + read
    order = {source: i for i, source in enumerate(files)}
    before.sort(key=lambda row: order[row["root"], row["file"]])  # of duplicates, the first stays: as from scratch
    rows = without_duplicates(before, NAME)
    held = Counter(row["shard"] for row in old.values() if row["shard"])
    shards = settle_shards(before, rows, shards_of(previous), written, held, staging)
    rejections = [*work.rejections, *(row["rejection"] for row in rows if row["rejection"])]
    clips = [row["clip"] for row in rows if row["clip"]]
    files_in = plan.counts["files_in"]
    if files_in != len(clips) + len(rejections):
        raise RuntimeError(f"{files_in} files in, but {len(clips)} clips and {len(rejections)} rejections out")
    if not clips:
        raise UserError(f"`synthesize.inputs` must hold a usable file, but of {files_in}, {_why(rejections)}.")
    sources = [source_row(files[row["root"], row["file"]], row["clip"], row["rejection"]) for row in rows]
    tables = [write_rejections(staging, rejections), write_sources(staging, sources)]
    return Outcome(
        counts={
            "files_in": files_in, "clips": len(clips), "rejections": len(rejections),
            "frames": sum(clip["n_frames"] for clip in clips),
        },
        content_hash=content_hash(("clip", clip["sha256"]) for clip in clips),
        licences={archive.name: archive.licence for archive in work.archives},
        details={
            "datasets": sorted({archive.name for archive in work.archives}),
            "readers": {archive.name: READERS.source(archive.reader) for archive in work.archives},
            "synthetic": any(given.synthetic for given in settings.inputs),
            "labels": dict(sorted(Counter(clip["label"] for clip in clips).items())),
            "labels_hash": content_hash(
                (c["clip_id"], json.dumps([c[key] for key in ("archive", "subject", "label", "rule")])) for c in clips
            ),
            "empty_categories": list(work.empty),
            "decisions": work.curation.counts(),
            "decisions_without_effect": work.curation.without_effect(),
            "sensors": list(settings.placements),
            "rate_hz": settings.rate_hz,
            "seconds": round(sum(clip["n_frames"] for clip in clips) / settings.rate_hz, 1),
            "left_out": dict(sorted(Counter(row["reason"] for row in rejections).items())),
            "worker_pids": sorted({row["clip"]["worker_pid"] for row in read if row["clip"]}),
            "updated": None if previous is None else {
                "files_read": len(read), "files_as_before": len(known), "files_gone": len(old.keys() - files.keys()),
            },
        },
        files=[*shards, *tables],
    )  # fmt: skip


def pending(plan: Plan[Work], previous: Published) -> Plan[Work]:
    """Of a plan, what an update of `previous` would read."""
    assert plan.work is not None
    old = read_sources(previous)
    files = {(file["root"], file["path"]): file for file in plan.work.files}
    known = _known(files, old)
    new = tuple(file for source, file in files.items() if source not in known)
    tasks = tuple(_without(plan.work.tasks, known))
    counts = {
        "files_to_read": len(new), "files_as_before": len(known), "files_gone": len(old.keys() - files.keys()),
        "tasks": len(tasks),
    }  # fmt: skip
    labels = Counter(file["asked_label"] for file in new)
    return replace(
        plan, counts={**plan.counts, **counts}, tables={**plan.tables, "label": sorted(labels.items())},
        work=replace(plan.work, files=new, tasks=tasks),
    )  # fmt: skip


STAGE = Stage(NAME, plan, build, workers_write=True, build_on=build, pending=pending)


def _known(files: Mapping[Source, Row], old: Mapping[Source, Row]) -> set[Source]:
    """Those that are as an earlier publication read them."""
    return {source for source, file in files.items() if is_known(file, old)}


def _without(tasks: Sequence[Task], known: Set[Source]) -> list[Task]:
    return [new for task in tasks if (new := without_files(task, known)) is not None]


def tasks_of(config: Config, staging: Location) -> list[Row]:
    """What `run_task` is given of each task, for those that run them without Ray: a benchmark, a debugger."""
    work = plan(config).work
    assert work is not None
    return _items(work, work.tasks, config.synthesis, staging)


def _items(work: Work, tasks: Sequence[Task], settings: SynthesizeSettings, staging: Location) -> list[Row]:
    common = {
        "staging": absolute(staging), "rate_hz": settings.rate_hz,
        "placements": json.dumps([p.model_dump(mode="json") for p in work.placements]),
        "placement_error_m": settings.placement_error_m, "seed": settings.seed,
        "preset": work.preset.model_dump_json(exclude_unset=True),
    }  # fmt: skip
    return [{"shard": task.shard, "task": json.dumps(asdict(task)), **common} for task in tasks]


def _as_before(row: Row) -> Row:
    """What became of a file that is as it was."""
    clip = {name: row[name] for name in CLIP} if row["clip_id"] else None
    left_out = Rejection(row["path"], Reason(row["reason"]), row["detail"]) if row["reason"] else None
    rejection = rejection_row(row["path"], left_out, NAME) if left_out else None
    return {"file": row["path"], "root": row["root"], "clip": clip, "rejection": rejection}


def _why(rejections: Sequence[Row]) -> str:
    """Counts by reason, each with an example."""
    first = {row["reason"]: row for row in reversed(rejections)}
    counts = Counter(row["reason"] for row in rejections)
    return "; ".join(
        f"{n} {reason}, e.g. {first[reason]['path']}: {first[reason]['detail']}" for reason, n in counts.most_common()
    )


def _label(take: Take, archive: ArchiveConfig, rules: LabelRules | None) -> Label:
    if rules is not None:
        return label_take(take, rules)
    if archive.content is None:
        raise UserError(f"`target: content` needs a `content` pattern in the YAML of `{archive.name}`.")
    return content_label(take, archive.content)
