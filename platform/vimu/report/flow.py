"""The flow from files to windows: bands as wide as the files that go on, or are left out for a reason."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from vimu.evaluation.figures import COLOURS, INK, figure_style, short
from vimu.report.plot import LEFT_OUT, Plot


@dataclass(frozen=True)
class Side:
    """The files of mocap, or the trials of people."""

    name: str
    unit: str
    n_in: int
    unit_read: str
    left_out_reading: Mapping[str, int]
    """Reason -> files that `synthesize` left out."""
    n_read: int
    left_out_cutting: Mapping[str, int]
    """Reason -> clips or trials that `prepare` left out."""
    n_cut: int | None
    """Clips or trials of which windows were cut; None where `prepare` is not published."""
    windows: Mapping[str, int]
    """Split -> windows."""


@dataclass(frozen=True)
class Node:
    """A bar of the flow."""

    column: int
    label: str
    size: float
    """In files."""
    colour: str
    count: int
    """What the data say; windows are counted as such, their bar is the share of the files."""


@dataclass(frozen=True)
class Band:
    """From one node to another."""

    source: int
    target: int
    size: float


def nodes_and_bands(sides: Sequence[Side]) -> tuple[list[Node], list[Band]]:
    """The flow of all sides, one below the other."""
    nodes: list[Node] = []
    bands: list[Band] = []

    def node(column: int, label: str, size: float, colour: str, count: int, source: int | None) -> int:
        nodes.append(Node(column, label, size, colour, count))
        if source is not None:
            bands.append(Band(source, len(nodes) - 1, size))
        return len(nodes) - 1

    for i, side in enumerate(sides):
        colour = COLOURS[2 * i % len(COLOURS)]
        start = node(0, f"{short(side.name)}: {side.n_in:,} {side.unit}", side.n_in, colour, side.n_in, None)
        read = node(1, f"{side.n_read:,} {side.unit_read} read", side.n_read, colour, side.n_read, start)
        for reason, n in _largest_first(side.left_out_reading):
            node(1, f"{n:,} {_words(reason)}", n, LEFT_OUT, n, start)
        if side.n_cut is None:
            continue
        cut = node(2, f"{side.n_cut:,} cut into windows", side.n_cut, colour, side.n_cut, read)
        for reason, n in _largest_first(side.left_out_cutting):
            node(2, f"{n:,} {_words(reason)}", n, LEFT_OUT, n, read)
        total = sum(side.windows.values())
        for split, n in side.windows.items():
            node(3, f"{n:,} windows: {split}", side.n_cut * n / total, colour, n, cut)
    return nodes, bands


def flow_plot(sides: Sequence[Side]) -> Plot:
    """The flow as a figure; its data are the bands, in files, clips or trials."""
    nodes, bands = nodes_and_bands(sides)
    total = sum(side.n_in for side in sides)
    scale = 3.0 / max(1, total)
    tops = dict(_places(nodes, scale))
    height = max(top + _slot(nodes[i], scale) for i, top in tops.items())
    with figure_style():
        figure = Figure(figsize=(8.8, max(1.6, height + 0.1)))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(-0.02, 8.78), ylim=(max(1.6, height + 0.1), -0.1))
        axes.axis("off")
        leaves = dict(tops)
        for band in bands:
            _draw_band(axes, nodes, band, leaves, tops[band.target], scale)
            leaves[band.source] += band.size * scale
        for i, node in enumerate(nodes):
            tall = max(node.size * scale, 0.012)
            axes.add_patch(Rectangle((_left(node), tops[i]), BAR, tall, color=node.colour, linewidth=0))
            middle, colour = tops[i] + max(tall, LINE) / 2, LEFT_OUT if node.colour == LEFT_OUT else INK
            axes.text(_left(node) + BAR + 0.06, middle, node.label, va="center", color=colour)
    rows = [(nodes[b.source].label, nodes[b.target].label, round(b.size, 1), nodes[b.target].count) for b in bands]
    caption = (
        "From files to windows. Bands are as wide as the files, clips or trials in them; what was left out is named."
    )
    return Plot("data-flow", caption, figure, ("from", "to", "width", "count"), rows)


BAR, COLUMN, LINE, GAP = 0.12, 2.25, 0.15, 0.07
"""Inches: width of a bar, from column to column, height of a line of words, between bars."""


def _left(node: Node) -> float:
    return node.column * COLUMN


def _slot(node: Node, scale: float) -> float:
    return max(node.size * scale, LINE)


def _places(nodes: Sequence[Node], scale: float) -> Iterator[tuple[int, float]]:
    """The top of each node: those of a column below each other, those of a side at or below where it starts."""
    bottom, starts = dict.fromkeys(range(4), 0.0), 0.0
    for i, node in enumerate(nodes):
        if node.column == 0:
            starts = max(bottom.values())
            bottom = dict.fromkeys(bottom, starts)
        yield i, bottom[node.column]
        bottom[node.column] += _slot(node, scale) + GAP


def _draw_band(
    axes: Axes, nodes: Sequence[Node], band: Band, leaves: Mapping[int, float], top: float, scale: float
) -> None:
    source, target = nodes[band.source], nodes[band.target]
    x0, x1, wide = _left(source) + BAR, _left(target), band.size * scale
    y0, middle = leaves[band.source], (_left(source) + BAR + _left(target)) / 2
    corners = [
        (x0, y0), (middle, y0), (middle, top), (x1, top),
        (x1, top + wide), (middle, top + wide), (middle, y0 + wide), (x0, y0 + wide), (x0, y0),
    ]  # fmt: skip
    curve = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    axes.add_patch(PathPatch(Path(corners, curve), facecolor=target.colour, alpha=0.28, linewidth=0))


def _largest_first(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))


def _words(reason: str) -> str:
    return short(reason.replace("_", " "))
