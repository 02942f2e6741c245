"""Settings of the alignment of signals with words."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from vimu.runtime.config import EachOnce, Section, Seed
from vimu.runtime.storage import LocationSetting

Variant = Literal["aligned", "whole_text", "frozen", "random_weights", "no_judge", "labelled_only", "softmax"]
"""`aligned` is the method; `random_weights` has a text encoder without language; `no_judge` learns from texts that the
judge flagged, too; `softmax` is the same encoder with a layer of classes. Where statements are compared: `whole_text`
is the method that compares whole texts, tuned in stage 1, `frozen` the same without stage 1, and `labelled_only` learns
no unlabelled windows. Where whole texts are: `frozen` is the method without stage 1."""
OF_STATEMENTS = ("aligned", "random_weights", "no_judge", "labelled_only")
"""Variants that compare statements, where `align.compare` does."""


class VarySettings(Section):
    """How training windows are varied, of the aligned model and of the softmax beside it alike; 0 leaves a kind out.

    Where statements are compared, `scale` and `without_gyr` are for the softmax and for whole texts alone.
    """

    yaw: bool = True
    """Any heading: gravity tells none."""
    scale: NonNegativeFloat = 0.2
    """Acceleration and angular velocity of a window grow or shrink by up to this share, each by its own factor."""
    noise: NonNegativeFloat = 0.05
    """White noise, in g and in rad/s."""
    without_gyr: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of windows whose angular velocity is zero: how fast a sensor turns depends on where it is worn."""


class UnlabelledSettings(Section):
    """Windows of no class that stage 2 learns by what the rules say of them."""

    windows: LocationSetting | None = None
    """Published `prepare` folder: the virtual training windows there, of every sensor with acceleration and angular
    velocity. None: the run's own."""
    copies: NonNegativeInt = 3
    """Of training windows: of each class so many times the smallest class, each stronger or weaker, and quicker or
    slower, than what it is a copy of."""
    vigour: Annotated[float, Field(ge=1, le=10)] = 2.0
    """At most so many times as strong, or so many times weaker."""
    pace: Annotated[float, Field(ge=1, le=3)] = 1.35
    """At most so many times as quick, or so many times slower."""


class Stage1Settings(Section):
    """Texts of windows and texts of labels: those of one activity agree."""

    steps: PositiveInt = 80
    batch_size: PositiveInt = 32
    """Windows' texts a step, drawn alike from every class."""
    lr: PositiveFloat = 5e-5
    weight_decay: NonNegativeFloat = 0.01
    contrastive_weight: NonNegativeFloat = 1.0
    """Of the supervised contrastive loss, beside the cross-entropy over labels."""


class Stage2Settings(Section):
    """Signals to the vectors of their texts."""

    epochs: PositiveInt = 30
    batch_size: PositiveInt = 128
    lr: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 0.01
    prototype_weight: NonNegativeFloat = 0.5
    """Of the cross-entropy over labels' vectors, beside the distance to the text's. Where classes are kept out and
    statements compared, it plays no part: it would draw what was kept out to the classes that were not."""
    vary: VarySettings = VarySettings()

    @property
    def of_statements(self) -> "Stage2Settings":
        """For windows with statements: these say how strong a window is and how fast it turns, and would be wrong of
        one that is varied in that; copies (`align.unlabelled`) have words of their own."""
        return self.model_copy(update={"vary": self.vary.model_copy(update={"scale": 0.0, "without_gyr": 0.0})})


class AlignSettings(Section):
    """Interpretations and signals of one data set -> models that name activities by text."""

    learn: Literal["real", "virtual"] = "real"
    """Whose windows: those of the recordings, or those of mocap, which are then of every sensor that has acceleration
    and angular velocity."""
    texts: Literal["interpretations", "descriptions"] = "interpretations"
    """What is said of a window: its interpretation, or, of mocap, what the archive says of the take."""
    compare: Literal["texts", "statements"] = "texts"
    """`texts`: a vector a text, tuned in stage 1; `statements`: the seven statements side by side, without stage 1."""
    unlabelled: UnlabelledSettings | None = None
    """Where statements are compared: other windows for stage 2, which takes as many steps as without; None: none."""
    start: LocationSetting | None = None
    """Published `align` folder: stage 2 goes on from the sensor encoder of the same task, variant and seed there, or
    of `all-aligned`; None begins anew."""

    classes: dict[str, tuple[str, ...]]
    """What is told apart -> labels of the windows that count as it: `{still: [sitting, standing, lying]}`. Windows of
    other labels play no part."""
    unseen: tuple[str, ...] = ()
    """Classes that a second model is kept from, in both stages, and then has to name; () leaves that out. Those without
    a training window no model learns, and targets that have them are named by text."""
    text_only: tuple[str, ...] = ()
    """Activities of the label file that take part in stage 1 by their texts alone, without a window."""
    targets: dict[str, LocationSetting] = Field(default_factory=dict)
    """Other data sets to be tested on, none of their windows learnt from: a name -> its `prepare` folder. The run's own
    is left out."""
    text_encoder: str = "minilm"
    """Name in `configs/semantics/encoders.yaml`, or a folder in the Hugging Face layout."""
    tuned_layers: PositiveInt = 2
    """Upper layers of the text encoder that stage 1 tunes."""
    temperature: PositiveFloat = 0.07
    """Cosines are divided by it: in losses, and for probabilities."""
    bf16: bool = True
    """The text encoder's products in bfloat16."""
    stage1: Stage1Settings = Stage1Settings()
    stage2: Stage2Settings = Stage2Settings()
    seeds: EachOnce[Seed] = (0, 1, 2)
    controls: EachOnce[Variant] = ("softmax", "frozen", "random_weights", "no_judge")
    """Trained and tested beside the method."""
    n_workers: PositiveInt = 2
    """Ray Train workers that share the models among them, one CPU each."""
    n_trees: PositiveInt = 300
    """Of the random forest on measured features."""

    @model_validator(mode="after")
    def _consistent(self) -> "AlignSettings":
        members = [label for labels in self.classes.values() for label in labels]
        if len(self.classes) < 2 or not all(self.classes.values()) or len(set(members)) < len(members):
            raise ValueError("`classes` must be two or more, each with labels, no label in two of them")
        if not set(self.unseen) <= set(self.classes) or len(self.classes) - len(self.unseen) < 2:
            raise ValueError("`unseen` must be some of `classes`, two or more of which are left to learn")
        if set(self.text_only) & set(members):
            raise ValueError("`text_only` must be other labels than those of `classes`")
        if self.learn == "real" and self.texts == "descriptions":
            raise ValueError(
                "`texts` must be `interpretations` where `learn` is `real`: recordings have no descriptions"
            )
        if self.compare == "statements" and self.texts == "descriptions":
            raise ValueError("`compare` must be `texts` where `texts` are `descriptions`: they have no statements")
        if self.unlabelled is not None and self.compare == "texts":
            raise ValueError("`unlabelled` must be left out where `compare` is `texts`")
        if {"whole_text", "labelled_only"} & set(self.controls) and self.compare == "texts":
            raise ValueError("`controls` must name `whole_text` and `labelled_only` where `compare` is `statements`")
        if "no_judge" in self.controls and self.texts == "descriptions":
            raise ValueError("`controls` must not name `no_judge` where `texts` are `descriptions`: nobody judged them")
        if "aligned" in self.controls:
            raise ValueError("`controls` must not name `aligned`, which is always there")
        return self
