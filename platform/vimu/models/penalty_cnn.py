"""The seed paper's network: a convolutional classifier, and the mirrored decoder of its unsupervised penalty.

The decoder is a module beside the network and not a part of it: with lambda = 0 there is none, and no model file has
one. Legend: B batch, L frames, C channels, D latent channels, T latent frames, N classes.

Source: arXiv 2003.01874, section 3. The layer counts are lost from the text at hand: they are settings here.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vimu.models.draws import Draws, dropout
from vimu.models.network import Network
from vimu.models.settings import CnnSettings

N_STATISTICS = 5
"""Of each channel: those of `vimu.models.forest.window_statistics`."""


class PenaltyCnn(Network):
    """Encoder and classifier.

    Normalisation is by window (GroupNorm), never by batch: the loss does not depend on who shares a batch or a rank.
    """

    def __init__(self, n_channels: int, n_classes: int, settings: CnnSettings) -> None:
        super().__init__(n_channels, n_classes)
        self.dropout = settings.dropout
        self.encoder = nn.Sequential(
            *[
                nn.Sequential(
                    nn.Conv1d(a, b, settings.kernel, stride=2, padding=settings.kernel // 2),
                    nn.GroupNorm(_groups(b), b),
                    nn.GELU(),
                )
                for a, b in pairwise((n_channels, *settings.widths))
            ]
        )
        self.statistics = settings.statistics
        seen = 2 * settings.widths[-1] + (N_STATISTICS * n_channels if settings.statistics else 0)
        self.classifier = nn.Sequential(
            nn.Linear(seen, settings.hidden), nn.GELU(), nn.Linear(settings.hidden, n_classes)
        )

    def forward(self, x: Float[Tensor, "B L C"], draws: Draws | None = None) -> Float[Tensor, "B N"]:
        clean = self.normalized(x)
        return self.classified(clean, self.encoder(clean), draws)

    def classified(
        self, clean: Float[Tensor, "B C L"], latent: Float[Tensor, "B D T"], draws: Draws | None
    ) -> Float[Tensor, "B N"]:
        """Class logits of windows by what the encoder makes of them."""
        pooled = [latent.mean(dim=2), latent.amax(dim=2)]
        if self.statistics:
            step = (clean[:, :, 1:] - clean[:, :, :-1]).abs().mean(dim=2)  # `diff` cannot be exported to ONNX
            pooled += [clean.mean(dim=2), clean.std(dim=2), clean.amin(dim=2), clean.amax(dim=2), step]
        logits: Tensor = self.classifier(dropout(torch.cat(pooled, dim=1), self.dropout, draws))
        return logits

    @property
    def convolutions(self) -> list[nn.Module]:
        return list(self.encoder)

    @property
    def head(self) -> list[nn.Module]:
        return [self.classifier]

    @property
    def output(self) -> nn.Linear:
        last = self.classifier[-1]
        assert isinstance(last, nn.Linear)
        return last

    def replace_output(self, layer: nn.Linear) -> None:
        self.classifier[-1] = layer


class MirroredDecoder(nn.Module):
    """Deconvolutions from the latent back to the window, each the mirror of one of the encoder's."""

    def __init__(self, n_channels: int, length_frames: int, settings: CnnSettings) -> None:
        super().__init__()
        lengths = [length_frames]
        for _ in settings.widths:
            lengths.append(-(-lengths[-1] // 2))  # what a stride of 2 leaves
        widths = (n_channels, *settings.widths)
        layers: list[nn.Module] = []
        for i in reversed(range(len(settings.widths))):
            odd = 2 * lengths[i + 1] - lengths[i]  # a frame too many where the length is odd
            layers.append(
                nn.ConvTranspose1d(
                    widths[i + 1], widths[i], settings.kernel, stride=2, padding=settings.kernel // 2,
                    output_padding=1 - odd,
                )
            )  # fmt: skip
            if i > 0:
                layers.append(nn.GELU())
        self.layers = nn.Sequential(*layers)

    def beside(
        self, model: PenaltyCnn, x: Float[Tensor, "B L C"], noise: Float[Tensor, "B L C"], draws: Draws | None
    ) -> tuple[Float[Tensor, "B N"], Float[Tensor, ""]]:
        """Class logits of windows, and the mean squared error of rebuilding each from itself with `noise`.

        Both count in standard deviations of the channels. The classifier never sees the noise: the encoder takes clean
        and noised windows in one pass, but each by itself.
        """
        clean = model.normalized(x)
        latent, noised = model.encoder(torch.cat([clean, clean + noise.transpose(1, 2)])).chunk(2)
        return model.classified(clean, latent, draws), nn.functional.mse_loss(self.layers(noised), clean)


def _groups(width: int) -> int:
    return next(g for g in (8, 4, 2, 1) if width % g == 0)
