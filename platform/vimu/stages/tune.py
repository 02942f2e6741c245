"""Search of the penalty weight and the fine-tuning schedule, on Ray Tune with Optuna.

A trial pre-trains briefly with its penalty weight, fine-tunes on the real training subjects with its schedule, and is
judged by the macro-F1 of the validation subjects. Test subjects take no part.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.session import ray_session
from vimu.runtime.storage import write_whole
from vimu.stages.config import Config, TuneSettings
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.windows.schema import WindowSet, read_windows

NAME = "tune"
METRIC = "val_macro_f1"
FINETUNE_PARAMS = ("schedule", "lr", "encoder_lr_share")


@dataclass(frozen=True)
class Work:
    """Inputs and ranges."""

    prepared: Published
    settings: TuneSettings


def plan(config: Config) -> Plan[Work]:
    """What is searched, with how many trials.

    Raises:
        UserError: no `tune` section, or no windows are published yet.
    """
    if config.tune is None:
        raise UserError("`tune` must be a section of the configuration, but is missing.")
    prepared = upstream(config, "prepare")
    return Plan(
        identity={
            "settings": config.tune.model_dump(mode="json"),
            "pretrain": config.pretrain.model_dump(mode="json"),
            "finetune": config.finetune.model_dump(mode="json"),
            "inputs": input_identity(prepared),
        },
        counts={"trials": config.tune.n_trials, "at_once": config.tune.max_concurrent},
        work=Work(prepared, config.tune),
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Run the study; the best trial's settings are what later stages use."""
    assert plan.work is not None
    settings, prepared = plan.work.settings, plan.work.prepared
    storage = staging / ".ray_tune"
    shutil.rmtree(storage, ignore_errors=True)  # of a killed run: a study begins anew
    with ray_session(config.ray):
        import optuna
        from ray import tune
        from ray.tune.search.optuna import OptunaSearch

        from vimu.stages.trial_lines import TrialLines

        optuna.logging.set_verbosity(optuna.logging.WARNING)

        windows = read_windows(prepared.files("windows/"))
        details = prepared.details
        trainable = tune.with_parameters(
            run_trial,
            virtual=windows.where(dataset=details["virtual_datasets"], split=("train", "val")),
            real=windows.where(dataset=details["real_dataset"], split=("train", "val")),
            pretrain=config.pretrain.model_copy(update={"epochs": settings.pretrain_epochs}).model_dump(mode="json"),
            finetune=config.finetune.model_dump(mode="json"),
        )
        search = OptunaSearch(
            metric=METRIC, mode="max", sampler=optuna.samplers.TPESampler(seed=settings.seed, n_startup_trials=5)
        )
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={
                "penalty_weight": tune.loguniform(*settings.penalty_weight),
                "schedule": tune.choice(list(settings.schedules)),
                "lr": tune.loguniform(*settings.lr),
                "encoder_lr_share": tune.loguniform(*settings.encoder_lr_share),
            },
            tune_config=tune.TuneConfig(
                num_samples=settings.n_trials, max_concurrent_trials=settings.max_concurrent, metric=METRIC,
                mode="max", search_alg=search, reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="study", storage_path=str(storage.resolve()), verbose=0,
                callbacks=[TrialLines(settings.n_trials, METRIC)],
            ),
        )  # fmt: skip
        results = tuner.fit()
    trials: list[dict[str, Any]] = [
        {"params": dict(r.config or {}), METRIC: (r.metrics or {}).get(METRIC), "error": str(r.error or "") or None}
        for r in results
    ]
    finished = [trial for trial in trials if trial[METRIC] is not None]
    if not finished:
        raise RuntimeError(f"every trial failed; the first: {trials[0]['error']}")
    best = max(finished, key=lambda trial: trial[METRIC])
    shutil.rmtree(storage)
    write_whole(staging / "trials.json", json.dumps(trials, indent=1))
    params = best["params"]
    return Outcome(
        counts={"trials": len(trials), "failed": len(trials) - len(finished)},
        content_hash=content_hash((json.dumps(t["params"], sort_keys=True), repr(t[METRIC])) for t in trials),
        licences=prepared.manifest["licences"],
        details={
            "winner": {
                "pretrain": {"penalty_weight": params["penalty_weight"]},
                "finetune": {name: params[name] for name in FINETUNE_PARAMS},
            },
            "best": best,
        },
    )


def run_trial(
    params: dict[str, Any], virtual: WindowSet, real: WindowSet, pretrain: dict[str, Any], finetune: dict[str, Any]
) -> dict[str, float]:
    """One trial, in a Ray Tune worker."""
    from vimu.training.checkpoint import save_model
    from vimu.training.fit import finetune as finetune_model
    from vimu.training.fit import fit_from_scratch

    before = PretrainSettings.model_validate(pretrain | {"penalty_weight": params["penalty_weight"]})
    after = FinetuneSettings.model_validate(finetune | {name: params[name] for name in FINETUNE_PARAMS})
    first = fit_from_scratch(
        virtual.where(split="train"), virtual.where(split="val"), virtual.classes, before, trained_on="virtual"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        save_model(path, first.model, first.card)
        second = finetune_model(
            path, real.where(split="train"), real.where(split="val"), real.classes, after, seed=after.seeds[0],
            trained_on="real",
        )  # fmt: skip
    return {METRIC: second.best_val_macro_f1, "virtual_val_macro_f1": first.best_val_macro_f1}


STAGE = Stage(NAME, plan, build)
