"""DeepConvLSTM: convolutions over time, one sensor channel at a time, then two LSTM layers.

Legend: B batch, L frames, C channels, T frames that the convolutions leave, F features a frame, N classes.

Source: Ordonez and Roggen, "Deep Convolutional and LSTM Recurrent Neural Networks for Multimodal Wearable Activity
Recognition", Sensors 16(1):115, 2016: 4 convolutions of 64 filters of 5 x 1 with ReLU and no padding, two LSTM layers
of 128 units, dropout of 0.5 on the input of every dense layer, orthogonal weights, the class from the last step.
What differs: their RMSProp; training here is the same for every network.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vimu.models.draws import Draws, dropout
from vimu.models.network import Network
from vimu.models.settings import DeepConvLstmSettings
from vimu.runtime.errors import UserError


class DeepConvLstm(Network):
    """The published network; windows are standardised by channel, as for every network here.

    Raises:
        UserError: windows too short for the convolutions.
    """

    def __init__(self, n_channels: int, length_frames: int, n_classes: int, settings: DeepConvLstmSettings) -> None:
        super().__init__(n_channels, n_classes)
        least = settings.n_convolutions * (settings.kernel - 1) + 1
        if length_frames < least:
            raise UserError(f"Windows of deepconvlstm must be at least {least} frames, but are {length_frames}.")
        self.dropout = settings.dropout
        widths = [1] + settings.n_convolutions * [settings.filters]
        self.convolution = nn.ModuleList(nn.Conv2d(a, b, (settings.kernel, 1)) for a, b in pairwise(widths))
        self.lstm = nn.ModuleList(
            nn.LSTM(n, settings.units, batch_first=True) for n in (settings.filters * n_channels, settings.units)
        )
        self.last = nn.Linear(settings.units, n_classes)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.orthogonal_(parameter)
            elif "bias" in name:
                nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "B L C"], draws: Draws | None = None) -> Float[Tensor, "B N"]:
        maps = self.normalized(x).transpose(1, 2)[:, None]  # B 1 L C
        for convolution in self.convolution:
            maps = torch.relu(convolution(maps))
        sequence: Float[Tensor, "B T F"] = maps.permute(0, 2, 1, 3).flatten(2)
        for i, lstm in enumerate(self.lstm):
            sequence = dropout(sequence, self.dropout, None if draws is None else draws.of(f"lstm {i}"))
            sequence, _ = lstm(sequence)
        logits: Tensor = self.last(dropout(sequence[:, -1], self.dropout, None if draws is None else draws.of("last")))
        return logits

    @property
    def convolutions(self) -> list[nn.Module]:
        return list(self.convolution)

    @property
    def head(self) -> list[nn.Module]:
        return [*self.lstm, self.last]

    @property
    def output(self) -> nn.Linear:
        return self.last

    def replace_output(self, layer: nn.Linear) -> None:
        self.last = layer
