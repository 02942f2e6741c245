"""Samples as lines of text: `t,right_pocket.acc.x,right_pocket.acc.y,...`. Anybody may send them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vimu.serving.fitting import is_finite
from vimu.serving.preprocessing import Preprocessing
from vimu.windows.features import AXES, channel_names

TIME = "t"
SHAPES = {"acc": (3,), "gyr": (3,), "ori": (3, 3)}
LONGEST_NUMBER = 32
"""Bytes of a number and its comma, beyond which a line is cut off."""

Sample = dict[str, dict[str, np.ndarray[Any, Any]]]
"""One frame: signal -> sensor -> values, as `Stream.push` takes them."""


class MalformedError(Exception):
    """A line that is no sample. Its message says why in our own words: what a stranger sent is not repeated."""


class LineFormat:
    """What a recogniser's lines hold: the time, then its channels in their order, but for those it works out itself."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        windows = preprocessing.windows
        self.channels = channel_names(windows.feature_set, preprocessing.sensors, windows.gyroscopes)
        """After the time: m/s^2, rad/s, and rotation matrices row by row, as the recogniser's `units` say."""
        self.max_bytes = LONGEST_NUMBER * (len(self.channels) + 1)
        self._header_known = True

    @property
    def header(self) -> str:
        """The line that may stand before the others."""
        return ",".join((TIME, *self.channels))

    def parse(self, line: bytes) -> tuple[float, Sample] | None:
        """Time, s, and the values of a line; None of a header, a comment or a blank line.

        Raises:
            MalformedError: too long, too few or too many values, something else than finite numbers, or lines after a
                header of other columns: their order is another.
        """
        if len(line) > self.max_bytes:
            raise MalformedError(f"must be at most {self.max_bytes:,} bytes long, but is longer")
        words = [word.strip() for word in line.split(b",")]
        if line.lstrip().startswith(b"#") or words == [b""]:
            return None
        if words[0] == TIME.encode():
            self._header_known = tuple(w.decode("utf-8", "replace") for w in words[1:]) == self.channels
            if self._header_known:
                return None
        if not self._header_known:
            raise MalformedError("its header must name the recogniser's channels in their order, but does not")
        if len(words) != len(self.channels) + 1:
            raise MalformedError(f"must hold {len(self.channels) + 1} values, but holds {len(words)}")
        values = _numbers(words)
        return float(values[0]), self._frame(values[1:])

    def _frame(self, values: np.ndarray[Any, Any]) -> Sample:
        frame: Sample = {}
        at = 0
        while at < len(values):
            sensor, signal, _ = self.channels[at].split(".")
            width = len(AXES[signal])  # type: ignore[index]
            frame.setdefault(signal, {})[sensor] = values[at : at + width].reshape(SHAPES[signal])
            at += width
        return frame


def _numbers(words: list[bytes]) -> np.ndarray[Any, Any]:
    try:
        values = np.array([float(word) for word in words if b"_" not in word])  # 1_0 is a number to Python only
    except ValueError:
        values = np.empty(0)
    if len(values) != len(words):
        raise MalformedError("must hold numbers only, but does not")
    if not is_finite(values):
        raise MalformedError("must hold finite numbers, but does not")
    return values


class Splitter:
    """Bytes as they come -> whole lines; what is too long is cut off, so that no sender fills the memory."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._held = max_bytes, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes, without their ends; of one that is too long its first `max_bytes` + 1."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            yield (self._held + part)[: self._max_bytes + 1].rstrip(b"\r")
            self._held = b""
        self._held = (self._held + rest)[: self._max_bytes + 1]

    def end(self) -> Iterator[bytes]:
        """The last line, where nothing ends it."""
        if self._held:
            yield self._held.rstrip(b"\r")
        self._held = b""


def frame_at(signals: Mapping[str, np.ndarray[Any, Any] | None], sensors: tuple[str, ...], at: int) -> Sample:
    """One frame of a recording's arrays (frames, sensors, ...)."""
    return {
        name: {sensor: values[at, s] for s, sensor in enumerate(sensors)}
        for name, values in signals.items()
        if values is not None
    }
