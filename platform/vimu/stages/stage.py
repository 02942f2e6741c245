"""What every stage is: a plan that can be shown without running it, and a build that publishes what was planned."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from vimu.runtime.errors import UserError
from vimu.runtime.manifest import FILES, Outcome, only_differ_in
from vimu.runtime.metrics import of_stage
from vimu.runtime.publish import publish, publishing_state
from vimu.runtime.published import SUCCESS, Published, open_published
from vimu.runtime.storage import Location
from vimu.stages.config import Config

P = TypeVar("P")


@dataclass(frozen=True)
class Plan(Generic[P]):
    """What a stage will do, worked out before Ray starts: `--dry-run` shows it, the build carries it out."""

    identity: Mapping[str, Any]
    """Settings and inputs, JSON values: two runs with the same are the same run."""
    counts: Mapping[str, int]
    """What will be read, made and left out, as far as it can be known without doing it."""
    tables: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)
    """More to show: title -> rows of (name, count)."""
    work: P | None = None
    """What the build needs of it."""


@dataclass(frozen=True)
class Stage(Generic[P]):
    """One job."""

    name: str
    plan: Callable[[Config], Plan[P]]
    build: Callable[[Config, Plan[P], Any], Outcome]
    """Gets a local folder; a stage whose workers write gets any place to write to."""
    workers_write: bool = False
    """Its workers write their shards themselves, also to an object store."""
    build_on: Callable[[Config, Plan[P], Any, Published], Outcome] | None = None
    """As `build`, on what was published of an archive that has since grown: what `--update` runs."""
    pending: Callable[[Plan[P], Published], Plan[P]] | None = None
    """Of a plan, what `--update` would do, to show it."""
    renewed_by: tuple[str, ...] = ()
    """Keys of the identity: what differs in these alone is published anew in its place, without being asked."""

    def command(self, config_path: str) -> str:
        """The command that runs it."""
        return f"python jobs/{self.name}.py --config {config_path}"

    def shown(self, config: Config, plan: Plan[P], *, update: bool = False) -> Plan[P]:
        """The plan; of an update, what of it is not done yet."""
        if not (update and self.pending is not None and self._has_grown(config, plan)):
            return plan
        return self.pending(plan, open_published(config.run_dir / self.name, made_by="-"))

    def state(self, config: Config, plan: Plan[P], *, update: bool = False) -> str:
        """What running the plan would do to what is published already, in a sentence. Raises UserError: be refused."""
        folder = config.run_dir / self.name
        if update and self._has_grown(config, plan):
            return f"would take into {folder} what was added to the archives, changed or removed since"
        return publishing_state(folder, self._identity(plan), renewed_by=self.renewed_by)

    def _has_grown(self, config: Config, plan: Plan[P]) -> bool:
        """Whether it is published, of other files of the same archives."""
        folder = config.run_dir / self.name
        if not (folder / SUCCESS).is_file():
            return False
        there = open_published(folder, made_by="the job again").manifest["identity"]
        return only_differ_in({FILES}, there, json.loads(json.dumps(self._identity(plan))))

    def _identity(self, plan: Plan[P]) -> dict[str, Any]:
        return {"stage": self.name, **plan.identity}

    def run(self, config: Config, plan: Plan[P], config_path: str, *, update: bool = False) -> Published:
        """Publish what was planned, or find it published already.

        Args:
            update: build on what the same settings published of other input files.
        """

        def build(staging: Location, previous: Published | None) -> Outcome:
            if previous is None or self.build_on is None:
                return self.build(config, plan, staging)
            return self.build_on(config, plan, staging, previous)

        with of_stage(config.name, self.name):
            return publish(
                config.run_dir / self.name,
                identity=self._identity(plan),
                build=build,
                made_by=self.command(config_path),
                update=update,
                renewed_by=self.renewed_by,
                workers_write=self.workers_write,
            )


def upstream(config: Config, stage: str) -> Published:
    """The published folder of an earlier stage of this run."""
    return open_published(config.run_dir / stage, made_by=f"python jobs/{stage}.py --config {config.given}")


def clips_of(config: Config) -> Published:
    """The clips that a run cuts: its own, or those of the run that `prepare.clips` names."""
    elsewhere = None if config.prepare is None else config.prepare.clips
    if elsewhere is None:
        return upstream(config, "synthesize")
    published = open_published(elsewhere, made_by="python jobs/synthesize.py --config ... of that run")
    if published.manifest["stage"] != "synthesize":
        raise UserError(
            f"`prepare.clips` must be a `synthesize` folder, but `{elsewhere}` is of `{published.manifest['stage']}`."
        )
    return published


def input_identity(*published: Published) -> dict[str, str]:
    """Upstream folders as part of an identity: by what they hold, not when or where they were made.

    The content hash is over arrays; who moves, what it is called and whether it trains or tests is in `labels_hash`. A
    take that gets another label, or a subject another split, must not leave a later stage as it was.
    """
    arrays = {str(p.manifest["stage"]): p.content_hash for p in published}
    return arrays | {
        f"{p.manifest['stage']}_labels": p.details["labels_hash"] for p in published if "labels_hash" in p.details
    }
