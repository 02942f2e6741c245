"""Pre-training on Ray Train: the network, and each of `baselines`, on virtual windows."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from vimu.runtime.console import console
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.session import ray_session
from vimu.stages.config import Config
from vimu.stages.networks import identity_of, log_file, model_file, networks_of, require_trained
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.stages.winner import tuned
from vimu.training.settings import PretrainSettings

NAME = "pretrain"


@dataclass(frozen=True)
class Work:
    """The windows, their classes, and the settings after tuning."""

    prepared: Published
    classes: tuple[str, ...]
    networks: dict[str, PretrainSettings]
    """Method -> its settings, that of `pretrain.model` first."""


def plan(config: Config) -> Plan[Work]:
    """Count the virtual windows and settle the settings: the configuration's, or the tuned winner's.

    Raises:
        UserError: no windows are published yet, no tuning where it is configured, a split without windows, or a class
            without a training window.
    """
    prepared = upstream(config, "prepare")
    settings, _, inputs = tuned(config)
    windows = label_counts(prepared, prepared.details["virtual_datasets"])
    for split in ("train", "val"):
        if not windows.get(split):
            raise UserError(f"The virtual windows must have a `{split}` split, but it is empty.")
    classes = require_trained(windows, "+".join(prepared.details["virtual_datasets"]), "prepare.virtual_split")
    networks = networks_of(settings, config.baselines)
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json"),
            **identity_of(config.baselines),
            "inputs": input_identity(prepared) | inputs,
        },
        counts={f"{split}_windows": sum(by_label.values()) for split, by_label in sorted(windows.items())}
        | {"classes": len(classes), "networks": len(networks), "workers": settings.n_workers},
        tables={"training windows": sorted(windows["train"].items())},
        work=Work(prepared, classes, networks),
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Train on Ray Train, one network after another; keep each model and its log.

    What Ray Train writes is hidden: a killed run goes on from it, and publishing removes it.
    """
    from vimu.training.checkpoint import load_model, weights_sha256
    from vimu.training.pretrain import LOG_FILE, MODEL_FILE, pretrain_on_ray

    assert plan.work is not None
    work = plan.work
    details = work.prepared.details
    datasets = details["virtual_datasets"]
    trained_on = ", ".join(f"{name}{' (synthetic)' if details['synthetic'][name] else ''}" for name in datasets)
    names = list(work.networks)
    logs, weights = {}, {}
    with ray_session(config.ray, config.resources):
        for method, settings in work.networks.items():
            model_path, log_path = (staging / place(method, names) for place in (model_file, log_file))
            model_path.parent.mkdir(parents=True, exist_ok=True)
            if len(names) > 1:
                console.print(f"  {method}")
            folder = pretrain_on_ray(
                work.prepared.files("windows/"), datasets=datasets, classes=work.classes, settings=settings,
                trained_on=trained_on, storage=staging / ".ray_train" / method,
                tensorboard=model_path.parent / "tensorboard", resources=config.resources,
            )  # fmt: skip
            shutil.copyfile(folder / MODEL_FILE, model_path)
            shutil.copyfile(folder / LOG_FILE, log_path)
            logs[method] = log = json.loads(log_path.read_text(encoding="utf-8"))
            weights[method] = weights_sha256(load_model(model_path)[0])
            if len({rank["weights_sha256"] for rank in log["ranks"]}) != 1:
                raise RuntimeError(f"the ranks ended with different weights: {log['ranks']}")
    best = {method: max(log["epochs"], key=lambda line: line["val_macro_f1"]) for method, log in logs.items()}
    main = logs[names[0]]
    return Outcome(
        counts={"epochs": len(main["epochs"]), "classes": len(work.classes), **plan.counts},
        content_hash=weights[names[0]] if len(names) == 1 else content_hash(weights.items()),
        licences=work.prepared.manifest["licences"],
        details={
            "classes": list(work.classes), "best": best[names[0]], "trained_on": trained_on, "ranks": main["ranks"],
            "networks": names, "best_of": best,
        },
    )  # fmt: skip


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
