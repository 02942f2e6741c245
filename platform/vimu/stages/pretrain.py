"""Pre-training on Ray Train: the network on virtual windows."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome
from vimu.runtime.published import Published
from vimu.runtime.session import ray_session
from vimu.stages.config import Config
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.stages.winner import tuned
from vimu.training.checkpoint import load_model, weights_sha256
from vimu.training.settings import PretrainSettings

NAME = "pretrain"


@dataclass(frozen=True)
class Work:
    """The windows, their classes, and the settings after tuning."""

    prepared: Published
    classes: tuple[str, ...]
    settings: PretrainSettings


def plan(config: Config) -> Plan[Work]:
    """Count the virtual windows and settle the settings: the configuration's, or the tuned winner's.

    Raises:
        UserError: no windows are published yet, no tuning where it is configured, or a split without windows.
    """
    prepared = upstream(config, "prepare")
    settings, _, inputs = tuned(config)
    windows = label_counts(prepared, prepared.details["virtual_datasets"])
    for split in ("train", "val"):
        if not windows.get(split):
            raise UserError(f"The virtual windows must have a `{split}` split, but it is empty.")
    classes = tuple(sorted({label for by_label in windows.values() for label in by_label}))
    return Plan(
        identity={"settings": settings.model_dump(mode="json"), "inputs": input_identity(prepared) | inputs},
        counts={f"{split}_windows": sum(by_label.values()) for split, by_label in sorted(windows.items())}
        | {"classes": len(classes), "workers": settings.n_workers},
        tables={"training windows": sorted(windows["train"].items())},
        work=Work(prepared, classes, settings),
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Train on Ray Train, keep the model and its log."""
    from vimu.training.pretrain import LOG_FILE, MODEL_FILE, pretrain_on_ray

    assert plan.work is not None
    work = plan.work
    details = work.prepared.details
    datasets = details["virtual_datasets"]
    trained_on = ", ".join(f"{name}{' (synthetic)' if details['synthetic'][name] else ''}" for name in datasets)
    storage = staging / ".ray_train"
    with ray_session(config.ray):
        folder = pretrain_on_ray(
            work.prepared.files("windows/"), datasets=datasets, classes=work.classes, settings=work.settings,
            trained_on=trained_on, storage=storage, tensorboard=staging / "tensorboard",
        )  # fmt: skip
    for name in (MODEL_FILE, LOG_FILE):
        shutil.copyfile(folder / name, staging / name)
    shutil.rmtree(storage)
    log = json.loads((staging / LOG_FILE).read_text(encoding="utf-8"))
    model, _ = load_model(staging / MODEL_FILE)
    if len({rank["weights_sha256"] for rank in log["ranks"]}) != 1:
        raise RuntimeError(f"the ranks ended with different weights: {log['ranks']}")
    best = max(log["epochs"], key=lambda line: line["val_macro_f1"])
    return Outcome(
        counts={"epochs": len(log["epochs"]), "classes": len(work.classes), **plan.counts},
        content_hash=weights_sha256(model),
        licences=work.prepared.manifest["licences"],
        details={"classes": list(work.classes), "best": best, "trained_on": trained_on, "ranks": log["ranks"]},
    )


def label_counts(prepared: Published, datasets: list[str]) -> dict[str, dict[str, int]]:
    """split -> label -> windows, over some datasets."""
    total: dict[str, dict[str, int]] = {}
    for dataset in datasets:
        for split, by_label in prepared.details["windows"].get(dataset, {}).items():
            into = total.setdefault(split, {})
            for label, n in by_label.items():
                into[label] = into.get(label, 0) + n
    return total


STAGE = Stage(NAME, plan, build)
