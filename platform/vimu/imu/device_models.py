"""What a set of devices is like, number by number with its evidence: `configs/devices/*.yaml`."""

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from vimu.runtime.config import Section, find_yaml, validate
from vimu.runtime.errors import UserError, listed
from vimu.runtime.yaml import read_yaml


class Number(Section):
    """One property, and how it is known."""

    value: Annotated[float, Field(ge=0)]
    evidence: Annotated[str, Field(min_length=1)]
    """Measured where and how, a data sheet, or an assumption marked `(?)`."""


def _above_zero(number: Number) -> Number:
    if number.value == 0:
        raise ValueError("`value` must be greater than 0")
    return number


Positive = Annotated[Number, AfterValidator(_above_zero)]


class ChannelModel(Section):
    """An accelerometer, in g, or a gyroscope, in deg/s."""

    bandwidth_hz: Positive
    """Where its low-pass filter lets half the power through. Above half the sampling rate, motion aliases."""
    range: Positive
    """It reads no more than this, either way."""
    resolution: Positive
    """Readings are whole multiples of this."""
    noise_density: Number
    """Unit per square root of Hz, one-sided, over `bandwidth_hz`."""
    bias_std: Number
    """Spread of the constant error of an axis between devices and wearings."""
    scale_std: Number
    """Spread of an axis' gain error, as a share."""


class DeviceModel(Section):
    """One make of sensor as it was worn."""

    rate_hz: Positive
    """Samples a second."""
    clock_jitter_ms: Number
    """Standard deviation of a sampling instant about the even grid."""
    misalignment_deg: Number
    """Greatest turn of the device against the segment that it is strapped to."""
    acc: ChannelModel
    """In g."""
    gyr: ChannelModel | None = None
    """In deg/s; None for a device without gyroscope."""


class DeviceSet(Section):
    """The devices of one set of recordings."""

    name: str
    evidence: str
    """Which devices they were, and where that is said."""
    models: dict[str, DeviceModel]
    sensors: dict[str, Annotated[dict[str, PositiveInt], Field(min_length=1)]]
    """Placement -> the models worn there, each with its weight: recordings that it made."""

    @model_validator(mode="after")
    def _models_exist(self) -> "DeviceSet":
        unknown = {m for worn in self.sensors.values() for m in worn} - set(self.models)
        if unknown:
            raise ValueError(f"`sensors` must name `models` ({listed(self.models)}), unlike {listed(unknown)}")
        return self

    def check(self, sensors: tuple[str, ...]) -> None:
        """Raises UserError where a placement has no device."""
        lacking = [s for s in sensors if s not in self.sensors]
        if lacking:
            raise UserError(
                f"device set `{self.name}` must have a device at {', '.join(lacking)}, "
                f"but has them at {listed(self.sensors, 40)}."
            )


def load_devices(name: str) -> DeviceSet:
    """The set `name` of `configs/devices/`, or the YAML file of that path. Raises UserError."""
    path = find_yaml("devices", name)
    return validate(DeviceSet, read_yaml(path), where=str(path))
