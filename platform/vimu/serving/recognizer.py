"""An exported recogniser, loaded from its folder: `vimu.Recognizer.load("runs/open")`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vimu.contracts import Frame, Gravity, ImuRecording
from vimu.runtime.errors import UserError
from vimu.runtime.published import SUCCESS, Published, open_published
from vimu.runtime.storage import Location, StoredFile, location
from vimu.serving import onnx_model, preprocessing
from vimu.serving.fitting import Mounting, as_numbers, check_fits, fitted_windows, is_finite, turns_for
from vimu.serving.onnx_model import OnnxModel
from vimu.serving.preprocessing import Preprocessing, read_preprocessing
from vimu.serving.stream import Stream

CARD = "card.json"


@dataclass(frozen=True)
class Recognition:
    """What a recording's windows were taken for."""

    start_s: Float[np.ndarray, " windows"]
    """From the recording's first frame."""
    end_s: Float[np.ndarray, " windows"]
    label: np.ndarray[Any, np.dtype[np.str_]]
    """The most probable class of each window."""
    probabilities: Float[np.ndarray, "windows classes"]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.start_s)


def _card(file: StoredFile) -> dict[str, Any]:
    """`card.json`.

    Raises:
        UserError: it is no JSON mapping.
    """
    try:
        card = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise UserError(f"`{file.where}` must be JSON, but: {error}.") from error
    if not isinstance(card, dict):
        raise UserError(f"`{file.where}` must be a mapping, but is a {type(card).__name__}.")
    return card


class Recognizer:
    """A model and what it must be fed. Recordings and streams of any number go through one."""

    def __init__(self, model: OnnxModel, preprocessing: Preprocessing, card: Mapping[str, Any]) -> None:
        self._model = model
        self.preprocessing = preprocessing
        self.card = card
        """Data, splits, metrics, limits and licences: `card.md` in words."""

    @classmethod
    def load(cls, folder: Path | str, *, n_threads: int = 1) -> "Recognizer":
        """A recogniser that `jobs/export.py` published, its files checked by their sha256. Torch is not needed.

        Args:
            folder: a run, its `export` folder or a copy of that; a path or URI.
            n_threads: of onnxruntime.

        Raises:
            UserError: nothing is published there, it is damaged or foreign, or of an unknown schema version.
        """
        published = _exported(location(folder))
        file = published.file(preprocessing.FILE)
        fed = read_preprocessing(file.read(), where=file.where)
        onnx = published.file(onnx_model.FILE)
        model = OnnxModel(
            onnx.read(), where=onnx.where, length_frames=fed.windows.length_frames, n_channels=len(fed.channels),
            n_classes=len(fed.classes), n_threads=n_threads,
        )  # fmt: skip
        return cls(model, fed, _card(published.file(CARD)))

    def __repr__(self) -> str:
        w = self.preprocessing.windows
        synthetic = ", synthetic" * self.preprocessing.synthetic
        return (
            f"Recognizer({len(self.classes)} classes, windows of {w.length_frames} frames every {w.hop_frames} at "
            f"{w.rate_hz:g} Hz, {w.feature_set} of {', '.join(self.sensors)}{synthetic})"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of probabilities."""
        return self.preprocessing.classes

    @property
    def sensors(self) -> tuple[str, ...]:
        """Whose readings it needs."""
        return self.preprocessing.sensors

    def predict(self, recording: ImuRecording, *, mounting: Mounting | None = None) -> Recognition:
        """The class of every window of a recording, cut as `prepare` cuts.

        Args:
            recording: virtual or real, of the model's rate or a higher one, with the model's sensors in any order.
                Others, and signals that the model has no use for, are not looked at.
            mounting: for a model of `prepare.mounting: estimated` only: how each sensor is to be turned.

        Raises:
            UserError: the recording does not fit the model, or is shorter than a window.
        """
        turns = turns_for(self.preprocessing, mounting)
        check_fits(recording, self.preprocessing)
        x, starts = fitted_windows(recording, self.preprocessing, turns)
        w = self.preprocessing.windows
        probabilities = self.probabilities(x)
        return Recognition(
            starts / w.rate_hz, (starts + w.length_frames) / w.rate_hz,
            np.array(self.classes)[probabilities.argmax(axis=1)], probabilities, self.classes,
        )  # fmt: skip

    def probabilities(self, x: Float[np.ndarray, "windows length channels"]) -> Float[np.ndarray, "windows classes"]:
        """Of windows that are cut already, such as those of `vimu.load_windows`; raw values, float32.

        Raises:
            UserError: they are of another shape or type, or not finite.
        """
        shape = (self.preprocessing.windows.length_frames, len(self.preprocessing.channels))
        x = as_numbers("`x`", x)
        if x.shape[1:] != shape or x.dtype != np.float32:
            raise UserError(f"`x` must be (windows, {shape[0]}, {shape[1]}) float32, but is {x.shape} {x.dtype}.")
        if not is_finite(x):
            raise UserError("`x` must be finite, but is not.")
        return self._model(x)

    def stream(
        self, *, rate_hz: float, frame: Frame | None = None, gravity: Gravity | None = None,
        mounting: Mounting | None = None,
    ) -> Stream:  # fmt: skip
        """A stream that takes samples as they come: `Stream.push`.

        Args:
            rate_hz: of the samples; must be the model's. Down-sampling looks ahead, so it cannot be had live: have the
                device sample at the model's rate, or gather a recording for `predict`.
            frame, gravity: of the acceleration; None: as in the model's windows. Others need `ori`, and so does every
                model with orientation in its windows: VQF as `prepare` runs it looks ahead.
            mounting: as for `predict`.

        Raises:
            UserError: another rate, or axes or gravity that are none.
        """
        return Stream(
            self._model, self.preprocessing, rate_hz=rate_hz, frame=frame or self.preprocessing.frame,
            gravity=gravity or self.preprocessing.gravity, turns=turns_for(self.preprocessing, mounting),
        )  # fmt: skip


def _exported(folder: Location) -> Published:
    """The published export in `folder`, a run or the export itself."""
    if (folder / "export" / SUCCESS).is_file():
        folder = folder / "export"
    published = open_published(folder, made_by="python jobs/export.py --config ...")
    stage = published.manifest["stage"]
    if stage != "export":
        raise UserError(f"`folder` must be a run or its `export` folder, but `{folder}` is of `{stage}`.")
    return published
