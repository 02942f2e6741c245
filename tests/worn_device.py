"""What a made wearer's device measures, for files in the layouts in which sets are published; how they are refused."""

import numpy as np
import pytest

from vimu.contracts import Rejection
from vimu.recordings.config import RecordingConfig
from vimu.recordings.trials import TrialFile, read_trial

N = 600


def acc_g(n: int = N, hz: float = 50.0) -> np.ndarray:
    """A wearer whose vertical is the device's y: 1 g there, and a step rhythm."""
    t = np.arange(n) / hz
    return np.stack([0.1 * np.sin(2 * np.pi * t), 1 + 0.3 * np.sin(4 * np.pi * t), 0.05 * np.cos(3 * t)], axis=1)


def gyr(n: int = N, hz: float = 50.0) -> np.ndarray:
    t = np.arange(n) / hz
    return np.stack([np.sin(t), 0.5 * np.cos(2 * t), -0.2 * np.sin(3 * t)], axis=1)


def rejected(trial: TrialFile, config: RecordingConfig, sensors: list[str]) -> Rejection:
    with pytest.raises(Rejection) as caught:
        read_trial(trial, config, sensors=sensors, rate_hz=50.0)
    return caught.value
