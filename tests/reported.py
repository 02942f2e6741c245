"""A small published run, made without Ray or torch: stages as the report of a run reads them."""

import csv
import hashlib
import json
import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vimu.clips.schema import CLIP_SCHEMA, REJECTION_SCHEMA
from vimu.evaluation.predictions import prediction_rows, predictions_table
from vimu.evaluation.results import Experiment, gain, result
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.publish import publish
from vimu.runtime.published import open_published
from vimu.stages.shards import write_shard
from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet, read_windows, window_schema
from vimu.windows.settings import WindowSettings

SENSORS = ("chest", "right_wrist")
CLASSES = ("running", "standing", "walking")
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "$\\frac{1}{0}$ \x1b[2J\u202eevil",
    "a" * 400,
    "</svg></style><script>alert(2)</script>",
)
"""Names of classes that somebody else chose."""
WINDOWS = WindowSettings(rate_hz=20, length_frames=40, hop_frames=20, feature_set="sensor_acc", sensors=SENSORS)
CLIPS_EACH, TRIALS_EACH, PEOPLE = 3, 4, 4
SPLITS = ("train", "train", "val", "test")
ALL = ("synthesize", "prepare", "pretrain", "finetune", "crossval", "evaluate")
LICENCES = {"archive": "none: <b>made</b>", "watch": "none"}


def publish_run(folder: Path, *, classes: Sequence[str] = CLASSES, stages: Sequence[str] = ALL) -> Path:
    """A run whose `stages` are published; each of three clips too short, one file unreadable, one trial with a gap."""
    makers = {
        "synthesize": _synthesize, "prepare": _prepare, "pretrain": _pretrain, "finetune": _finetune,
        "crossval": _crossval, "evaluate": _evaluate,
    }  # fmt: skip
    for stage in ALL:
        if stage in stages:
            makers[stage](folder, tuple(classes))
    return folder


def _publish(folder: Path, stage: str, outcome: Any, inputs: Sequence[str] = (), **settings: Any) -> None:
    hashes = {of: open_published(folder / of, made_by="-").content_hash for of in inputs if (folder / of).is_dir()}
    identity = {"stage": stage, "settings": settings, "inputs": hashes}
    made_by = f"python jobs/{stage}.py --config configs/made.yaml"
    publish(folder / stage, identity=identity, build=lambda staging, _: outcome(staging), made_by=made_by)


def _rejections(staging: Path, rows: Sequence[tuple[str, str, str]], stage: str) -> Any:
    table = pa.Table.from_pylist(
        [{"path": p, "reason": r, "detail": d, "stage": stage} for p, r, d in rows], schema=REJECTION_SCHEMA
    )
    return write_shard(staging / "rejections.parquet", table, dictionary=[])


def clip_rows(classes: Sequence[str]) -> list[dict[str, Any]]:
    """Three clips a class: half, once and twice as strong, so that the second is typical."""
    rows = []
    for c, label in enumerate(classes):
        for k, strength in enumerate((0.5, 1.0, 2.0)):
            n = 90 + 60 * c
            t = np.arange(n) / 60
            acc = np.zeros((n, len(SENSORS), 3), dtype=np.float32)
            acc[:, :, 1] = (strength * (c + 1) * np.sin(2 * np.pi * (c + 1) * t))[:, None]
            rows.append(
                {
                    "clip_id": f"{c}{k}" * 16, "archive": "archive", "subject": None,
                    "sequence": f"takes/{label}_{k}", "description": label, "label": label, "rule": "made",
                    "source_rate_hz": 60.0, "file_rate_hz": 60.0, "gender": None, "body": None, "notes": [],
                    "rate_hz": 60.0, "n_frames": n, "sensors": list(SENSORS), "acc_rms": strength * (c + 1),
                    "acc_peak": 1.0, "statistics": [0.0], "sha256": "-", "acc": acc.ravel(),
                    "gyr": acc.ravel(), "ori": np.tile(np.eye(3, dtype=np.float32), (n, len(SENSORS), 1, 1)).ravel(),
                }
            )  # fmt: skip
    return rows


