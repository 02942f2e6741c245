"""Synthesis on Ray Data: mocap files in, a clips table and a table of everything left out."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vimu.archives.config import ArchiveConfig, load_archive
from vimu.archives.readers import READERS
from vimu.archives.take import take_name_of, take_of
from vimu.archives.unpack import archive_name, archives_in
from vimu.body.models import model_files
from vimu.body.placement import Placement, load_placements
from vimu.clips.annotations import described, load_annotations
from vimu.clips.curation import Curated, Curation, load_curation
from vimu.clips.labels import Label, LabelRules, content_label, label_take, load_label_rules
from vimu.clips.plausibility import load_limits
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import Reason, Rejection, Take
from vimu.imu.presets import Preset, load_preset
from vimu.runtime.errors import UserError
from vimu.runtime.publish import Outcome, content_hash, file_sha256
from vimu.stages.config import ArchiveInput, Config
from vimu.stages.shards import Row, clear_marks, rejection_row, run_shards, write_rejections
from vimu.stages.stage import Plan, Stage
from vimu.stages.synthesize_task import Task, run_task, write_clips

NAME = "synthesize"
MIN_FILES_A_TASK = 4


@dataclass(frozen=True)
class Work:
    """The plan's tasks, and the rejections that are known before any file is read."""

    tasks: tuple[Task, ...]
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
    rejections: list[Row] = []
    archives, listing, labels, annotated = [], [], Counter[str](), 0
    left_aside, first = Counter[str](), dict[str, str]()
    for given in settings.inputs:
        archive = load_archive(given.archive)
        synthesizer = Synthesizer(archive, placements, given.body, preset)
        if synthesizer.bodies is not None:
            synthesizer.bodies.load_all()  # says now what is wrong with bodies and placements
        archives.append(archive)
        annotations = load_annotations(given.annotations)
        kept = []
        files, unread = archive_files(archive, given)
        left_aside += unread
        for path in files:
            relative = path.relative_to(given.root).as_posix()
            stat = path.stat()
            listing.append((archive.name, relative, stat.st_size, stat.st_mtime_ns))
            sentences = annotations.of(path.absolute())
            annotated += bool(sentences)
            take = described(take_of(path, given.root, archive), sentences)
            curation.found(take, path)
            try:
                _once(path, relative, given, archive, first)
                curated = curation.decide(take, partial(_label, take, archive, rules))
            except Rejection as rejection:
                rejections.append(rejection_row(relative, rejection, NAME))
                continue
            labels[curated.label.name] += 1
            kept.append((relative, stat.st_size, curated, take.description))
        tasks += _tasks(archive, given, kept, settings.task_mb)
    curation.check()
    if not tasks:
        raise UserError(f"`synthesize.inputs` must hold a file that gets a label, but {_why(rejections)}.")
    reasons = Counter(row["reason"] for row in rejections)
    rules_hit = Counter(row["detail"] for row in rejections if row["reason"] == Reason.REMOVED_BY_RULE)
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json"),
            "archives": [a.model_dump(mode="json") for a in archives],
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
        counts={"files_in": len(listing), "files_to_read": sum(labels.values()), "tasks": len(tasks)}
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
            tuple(tasks), tuple(rejections), tuple(archives), placements, preset,
            tuple(c for c in rules.categories if not labels[c]) if rules else (), curation,
        ),
    )  # fmt: skip


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Run the tasks inside Ray Data; write the clips' shards, the rejections table and its counts."""
    assert plan.work is not None
    work, settings = plan.work, config.synthesis
    common = {
        "staging": str(staging.resolve()), "rate_hz": settings.rate_hz,
        "placements": json.dumps([p.model_dump(mode="json") for p in work.placements]),
        "preset": work.preset.model_dump_json(exclude_unset=True),
        "placement_error_m": settings.placement_error_m, "seed": settings.seed,
    }  # fmt: skip
    items = [{"shard": task.shard, "task": json.dumps(asdict(task)), **common} for task in work.tasks]
    rows = _without_duplicates(run_shards(run_task, items, staging, config.ray), staging)
    rejections = [*work.rejections, *(row["rejection"] for row in rows if row["rejection"])]
    clips = [row["clip"] for row in rows if row["clip"]]
    write_rejections(staging, rejections)
    files_in = plan.counts["files_in"]
    if files_in != len(clips) + len(rejections):
        raise RuntimeError(f"{files_in} files in, but {len(clips)} clips and {len(rejections)} rejections out")
    if not clips:
        raise UserError(f"`synthesize.inputs` must hold a usable file, but of {files_in}, {_why(rejections)}.")
    clear_marks(staging)
    return Outcome(
        counts={
            "files_in": files_in, "clips": len(clips), "rejections": len(rejections),
            "frames": sum(clip["n_frames"] for clip in clips),
        },
        content_hash=content_hash((clip["clip_id"], clip["sha256"]) for clip in clips),
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
            "worker_pids": sorted({clip["worker_pid"] for clip in clips}),
        },
    )  # fmt: skip


