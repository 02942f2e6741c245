"""How fast windows are measured, worded and judged, and what the judge catches:
`python -m benchmarks.interpreter runs/lanhar-hapt`.

Of the windows that `jobs/prepare.py` published there, those of the recordings that train. CPU seconds of one thread, so
that a busy machine matters little. Then texts of other windows are planted in one window of twenty: how many of them do
the hard gates and the soft gate catch?
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np

from vimu.semantics.channels import sensors_to_measure, six_channels
from vimu.semantics.gates import HardGates, load_relations
from vimu.semantics.labels import load_labels, naming
from vimu.semantics.measure import measure
from vimu.semantics.neighbours import SoftGate, hashed_words
from vimu.semantics.rules import as_numbers, load_rules
from vimu.windows.schema import load_windows

T = TypeVar("T")


def timed(work: Callable[[], T], n: int) -> tuple[T, float]:
    """Its result, and CPU microseconds a window."""
    start = time.process_time()
    result = work()
    return result, 1e6 * (time.process_time() - start) / n


def main(run: Path, dataset: str, seed: int) -> dict[str, Any]:
    """Measure, write, judge, plant and judge again."""
    windows = load_windows(run).where(dataset=dataset, split="train")
    signals = six_channels(windows, sensors_to_measure(windows.channels)[0])
    n, rules = len(windows), load_rules()
    gates = HardGates(load_relations(), naming(load_labels()[0].words()))
    features, measuring = timed(lambda: measure(signals, rate_hz=windows.rate_hz), n)
    numbers = [as_numbers(features, row) for row in range(n)]
    written, wording = timed(lambda: [rules.interpret(as_numbers(features, row)) for row in range(n)], n)
    flagged, hard = timed(lambda: sum(bool(gates.flags(w, numbers[row])) for row, w in enumerate(written)), n)
    texts = {row: w.text for row, w in enumerate(written)}
    gate = SoftGate(features, np.ones(n, bool), hashed_words, n_neighbours=15, n_mads=3.0)
    (unlike, _), soft = timed(lambda: gate.unlike(texts, range(n)), n)

    rng = np.random.default_rng(seed)
    rows, others = rng.permutation(n)[: n // 20].tolist(), rng.integers(n, size=n // 20).tolist()
    planted = {row: other for row, other in zip(rows, others, strict=True) if texts[row] != texts[other]}
    with_planted = texts | {row: texts[other] for row, other in planted.items()}
    found, _ = gate.unlike(with_planted, range(n))
    by_hard = {row for row, other in planted.items() if gates.flags(written[other], numbers[row])}
    by_soft = found.keys() & planted.keys()
    return {
        "windows": n,
        "distinct_texts": len(set(texts.values())),
        "us_a_window": {"measure": measuring, "words": wording, "hard_gates": hard, "soft_gate": soft},
        "windows_a_second": {
            "measured_and_worded": 1e6 / (measuring + wording),
            "judged_too": 1e6 / (measuring + wording + hard + soft),
        },
        "flagged": {"hard": flagged, "soft": len(unlike)},
        "planted": {
            "windows": len(planted),
            "hard": len(by_hard),
            "soft": len(by_soft),
            "either": len(by_hard | by_soft),
        },
        "flagged_beside_the_planted": len(found.keys() - planted.keys()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--dataset", default="hapt")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(main(given.run, given.dataset, given.seed), indent=1))
