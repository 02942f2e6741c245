"""What an exported model must be fed, written beside it as `preprocessing.json`."""

import json
from typing import Any, Final, Literal

from pydantic import model_validator

from vimu.contracts import Frame, Gravity
from vimu.runtime.config import EachOnce, Section, validate
from vimu.runtime.errors import UserError
from vimu.windows.features import FEATURE_SETS
from vimu.windows.settings import WindowSettings
from vimu.windows.windowing import channels_of

FILE = "preprocessing.json"
KIND: Final = "vimu.recognizer"
SCHEMA_VERSION: Final = 1
UNITS = {
    "acc": "m/s^2",
    "gyr": "rad/s, in the sensor's own axes",
    "ori": "rotation matrix from the sensor's axes to the world's (+Y up), row by row",
}


class Preprocessing(Section):
    """Sensors, channels, rate, windows and classes of an exported model: windows are cut by these as `prepare` did."""

    kind: Literal["vimu.recognizer"] = KIND
    schema_version: Literal[1] = SCHEMA_VERSION
    classes: EachOnce[str]
    """In the order of the model's probabilities."""
    channels: EachOnce[str]
    """Of a frame, in the model's order: `left_wrist.acc.x`, ..."""
    windows: WindowSettings
    """With `sensors`, in the channels' order."""
    mounting: Literal["as_worn", "estimated"]
    """`estimated`: sensors must be turned into their segments' axes before windows are cut."""
    frame: Frame
    """Axes of acceleration in a window."""
    gravity: Gravity
    units: dict[str, str]
    """Of each signal in `channels`."""
    synthetic: bool
    """Whether generated data took part in training."""

    @model_validator(mode="after")
    def _as_this_version_has_it(self) -> "Preprocessing":
        if self.windows.sensors is None:
            raise ValueError("`windows.sensors` must name the model's sensors")
        spec = FEATURE_SETS[self.windows.feature_set]
        if self.channels != channels_of(self.windows, self.windows.sensors):
            raise ValueError("`channels` must be those of `windows` in their order")
        if (self.frame, self.gravity) != (spec.frame, spec.gravity):
            raise ValueError(f"`frame` and `gravity` must be those of `{self.windows.feature_set}`")
        if self.units != units_of(self.windows):
            raise ValueError(f"`units` must be {units_of(self.windows)}")
        return self

    @property
    def sensors(self) -> tuple[str, ...]:
        """The model's sensors, in the order of its channels."""
        assert self.windows.sensors is not None
        return self.windows.sensors

    def sensors_with(self, signal: str) -> tuple[str, ...]:
        """Those whose `acc`, `gyr` or `ori` the model needs."""
        chosen = self.windows.gyroscopes if signal == "gyr" else None
        return self.sensors if chosen is None else chosen


def preprocessing_of(
    windows: WindowSettings, *, sensors: tuple[str, ...], classes: tuple[str, ...],
    mounting: Literal["as_worn", "estimated"], synthetic: bool,
) -> Preprocessing:  # fmt: skip
    """What a model trained on such windows must be fed."""
    spec = FEATURE_SETS[windows.feature_set]
    return Preprocessing(
        classes=classes, channels=channels_of(windows, sensors),
        windows=windows.model_copy(update={"sensors": sensors}), mounting=mounting, frame=spec.frame,
        gravity=spec.gravity, units=units_of(windows), synthetic=synthetic,
    )  # fmt: skip


def units_of(windows: WindowSettings) -> dict[str, str]:
    """The unit of each signal that a feature set takes."""
    return {signal: UNITS[signal] for signal in FEATURE_SETS[windows.feature_set].signals}


def read_preprocessing(text: bytes, *, where: str) -> Preprocessing:
    """`preprocessing.json`, checked.

    Raises:
        UserError: it is none, of another schema version, or contradicts itself (channels in another order).
    """
    try:
        raw: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"`{where}` must be JSON, but: {error}.") from error
    if not isinstance(raw, dict) or raw.get("kind") != KIND:
        raise UserError(f"`{where}` must be of kind `{KIND}`, but is not: was it written by `jobs/export.py`?")
    if raw.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"`schema_version` of `{where}` must be {SCHEMA_VERSION}, but is {raw.get('schema_version')!r}: export the "
            "model again, or load it with the vimu that exported it."
        )
    return validate(Preprocessing, raw, where=where)
