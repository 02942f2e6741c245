"""Figures of what the filters of a run kept and dropped.

    python -m vimu.evaluation.filter_figures runs/paper --out figures --sensor left_wrist

Writes, as PNG and as CSV of the data behind: `histograms-SENSOR`, of each statistic by class, with thresholds; and
`curves-SENSOR`, the acceleration of clips of each class before and after (the seed paper's figures 1 and 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from vimu.clips.schema import clips_from
from vimu.clips.statistics import STATISTICS
from vimu.runtime.errors import UserError, listed
from vimu.runtime.exit_codes import exit_codes
from vimu.runtime.published import open_published
from vimu.runtime.storage import StoredFile, location

KEPT, DROPPED = "#4477aa", "#cc3311"
N_BINS = 24
CURVE_S = 5.0
N_CURVES = 12
"""Most clips drawn of those kept, and of those dropped: more overlap into a band."""

Table = dict[str, list[Any]]


@dataclass(frozen=True)
class Seen:
    """What a run's filters saw: `filters/` of its `prepare`, and the shards of its clips."""

    clips: pa.Table
    classes: list[dict[str, Any]]
    shards: tuple[StoredFile, ...]
    sensors: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        return sorted(set(self.clips.column("label").to_pylist()))

    def of(self, label: str) -> pa.Table:
        """The clips of one class."""
        return self.clips.filter(pc.equal(self.clips.column("label"), label))


def seen_by_filters(run: Path) -> Seen:
    """Read a run. Raises UserError: its `prepare` is not published, or was run without filters."""
    prepared = open_published(run / "prepare", made_by="python jobs/prepare.py with its configuration")
    tables = {Path(file.where).stem: file for file in prepared.files("filters/")}
    if not tables:
        raise UserError(f"`{run}` must be prepared with `prepare.filters`, e.g. `{{}}`, but was prepared without.")
    clips = tables["clips"].table()
    elsewhere = prepared.manifest["identity"]["settings"]["clips"]
    synthesized = open_published(
        location(elsewhere) if elsewhere else run / "synthesize", made_by="python jobs/synthesize.py"
    )
    sensors = dict.fromkeys(name.split("@")[1] for name in clips.column_names if "@" in name)
    return Seen(clips, tables["classes"].table().to_pylist(), tuple(synthesized.files("clips/")), tuple(sensors))


def histograms(seen: Seen, sensor: str) -> tuple[Figure, pa.Table]:
    """Kept and dropped clips by class (rows) and statistic at `sensor` (columns; last the margin), and the bins."""
    columns = [*(f"{name}@{sensor}" for name in STATISTICS), "margin"]
    figure = Figure(figsize=(1.8 * len(columns), 1.3 * len(seen.labels) + 0.6), layout="constrained", dpi=100)
    axes = figure.subplots(len(seen.labels), len(columns), squeeze=False, sharex="col")
    rows: Table = {name: [] for name in ("label", "statistic", "from", "to", "kept", "dropped")}
    for j, column in enumerate(columns):
        name = column.split("@")[0]
        edges = _edges(seen.clips.column(column), logarithmic=name in STATISTICS)
        for i, label in enumerate(seen.labels):
            clips = seen.of(label)
            off = np.array(clips.column("unlike").is_valid())
            values = np.array(clips.column(column).to_pylist(), dtype=float)
            counts = [np.histogram(values[chosen & np.isfinite(values)], edges)[0] for chosen in (~off, off)]
            for key, part in zip(("from", "to", "kept", "dropped"), (edges[:-1], edges[1:], *counts), strict=True):
                rows[key] += part.tolist()
            rows["label"] += [label] * len(counts[0])
            rows["statistic"] += [column] * len(counts[0])
            ax = axes[i, j]
            ax.stairs(counts[0], edges, fill=True, color=KEPT)
            ax.stairs(counts[0] + counts[1], edges, baseline=counts[0], fill=True, color=DROPPED)
            _thresholds(ax, seen, label, "other_class" if name == "margin" else name, sensor)
            ax.set_xlim(edges[0], edges[-1])
            ax.tick_params(labelsize=6)
            if name in STATISTICS:
                ax.set_xscale("log")
                few = (1.0,) if edges[-1] / edges[0] > 30 else (1.0, 2.0, 5.0)
                ax.xaxis.set_major_locator(LogLocator(subs=few))
                ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
                ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_ylim(0, max(1.0, 1.05 * float((counts[0] + counts[1]).max())))
            if j == 0:
                ax.set_ylabel(f"{label}\n{int((~off).sum())} kept, {int(off.sum())} off", fontsize=7)
            if i == 0:
                ax.set_title(f"{name} ({STATISTICS.get(name, 'deviations')})", fontsize=8)
    figure.suptitle(f"Clips kept (blue) and dropped (red), {sensor}; dashed: thresholds", fontsize=9)
    return figure, pa.table(rows)


