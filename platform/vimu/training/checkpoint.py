"""A trained model on disk: weights and the card that says what they expect."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from vimu.models.penalty_cnn import CnnSettings, PenaltyCnn
from vimu.runtime.safe_load import load_torch

FORMAT = "vimu.model.1"


@dataclass(frozen=True)
class ModelCard:
    """What a model was made for; inference must feed the same."""

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    length_frames: int
    rate_hz: float
    feature_set: str
    trained_on: str
    """Dataset names; ends in `(synthetic)` where they are."""
    settings: dict[str, Any]
    """`CnnSettings` as a mapping."""

    def build(self) -> PenaltyCnn:
        """An untrained model of this shape."""
        settings = CnnSettings.model_validate(self.settings)
        return PenaltyCnn(len(self.channels), self.length_frames, len(self.classes), settings)


def save_model(path: Path, model: PenaltyCnn, card: ModelCard) -> None:
    """Write weights and card; `load_model` reads them back without executing anything."""
    partial = path.with_name(f".{path.name}.partial")
    torch.save({"format": FORMAT, "card": asdict(card), "state": model.state_dict()}, partial)
    partial.rename(path)


def load_model(path: Path) -> tuple[PenaltyCnn, ModelCard]:
    """The model in evaluation mode, and its card.

    Raises:
        Rejection: the file is damaged or holds anything but tensors and plain values.
    """
    data = load_torch(path)
    if data.get("format") != FORMAT:
        raise ValueError(f"`{path}` must be of format {FORMAT}, but is {data.get('format')}.")
    raw = data["card"]
    card = ModelCard(**{**raw, "classes": tuple(raw["classes"]), "channels": tuple(raw["channels"])})
    model = card.build()
    model.load_state_dict(data["state"])
    return model.eval(), card


def weights_sha256(model: torch.nn.Module) -> str:
    """Hash of every parameter and buffer, by name: equal weights, equal hash."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
