"""The final evaluation: every model and baseline on the test subjects; metrics, predictions, report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.progress import track

from vimu.evaluation.predictions import prediction_rows
from vimu.evaluation.report import render_report
from vimu.evaluation.results import Experiment, gain, gain_sentence, result
from vimu.models.forest import forest_probabilities
from vimu.runtime.console import console
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.session import ray_session
from vimu.runtime.storage import write_whole
from vimu.stages.config import Config
from vimu.stages.crossval_results import in_table, lines_of
from vimu.stages.finetune import STARTS
from vimu.stages.shards import write_shard
from vimu.stages.stage import Plan, Stage, clips_of, input_identity, upstream
from vimu.windows.schema import WindowSet, read_windows
from vimu.windows.settings import SplitSettings

NAME = "evaluate"
Probabilities = dict[int, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Work:
    """All that is evaluated."""

    synthesized: Published
    prepared: Published
    pretrained: Published
    finetuned: Published
    crossed: Published | None
    """The experiments on all people, where the configuration asks for them."""


def plan(config: Config) -> Plan[Work]:
    """Which tables will be made.

    Raises:
        UserError: an earlier stage is not published.
    """
    crossed = upstream(config, "crossval") if config.crossval is not None else None
    prepared, pretrained, finetuned = (upstream(config, name) for name in ("prepare", "pretrain", "finetune"))
    work = Work(clips_of(config), prepared, pretrained, finetuned, crossed)
    return Plan(
        identity={
            "settings": config.evaluate.model_dump(mode="json"),
            "inputs": input_identity(
                work.prepared, work.pretrained, work.finetuned, *([] if crossed is None else [crossed])
            ),
        },
        counts={"models": work.finetuned.manifest["counts"]["models"] + 1, "forests": 2 * len(_seeds(work))},
        work=work,
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Predict, score, and write `metrics.json`, `predictions.parquet` and `report.html`."""
    assert plan.work is not None
    work = plan.work
    details = work.prepared.details
    virtual_names, real_name = details["virtual_datasets"], details["real_dataset"]
    windows = read_windows(work.prepared.files("windows/"))
    virtual, real = windows.where(dataset=virtual_names), windows.where(dataset=real_name)
    source, target = tuple(work.pretrained.details["classes"]), tuple(work.finetuned.details["classes"])
    synthetic_virtual = any(details["synthetic"][name] for name in virtual_names)
    synthetic = details["synthetic"][real_name] or synthetic_virtual
    n_resamples = config.evaluate.n_resamples
    virtual_split = _split_text(config.preparation.virtual_split, virtual, details["groups"]["virtual"])
    real_split = _split_text(config.preparation.real_split, real, details["groups"]["real"])
    virtual_test, real_test = virtual.where(split="test"), real.where(split="test")

    with ray_session(config.ray):
        virtual_forest = _forests(work, virtual, source, config.evaluate.n_trees)
        real_forest = _forests(work, real, target, config.evaluate.n_trees)
        models = {
            start: {
                seed: _model_probabilities(work.finetuned.file(f"models/{start}-{seed}.pt").local(), real_test.x)
                for seed in _seeds(work)
            }
            for start in STARTS
        }
    pretrained_file = work.pretrained.file("model.pt").local()
    network = work.pretrained.manifest["identity"]["settings"]["model"]["kind"]
    on_virtual = {config.pretrain.seed: _model_probabilities(pretrained_file, virtual_test.x)}

    results, rows = [], []

    def add(
        what: Experiment, test: WindowSet, classes: tuple[str, ...], by_seed: Probabilities, split: str,
        **extra: Any,
    ) -> None:  # fmt: skip
        results.append(result(what, test, classes, by_seed, split=split, n_resamples=n_resamples) | extra)
        rows.append(prediction_rows(what, test, classes, by_seed))

    names = "+".join(virtual_names)
    add(Experiment(names, "virtual", network, synthetic_virtual), virtual_test, source, on_virtual, virtual_split)
    add(
        Experiment(names, "virtual", "random_forest", synthetic_virtual), virtual_test, source, virtual_forest,
        virtual_split,
    )  # fmt: skip
    notes: list[str] = []
    if set(target) <= set(source):
        direct = _restricted(_model_probabilities(pretrained_file, real_test.x), source, target)
        add(
            Experiment(real_name, "no_finetuning", network, synthetic), real_test, target,
            {config.pretrain.seed: direct}, real_split,
        )  # fmt: skip
    else:
        lacking = sorted(set(target) - set(source))
        notes.append(f"No row without fine-tuning: pre-training lacks classes of {real_name} ({', '.join(lacking)}).")
    real_synthetic = details["synthetic"][real_name]
    for method, by_seed in (("random_forest", real_forest), (network, models["scratch"])):
        add(Experiment(real_name, "scratch", method, real_synthetic), real_test, target, by_seed, real_split)
    add(
        Experiment(real_name, "finetuned", network, synthetic), real_test, target, models["finetuned"],
        real_split, **gain(real_test, target, models["finetuned"], models["scratch"], n_resamples=n_resamples),
    )  # fmt: skip
    notes.insert(0, gain_sentence(results[-1]))
    thin = [name for name, row in results[-1]["per_class"].items() if row["n_subjects"] < 3]
    if thin:
        notes.append(f"Fewer than three test subjects did these: {', '.join(thin)}.")
    if details["empty_categories"]:
        notes.append(f"Categories without a clip: {', '.join(details['empty_categories'])}.")
    copied = sum(n["after"] - n["before"] for n in details.get("upsampled", {}).values())
    if copied:
        notes.append(f"{copied:,} of {names}'s training windows are up-sampled copies, faster or slower.")
    if details["groups"]["virtual"] != "subjects":
        notes.append(
            f"{names} does not name its actors: clips are kept apart, not people, and its intervals are over clips. "
            "Clips of one kind are much alike, so its `virtual` rows are optimistic."
        )
    everything = list(results)
    if work.crossed is not None:
        crossed = json.loads(work.crossed.file("metrics.json").read())
        everything += crossed["results"]
        notes += crossed["notes"]

    write_whole(staging / "metrics.json", json.dumps({"results": everything, "notes": notes}, indent=1))
    write_shard(staging / "predictions.parquet", pa.concat_tables(rows), dictionary=["experiment", "method", "truth"])
    page = render_report(
        name=config.name, results=[r for r in everything if in_table(r)],
        data=_data_rows(details["windows"]), flow=_flow(work), notes=notes,
        licences=licences_of(work.prepared), config=config.model_dump(mode="json"), used=_used(work),
        mended=details["notes"], made=_made(work),
    )  # fmt: skip
    write_whole(staging / "report.html", page)
    return Outcome(
        counts={"results": len(everything), "test_windows": len(real_test), "test_subjects": results[-1]["n_subjects"]},
        content_hash=content_hash(
            (f"{r['dataset']}:{r['experiment']}:{r['method']}", json.dumps(r["by_seed"], sort_keys=True))
            for r in everything
        ),
        licences=work.prepared.manifest["licences"],
        details={
            "synthetic": synthetic,
            "notes": notes,
            "results": lines_of(results),
        },
    )


