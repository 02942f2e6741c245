"""How far sensors agree before and after their mounting is estimated: `python -m benchmarks.mounting umafall FOLDER`.

Of each activity and sensor: the mean angle, in degrees, between a trial's mean vertical in the sensor's axes and that
of all trials, as the sensors were worn and as turned by `prepare.mounting: estimated`. The trials that told the
mounting are left out, as they are there.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.contracts import Rejection
from vimu.imu.mounting import mean_vertical
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials, read_trial
from vimu.stages.mountings import calibrate, estimated_sensors, turns_of

RATE_HZ = 20.0


def spread_deg(verticals: Sequence[Float[np.ndarray, "3"]]) -> float:
    """Mean angle between unit vectors and their mean, degrees."""
    unit = np.array(verticals) / np.linalg.norm(verticals, axis=-1, keepdims=True)
    mean = unit.mean(axis=0) / np.linalg.norm(unit.mean(axis=0))
    return float(np.degrees(np.arccos(np.clip(unit @ mean, -1.0, 1.0))).mean())


def measure(name: str, root: Path) -> dict[str, dict[str, tuple[int, float, float]]]:
    """Activity -> sensor -> trials, degrees as worn, degrees as turned."""
    config = load_recordings(name)
    trials, _ = list_trials(root, config)
    sensors = estimated_sensors(config, sorted({sensor.placement for sensor in config.sensors.values()}))
    calibration = calibrate(trials, config, sensors)
    found: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for trial in trials:
        if trial.trial in calibration.trials:
            continue
        turns, _ = turns_of(trial, calibration.mountings, sensors)
        for sensor, turn in zip(sensors, turns, strict=True):
            try:
                [worn] = mean_vertical(read_trial(trial, config, sensors=[sensor], rate_hz=RATE_HZ))
            except Rejection:  # the gap of one sensor does not cost the others their figure
                continue
            found[trial.activity, sensor].append((worn, turn @ worn))
    figures: dict[str, dict[str, tuple[int, float, float]]] = defaultdict(dict)
    for (activity, sensor), both in sorted(found.items()):
        figures[activity][sensor] = (len(both), *(spread_deg(side) for side in zip(*both, strict=True)))
    return dict(figures)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", help="name of the set, e.g. umafall")
    parser.add_argument("root", type=Path, help="its folder")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    figures = measure(given.recordings, given.root)
    for activity, sensors in figures.items():
        for sensor, (n, worn, turned) in sensors.items():
            print(f"{activity:20} {sensor:14} {n:4} trials {worn:6.1f} as worn {turned:6.1f} as turned")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
