"""What each Ray Train worker runs: it holds its share of the windows in memory, gradients synchronise.

Whatever is drawn belongs to a window or to the seed, and no statistic is of a rank's own part of a batch: any number of
workers trains alike up to rounding, and one and two of them to the last bit.
"""

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from ray.train import Checkpoint

from vimu.metrics import macro_f1_of
from vimu.runtime.metrics import say
from vimu.runtime.safe_load import load_torch
from vimu.runtime.storage import StoredFile
from vimu.training.batches import LANES, shard_of
from vimu.training.checkpoint import save_model, weights_sha256
from vimu.training.fit import card_for, objective_for, plan_of
from vimu.training.loop import LossNotFiniteError, predict, train_epoch
from vimu.training.resume import newest_whole, seal
from vimu.training.settings import PretrainSettings
from vimu.training.tracking import Tracker
from vimu.windows.schema import WindowSet, read_windows

STATE_FILE, MODEL_FILE, LOG_FILE, FAILURE_FILE = "state.pt", "model.pt", "log.json", "failure.txt"


@dataclass(frozen=True)
class Job:
    """What the driver tells its workers; plain values."""

    files: list[dict[str, Any]]
    """Of windows: `StoredFile`s."""
    identity: dict[str, Any]
    """`settings`, `datasets`, `classes`, and hashes of the files: what checkpoints belong to."""
    trained_on: str
    storage: str
    progress: str
    """File of lines for the person who waits."""
    tensorboard: str
    mlflow_uri: str | None
    labels: dict[str, str]
    """Run and stage, of metrics."""

    def say(self, line: str) -> None:
        """To the person who waits."""
        with Path(self.progress).open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def train_worker(config: dict[str, Any]) -> None:
    """Train to the end, or to a loss that is no number.

    That one is written down for the driver and not raised: Ray would start again, to come to the same.
    """
    job = Job(**config)
    try:
        _train(job)
    except LossNotFiniteError as error:  # on every rank in the same step
        said = _gathered(str(error))
        if ray.train.get_context().get_world_rank() == 0:
            text = "; ".join(f"rank {rank}: {line}" for rank, line in enumerate(said))
            (Path(job.storage) / FAILURE_FILE).write_text(text, encoding="utf-8")


