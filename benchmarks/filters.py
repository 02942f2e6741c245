"""What the filters catch of planted mislabels: `python -m benchmarks.filters runs/open/synthesize --json FILE`.

Labels of some clips of each class are swapped, each with that of a class drawn from all others alike; clips are split
as `prepare` splits them, thresholds come from the training split, and every split is judged (`splits: all`). Printed:
recall by pair of classes, rightly labelled clips dropped by class, each filter off and alone, other shares of
mislabels, single sensors. `--forest`: macro-F1 on rightly labelled test windows of a forest trained on the training
windows, with the mislabels, after the filters, and without them.
"""

import argparse
import json
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
import pyarrow.parquet as pq

from vimu.clips.filters import OTHER_CLASS, FilterSettings, judge_clips
from vimu.clips.planted import Caught, catch_planted, plant_swaps
from vimu.clips.schema import Clip, clips_from
from vimu.clips.statistics import STATISTICS, clip_statistics
from vimu.metrics import macro_f1_of
from vimu.models.forest import forest_probabilities
from vimu.windows.cut import cut
from vimu.windows.features import features
from vimu.windows.settings import SplitSettings
from vimu.windows.split import assign_splits

FILTERS = (*STATISTICS, OTHER_CLASS)
WINDOW = {"length_frames": 80, "hop_frames": 40}
WINDOW_HZ = 20.0
"""Those of `configs/open.yaml`."""


class Trial:
    """The clips of a published `synthesize` folder, with mislabels planted by a seed and splits drawn by it."""

    def __init__(self, clips: Sequence[Clip], values: np.ndarray, *, share: float, seed: int) -> None:
        self.values, self.sensors = values, clips[0].recording.sensors
        self.right = [clip.label for clip in clips]
        self.planted = plant_swaps(self.right, share=share, rng=np.random.default_rng(seed))
        splits = assign_splits([c.group for c in clips], self.planted, SplitSettings(seed=seed), dataset="clips")
        self.split = np.array(splits)

    def caught(self, settings: FilterSettings) -> Caught:
        """What the filters catch of it, looking at the sensors that `settings` names."""
        at = [self.sensors.index(s) for s in settings.sensors or self.sensors]
        names = tuple(self.sensors[i] for i in at)
        return catch_planted(self.values[:, at], self.right, self.planted, self.split == "train", names, settings)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="a published synthesize folder")
    parser.add_argument("--share", type=float, default=0.1, help="of each class's clips that are swapped")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--forest", action="store_true", help="also train forests; takes minutes")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    clips = [c for path in sorted((given.clips / "clips").glob("*.parquet")) for c in clips_from(pq.read_table(path))]
    values = np.stack([clip_statistics(clip.recording) for clip in clips])
    seeds = range(1000, 1000 + given.seeds)  # not those by which defaults were chosen
    trials = [Trial(clips, values, share=given.share, seed=seed) for seed in seeds]
    figures: dict[str, Any] = {"clips": len(clips), "share": given.share, "seeds": list(seeds)}
    figures |= by_class([trial.caught(FilterSettings()) for trial in trials])
    figures["settings"] = ablation(trials)
    for share in (0.0, 0.05, 0.2, 0.3):
        others = [Trial(clips, values, share=share, seed=seed) for seed in seeds]
        figures["settings"][f"{share:.0%} mislabelled"] = means(others, FilterSettings())
    table("filters", figures["settings"])
    if given.forest:
        figures["forest"] = forest(clips, trials)
        for name, f1 in figures["forest"].items():
            print(f"  macro-F1, trained on {name:34} {f1:.3f}")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


