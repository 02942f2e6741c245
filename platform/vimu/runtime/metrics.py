"""What a run is at, as Ray metrics: each node's agent shows them to Prometheus, under these names with `ray_` before.

`deploy/grafana/vimu.json` draws them. Where no Ray is up they are not recorded: a metric is nobody's result.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ray.util.metrics import Counter, Gauge

Labels = dict[str, str]
OF_A_STAGE = ("run", "stage")
STATES = {"running": 1, "published": 2, "failed": 3}
GAUGES = {
    "vimu_stage_state": ("State of a stage: 1 running, 2 published, 3 failed.", OF_A_STAGE),
    "vimu_tasks": ("Tasks, fits, models, trials or calls that a stage has to do.", (*OF_A_STAGE, "unit")),
    "vimu_epoch": ("Epoch that pre-training has ended.", (*OF_A_STAGE, "model")),
    "vimu_train_loss": ("Training loss of the last epoch.", (*OF_A_STAGE, "model")),
    "vimu_val_macro_f1": ("Macro-F1 on the validation split after the last epoch.", (*OF_A_STAGE, "model")),
}
COUNTERS = {
    "vimu_tasks_done": ("Of those, how many are done.", (*OF_A_STAGE, "unit")),
    "vimu_made": ("Frames synthesized, or windows cut or measured.", (*OF_A_STAGE, "unit")),
    "vimu_rejections": ("Files, trials and clips left out.", (*OF_A_STAGE, "reason")),
}
"""Name -> what it says, and its labels. Prometheus adds `_total` to a counter's name."""

_now: Labels = {}


@contextmanager
def of_stage(run: str, stage: str) -> Iterator[None]:
    """Metrics within are of this run and stage, which is running; then published, or, after an error, failed."""
    before = dict(_now)
    _now.update(run=run, stage=stage)
    say_state("running")
    try:
        yield
    except BaseException:
        say_state("failed")
        raise
    else:
        say_state("published")
    finally:
        _now.clear()
        _now.update(before)


def labels() -> Labels:
    """Run and stage, for a worker's metrics; empty outside of a stage."""
    return dict(_now)


def say_state(state: Literal["running", "published", "failed"]) -> None:
    """Of the stage. Ray may come up after it began: its session says so again."""
    say("vimu_stage_state", STATES[state])


def say(name: str, value: float, of: Labels | None = None, **more: str) -> None:
    """Set a gauge.

    Args:
        of: run and stage, in a worker; None takes this process's.
    """
    if (found := _labelled(of, more)) is not None:
        _gauge(name).set(value, found)


def count(name: str, n: float, **more: str) -> None:
    """Add to a counter."""
    if n > 0 and (found := _labelled(None, more)) is not None:
        _counter(name).inc(n, found)


def count_task(row: Mapping[str, Any]) -> None:
    """What one task of `vimu.stages.shards` made and left out; of one that failed, nothing."""
    if row.get("left_out"):
        count("vimu_made", row["made"], unit=row["unit"])
        for reason, n in json.loads(row["left_out"]).items():
            count("vimu_rejections", n, reason=reason)


def _labelled(of: Labels | None, more: Labels) -> Labels | None:
    found = _now if of is None else of
    if not found or "ray" not in sys.modules:
        return None
    import ray

    return found | more if ray.is_initialized() else None


@cache
def _gauge(name: str) -> "Gauge":
    from ray.util.metrics import Gauge

    return Gauge(name, *GAUGES[name])


@cache
def _counter(name: str) -> "Counter":
    from ray.util.metrics import Counter

    return Counter(name, *COUNTERS[name])
