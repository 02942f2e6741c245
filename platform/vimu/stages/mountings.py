"""The mounting of each wearer's sensors, estimated from a trial in which the wearer is upright."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vimu.contracts import Rejection
from vimu.imu.mounting import mean_vertical, mounting_turn, upright_directions
from vimu.recordings.config import RecordingConfig
from vimu.recordings.trials import TrialFile, read_trial
from vimu.runtime.errors import UserError, listed

Mountings = dict[str, dict[str, list[list[float]]]]
"""Session -> sensor -> turn from the sensor's axes to its segment's. `OTHERS` serves where a session has none."""
ESTIMATE_HZ = 50.0
"""Rate at which trials are read for an estimate."""
OTHERS = ""
"""Key of the turns for wearers without an upright trial: from the mean of all others."""


def estimated_sensors(config: RecordingConfig, sensors: Sequence[str]) -> tuple[str, ...]:
    """Those of `sensors` whose mounting some activity tells; the others stay as worn.

    Raises:
        UserError: there is none, by the set's YAML.
    """
    told = {s for served in config.upright.values() for s in (sensors if served == "all" else served)}
    if told.isdisjoint(sensors):
        raise UserError(
            f"`prepare.mounting` must be `as_worn` for {listed(sensors)} of `{config.name}`, for which its YAML names "
            f"no `upright` activity, but is `estimated`."
        )
    return tuple(s for s in sensors if s in told)


@dataclass(frozen=True)
class Calibration:
    """What some trials tell of how sensors are mounted."""

    mountings: Mountings
    trials: frozenset[str]
    """Those that told it. They are known to be upright, so they neither train nor test."""


def calibrate(trials: Sequence[TrialFile], config: RecordingConfig, sensors: Sequence[str]) -> Calibration:
    """How every session's sensors are to be turned, by one upright trial of the session: its calibration.

    The trial is the first that can be read, of the activity that stands first in the set's `upright`; a sensor that it
    does not tell is told by the next that does.

    Raises:
        UserError: as `estimated_sensors`; or no trial of an upright activity can be read for a sensor.
    """
    wanted = estimated_sensors(config, sensors)
    served = {config.activities[code].name: placements for code, placements in config.upright.items()}
    verticals: dict[str, dict[str, Float[np.ndarray, 3]]] = {s: {} for s in wanted}
    used = set()
    upright = [trial for trial in trials if trial.activity in served]
    for trial in sorted(upright, key=lambda t: (t.session, list(served).index(t.activity), t.trial)):
        of_trial = wanted if served[trial.activity] == "all" else [s for s in wanted if s in served[trial.activity]]
        found = _verticals(trial, config, [s for s in of_trial if trial.session not in verticals[s]])
        for sensor, vertical in found.items():
            verticals[sensor][trial.session] = vertical
            used.add(trial.trial)
    lacking = [sensor for sensor in wanted if not verticals[sensor]]
    if lacking:
        raise UserError(
            f"`prepare.mounting: estimated` must find a readable trial of {listed(served)}, but there is none for "
            f"{', '.join(lacking)}."
        )
    turns: Mountings = defaultdict(dict)
    for sensor, up in zip(wanted, upright_directions(wanted), strict=True):
        others = np.mean(list(verticals[sensor].values()), axis=0)
        for session, vertical in sorted((verticals[sensor] | {OTHERS: others}).items()):
            turns[session][sensor] = mounting_turn(vertical, up).tolist()
    return Calibration(dict(turns), frozenset(used))


def _verticals(trial: TrialFile, config: RecordingConfig, sensors: Sequence[str]) -> dict[str, Float[np.ndarray, "3"]]:
    """Which way is up for each of `sensors` that can be read: the gap of one does not cost the others their estimate.

    What cannot be read is left out here without a word: `prepare` reads every trial again, and reports it.
    """
    if not sensors:
        return {}
    try:
        return dict(
            zip(sensors, mean_vertical(read_trial(trial, config, sensors=sensors, rate_hz=ESTIMATE_HZ)), strict=True)
        )
    except Rejection:
        alone = [_verticals(trial, config, [sensor]) for sensor in sensors] if len(sensors) > 1 else []
        return {sensor: vertical for found in alone for sensor, vertical in found.items()}


def turns_of(
    trial: TrialFile, mountings: Mountings, sensors: Sequence[str]
) -> tuple[Float[np.ndarray, "sensors 3 3"], list[str]]:
    """The turns for a trial's sensors, identity where nothing tells one, and notes where those of others serve."""
    known = {**mountings[OTHERS], **mountings.get(trial.session, {})}
    lacking = mountings[OTHERS].keys() - mountings.get(trial.session, {}).keys()
    notes = [f"mounting_of_others: {s}, no upright trial to be read" for s in sensors if s in lacking]
    return np.array([known.get(s, np.eye(3)) for s in sensors]), notes
