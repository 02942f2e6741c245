"""A run's folder: which stages are published, and what the report does without those that are not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vimu.evaluation.groups import SYNTHETIC
from vimu.runtime.errors import UserError
from vimu.runtime.published import SUCCESS, Published, open_published
from vimu.runtime.storage import Location, location
from vimu.stages.overview import overview

PIPELINE = ("synthesize", "prepare", "tune", "pretrain", "finetune", "crossval", "evaluate", "export")
ALIGNMENT = ("synthesize", "prepare", "interpret", "align", "evaluate")
"""The stages of a run that names signals by words."""
ASKED_BY = {"tune": "pretrain", "crossval": "evaluate"}
"""Stages that a configuration may leave out, and the later one that tells whether it did."""
CONFIG = re.compile(r"--config (\S+)")


@dataclass(frozen=True)
class Run:
    """What of a run is there."""

    name: str
    folder: Location
    stages: Mapping[str, Published]
    """By name; `synthesize` may be another run's, whose clips this one cut."""
    missing: Mapping[str, str]
    """Stage of the pipeline -> why it is not among `stages`."""
    expected: tuple[str, ...]
    """Stages that such a run has, in order."""
    commands: Mapping[str, str]
    """Stage -> the command that made it, or would."""

    @property
    def order(self) -> tuple[str, ...]:
        """All stages, there or missing, in the pipeline's order."""
        every = dict.fromkeys([*self.expected, *self.stages, *self.missing])
        return tuple(name for name in every if name in self.stages or name in self.missing)

    def get(self, stage: str) -> Published | None:
        """A stage, where it is published."""
        return self.stages.get(stage)

    def mark(self, dataset: str) -> str:
        """What follows a data set's name wherever generated data take part."""
        of = self.detail("prepare", "synthetic", {})
        generated = self.detail("synthesize", "synthetic", False)
        return SYNTHETIC if any(of.get(name, generated) for name in dataset.split("+")) else ""

    def lacks(self, stage: str) -> str:
        """Why a stage is not there, and what makes it, for the reader. Empty where it is there."""
        if stage in self.stages:
            return ""
        return f"`{stage}` {self.missing.get(stage, 'is not published')}. It is made by: {self.commands.get(stage, '')}"

    def outdated(self) -> list[str]:
        """Stages that were made of another result of an earlier stage than the one that is published."""
        return [
            f"`{name}` was made of another `{of}` than the one that is published now"
            for name, published in self.stages.items()
            for of, content in published.manifest["identity"].get("inputs", {}).items()
            if of in self.stages and self.stages[of].content_hash != content
        ]

    def detail(self, stage: str, name: str, default: Any = None) -> Any:
        """What a stage's manifest says."""
        published = self.get(stage)
        return default if published is None else published.details.get(name, default)


def open_run(folder: Location) -> Run:
    """A run, its manifests and all files but shards checked.

    Raises:
        UserError: there is no such run, or nothing of it is published.
    """
    states, _ = overview(folder)
    stages: dict[str, Published] = {}
    missing: dict[str, str] = {}
    expected = ALIGNMENT if any(state.name == "align" for state in states) else PIPELINE
    for name in dict.fromkeys([*expected, *(state.name for state in states)]):
        if not (folder / name / SUCCESS).is_file():
            if name in expected:
                unfinished = any(state.name == name for state in states)
                missing[name] = "is not finished" if unfinished else "is not published"
            continue
        try:
            stages[name] = open_published(folder / name, made_by=f"python jobs/{name}.py --config ...")
        except (UserError, ValueError, KeyError) as error:
            missing[name] = f"is damaged: {error}"
    for name, later in ASKED_BY.items():
        if name in missing and later in stages and name not in stages[later].manifest["identity"].get("inputs", {}):
            missing[name] += f", and `{later}` was made without it"
    if not stages:
        raise UserError(f"`{folder}` must hold a published stage, but: " + _sentence(missing))
    if "synthesize" not in stages and (prepared := stages.get("prepare")) is not None:
        found = _clips_elsewhere(folder, prepared)
        if isinstance(found, Published):
            stages["synthesize"] = found
            missing.pop("synthesize", None)
        elif found:
            missing["synthesize"] = found
    commands = {name: str(published.manifest["command"]) for name, published in stages.items()}
    config = next((m[1] for command in commands.values() if (m := CONFIG.search(command))), "FILE")
    commands |= {name: f"python jobs/{name}.py --config {config}" for name in missing}
    ordered = {name: stages[name] for name in dict.fromkeys([*expected, *stages]) if name in stages}
    return Run(Path(str(folder)).resolve().name, folder, ordered, missing, expected, commands)


def _clips_elsewhere(folder: Location, prepared: Published) -> Published | str | None:
    """The clips of the run that `prepare.clips` names, if they are those that were cut; else why not.

    A configuration's paths are relative to where its job ran: runs that lie beside each other are found from anywhere.
    """
    identity = prepared.manifest["identity"]
    named = identity.get("settings", {}).get("clips")
    if named is None:
        return None
    beside = folder.parent / Path(str(named)).parent.name / Path(str(named)).name
    for place in (location(str(named)), beside):
        if (place / SUCCESS).is_file():
            try:
                found = open_published(place, made_by="-")
            except (UserError, ValueError, KeyError):
                continue
            if found.content_hash == identity.get("inputs", {}).get("synthesize"):
                return found
    return f"is of another run, `{named}`, whose clips are not found as they were cut"


def _sentence(missing: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {why}" for name, why in missing.items()) + "."
