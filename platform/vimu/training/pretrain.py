"""Pre-training on Ray Train: each worker holds its shard of the virtual windows in memory, gradients synchronise."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from vimu.metrics import macro_f1_of
from vimu.runtime.console import echo_lines
from vimu.runtime.safe_load import load_torch
from vimu.runtime.storage import StoredFile
from vimu.training.augment import layout_of
from vimu.training.checkpoint import save_model, weights_sha256
from vimu.training.fit import card_for, optimizer_of, shard_of, trainable
from vimu.training.loop import Objective, channel_statistics, class_weights, key, predict, train_epoch
from vimu.training.settings import PretrainSettings
from vimu.windows.schema import read_windows

STATE_FILE, MODEL_FILE, LOG_FILE = "state.pt", "model.pt", "log.json"


def pretrain_on_ray(
    files: Sequence[StoredFile],
    *,
    datasets: Sequence[str],
    classes: Sequence[str],
    settings: PretrainSettings,
    trained_on: str,
    storage: Path,
) -> Path:
    """Train on `train` windows of `datasets`, choose the epoch on `val`; returns the folder of the last checkpoint.

    The folder holds `model.pt` (the best epoch) and `log.json`. Run again with the same `storage`, it goes on from the
    last whole checkpoint.
    """
    storage.mkdir(parents=True, exist_ok=True)
    progress = storage.resolve() / "progress.log"
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={
            "files": [asdict(f) for f in files],
            "datasets": list(datasets),
            "classes": list(classes),
            "settings": settings.model_dump(mode="json"),
            "trained_on": trained_on,
            "progress": str(progress),
        },
        scaling_config=ScalingConfig(num_workers=settings.n_workers, resources_per_worker={"CPU": 1}),
        torch_config=TorchConfig(backend="gloo"),
        run_config=RunConfig(
            name="pretrain",
            storage_path=str(storage.resolve()),
            failure_config=FailureConfig(max_failures=3),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )
    with echo_lines(progress):
        result = trainer.fit()
    if result.checkpoint is None:
        raise RuntimeError(f"pre-training ended without a checkpoint; see {storage}")
    return Path(result.checkpoint.path)


def train_worker(config: dict[str, Any]) -> None:
    """What each Ray Train worker runs."""
    settings = PretrainSettings.model_validate(config["settings"])
    classes = tuple(config["classes"])
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    windows = read_windows([StoredFile(**f) for f in config["files"]]).where(dataset=config["datasets"])
    train, val = windows.where(split="train"), windows.where(split="val")
    shard = shard_of(train, classes, rank=rank, world=world, seed=settings.seed)
    held = hashlib.sha256(shard.x.numpy().data).hexdigest()
    val_share = val.take(np.arange(rank, len(val), world))

    torch.manual_seed(settings.seed)  # equal initial weights on every rank
    card = card_for(train, classes, settings, config["trained_on"])
    model = card.build()
    model.standardize(*channel_statistics(train.x))
    weight = class_weights(train.targets(classes), len(classes))
    del windows, train, val
    objective = Objective(model, penalty_weight=settings.penalty_weight, class_weight=weight)
    optimizer = optimizer_of([{"params": trainable(objective), "lr": settings.lr}], settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings.epochs)
    layout = layout_of(card.channels)
    log: list[dict[str, Any]] = []
    best: dict[str, torch.Tensor] = {}
    start = 0
    if (checkpoint := ray.train.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            state = load_torch(Path(folder) / STATE_FILE)
            log = json.loads((Path(folder) / LOG_FILE).read_text(encoding="utf-8"))["epochs"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        best, start = state["best"], int(state["epoch"]) + 1
    parallel = ray.train.torch.prepare_model(objective)

    for epoch in range(start, settings.epochs):
        torch.manual_seed(key(settings.seed, epoch, rank))  # dropout: the same after a resume
        loss = train_epoch(
            parallel, optimizer, shard, batch_size=settings.batch_size,
            noise_std=settings.noise_std if settings.penalty_weight > 0 else None,
            seed=settings.seed, epoch=epoch, rank=rank, layout=layout, variation=settings.augment,
        )  # fmt: skip
        schedule.step()
        confusion = _confusion(model, val_share.x, val_share.targets(classes), len(classes))
        macro_f1 = float(macro_f1_of(_summed(confusion)))
        log.append({"epoch": epoch, "loss": float(_summed(np.array([loss]))[0] / world), "val_macro_f1": macro_f1})
        best_epoch = int(np.argmax([line["val_macro_f1"] for line in log]))
        if best_epoch == len(log) - 1:
            best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if rank == 0:
            with Path(config["progress"]).open("a", encoding="utf-8") as stream:
                stream.write(
                    f"epoch {epoch + 1}/{settings.epochs}  loss {log[-1]['loss']:.4f}  val macro-F1 {macro_f1:.3f}\n"
                )
        last = epoch == settings.epochs - 1 or len(log) - 1 - best_epoch >= settings.patience_epochs
        if last or (epoch + 1) % settings.checkpoint_every_epochs == 0:
            ranks = _gathered(
                {"weights_sha256": weights_sha256(model), "windows_sha256": held, "n_windows": int(shard.y.numel())}
            )
            state = {
                "model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
                "best": best, "epoch": epoch,
            }  # fmt: skip
            with tempfile.TemporaryDirectory() as folder:
                if rank == 0:
                    torch.save(state, Path(folder) / STATE_FILE)
                    chosen = card.build()
                    chosen.load_state_dict(best)
                    save_model(Path(folder) / MODEL_FILE, chosen, card)
                    text = json.dumps({"epochs": log, "ranks": ranks}, indent=1)
                    (Path(folder) / LOG_FILE).write_text(text, encoding="utf-8")
                ray.train.report(
                    {"epoch": epoch, "loss": log[-1]["loss"], "val_macro_f1": macro_f1},
                    checkpoint=Checkpoint.from_directory(folder) if rank == 0 else None,
                )
        if last:
            return


def _confusion(model: Any, x: np.ndarray, y: np.ndarray, n_classes: int) -> np.ndarray:
    predicted = np.argmax(predict(model, x), axis=1)
    return np.bincount(y * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes).astype(float)


def _summed(values: np.ndarray) -> np.ndarray:
    """Sum over the ranks: each then takes the same decision."""
    tensor = torch.from_numpy(values.astype(np.float64))
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor.numpy()


def _gathered(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Each rank's value, in order of rank."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values
