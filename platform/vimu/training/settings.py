"""What pre-training and fine-tuning can be told."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from vimu.models.settings import CnnSettings, ForestSettings, NetworkSettings, settings_of
from vimu.runtime.config import EachOnce, Section, Seed

GROUP = 8
"""Windows that are dealt to ranks together: a batch is some whole groups."""


class AugmentSettings(Section):
    """How far training windows are varied; 0 leaves a kind out."""

    misalignment_deg: NonNegativeFloat = 20.0
    """Greatest turn of a sensor about a random axis: straps and pockets. Source: WIMUSim's range of +-20 degrees."""
    heading: bool = False
    """Turn the whole body about the vertical by any angle (world-frame features only): nobody's heading is special."""
    scale: NonNegativeFloat = 0.1
    """Greatest relative change of each sensor's amplitude: gain errors and vigour."""
    speed: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Greatest relative change of the pace within a window; what lies beyond its ends is mirrored."""
    noise: NonNegativeFloat = 0.0
    """White noise, in standard deviations of a channel over the training split."""

    @property
    def none(self) -> bool:
        """Whether nothing is varied."""
        return not (self.misalignment_deg or self.heading or self.scale or self.speed or self.noise)


class PretrainSettings(Section):
    """Pre-training on virtual windows; training from scratch on real ones uses the same optimiser settings."""

    model: NetworkSettings = CnnSettings()
    """`kind: penalty_cnn` or `kind: deepconvlstm`, with its shape."""
    n_workers: PositiveInt = 2
    """Ray Train workers, each on its shard of the windows; must divide 8."""
    epochs: PositiveInt = 30
    batch_size: PositiveInt = 128
    """Windows a step over all workers; a multiple of 8."""
    lr: PositiveFloat = 1e-3
    """Peak learning rate of AdamW; a cosine brings it down to nothing."""
    weight_decay: NonNegativeFloat = 1e-2
    clip_norm: PositiveFloat = 5.0
    """A longer gradient is shortened to this."""
    penalty_weight: NonNegativeFloat = 0.5
    """lambda: cross-entropy + lambda * mean squared reconstruction error. 0 is the plain CNN. Plays no part for
    `deepconvlstm`, which has no decoder."""
    noise_std: NonNegativeFloat = 0.3
    """Noise on the decoder's input, in standard deviations of a channel."""
    patience_epochs: PositiveInt = 8
    """Stop when validation macro-F1 has not risen for so many epochs."""
    augment: AugmentSettings = AugmentSettings()
    checkpoint_every_epochs: PositiveInt = 5
    """A checkpoint so often; a killed run goes on from the last whole one."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto`: a GPU for each worker where the cluster has as many."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bfloat16 on a GPU that has it, else float32. Weights and loss are float32 in any case."""
    seed: Seed = 0

    @field_validator("n_workers")
    @classmethod
    def _divides(cls, n_workers: int) -> int:
        if GROUP % n_workers:
            raise ValueError(f"must divide {GROUP}, so that any of these numbers of workers sees the same batches")
        return n_workers

    @field_validator("batch_size")
    @classmethod
    def _multiple(cls, batch_size: int) -> int:
        if batch_size % GROUP:
            raise ValueError(f"must be a multiple of {GROUP}")
        return batch_size

    def of_kind(self, kind: str) -> "PretrainSettings":
        """These settings for a network of `kind`: with its shape, or the default one where it is another's."""
        if self.model.kind == kind:
            return self
        model = settings_of({"kind": kind})
        assert not isinstance(model, ForestSettings)
        return self.model_copy(update={"model": model})


Schedule = Literal["head", "gradual", "discriminative", "all"]
"""Of fine-tuning: `vimu.training.schedules`."""


class FinetuneSettings(Section):
    """Fine-tuning on the real training split."""

    schedule: Schedule = "head"
    """`head` freezes the convolutions and optimises the fully-connected layers, as the seed paper does; `gradual` thaws
    one convolution after another, from the output back; `discriminative` trains all, each convolution slower than the
    one after it; `all` trains all, the convolutions alike."""
    encoder_lr_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Rate of the convolutions under `all`, as a share of the head's."""
    depth_decay: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Rate of a convolution under `discriminative`, as a share of that of the block after it. Source: Howard and Ruder
    divide by 2.6."""
    unfreeze_every_epochs: PositiveInt = 4
    """Epochs between two convolutions under `gradual`."""
    epochs: PositiveInt = 20
    """The seed paper finds 20 enough."""
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-2
    augment: AugmentSettings = AugmentSettings()
    seeds: EachOnce[Seed] = (0, 1, 2)
    """One model a seed and start; tables give the mean."""

    @field_validator("batch_size")
    @classmethod
    def _multiple(cls, batch_size: int) -> int:
        if batch_size % GROUP:
            raise ValueError(f"must be a multiple of {GROUP}")
        return batch_size
