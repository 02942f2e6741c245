"""Samples with a clock of their own -> what they are taken for: gaps restart the stream, nothing ends it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vimu.contracts import Frame, Gravity, ImuRecording
from vimu.imu.mounting import mean_vertical, mounting_turn, upright_directions
from vimu.runtime.errors import UserError, listed
from vimu.serving.fitting import is_rotation
from vimu.serving.lines import LineFormat, MalformedError, Sample
from vimu.serving.recognizer import Recognizer
from vimu.serving.stream import Recognised, Stream

GAP_FRAMES = 1.5
"""From one sample to the next; beyond it, one was lost."""
LATE_S = 1.0
"""A sample that is older than the last one by less came late; one that is older still has a clock that began anew."""
RATE_TOLERANCE = 0.05
"""Of the rate over a window's length. At another rate everything looks slower or faster than it was."""


@dataclass
class Counts:
    """What came, and what became of it."""

    samples: int = 0
    """All that came, malformed ones too."""
    malformed: int = 0
    late: int = 0
    """Samples that came after a later one; not taken."""
    gaps: int = 0
    """Times that the stream was begun again: samples lost, a clock that began anew, another rate, another unit."""
    windows: int = 0
    last_problem: str = ""


def _check_upright(recognizer: Recognizer, upright_s: float | None, as_worn: tuple[str, ...]) -> None:
    sensors = recognizer.sensors
    if recognizer.preprocessing.mounting == "as_worn":
        if upright_s is not None or as_worn:
            raise UserError(
                "`--upright-s` and `--as-worn` must not be given: the model was trained on sensors as they are worn."
            )
        return
    if upright_s is None:
        raise UserError(
            "`--upright-s` must be given, as the model was trained with `prepare.mounting: estimated`: for how many "
            "seconds the wearer first stands or walks upright."
        )
    if not 1 <= upright_s <= LONGEST_UPRIGHT_S:
        raise UserError(f"`--upright-s` must be 1 to {LONGEST_UPRIGHT_S:g} s, but is {upright_s:g}.")
    if unknown := set(as_worn) - set(sensors):
        raise UserError(f"`--as-worn` must name sensors of {', '.join(sensors)}, but names {listed(unknown)}.")


LONGEST_UPRIGHT_S = 120.0


