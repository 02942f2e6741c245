"""The semantic space in the plane: windows by their class, labels as stars."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from vimu.evaluation.figures import COLOURS, figure_style, svg_of

MOST = 400
"""Windows a class that are drawn."""


def space_map_svg(
    vectors: Float[np.ndarray, "n D"], truth: Sequence[str], labels: Float[np.ndarray, "N D"], classes: Sequence[str]
) -> str:
    """The two directions along which the windows' vectors differ most, as inline SVG.

    Args:
        vectors: unit vectors of windows.
        truth: the class of each.
        labels: unit vectors of the classes' texts.
    """
    centre = vectors.mean(axis=0)
    _, _, axes_of = np.linalg.svd(vectors - centre, full_matrices=False)
    plane = axes_of[:2].T
    at, stars = (vectors - centre) @ plane, (labels - centre) @ plane
    of = np.array(truth)
    with figure_style():
        figure = Figure(figsize=(5, 4), layout="constrained")
        axes = figure.subplots()
        for i, name in enumerate(classes):
            colour, rows = COLOURS[i % len(COLOURS)], np.flatnonzero(of == name)
            rows = rows[:: max(1, len(rows) // MOST)]
            axes.scatter(at[rows, 0], at[rows, 1], s=4, color=colour, alpha=0.4, linewidths=0)
            axes.scatter(
                stars[i, 0],
                stars[i, 1],
                s=110,
                marker="*",
                color=colour,
                edgecolors="black",
                linewidths=0.6,
                label=name,
            )
        axes.set_xlabel("first principal direction")
        axes.set_ylabel("second")
        axes.legend(fontsize=7)
        return svg_of(figure)
