"""What a mocap archive's YAML says: which files, how to read them, how its rig maps onto SMPL's segments."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field, PositiveFloat, ValidationInfo, field_validator, model_validator

from vimu.archives.identity import Collection, SamePerson
from vimu.archives.rates import RateCorrection
from vimu.archives.readers import READERS
from vimu.contracts import SMPL_JOINTS
from vimu.runtime.config import Section, find_yaml, regular_expression, validate
from vimu.runtime.errors import listed
from vimu.runtime.yaml import read_yaml

Axis = Literal["+x", "-x", "+y", "-y", "+z", "-z"]
Direction = Axis | tuple[float, float, float]
"""An axis by name, or a direction by its components where a rig's rest pose lies between the axes."""

MAX_SKEW = 0.01
"""Cosine between a segment's `left` and `up` that rounding to two decimals may leave."""


def unit_vector(direction: Direction) -> Float[np.ndarray, "3"]:
    """`direction` with length 1, float64. Raises ValueError for three zeros."""
    if isinstance(direction, str):
        vector = np.zeros(3)
        vector["xyz".index(direction[1])] = -1.0 if direction[0] == "-" else 1.0
        return vector
    vector = np.array(direction)
    length = float(np.linalg.norm(vector))
    if length == 0.0:
        raise ValueError("must be a direction, not three zeros")
    vector /= length
    return vector


class Segment(Section):
    """How one joint of a rig carries one of SMPL's segments."""

    joint: str
    """The rig's joint whose frame moves with the segment."""
    end: str | None = None
    """The rig's joint where the segment ends; None for a segment without a further joint (head, hand)."""
    left: Direction
    """Direction in the joint's frame that points to the body's left (+X) in SMPL's rest pose (T-pose, facing +Z)."""
    up: Direction
    """Direction in the joint's frame that points up (+Y) in SMPL's rest pose; perpendicular to `left`."""
    evidence: str = ""
    """Where the axes come from."""

    @field_validator("left", "up")
    @classmethod
    def _has_length(cls, direction: Direction) -> Direction:
        unit_vector(direction)
        return direction

    @model_validator(mode="after")
    def _perpendicular(self) -> "Segment":
        if abs(float(unit_vector(self.left) @ unit_vector(self.up))) > MAX_SKEW:
            raise ValueError(f"`left` and `up` must be perpendicular ({self.left} and {self.up} are not)")
        return self

    def rest_axes(self) -> Float[np.ndarray, "3 3"]:
        """The body's left, up and forward in the joint's frame, as columns: a rotation matrix.

        The joint's global rotation times it is the segment's orientation in SMPL's sense: identity in the rest pose.
        """
        left, up = unit_vector(self.left), unit_vector(self.up)
        up = up - left * (left @ up)
        up /= np.linalg.norm(up)
        return np.stack([left, up, np.cross(left, up)], axis=1)


class ArchiveConfig(Section):
    """One mocap archive. Adding one of a known format takes this file and no code."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Short name; goes into every clip and into file names."""
    reader: Annotated[str, AfterValidator(READERS.check)]
    """`amass`, `bvh`, `asf_amc`, or what an installed package registers (`vimu.archives.readers`)."""
    licence: str
    """What its licence allows; copied into every manifest."""
    files: str = "**/*"
    """Glob below the archive's root."""
    skip: tuple[str, ...] = ()
    """Globs of file names that are no motions (`shape.npz`); left out by name, not rejected."""
    subject: str | None = None
    """Regular expression on the path below the root with a group `subject`; None where the archive gives no actor."""
    content: str | None = None
    """Regular expression on the path with a group `content`: the archive's own name of the activity."""
    style: str | None = None
    """Regular expression on the path with a group `style`: the manner a motion was performed in. Takes of one content
    and style are near-copies: experiments may hold out styles."""
    evidence: str
    """Where these facts come from."""

    collections: dict[str, Collection] = Field(default_factory=dict)
    """Parts of the archive that come as downloads of their own, by the name used here."""
    same_person: tuple[SamePerson, ...] = ()
    """Subjects that are one person."""
    take_endings: tuple[str, ...] = ()
    """What releases add to a take's file name; where given, the same take in two releases is kept once."""
    rate_corrections: tuple[RateCorrection, ...] = ()
    """Wrong frame rates; the first that matches a take counts."""

    unit_m: PositiveFloat | None = None
    """Metres a length unit (bvh), or an inch of the skeleton file (asf_amc): 0.0254."""
    up: Axis | None = None
    """The file's vertical axis (bvh, asf_amc)."""
    rate_hz: PositiveFloat | None = None
    """Frames a second of all takes (asf_amc): the format does not say it. An installed reader may need it as well."""
    segments: dict[str, Segment] = Field(default_factory=dict)
    """SMPL segment name -> the rig's joint. An archive without is one of SMPL parameters, and needs a body."""

    @field_validator("subject", "content", "style")
    @classmethod
    def _compiles(cls, pattern: str | None, info: ValidationInfo) -> str | None:
        if pattern is not None and info.field_name not in regular_expression(pattern).groupindex:
            raise ValueError(f"must have a group `(?P<{info.field_name}>...)`")
        return pattern

    @model_validator(mode="after")
    def _complete(self) -> "ArchiveConfig":
        if self.reader in ("bvh", "asf_amc") and (self.unit_m is None or self.up is None or not self.segments):
            raise ValueError(f"a {self.reader} archive must say `unit_m`, `up` and `segments`")
        if self.reader == "amass" and self.segments:
            raise ValueError("`segments` must be left out of an amass archive")
        if READERS.is_own(self.reader) and (self.reader == "asf_amc") != (self.rate_hz is not None):
            raise ValueError("`rate_hz` must be given for an asf_amc archive, and for no other format of vimu's")
        unknown = set(self.segments) - set(SMPL_JOINTS)
        if unknown:
            raise ValueError(
                f"`segments` must be named as SMPL's joints ({listed(SMPL_JOINTS, 24)}), unlike {listed(unknown)}"
            )
        return self

    @property
    def of_smpl(self) -> bool:
        """Whether takes are SMPL parameters, and not a rig's joints."""
        return not self.segments


def load_archive(name: str) -> ArchiveConfig:
    """The archive `name` of `configs/archives/`, or the YAML file of that path. Raises UserError."""
    path: Path = find_yaml("archives", name)
    return validate(ArchiveConfig, read_yaml(path), where=str(path))
