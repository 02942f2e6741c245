"""Channels of worn sensors, each at its own sampling times -> one recording on one even timeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vimu.contracts import ImuRecording, Reason, Rejection
from vimu.recordings.config import RecordingConfig
from vimu.recordings.scale import MAX_NUMBER
from vimu.recordings.timeline import fill_gaps, on_timeline, usable_span

Kind = Literal["acc", "gyr"]
LEAST_SAMPLES = 4
"""Of the cubic spline that puts them on a timeline."""


@dataclass(frozen=True)
class Channel:
    """One quantity of one sensor at its sampling times; what was lost is left out."""

    name: str
    """As rejections and notes call it."""
    rate_hz: float
    times: Float[np.ndarray, " rows"]
    """s on a clock that all channels share, increasing."""
    values: Float[np.ndarray, "rows 3"]
    """m/s^2, gravity included, or rad/s; sensor axes."""


def sampled_evenly(
    path: str, name: str, values: Float[np.ndarray, "samples 3"], *, rate_hz: float, max_lost_share: float
) -> Channel:
    """A channel whose samples came at an even rate, those with NaN lost on the way.

    Raises:
        Rejection: `unreadable`; too many are lost.
    """
    present = np.isfinite(values).all(axis=1)
    n_lost = int((~present).sum())
    if n_lost > max_lost_share * len(present) or present.sum() < 2:
        detail = f"{n_lost:,} of {len(present):,} lines of {name} are no three numbers"
        raise Rejection(path, Reason.UNREADABLE, detail)
    return Channel(name, rate_hz, np.flatnonzero(present) / rate_hz, values[present])


def even_recording(
    path: str, channels: Mapping[tuple[str, Kind], Channel], config: RecordingConfig, *,
    sensors: Sequence[str], rate_hz: float, notes: Sequence[str] = (),
) -> ImuRecording:  # fmt: skip
    """All channels from the first to the last moment that each of them covers.

    Args:
        path: named in rejections.
        channels: by placement and quantity; `acc` of each of `sensors`, `gyr` of those that have one.
        notes: go before those on what was cut and filled.

    Raises:
        Rejection: `non_finite` for what no sensor gives; `gap`, `too_short`, see `usable_span`.
    """
    for c in channels.values():
        if not (np.abs(c.values) < MAX_NUMBER).all():
            raise Rejection(path, Reason.NON_FINITE, f"{c.name} has values that no sensor gives")
    start, end = usable_span(
        path, {c.name: c.times for c in channels.values()},
        max_gap_s=config.max_gap_s, edge_s=config.edge_s, min_duration_s=config.min_duration_s,
    )  # fmt: skip
    said = list(notes)
    head_s = start - max(c.times[0] for c in channels.values())
    tail_s = min(c.times[-1] for c in channels.values()) - end
    if head_s or tail_s:
        said.append(f"cut: {head_s:.2f} s at the start, {tail_s:.2f} s at the end, beside a long gap")
    even: dict[tuple[str, Kind], Float[np.ndarray, "frames 3"]] = {}
    for key, channel in channels.items():
        # what lies beyond a long gap is not filled: a wrong clock there may be years away
        inside = (channel.times >= start - config.max_gap_s) & (channel.times <= end + config.max_gap_s)
        if inside.sum() < LEAST_SAMPLES:
            raise Rejection(path, Reason.TOO_SHORT, f"{channel.name} has {int(inside.sum())} samples that can be used")
        times, values = fill_gaps(channel.times[inside], channel.values[inside], channel.rate_hz)
        n_filled = int(np.isin(times[(times > start) & (times < end)], channel.times, invert=True).sum())
        if n_filled:
            said.append(f"filled: {n_filled} samples of {channel.name}")
        even[key] = on_timeline(times, values, from_hz=channel.rate_hz, to_hz=rate_hz, span=(start, end))
    absent = np.full_like(even[sensors[0], "acc"], np.nan)
    acc = np.stack([even[name, "acc"] for name in sensors], axis=1).astype(np.float32)
    gyr = np.stack([even.get((name, "gyr"), absent) for name in sensors], axis=1).astype(np.float32)
    return ImuRecording(
        acc=acc, gyr=gyr if any(kind == "gyr" for _, kind in even) else None, ori=None, rate_hz=rate_hz,
        sensors=tuple(sensors), frame="sensor", gravity="included", notes=tuple(said),
    )  # fmt: skip
