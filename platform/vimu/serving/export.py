"""A trained network as an ONNX graph that takes raw windows, standardises them and gives probabilities."""

import copy
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vimu.models.forest import Forest
from vimu.models.network import Network
from vimu.runtime.errors import OperationError, UserError
from vimu.serving.onnx_model import FILE, INPUT, OUTPUT, OnnxModel, require_exporter
from vimu.serving.preprocessing import Preprocessing
from vimu.training.checkpoint import ModelCard

MAX_DIFFERENCE = 1e-5
"""Of any probability from torch's."""


class WithProbabilities(nn.Module):
    """What is exported: raw windows in physical units -> class probabilities. Legend: B batch, L, C, N as in models."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B N"]:
        return torch.softmax(self.network(x), dim=1)


def to_onnx(model: Network | Forest, *, length_frames: int, n_channels: int) -> bytes:
    """The graph, its weights inside, for any number of windows at once. A network's decoder is no part of it.

    Raises:
        UserError: the model is a forest, or the exporter is not installed.
    """
    if isinstance(model, Forest):
        raise UserError("`model` must be a network to be exported, but is a random forest: ONNX export has none.")
    require_exporter()
    whole = WithProbabilities(copy.deepcopy(model).cpu()).eval()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.inference_mode():
        path = Path(folder) / FILE
        # the exporter by tracing: ten times as fast as that by torch.export, one package fewer, the same figures
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # what tracing takes for constant are the layers' checks of channels and length, which are; `check_equal` tells
        warnings.filterwarnings("ignore", message=".*might cause the trace to be incorrect.*")
        warnings.filterwarnings("ignore", message=".*variable length with LSTM.*")
        torch.onnx.export(
            whole, (torch.zeros(2, length_frames, n_channels),), path, input_names=[INPUT], output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "windows"}, OUTPUT: {0: "windows"}}, dynamo=False,
        )  # fmt: skip
        return path.read_bytes()


def check_equal(
    model: Network, onnx: bytes, preprocessing: Preprocessing, x: Float[np.ndarray, "windows length channels"]
) -> float:
    """The largest difference of a probability between torch and the exported graph, on windows one by one and together.

    Raises:
        OperationError: it is above `MAX_DIFFERENCE`.
    """
    exported = OnnxModel(
        onnx, where="the exported model", length_frames=preprocessing.windows.length_frames,
        n_channels=len(preprocessing.channels), n_classes=len(preprocessing.classes),
    )  # fmt: skip
    wanted = model.predict_proba(x)
    alone = np.concatenate([exported(x[i : i + 1]) for i in range(min(len(x), 32))])
    largest = max(float(np.abs(exported(x) - wanted).max()), float(np.abs(alone - wanted[: len(alone)]).max()))
    if not largest <= MAX_DIFFERENCE:
        raise OperationError(
            f"Probabilities of the exported model must be within {MAX_DIFFERENCE:g} of torch's, but differ by "
            f"{largest:.2g}."
        )
    return largest


def check_card(card: ModelCard, preprocessing: Preprocessing) -> None:
    """Refuse a model that was not made for these windows. Raises UserError."""
    windows = preprocessing.windows
    made = (card.classes, card.channels, card.length_frames, card.rate_hz, card.feature_set)
    wanted = (
        preprocessing.classes, preprocessing.channels, windows.length_frames, windows.rate_hz, windows.feature_set
    )  # fmt: skip
    if made != wanted:
        raise UserError(f"The model must be of the run's windows {wanted}, but is of {made}.")
