"""What the loops and evaluation ask of a model, and what all networks have in common.

Legend: B batch, L frames, C channels, N classes.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vimu.models.draws import Draws


class Classifier(Protocol):
    """A model of any kind, built from a card: it predicts, and gives and takes its state as tensors by name."""

    n_classes: int

    def predict_proba(self, x: Float[np.ndarray, "n L C"]) -> Float[np.ndarray, "n N"]:
        """Class probabilities of raw windows (physical units)."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """All that was learnt."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """Take what `state_dict` gave."""
        ...


class Network(nn.Module):
    """A network that standardises its input and can be frozen block by block."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.register_buffer("mean", torch.zeros(n_channels))
        self.register_buffer("std", torch.ones(n_channels))

    def forward(self, x: Float[Tensor, "B L C"], draws: Draws | None = None) -> Float[Tensor, "B N"]:
        """Class logits of raw windows. What is dropped comes from `draws`; nothing is without."""
        raise NotImplementedError

    @property
    def convolutions(self) -> list[nn.Module]:
        """Blocks that see the signal, from the input on: what head-only fine-tuning freezes."""
        raise NotImplementedError

    @property
    def head(self) -> list[nn.Module]:
        """Blocks after the convolutions, towards the output."""
        raise NotImplementedError

    @property
    def output(self) -> nn.Linear:
        """The layer with a unit a class, the last of the head."""
        raise NotImplementedError

    def replace_output(self, layer: nn.Linear) -> None:
        """Put `layer` in its place."""
        raise NotImplementedError

    def renew_output(self, n_classes: int) -> None:
        """An untrained last layer, for other classes."""
        old = self.output
        self.replace_output(nn.Linear(old.in_features, n_classes, device=old.weight.device))
        self.n_classes = n_classes

    def standardize(self, mean: Float[Tensor, " C"], std: Float[Tensor, " C"]) -> None:
        """Set the channel statistics of the training split; they travel with the weights."""
        self.mean.copy_(mean)
        self.std.copy_(std.clamp_min(1e-3))

    def normalized(self, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B C L"]:
        """In standard deviations of each channel, time last; in one piece, since losses on a turned view are slow."""
        return ((x - self.mean) / self.std).transpose(1, 2).contiguous()

    @torch.inference_mode()
    def predict_proba(self, x: Float[np.ndarray, "n L C"], *, batch_size: int = 512) -> Float[np.ndarray, "n N"]:
        """Class probabilities of raw windows, nothing dropped."""
        parts = [
            torch.softmax(self(torch.from_numpy(x[i : i + batch_size]).to(self.mean.device)), dim=1).cpu().numpy()
            for i in range(0, len(x), batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.n_classes), np.float32)
