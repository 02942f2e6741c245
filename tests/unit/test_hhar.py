"""HHAR: two tables of many phones, on files generated in its layout."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from vimu.contracts import STANDARD_GRAVITY, Reason, Rejection
from vimu.recordings import hhar as hhar_reader
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


TORN = b"17,1424696\n"
LONG = b"7" * 3 * hhar_reader.MAX_LINE_BYTES + b",1,2,3,4,5,a,s3mini,s3mini_1,walk\n"


@pytest.mark.parametrize("torn", [TORN, LONG])
def test_lines_that_are_none_are_counted_wherever_they_stand(tmp_path, torn):
    """Before the first run, within one, between two and at the end."""
    config = load_recordings("hhar")
    path = hhar(tmp_path) / "Phones_accelerometer.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    whole, _ = list_trials(tmp_path, config)
    for at in (len(lines), 601, 301, 300, 1):  # the first phone walks for 600 lines
        lines.insert(at, torn)
    path.write_bytes(b"".join(lines))
    trials, _ = list_trials(tmp_path, config)
    assert [(t.subject, t.activity) for t in trials] == [(t.subject, t.activity) for t in whole]
    notes = [read_trial(t, config, sensors=["waist"], rate_hz=50.0).notes for t in (trials[0], trials[3])]
    assert notes[0][0] == "unreadable_rows: 4 of 604 of waist acc"
    assert notes[1][0] == "unreadable_rows: 1 of 1001 of waist acc"


def test_a_line_without_an_end_is_not_held(tmp_path):
    hhar(tmp_path)
    with (tmp_path / "Phones_accelerometer.csv").open("ab") as stream:
        stream.write(b"7," * 2**23)
    tracemalloc.start()
    try:
        list_trials(tmp_path, load_recordings("hhar"))
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def _switching(n: int, late_ms: int) -> bytes:
    """Two people's lines in turn, so that each line is a run."""
    rows = (f"{i},{10**9 + 20 * i + late_ms},0,0,0,9.8,{'ab'[i % 2]},s3,s3_1,walk\n" for i in range(n))
    return hhar_reader.HEADER + b"\n" + "".join(rows).encode()


def test_many_runs_are_matched_in_linear_time_and_too_many_are_refused(tmp_path, monkeypatch):
    for kind in ("accelerometer", "gyroscope"):
        (tmp_path / f"Phones_{kind}.csv").write_bytes(_switching(20_000, 0))
    begin = time.process_time()
    found = hhar_reader.stretches(tmp_path / "Phones_accelerometer.csv", load_recordings("hhar"))
    assert len(found) == 20_000
    assert time.process_time() - begin < 20  # each with each: minutes
    monkeypatch.setattr(hhar_reader, "MAX_RUNS", 19_999)
    with pytest.raises(Rejection, match="more than 19,999 times"):
        hhar_reader.stretches(tmp_path / "Phones_accelerometer.csv", load_recordings("hhar"))


def test_of_overlapping_runs_the_one_that_shares_most_is_taken():
    def run(begins: int, ends: int) -> hhar_reader._Run:
        return hhar_reader._Run(("a", "b", "c"), begins, ends, begins, ends)

    rng = np.random.default_rng(0)
    for _ in range(200):
        runs = [run(a, a + n) for a, n in rng.integers(0, 30, (rng.integers(1, 12), 2)).tolist()]
        other = run(*sorted(rng.integers(0, 60, 2).tolist()))
        shared = [min(r.ends_ms, other.ends_ms) - max(r.begins_ms, other.begins_ms) for r in runs]
        best = hhar_reader._InTime(runs).most_shared(other)
        if max(shared) <= 0:
            assert best is None
        else:
            assert min(best.ends_ms, other.ends_ms) - max(best.begins_ms, other.begins_ms) == max(shared)
