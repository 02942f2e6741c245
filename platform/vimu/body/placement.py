"""Sensor placements by name, from `configs/placements.yaml`, for SMPL meshes and for skeletons alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

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
    """Where a sensor sits, on each kind of body."""

    name: str
    smpl: OnSmpl
    """SMPL and SMPL+H share their mesh."""
    smplx: OnSmplx | None = None
    skeleton: OnSkeleton | None = None
    evidence: str = ""

    def on(self, kind: Kind) -> OnSmpl | OnSmplx:
        """Where it sits on a kind of mesh. Raises UserError: nobody has said so for SMPL-X."""
        if kind != "smplx":
            return self.smpl
        if self.smplx is None:
            raise UserError(
                f"`placements` must have an `smplx:` vertex in configs/placements.yaml for an SMPL-X body, but "
                f"`{self.name}` has none: the meshes number their vertices differently."
            )
        return self.smplx


def load_placements(names: Sequence[str], file: Path | None = None) -> tuple[Placement, ...]:
    """The placements called `names`, in that order.

    `vertex:1234@left_elbow` names any vertex of the SMPL mesh with the segment that carries it.

    Raises:
        UserError: a name is unknown; the message lists those there are.
    """
    if isinstance(names, str):
        raise UserError(f"`placements` must be a list of names, e.g. ['{names}'], but is the text `{names}`.")
    path = file if file is not None else configs_folder() / "placements.yaml"
    raw = read_yaml(path)
    placements = []
    for name in names:
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
