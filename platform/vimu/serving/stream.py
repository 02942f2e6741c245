"""Samples in as they come, a class out every hop: the same windows, and results, as of the whole recording.

samples  |=======================================|====...
window 0 |<------- length ------->|                         result when its last frame is there
window 1           |<------- length ------->|               a hop later
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose
from typing import Any

import numpy as np
from jaxtyping import Float

from vimu.contracts import Frame, Gravity, ImuRecording
from vimu.resampling import SAME_RATE
from vimu.runtime.errors import UserError, listed
from vimu.serving.fitting import as_numbers, check_gravity, fitted_windows, is_finite, is_rotation
from vimu.serving.onnx_model import OnnxModel
from vimu.serving.preprocessing import Preprocessing
from vimu.windows.features import FEATURE_SETS

Samples = Mapping[str, Any]
"""Sensor -> one frame's values, `(3,)` or for `ori` `(3, 3)`, or those of several frames, `(frames, ...)`."""


@dataclass(frozen=True)
class Recognised:
    """What a window of a stream was taken for."""

    start_s: float
    """From the stream's first frame."""
    end_s: float
    label: str
    probabilities: Float[np.ndarray, " classes"]
    """In the order of the recogniser's classes."""


class Stream:
    """One wearer's samples. Made by `Recognizer.stream`; after a gap in the samples, make another.

    A window is cut from the samples themselves by what cuts recordings, so how samples are divided into pushes does not
    matter, and results are those of `Recognizer.predict` on the whole (equal to 1e-6: batches round differently).

    Raises:
        UserError: the rate is not the model's.
    """

    def __init__(
        self, model: OnnxModel, preprocessing: Preprocessing, *, rate_hz: float, frame: Frame, gravity: Gravity,
        turns: Float[np.ndarray, "sensors 3 3"] | None,
    ) -> None:  # fmt: skip
        windows = preprocessing.windows
        if not isinstance(rate_hz, int | float) or not isclose(rate_hz, windows.rate_hz, rel_tol=SAME_RATE):
            raise UserError(
                f"`rate_hz` of a stream must be the model's {windows.rate_hz:g} Hz, but is {rate_hz}: have the "
                "device sample at that rate, or gather a recording for `predict`, which resamples."
            )
        self._model, self._preprocessing, self._turns = model, preprocessing, turns
        self._frame, self._gravity = frame, gravity
        self._length, self._hop = windows.length_frames, windows.hop_frames
        turned = (frame, gravity) != (preprocessing.frame, preprocessing.gravity)
        needed = {*FEATURE_SETS[windows.feature_set].signals, *(("ori",) if turned else ())}
        n = len(preprocessing.sensors)
        self._held = {
            name: np.empty((2 * self._length, n, *((3, 3) if name == "ori" else (3,))))
            for name in ("acc", "gyr", "ori")
            if name in needed
        }
        self._end = 0  # of what `_held` holds
        self._n_frames = 0  # since the stream began
        self._due = self._length  # number of frames at which the next window is whole
        self._unit_known = False

    def push(self, *, acc: Samples, gyr: Samples | None = None, ori: Samples | None = None) -> list[Recognised]:
        """Take one frame, or several in a row, of every sensor; give the windows that they complete, mostly none.

        Args:
            acc: m/s^2; `{"chest": (3,), ...}` or `{"chest": (frames, 3), ...}`.
            gyr: rad/s, in the sensor's axes; of the sensors whose gyroscope the model uses.
            ori: sensor to world. Signals that the model has no use for are not looked at.

        Raises:
            UserError: a sensor or signal is missing or unknown, shapes differ, a value is not finite or no rotation:
                then nothing was taken. Or the first windows' acceleration is in another unit.
        """
        given = {"acc": acc, "gyr": gyr, "ori": ori}
        chunk = {name: self._stacked(name, given[name]) for name in self._held}
        n_frames = len(chunk["acc"])
        for name, values in chunk.items():
            if len(values) != n_frames:
                raise UserError(f"`{name}` must be of {n_frames} frames, as `acc`, but is of {len(values)}.")
        results, taken = [], 0
        while taken < n_frames:
            n = min(n_frames - taken, self._due - self._n_frames, self._length)
            self._hold({name: values[taken : taken + n] for name, values in chunk.items()}, n)
            taken += n
            if self._n_frames == self._due:
                self._due += self._hop
                results.append(self._recognise())
        return results

    def _stacked(self, name: str, samples: Samples | None) -> Float[np.ndarray, "frames sensors *axes"]:
        """The samples of a signal, all sensors in the model's order, checked."""
        sensors, needed = self._preprocessing.sensors, self._preprocessing.sensors_with(name)
        if not isinstance(samples, Mapping) or not set(needed) <= samples.keys() <= set(sensors):
            given = listed(samples or ()) if isinstance(samples, Mapping | None) else type(samples).__name__
            raise UserError(f"`{name}` must be given for {', '.join(needed)}, but is for {given}.")
        axes = self._held[name].shape[2:]
        values = [as_numbers(f"`{name}` of {s}", samples[s]) for s in needed]
        shape = values[0].shape
        if shape[-len(axes) :] != axes or len(shape) > len(axes) + 1 or any(v.shape != shape for v in values):
            shapes = ", ".join(f"{s} {v.shape}" for s, v in zip(needed, values, strict=True))
            raise UserError(f"`{name}` must be {axes} or (frames, *{axes}), alike for all sensors, but is {shapes}.")
        stacked = np.full((1 if shape == axes else shape[0], len(sensors), *axes), np.nan)
        for s, v in zip(needed, values, strict=True):
            stacked[:, sensors.index(s)] = v
        if not all(is_finite(v) for v in values):
            raise UserError(f"`{name}` must be finite, but is not. A sample was lost? Fill it, or make a new stream.")
        if name == "ori" and not is_rotation(stacked):
            raise UserError("`ori` must be rotations (sensor to world), but is not.")
        return stacked

    def _hold(self, part: Mapping[str, np.ndarray[Any, Any]], n: int) -> None:
        """Append up to a window's length of frames."""
        if self._end + n > 2 * self._length:
            for held in self._held.values():
                held[: self._length] = held[self._end - self._length : self._end]
            self._end = self._length
        for name, values in part.items():
            self._held[name][self._end : self._end + n] = values
        self._end += n
        self._n_frames += n

    def _recognise(self) -> Recognised:
        last = {name: held[self._end - self._length : self._end] for name, held in self._held.items()}
        recording = ImuRecording(
            acc=last["acc"], gyr=last.get("gyr"), ori=last.get("ori"), rate_hz=self._preprocessing.windows.rate_hz,
            sensors=self._preprocessing.sensors, frame=self._frame, gravity=self._gravity,
        )  # fmt: skip
        if not self._unit_known:  # once: later on somebody may fall, freely
            check_gravity(recording)
            self._unit_known = True
        x, _ = fitted_windows(recording, self._preprocessing, self._turns)
        probabilities = self._model(x)[0]
        rate_hz = self._preprocessing.windows.rate_hz
        return Recognised(
            (self._n_frames - self._length) / rate_hz, self._n_frames / rate_hz,
            self._preprocessing.classes[int(probabilities.argmax())], probabilities,
        )  # fmt: skip
