"""What the run's data are: clips, trials, hours and windows of each category, and where files went."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from vimu.evaluation.figures import COLOURS, figure_style, short
from vimu.report.flow import Side
from vimu.report.plot import Plot
from vimu.report.run import Run
from vimu.report.tables import Clips, Windows, rejections_of
from vimu.tuning.shares import covered_frames

SPLITS = ("train", "val", "test")
MOST_BARS = 40
"""Categories that the figure has room for; the table has them all."""


@dataclass(frozen=True)
class Category:
    """One category of one archive or data set."""

    dataset: str
    mark: str
    """Follows the name where the data are generated."""
    real: bool
    """Recordings, not virtual clips."""
    label: str
    sources: int
    """Clips or trials."""
    seconds: float
    """Of clips, their length; of trials, what windows cover of them."""
    subjects: int | None
    """None of clips, whose actors an archive may not name."""
    windows: dict[str, int]
    """By split, up-sampled copies included; empty where none are cut."""

    @property
    def kind(self) -> str:
        return "recordings" if self.real else "virtual clips"


def categories(run: Run, clips: Clips | None, windows: Windows | None) -> list[Category]:
    """Every category, largest first, virtual ones before real ones."""
    found, real = [], run.detail("prepare", "real_dataset")
    if clips is not None:
        for archive in np.unique(clips.archive).tolist():
            of_archive = clips.archive == archive
            for label in np.unique(clips.label[of_archive]).tolist():
                at = of_archive & (clips.label == label)
                cut = {} if windows is None else _by_split(windows, archive, label)
                seconds = float(clips.seconds[at].sum())
                found.append(Category(archive, run.mark(archive), False, label, int(at.sum()), seconds, None, cut))
    if windows is not None and real is not None:
        of_real = windows.dataset == real
        for label in np.unique(windows.label[of_real]).tolist():
            at = of_real & (windows.label == label)
            source = windows.source_id[at]
            seconds = covered_frames(source, windows.start_frame[at], windows.length_frames) / windows.rate_hz
            people = len(np.unique(windows.subject[at]))
            cut = _by_split(windows, real, label)
            found.append(Category(real, run.mark(real), True, label, len(np.unique(source)), seconds, people, cut))
    return sorted(found, key=lambda c: (c.real, c.dataset, -c.seconds))


def _by_split(windows: Windows, dataset: str, label: str) -> dict[str, int]:
    at = (windows.dataset == dataset) & (windows.label == label)
    return dict(Counter(windows.split[at].tolist()))


def amounts_plot(rows: Sequence[Category]) -> Plot:
    """How much there is of each category, a panel a data set."""
    panels: dict[str, list[Category]] = {}
    for row in rows:
        panels.setdefault(row.dataset, []).append(row)
    tallest = max(min(len(panel), MOST_BARS) for panel in panels.values())
    unit, seconds = ("hours", 3600) if max(row.seconds for row in rows) > 2 * 3600 else ("minutes", 60)
    with figure_style():
        figure = Figure(figsize=(8.8, 0.9 + 0.19 * tallest), layout="constrained")
        drawn = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (dataset, panel) in zip(drawn, panels.items(), strict=True):
            shown = panel[:MOST_BARS]
            colour = COLOURS[2 if shown[0].real else 0]
            axes.barh(range(len(shown)), [row.seconds / seconds for row in shown], color=colour, height=0.72)
            axes.set_yticks(range(len(shown)), [short(row.label) for row in shown], fontsize=7)
            axes.set_ylim(tallest - 0.4, -0.6)
            axes.set_xlabel(unit)
            more = f", the largest {MOST_BARS} of {len(panel)}" if len(panel) > MOST_BARS else ""
            axes.set_title(f"{short(dataset)}{shown[0].mark}: {shown[0].kind}{more}", fontsize=9)
            axes.grid(axis="x", alpha=0.5)
            axes.set_axisbelow(True)
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
    columns = (
        "dataset", "kind", "synthetic", "label", "clips_or_trials", "seconds", "subjects",
        *(f"windows_{s}" for s in SPLITS),
    )  # fmt: skip
    table = [
        (r.dataset, r.kind, bool(r.mark), r.label, r.sources,
         round(r.seconds, 2), r.subjects, *(r.windows.get(split, 0) for split in SPLITS))
        for r in rows
    ]  # fmt: skip
    return Plot(
        "data-amounts",
        "How much there is of each category: length of clips, and what windows cover of trials.",
        figure,
        columns,
        table,
    )


def flow_sides(run: Run, clips: Clips | None, windows: Windows | None) -> list[Side]:
    """Where files of mocap and trials of people went, for the flow. None of a side that nothing tells."""
    prepared, synthesized = run.get("prepare"), run.get("synthesize")
    left: Counter[str] = Counter()
    of_clips: Counter[str] = Counter()
    if prepared is not None:
        known = set() if clips is None else set(clips.sequence.tolist())
        for row in rejections_of(prepared):
            (of_clips if row["path"] in known else left)[row["reason"]] += 1
    sides = []
    if synthesized is not None and clips is not None:
        lost = Counter(row["reason"] for row in rejections_of(synthesized))
        n = synthesized.manifest["counts"]["files_in"]
        archives = np.unique(clips.archive).tolist()
        name = (" + ".join(archives) or "mocap") + run.mark("+".join(archives))
        cut = None if prepared is None else len(clips.clip_id) - of_clips.total()
        of = _split_counts(windows, run.detail("prepare", "virtual_datasets", ()))
        sides.append(Side(name, "files", n, "clips", dict(lost), len(clips.clip_id), dict(of_clips), cut, of))
    if prepared is not None and clips is not None:
        n = prepared.manifest["counts"]["sources_in"] - len(clips.clip_id)
        real = run.detail("prepare", "real_dataset", "recordings")
        of = _split_counts(windows, [real])
        sides.append(Side(real + run.mark(real), "trials", n, "trials", {}, n, dict(left), n - left.total(), of))
    return sides


def _split_counts(windows: Windows | None, datasets: Sequence[str]) -> dict[str, int]:
    if windows is None:
        return {}
    counts = Counter(windows.split[np.isin(windows.dataset, list(datasets))].tolist())
    return {split: counts[split] for split in SPLITS if counts[split]}
