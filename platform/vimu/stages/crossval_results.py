"""Fitted folds -> entries of `metrics.json`, sentences beside them, the table of predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from vimu.evaluation.predictions import prediction_rows, predictions_table
from vimu.evaluation.results import Experiment, gain, gain_sentence, paired_difference, result
from vimu.stages.crossval_parts import Part, Parts
from vimu.tuning.experiments import CrossvalSettings
from vimu.tuning.fits import Fit
from vimu.tuning.folds import Folds, parts_of
from vimu.tuning.rows import REAL, SHARED, STYLES, VIRTUAL, Row
from vimu.tuning.shares import recorded_s, share_of_trials
from vimu.tuning.side import Side

BySeed = dict[int, Float[np.ndarray, "windows N"]]


@dataclass(frozen=True)
class Tables:
    """What is needed to turn rows into entries."""

    sides: Mapping[str, Part]
    folds: Mapping[str, Folds]
    tested: Mapping[str, Side]
    parts: Parts
    settings: CrossvalSettings
    n_resamples: int
    virtual_synthetic: bool
    """Whether what networks are pre-trained on is generated."""

    def pooled(self, row: Row) -> BySeed:
        """Class probabilities of all windows by seed: each window by the model that never saw its group."""
        side = self.sides[row.windows]
        shape = (len(side.windows), len(side.classes))
        by_seed = {}
        for seed, fits in row.fits.items():
            if not row.folds:
                by_seed[seed] = self.parts.probabilities(fits[0], shape)
                continue
            pooled = np.full(shape, np.nan, dtype=np.float32)
            for fit in fits:
                rows = self.folds[row.folds].test_rows(fit.fold)
                pooled[rows] = self.parts.probabilities(fit, (len(rows), shape[1]))
            assert not np.isnan(pooled).any(), "every window is in one fold"
            by_seed[seed] = pooled
        return by_seed

    def of(self, row: Row) -> Side:
        """The side that the row is tested on."""
        return self.tested[VIRTUAL if row.windows == VIRTUAL else REAL]

    def among_all(self, row: Row) -> BySeed:
        """As `pooled`, with a column for every class of the side: 0 for those that the row leaves out."""
        side, classes = self.sides[row.windows], self.of(row).classes
        by_seed = {}
        for seed, pooled in self.pooled(row).items():
            by_seed[seed] = np.zeros((len(pooled), len(classes)), dtype=np.float32)
            by_seed[seed][:, [classes.index(name) for name in side.classes]] = pooled
        return by_seed

    def what(self, row: Row) -> Experiment:
        """What the row is about."""
        side = self.of(row)
        pretrained = row.experiment in ("finetuned", "no_finetuning")
        synthetic = side.synthetic or (pretrained and self.virtual_synthetic)
        return Experiment(side.dataset, row.experiment, row.method, synthetic)

    def entry(self, row: Row) -> dict[str, Any]:
        """The row as an entry of `metrics.json`, with its paired differences."""
        side, by_seed = self.sides[row.windows], self.pooled(row)
        made = result(
            self.what(row), side.windows, side.classes, by_seed, split=self.split_text(row),
            n_resamples=self.n_resamples,
        )  # fmt: skip
        made |= {"protocol": "cross_validation", **row.extra}
        if row.folds:
            made |= {"n_folds": self.settings.n_folds, "apart": self.folds[row.folds].apart}
        if "label_share" in row.extra:
            made |= self.labelled(row)
        if row.scratch is not None:
            base = self.pooled(row.scratch)
            made |= gain(side.windows, side.classes, by_seed, base, n_resamples=self.n_resamples)
        if row.whole is not None:
            size, interval = paired_difference(
                side.windows, side.classes, by_seed, self.pooled(row.whole), n_resamples=self.n_resamples
            )
            made |= {"difference_to_whole": size, "difference_ci95": interval}
        return made

    def split_text(self, row: Row) -> str:
        """How people were kept apart."""
        if not row.folds:
            return "all real subjects, none of whom was trained on; on the classes that both sides have"
        folds, side = self.folds[row.folds], self.of(row)
        if row.folds == STYLES:
            return f"{folds.n} folds, styles held out: no clip of a tested style was trained on"
        return f"{folds.n} folds, each of {side.n_groups} {side.groups} tested once"

    def labelled(self, row: Row) -> dict[str, Any]:
        """How much was labelled for a fold's training, on average over folds and seeds."""
        seconds, windows, trials = [], [], []
        for fit in (fit for fits in row.fits.values() for fit in fits):
            used = self._labelled_windows(fit, row)
            seconds.append(sum(recorded_s(part) for part in used))
            windows.append(sum(len(part) for part in used))
            trials.append(sum(len(set(part.source.tolist())) for part in used))
        return {
            "label_s": round(float(np.mean(seconds)), 1), "label_windows": round(float(np.mean(windows)), 1),
            "label_trials": round(float(np.mean(trials)), 1),
        }  # fmt: skip

    def _labelled_windows(self, fit: Fit, row: Row) -> list[Any]:
        side = self.sides[row.windows].windows
        train, val, _ = parts_of(side, self.folds[row.folds], fit.fold, fit.validation)
        return [share_of_trials(part, fit.share, seed=fit.seed) for part in (train, val) if len(part)]


