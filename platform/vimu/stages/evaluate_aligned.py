"""The evaluation of an alignment: other people, other data sets, classes that no model saw; controls beside it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vimu.evaluation.aligned import Asked, Probabilities, aligned_result, gate_sentences, with_classes
from vimu.evaluation.aligned_report import render_aligned
from vimu.evaluation.predictions import prediction_rows, predictions_table
from vimu.evaluation.results import Experiment
from vimu.evaluation.space_map import space_map_svg
from vimu.runtime.errors import UserError, listed
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published, open_published
from vimu.runtime.storage import absolute, write_whole
from vimu.semantics.align_settings import AlignSettings
from vimu.semantics.aligned import AlignedModel, load_aligned
from vimu.semantics.channels import sensors_to_measure
from vimu.semantics.controls import forest_on_features, load_softmax
from vimu.semantics.fit_list import MODEL_FILE, Fit, Task
from vimu.semantics.signals import aligned_signals
from vimu.semantics.stage2 import outputs
from vimu.semantics.taught import in_classes, sensor_by_sensor
from vimu.stages.align import settings_of
from vimu.stages.config import Config
from vimu.stages.shards import write_shard
from vimu.stages.stage import Plan, input_identity, upstream
from vimu.windows.schema import WindowSet, read_windows


@dataclass(frozen=True)
class Work:
    """The models, and what they are tested on."""

    settings: AlignSettings
    prepared: Published
    aligned: Published
    targets: dict[str, Published]

    @property
    def fits(self) -> list[Fit]:
        return [Fit(**raw) for raw in self.aligned.details["fits"]]

    def model(self, fit: Fit) -> Path:
        """Its file, on this machine."""
        return self.aligned.file(f"models/{fit.name}/{MODEL_FILE}").local()


def plan(config: Config) -> Plan[Work]:
    """Which tables will be made.

    Raises:
        UserError: the alignment or a target is not published.
    """
    settings = settings_of(config)
    prepared, aligned = upstream(config, "prepare"), upstream(config, "align")
    targets = {
        name: open_published(folder, made_by="python jobs/prepare.py --config ... of that run")
        for name, folder in settings.targets.items()
        if absolute(folder) != absolute(prepared.folder)  # one configuration may serve each set as the source in turn
    }
    learnt = aligned.details.get("started_from", [])
    if known := [name for name, target in targets.items() if target.details["real_dataset"] in learnt]:
        raise UserError(
            f"`align.targets` must be of data sets that nothing was learnt from, but {listed(known)} is of "
            f"{listed(learnt)}, which the alignment of `align.start` learnt from."
        )
    work = Work(settings, prepared, aligned, targets)
    return Plan(
        identity={
            "settings": config.evaluate.model_dump(mode="json", include={"n_resamples"})
            | {"n_trees": settings.n_trees},
            "inputs": input_identity(prepared, aligned),
            "targets": {name: input_identity(target) for name, target in targets.items()},
        },
        counts={"models": len(work.fits), "targets": len(targets)},
        work=work,
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Predict, score, and write `metrics.json`, `predictions.parquet` and `report.html`."""
    assert plan.work is not None
    work, n_resamples = plan.work, config.evaluate.n_resamples
    learnt, tested = asked_of(work)
    results, rows = [], []
    for one in tested:
        found = dict(_predicted(work, one, learnt))
        softmax = found.get(("softmax", "softmax"))
        for (method, variant), by_seed in found.items():
            beside = softmax if method == "aligned" else None
            results.append(aligned_result(one, method, variant, by_seed, beside, n_resamples=n_resamples))
            what = Experiment(f"{one.dataset} ({one.setting})", variant, method, one.synthetic)
            rows.append(prediction_rows(what, one.windows, one.classes, by_seed))
    metrics: dict[str, Any] = {"results": results, "notes": gate_sentences(results)}
    write_whole(staging / "metrics.json", json.dumps(metrics, indent=1))
    table = predictions_table(rows, {f"{one.dataset} ({one.setting})": one.classes for one in tested})
    write_shard(staging / "predictions.parquet", table, dictionary=["dataset", "experiment", "method", "truth"])
    write_whole(staging / "report.html", render_aligned(config.name, metrics, _maps(work, tested)))
    return Outcome(
        counts={
            "results": len(results),
            "tested": len(tested),
            "test_windows": sum(len(one.windows) for one in tested),
        },
        content_hash=content_hash(
            (f"{i}:{r['dataset']}:{r['setting']}:{r['variant']}", json.dumps(r["by_seed"], sort_keys=True))
            for i, r in enumerate(results)
        ),
        licences=work.prepared.manifest["licences"]
        | {name: text for target in work.targets.values() for name, text in target.manifest["licences"].items()},
        details={"notes": metrics["notes"]},
    )


