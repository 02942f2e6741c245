"""Which models an alignment trains. Without torch, which a plan does not wait for."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from vimu.semantics.align_settings import AlignSettings, Variant

MODEL_FILE, LOG_FILE = "model.pt", "log.json"
Task = Literal["all", "unseen"]
"""`all` learns every class; `unseen` is kept from those of `align.unseen`."""


@dataclass(frozen=True)
class Fit:
    """A model to be trained."""

    task: Task
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.task}-{self.variant}-{self.seed}"


def fits_of(settings: AlignSettings, learnable: Collection[str]) -> list[Fit]:
    """Every model of an alignment; those that take as long stand side by side.

    Args:
        learnable: classes that have training windows.
    """
    kept_out = set(settings.unseen) & set(learnable)
    tasks: list[tuple[Task, Variant]] = [("all", "aligned")]
    if kept_out:
        tasks.append(("unseen", "aligned"))
    tasks += [("all", variant) for variant in settings.controls]
    if kept_out:
        tasks += [("unseen", variant) for variant in settings.controls if variant not in ("softmax", "no_judge")]
    return [Fit(task, variant, seed) for task, variant in tasks for seed in settings.seeds]