def results_of(tables: Tables, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], pa.Table, list[str]]:
    """Entries of `metrics.json`, the predictions, and what a reader must know."""
    results, predictions = [], []
    for row in rows:
        results.append(tables.entry(row))
        if not in_table(row.extra):
            continue  # their fits are many; scores, confusion and intervals are in the entry
        windows = tables.sides[row.windows].windows
        table = prediction_rows(tables.what(row), windows, tables.of(row).classes, tables.among_all(row))
        n = len(table)
        for name, value in (("apart", results[-1].get("apart", "")), ("copies", row.extra.get("augmented_copies", 0))):
            table = table.append_column(name, pa.array([value] * n))
        predictions.append(table)
    classes = {side.dataset: side.classes for side in tables.tested.values()}
    return results, predictions_table(predictions, classes), _notes(tables, results)


def in_table(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is of the table, and of neither the curve of labels nor the ablations."""
    return "label_share" not in entry and "ablation" not in entry


def _notes(tables: Tables, results: Sequence[Mapping[str, Any]]) -> list[str]:
    s = tables.settings
    notes = [f"{r['method']}: {gain_sentence(r)}" for r in results if in_table(r) and r["experiment"] == "finetuned"]
    notes += _label_sentences(results)
    for side in tables.tested.values():
        few = ", ".join(f"{c} ({n}, in {w} windows)" for c, (n, w) in side.left_out.items())
        notes.append(
            f"{side.dataset}: {len(side.windows):,} windows of {side.n_groups} {side.groups}, "
            f"{len(side.classes)} classes"
            + (f"; left out, as fewer than {s.min_people} {side.groups} did them: {few}." if few else ".")
        )
        if side.groups != "subjects":
            notes.append(
                f"{side.dataset} does not name its actors: clips of one person are in training and test, whatever is "
                "held out, so its rows are optimistic."
            )
    chosen = "are the configuration's" if not s.tune_trials else (
        f"of the table on real people are chosen in each fold without those tested, among {s.tune_trials} for each "
        "method and start; those of virtual rows, the plain forest, curve and ablations are the configuration's"
    )  # fmt: skip
    notes.append(f"Settings {chosen}. Intervals draw people again and leave the models as they are.")
    if s.label_shares:
        notes.append(f"The curve of labels has {_seeds(len(s.label_seeds))}, the table {_seeds(len(s.seeds))}.")
    if s.ablations:
        notes.append(f"Ablations have {_seeds(len(s.ablation_seeds))}, as has the whole method they are compared with.")
    if SHARED in tables.sides and len(tables.sides[SHARED].classes) < 2:
        notes.append("No row without fine-tuning: the two sides share fewer than two classes.")
    return notes


def _label_sentences(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Does a tenth of the labels do after pre-training what half of them do without?"""
    of_networks = [r for r in results if "label_share" in r and r["method"] != "random_forest"]
    of = {(r["experiment"], r["label_share"]): r for r in of_networks}
    few, many = of.get(("finetuned", 0.1)), of.get(("scratch", 0.5))
    if few is None or many is None:
        return []
    verdict = "at least" if few["macro_f1"] >= many["macro_f1"] else "less than"
    return [
        f"Fine-tuned with 10 % of the labels ({few['label_s']:.0f} s) {few['method']} reaches {few['macro_f1']:.3f}, "
        f"{verdict} from scratch with 50 % ({many['label_s']:.0f} s): {many['macro_f1']:.3f}."
    ]


def _seeds(n: int) -> str:
    return "one seed" if n == 1 else f"{n} seeds"