def by_class(caught: Sequence[Caught]) -> dict[str, Any]:
    """Print and give recall by pair, and the share of rightly labelled clips that are dropped, by class."""
    sums: dict[str, Counter[Any]] = defaultdict(Counter)
    for one in caught:
        for name in ("planted", "found", "right", "dropped"):
            sums[name].update(getattr(one, name))
    planted, found = sum(sums["planted"].values()), sum(sums["found"].values())
    print(f"planted mislabels caught: {found} of {planted} = {found / planted:.3f}")
    pairs = {f"{a} as {b}": (sums["found"][a, b], n) for (a, b), n in sorted(sums["planted"].items())}
    for pair, (f, n) in pairs.items():
        print(f"  {pair:40} {f:4} of {n:4} = {f / n:.2f}")
    print(f"right labels dropped: {sum(sums['dropped'].values()) / sum(sums['right'].values()):.3f}")
    right = {label: (sums["dropped"][label], n) for label, n in sorted(sums["right"].items())}
    for label, (d, n) in right.items():
        print(f"  {label:40} {d:4} of {n:4} = {d / n:.3f}")
    for label, why in sorted({item for one in caught for item in one.left_alone.items()}):
        print(f"  left alone: {label}: {why}")
    return {"recall": found / planted, "pairs": pairs, "right_dropped": right}


def ablation(trials: Sequence[Trial]) -> dict[str, tuple[float, float]]:
    """Settings -> recall and share of right labels dropped."""
    only = dict.fromkeys(FILTERS)
    default = FilterSettings()
    settings = {"default": default}
    settings |= {f"without {name}": default.model_copy(update={name: None}) for name in FILTERS}
    settings |= {
        f"{name} alone": FilterSettings.model_validate(only | {name: default.limit(name)}) for name in FILTERS
    }  # fmt: skip
    settings |= {f"at {s} only": FilterSettings(sensors=(s,)) for s in trials[0].sensors}
    return {name: means(trials, given) for name, given in settings.items()}


def means(trials: Sequence[Trial], settings: FilterSettings) -> tuple[float, float]:
    """Recall (0 where none is planted) and share of right labels dropped, means over the trials."""
    caught = [trial.caught(settings) for trial in trials]
    return float(np.nan_to_num(np.mean([c.recall for c in caught]))), float(np.mean([c.false_share for c in caught]))


def table(title: str, rows: dict[str, tuple[float, float]]) -> None:
    """Print settings with their recall and false drops."""
    print(f"{title:28} caught   right dropped")
    for name, (recall, false_share) in rows.items():
        print(f"  {name:26} {recall:6.3f}   {false_share:6.3f}")


def forest(clips: Sequence[Clip], trials: Sequence[Trial]) -> dict[str, float]:
    """Training set -> macro-F1 on the test windows under their right labels, mean over the trials."""
    sensors = clips[0].recording.sensors
    cuts = [cut(features(c.recording, "sensor_acc", sensors=sensors, rate_hz=WINDOW_HZ), **WINDOW)[0] for c in clips]
    classes = sorted({clip.label for clip in clips})
    n = np.array([len(x) for x in cuts])
    windows, of_clip = np.concatenate(cuts), np.repeat(np.arange(len(clips)), n)
    scores: dict[str, list[float]] = defaultdict(list)
    for seed, trial in enumerate(trials):
        right, planted = (np.array([classes.index(y) for y in given]) for given in (trial.right, trial.planted))
        train = trial.split == "train"
        kept = {"the mislabels too": train, "right labels only": train & (right == planted)}
        without = {f"filtered, without {f}": FilterSettings.model_validate({f: None}) for f in FILTERS}
        for name, settings in {"filtered": FilterSettings(), **without}.items():
            verdicts = judge_clips(trial.values, trial.planted, train, sensors, settings).verdicts
            kept[name] = train & np.array([v is None for v in verdicts])
        test = (trial.split == "test")[of_clip]
        for name, clips_kept in kept.items():
            chosen = clips_kept[of_clip]
            p = forest_probabilities(
                windows[chosen], planted[of_clip][chosen], windows[test], n_classes=len(classes), seed=seed, n_trees=100
            )
            counts = np.zeros((len(classes), len(classes)))
            np.add.at(counts, (right[of_clip][test], p.argmax(axis=1)), 1)
            scores[name].append(float(macro_f1_of(counts)))
    return {name: float(np.mean(values)) for name, values in scores.items()}


if __name__ == "__main__":
    main()
