"""Alignment on Ray Train: text and sensor encoders that share a space, and the controls beside them."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vimu.runtime.errors import UserError, listed
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published, open_published
from vimu.runtime.resources import granted
from vimu.runtime.session import ray_session
from vimu.runtime.storage import file_sha256
from vimu.semantics.align_settings import AlignSettings, UnlabelledSettings
from vimu.semantics.channels import sensors_to_measure
from vimu.semantics.encoder_files import encoder_files
from vimu.semantics.fit_list import LOG_FILE, MODEL_FILE, Fit, fits_of
from vimu.semantics.labels import Labels, load_labels
from vimu.semantics.rules import Rules, load_rules
from vimu.stages.config import Config
from vimu.stages.stage import Plan, Stage, clips_of, input_identity, upstream

if TYPE_CHECKING:
    from vimu.stages.align_fits import Job

NAME = "align"


@dataclass(frozen=True)
class Work:
    """The windows, their words, and the models to be trained."""

    settings: AlignSettings
    prepared: Published
    interpreted: Published | None
    """None where texts are the archive's descriptions."""
    datasets: tuple[str, ...]
    sensors: tuple[str, ...]
    labels: Labels
    fits: list[Fit]
    learnable: list[str]
    """Classes with training windows."""
    descriptions: dict[str, str] | None
    """What the archives say of each clip, where that is what texts are."""
    start: Published | None
    starts: dict[str, str]
    """Model -> the file that it goes on from."""
    others: Published | None
    """Whose virtual windows are learnt without a class."""
    rules: Rules | None
    """What puts those into words."""


def plan(config: Config) -> Plan[Work]:
    """Which models will be trained, on which windows.

    Raises:
        UserError: no `align` section, no windows or interpretations are published yet, a label that the windows or the
            label file lack, or the text encoder is not there.
    """
    settings = settings_of(config)
    prepared = upstream(config, "prepare")
    interpreted = upstream(config, "interpret") if settings.texts == "interpretations" else None
    labels, path = load_labels(config.semantics.labels_file)
    members = [label for of in settings.classes.values() for label in of]
    labels.require([*members, *settings.text_only], path)
    details = prepared.details
    datasets = (details["real_dataset"],) if settings.learn == "real" else tuple(details["virtual_datasets"])
    counts = Counter[str]()
    for dataset in datasets:
        there = details["windows"].get(dataset, {}).get("train", {})
        counts.update({label: n for label, n in there.items() if label in members})
    learnable = [name for name, of in settings.classes.items() if any(counts[label] for label in of)]
    if lacking := [c for c in settings.classes if c not in learnable and c not in settings.unseen]:
        raise UserError(
            f"`align.classes` must be of labels with training windows of {listed(datasets)}, or be `align.unseen`, but "
            f"{listed(lacking)} has none."
        )
    if len(learnable) < 2:
        raise UserError(f"`align.classes` must have two with training windows, but {listed(learnable) or 'none'} has.")
    sensors = _sensors(prepared, interpreted)
    encoder = encoder_files(settings.text_encoder)
    fits = fits_of(settings, learnable)
    start = None
    if settings.start is not None:
        start = open_published(settings.start, made_by="python jobs/align.py --config ... of that run")
    descriptions = None if interpreted else _descriptions(config)
    others = None if settings.unlabelled is None else _others(settings.unlabelled, prepared)
    rules = None if others is None else load_rules(config.semantics.rules_file)
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json", exclude={"targets", "n_workers", "n_trees", "start"}),
            "rules": None if rules is None else rules.digest,
            "text_encoder": encoder.digest,
            "labels": labels.digest,
            "datasets": list(datasets),
            "sensors": list(sensors),
            "descriptions": None if descriptions is None else content_hash(descriptions.items()),
            "inputs": input_identity(*(p for p in (prepared, interpreted, start, others) if p is not None)),
        },
        counts={
            "training_windows": counts.total() * len(sensors), "classes": len(settings.classes),
            "unseen": len(settings.unseen), "models": len(fits), "workers": settings.n_workers,
        },
        tables={f"training windows of {listed(datasets)}, at {listed(sensors)}": sorted(counts.items())},
        work=Work(
            settings, prepared, interpreted, datasets, sensors, labels, fits, learnable, descriptions, start,
            _starts(start, fits, settings), others, rules,
        ),
    )  # fmt: skip


def _sensors(prepared: Published, interpreted: Published | None) -> tuple[str, ...]:
    """The sensor that was interpreted, or all that can be. Raises UserError: there is none."""
    if interpreted is not None:
        return (interpreted.details["sensor"],)
    schema = prepared.files("windows/")[0].schema()
    sensors = sensors_to_measure((schema.metadata or {}).get(b"channels", b"").decode().split(","))
    if not sensors:
        raise UserError(
            f"`{prepared.folder}` must hold windows of a sensor with acceleration and gyroscope, but holds none: "
            "--set prepare.windows.feature_set=sensor_acc_gyr"
        )
    return tuple(sensors)


def _others(settings: UnlabelledSettings, prepared: Published) -> Published:
    """Windows like those that are learnt with a class. Raises UserError: they are of another length or rate."""
    if settings.windows is None:
        return prepared
    others = open_published(settings.windows, made_by="python jobs/prepare.py --config ... of that run")
    own, theirs = (p.files("windows/")[0].schema() for p in (prepared, others))
    shapes = [(s.field("x").type.shape[0], (s.metadata or {}).get(b"rate_hz")) for s in (own, theirs)]
    channels = (theirs.metadata or {}).get(b"channels", b"").decode().split(",")
    if shapes[0] != shapes[1] or not sensors_to_measure(channels):
        raise UserError(
            f"`align.unlabelled.windows` must hold windows of {shapes[0][0]} frames at the rate of `{prepared.folder}` "
            f"with a sensor's acceleration and gyroscope, but `{others.folder}` holds others."
        )
    return others