def asked_of(work: Work) -> tuple[WindowSet, list[Asked]]:
    """The source's training windows, and every set to be tested, labelled by class."""
    details, settings = work.aligned.details, work.settings
    datasets, sensors = tuple(details["datasets"]), tuple(details["sensors"])
    source = _named(read_windows(work.prepared.files("windows/")).where(dataset=datasets), sensors, settings)
    learnt = source.where(split="train")
    dataset = "+".join(datasets)
    people = {split: len(set(source.where(split=split).subject.tolist())) for split in ("train", "val", "test")}
    split = f"{people['train']} train, {people['val']} validation, {people['test']} test subjects, apart"
    synthetic = any(details["synthetic"][name] for name in datasets)
    tested = [_target(name, published, learnt, settings, synthetic) for name, published in work.targets.items()]
    test = source.where(split="test")
    classes = tuple(c for c in settings.classes if c in learnt.classes)
    if unseen := tuple(c for c in settings.unseen if c in classes):
        tested.append(Asked("unseen", dataset, test, classes, synthetic, split, unseen))
    return learnt, [*tested, Asked("within", dataset, test, classes, synthetic, split)]


def _target(name: str, published: Published, learnt: WindowSet, settings: AlignSettings, synthetic: bool) -> Asked:
    """Every window of another data set whose class both have. Raises UserError: it does not fit, or shares none."""
    details = published.details
    dataset = details["real_dataset"]
    windows = read_windows(published.files("windows/")).where(dataset=dataset)
    sensors = sensors_to_measure(windows.channels)
    if (windows.rate_hz, windows.x.shape[1]) != (learnt.rate_hz, learnt.x.shape[1]) or len(sensors) != 1:
        raise UserError(
            f"`align.targets.{name}` must hold windows of {learnt.x.shape[1]} frames at {learnt.rate_hz:g} Hz of one "
            f"sensor with acceleration and gyroscope, but holds {windows!r}."
        )
    kept = _named(windows, sensors, settings)
    classes = tuple(c for c in settings.classes if c in kept.classes)
    if len(classes) < 2:
        raise UserError(
            f"`align.targets.{name}` must share two classes with {listed(tuple(settings.classes), 20)}, but has "
            f"{listed(windows.classes, 20)}."
        )
    trained_on = "+".join(sorted(set(learnt.dataset.tolist())))
    split = f"all {len(set(kept.subject.tolist()))} subjects; trained on {trained_on}"
    return Asked(
        "cross_dataset", f"{dataset} {name}", kept, classes, synthetic or bool(details["synthetic"][dataset]), split,
        tuple(c for c in classes if c not in learnt.classes),
    )  # fmt: skip


def _named(windows: WindowSet, sensors: Sequence[str], settings: AlignSettings) -> WindowSet:
    """The windows of `align.classes`, called by them, with the six channels of a sensor each."""
    kept, names = in_classes(windows, settings.classes)
    return with_classes(sensor_by_sensor(kept, sensors), np.tile(names, len(sensors)).tolist())


def _predicted(work: Work, one: Asked, learnt: WindowSet) -> Iterator[tuple[tuple[str, str], Probabilities]]:
    """(method, variant) -> each seed's probabilities."""
    task = "unseen" if one.setting == "unseen" else "all"
    fits = [fit for fit in work.fits if fit.task == task]
    for variant in dict.fromkeys(fit.variant for fit in fits):
        if variant == "softmax" and one.unseen:
            continue  # a softmax or a forest cannot say what it has no column for
        method = "softmax" if variant == "softmax" else "aligned"
        yield (method, variant), {fit.seed: _by_model(work, fit, one) for fit in fits if fit.variant == variant}
    if one.unseen:
        return
    every = tuple(work.settings.classes)
    y, columns = learnt.targets(every), [every.index(name) for name in one.classes]
    yield ("random_forest", "random_forest"), {
        seed: _shares(
            forest_on_features(
                learnt.x, y, [one.windows.x], rate_hz=learnt.rate_hz, n_classes=len(every),
                n_trees=work.settings.n_trees, seed=seed,
            )[0][:, columns]
        )
        for seed in work.settings.seeds
    }  # fmt: skip


def _by_model(work: Work, fit: Fit, one: Asked) -> np.ndarray[Any, Any]:
    """Probabilities among the classes of the set, whatever else the model knows."""
    if fit.variant == "softmax":
        model, classes = load_softmax(work.model(fit))
        x = torch.from_numpy(aligned_signals(one.windows.x, rate_hz=one.windows.rate_hz))
        logits = outputs(model, x)[:, [classes.index(name) for name in one.classes]]
        return logits.softmax(dim=1).numpy()
    aligned = load_aligned(work.model(fit))
    return aligned.probabilities(aligned.vectors(one.windows.x), aligned.of_classes(one.classes))


def _shares(votes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rows that sum to one; alike where a forest gave all its votes to other classes."""
    total = votes.sum(axis=1, keepdims=True)
    return np.where(total > 0, votes / np.where(total > 0, total, 1), 1 / votes.shape[1])


def _maps(work: Work, tested: list[Asked]) -> dict[str, str]:
    """Each set's windows and labels in the plane, by the first seed's model."""
    maps = {}
    for one in tested:
        task: Task = "unseen" if one.setting == "unseen" else "all"
        model: AlignedModel = load_aligned(work.model(Fit(task, "aligned", work.settings.seeds[0])))
        vectors, labels = model.vectors(one.windows.x).numpy(), model.of_classes(one.classes).numpy()
        maps[f"{one.dataset}, {one.setting}"] = space_map_svg(vectors, one.windows.label.tolist(), labels, one.classes)
    return maps
