"""From searched values to the settings of a trial: conditions, paths, and a check of the whole space beforehand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from vimu.runtime.config import Section, all_of, sentences
from vimu.runtime.yaml import read_yaml
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.settings_study import Parameter, SettingsStudy, Suggests

Params = Mapping[str, JsonValue]
"""Setting -> value: `pretrain.penalty_weight` -> 0.5."""


class Candidate(Section):
    """The settings that a trial trains with."""

    pretrain: PretrainSettings
    finetune: FinetuneSettings

    @property
    def n_epochs(self) -> int:
        """Of a whole trial: pre-training and fine-tuning."""
        return self.pretrain.epochs + self.finetune.epochs

    def having(self, params: Params) -> "Candidate":
        """These settings with some of them replaced.

        Another `pretrain.model.kind` brings its own default shape: widths of one kind mean nothing to another.

        Raises:
            ValidationError: a path that is no setting, or a value that its setting does not take.
        """
        return Candidate.model_validate(self.raw_with(params))

    def raw_with(self, params: Params) -> dict[str, Any]:
        """As `having`, not yet checked."""
        raw = self.model_dump(mode="json")
        for path in sorted(params, key=lambda path: (path.count("."), not path.endswith(".kind"))):
            *parents, last = path.split(".")
            node: Any = raw
            for part in parents:
                node = node.setdefault(part, {}) if isinstance(node, dict) else None
            if not isinstance(node, dict):  # says so in the same grammar as every other path
                raw[path] = params[path]
            elif path == "pretrain.model.kind" and node.get("kind") != params[path]:
                raw["pretrain"]["model"] = {"kind": params[path]}
            else:
                node[last] = params[path]
        return raw


def suggested_params(trial: Suggests, study: SettingsStudy, base: Candidate) -> dict[str, JsonValue]:
    """What Optuna proposes for the parameters that exist under one another's values, and for those tied to them."""
    settings, params = base.model_dump(mode="json"), dict[str, JsonValue]()
    for path, parameter in study.space.items():
        if _exists(parameter, study, params, settings):
            params[path] = parameter.suggested(trial, path)
    tied = {other: params[path] for path in params for other in study.space[path].also or ()}
    return params | tied


def load_study(path: Path, base: Candidate) -> SettingsStudy:
    """A study's file, held against the settings that it searches around.

    Raises:
        UserError: with all that is wrong with the file, and of what can be read of it, with the settings.
    """
    raw = read_yaml(path)
    try:
        study = SettingsStudy.model_validate(raw)
        said = misfits(study, base)
    except ValidationError as error:
        said = sentences(error, raw)
        at = [problem["loc"] for problem in error.errors()]
        odd = {str(loc[1]) for loc in at if len(loc) > 1 and loc[0] == "space"}
        space = raw.get("space")
        rest = {name: p for name, p in space.items() if name not in odd} if isinstance(space, dict) else {}
        if rest:
            part = SettingsStudy.model_validate({"kind": "settings", "space": rest, "pruning": None})
            said += misfits(part, base, whole=False)
    if said:
        raise all_of(said, str(path))
    return study


def check_study(study: SettingsStudy, base: Candidate) -> None:
    """As `load_study`, of a study that is read already."""
    if problems := misfits(study, base):
        raise all_of(problems, "The study")


def misfits(study: SettingsStudy, base: Candidate, *, whole: bool = True) -> list[str]:
    """What is wrong with a study for these settings, every end of every range held against them: a sentence each.

    Paths that are no setting, values that a setting does not take, conditions on nothing, a first rung after the last
    epoch.

    Args:
        whole: whether all of it could be read; else nothing is said of the study as a whole.
    """
    said, searched = study.searched_twice(), 0
    for path in study.space:
        problems, exists = _misfits_of(path, study, base)
        said += problems
        searched += exists
    if whole and not searched:
        said.append("`space` must have a parameter whose condition holds, but has none.")
    n_epochs = base.n_epochs - uncut_epochs(study, base)
    if study.pruning is not None and study.pruning.grace_epochs > n_epochs:
        said.append(
            f"`pruning.grace_epochs` must be at most the {n_epochs} epochs from where it begins, but is "
            f"{study.pruning.grace_epochs}."
        )
    return list(dict.fromkeys(said))


def uncut_epochs(study: SettingsStudy, base: Candidate) -> int:
    """Epochs of a trial that are left alone before rungs begin to count."""
    return base.pretrain.epochs if study.pruning is not None and study.pruning.begins_in == "finetuning" else 0


def _misfits_of(path: str, study: SettingsStudy, base: Candidate) -> tuple[list[str], bool]:
    """What is wrong with one parameter, and whether it ever exists with these settings."""
    if said := study.problems_of(path):
        return said, True
    parameter, settings = study.space[path], base.model_dump(mode="json")
    given = {c: _at(settings, c) for c in parameter.when if c not in study.space}
    said = [f"`{path}`: `when` must look at a setting, but `{c}` is none." for c, v in given.items() if v is _NOTHING]
    if any(value not in (*parameter.allowed(c), _NOTHING) for c, value in given.items()):
        return said, False
    circumstances = _circumstances(study, path)
    for value in parameter.extremes():
        raw = base.raw_with(circumstances | dict.fromkeys((path, *(parameter.also or ())), value))
        try:
            Candidate.model_validate(raw)
        except ValidationError as error:
            said += sentences(error, raw)
    return said, True


def _circumstances(study: SettingsStudy, path: str) -> dict[str, JsonValue]:
    """Searched values under which a parameter exists: the first allowed one of each condition, and of theirs."""
    found: dict[str, JsonValue] = {}
    for condition in study.space[path].when:
        if condition in study.space:
            found |= _circumstances(study, condition) | {condition: study.space[path].allowed(condition)[0]}
    return found


def _exists(parameter: Parameter, study: SettingsStudy, params: Params, settings: Mapping[str, Any]) -> bool:
    def holds(condition: str) -> bool:
        value = params.get(condition, _NOTHING) if condition in study.space else _at(settings, condition)
        return value in parameter.allowed(condition)

    return all(holds(condition) for condition in parameter.when)


_NOTHING = object()


def _at(settings: Mapping[str, Any], path: str) -> Any:
    node: Any = settings
    for part in path.split("."):
        node = node.get(part, _NOTHING) if isinstance(node, dict) else _NOTHING
    return node
