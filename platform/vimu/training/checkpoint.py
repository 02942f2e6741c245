"""A trained model on disk: weights and the card that says what they expect."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from vimu.contracts import Reason, Rejection
from vimu.models.choice import build_model
from vimu.models.forest import Forest
from vimu.models.network import Classifier, Network
from vimu.models.settings import settings_of
from vimu.runtime.safe_load import load_torch

FORMAT = "vimu.model.2"
"""2: any kind of model, by `settings.kind`; a penalty CNN without its decoder."""


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
    """The model's settings as a mapping; `kind` says which model."""

    def build(self) -> Network | Forest:
        """An untrained model of this kind and shape."""
        return build_model(
            settings_of(self.settings), n_channels=len(self.channels), length_frames=self.length_frames,
            n_classes=len(self.classes),
        )  # fmt: skip


def save_model(path: Path, model: Classifier, card: ModelCard) -> None:
    """Write weights and card; `load_model` reads them back without executing anything."""
    partial = path.with_name(f".{path.name}.partial")
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    torch.save({"format": FORMAT, "card": asdict(card), "state": state}, partial)
    partial.rename(path)


def load_model(path: Path) -> tuple[Network | Forest, ModelCard]:
    """The model in evaluation mode, and its card.

    Raises:
        Rejection: the file is damaged, holds anything but tensors and plain values, or is of another format.
    """
    data = load_torch(path)
    if data.get("format") != FORMAT:
        raise Rejection(str(path), Reason.UNREADABLE, f"is of format {data.get('format')}, not {FORMAT}: train again")
    try:
        raw = data["card"]
        card = ModelCard(**{**raw, "classes": tuple(raw["classes"]), "channels": tuple(raw["channels"])})
        model = card.build()
        model.load_state_dict(data["state"])
    except Exception as error:  # a card or weights that do not fit show as any error of pydantic or torch
        raise Rejection(str(path), Reason.UNREADABLE, f"{type(error).__name__}: {error}"[:300]) from error
    return (model.eval() if isinstance(model, Network) else model), card


def weights_sha256(model: Classifier) -> str:
    """Hash of every parameter and buffer, by name: equal weights, equal hash."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