class Follower:
    """One wearer's samples, taken as they come.

    Args:
        upright_s: for a recogniser of estimated mountings: the first seconds, in which the wearer stands or walks
            upright, tell how sensors are mounted; nothing is recognised in them.
        as_worn: sensors whose mounting is not estimated.

    Raises:
        UserError: `upright_s` is missing, or given to a recogniser of sensors as worn; an unknown sensor.
    """

    def __init__(
        self, recognizer: Recognizer, *, upright_s: float | None = None, as_worn: tuple[str, ...] = (),
        frame: Frame | None = None, gravity: Gravity | None = None,
    ) -> None:  # fmt: skip
        fits = recognizer.preprocessing
        _check_upright(recognizer, upright_s, as_worn)
        self.format = LineFormat(fits)
        self.counts = Counts()
        self.rate_hz = fits.windows.rate_hz
        self._recognizer, self._as_worn = recognizer, as_worn
        self._frame, self._gravity = frame or fits.frame, gravity or fits.gravity
        self._upright_frames = None if upright_s is None else round(upright_s * self.rate_hz)
        self._upright: list[Sample] = []
        self._mounting: Mapping[str, Float[np.ndarray, "3 3"]] | None = None
        self._times: deque[float] = deque(maxlen=max(2, fits.windows.length_frames))
        self._stream: Stream | None = None
        self._began = 0.0
        self._made_stream()  # so that what is refused, is at once

    @property
    def calibrates(self) -> bool:
        """Whether what comes still tells how sensors are mounted."""
        return self._upright_frames is not None and self._mounting is None

    def line(self, line: bytes) -> list[Recognised]:
        """Take a line. Times of the result are those of the lines' clock."""
        try:
            parsed = self.format.parse(line)
            if parsed is None:
                return []
            if any(not is_rotation(ori) for ori in parsed[1].get("ori", {}).values()):
                raise MalformedError("must hold rotations, sensor to world, but does not")
        except MalformedError as error:
            self.counts.samples += 1
            self.counts.malformed += 1
            self.counts.last_problem = f"sample {self.counts.samples:,} {error}"
            return []
        return self.frame(*parsed)

    def frame(self, t: float, values: Sample) -> list[Recognised]:
        """Take one frame; times of the result are those of the frames' clock.

        Args:
            t: s, of any clock.
        """
        self.counts.samples += 1
        if self._times and not self._follows(t):
            return []
        self._times.append(t)
        if not self._at_rate():
            return []
        if self.calibrates:
            self._calibrate(values)
            return []
        if self._stream is None:
            self._stream, self._began = self._made_stream(), t
        try:
            found = self._stream.push(acc=values["acc"], gyr=values.get("gyr"), ori=values.get("ori"))
        except UserError as error:
            self._begin_again(str(error), t)
            return []
        self.counts.windows += len(found)
        return [Recognised(r.start_s + self._began, r.end_s + self._began, r.label, r.probabilities) for r in found]

    def _follows(self, t: float) -> bool:
        """Whether the sample is to be taken; begins again where it does not follow the last one."""
        step = t - self._times[-1]
        if -LATE_S < step <= 0:
            self.counts.late += 1
            return False
        if step <= 0:
            self._begin_again(f"the clock went back by {-step:.3f} s", t)
        elif step > GAP_FRAMES / self.rate_hz:
            self._begin_again(f"{step:.3f} s without a sample", t)
        return True

    def _at_rate(self) -> bool:
        """Whether samples come at the model's rate, as far as can be told; begins again where they do not."""
        if len(self._times) < (self._times.maxlen or 0):
            return True
        rate_hz = (len(self._times) - 1) / (self._times[-1] - self._times[0])
        if abs(rate_hz / self.rate_hz - 1) <= RATE_TOLERANCE:
            return True
        self._begin_again(f"samples must come at {self.rate_hz:g} Hz, but come at {rate_hz:.1f} Hz", self._times[-1])
        return False

    def _begin_again(self, why: str, t: float) -> None:
        self.counts.gaps += 1
        self.counts.last_problem = f"at {t:.3f} s: {why}"
        self._times.clear()
        self._upright.clear()
        self._stream = None

    def _made_stream(self) -> Stream:
        mounting = self._mounting
        if self.calibrates:
            mounting = {sensor: np.eye(3) for sensor in self._recognizer.sensors}
        return self._recognizer.stream(
            rate_hz=self.rate_hz, frame=self._frame, gravity=self._gravity, mounting=mounting
        )

    def _calibrate(self, values: Sample) -> None:
        self._upright.append(values)
        if len(self._upright) < (self._upright_frames or 0):
            return
        sensors = self._recognizer.sensors
        stacked = {
            name: np.array([[of.get(name, {}).get(s, np.full((3,), np.nan)) for s in sensors] for of in self._upright])
            for name in ("acc", "gyr")
        }
        gyr = None if np.isnan(stacked["gyr"]).all() else stacked["gyr"]
        ori = np.array([[of["ori"][s] for s in sensors] for of in self._upright]) if "ori" in values else None
        recording = ImuRecording(
            acc=stacked["acc"], gyr=gyr, ori=ori, rate_hz=self.rate_hz, sensors=sensors, frame=self._frame,
            gravity=self._gravity,
        )  # fmt: skip
        turns = zip(sensors, mean_vertical(recording), upright_directions(sensors), strict=True)
        self._mounting = {
            sensor: np.eye(3) if sensor in self._as_worn else mounting_turn(own, up) for sensor, own, up in turns
        }
        self._stream = None
