"""Recordings without labels, which show what real sensors do: `configs/reference/*.yaml` names them."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from vimu.contracts import ImuRecording
from vimu.recordings import transpose, xsens_dot, xsens_mtw
from vimu.recordings.worn import Worn
from vimu.runtime.config import Section, find_yaml, validate
from vimu.runtime.errors import UserError, listed
from vimu.runtime.yaml import read_yaml

READERS: dict[str, Callable[[Path, Worn], ImuRecording]] = {
    "xsens_mtw": xsens_mtw.read,
    "xsens_dot": xsens_dot.read,
    "transpose": transpose.read,
}


class ReferenceSensor(Section):
    """One worn device."""

    placement: str
    """Name in `configs/placements.yaml`."""
    evidence: str
    """Where that is said."""


class ReferenceConfig(Section):
    """One recording of several sensors at once."""

    name: str
    reader: Literal["xsens_mtw", "xsens_dot", "transpose"]
    licence: str
    """What its licence allows."""
    evidence: str
    """Where these facts come from."""
    rate_hz: PositiveFloat
    """Samples a second; a file that states another is rejected."""
    up: Literal["+y", "+z"]
    """The vertical axis of the file's world."""
    max_gap_s: NonNegativeFloat
    """Two samples of one sensor further apart than this are not bridged."""
    sensors: dict[str, ReferenceSensor] = Field(min_length=1)
    """The file's id or index -> the device."""

    @model_validator(mode="after")
    def _unambiguous(self) -> "ReferenceConfig":
        placements = [sensor.placement for sensor in self.sensors.values()]
        twice = {name for name in placements if placements.count(name) > 1}
        if twice:
            raise ValueError(f"`sensors` must each have a placement of their own, but {listed(twice)} occurs twice")
        if self.reader == "transpose" and set(self.sensors) != {str(i) for i in range(len(self.sensors))}:
            raise ValueError("`sensors` of a transpose recording must be numbered from 0 on")
        return self


def load_reference(name: str) -> ReferenceConfig:
    """The recording `name` of `configs/reference/`, or the YAML file of that path. Raises UserError."""
    path = find_yaml("reference", name)
    return validate(ReferenceConfig, read_yaml(path), where=str(path))


def read_reference(folder: Path, config: ReferenceConfig) -> ImuRecording:
    """The recording in `folder`, in our world (+Y up), sensors in the configuration's order, at its own rate.

    Raises:
        UserError: there is no such folder.
        Rejection: a file is missing, damaged, or not what the configuration says.
    """
    if not folder.is_dir():
        raise UserError(f"`{folder}` must be the folder of the recording {config.name}, but is none.")
    placements = {key: sensor.placement for key, sensor in config.sensors.items()}
    return READERS[config.reader](folder, Worn(placements, config.rate_hz, config.up, config.max_gap_s))
