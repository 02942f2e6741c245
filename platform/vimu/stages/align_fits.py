"""The models of an alignment on Ray Train: its workers share them, each trains its own from the first step to the last.

A model is a minute or two of one CPU: several side by side use a machine better than all workers on each in turn. Every
finished model is reported as a checkpoint; a run that is killed, or loses a worker, makes only those under way again.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ray.train
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from vimu.runtime.console import console, echo_lines
from vimu.runtime.futures import aside
from vimu.runtime.resources import ONE_CPU, Needs
from vimu.runtime.storage import StoredFile
from vimu.semantics.align_settings import AlignSettings
from vimu.semantics.fit_list import LOG_FILE, Fit
from vimu.semantics.fits import Fitter
from vimu.semantics.rules import Rules
from vimu.semantics.shared_states import shared_states
from vimu.semantics.taught import Texts
from vimu.training.process_group import NodesTorchConfig
from vimu.training.resume import seal, sealed_parts

MAX_FAILURES = 3
"""Of workers."""


@dataclass(frozen=True)
class Job:
    """What the driver tells its workers; plain values."""

    windows: list[dict[str, Any]]
    """`StoredFile`s."""
    interpretations: dict[str, Any] | None
    """`StoredFile`."""
    descriptions: dict[str, str] | None
    """What the archive says of each clip, in place of interpretations."""
    labels: dict[str, Any]
    """The label file as a mapping."""
    settings: dict[str, Any]
    datasets: list[str]
    sensors: list[str]
    start: dict[str, str]
    """Model -> file of the one that it goes on from."""
    identity: dict[str, Any]
    """Of the plan: what finished models belong to."""
    others: list[dict[str, Any]]
    """`StoredFile`s of windows that may be learnt without a class: those of `mocap`."""
    mocap: list[str]
    rules: dict[str, Any] | None
    """What puts those into words, as a mapping."""
    fits: list[dict[str, Any]] = field(default_factory=list)
    """Those that are not there yet."""
    progress: str = ""
    """File of lines for the person who waits; beside it the checkpoints."""


def align_on_ray(
    fits: Sequence[Fit], job: Job, *, storage: Path, n_workers: int, needs: Needs = ONE_CPU
) -> dict[str, Path]:
    """Train the models that `storage` does not hold yet; returns the folder of each by name.

    Raises:
        RuntimeError: workers ended without all models being whole.
    """
    storage.mkdir(parents=True, exist_ok=True)
    storage = storage.resolve()
    done = sealed_parts(storage, job.identity, _say)
    missing = [asdict(fit) for fit in fits if fit.name not in done]
    if not missing:
        return done
    if done:
        _say(f"{len(done)} of {len(fits)} models are there already")
    attempt = 1 + max((int(p.name.split("-")[1]) for p in storage.glob("attempt-*")), default=0)
    trainer = TorchTrainer(
        align_worker,
        train_loop_config=asdict(job) | {"fits": missing, "progress": str(storage / "progress.log")},
        scaling_config=ScalingConfig(
            num_workers=min(n_workers, len(missing)), use_gpu=False, resources_per_worker=needs.bundle
        ),
        torch_config=NodesTorchConfig(backend="gloo"),
        run_config=RunConfig(
            name=f"attempt-{attempt}", storage_path=str(storage),
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
        ),
    )  # fmt: skip
    with echo_lines(storage / "progress.log"):
        aside(trainer.fit)
    done = sealed_parts(storage, job.identity, _say)
    if lacking := [fit.name for fit in fits if fit.name not in done]:
        raise RuntimeError(f"alignment ended without {', '.join(lacking)} being whole; run again: {storage}")
    return done


def align_worker(config: dict[str, Any]) -> None:
    """Train this worker's share of the models, in rounds of one each; Ray Train keeps what each round reports."""
    job = Job(**config)
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    there = sealed_parts(Path(job.progress).parent, job.identity, lambda _: None)  # after a worker was lost
    fits = [fit for fit in (Fit(**raw) for raw in job.fits) if fit.name not in there]
    texts = Texts(job.descriptions or {})
    if job.interpretations is not None:
        texts = Texts.of_interpretations(StoredFile(**job.interpretations).table())
    fitter = Fitter(
        AlignSettings.model_validate(job.settings), [StoredFile(**f) for f in job.windows], texts, job.labels,
        datasets=tuple(job.datasets), sensors=tuple(job.sensors),
        start=lambda fit: Path(job.start[fit.name]) if fit.name in job.start else None,
        others=[StoredFile(**f) for f in job.others],
        mocap=tuple(job.mocap),
        rules=None if job.rules is None else Rules.model_validate(job.rules),
        states_of=partial(shared_states, folder=Path(job.progress).parent / "texts", rank=rank, world=world),
    )  # fmt: skip
    fitter.prepare(fits)
    for first in range(0, len(fits), world):
        with tempfile.TemporaryDirectory() as name:
            if first + rank < len(fits):
                _train(fitter, fits[first + rank], Path(name), job)
            ray.train.report(
                {"models": first + world},
                checkpoint=Checkpoint.from_directory(name) if first + rank < len(fits) else None,
            )


def _train(fitter: Fitter, fit: Fit, folder: Path, job: Job) -> None:
    began = time.perf_counter()
    into = folder / fit.name
    into.mkdir()
    log = fitter.run(fit, into)
    log["seconds"] = round(time.perf_counter() - began, 1)
    (into / LOG_FILE).write_text(json.dumps(log, indent=1), encoding="utf-8")
    seal(into, job.identity, epoch=0, final=True)
    with Path(job.progress).open("a", encoding="utf-8") as stream:
        score = "" if log["val_macro_f1"] is None else f"val macro-F1 {log['val_macro_f1']:.3f}  "
        stream.write(f"{fit.name:<28}{score}{log['seconds']:.0f} s\n")


def _say(line: str) -> None:
    console.print(f"  {line}", markup=False)