def _synthesize(folder: Path, classes: tuple[str, ...]) -> None:
    rows = clip_rows(classes)

    def build(staging: Path) -> Outcome:
        half = len(rows) // 2
        shards = (rows[:half], rows[half:])
        files = [
            write_shard(
                staging / "clips" / f"{i}.parquet", pa.Table.from_pylist(part, schema=CLIP_SCHEMA), dictionary=[]
            )
            for i, part in enumerate(shards)
        ]
        files.append(_rejections(staging, [("takes/broken.bvh", "unreadable", "empty")], "synthesize"))
        return Outcome(
            counts={"files_in": len(rows) + 1, "clips": len(rows), "rejections": 1},
            content_hash=content_hash([("clips", "1")]), licences={"archive": LICENCES["archive"]}, files=files,
            details={"synthetic": True, "sensors": list(SENSORS), "left_out": {"unreadable": 1}},
        )  # fmt: skip

    _publish(folder, "synthesize", build)


def window_rows(classes: Sequence[str]) -> list[dict[str, Any]]:
    """Three windows of each clip, two of each trial; the first clip of each class is too short and has none."""
    rows = []
    for c, label in enumerate(classes):
        sources = [("archive", f"{c}{k}" * 16, f"archive/takes/{label}_{k}", SPLITS[k + 1]) for k in (1, 2)]
        sources += [("watch", f"trial_{c}_{k}", f"person{k}", SPLITS[k]) for k in range(TRIALS_EACH)]
        for dataset, source, subject, split in sources:
            for start in (0, 20, 40) if dataset == "archive" else (0, 20):
                rows.append(
                    {
                        "window_id": f"{dataset}:{source}:{start:06d}", "dataset": dataset, "source_id": source,
                        "subject": subject, "label": label, "start_frame": start, "split": split, "speed": 1.0,
                    }
                )  # fmt: skip
    return rows


def _prepare(folder: Path, classes: tuple[str, ...]) -> None:
    rows = window_rows(classes)
    schema = window_schema(WINDOWS, SENSORS)
    rng = np.random.default_rng(0)
    assert schema.field("x").type.shape[1] == len(channel_names("sensor_acc", SENSORS))
    x = rng.normal(0, 1, (len(rows), 40, 6)).astype(np.float32) + np.float32(5)
    left = [(f"takes/{label}_0", "too_short", "1.5 s are shorter than a window") for label in classes]
    left.append(("trial_9", "gap", "chest is silent"))

    def build(staging: Path) -> Outcome:
        columns = [pa.array([row[f.name] for row in rows], f.type) for f in schema if f.name != "x"]
        table = pa.Table.from_arrays([*columns, pa.FixedShapeTensorArray.from_numpy_ndarray(x)], schema=schema)
        half = len(rows) // 2
        files = [
            write_shard(staging / "windows" / f"{i}.parquet", part, dictionary=["label"])
            for i, part in enumerate((table.slice(0, half), table.slice(half)))
        ]
        files.append(_rejections(staging, left, "prepare"))
        n = len(clip_rows(classes)) + TRIALS_EACH * len(classes) + 1
        return Outcome(
            counts={"sources_in": n, "sources_cut": n - len(left), "rejections": len(left), "windows": len(rows)},
            content_hash=content_hash([("windows", "1")]), licences=LICENCES, files=files,
            details={
                "real_dataset": "watch", "virtual_datasets": ["archive"], "sensors": list(SENSORS),
                "synthetic": {"archive": True, "watch": False}, "left_out": {"gap": 1, "too_short": len(classes)},
                "notes": {"filled": 2000}, "empty_categories": ["climbing"],
            },
        )  # fmt: skip

    _publish(folder, "prepare", build, ["synthesize"])


EPOCHS = [{"epoch": k, "loss": 2 / (k + 1), "val_macro_f1": k / 5} for k in range(4)]


def _pretrain(folder: Path, classes: tuple[str, ...]) -> None:
    def build(staging: Path) -> Outcome:
        (staging / "log.json").write_text(json.dumps({"epochs": EPOCHS}))
        return Outcome(counts={"epochs": 4}, content_hash="p", details={"networks": ["penalty_cnn"]})

    _publish(folder, "pretrain", build, ["prepare"], seed=0, note=classes[0])


def _finetune(folder: Path, classes: tuple[str, ...]) -> None:
    def build(staging: Path) -> Outcome:
        (staging / "models").mkdir()
        for start in ("finetuned", "scratch"):
            (staging / "models" / f"{start}-0.json").write_text(json.dumps({"epochs": EPOCHS}))
        return Outcome(counts={"models": 2}, content_hash="f", details={"networks": ["penalty_cnn"], "seeds": [0]})

    _publish(folder, "finetune", build, ["prepare", "pretrain"])


