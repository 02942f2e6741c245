"""Example curves: |acc| at the sensors of a typical clip or window of each category, as in the seed paper's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vimu.evaluation.figures import COLOURS, figure_style, short
from vimu.report.plot import Plot
from vimu.report.tables import Clips, Windows, recordings_of, window_sets
from vimu.runtime.published import Published
from vimu.windows.schema import WindowSet, read_windows

LONGEST_S = 4.0
"""Of a curve."""
LEAST_S = 1.0
"""Clips shorter than this are no examples, where a category has others."""
MOST = 24
"""Categories that have a panel: the largest ones."""
ACROSS = 4
TITLE = 108
"""Characters of the titles of a row of panels."""
LEAST_SPAN = 4.0
"""m/s^2 that a panel spans at least: the noise of somebody who rests is to look like it."""


@dataclass(frozen=True)
class Curves:
    """|acc| of some sensors over time, m/s^2."""

    title: str
    of: str
    """Clip or window."""
    rate_hz: float
    by_sensor: Mapping[str, Float[np.ndarray, " frames"]]


def typical_clips(synthesized: Published, clips: Clips, sensors: Sequence[str]) -> list[Curves]:
    """Of each category the clip whose acceleration, root mean square, is nearest to the category's median.

    Args:
        sensors: whose curves are wanted; none takes all.
    """
    labels, counts = np.unique(clips.label, return_counts=True)
    largest = labels[np.argsort(-counts, kind="stable")][:MOST]
    rows = {str(label): _typical_row(clips, str(label)) for label in largest}
    recordings = recordings_of(synthesized, clips, list(rows.values()))
    return [
        Curves(
            label, f"{clips.archive[row]}/{clips.sequence[row]}", recordings[row].rate_hz,
            {
                s: np.linalg.norm(recordings[row].acc[:, i], axis=-1)
                for i, s in enumerate(recordings[row].sensors)
                if s in sensors or not sensors
            },
        )
        for label, row in sorted(rows.items())
    ]  # fmt: skip


def _typical_row(clips: Clips, label: str) -> int:
    of_label = clips.label == label
    long = of_label & (clips.seconds >= LEAST_S)
    rows = np.flatnonzero(long if long.any() else of_label)
    distance = np.abs(clips.acc_rms[rows] - np.median(clips.acc_rms[rows]))
    return int(min(zip(distance.tolist(), clips.clip_id[rows].tolist(), rows.tolist(), strict=True))[2])


def typical_windows(prepared: Published, windows: Windows) -> dict[tuple[str, str], Curves]:
    """Of each data set and class the window whose |acc| varies as much as is the class's median.

    Shards are read one after the other, so that no more than one is in memory.
    """
    varies = np.zeros(len(windows))
    for at, file in enumerate(prepared.files("windows/")):
        shard = read_windows([file])
        mine = np.flatnonzero(windows.file == at)
        order = np.argsort(windows.window_id[mine], kind="stable")  # as `read_windows` sorts
        varies[mine[order]] = np.mean([m.std(axis=1) for m in magnitudes(shard).values()], axis=0)
    chosen = {}
    for dataset, label in sorted(set(zip(windows.dataset.tolist(), windows.label.tolist(), strict=True))):
        rows = np.flatnonzero((windows.dataset == dataset) & (windows.label == label))
        distance = np.abs(varies[rows] - np.median(varies[rows]))
        named = windows.window_id[rows].tolist()
        chosen[dataset, label] = min(zip(distance.tolist(), named, strict=True))[1]
    sets = window_sets(prepared, windows, set(chosen.values()))
    return {key: curves_of(sets[name], key[1]) for key, name in chosen.items()}


def curves_of(window: WindowSet, title: str) -> Curves:
    """The curves of a set of one window."""
    by_sensor = {sensor: values[0] for sensor, values in magnitudes(window).items()}
    return Curves(title, str(window.window_id[0]), window.rate_hz, by_sensor)


def magnitudes(windows: WindowSet) -> dict[str, Float[np.ndarray, "windows length"]]:
    """|acc| of each sensor, by its three axes; what else a frame holds is left alone."""
    found = {}
    for sensor in windows.sensors:
        axes = [windows.channels.index(f"{sensor}.acc.{axis}") for axis in "xyz"]
        found[sensor] = np.linalg.norm(windows.x[:, :, axes], axis=-1)
    return found


def curves_plot(
    name: str, caption: str, curves: Sequence[Curves], *, across: int = ACROSS, alike: bool = False
) -> Plot:  # fmt: skip
    """A panel a category, in rows of `across`; a line a sensor.

    Args:
        alike: whether those of a row have one scale, to be compared, or each its own, to be seen.
    """
    down = -(-len(curves) // across)
    sensors = list(dict.fromkeys(sensor for one in curves for sensor in one.by_sensor))
    with figure_style():
        figure = Figure(figsize=(8.8, 0.65 + 1.05 * down), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey="row" if alike else False, squeeze=False).ravel()
        for i, (axes, one) in enumerate(zip(panels, curves, strict=False)):
            _draw(axes, one, sensors, longest=TITLE // across)
            row = curves[i - i % across :][:across] if alike else [one]
            axes.set_ylim(*_limits([_shown(v, of_row.rate_hz) for of_row in row for v in of_row.by_sensor.values()]))
        for axes in panels[len(curves) :]:
            axes.set_visible(False)
        figure.supxlabel("s", fontsize=8)
        figure.supylabel("|acc|, m/s²", fontsize=8)
        handles = [panels[0].plot([], [], color=COLOURS[i % len(COLOURS)])[0] for i in range(len(sensors))]
        figure.legend(handles, [short(s) for s in sensors], loc="outside upper center", ncols=6, fontsize=8)
    rows = [
        (one.title, one.of, sensor, round(frame / one.rate_hz, 4), round(float(value), 4))
        for one in curves
        for sensor, values in one.by_sensor.items()
        for frame, value in enumerate(_shown(values, one.rate_hz))
    ]
    return Plot(name, caption, figure, ("category", "clip_or_window", "sensor", "t_s", "acc_m_s2"), rows)


def _draw(axes: Axes, one: Curves, sensors: Sequence[str], *, longest: int) -> None:
    for sensor, values in one.by_sensor.items():
        shown = _shown(values, one.rate_hz)
        colour = COLOURS[sensors.index(sensor) % len(COLOURS)]
        axes.plot(np.arange(len(shown)) / one.rate_hz, shown, color=colour, linewidth=0.9)
    axes.set_title(short(one.title, longest), fontsize=8, pad=2)
    axes.grid(alpha=0.5, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7, length=2)


def _limits(values: Sequence[Float[np.ndarray, " frames"]]) -> tuple[float, float]:
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    room = max(LEAST_SPAN - (high - low), 0) / 2 + 0.06 * (high - low)
    return max(0.0, low - room), high + room


def _shown(values: Float[np.ndarray, " frames"], rate_hz: float) -> Float[np.ndarray, " shown"]:
    return values[: int(LONGEST_S * rate_hz) + 1]
