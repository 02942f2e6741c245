"""Single predictions of a run: how far probabilities can be trusted, and what is taken for what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from vimu.evaluation.figures import COLOURS, GRID, figure_style, short
from vimu.metrics import calibration_error, reliability_by_subject, subject_bootstrap
from vimu.report.plot import Plot
from vimu.report.tables import Texts
from vimu.runtime.published import Published

COLUMNS = ("window_id", "subject", "dataset", "experiment", "method", "truth", "predicted", "probability")
N_BINS = 10
FEWEST_IN_BIN = 10
"""Windows of a bin of which a point is drawn."""
MIN_SUBJECTS = 3
ACROSS = 4


@dataclass(frozen=True)
class Predictions:
    """All seeds' predictions of one result."""

    dataset: str
    experiment: str
    method: str
    mark: str
    """Follows the data set's name where generated data take part."""
    apart: str
    """What folds kept apart; empty of the run's test split."""
    window_id: Texts
    subject: Texts
    truth: Texts
    predicted: Texts
    probability: Float[np.ndarray, " n"]
    """Of the class that was said, among those that the method chose from."""

    @property
    def right(self) -> Bool[np.ndarray, " n"]:
        return np.asarray(self.truth == self.predicted)

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from others."""
        return (self.dataset, *([f"{self.apart} apart"] if self.apart else ()), self.experiment, self.method)

    @property
    def title(self) -> str:
        apart = f", {self.apart} apart" if self.apart else ""
        return f"{self.dataset}{self.mark}{apart}: {self.experiment}, {self.method}"


def read_predictions(published: Published, mark: Callable[[str, str], str]) -> list[Predictions]:
    """The table of `evaluate` or `crossval` as one entry a result, in the table's order.

    Args:
        mark: of a data set and experiment, what follows the data set's name.
    """
    file = published.file("predictions.parquet")
    names = file.schema().names
    extra = [name for name in ("apart", "copies") if name in names]
    table = file.columns([*COLUMNS, "probabilities", *extra])
    values = {name: np.array(table.column(name).to_pylist()) for name in (*COLUMNS, *extra)}
    n = len(table)
    values["probability"] = values["probability"] / _sums(table.column("probabilities"))
    apart = values.get("apart", np.full(n, ""))
    copies = values.get("copies", np.zeros(n, dtype=np.int64))
    named = [values[name].tolist() for name in ("dataset", "experiment", "method")]
    keys = list(zip(*named, apart.tolist(), copies.tolist(), strict=True))
    order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    of = np.array([order[key] for key in keys])
    found = []
    for (dataset, experiment, method, kept_apart, n_copies), i in order.items():
        at = of == i
        name = f"{method}, {n_copies} copies" if n_copies else method
        columns = {k: values[k][at] for k in ("window_id", "subject", "truth", "predicted", "probability")}
        found.append(Predictions(dataset, experiment, name, mark(dataset, experiment), kept_apart, **columns))
    return found


def _sums(lists: pa.ChunkedArray) -> Float[np.ndarray, " n"]:
    """Of each row: 1, or what is left of a network's probabilities where it chose among some of its classes only."""
    parts = []
    for chunk in (chunk for chunk in lists.chunks if len(chunk)):
        starts = chunk.offsets.to_numpy()[:-1]
        parts.append(np.add.reduceat(chunk.flatten().to_numpy(), starts - starts[0]))
    return np.maximum(np.concatenate(parts), 1e-9) if parts else np.empty(0)


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities of a result can be trusted."""

    title: str
    sums: Float[np.ndarray, "bins 3"]
    """Of each bin of confidence: windows, their confidence summed, how many were right."""
    intervals: tuple[tuple[float, float] | None, ...]
    """95 % interval of the share that is right in each bin, people drawn again; None of too few."""

    @property
    def error(self) -> float:
        """Expected calibration error."""
        return float(calibration_error(self.sums))

    @property
    def confidence(self) -> float:
        return float(self.sums[:, 1].sum() / self.sums[:, 0].sum())

    @property
    def accuracy(self) -> float:
        return float(self.sums[:, 2].sum() / self.sums[:, 0].sum())

    @property
    def n(self) -> int:
        return int(self.sums[:, 0].sum())


def calibration_of(p: Predictions) -> Calibration:
    """Of all seeds' predictions together."""
    by_subject = reliability_by_subject(p.probability, p.right, p.subject.tolist(), n_bins=N_BINS)
    intervals = []
    for i in range(N_BINS):
        of_bin = by_subject[:, i]
        held = of_bin[of_bin[:, 0] > 0]
        enough = len(held) >= MIN_SUBJECTS and held[:, 0].sum() >= FEWEST_IN_BIN
        intervals.append(subject_bootstrap(held, _share_right) if enough else None)
    return Calibration(p.title, by_subject.sum(axis=0), tuple(intervals))


def _share_right(sums: Float[np.ndarray, "draws 3"]) -> Float[np.ndarray, " draws"]:
    return np.asarray(sums[:, 2] / np.maximum(sums[:, 0], 1))


def reliability_plot(found: Sequence[Calibration]) -> Plot:
    """A diagram a result: the share that is right over confidence; on the diagonal the two agree."""
    across = min(ACROSS, len(found))
    down = -(-len(found) // across)
    with figure_style():
        figure = Figure(figsize=(2.2 * across, 0.25 + 2.35 * down), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, one in zip(panels, found, strict=False):
            axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
            points = [
                (total / n, right / n, interval, n)
                for (n, total, right), interval in zip(one.sums, one.intervals, strict=True)
                if n >= FEWEST_IN_BIN
            ]
            for x, _, interval, _ in points:
                if interval is not None:
                    axes.plot([x, x], interval, color=COLOURS[0], linewidth=1)
            axes.plot([x for x, *_ in points], [y for _, y, *_ in points], color=COLOURS[0], linewidth=0.8, alpha=0.6)
            size = [6 + 60 * n / one.n for *_, n in points]
            axes.scatter([x for x, *_ in points], [y for _, y, *_ in points], s=size, color=COLOURS[0], zorder=3)
            axes.set_title("\n".join(short(part, 34) for part in one.title.split(": ", 1)), fontsize=7.5)
            axes.text(0.04, 0.93, f"ECE {one.error:.3f}", transform=axes.transAxes, va="top")
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.grid(alpha=0.4, linewidth=0.5)
        for axes in panels[len(found) :]:
            axes.set_visible(False)
        figure.supxlabel("confidence", fontsize=8)
        figure.supylabel("share that is right", fontsize=8)
    rows = [
        (one.title, i / N_BINS, (i + 1) / N_BINS, int(n), total / n if n else None, right / n if n else None,
         *(interval or (None, None)))
        for one in found
        for i, ((n, total, right), interval) in enumerate(zip(one.sums, one.intervals, strict=True))
    ]  # fmt: skip
    columns = ("result", "bin_from", "bin_to", "windows", "confidence", "share_right", "low", "high")
    caption = (
        "Confidence against the share that is right, in ten bins; the larger a point, the more windows. Above the "
        "diagonal a method is better than it says, below it worse. Bars: 95 %, people (or clips) drawn again."
    )
    return Plot("calibration", caption, figure, columns, rows)
