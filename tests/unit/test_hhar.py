"""HHAR: two tables of many phones, on files generated in its layout."""

from pathlib import Path

import numpy as np

from vimu.contracts import STANDARD_GRAVITY, Reason
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials, read_trial
from worn_device import acc_g, gyr, rejected


def hhar(root: Path, *, with_gyro: bool = True) -> Path:
    """Two makes at 100 and 200 Hz, one after the other; the gyroscope starts 0.2 s later and arrives in bursts."""
    root.mkdir(parents=True, exist_ok=True)
    for kind, late_ms in (("accelerometer", 0), ("gyroscope", 200)):
        lines = ["Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"]
        for device, hz in (("s3mini_1", 100), ("nexus4_2", 200)):
            n = 12 * hz
            x = acc_g(n, hz) * STANDARD_GRAVITY if kind == "accelerometer" else gyr(n, hz)
            for i in range(hz * late_ms // 1000, n):
                arrives = 1424696633908 + i * 1000 // hz
                arrives += 0 if kind == "accelerometer" else -(i * 1000 // hz) % 40  # in bursts, every 40 ms
                gt = "walk" if i < n // 2 else "null" if i < 7 * hz else "stairsup"
                if kind == "gyroscope" and gt == "stairsup" and device == "s3mini_1":
                    continue
                row = ",".join(repr(v) for v in x[i].tolist())
                lines.append(f"{i},{arrives},{arrives * 10**6 + 77},{row},a,{device[:-2]},{device},{gt}")
        if with_gyro or kind == "accelerometer":
            (root / f"Phones_{kind}.csv").write_text("\n".join(lines) + "\n")
    return root


def test_hhar_s_two_tables_are_put_together_by_user_device_activity_and_time(tmp_path):
    config = load_recordings("hhar")
    trials, left_out = list_trials(hhar(tmp_path), config)
    assert [(t.subject, t.session, t.activity) for t in trials] == [
        ("a", "a s3mini_1", "walking"), ("a", "a s3mini_1", "going_upstairs"),
        ("a", "a nexus4_2", "walking"), ("a", "a nexus4_2", "going_upstairs"),
    ]  # fmt: skip
    assert [r.reason for r in left_out] == [Reason.REMOVED_BY_RULE] * 2
    for trial, begin in ((trials[0], 0.2), (trials[2], 0.2), (trials[3], 7.0)):
        recording = read_trial(trial, config, sensors=["waist"], rate_hz=50.0)
        t = begin + np.arange(len(recording.acc)) / 50
        truth = 1 + 0.3 * np.sin(4 * np.pi * t)
        assert abs(recording.acc[5:-5, 0, 1] / STANDARD_GRAVITY - truth[5:-5]).max() < 0.05
        assert abs(recording.gyr[5:-5, 0, 0] - np.sin(t)[5:-5]).max() < 0.05
    assert rejected(trials[1], config, ["waist"]).reason == Reason.MISSING_SENSOR


def test_hhar_without_its_gyroscope_table_or_its_header_is_a_reason(tmp_path):
    config = load_recordings("hhar")
    assert [r.reason for r in list_trials(hhar(tmp_path / "a", with_gyro=False), config)[1]] == [Reason.MISSING_SENSOR]
    hhar(tmp_path / "b")
    (tmp_path / "b/Phones_gyroscope.csv").write_text("a,b,c\n1,2,3\n")
    assert [r.reason for r in list_trials(tmp_path / "b", config)[1]] == [Reason.UNREADABLE]


def test_a_clock_that_jumps_fills_no_years_and_a_phone_that_slows_down_is_a_reason(tmp_path):
    config = load_recordings("hhar")
    paths = [hhar(tmp_path) / f"Phones_{kind}.csv" for kind in ("accelerometer", "gyroscope")]
    text = [path.read_text().splitlines() for path in paths]
    jumped = [list(lines) for lines in text]
    words = jumped[0][1].split(",")
    jumped[0][1] = ",".join([words[0], "1", *words[2:]])
    for path, lines in zip(paths, jumped, strict=True):
        path.write_text("\n".join(lines) + "\n")
    trials, _ = list_trials(tmp_path, config)
    recording = read_trial(trials[0], config, sensors=["waist"], rate_hz=50.0)
    assert 200 < len(recording.acc) < 400
    for path, lines in zip(paths, text, strict=True):  # half the pace from the middle on
        ours = [line for line in lines[1:] if "s3mini_1" in line and line.endswith("walk")]
        half = len(ours) // 2
        slow = ours[:half] + ours[half::2]
        path.write_text("\n".join([lines[0], *slow]) + "\n")
    strict = config.model_copy(update={"max_gap_s": 0.3})
    assert rejected(list_trials(tmp_path, strict)[0][0], strict, ["waist"]).reason == Reason.UNKNOWN_RATE
