"""Sensor placements by name, from `configs/placements.yaml` and a person's own file, for SMPL meshes and skeletons."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from vimu.body.models import Kind
from vimu.contracts import SMPL_JOINTS
from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.errors import UserError, listed
from vimu.runtime.yaml import read_yaml


def _known_segment(segment: str) -> str:
    if segment not in SMPL_JOINTS:
        raise ValueError(f"must be one of SMPL's joints ({listed(SMPL_JOINTS, 24)})")
    return segment


class OnSmpl(Section):
    """A placement on the SMPL mesh."""

    vertex: Annotated[int, Field(ge=0, lt=6890)]
    """Vertex id; the sensor's position."""
    segment: str
    """SMPL joint whose segment gives the orientation."""

    _check = field_validator("segment")(_known_segment)


class OnSmplx(Section):
    """A placement on the SMPL-X mesh, whose vertices have other ids."""

    vertex: Annotated[int, Field(ge=0, lt=10475)]
    """Vertex id; the sensor's position."""
    segment: str
    """Joint whose segment gives the orientation: the first 22 are SMPL's."""

    _check = field_validator("segment")(_known_segment)


class OnSkeleton(Section):
    """A placement on a joint tree."""

    segment: str
    """SMPL joint name of the segment; the archive's YAML says which joint of its rig that is."""
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Where between the segment's joint (0) and its end (1)."""
    offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """From the bone to the skin, m, in the segment's rest axes: left, up, forward."""

    _check = field_validator("segment")(_known_segment)


class Placement(Section):
    """Where a sensor sits, on at least one kind of body."""

    name: str
    smpl: OnSmpl | None = None
    """SMPL and SMPL+H share their mesh."""
    smplx: OnSmplx | None = None
    skeleton: OnSkeleton | None = None
    evidence: str = ""

    @model_validator(mode="after")
    def _sits_somewhere(self) -> "Placement":
        if not self._spots():
            raise ValueError("must have `smpl`, `smplx` or `skeleton`")
        return self

    def _spots(self) -> list[OnSmpl | OnSmplx | OnSkeleton]:
        return [spot for spot in (self.smpl, self.smplx, self.skeleton) if spot is not None]

    @property
    def segment(self) -> str:
        """SMPL joint whose segment carries the sensor: on the first body that it is given for."""
        return self._spots()[0].segment

    def on(self, kind: Kind) -> OnSmpl | OnSmplx:
        """Where it sits on a kind of mesh. Raises UserError: nobody has said so."""
        entry, spot = ("smplx", self.smplx) if kind == "smplx" else ("smpl", self.smpl)
        if spot is None:
            raise UserError(
                f"`placements` must have an `{entry}:` vertex for a body of {kind}, but `{self.name}` has none: the "
                "meshes number their vertices differently."
            )
        return spot


def load_placements(names: Sequence[str | Placement], own: Path | None = None) -> tuple[Placement, ...]:
    """The placements called `names`, in that order.

    `vertex:1234@left_elbow` names any vertex of the SMPL mesh with the segment that carries it. Placements among
    `names` stay what they are.

    Args:
        own: YAML of further placements, as `configs/placements.yaml` has them; it may not redefine one of those.

    Raises:
        UserError: there is no name, or one twice, or one that is unknown, and the message lists those there are;
            `own` is missing, malformed or redefines.
    """
    if isinstance(names, str):
        raise UserError(f"`placements` must be a list of names, e.g. ['{names}'], but is the text `{names}`.")
    called = [name if isinstance(name, str) else name.name for name in names]
    if not called or len(set(called)) < len(called):
        raise UserError(
            f"`placements` must name each sensor once, and one at least, but are {', '.join(called) or 'none'}."
        )
    path = configs_folder() / "placements.yaml"
    raw = read_yaml(path)
    if own is not None:
        added = read_yaml(own)
        if again := added.keys() & raw.keys():
            raise UserError(
                f"`{own}` must give its placements names of their own, but redefines {listed(again)} of {path}."
            )
        path, raw = own, raw | added
    placements = []
    for name in names:
        if isinstance(name, Placement):
            placements.append(name)
            continue
        if name.startswith("vertex:"):
            vertex, _, segment = name.removeprefix("vertex:").partition("@")
            entry: object = {"smpl": {"vertex": vertex, "segment": segment}, "evidence": "given by vertex id"}
        elif name in raw:
            entry = raw[name]
        else:
            raise UserError(
                f"`placements` must be among {listed(raw, 40)}, or `vertex:ID@SEGMENT`, but one is `{name}`."
            )
        fields = entry if isinstance(entry, dict) else {"smpl": entry}
        placements.append(validate(Placement, {"name": name, **fields}, where=f"placement `{name}` of {path}"))
    return tuple(placements)