STAGE = Stage(NAME, plan, build)


def _why(rejections: Sequence[Row]) -> str:
    """Counts by reason, each with an example."""
    first = {row["reason"]: row for row in reversed(rejections)}
    counts = Counter(row["reason"] for row in rejections)
    return "; ".join(
        f"{n} {reason}, e.g. {first[reason]['path']}: {first[reason]['detail']}" for reason, n in counts.most_common()
    )


def archive_files(archive: ArchiveConfig, given: ArchiveInput) -> tuple[list[Path], Counter[str]]:
    """The archive's files, sorted, and how many lie beside them unread. A link that leads out of the root is refused.

    Folders whose name begins with a dot are not looked into: unpacking works in them.
    """
    if not given.root.is_dir():
        raise UserError(f"`root` of `{given.archive}` must be a folder, but `{given.root}` does not exist.")
    visible = (p for p in given.root.glob(archive.files) if not _hidden(p.relative_to(given.root)))
    paths = sorted(p for p in visible if p.is_file())
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
    return found, +aside


def _hidden(below: Path) -> bool:
    return any(part.startswith(".") for part in below.parts)


def _once(path: Path, relative: str, given: ArchiveInput, archive: ArchiveConfig, first: dict[str, str]) -> None:
    """Raise a Rejection (`duplicate`) for a take that an earlier file of the same archive holds, in whatever release.

    Args:
        first: take -> the first file that holds it; goes on from input to input.
    """
    name = take_name_of(path, given.root, archive) if archive.take_endings else None
    if name is not None and first.setdefault(f"{archive.name} {name}", str(path)) != str(path):
        raise Rejection(relative, Reason.DUPLICATE, f"is the take of {first[f'{archive.name} {name}']}")


def _label(take: Take, archive: ArchiveConfig, rules: LabelRules | None) -> Label:
    if rules is not None:
        return label_take(take, rules)
    if archive.content is None:
        raise UserError(f"`target: content` needs a `content` pattern in the YAML of `{archive.name}`.")
    return content_label(take, archive.content)


def _tasks(
    archive: ArchiveConfig, given: ArchiveInput, kept: Sequence[tuple[str, int, Curated, str]], task_mb: float
) -> Iterator[Task]:
    """Deal files into tasks by bytes, at least four a task, in the order of their paths."""
    batch: list[tuple[str, int, Curated, str]] = []
    for i, item in enumerate(kept):
        batch.append(item)
        full = sum(size for _, size, *_ in batch) >= task_mb * 2**20 and len(batch) >= MIN_FILES_A_TASK
        if full or i == len(kept) - 1:
            files = tuple(name for name, *_ in batch)
            key = hashlib.sha256("\n".join([archive.name, str(given.root.resolve()), *files]).encode()).hexdigest()[:16]
            yield Task(
                shard=f"{archive.name}-{key}",
                archive=archive.model_dump_json(),
                root=str(given.root.resolve()),
                body=None if given.body is None else str(given.body.resolve()),
                files=files,
                labels=tuple((c.label.name, c.label.rule, words) for _, _, c, words in batch),
                decided={name: (c.rate_hz, c.notes) for name, _, c, _ in batch if c.notes},
            )
            batch = []


def _without_duplicates(rows: Sequence[Row], staging: Path) -> list[Row]:
    """Keep the first of clips that hold the same; the others become rejections and leave their shards."""
    first: dict[str, Row] = {}
    drop: dict[str, set[str]] = {}
    out = []
    for row in rows:
        clip = row["clip"]
        if clip is None or first.setdefault(clip["clip_id"], clip) is clip:
            out.append(row)
            continue
        drop.setdefault(clip["shard"], set()).add(clip["sequence"])
        same = Rejection(clip["sequence"], Reason.DUPLICATE, f"holds the same as {first[clip['clip_id']]['sequence']}")
        out.append({"clip": None, "rejection": rejection_row(clip["sequence"], same, NAME)})
    for shard, sequences in drop.items():
        table = pq.read_table(staging / "clips" / f"{shard}.parquet")
        keep = [sequence not in sequences for sequence in table.column("sequence").to_pylist()]
        write_clips(staging, shard, table.filter(pa.array(keep)))
    return out
