"""The figures of `docs/realism.md`: mean spectra of |acc|, as PNG."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

COLOURS = ("black", "#0072b2", "#d55e00", "#009e73")
STYLES = ("-", "-", "--", ":")


def draw_spectra(path: Path, compared: Mapping[str, Mapping[str, Any]], sides: tuple[str, ...], upto_hz: float) -> None:
    """One panel a position, one line a side, power density over frequency."""
    figure = Figure(figsize=(3.1 * len(compared), 3.2), layout="constrained")
    panels = figure.subplots(1, len(compared), sharey=True)
    for axes, (position, by_side) in zip(panels, compared.items(), strict=True):
        for side, colour, style in zip(sides, COLOURS, STYLES, strict=False):
            frequency, power = by_side[side]["frequency_hz"], by_side[side]["power"]
            shown = [(f, p) for f, p in zip(frequency, power, strict=True) if 0.5 <= f <= upto_hz]
            axes.semilogy(*zip(*shown, strict=True), color=colour, linestyle=style, linewidth=1.3, label=side)
        axes.set_title(position.replace("_", " "), fontsize=10)
        axes.set_xlabel("Hz")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("power of |acc|, (m/s²)²/Hz")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(sides), fontsize=8, frameon=False)
    figure.savefig(path, dpi=90, metadata={"Software": None})
