"""How recordings become windows, and how windows are split."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from vimu.runtime.config import EachOnce, RateHz, Section, Seed
from vimu.windows.heading import Heading

FeatureSet = Literal["world_acc_ori", "sensor_acc_gyr", "sensor_acc"]


class WindowSettings(Section):
    """Length, hop, rate and what a frame holds.

              |<------- length 60 ------->|
    clip   ===|===========================|=====...
                            |<------- length 60 ------->|      hop 30 = 50 % overlap
    """

    rate_hz: RateHz = 60.0
    """Every recording is resampled to this rate before windows are cut."""
    length_frames: PositiveInt = 60
    """Window length; 60 frames at 60 Hz are the seed paper's one second."""
    hop_frames: PositiveInt = 30
    """From one window's start to the next's."""
    feature_set: FeatureSet = "world_acc_ori"
    """`world_acc_ori`: 12 a sensor, the seed paper's; `sensor_acc_gyr`: 6; `sensor_acc`: 3, gravity included."""
    sensors: EachOnce[str] | None = None
    """Placements used; None takes those that all inputs have."""
    gyroscopes: EachOnce[str] | None = None
    """Sensors whose gyroscope is used under `sensor_acc_gyr`, where some have none; None takes all sensors'."""
    invariants: bool = False
    """Beside each vector in sensor axes what no turn of the sensor changes: its parts along and across the window's
    mean vertical, and its size."""
    orientation: Literal["recorded", "vqf"] = "recorded"
    """`vqf`: whatever has no orientation of its own gets one from acceleration and gyroscope, by VQF without
    magnetometer: real trials, and clips that passed through devices."""
    heading: Heading = "as_is"
    """Each window turned about the vertical to a heading of its own: all sensors by one turn (`shared`), or each by its
    own (`per_sensor`). World-frame features only."""

    @model_validator(mode="after")
    def _world_frame_settings(self) -> "WindowSettings":
        if self.feature_set != "world_acc_ori":
            for name, idle in (("orientation", "recorded"), ("heading", "as_is")):
                if getattr(self, name) != idle:
                    raise ValueError(f"`{name}` must be `{idle}` with `{self.feature_set}`, which holds no orientation")
        if self.invariants and self.feature_set == "world_acc_ori":
            raise ValueError("`invariants` must be false with `world_acc_ori`, whose vectors are in world axes")
        if self.gyroscopes is not None and self.feature_set != "sensor_acc_gyr":
            raise ValueError(f"`gyroscopes` must be left out with `{self.feature_set}`")
        if self.gyroscopes is not None and self.sensors is not None and not {*self.gyroscopes} <= {*self.sensors}:
            raise ValueError("`gyroscopes` must be among `sensors`")
        if self.orientation == "vqf" and self.heading != "per_sensor":
            raise ValueError(
                "`heading` must be `per_sensor` where `orientation` is `vqf`: every sensor's own filter has a north of "
                "its own"
            )
        return self


SplitProtocol = Literal["subjects_apart", "paper_random_windows"]


class SplitSettings(Section):
    """Which subjects (where an archive gives none: which clips) train, validate and test. They never cross."""

    protocol: SplitProtocol = "subjects_apart"
    """`paper_random_windows` is the seed paper's way: each window falls at random, `n_folds`, `test_folds` and
    `val_folds` being shares. Overlapping windows of one person then train and test: figures are far too good, and say
    so wherever they are printed."""
    n_folds: Annotated[int, Field(ge=3)] = 5
    """Groups are dealt into this many folds of like class balance."""
    test_folds: PositiveInt = 1
    """Folds that test."""
    val_folds: PositiveInt = 1
    """Folds that validate: early stopping and tuning look here."""
    seed: Seed = 0
    test_groups: tuple[str, ...] = ()
    """Subjects that test, by name, in place of folds (DIP-IMU's usual split: s_09, s_10)."""
    val_groups: tuple[str, ...] = ()
    """Subjects that validate, by name."""

    @model_validator(mode="after")
    def _some_train(self) -> "SplitSettings":
        if self.test_folds + self.val_folds >= self.n_folds:
            raise ValueError("`test_folds` and `val_folds` together must be fewer than `n_folds`")
        if self.protocol == "paper_random_windows" and (self.test_groups or self.val_groups):
            raise ValueError("`test_groups` and `val_groups` must be left out with `protocol: paper_random_windows`")
        if bool(self.test_groups) != bool(self.val_groups):
            raise ValueError("`test_groups` and `val_groups` must be given together")
        both = set(self.test_groups) & set(self.val_groups)
        if both:
            raise ValueError(f"`test_groups` and `val_groups` must not share {', '.join(sorted(both))}")
        return self
