"""Shapes of models, as a configuration gives them. Without torch, which commands that train nothing do not wait for."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag, TypeAdapter, field_validator

from vimu.runtime.config import Section


class CnnSettings(Section):
    """Shape of the penalty CNN."""

    kind: Literal["penalty_cnn"] = "penalty_cnn"
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 64, 128)
    """Channels of each convolution, as many as wanted; each halves the time axis."""
    kernel: Annotated[int, Field(ge=3, le=31)] = 5
    """Frames a convolution sees; odd."""
    hidden: PositiveInt = 128
    """Units of the fully-connected layer on the latent."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """On the latent, in training."""
    statistics: bool = False
    """Statistics of each channel, those the random forest sees, stand beside the latent: normalisation by window takes
    from the convolutions how strong a motion is."""

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("must be odd, so that a frame stands in its middle")
        return kernel


class DeepConvLstmSettings(Section):
    """Shape of DeepConvLSTM; the defaults are the published ones."""

    kind: Literal["deepconvlstm"]
    n_convolutions: PositiveInt = 4
    filters: PositiveInt = 64
    kernel: Annotated[int, Field(ge=2, le=31)] = 5
    """Frames a filter sees; without padding, so each convolution takes `kernel - 1` frames off the window."""
    units: PositiveInt = 128
    """Of each of the two LSTM layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """On the input of the LSTM layers and of the output layer, in training."""


class ForestSettings(Section):
    """Size of the random forest."""

    kind: Literal["random_forest"]
    n_trees: PositiveInt = 300


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
