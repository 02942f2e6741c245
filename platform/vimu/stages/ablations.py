"""The method with one part changed: another configuration, and, where the part is in them, other virtual windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vimu.runtime.config import Section, configs_folder, merged, validate
from vimu.runtime.errors import UserError, listed
from vimu.runtime.storage import absolute
from vimu.runtime.yaml import read_yaml
from vimu.stages import prepare
from vimu.stages.config import Config
from vimu.stages.stage import Plan, clips_of
from vimu.tuning.rows import PRETRAINING, Variant

CHANGEABLE = ("pretrain", "finetune", "prepare")
OF_VIRTUAL_WINDOWS = ("upsample", "device", "device_seed", "filters")


class Ablation(Section):
    """One part of the method."""

    what: str
    """The part, for a reader."""
    off: dict[str, dict[str, Any]]
    """Over the configuration, section within section: without the part."""
    on: dict[str, dict[str, Any]]
    """With it, for a configuration that is without."""


@dataclass(frozen=True)
class Ablated:
    """A configuration with one part changed."""

    variant: Variant
    what: str
    config: Config
    prepare: Plan[Any] | None
    """How its windows are cut; None where they are the run's own."""


def ablate(config: Config, names: tuple[str, ...]) -> list[Ablated]:
    """The configurations of some ablations of `configs/ablations.yaml`.

    Raises:
        UserError: an unknown name, or an ablation that this configuration cannot have.
    """
    path = configs_folder() / "ablations.yaml"
    known = read_yaml(path)
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"`crossval.ablations` must be among {listed(known, 20)}, but names {listed(unknown)}.")
    return [
        _ablated(config, name, validate(Ablation, known[name], where=f"`{name}` of {path}"), path) for name in names
    ]


def _ablated(config: Config, name: str, ablation: Ablation, path: Path) -> Ablated:
    base = config.model_dump(mode="json")
    without = _takes_out(base, ablation.off)
    changes = ablation.off if without else ablation.on
    _check_changes(name, changes, path)
    label = f"{name} {'off' if without else 'on'}"
    changed = validate(Config, merged(base, changes), where=f"the configuration with `{label}`")
    variant = Variant(label, changed.pretrain, changed.finetune)
    if changed.prepare == config.prepare:
        return Ablated(variant, ablation.what, changed, None)
    assert changed.prepare is not None
    clips = changed.prepare.model_copy(update={"clips": clips_of(config).folder})
    place = {"runs_dir": config.run_dir / "ablations", "name": label.replace(" ", "-"), "prepare": clips}
    changed = changed.model_copy(update=place)
    try:
        plan = prepare.plan(changed)
    except UserError as error:
        raise UserError(f"`crossval.ablations`: `{name}` cannot be had here: {error}") from error
    return Ablated(
        Variant(label, changed.pretrain, changed.finetune, f"{PRETRAINING} {label}"), ablation.what, changed, plan
    )


def command_of(config: Config) -> str:
    """The configuration of an ablation's `prepare`, as the manifest of its windows says it."""
    return f"FILE --set name={config.name} --set runs_dir={absolute(config.runs_dir)} (made by jobs/crossval.py)"


def _takes_out(base: Any, off: Any) -> bool:
    """Whether `off` changes something that `base` has."""
    if isinstance(off, Mapping):
        return isinstance(base, Mapping) and any(key in base and _takes_out(base[key], off[key]) for key in off)
    return bool(base != off)


def _check_changes(name: str, changes: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    other = [key for key in changes if key not in CHANGEABLE]
    other += [f"prepare.{key}" for key in changes.get("prepare", {}) if key not in OF_VIRTUAL_WINDOWS]
    if other:
        raise UserError(
            f"`{name}` of {path} must change `pretrain`, `finetune` or, of `prepare`, {listed(OF_VIRTUAL_WINDOWS)}, "
            f"but changes {listed(other)}: variants are compared on the same real windows."
        )
