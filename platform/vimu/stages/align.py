"""Alignment on Ray Train: text and sensor encoders that share a space, and the controls beside them."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vimu.runtime.errors import UserError, listed
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.session import ray_session
from vimu.runtime.storage import file_sha256
from vimu.semantics.align_settings import AlignSettings
from vimu.semantics.encoder_files import encoder_files
from vimu.semantics.fit_list import LOG_FILE, MODEL_FILE, Fit, fits_of
from vimu.semantics.labels import Labels, load_labels
from vimu.stages.config import Config
from vimu.stages.stage import Plan, Stage, input_identity, upstream

if TYPE_CHECKING:
    from vimu.stages.align_fits import Job

NAME = "align"


@dataclass(frozen=True)
class Work:
    """The windows, their words, and the models to be trained."""

    settings: AlignSettings
    prepared: Published
    interpreted: Published
    dataset: str
    labels: Labels
    fits: list[Fit]


def plan(config: Config) -> Plan[Work]:
    """Which models will be trained, on which windows.

    Raises:
        UserError: no `align` section, no windows or interpretations are published yet, a label that the windows or the
            label file lack, or the text encoder is not there.
    """
    settings = settings_of(config)
    prepared, interpreted = upstream(config, "prepare"), upstream(config, "interpret")
    labels, path = load_labels(config.semantics.labels_file)
    members = [label for of in settings.classes.values() for label in of]
    labels.require(members, path)
    dataset = prepared.details["real_dataset"]
    by_split = prepared.details["windows"][dataset]
    counts = Counter({label: n for label, n in by_split.get("train", {}).items() if label in members})
    if lacking := [label for label in members if not counts[label]]:
        raise UserError(
            f"`align.classes` must be of labels with training windows of {dataset}, but {listed(lacking)} has none."
        )
    encoder = encoder_files(settings.text_encoder)
    fits = fits_of(settings)
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json", exclude={"targets", "n_workers", "n_trees"}),
            "text_encoder": encoder.digest,
            "labels": labels.digest,
            "dataset": dataset,
            "inputs": input_identity(prepared, interpreted),
        },
        counts={
            "training_windows": counts.total(), "classes": len(settings.classes), "unseen": len(settings.unseen),
            "models": len(fits), "workers": settings.n_workers,
        },
        tables={f"training windows of {dataset}": sorted(counts.items())},
        work=Work(settings, prepared, interpreted, dataset, labels, fits),
    )  # fmt: skip


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Train the models on Ray Train; keep each with its log.

    What Ray Train writes is hidden: a killed run goes on from it, and publishing removes it.
    """
    from vimu.stages.align_fits import align_on_ray

    assert plan.work is not None
    work = plan.work
    job = job_of(work, plan.identity)
    with ray_session(config.ray):
        folders = align_on_ray(work.fits, job, storage=staging / ".ray_train", n_workers=work.settings.n_workers)
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
            "dataset": work.dataset, "sensor": work.interpreted.details["sensor"],
            "synthetic": work.prepared.details["synthetic"],
            "fits": [asdict(fit) for fit in work.fits],
            "val_macro_f1": {name: log["val_macro_f1"] for name, log in logs.items()},
            "seconds": {name: log["seconds"] for name, log in logs.items()},
        },
    )  # fmt: skip


STAGE = Stage(NAME, plan, build)


def job_of(work: Work, identity: Mapping[str, Any]) -> "Job":
    """What workers are told."""
    from vimu.stages.align_fits import Job

    return Job(
        windows=[asdict(f) for f in work.prepared.files("windows/")],
        interpretations=asdict(work.interpreted.file("interpretations.parquet")),
        labels=work.labels.model_dump(mode="json"), settings=work.settings.model_dump(mode="json"),
        dataset=work.dataset, sensor=work.interpreted.details["sensor"], identity=dict(identity),
    )  # fmt: skip


def settings_of(config: Config) -> AlignSettings:
    """The `align` section. Raises UserError: there is none."""
    if config.align is None:
        raise UserError("`align` must be a section of the configuration, but is missing.")
    return config.align
