"""Pre-training on Ray Train: what the driver does. `worker.py` is what each worker runs."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import ray
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from vimu.runtime.console import console, echo_lines
from vimu.runtime.futures import aside
from vimu.runtime.metrics import labels
from vimu.runtime.resources import DEFAULTS, ResourceSettings, require
from vimu.runtime.storage import StoredFile
from vimu.training.loop import LossNotFiniteError
from vimu.training.process_group import NodesTorchConfig
from vimu.training.resume import newest_whole
from vimu.training.settings import PretrainSettings
from vimu.training.tracking import MLFLOW_VARIABLE, require_mlflow
from vimu.training.worker import FAILURE_FILE, LOG_FILE, MODEL_FILE, Job, train_worker

__all__ = ["LOG_FILE", "MODEL_FILE", "pretrain_on_ray"]

MAX_FAILURES = 3
"""Of workers, from each of which training goes on."""


def pretrain_on_ray(
    files: Sequence[StoredFile],
    *,
    datasets: Sequence[str],
    classes: Sequence[str],
    settings: PretrainSettings,
    trained_on: str,
    storage: Path,
    tensorboard: Path,
    resources: ResourceSettings = DEFAULTS,
) -> Path:
    """Train on `train` windows of `datasets`, choose the epoch on `val`; returns the folder of the last checkpoint.

    The folder holds `model.pt` (the best epoch) and `log.json`. Run again with the same `storage`, it goes on from the
    last whole checkpoint; one that is damaged is skipped with a warning.

    Args:
        tensorboard: folder for each epoch's figures, readable while it trains.
        resources: what a worker needs, and how long a cluster may lack it.

    Raises:
        UserError: a checkpoint there is of other settings or windows, this Ray has too few CPUs or GPUs for the
            workers and gets no more in time, or MLflow is configured but not installed.
        LossNotFiniteError: the loss became NaN or infinite; the message names the batch.
    """
    mlflow_uri = os.environ.get(MLFLOW_VARIABLE)
    if mlflow_uri:
        require_mlflow()
    storage.mkdir(parents=True, exist_ok=True)
    storage = storage.resolve()
    identity = {
        "settings": settings.model_dump(mode="json"),
        "datasets": list(datasets),
        "classes": list(classes),
        "windows": [file.sha256 for file in files],
    }
    done = newest_whole(storage, identity, _say)
    if done is not None and done.final:
        return done.folder
    per_worker, use_gpu = _per_worker(settings, resources)
    progress, failure = storage / "progress.log", storage / FAILURE_FILE
    failure.unlink(missing_ok=True)
    job = Job(
        files=[asdict(f) for f in files], identity=identity, trained_on=trained_on, storage=str(storage),
        progress=str(progress), tensorboard=str(tensorboard.resolve()), mlflow_uri=mlflow_uri or None,
        labels=labels(),
    )  # fmt: skip
    # A Ray run of its own each time: a killed one's state may be torn, the sealed checkpoints are not.
    attempt = 1 + max((int(p.name.split("-")[1]) for p in storage.glob("attempt-*")), default=0)
    trainer = TorchTrainer(
        train_worker,
        train_loop_config=asdict(job),
        scaling_config=ScalingConfig(
            num_workers=settings.n_workers,
            use_gpu=use_gpu,
            resources_per_worker=per_worker,
        ),
        torch_config=NodesTorchConfig(backend="cpu:gloo,cuda:nccl" if use_gpu else "gloo"),
        run_config=RunConfig(
            name=f"attempt-{attempt}",
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )
    with echo_lines(progress):
        aside(trainer.fit)
    if failure.is_file():
        raise LossNotFiniteError(failure.read_text(encoding="utf-8"))
    done = newest_whole(storage, identity, _say)
    if done is None or not done.final:
        raise RuntimeError(f"pre-training ended without its last checkpoint being whole; run again: {storage}")
    return done.folder


def _say(line: str) -> None:
    console.print(f"  {line}", markup=False)


def _per_worker(settings: PretrainSettings, resources: ResourceSettings) -> tuple[dict[str, float], bool]:
    """What each worker gets of a node, and whether a GPU is of it.

    Raises:
        UserError: the settings ask for more than this Ray has, or its cluster gets in time.
    """
    needs = resources.pretrain
    with_gpu = needs.bundle | {"GPU": needs.gpus}
    n_gpus = ray.cluster_resources().get("GPU", 0)
    use_gpu = settings.device == "gpu" or (settings.device == "auto" and n_gpus >= settings.n_workers * needs.gpus)
    bundle = with_gpu if use_gpu else needs.bundle
    require(bundle, resources.wait_s, "`pretrain.n_workers` times `resources.pretrain`", n=settings.n_workers)
    return bundle, use_gpu
