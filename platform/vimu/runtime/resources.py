"""What each stage asks of Ray, what Ray has, and how long to wait for more."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from vimu.runtime.config import Section
from vimu.runtime.errors import UserError

CHECK_EVERY_S = 0.5
RAYS_OWN = ("CPU", "GPU", "memory", "object_store_memory")
Bundle = Mapping[str, float]
"""Resource -> how much of it, all on one node; memory in bytes."""


class Needs(Section):
    """What one task, trial or training worker of a stage asks of a node."""

    cpus: PositiveFloat = 1.0
    memory_mb: PositiveInt | None = None
    """Memory that Ray reserves for it; None reserves none. Ray does not watch over it."""
    custom: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Resources that nodes were given names for (`ray start --resources`): `{synthesis: 1}` keeps a stage on the nodes
    that have some, and others off them."""

    @field_validator("custom")
    @classmethod
    def _not_rays_own(cls, custom: dict[str, float]) -> dict[str, float]:
        if taken := sorted(set(custom) & set(RAYS_OWN)):
            raise ValueError(f"must be other names than Ray's own, but has {', '.join(taken)}: `cpus`, `memory_mb`")
        return custom

    @property
    def bundle(self) -> dict[str, float]:
        """As Ray's placement takes it."""
        memory = {} if self.memory_mb is None else {"memory": float(self.memory_mb * 2**20)}
        return {"CPU": self.cpus} | memory | self.custom

    @property
    def options(self) -> dict[str, Any]:
        """As `ray.remote` and Ray Data take it."""
        memory = {} if self.memory_mb is None else {"memory": self.memory_mb * 2**20}
        return {"num_cpus": self.cpus} | memory | ({"resources": dict(self.custom)} if self.custom else {})


class TrainNeeds(Needs):
    """And of a worker that may train on a GPU."""

    gpus: PositiveFloat = 1.0
    """Of each worker, where `pretrain.device` gives it any."""


class ResourceSettings(Section):
    """What each stage asks for, and how long a cluster may lack it."""

    wait_s: Annotated[NonNegativeFloat, Field(le=86_400)] = 30.0
    """How long the cluster that `RAY_ADDRESS` names may lack what a stage asks of it. One that adds nodes by itself
    needs minutes: give it as many seconds as a node takes to start. What no node type of its ever has is not waited
    for."""
    synthesize: Needs = Needs()
    prepare: Needs = Needs()
    interpret: Needs = Needs()
    tune: Needs = Needs()
    """Of a trial."""
    pretrain: TrainNeeds = TrainNeeds()
    """Of each of `pretrain.n_workers`."""
    finetune: Needs = Needs()
    crossval: Needs = Needs()
    study: Needs = Needs()
    align: Needs = Needs()
    """Of each of `align.n_workers`."""
    evaluate: Needs = Needs()


ONE_CPU = Needs()
DEFAULTS = ResourceSettings()


def granted(settings: ResourceSettings, stage: str) -> tuple[Needs, int]:
    """What each task of a stage asks for, and how many of them this Ray has room for. Raises UserError: none fits."""
    needs: Needs = getattr(settings, stage)
    return needs, require(needs.bundle, settings.wait_s, f"`resources.{stage}`")


def require(bundle: Bundle, wait_s: float, setting: str, *, n: int = 1) -> int:
    """How many times the nodes of this Ray have room for a bundle, whether it is in use or not.

    A local Ray never has more than now. The cluster that `RAY_ADDRESS` names may grow: it is told what is wanted and
    looked at until it has that, or `wait_s` are over, or none of the node types that it can add has it.

    Args:
        setting: what asks for it, for the message.
        n: how many must fit at once.

    Raises:
        UserError: fewer fit.
    """
    room = _room(_nodes(), bundle)
    waited = ""
    if room < n and os.environ.get("RAY_ADDRESS"):
        if _may_come(bundle):
            room, waited = _waited_for(bundle, n, wait_s), f", also after {wait_s:g} s (`resources.wait_s`)"
        else:
            waited = ", and none that its autoscaler can add has it"
    if room >= n:
        return room
    nodes = "; ".join(sorted({said_of(node, bundle) for node in _nodes()})) or "none"
    times = f"{n} times " if n > 1 else ""
    raise UserError(
        f"{setting} must fit this Ray, but {times}{said_of(bundle, bundle)} fits its nodes {room} times{waited}. "
        f"They have: {nodes}."
    )


def said_of(resources: Bundle, of: Bundle) -> str:
    """`CPU 4, memory 2,048 MB`: of some resources, those that `of` names."""
    said = []
    for name in of:
        n = resources.get(name, 0)
        said.append(f"{name} {n / 2**20:,.0f} MB" if name == "memory" else f"{name} {n:g}")
    return ", ".join(said)


def _nodes() -> list[dict[str, float]]:
    """Resources of each node that lives."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _room(nodes: Sequence[Bundle], bundle: Bundle) -> int:
    return sum(min(int(node.get(name, 0) / n + 1e-9) for name, n in bundle.items()) for node in nodes)


def _waited_for(bundle: Bundle, n: int, wait_s: float) -> int:
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=[dict(bundle)] * n)
    try:
        until = time.monotonic() + wait_s
        while (room := _room(_nodes(), bundle)) < n and time.monotonic() < until:
            time.sleep(min(CHECK_EVERY_S, wait_s))
    finally:
        request_resources(bundles=[])  # the cluster remembers it after the job has ended, and would keep such nodes
    return room


def _may_come(bundle: Bundle) -> bool:
    """Whether an autoscaler may add a node that has it: true where none says what it can add, as people add nodes."""
    from ray._private.state import state  # private: pinned by ray's range; only the second autoscaler reports this

    known = state.get_cluster_config()
    if known is None or not known.node_group_configs:
        return True
    types = [group for group in known.node_group_configs if group.max_count != 0]
    return any(all(group.resources.get(name, 0) >= n for name, n in bundle.items()) for group in types)