def probabilities(windows: WindowSet, classes: Sequence[str], seed: int) -> np.ndarray:
    """Right, but for half of the first class's windows, which are taken for the second, at 0.8."""
    rng = np.random.default_rng(seed)
    truth = windows.targets(classes)
    said = truth.copy()
    first = np.flatnonzero(truth == 0)
    said[first[::2]] = 1
    p = np.full((len(windows), len(classes)), 0.2 / (len(classes) - 1)) + rng.uniform(
        0, 1e-4, (len(windows), len(classes))
    )
    p[np.arange(len(windows)), said] = 0.8
    return p / p.sum(axis=1, keepdims=True)


def _results(
    classes: tuple[str, ...], tested: WindowSet, dataset: str, **more: Any
) -> tuple[list[dict[str, Any]], list[pa.Table]]:
    results, rows = [], []
    of = {"scratch": probabilities(tested, classes, 1), "finetuned": probabilities(tested, classes, 2)}
    for experiment in ("scratch", "finetuned") if dataset == "watch" else ("virtual",):
        what = Experiment(dataset, experiment, "penalty_cnn", dataset == "archive")
        by_seed = {0: of["finetuned" if experiment == "virtual" else experiment]}
        entry = result(what, tested, classes, by_seed, split="apart", n_resamples=20) | more
        if experiment == "finetuned":
            entry |= gain(tested, classes, by_seed, {0: of["scratch"]}, n_resamples=20)
        results.append(entry)
        rows.append(prediction_rows(what, tested, classes, by_seed))
    return results, rows


def _scored(folder: Path, stage: str, classes: tuple[str, ...], split: str | None, **more: Any) -> None:
    windows = read_windows(open_published(folder / "prepare", made_by="-").files("windows/"))
    results, tables = [], []
    for dataset in ("watch", "archive"):
        tested = windows.where(dataset=dataset, split=split)
        found, rows = _results(classes, tested, dataset, **more)
        results, tables = results + found, tables + rows
    if stage == "crossval":
        finetuned = results[1]
        results += [
            finetuned | {"label_share": s, "label_s": 100 * s, "macro_f1": f} for s, f in ((0.1, 0.4), (1.0, 0.6))
        ]
        results.append(finetuned | {"ablation": "penalty off", "difference_to_whole": -0.01, "difference_ci95": None})
        tables = [t.append_column("apart", pa.array(["subjects"] * len(t))) for t in tables]
        tables = [t.append_column("copies", pa.array([0] * len(t))) for t in tables]
    else:
        crossed = folder / "crossval" / "metrics.json"
        results += json.loads(crossed.read_text())["results"] if crossed.is_file() else []

    def build(staging: Path) -> Outcome:
        notes = [f"{classes[0]} is a note."]
        (staging / "metrics.json").write_text(json.dumps({"results": results, "notes": notes}))
        table = predictions_table(tables, dict.fromkeys(("watch", "archive"), classes))
        file = write_shard(staging / "predictions.parquet", table, dictionary=["dataset", "method"])
        return Outcome(counts={"results": len(results)}, content_hash=stage, files=[file], details={"notes": notes})

    _publish(folder, stage, build, ["prepare"])


def _crossval(folder: Path, classes: tuple[str, ...]) -> None:
    _scored(folder, "crossval", classes, None, protocol="cross_validation", n_folds=2, apart="subjects")


def _evaluate(folder: Path, classes: tuple[str, ...]) -> None:
    _scored(folder, "evaluate", classes, "test", protocol="holdout", split_protocol="subjects_apart")


def changed(stage: Path, file: str, content: bytes) -> None:
    """Put other bytes into a published stage, as if it had been published with them."""
    (stage / file).write_bytes(content)
    told = json.loads((stage / "manifest.json").read_text())
    [entry] = [f for f in told["files"] if f["path"] == file]
    entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    resealed(stage, json.dumps(told))


def resealed(stage: Path, manifest: str) -> None:
    """Give a published stage another manifest."""
    (stage / "manifest.json").write_text(manifest)
    (stage / "_SUCCESS").write_text(hashlib.sha256(manifest.encode()).hexdigest())


def words(page: str) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