STAGE = Stage(NAME, plan, build)


def _seeds(work: Work) -> list[int]:
    return list(work.finetuned.details["seeds"])


def _forests(work: Work, windows: WindowSet, classes: tuple[str, ...], n_trees: int) -> Probabilities:
    """A forest a seed, each in a Ray task, fitted on train and val: it has no use for a validation split."""
    import ray

    fit = windows.where(split=("train", "val"))
    train_x, train_y = ray.put(fit.x), fit.targets(classes)
    test_x = ray.put(windows.where(split="test").x)
    task = ray.remote(num_cpus=1)(forest_probabilities)
    seeds = _seeds(work)
    futures = [
        task.remote(train_x, train_y, test_x, n_classes=len(classes), seed=seed, n_trees=n_trees) for seed in seeds
    ]
    done = [ray.get(future) for future in track(futures, "  forests", console=console)]
    return dict(zip(seeds, done, strict=True))


def _model_probabilities(path: Path, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    from vimu.training.checkpoint import load_model
    from vimu.training.loop import predict

    model, _ = load_model(path)
    return predict(model, x)


def _restricted(
    probabilities: np.ndarray[Any, Any], source: tuple[str, ...], target: tuple[str, ...]
) -> np.ndarray[Any, Any]:
    """Probabilities among the target's classes only."""
    return probabilities[:, [source.index(name) for name in target]]


def _split_text(settings: SplitSettings, windows: WindowSet, kind: str) -> str:
    n = {part: len(set(windows.where(split=part).subject.tolist())) for part in ("train", "val", "test")}
    how = "named" if settings.test_groups else f"{settings.n_folds} folds, seed {settings.seed}"
    return f"{n['train']} train, {n['val']} validation, {n['test']} test {kind}, apart ({how})"


def _data_rows(table: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[dict[str, Any]]:
    rows = []
    for dataset, by_split in sorted(table.items()):
        for label in sorted({label for by_label in by_split.values() for label in by_label}):
            counts = {split: by_split.get(split, {}).get(label, 0) for split in ("train", "val", "test")}
            rows.append({"dataset": dataset, "label": label, **counts})
    return rows


def licences_of(prepared: Published) -> dict[str, str]:
    """Licences by dataset; generated data have none of the format's owner."""
    synthetic = prepared.details["synthetic"]
    return {
        name: "generated by vimu, synthetic" if synthetic.get(name) else licence
        for name, licence in prepared.manifest["licences"].items()
    }


def _used(work: Work) -> dict[str, Any]:
    """The settings that models were trained with, after tuning."""
    tuned = "tune" in work.pretrained.manifest["identity"]["inputs"]
    return {
        "tuned": tuned,
        "pretrain": work.pretrained.manifest["identity"]["settings"],
        "finetune": work.finetuned.manifest["identity"]["settings"],
        "scratch": work.finetuned.manifest["identity"]["scratch"],
    }


def _made(work: Work) -> dict[str, Any]:
    """Command, time, code and package versions."""
    manifest = work.finetuned.manifest
    return {
        "command": str(manifest["command"]).replace("jobs/finetune.py", "jobs/pipeline.py"),
        "finished_at": manifest["finished_at"], "code": manifest["code"], "packages": manifest["packages"],
    }  # fmt: skip


def _flow(work: Work) -> list[dict[str, Any]]:
    rows = []
    for published, into, out in ((work.synthesized, "files_in", "clips"), (work.prepared, "sources_in", "sources_cut")):
        counts = published.manifest["counts"]
        rows.append(
            {
                "stage": published.manifest["stage"], "rows_in": counts[into], "rows_out": counts[out],
                "rejections": counts["rejections"], "left_out": published.details["left_out"],
            }
        )  # fmt: skip
    return rows
