"""Fine-tuning on the real training subjects, and the same network from scratch: one Ray task a seed and start."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

from vimu.runtime.console import console
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.session import ray_session
from vimu.runtime.storage import StoredFile, write_whole
from vimu.stages.config import Config
from vimu.stages.pretrain import label_counts
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.stages.winner import tuned
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.windows.schema import WindowSet, read_windows

NAME = "finetune"
STARTS = ("finetuned", "scratch")


@dataclass(frozen=True)
class Work:
    """Inputs and settings after tuning."""

    prepared: Published
    pretrained: Published
    classes: tuple[str, ...]
    settings: FinetuneSettings
    scratch: PretrainSettings


def plan(config: Config) -> Plan[Work]:
    """Count the real training windows and settle the settings.

    Raises:
        UserError: an earlier stage is not published, or a split has no windows.
    """
    prepared, pretrained = upstream(config, "prepare"), upstream(config, "pretrain")
    scratch, settings, inputs = tuned(config)
    windows = label_counts(prepared, [prepared.details["real_dataset"]])
    for split in ("train", "val", "test"):
        if not windows.get(split):
            raise UserError(f"`{prepared.details['real_dataset']}` must have a `{split}` split, but it is empty.")
    classes = tuple(sorted({label for by_label in windows.values() for label in by_label}))
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json"),
            "scratch": scratch.model_dump(mode="json"),
            "inputs": input_identity(prepared, pretrained) | inputs,
        },
        counts={f"{split}_windows": sum(by_label.values()) for split, by_label in sorted(windows.items())}
        | {"classes": len(classes), "models": len(settings.seeds) * len(STARTS)},
        tables={"training windows": sorted(windows["train"].items())},
        work=Work(prepared, pretrained, classes, settings, scratch),
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Train the models that are not there yet, in Ray tasks."""
    assert plan.work is not None
    work = plan.work
    details = work.prepared.details
    real = details["real_dataset"]
    suffix = " (synthetic)" if details["synthetic"][real] else ""
    jobs = [(start, seed) for start in STARTS for seed in work.settings.seeds]
    todo = [(start, seed) for start, seed in jobs if not _model_file(staging, start, seed).is_file()]
    with ray_session(config.ray):
        import ray

        windows = ray.put(read_windows(work.prepared.files("windows/")).where(dataset=real))
        task = ray.remote(num_cpus=1, max_retries=3)(train_one)
        pretrained = work.pretrained.file("model.pt")
        settings, scratch = work.settings.model_dump(mode="json"), work.scratch.model_dump(mode="json")
        running = [
            task.remote(
                windows, start, seed, str(staging.resolve()), pretrained, work.classes, settings, scratch, real + suffix
            )
            for start, seed in todo
        ]
        for future in track(running, "  models", console=console):
            ray.get(future)
    logs = {f"{s}-{n}": json.loads(_log_file(staging, s, n).read_text(encoding="utf-8")) for s, n in jobs}
    return Outcome(
        counts={"models": len(jobs), **{k: v for k, v in plan.counts.items() if k.endswith("_windows")}},
        content_hash=content_hash((name, log["weights_sha256"]) for name, log in logs.items()),
        licences=work.prepared.manifest["licences"],
        details={
            "classes": list(work.classes),
            "seeds": list(work.settings.seeds),
            "val_macro_f1": {name: log["best_val_macro_f1"] for name, log in logs.items()},
        },
    )


def train_one(
    windows: WindowSet, start: str, seed: int, staging: str, pretrained: StoredFile, classes: tuple[str, ...],
    settings: dict[str, Any], scratch: dict[str, Any], trained_on: str,
) -> None:  # fmt: skip
    """One model, in a Ray task: log first, then the weights, whose file says that both are there."""
    from vimu.training.checkpoint import save_model, weights_sha256
    from vimu.training.fit import finetune, fit_from_scratch

    train, val = windows.where(split="train"), windows.where(split="val")
    if start == "scratch":
        chosen = PretrainSettings.model_validate(scratch | {"seed": seed})
        fitted = fit_from_scratch(train, val, classes, chosen, trained_on=trained_on)
    else:
        fitted = finetune(
            pretrained.local(), train, val, classes, FinetuneSettings.model_validate(settings), seed=seed,
            trained_on=trained_on,
        )  # fmt: skip
    log = {
        "epochs": [asdict(epoch) for epoch in fitted.log],
        "best_val_macro_f1": fitted.best_val_macro_f1,
        "weights_sha256": weights_sha256(fitted.model),
    }
    folder = Path(staging)
    (folder / "models").mkdir(exist_ok=True)
    write_whole(_log_file(folder, start, seed), json.dumps(log, indent=1))
    save_model(_model_file(folder, start, seed), fitted.model, fitted.card)


def _model_file(folder: Path, start: str, seed: int) -> Path:
    return folder / "models" / f"{start}-{seed}.pt"


def _log_file(folder: Path, start: str, seed: int) -> Path:
    return folder / "models" / f"{start}-{seed}.json"


STAGE = Stage(NAME, plan, build)
