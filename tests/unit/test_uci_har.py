"""UCI HAR: windows that overlap are put together again, on files generated in its layout."""

from pathlib import Path

import numpy as np

from vimu.contracts import STANDARD_GRAVITY, Reason
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials, read_trial
from worn_device import acc_g, gyr, rejected


def uci_har(root: Path, n_windows: int = 8) -> Path:
    """Windows 1 to 5 are one recording, 6 to 8 another one, of the same person and activity."""
    part = root / "UCI HAR Dataset" / "train"
    (part / "Inertial Signals").mkdir(parents=True)
    signals = {"total_acc": acc_g(1000), "body_gyro": gyr(1000)}
    starts = [i * 64 + (100 if i >= 5 else 0) for i in range(n_windows)]
    for name, values in signals.items():
        for k, axis in enumerate("xyz"):
            lines = ["  " + "  ".join(f"{x:.7e}" for x in values[s : s + 128, k]) for s in starts]
            (part / "Inertial Signals" / f"{name}_{axis}_train.txt").write_text("\n".join(lines) + "\n")
    (part / "subject_train.txt").write_text("7\n" * n_windows)
    (part / "y_train.txt").write_text("1\n" * n_windows)
    return root


def test_uci_har_s_windows_are_put_together_where_they_overlap(tmp_path):
    config = load_recordings("uci_har")
    trials, left_out = list_trials(uci_har(tmp_path), config)
    assert [(t.subject, t.activity, t.span) for t in trials] == [("7", "walking", (1, 5)), ("7", "walking", (6, 8))]
    assert left_out == []
    first, second = (read_trial(t, config, sensors=["waist"], rate_hz=50.0) for t in trials)
    np.testing.assert_allclose(first.acc[:, 0], acc_g(1000)[: 6 * 64] * STANDARD_GRAVITY, atol=1e-4)
    np.testing.assert_allclose(second.gyr[:, 0], gyr(1000)[420 : 420 + 4 * 64], atol=1e-5)


def test_uci_har_without_a_signal_is_a_reason(tmp_path):
    config = load_recordings("uci_har")
    folder = uci_har(tmp_path) / "UCI HAR Dataset/train"
    trials, _ = list_trials(tmp_path, config)
    (folder / "Inertial Signals/body_gyro_z_train.txt").unlink()
    assert rejected(trials[0], config, ["waist"]).reason == Reason.MISSING_SENSOR
    (folder / "y_train.txt").write_text("1\n")
    assert [r.reason for r in list_trials(tmp_path, config)[1]] == [Reason.BAD_SHAPE]


def test_uci_har_s_other_signals_must_be_of_the_same_windows(tmp_path):
    config = load_recordings("uci_har")
    folder = uci_har(tmp_path) / "UCI HAR Dataset/train/Inertial Signals"
    lines = (folder / "total_acc_y_train.txt").read_text().splitlines()
    (folder / "total_acc_y_train.txt").write_text("\n".join([lines[5], *lines]))
    trials, _ = list_trials(tmp_path, config)
    assert rejected(trials[0], config, ["waist"]).reason == Reason.BAD_SHAPE
