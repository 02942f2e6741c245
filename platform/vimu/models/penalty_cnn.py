"""The seed paper's network: a convolutional classifier with an unsupervised penalty.

Legend: B batch, L frames, C channels, D latent channels, N classes.

Source: arXiv 2003.01874, section 3. The layer counts are lost from the text at hand: they are settings here.
"""

from itertools import pairwise
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from vimu.runtime.config import Section


class CnnSettings(Section):
    """Shape of the penalty CNN."""

    widths: tuple[PositiveInt, ...] = (64, 64, 128)
    """Channels of each convolution; each halves the time axis."""
    kernel: Annotated[int, Field(ge=3, le=31)] = 5
    """Frames a convolution sees; odd."""
    hidden: PositiveInt = 128
    """Units of the fully-connected layer on the latent."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """On the latent, in training."""


class PenaltyCnn(nn.Module):
    """Encoder, classifier, and the mirrored decoder that makes the penalty.

    Normalisation is by window (GroupNorm), never by batch: the loss does not depend on who shares a batch or a rank.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_channels: int, length_frames: int, n_classes: int, settings: CnnSettings) -> None:
        super().__init__()
        self.length_frames = length_frames
        self.n_classes = n_classes
        widths = (n_channels, *settings.widths)
        pad = settings.kernel // 2
        self.register_buffer("mean", torch.zeros(n_channels))
        self.register_buffer("std", torch.ones(n_channels))
        self.encoder = nn.Sequential(
            *[
                nn.Sequential(
                    nn.Conv1d(a, b, settings.kernel, stride=2, padding=pad), nn.GroupNorm(_groups(b), b), nn.GELU()
                )
                for a, b in pairwise(widths)
            ]
        )
        self.classifier = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(2 * widths[-1], settings.hidden),
            nn.GELU(),
            nn.Linear(settings.hidden, n_classes),
        )
        reversed_widths = widths[::-1]
        self.decoder = nn.Sequential(
            *[
                nn.Sequential(
                    nn.ConvTranspose1d(a, b, settings.kernel, stride=2, padding=pad, output_padding=1),
                    nn.Identity() if b == n_channels and i == len(widths) - 2 else nn.GELU(),
                )
                for i, (a, b) in enumerate(pairwise(reversed_widths))
            ]
        )

    def standardize(self, mean: Float[Tensor, " C"], std: Float[Tensor, " C"]) -> None:
        """Set the channel statistics of the training split; they travel with the weights."""
        self.mean.copy_(mean)
        self.std.copy_(std.clamp_min(1e-3))

    def encode(self, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B D T"]:
        """Latent of raw windows (physical units)."""
        latent: Tensor = self.encoder(self._normalized(x))
        return latent

    def forward(self, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B N"]:
        """Class logits of raw windows (physical units)."""
        latent = self.encode(x)
        pooled = torch.cat([latent.mean(dim=2), latent.amax(dim=2)], dim=1)
        logits: Tensor = self.classifier(pooled)
        return logits

    def penalty(self, x: Float[Tensor, "B L C"], noise: Float[Tensor, "B L C"]) -> Float[Tensor, ""]:
        """Mean squared error of rebuilding the clean window from one with `noise` (in channel standard deviations).

        The classifier never sees the noise: only this branch does.
        """
        clean = self._normalized(x)
        rebuilt = self.decoder(self.encoder(clean + noise.transpose(1, 2)))[..., : self.length_frames]
        return nn.functional.mse_loss(rebuilt, clean[..., : rebuilt.shape[-1]])

    def _normalized(self, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B C L"]:
        return ((x - self.mean) / self.std).transpose(1, 2)


def _groups(width: int) -> int:
    return next(g for g in (8, 4, 2, 1) if width % g == 0)