def _train(job: Job) -> None:
    settings = PretrainSettings.model_validate(job.identity["settings"])
    classes = tuple(job.identity["classes"])
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device()
    windows = read_windows([StoredFile(**f) for f in job.files]).where(dataset=job.identity["datasets"])
    train, val = windows.where(split="train"), windows.where(split="val")
    lanes = max(LANES if device.type == "cpu" else 1, world)  # a GPU adds up in no fixed order anyway
    shards = [
        shard_of(train, classes, rank=lane, world=lanes, seed=settings.seed, device=device)
        for lane in range(rank, lanes, world)
    ]
    held = hashlib.sha256(b"".join(shard.x.cpu().numpy().data for shard in shards)).hexdigest()
    n_windows = sum(shard.y.numel() for shard in shards)
    val_share = val.take(np.arange(rank, len(val), world))
    card = card_for(train, classes, settings.model, job.trained_on)
    objective = objective_for(train, classes, settings).to(device)
    del windows, train, val
    model = objective.model
    optimizer = torch.optim.AdamW(
        objective.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings.epochs)
    log: list[dict[str, Any]] = []
    best: dict[str, torch.Tensor] = {}
    start = 0
    if (folder := _resumed_from(job, rank)) is not None:
        state = load_torch(folder / STATE_FILE)
        log = json.loads((folder / LOG_FILE).read_text(encoding="utf-8"))["epochs"]
        objective.load_state_dict(state["objective"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        best, start = state["best"], int(state["epoch"]) + 1
    # buffers are constants, the same on every rank
    parallel = ray.train.torch.prepare_model(objective, parallel_strategy_kwargs={"broadcast_buffers": False})
    plan = plan_of(settings, card.channels, bf16=_in_bf16(settings, device))
    tracker = None
    if rank == 0:
        params = _flat(job.identity["settings"])
        tracker = Tracker(Path(job.tensorboard), start_epoch=start, mlflow_uri=job.mlflow_uri, params=params)

    for epoch in range(start, settings.epochs):
        began, cpu_began = time.perf_counter(), time.process_time()
        rate = schedule.get_last_lr()[0]
        loss = train_epoch(parallel, optimizer, shards, plan, epoch=epoch, std=model.std)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        schedule.step()
        macro_f1 = float(macro_f1_of(_summed(_confusion(model, val_share, classes))))
        log.append({
            "epoch": epoch, "loss": float(_summed(np.array([loss]))[0] / world), "val_macro_f1": macro_f1,
            "seconds": round(seconds, 4), "cpu_seconds": round(cpu_seconds, 4),
        })  # fmt: skip
        best_epoch = int(np.argmax([line["val_macro_f1"] for line in log]))
        if best_epoch == len(log) - 1:
            best = {name: tensor.cpu().clone() for name, tensor in model.state_dict().items()}
        if tracker is not None:
            tracker.log(
                epoch,
                {
                    "loss": log[-1]["loss"],
                    "val_macro_f1": macro_f1,
                    "lr": float(rate),
                    "windows_per_s": n_windows * world / seconds,
                },
            )
            found = {"vimu_epoch": epoch + 1, "vimu_train_loss": log[-1]["loss"], "vimu_val_macro_f1": macro_f1}
            for name, value in found.items():
                say(name, value, job.labels, model=settings.model.kind)
            job.say(f"epoch {epoch + 1}/{settings.epochs}  loss {log[-1]['loss']:.4f}  val macro-F1 {macro_f1:.3f}")
        last = epoch == settings.epochs - 1 or len(log) - 1 - best_epoch >= settings.patience_epochs
        if last or (epoch + 1) % settings.checkpoint_every_epochs == 0:
            ranks = _gathered({"weights_sha256": weights_sha256(model), "windows_sha256": held, "n_windows": n_windows})
            state = {
                "objective": objective.state_dict(), "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(), "best": best, "epoch": epoch,
            }  # fmt: skip
            with tempfile.TemporaryDirectory() as name:
                if rank == 0:
                    torch.save(state, Path(name) / STATE_FILE)
                    chosen = card.build()
                    chosen.load_state_dict(best)
                    save_model(Path(name) / MODEL_FILE, chosen, card)
                    text = json.dumps({"epochs": log, "ranks": ranks}, indent=1)
                    (Path(name) / LOG_FILE).write_text(text, encoding="utf-8")
                    seal(Path(name), job.identity, epoch=epoch, final=last)
                ray.train.report(
                    {"epoch": epoch, "loss": log[-1]["loss"], "val_macro_f1": macro_f1},
                    checkpoint=Checkpoint.from_directory(name) if rank == 0 else None,
                )
        if last:
            break
    if tracker is not None:
        tracker.close()


def _resumed_from(job: Job, rank: int) -> Path | None:
    """Rank 0 looks, all go on from what it found."""
    found = newest_whole(Path(job.storage), job.identity, job.say) if rank == 0 else None
    name: str | None = _gathered(str(found.folder) if found is not None else None)[0]
    return None if name is None else Path(name)


def _in_bf16(settings: PretrainSettings, device: torch.device) -> bool:
    """Whether to compute in bfloat16: `auto` leaves it to GPUs that have it."""
    if settings.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return settings.precision == "bf16"


def _confusion(model: Any, windows: WindowSet, classes: tuple[str, ...]) -> np.ndarray:
    n = len(classes)
    predicted = np.argmax(predict(model, windows.x), axis=1)
    return np.bincount(windows.targets(classes) * n + predicted, minlength=n**2).reshape(n, n).astype(float)


def _summed(values: np.ndarray) -> np.ndarray:
    """Sum over the ranks: each then takes the same decision."""
    tensor = torch.from_numpy(values.astype(np.float64))
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor.numpy()


def _gathered(value: Any) -> list[Any]:
    """Each rank's value, in order of rank."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def _flat(settings: dict[str, Any], at: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{at}{name}.") if isinstance(value, dict) else {f"{at}{name}": value}
    return flat
