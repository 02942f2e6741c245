"""CPU time of several ways to do the same, turn by turn: a machine that others use is slow for all of them alike."""

import time
from collections.abc import Callable, Mapping

import numpy as np


def cpu_seconds(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """CPU seconds of each way in each of `repeats` rounds, after a first one that only compiles and warms caches."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, work in ways.items():
            start = time.process_time()
            work()
            if turn > 0:
                seconds[name].append(time.process_time() - start)
    return {name: np.array(times) for name, times in seconds.items()}


def median_and_spread(values: np.ndarray) -> dict[str, float]:
    """Median and quartiles over the rounds."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": float(middle), "quartile_1": float(low), "quartile_3": float(high)}
