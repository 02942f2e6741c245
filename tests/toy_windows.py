"""Windows of toy people and activities, for tests of what experiments do with them."""

import numpy as np

from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet

CHANNELS = channel_names("sensor_acc", ["wrist"])
LENGTH, HOP = 40, 20


def windows(n_subjects: int = 6, n_trials: int = 2, n_each: int = 3) -> WindowSet:
    """Trials of three activities by everybody: 40 frames at 20 Hz, half of them shared with the next window."""
    rows = [
        (f"s{s}", label, f"toy:s{s}-{label}-{t}:{i * HOP:06d}")
        for s in range(n_subjects) for label in ("bending", "hopping", "walking") for t in range(n_trials)
        for i in range(n_each)
    ]  # fmt: skip
    subject, label, name = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    x = np.random.default_rng(0).normal(size=(n, LENGTH, len(CHANNELS))).astype(np.float32)
    x *= (1 + 4 * np.array([("bending", "hopping", "walking").index(name) for name in label]))[:, None, None]
    return WindowSet(
        x, label, subject, np.array(["train"] * n), np.array(["toy"] * n), name, CHANNELS, 20.0, "sensor_acc",
        np.ones(n, np.float32),
    )  # fmt: skip
