"""The networks of a run: `pretrain.model`, and those of `baselines`, which are trained and tested alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from vimu.models.choice import NetworkSettings
from vimu.runtime.errors import UserError
from vimu.training.settings import PretrainSettings

BASELINES = "baselines"
"""Folder of a stage's result for what is not of `pretrain.model`."""


def networks_of(pretrain: PretrainSettings, baselines: Sequence[NetworkSettings]) -> dict[str, PretrainSettings]:
    """Method -> its settings, `pretrain.model` first: only the shape differs, all else is what ours gets.

    Args:
        pretrain: after tuning.

    Raises:
        UserError: tuning chose a kind that is among the baselines.
    """
    shapes = [pretrain.model, *baselines]
    if len({shape.kind for shape in shapes}) < len(shapes):
        raise UserError(
            f"`baselines` must be other networks than tuning's winner, but both have {pretrain.model.kind}: take it "
            "out of `baselines`, or `pretrain.model.kind` out of the study."
        )
    return {shape.kind: pretrain.model_copy(update={"model": shape}) for shape in shapes}


def identity_of(baselines: Sequence[NetworkSettings]) -> dict[str, Any]:
    """Their part of a stage's identity: none where there are none."""
    return {BASELINES: [shape.model_dump(mode="json") for shape in baselines]} if baselines else {}


def model_file(method: str, networks: Sequence[str]) -> str:
    """Where `pretrain` publishes a network: `model.pt`, or `baselines/METHOD/model.pt`."""
    return f"{_folder(method, networks)}model.pt"


def log_file(method: str, networks: Sequence[str]) -> str:
    """Its log, beside it."""
    return f"{_folder(method, networks)}log.json"


def tuned_file(method: str, networks: Sequence[str], start: str, seed: int, suffix: str) -> str:
    """Where `finetune` publishes a model (`.pt`) or its log (`.json`): `models/START-SEED.pt` for ours."""
    return f"{_folder(method, networks) or 'models/'}{start}-{seed}{suffix}"


def require_trained(windows: Mapping[str, Mapping[str, int]], dataset: str, setting: str) -> tuple[str, ...]:
    """The classes of a dataset, each with a training window.

    Args:
        windows: split -> class -> windows.
        setting: the split's, for the message.

    Raises:
        UserError: names the classes that only other splits have.
    """
    classes = tuple(sorted({label for by_label in windows.values() for label in by_label}))
    untrained = [label for label in classes if not windows.get("train", {}).get(label)]
    if untrained:
        raise UserError(
            f"Each class of `{dataset}` must have a training window, but {', '.join(untrained)} "
            f"{'has' if len(untrained) == 1 else 'have'} none. Split otherwise, e.g. --set {setting}.seed=1, and run "
            "jobs/prepare.py under another `name`."
        )
    return classes


def _folder(method: str, networks: Sequence[str]) -> str:
    return "" if method == networks[0] else f"{BASELINES}/{method}/"