def _descriptions(config: Config) -> dict[str, str]:
    """What the archives say of each clip, by `ARCHIVE:CLIP`, as windows name their source."""
    said: dict[str, str] = {}
    for file in clips_of(config).files("clips/"):
        rows = file.columns(["archive", "clip_id", "description"]).to_pylist()
        said |= {f"{row['archive']}:{row['clip_id']}": row["description"] for row in rows}
    return said


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Train the models on Ray Train; keep each with its log.

    What Ray Train writes is hidden: a killed run goes on from it, and publishing removes it.
    """
    from vimu.stages.align_fits import align_on_ray

    assert plan.work is not None
    work = plan.work
    job = job_of(work, plan.identity)
    with ray_session(config.ray, config.resources):
        needs, n_workers = granted(config.resources, NAME)
        n_workers = min(n_workers, work.settings.n_workers)
        folders = align_on_ray(work.fits, job, storage=staging / ".ray_train", n_workers=n_workers, needs=needs)
    logs = {}
    for fit in work.fits:
        into = staging / "models" / fit.name
        into.mkdir(parents=True, exist_ok=True)
        for file in (MODEL_FILE, LOG_FILE):
            shutil.copyfile(folders[fit.name] / file, into / file)
        logs[fit.name] = json.loads((into / LOG_FILE).read_text(encoding="utf-8"))
    return Outcome(
        counts={"models": len(work.fits), **{k: plan.counts[k] for k in ("training_windows", "classes", "unseen")}},
        content_hash=content_hash(
            (fit.name, file_sha256(staging / "models" / fit.name / MODEL_FILE)) for fit in work.fits
        ),
        licences=work.prepared.manifest["licences"],
        details={
            "datasets": list(work.datasets), "sensors": list(work.sensors), "learnable": work.learnable,
            "started_from": _learnt_before(work.start), "synthetic": work.prepared.details["synthetic"],
            "fits": [asdict(fit) for fit in work.fits],
            "val_macro_f1": {name: log["val_macro_f1"] for name, log in logs.items()},
            "seconds": {name: log["seconds"] for name, log in logs.items()},
        },
    )  # fmt: skip


STAGE = Stage(NAME, plan, build)


def job_of(work: Work, identity: Mapping[str, Any]) -> "Job":
    """What workers are told."""
    from vimu.stages.align_fits import Job

    interpretations = None if work.interpreted is None else asdict(work.interpreted.file("interpretations.parquet"))
    return Job(
        windows=[asdict(f) for f in work.prepared.files("windows/")],
        interpretations=interpretations, descriptions=work.descriptions,
        labels=work.labels.model_dump(mode="json"), settings=work.settings.model_dump(mode="json"),
        datasets=list(work.datasets), sensors=list(work.sensors), start=work.starts, identity=dict(identity),
        others=[] if work.others is None else [asdict(f) for f in work.others.files("windows/")],
        mocap=[] if work.others is None else list(work.others.details["virtual_datasets"]),
        rules=None if work.rules is None else work.rules.model_dump(mode="json"),
    )  # fmt: skip


def _starts(start: Published | None, fits: Sequence[Fit], settings: AlignSettings) -> dict[str, str]:
    """Model -> the file that it goes on from: of its own name, else of all classes with its seed.

    Raises:
        UserError: no alignment is there, it lacks a seed, or what is to stay unseen was learnt there.
    """
    if start is None:
        return {}
    if (stage := start.manifest["stage"]) != NAME:
        raise UserError(f"`align.start` must be an `align` folder, but `{start.folder}` is of `{stage}`.")
    names = {Fit(**raw).name for raw in start.details["fits"]}
    from_which = {
        fit.name: fit.name if fit.name in names else Fit("all", "aligned", fit.seed).name
        for fit in fits
        if fit.variant != "softmax"  # it has no words to have learnt by
    }
    if lacking := sorted(set(from_which.values()) - names):
        raise UserError(f"`align.start` must hold models {listed(lacking)}, but `{start.folder}` does not.")
    if (compare := start.manifest["identity"]["settings"]["compare"]) != settings.compare:
        raise UserError(
            f"`align.start` must have `align.compare: {settings.compare}`, but `{start.folder}` has {compare}."
        )
    known = [name for name in settings.unseen if name in start.details["learnable"]]
    unseen_from = {other for name, other in from_which.items() if name.startswith("unseen")}
    if known and not all(other.startswith("unseen") for other in unseen_from):
        raise UserError(
            f"`align.start` must have been kept from `align.unseen`, but `{start.folder}` learnt {listed(known)}."
        )
    return {name: str(start.file(f"models/{other}/{MODEL_FILE}").local()) for name, other in from_which.items()}


def _learnt_before(start: Published | None) -> list[str]:
    """Data sets that an alignment to go on from has learnt from."""
    return [] if start is None else [*start.details["datasets"], *start.details["started_from"]]


def settings_of(config: Config) -> AlignSettings:
    """The `align` section. Raises UserError: there is none."""
    if config.align is None:
        raise UserError("`align` must be a section of the configuration, but is missing.")
    return config.align
