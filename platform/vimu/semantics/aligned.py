"""An aligned model on disk and in use: a sensor encoder, labels as vectors, the text encoder that makes new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vimu.contracts import Reason, Rejection
from vimu.models.sensor_encoder import SensorEncoder
from vimu.runtime.errors import UserError, listed
from vimu.runtime.safe_load import load_torch
from vimu.semantics.encoder_files import EncoderFiles
from vimu.semantics.signals import aligned_signals
from vimu.semantics.space import centred, prototypes
from vimu.semantics.stage2 import outputs
from vimu.semantics.statements import StatementSpace
from vimu.semantics.text_encoder import TextEncoder

FORMAT = "vimu.aligned.2"


@dataclass(frozen=True)
class AlignedCard:
    """What a model was made for; inference must feed the same."""

    classes: tuple[str, ...]
    """Those that have a vector in the model."""
    seen: tuple[str, ...]
    """Those whose windows it learnt from."""
    rate_hz: float
    length_frames: int
    trained_on: str
    temperature: float
    encoder: str
    """The text encoder as it was named: `minilm`, or a folder."""
    encoder_digest: str
    """Of its files."""
    tuned_layers: int
    bf16: bool


@dataclass(frozen=True)
class AlignedModel:
    """Signals and texts in one space."""

    card: AlignedCard
    sensor: SensorEncoder
    prototypes: Float[Tensor, "N D"]
    """A unit vector a class of the card."""
    middle: Float[Tensor, " D"]
    """Of labels' vectors, that new ones are seen from."""
    upper: Mapping[str, Tensor]
    """The text encoder's upper layers after stage 1; empty where they are as they came."""
    statements: StatementSpace | None = None
    """Where statements are compared; `middle` is zero then."""

    def vectors(self, x: Float[np.ndarray, "n length 6"]) -> Float[Tensor, "n D"]:
        """Windows as unit vectors.

        Args:
            x: acceleration (m/s^2, gravity included) and angular velocity (rad/s) in sensor axes, at the card's rate.
        """
        return _unit(outputs(self.sensor, torch.from_numpy(aligned_signals(x, rate_hz=self.card.rate_hz))))

    def probabilities(self, vectors: Float[Tensor, "n D"], labels: Float[Tensor, "N D"]) -> Float[np.ndarray, "n N"]:
        """Each window's agreement with each label, as shares of one."""
        return (vectors @ labels.T / self.card.temperature).softmax(dim=1).numpy()

    def of_classes(self, classes: Sequence[str]) -> Float[Tensor, "N D"]:
        """The vectors of some of the card's classes. Raises UserError: it does not have one of them."""
        unknown = [name for name in classes if name not in self.card.classes]
        if unknown:
            raise UserError(
                f"Classes must be among {listed(self.card.classes, 20)}, but {listed(unknown)} is asked for."
            )
        return self.prototypes[[self.card.classes.index(name) for name in classes]]

    def of_texts(self, files: EncoderFiles, texts: Sequence[Sequence[str]]) -> Float[Tensor, "N D"]:
        """Vectors of new labels, each of one or several texts.

        Raises:
            UserError: the text encoder's files are not those that the model was made with.
        """
        if files.digest != self.card.encoder_digest:
            raise UserError(
                f"The text encoder must be the one that the model was made with ({self.card.encoder_digest}), but "
                f"`{files.folder}` is another ({files.digest})."
            )
        encoder = TextEncoder(files, n_tuned=self.card.tuned_layers, bf16=self.card.bf16)
        if self.upper:
            encoder.load_state_dict(dict(self.upper))
        if self.statements is not None:
            return self.statements.of_labels(texts, lambda said: encoder.embed(encoder.states(said)))
        flat = [(text, i) for i, of in enumerate(texts) for text in of]
        vectors = encoder.embed(encoder.states([text for text, _ in flat]))
        return centred(prototypes(vectors, torch.tensor([i for _, i in flat]), len(texts)), self.middle)


def save_aligned(path: Path, model: AlignedModel) -> None:
    """Write it; `load_aligned` reads it back without executing anything."""
    state = {
        "format": FORMAT, "card": asdict(model.card), "sensor": model.sensor.state_dict(),
        "prototypes": model.prototypes, "middle": model.middle, "upper": dict(model.upper),
        "statements": {} if model.statements is None else model.statements.state(),
    }  # fmt: skip
    torch.save(state, path)


def load_aligned(path: Path) -> AlignedModel:
    """The model, in evaluation mode.

    Raises:
        Rejection: the file is damaged, holds anything but tensors and plain values, or is of another format.
    """
    data = load_torch(path)
    if data.get("format") != FORMAT:
        raise Rejection(str(path), Reason.UNREADABLE, f"is of format {data.get('format')}, not {FORMAT}: align again")
    try:
        raw: dict[str, Any] = data["card"]
        card = AlignedCard(**{**raw, "classes": tuple(raw["classes"]), "seen": tuple(raw["seen"])})
        sensor = SensorEncoder(int(data["prototypes"].shape[1]))
        sensor.load_state_dict(data["sensor"])
        space = StatementSpace.from_state(data["statements"]) if data["statements"] else None
        return AlignedModel(card, sensor.eval(), data["prototypes"], data["middle"], data["upper"], space)
    except Exception as error:  # a card or weights that do not fit show as any error of torch
        raise Rejection(str(path), Reason.UNREADABLE, f"{type(error).__name__}: {error}"[:300]) from error


def _unit(vectors: Float[Tensor, "n D"]) -> Float[Tensor, "n D"]:
    return torch.nn.functional.normalize(vectors, dim=1)
