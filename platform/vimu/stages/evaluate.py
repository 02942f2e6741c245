"""The final evaluation: every network and baseline on the test subjects; metrics, predictions, report."""

import json
from pathlib import Path
from typing import Any

from vimu.evaluation.predictions import prediction_rows, predictions_table
from vimu.evaluation.published import beside, load_published
from vimu.evaluation.report import render_report
from vimu.evaluation.results import gain, result
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.session import ray_session
from vimu.runtime.storage import write_whole
from vimu.stages.config import Config
from vimu.stages.evaluate_models import Predicted, Work, predict_all, sides_of
from vimu.stages.evaluate_page import notes_of, page_of
from vimu.stages.shards import write_shard
from vimu.stages.stage import Plan, Stage, clips_of, input_identity, upstream

NAME = "evaluate"
METRICS = "metrics.json"


def plan(config: Config) -> Plan[Work]:
    """Which tables will be made.

    Raises:
        UserError: an earlier stage is not published, or the published figures asked for are not there.
    """
    prepared, pretrained, finetuned = (upstream(config, name) for name in ("prepare", "pretrain", "finetune"))
    crossed = upstream(config, "crossval") if config.crossval is not None else None
    work = Work(clips_of(config), prepared, pretrained, finetuned, crossed)
    published = config.evaluate.published
    table = {} if published is None else {"published": load_published(published).model_dump(mode="json")}
    n_networks = len(work.networks)
    return Plan(
        identity={
            "settings": config.evaluate.model_dump(mode="json", exclude={"published"}) | table,
            "inputs": input_identity(prepared, pretrained, finetuned, *([] if crossed is None else [crossed])),
        },
        counts={
            "networks": n_networks,
            "models": work.finetuned.manifest["counts"]["models"] + n_networks,
            "forests": 2 * len(work.seeds),
        },
        work=work,
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Predict, score, and write `metrics.json`, `predictions.parquet` and `report.html`."""
    assert plan.work is not None
    work = plan.work
    virtual, real = sides_of(config, work)
    with ray_session(config.ray, config.resources):
        predicted = list(predict_all(config, work, virtual, real))
    results = [_scored(p, config.evaluate.n_resamples) for p in predicted]
    own = notes_of(work, virtual, real, results)
    metrics: dict[str, Any] = {"results": results, "notes": list(own), "holdout_notes": own}
    if work.crossed is not None:
        on_all = json.loads(work.crossed.file(METRICS).read())
        results += on_all["results"]
        metrics["notes"] += on_all["notes"]
    if config.evaluate.published is not None:
        metrics["published"] = beside(load_published(config.evaluate.published), results)
    write_whole(staging / METRICS, json.dumps(metrics, indent=1))
    rows = [prediction_rows(p.what, p.side.test, p.side.classes, p.by_seed) for p in predicted]
    table = predictions_table(rows, {side.dataset: side.classes for side in (virtual, real)})
    write_shard(staging / "predictions.parquet", table, dictionary=["dataset", "experiment", "method", "truth"])
    write_whole(staging / "report.html", render_report(metrics, page_of(config, work)))
    return Outcome(
        counts={
            "results": len(results),
            "test_windows": len(real.test),
            "test_subjects": len(set(real.test.subject.tolist())),
        },
        content_hash=content_hash(
            (f"{i}:{r['dataset']}:{r['experiment']}:{r['method']}", json.dumps(r["by_seed"], sort_keys=True))
            for i, r in enumerate(results)
        ),
        licences=work.prepared.manifest["licences"],
        details={"synthetic": virtual.synthetic or real.synthetic, "notes": metrics["notes"]},
    )


def _scored(p: Predicted, n_resamples: int) -> dict[str, Any]:
    """An entry of `metrics.json`."""
    test, classes = p.side.test, p.side.classes
    entry = result(p.what, test, classes, p.by_seed, split=p.side.split, n_resamples=n_resamples)
    entry |= {"protocol": "holdout", "split_protocol": p.side.protocol}
    if p.scratch is not None:
        entry |= gain(test, classes, p.by_seed, p.scratch, n_resamples=n_resamples)
    return entry


def _plan(config: Config) -> Plan[Any]:
    if config.align is None:
        return plan(config)
    from vimu.stages import evaluate_aligned  # with torch

    return evaluate_aligned.plan(config)


def _build(config: Config, planned: Plan[Any], staging: Path) -> Outcome:
    if config.align is None:
        return build(config, planned, staging)
    from vimu.stages import evaluate_aligned

    return evaluate_aligned.build(config, planned, staging)


STAGE = Stage(NAME, _plan, _build)
