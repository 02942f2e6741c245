"""A figure of the report, in a page that may turn dark and as files for papers, with the data behind it."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from vimu.evaluation.figures import COLOURS, GRID, INK, figure_style, svg_of
from vimu.runtime.storage import Location, write_whole

LEFT_OUT = "#c2410c"
"""Of what was left out."""
ROLES = {INK: "currentColor", GRID: "var(--grid)", LEFT_OUT: "var(--left-out)"} | {
    to_hex(colour): f"var(--s{i})" for i, colour in enumerate(COLOURS)
}
"""What the page's style says of each colour of a figure."""
PNG_DPI = 200


@dataclass(frozen=True)
class Plot:
    """A figure, and the numbers that it shows."""

    name: str
    """Of its files: lower case, digits and hyphens."""
    caption: str
    figure: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    @property
    def svg(self) -> str:
        """Inline SVG in the page's own colours. Ids are its own: of two alike, a browser takes the first."""
        svg = svg_of(self.figure, transparent=True)
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{self.name}-", svg)
        svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img" LABEL>', svg, count=1)
        width = self.figure.get_figwidth() * ROOM
        svg = svg.replace("LABEL", f'aria-label="{escape(self.caption)}" style="width:{width:.0f}px"', 1)
        for colour, role in ROLES.items():
            svg = re.sub(rf"(fill|stroke): {colour}\b", rf"\1: {role}", svg)
        return svg

    @property
    def csv(self) -> str:
        """The numbers as CSV."""
        return csv_of(self.columns, self.rows)


ROOM = 110
"""CSS pixels an inch of a figure: words of 8 points become 12 pixels."""


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV: RFC 4180, a line a row; nothing where a value is None."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(columns)
    table.writerows(rows)
    return out.getvalue()


def write_figures(folder: Location, plots: Iterable[Plot]) -> list[str]:
    """Each plot as `NAME.svg`, `NAME.png` and `NAME.csv`, dark on white. Returns the names."""
    names = []
    for plot in plots:
        png = io.BytesIO()
        with figure_style():
            plot.figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
        write_whole(folder / f"{plot.name}.png", png.getvalue())
        write_whole(folder / f"{plot.name}.svg", _document(svg_of(plot.figure)))
        write_whole(folder / f"{plot.name}.csv", plot.csv)
        names.append(plot.name)
    return names


def _document(svg: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8" standalone="no"?>\n{svg}'


def name_of(*parts: object) -> str:
    """Parts as the name of a plot; what letters, digits and hyphens cannot tell apart, a hash does."""
    given = "-".join(str(part) for part in parts).lower()
    name = re.sub(r"[^a-z0-9]+", "-", given).strip("-")
    if len(name) > LONGEST_NAME or re.search(r"[^a-z0-9 ,_()-]", given):
        return f"{name[:LONGEST_NAME]}-{hashlib.sha256(given.encode()).hexdigest()[:6]}"
    return name


LONGEST_NAME = 80
