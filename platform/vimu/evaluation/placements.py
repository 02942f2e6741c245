"""What a study of placements says: a table of sensor sets, sentences, a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from vimu.evaluation.results import Experiment, paired_difference, result
from vimu.windows.schema import WindowSet

BySeed = Mapping[int, Float[np.ndarray, "n N"]]


def set_name(sensors: Sequence[str], every: Sequence[str]) -> str:
    """A set of sensors in few words: `chest + waist`, `all`, `all but waist`."""
    missing = [s for s in every if s not in sensors]
    if not missing:
        return "all"
    return f"all but {missing[0]}" if len(missing) == 1 and len(every) > 3 else " + ".join(sensors)


def compare_sensors(
    what: Experiment, windows: WindowSet, classes: Sequence[str], by_sensors: Mapping[tuple[str, ...], BySeed],
    *, split: str, n_resamples: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """A result of `metrics.json` for each set of sensors, with `difference_to_all` (macro-F1) and its paired interval.

    Args:
        by_sensors: out-of-fold probabilities of all windows by sensors and seed; the largest set is that of all.
    """
    everything = by_sensors[max(by_sensors, key=len)]
    rows = []
    for sensors, by_seed in by_sensors.items():
        size, interval = paired_difference(windows, classes, by_seed, everything, n_resamples=n_resamples)
        seen = windows.of_sensors(sensors)
        rows.append(
            result(what, seen, classes, by_seed, split=split, n_resamples=n_resamples)
            | {"sensors": list(sensors), "difference_to_all": size, "difference_ci95": interval}
        )
    return rows


def best_single_sentence(
    what: Experiment, windows: WindowSet, classes: Sequence[str], by_sensors: Mapping[tuple[str, ...], BySeed],
    scores: Mapping[tuple[str, ...], float], *, n_resamples: int,
) -> str | None:  # fmt: skip
    """Which single sensor helps most, and whether it can be told from the next; None with fewer than two of them."""
    singles = sorted((s for s in by_sensors if len(s) == 1), key=lambda s: -scores[s])
    if len(singles) < 2:
        return None
    best, second = singles[:2]
    size, interval = paired_difference(windows, classes, by_sensors[best], by_sensors[second], n_resamples=n_resamples)
    text = f"{what.experiment} {what.method}: of single sensors {best[0]} scores most ({scores[best]:.3f} macro-F1)"
    text += f", {size:.3f} above {second[0]}"
    if interval is None:
        return f"{text}; of fewer than three subjects no interval can be had."
    told = "the two can be told apart" if interval[0] > 0 else "the two cannot be told apart"
    return f"{text} (95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}): {told}."


def table_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as CSV: a line a method and set of sensors."""
    head = "dataset,synthetic,experiment,method,sensors,n_sensors,macro_f1,macro_f1_low,macro_f1_high,accuracy,"
    head += "difference_to_all,difference_low,difference_high"
    lines = [head]
    for r in rows:
        numbers = [r["macro_f1"], *(r["macro_f1_ci95"] or ("", "")), r["accuracy"], r["difference_to_all"]]
        numbers += r["difference_ci95"] or ("", "")
        values = [r["dataset"], str(r["synthetic"]).lower(), r["experiment"], r["method"], "+".join(r["sensors"])]
        values += [str(len(r["sensors"])), *(f"{n:.4f}" if n != "" else "" for n in numbers)]
        lines.append(",".join(values))
    return "\n".join(lines) + "\n"


def write_figure(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A panel a method: macro-F1 and its interval for each set of sensors, the best on top. PNG."""
    panels: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        name = f"{row['experiment']}, {row['method']}\n{row['dataset']}{' (synthetic)' if row['synthetic'] else ''}"
        panels.setdefault(name, []).append(row)
    tallest = max(len(panel) for panel in panels.values())
    figure = Figure(figsize=(4.2 * len(panels), 1.4 + 0.24 * tallest), layout="constrained")
    for axes, (name, panel) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        shown = sorted(panel, key=lambda row: row["macro_f1"])
        every = max((row["sensors"] for row in panel), key=len)
        for height, row in enumerate(shown):
            color = "tab:red" if len(row["sensors"]) == 1 else "tab:blue"
            if row["macro_f1_ci95"] is not None:
                axes.plot(row["macro_f1_ci95"], [height, height], color=color, linewidth=1)
            axes.plot(row["macro_f1"], height, "o", color=color, markersize=4)
        axes.set_yticks(range(len(shown)), [set_name(row["sensors"], every) for row in shown], fontsize=7)
        axes.set_title(name, fontsize=8)
        axes.set_xlabel("macro-F1, 95 % interval", fontsize=8)
        axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})