def curves(seen: Seen, sensor: str) -> tuple[Figure, pa.Table]:
    """Size of acceleration over time at `sensor`, a row a class: before and after the filters. And the samples."""
    chosen = {label: _chosen(seen.of(label)) for label in seen.labels}
    signals = _signals(seen.shards, {row["clip_id"] for rows in chosen.values() for row in rows}, sensor)
    figure = Figure(figsize=(10, 1.5 * len(chosen) + 0.6), layout="constrained", dpi=100)
    axes = figure.subplots(len(chosen), 2, squeeze=False, sharex=True, sharey="row")
    samples: Table = {name: [] for name in ("label", "clip_id", "unlike", "t_s", "acc_m_s2")}
    for (before, after), (label, rows) in zip(axes, chosen.items(), strict=True):
        for row in rows:
            t, size = signals[row["clip_id"]]
            dropped = row["unlike"] is not None
            for ax in (before,) if dropped else (before, after):
                ax.plot(t, size, color=DROPPED if dropped else KEPT, linewidth=0.6, zorder=2 + dropped)
            samples["t_s"] += t.tolist()
            samples["acc_m_s2"] += size.tolist()
            for name, value in (("label", label), ("clip_id", row["clip_id"]), ("unlike", row["unlike"])):
                samples[name] += [value] * len(t)
        before.set_ylabel(f"{label}\nm/s$^2$", fontsize=7)
        n, n_off = len(rows), sum(row["unlike"] is not None for row in rows)
        every, every_off = (seen.of(label).column("unlike").is_valid().to_pylist().count(off) for off in (False, True))
        before.set_title(f"before: {n - n_off} of {every} kept, {n_off} of {every_off} dropped", fontsize=7)
        after.set_title(f"after: the {n - n_off} kept", fontsize=7)
    for ax in axes.flat:
        ax.tick_params(labelsize=6)
    for ax in axes[-1]:
        ax.set_xlabel("s", fontsize=7)
    figure.suptitle(f"Size of acceleration without gravity, {sensor}: clips kept (blue) and dropped (red)", fontsize=9)
    return figure, pa.table(samples)


def _edges(column: pa.ChunkedArray, *, logarithmic: bool) -> np.ndarray:
    """Bins from the smallest to the largest finite value; one unit wide where there is only one value."""
    values = np.array(column.to_pylist(), dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.linspace(0, 1, N_BINS + 1)
    values = np.log(values) if logarithmic else values
    low, high = values.min(), values.max()
    edges = np.linspace(low, high if high > low else low + 1, N_BINS + 1)
    if not logarithmic:
        return edges
    edges = np.exp(edges)
    edges[0], edges[-1] = edges[0] * (1 - 1e-9), edges[-1] * (1 + 1e-9)  # the logarithm and back must not lose a clip
    return edges


def _thresholds(ax: Axes, seen: Seen, label: str, statistic: str, sensor: str) -> None:
    for row in seen.classes:
        if (row["label"], row["statistic"]) == (label, statistic) and row["sensor"] in (sensor, None):
            for at in (row["low"], row["high"]):
                if at is not None:
                    ax.axvline(at, color="black", linestyle="--", linewidth=0.7)


def _chosen(clips: pa.Table) -> list[dict[str, Any]]:
    """Some of the kept and some of the dropped, evenly over the table's order."""
    rows = clips.select(["clip_id", "unlike"]).to_pylist()
    parts = [row for row in rows if row["unlike"] is None], [row for row in rows if row["unlike"] is not None]
    return [part[i] for part in parts for i in np.unique(np.linspace(0, len(part) - 1, N_CURVES).astype(int)) if part]


def _only(clips: pa.Table, wanted: set[str]) -> pa.Table:
    return clips.filter(pc.is_in(clips.column("clip_id"), pa.array(sorted(wanted))))


def _signals(shards: Sequence[StoredFile], wanted: set[str], sensor: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Clip id -> times, s, and size of acceleration, m/s^2, of the first `CURVE_S`."""
    signals = {}
    for file in shards:
        for clip in clips_from(_only(file.table(), wanted)):
            recording = clip.recording
            n = min(recording.n_frames, round(CURVE_S * recording.rate_hz))
            size = np.linalg.norm(recording.acc[:n, recording.sensors.index(sensor)], axis=-1)
            signals[clip.clip_id] = (np.arange(n) / recording.rate_hz, size)
    return signals


def main(
    run: Annotated[Path, typer.Argument(help="Folder of the run, e.g. runs/paper.")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    sensor: Annotated[str | None, typer.Option(help="Default: the first one at a wrist, else the first.")] = None,
) -> None:
    """Draw what the filters of a run kept and dropped."""
    with exit_codes():
        seen = seen_by_filters(run)
        at = sensor or next((s for s in seen.sensors if "wrist" in s), seen.sensors[0])
        if at not in seen.sensors:
            raise UserError(f"`sensor` must be one of {listed(seen.sensors, 20)}, but is {at}.")
    out.mkdir(parents=True, exist_ok=True)
    for name, draw in (("histograms", histograms), ("curves", curves)):
        with mpl.rc_context({"font.size": 8}):
            figure, table = draw(seen, at)
            figure.savefig(out / f"{name}-{at}.png")
        pcsv.write_csv(table, out / f"{name}-{at}.csv")
        typer.echo(f"wrote {out / f'{name}-{at}'}.png and .csv")


if __name__ == "__main__":
    typer.run(main)
