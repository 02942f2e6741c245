"""One uniform timeline out of samples that come late, in bursts, or not at all."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator, make_interp_spline

from vimu.contracts import Reason, Rejection
from vimu.resampling import resample_vectors

TIMING_SLACK_S = 1e-6
"""Rounding of times; a gap this much over the limit is not over it."""


def sample_times(
    arrival_s: Float[np.ndarray, " rows"], *, rate_hz: float, tolerance: float = 0.0
) -> Float[np.ndarray, " rows"]:
    """When each row of one sensor was sampled, from when it arrived.

    A sensor samples evenly; a radio link or a busy phone delays rows and delivers them in bursts, and drops some:

        sampled   |   |   |   |   |   |   x   x   |   |
        arrived     |   |           ||||            |   |        three rows late, two lost

    A delay is made good by later rows, a loss never is. So a row's sampling time is the latest that no later row
    contradicts: rows are at least a period apart, and none arrives before it was sampled.

    Args:
        arrival_s: of the rows in their order; bursts may share one, and it may step back.
        rate_hz, tolerance: the sensor's clock; see `Sensor`.

    Returns:
        s, on the clock of `arrival_s`, at least a period apart.
    """
    n = len(arrival_s)
    count, half, period = np.arange(n), n // 2, 1 / rate_hz
    if tolerance > 0 and half > 0:
        pace = float(np.median(arrival_s[half : 2 * half] - arrival_s[:half])) / half
        period = float(np.clip(pace, period / (1 + tolerance), period * (1 + tolerance)))
    delay = arrival_s - count * period
    times: Float[np.ndarray, " rows"] = count * period + np.minimum.accumulate(delay[::-1])[::-1]
    return times


def usable_span(
    path: str,
    times: Mapping[str, Float[np.ndarray, " rows"]],
    *,
    max_gap_s: float,
    edge_s: float,
    min_duration_s: float,
) -> tuple[float, float]:
    """Start and end, s, of the stretch in which every channel has samples, without a gap longer than `max_gap_s`.

    Args:
        path: named in the rejection.
        times: sampling times, s, increasing, by the channel's name.

    Raises:
        Rejection: `gap` (a longer one further than `edge_s` from start and end), `too_short`.
    """
    first = start = max(t[0] for t in times.values())
    last = end = min(t[-1] for t in times.values())
    for name, t in times.items():
        wide = np.flatnonzero(np.diff(t) > max_gap_s + TIMING_SLACK_S)
        for before, after in zip(t[wide], t[wide + 1], strict=True):
            if before <= first + edge_s:
                start = max(start, after)
            elif after >= last - edge_s:
                end = min(end, before)
            else:
                raise Rejection(
                    path, Reason.GAP, f"{name} is silent for {after - before:.2f} s at {before - first:.1f} s"
                )
    if end - start < min_duration_s:
        detail = f"{max(end - start, 0):.2f} s are left, {min_duration_s:g} s are wanted"
        raise Rejection(path, Reason.TOO_SHORT, detail)
    return float(start), float(end)


def fill_gaps(
    times: Float[np.ndarray, " rows"], values: Float[np.ndarray, "rows axes"], rate_hz: float
) -> tuple[Float[np.ndarray, " filled"], Float[np.ndarray, "filled axes"]]:
    """Samples where some are missing, by a monotone cubic: it never leaves the range of its neighbours."""
    missing = np.maximum(np.rint(np.diff(times) * rate_hz).astype(int) - 1, 0)
    if not missing.any():
        return times, values
    gap = np.repeat(np.arange(len(missing)), missing)
    step = np.arange(len(gap)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    at = times[gap] + (times[gap + 1] - times[gap]) * step / (missing[gap] + 1)
    order = np.argsort(np.concatenate([times, at]), kind="stable")
    filled = np.concatenate([values, PchipInterpolator(times, values)(at)])
    return np.concatenate([times, at])[order], filled[order]


def timeline_frames(span: tuple[float, float], rate_hz: float) -> int:
    """Frames at `rate_hz` from the span's start to its end, both in s."""
    return int((span[1] - span[0]) * rate_hz + TIMING_SLACK_S) + 1


def on_timeline(
    times: Float[np.ndarray, " rows"],
    values: Float[np.ndarray, "rows axes"],
    *,
    from_hz: float,
    to_hz: float,
    span: tuple[float, float],
) -> Float[np.ndarray, "frames axes"]:
    """Gapless samples at nearly even times, at `to_hz` from the span's start to its end: equal frames for every sensor.

    A cubic spline moves them onto an even grid at the finer of the two rates; going down, `resample_vectors` then
    removes what would alias.
    """
    fine_hz = max(from_hz, to_hz)
    start, end = span
    n_frames = timeline_frames(span, to_hz)
    n_fine = int(np.ceil((n_frames - 1) * fine_hz / to_hz)) + 1
    grid = np.minimum(start + np.arange(n_fine) / fine_hz, end)
    fine = make_interp_spline(times, values, k=3)(grid)
    return resample_vectors(np.asarray(fine), fine_hz, to_hz)[:n_frames]
