"""Which model: chosen by `kind` in the configuration, built from its settings."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag, TypeAdapter

from vimu.models.deepconvlstm import DeepConvLstm, DeepConvLstmSettings
from vimu.models.forest import Forest, ForestSettings
from vimu.models.network import Network
from vimu.models.penalty_cnn import CnnSettings, PenaltyCnn


def _kind(given: Any) -> str:
    """`penalty_cnn` where a configuration does not say."""
    return str(given.get("kind", "penalty_cnn") if isinstance(given, dict) else getattr(given, "kind", None))


NetworkSettings = Annotated[
    Annotated[CnnSettings, Tag("penalty_cnn")] | Annotated[DeepConvLstmSettings, Tag("deepconvlstm")],
    Discriminator(
        _kind, custom_error_type="kind", custom_error_message="must be of `kind` penalty_cnn or deepconvlstm"
    ),
]
"""Of a network, which pre-training and fine-tuning train."""
ModelSettings = Annotated[
    Annotated[CnnSettings, Tag("penalty_cnn")]
    | Annotated[DeepConvLstmSettings, Tag("deepconvlstm")]
    | Annotated[ForestSettings, Tag("random_forest")],
    Discriminator(_kind),
]
"""Of any model."""

_ANY: TypeAdapter[CnnSettings | DeepConvLstmSettings | ForestSettings] = TypeAdapter(ModelSettings)


def settings_of(raw: Any) -> CnnSettings | DeepConvLstmSettings | ForestSettings:
    """Model settings from their mapping, as a card holds it."""
    return _ANY.validate_python(raw)


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
