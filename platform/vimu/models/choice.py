"""Which model: chosen by `kind` in the configuration, built from its settings."""

from vimu.models.deepconvlstm import DeepConvLstm
from vimu.models.forest import Forest
from vimu.models.network import Network
from vimu.models.penalty_cnn import PenaltyCnn
from vimu.models.settings import CnnSettings, DeepConvLstmSettings, ForestSettings


def build_network(
    settings: CnnSettings | DeepConvLstmSettings, *, n_channels: int, length_frames: int, n_classes: int
) -> Network:
    """An untrained network; its weights come from torch's global generator."""
    if isinstance(settings, CnnSettings):
        return PenaltyCnn(n_channels, n_classes, settings)
    return DeepConvLstm(n_channels, length_frames, n_classes, settings)


def build_model(
    settings: CnnSettings | DeepConvLstmSettings | ForestSettings,
    *,
    n_channels: int,
    length_frames: int,
    n_classes: int,
) -> Network | Forest:
    """An untrained model of any kind."""
    if isinstance(settings, ForestSettings):
        return Forest(n_classes)
    return build_network(settings, n_channels=n_channels, length_frames=length_frames, n_classes=n_classes)
