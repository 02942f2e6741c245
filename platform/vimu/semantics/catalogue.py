"""What is measured of a window: each feature's name, group, unit and meaning, as tables and prompts state them.

No name hints at an activity: prompts hold these names, and an activity must not reach a window's prompt.
"""

from dataclasses import dataclass
from typing import Literal

Group = Literal["acc", "gyr", "sync"]


@dataclass(frozen=True)
class Feature:
    """One number that describes a window. NaN in arrays, null in tables, where the window cannot support it."""

    name: str
    group: Group
    unit: str
    meaning: str


CATALOGUE = (
    Feature("gravity_magnitude", "acc", "m/s^2", "length of the mean low-passed acceleration"),
    Feature("acc_magnitude_mean", "acc", "m/s^2", "mean of the acceleration's length, gravity included"),
    Feature("acc_magnitude_std", "acc", "m/s^2", "standard deviation of the acceleration's length"),
    Feature("acc_magnitude_min", "acc", "m/s^2", "least length of the acceleration"),
    Feature("acc_magnitude_max", "acc", "m/s^2", "greatest length of the acceleration"),
    Feature("body_acc_rms", "acc", "m/s^2", "strength of the acceleration without gravity, all directions"),
    Feature("vertical_rms", "acc", "m/s^2", "its part along gravity"),
    Feature("horizontal_rms", "acc", "m/s^2", "its part across gravity"),
    Feature("horizontal_major_rms", "acc", "m/s^2", "horizontal part along its strongest direction"),
    Feature("horizontal_minor_rms", "acc", "m/s^2", "horizontal part across its strongest direction"),
    Feature("vertical_share", "acc", "1", "share of the energy that is vertical; 1/3 where no direction prevails"),
    Feature("vertical_skewness", "acc", "1", "skewness of the vertical acceleration: above 0, sharper upward peaks"),
    Feature("acc_dominant_frequency_hz", "acc", "Hz", "strongest frequency of the acceleration, 0.7 to 3 Hz"),
    Feature("acc_dominant_share", "acc", "1", "share of the energy of 0.5 to 8 Hz at that frequency"),
    Feature("acc_harmonic_ratio", "acc", "1", "amplitude at twice and three times that frequency over that at it"),
    Feature("acc_low_rms", "acc", "m/s^2", "strength between 0.5 and 3 Hz"),
    Feature("acc_mid_rms", "acc", "m/s^2", "strength between 3 and 8 Hz"),
    Feature("acc_high_rms", "acc", "m/s^2", "strength between 8 and 15 Hz"),
    Feature("jerk_rms", "acc", "m/s^3", "change of the acceleration, between 0.5 and 8 Hz"),
    Feature("n_peaks", "acc", "1", "upward peaks of the vertical acceleration"),
    Feature("peak_rate_hz", "acc", "Hz", "such peaks a second, from their mean distance"),
    Feature("peak_interval_cv", "acc", "1", "variation of the time between them; 0 is a clockwork"),
    Feature("impact_peak", "acc", "m/s^2", "highest upward peak of the vertical acceleration, gravity apart"),
    Feature("impact_crest", "acc", "1", "that peak over the vertical strength"),
    Feature("vertical_dip", "acc", "m/s^2", "deepest downward peak of the vertical acceleration, gravity apart"),
    Feature("tilt_drift_deg", "acc", "deg", "angle between the vertical of the first quarter and the last"),
    Feature("tilt_range_deg", "acc", "deg", "greatest angle between the vertical and its mean"),
    Feature("gyr_rms", "gyr", "rad/s", "strength of the rotation, all axes"),
    Feature("gyr_max", "gyr", "rad/s", "fastest rotation"),
    Feature("gyr_vertical_rms", "gyr", "rad/s", "rotation about the vertical"),
    Feature("gyr_horizontal_rms", "gyr", "rad/s", "rotation about horizontal axes: tilting"),
    Feature("gyr_major_rms", "gyr", "rad/s", "tilting about its strongest axis"),
    Feature("gyr_minor_rms", "gyr", "rad/s", "tilting about the axis across it"),
    Feature("turn_net_deg", "gyr", "deg", "net rotation about the vertical over the window, without its sign"),
    Feature("turn_total_deg", "gyr", "deg", "all rotation of the window added up"),
    Feature("gyr_dominant_frequency_hz", "gyr", "Hz", "strongest frequency of the rotation, 0.7 to 3 Hz"),
    Feature("gyr_dominant_share", "gyr", "1", "share of the energy of 0.5 to 8 Hz at that frequency"),
    Feature("gyr_low_rms", "gyr", "rad/s", "rotation between 0.5 and 3 Hz"),
    Feature("gyr_mid_rms", "gyr", "rad/s", "rotation between 3 and 8 Hz"),
    Feature("sync_correlation", "sync", "1", "greatest correlation of the two lengths within half a second"),
    Feature("sync_lag_s", "sync", "s", "by how much the rotation follows the acceleration there"),
    Feature("sync_frequency_ratio", "sync", "1", "acceleration's dominant frequency over the rotation's"),
)

FEATURES: dict[str, Feature] = {feature.name: feature for feature in CATALOGUE}
"""By name, in the order of the tables."""
