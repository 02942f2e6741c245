"""What an alignment learns from: windows of a data set, sensor by sensor, the class of each, and what is said of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from vimu.semantics.channels import FEATURE_SET, six_channels
from vimu.semantics.schema import FIELDS
from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet

COPY = re.compile(r"\+\d+$")
"""What the name of an up-sampled clip's copy ends in."""


@dataclass(frozen=True)
class Texts:
    """What is said of windows."""

    by_window: Mapping[str, str]
    """Of a window's id, or of the clip that it was cut from, `ARCHIVE:CLIP`."""
    flagged: frozenset[str] = frozenset()
    """Ids of windows whose text the judge did not take."""
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a window's id: the text's parts, one a field; none where it is a description."""

    @classmethod
    def of_interpretations(cls, table: pa.Table) -> "Texts":
        """Each window's own."""
        ids, texts, accepted = (table.column(name).to_pylist() for name in ("window_id", "text", "accepted"))
        parts = zip(*(table.column(name).to_pylist() for name in FIELDS), strict=True)
        return cls(
            dict(zip(ids, texts, strict=True)),
            frozenset(name for name, taken in zip(ids, accepted, strict=True) if not taken),
            dict(zip(ids, parts, strict=True)),
        )

    def of(self, windows: WindowSet) -> tuple[np.ndarray[Any, Any], Bool[np.ndarray, " windows"]]:
        """Each window's text, and whether it was accepted."""
        ids = windows.window_id.tolist()
        clips = [COPY.sub("", source) for source in windows.source.tolist()]
        said = [self.by_window.get(i) or self.by_window[clip] for i, clip in zip(ids, clips, strict=True)]
        return np.array(said, dtype=np.str_), np.array([i not in self.flagged for i in ids], dtype=bool)


def in_classes(windows: WindowSet, classes: Mapping[str, Sequence[str]]) -> tuple[WindowSet, np.ndarray[Any, Any]]:
    """The windows of some classes, and the class of each, by name."""
    class_of = {label: name for name, labels in classes.items() for label in labels}
    kept = windows.take(np.flatnonzero(np.isin(windows.label, list(class_of))))
    return kept, np.array([class_of[label] for label in kept.label.tolist()], dtype=np.str_)


def sensor_by_sensor(windows: WindowSet, sensors: Sequence[str]) -> WindowSet:
    """Windows of several sensors as windows of one each, all windows of the first sensor first.

    Of several, the sensor is then called `any`, and the windows' ids say which it is: `CLIP@SENSOR:FRAME`.
    """
    name = sensors[0] if len(sensors) == 1 else "any"
    each = np.concatenate([six_channels(windows, sensor) for sensor in sensors])
    repeated = windows.take(np.tile(np.arange(len(windows)), len(sensors)))
    ids = windows.window_id
    if len(sensors) > 1:
        at = [name.rpartition(":") for name in ids.tolist()]
        ids = np.array([f"{clip}@{sensor}:{frame}" for sensor in sensors for clip, _, frame in at], dtype=np.str_)
    return replace(repeated, x=each, window_id=ids, channels=tuple(channel_names(FEATURE_SET, (name,))))
