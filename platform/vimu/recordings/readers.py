"""What a reader of real recordings is, and which there are."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vimu.contracts import ImuRecording
from vimu.runtime.registry import Registry

if TYPE_CHECKING:
    from vimu.recordings.config import RecordingConfig


class RecordingReader(Protocol):
    """The contract of a recording reader: one untrusted file in, an even recording out, or a `Rejection`.

    `vimu.recordings.conformance.check_reader` holds a reader to it.
    """

    def __call__(
        self, path: Path, config: "RecordingConfig", /, *, sensors: tuple[str, ...], rate_hz: float
    ) -> ImuRecording:
        """Read one trial. Called in Ray workers, many at a time: it must depend on its arguments only.

        Args:
            path: the file. Its bytes are not to be trusted: limit what they may allocate, and never let them execute
                (`vimu.runtime.safe_load` for npz and pickles).
            config: the set's YAML; `config.sensor_ids(sensors)` are the file's ids of the sensors wanted.
            sensors: placements wanted, each of `config.sensors`, in the order that the recording is to have.
            rate_hz: of the result.

        A reader of a set whose YAML has `segments` also gets `span`: first and last sample, counted from 1, of the
        stretch of the file that is the trial; one that finds stretches itself (`vimu.recordings.stretches`) gets what
        it found.

        Returns:
            float32 `acc` in m/s^2; where the set has them `gyr` in rad/s, in the sensor's axes, and `ori`, sensor to
            world (+Y up); `frame` and `gravity` say what `acc` is. All on one even timeline at `rate_hz`, from the
            first to the last moment that all of `sensors` cover (`vimu.recordings.timeline` helps). A sensor without a
            channel has NaN in the whole column; all else is finite. `notes` says what was filled, cut or mended, as
            `filled: 12 frames of chest`: counts are added up by the word before the colon.

        Raises:
            Rejection: the trial cannot be used. Nothing else may be raised, whatever the file holds: any other
                exception ends the run.
        """
        ...


READERS: Registry[RecordingReader] = Registry(
    "vimu.recording_readers",
    {name: f"vimu.recordings.{name}:read" for name in ("umafall", "dip", "hapt", "table", "uci_har", "hhar")},
)
