"""The sensor encoder: a window of gravity-aligned signals -> a vector in the space of texts. 0.26 M parameters.

    (B, L, 6) --two convolutions, each halves the rate--> (B, L/4, 96) --two transformer layers--> mean and max
    over time --linear--> (B, 384)

Legend: B windows, L frames, D width of the space. Source: DOI 10.1145/3770652 has such an encoder with 11.8 M.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

N_CHANNELS = 6
WIDTH, STEM, HEADS, LAYERS, KERNEL = 96, 64, 4, 2, 5


class SensorEncoder(nn.Module):
    """Any length of window, any heading; the rate is the one that it was trained with."""

    def __init__(self, width: int) -> None:
        """Untrained, without dropout: windows are varied instead, and it would take half of the time.

        Args:
            width: of the space, that of the text encoder.
        """
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(N_CHANNELS, STEM, KERNEL, stride=2, padding=KERNEL // 2), nn.GroupNorm(8, STEM), nn.GELU(),
            nn.Conv1d(STEM, WIDTH, KERNEL, stride=2, padding=KERNEL // 2), nn.GroupNorm(8, WIDTH), nn.GELU(),
        )  # fmt: skip
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(2 * WIDTH)
        self.out = nn.Linear(2 * WIDTH, width)

    def forward(self, x: Float[Tensor, "B L 6"]) -> Float[Tensor, "B D"]:
        """Vectors, not of unit length."""
        h = self.stem(x.transpose(1, 2)).transpose(1, 2)
        h = self.layers(h + positions(h.shape[1], WIDTH))
        return self.out(self.norm(torch.cat([h.mean(dim=1), h.amax(dim=1)], dim=1)))  # type: ignore[no-any-return]


def positions(length: int, width: int) -> Float[Tensor, "L W"]:
    """Sines and cosines of wavelengths from 2 pi frames on. Source: arXiv 1706.03762, section 3.5."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(length)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).reshape(length, width)
