"""How far VQF's inclination is off on virtual sensors: `python -m benchmarks.inclination FOLDER`.

Acceleration and gyroscope of motions on Bandai's rig go through the filter of `prepare.windows.orientation: vqf`; its
inclination is held against the orientation that they were made from. Root mean square of each clip, degrees: the median
clip and the worst, at 60 and at 20 Hz.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import vimu
from vimu.imu.frames import in_frame
from vimu.imu.orientation import inclination_error, with_orientation

SENSORS = ["chest", "waist", "right_ankle", "right_pocket", "right_wrist"]
RATES_HZ = (60.0, 20.0)


def error_deg(file: Path, rate_hz: float) -> np.ndarray:
    """(sensors,) root mean square error of inclination over a clip, degrees."""
    truth = vimu.synthesize(str(file), archive="bandai", placements=SENSORS, rate_hz=rate_hz)
    bare = replace(in_frame(truth, frame="sensor", gravity="included"), ori=None)
    found = with_orientation(bare)
    assert found.ori is not None and truth.ori is not None
    return np.degrees(np.sqrt((inclination_error(found.ori, truth.ori) ** 2).mean(axis=0)))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="BVH clips of Bandai-Namco's archive")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    files = sorted(given.folder.rglob("*.bvh"))
    figures = {}
    for rate_hz in RATES_HZ:
        errors = np.array([error_deg(file, rate_hz) for file in files])
        for what, row in (("median clip", np.median(errors, axis=0)), ("worst clip", errors.max(axis=0))):
            figures[f"{rate_hz:g} Hz, {what}"] = dict(zip(SENSORS, row.tolist(), strict=True))
    print(f"{len(files)} clips, degrees {'':10}{''.join(f'{name:>14}' for name in SENSORS)}")
    for name, of_sensor in figures.items():
        print(f"{name:30}{''.join(f'{value:14.1f}' for value in of_sensor.values())}")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
