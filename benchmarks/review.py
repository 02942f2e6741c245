"""How early the review's list shows what is wrong: `python -m benchmarks.review runs/open/synthesize --json FILE`.

One clip in ten of each class gets another's label (as `benchmarks.filters` plants them), one in twenty of all, rightly
labelled ones, is played twice as fast or half as fast, as a file with a wrong rate would be. Printed: which part of
each stands in the first 10, 20 and 30 % of the list, ordered by suspicion and by each of its doubts alone.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
import pyarrow.parquet as pq

from vimu.body.placement import load_placements
from vimu.clips.planted import plant_swaps
from vimu.clips.plausibility import load_limits
from vimu.clips.schema import Clip, clips_from
from vimu.clips.statistics import clip_statistics
from vimu.contracts import ImuRecording
from vimu.review.suspicion import Doubts, doubts

LABELS, RATES = 0.1, 0.05
FIRST = (0.1, 0.2, 0.3)
KINDS = {
    "suspicion": None, "label alone": ("label",), "filters alone": ("filter", "near_filter"), "rate alone": ("rate",),
}  # fmt: skip
"""What orders the list: which of the doubts, None for all together."""


def played(recording: ImuRecording, factor: float) -> ImuRecording:
    """The same motion `factor` times as fast."""
    assert recording.gyr is not None
    return replace(
        recording, acc=factor**2 * recording.acc, gyr=factor * recording.gyr, rate_hz=factor * recording.rate_hz
    )


def early(found: Sequence[Doubts], planted: np.ndarray, kinds: Sequence[str] | None) -> list[float]:
    """Which part of `planted` stands in the first parts of the list; the order of equals is drawn."""
    suspicion = [
        doubt.suspicion if kinds is None else max((doubt.kinds.get(kind, 0.0) for kind in kinds), default=0.0)
        for doubt in found
    ]
    order = np.lexsort([np.random.default_rng(0).random(len(found)), -np.array(suspicion)])
    return [float(planted[order[: round(part * len(found))]].sum() / planted.sum()) for part in FIRST]


def trial(clips: Sequence[Clip], values: np.ndarray, seed: int) -> Mapping[str, Mapping[str, list[float]]]:
    """Plant, judge and count once."""
    rng = np.random.default_rng(seed)
    right = [clip.label for clip in clips]
    labels = plant_swaps(right, share=LABELS, rng=rng)
    mislabelled = np.array([a != b for a, b in zip(right, labels, strict=True)])
    others = rng.permutation(np.flatnonzero(~mislabelled))[: round(RATES * len(clips))]
    misrated = np.zeros(len(clips), bool)
    misrated[others] = True
    values = values.copy()
    for n, i in enumerate(others):
        values[i] = clip_statistics(played(clips[i].recording, (2.0, 0.5)[n % 2]))
    sensors = clips[0].recording.sensors
    found = doubts(values, labels, [c.group for c in clips], sensors, load_placements(sensors), load_limits())
    return {
        kind: {"mislabelled": early(found, mislabelled, only), "wrong rate": early(found, misrated, only)}
        for kind, only in KINDS.items()
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="a published synthesize folder")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    clips = [c for path in sorted((given.clips / "clips").glob("*.parquet")) for c in clips_from(pq.read_table(path))]
    values = np.stack([clip_statistics(clip.recording) for clip in clips])
    trials = [trial(clips, values, 1000 + seed) for seed in range(given.seeds)]
    print(f"{len(clips)} clips, {given.seeds} seeds; found in the first {', '.join(f'{part:.0%}' for part in FIRST)}")
    figures = {}
    for kind in KINDS:
        for what in ("mislabelled", "wrong rate"):
            mean = np.mean([one[kind][what] for one in trials], axis=0)
            figures[f"{kind}, {what}"] = mean.tolist()
            print(f"  {kind:14} {what:12} {'  '.join(f'{part:.3f}' for part in mean)}")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
