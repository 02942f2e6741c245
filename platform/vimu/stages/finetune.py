"""Fine-tuning on the real training subjects, and the same from scratch: a Ray task a network, start and seed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vimu.runtime.errors import UserError, listed
from vimu.runtime.futures import as_they_end
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.progress import tracked
from vimu.runtime.published import Published
from vimu.runtime.resources import granted
from vimu.runtime.session import ray_session
from vimu.runtime.storage import StoredFile, write_whole
from vimu.stages.config import Config
from vimu.stages.networks import identity_of, model_file, networks_of, require_trained, tuned_file
from vimu.stages.pretrain import label_counts
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.stages.winner import tuned
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.windows.schema import WindowSet, read_windows
from vimu.windows.split import require_apart

NAME = "finetune"
STARTS = ("finetuned", "scratch")
Job = tuple[str, str, int]
"""Method, start, seed: one model."""


@dataclass(frozen=True)
class Work:
    """Inputs and settings after tuning."""

    prepared: Published
    pretrained: Published
    classes: tuple[str, ...]
    settings: FinetuneSettings
    networks: dict[str, PretrainSettings]
    """Method -> settings from scratch, that of `pretrain.model` first."""

    @property
    def jobs(self) -> list[Job]:
        """The models, in the order in which they are trained."""
        return [(m, start, seed) for m in self.networks for start in STARTS for seed in self.settings.seeds]


def plan(config: Config) -> Plan[Work]:
    """Count the real training windows and settle the settings.

    Raises:
        UserError: an earlier stage is not published, a network not pre-trained, a split without windows, or a class
            without a training window.
    """
    prepared, pretrained = upstream(config, "prepare"), upstream(config, "pretrain")
    scratch, settings, inputs = tuned(config)
    windows = label_counts(prepared, [prepared.details["real_dataset"]])
    for split in ("train", "val", "test"):
        if not windows.get(split):
            raise UserError(f"`{prepared.details['real_dataset']}` must have a `{split}` split, but it is empty.")
    classes = require_trained(windows, prepared.details["real_dataset"], "prepare.real_split")
    networks = networks_of(scratch, config.baselines)
    if unknown := [method for method in networks if method not in pretrained.details["networks"]]:
        raise UserError(
            f"`baselines` must be pre-trained first, but {listed(unknown)} is not. Run jobs/pretrain.py with this "
            "configuration, under another `name`."
        )
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json"),
            "scratch": scratch.model_dump(mode="json"),
            **identity_of(config.baselines),
            "inputs": input_identity(prepared, pretrained) | inputs,
        },
        counts={f"{split}_windows": sum(by_label.values()) for split, by_label in sorted(windows.items())}
        | {"classes": len(classes), "models": len(networks) * len(settings.seeds) * len(STARTS)},
        tables={"training windows": sorted(windows["train"].items())},
        work=Work(prepared, pretrained, classes, settings, networks),
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Train the models that are not there yet, in Ray tasks."""
    assert plan.work is not None
    work = plan.work
    details = work.prepared.details
    real = details["real_dataset"]
    suffix = " (synthetic)" if details["synthetic"][real] else ""
    names = list(work.networks)
    todo = [job for job in work.jobs if not (staging / _place(job, names, ".pt")).is_file()]
    with ray_session(config.ray, config.resources):
        import ray

        read = read_windows(work.prepared.files("windows/")).where(dataset=real)
        if details["protocols"]["real"] == "subjects_apart":
            require_apart(read.subject.tolist(), read.split.tolist(), dataset=real)
        windows = ray.put(read)
        needs, _ = granted(config.resources, NAME)
        task = ray.remote(**needs.options, max_retries=3)(train_one)
        settings = work.settings.model_dump(mode="json")
        running = [
            task.remote(
                windows, job, str(staging.resolve() / _place(job, names, "")),
                work.pretrained.file(model_file(job[0], names)), work.classes, settings,
                work.networks[job[0]].model_dump(mode="json"), real + suffix,
            )
            for job in todo
        ]  # fmt: skip
        for future in tracked(as_they_end(running), "models", total=len(running)):
            ray.get(future)
    places = [_place(job, names, "") for job in work.jobs]
    logs = {
        place.removeprefix("models/"): json.loads((staging / f"{place}.json").read_text(encoding="utf-8"))
        for place in places
    }
    return Outcome(
        counts={"models": len(places), **{k: v for k, v in plan.counts.items() if k.endswith("_windows")}},
        content_hash=content_hash((name, log["weights_sha256"]) for name, log in logs.items()),
        licences=work.prepared.manifest["licences"],
        details={
            "classes": list(work.classes),
            "seeds": list(work.settings.seeds),
            "networks": names,
            "val_macro_f1": {name: log["best_val_macro_f1"] for name, log in logs.items()},
        },
    )


def train_one(
    windows: WindowSet, job: Job, place: str, pretrained: StoredFile, classes: tuple[str, ...],
    settings: dict[str, Any], scratch: dict[str, Any], trained_on: str,
) -> None:  # fmt: skip
    """One model, in a Ray task: log first, then the weights, whose file says that both are there.

    Args:
        place: path of both files, without suffix.
    """
    from vimu.training.checkpoint import save_model, weights_sha256
    from vimu.training.fit import finetune, fit_from_scratch

    _, start, seed = job
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
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    write_whole(Path(f"{place}.json"), json.dumps(log, indent=1))
    save_model(Path(f"{place}.pt"), fitted.model, fitted.card)


def _place(job: Job, networks: Sequence[str], suffix: str) -> str:
    method, start, seed = job
    return tuned_file(method, networks, start, seed, suffix)


STAGE = Stage(NAME, plan, build)
