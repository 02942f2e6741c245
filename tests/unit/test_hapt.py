"""HAPT: made-up experiments with every fault of text, and the 61 real ones."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimu.contracts import STANDARD_GRAVITY, Reason, Rejection
from vimu.recordings import hapt as hapt_reader
from vimu.recordings.config import RecordingConfig, load_recordings
from vimu.recordings.segments import read_segments
from vimu.recordings.trials import TrialFile, list_trials, read_trial
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml
from vimu.stages.prepare import _files_hash

RATE_HZ, N = 50.0, 1000
LABELS = "1 1 5 101 400\n1 1 1 401 900\n"


@pytest.fixture(scope="module")
def config() -> RecordingConfig:
    return load_recordings("hapt")


def signals() -> tuple[np.ndarray, np.ndarray]:
    """g and rad/s; what each sample holds says which one it is."""
    t = np.arange(N) / RATE_HZ
    acc = np.stack([1 + 0.1 * np.sin(2 * np.pi * t), t / 100, 0 * t], axis=1)
    gyr = np.stack([t / 10, np.cos(2 * np.pi * t), -t / 10], axis=1)
    return acc, gyr


def text(values: np.ndarray) -> str:
    return "".join(f"{x!r} {y!r} {z!r} \n" for x, y, z in values.tolist())


def experiment(root: Path, labels: str = LABELS, name: str = "exp01_user01") -> Path:
    folder = root / "Raw-Data"
    folder.mkdir(exist_ok=True)
    acc, gyr = signals()
    (folder / f"acc_{name}.txt").write_text(text(acc))
    (folder / f"gyro_{name}.txt").write_text(text(gyr))
    (folder / "labels.txt").write_text(labels)
    return folder


def read(trial: TrialFile, config: RecordingConfig, rate_hz: float = RATE_HZ):
    return read_trial(trial, config, sensors=["waist"], rate_hz=rate_hz)


def rejection_of(trial: TrialFile, config: RecordingConfig) -> Rejection:
    with pytest.raises(Rejection) as caught:
        read(trial, config)
    assert caught.value.path == trial.trial
    return caught.value


# ---- what a trial is


def test_a_stretch_is_a_trial_and_both_its_ends_belong(tmp_path, config):
    experiment(tmp_path)
    trials, left_out = list_trials(tmp_path, config)
    assert left_out == []
    assert [(t.trial, t.subject, t.activity, t.span) for t in trials] == [
        ("Raw-Data/acc_exp01_user01@000101-000400", "01", "standing", (101, 400)),
        ("Raw-Data/acc_exp01_user01@000401-000900", "01", "walking", (401, 900)),
    ]
    recording = read(trials[0], config)
    acc, gyr = signals()
    np.testing.assert_allclose(recording.acc[:, 0], acc[100:400] * STANDARD_GRAVITY, atol=1e-5)
    np.testing.assert_allclose(recording.gyr[:, 0], gyr[100:400], atol=1e-6)
    assert (recording.frame, recording.gravity, recording.ori) == ("sensor", "included", None)
    assert (recording.sensors, recording.notes) == (("waist",), ())


@pytest.mark.parametrize("rate_hz", [20.0, 60.0, 100.0])
def test_another_rate_keeps_the_signal(tmp_path, config, rate_hz):
    experiment(tmp_path)
    recording = read(list_trials(tmp_path, config)[0][1], config, rate_hz)
    t = 8.0 + np.arange(recording.n_frames) / rate_hz
    middle = slice(int(rate_hz), -int(rate_hz))
    assert np.abs(recording.gyr[:, 0, 1] - np.cos(2 * np.pi * t))[middle].max() < 5e-3
    assert recording.duration_s == pytest.approx(10.0, abs=0.1)


@given(first=st.integers(1, 900), length=st.integers(60, 101))
@settings(max_examples=20, deadline=None)
def test_samples_are_those_that_the_labels_name(tmp_path_factory, first, length):
    root = tmp_path_factory.mktemp("hapt")
    experiment(root, f"1 1 1 {first} {first + length - 1}\n")
    (trial,), _ = list_trials(root, load_recordings("hapt"))
    recording = read(trial, load_recordings("hapt"))
    np.testing.assert_allclose(recording.gyr[[0, -1], 0, 0] * 500, [first - 1, first + length - 2], atol=1e-3)


def test_what_files_a_trial_depends_on_changes_the_hash_of_inputs(tmp_path, config):
    folder = experiment(tmp_path)
    before = _files_hash(list_trials(tmp_path, config)[0])
    with (folder / "gyro_exp01_user01.txt").open("a") as file:
        file.write("\n")
    after = _files_hash(list_trials(tmp_path, config)[0])
    (folder / "labels.txt").write_text(LABELS.replace("1 1 5", "1 1 4"))  # the same stretch, another label
    assert len({before, after, _files_hash(list_trials(tmp_path, config)[0])}) == 3


# ---- faults of the table


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ("1 1 5 901", Reason.UNREADABLE, "five whole numbers"),
        ("1 1 5 901 990 3", Reason.UNREADABLE, "five whole numbers"),
        ("1 1 5 901 99x", Reason.UNREADABLE, "five whole numbers"),
        ("1 1 5 901.0 990", Reason.UNREADABLE, "five whole numbers"),
        ("1 1 5 -1 90", Reason.UNREADABLE, "five whole numbers"),
        ("1 1 5 0 90", Reason.UNREADABLE, "from 1 on and forwards, but run from 0 to 90"),
        ("1 1 5 990 901", Reason.UNREADABLE, "run from 990 to 901"),
        ("1 1 5 101 400", Reason.DUPLICATE, "stands above already"),
        ("9 1 5 901 990", Reason.UNREADABLE, "no file is of experiment 9, user 1"),
        ("1 1 13 901 990", Reason.NO_LABEL, "`13` is no activity of hapt"),
        ("\x00\xff 1 5 1 2", Reason.UNREADABLE, "five whole numbers"),
    ],
)
def test_a_faulty_row_costs_itself_only(tmp_path, config, row, reason, detail):
    experiment(tmp_path, LABELS + row + "\n")
    trials, (rejection,) = list_trials(tmp_path, config)
    assert len(trials) == 2
    assert rejection.reason is reason and detail in rejection.detail
    assert rejection.path in ("Raw-Data/labels.txt:3", "Raw-Data/acc_exp01_user01@000901-000990")


def test_stretches_that_share_samples_are_both_left_out(tmp_path, config):
    experiment(tmp_path, "1 1 5 101 400\n1 1 1 400 500\n1 1 4 501 600\n1 1 2 601 900\n1 1 3 650 660\n1 1 1 901 990\n")
    trials, left_out = list_trials(tmp_path, config)
    assert [t.span for t in trials] == [(501, 600), (901, 990)]
    assert {r.reason for r in left_out} == {Reason.NO_LABEL}
    assert sorted(r.path for r in left_out) == [f"Raw-Data/labels.txt:{i}" for i in (1, 2, 4, 5)]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)), max_size=12, unique=True))
def test_overlap_is_what_comparing_every_pair_finds(tmp_path_factory, starts):
    spans = [(first, first + length) for first, length in starts]
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    path.write_text("".join(f"1 1 5 {first} {last}\n" for first, last in spans))
    segments, rejections = read_segments(path, "labels.txt")
    alone = [
        a for i, a in enumerate(spans)
        if not any(a[0] <= b[1] and b[0] <= a[1] for j, b in enumerate(spans) if j != i)
    ]  # fmt: skip
    assert [(s.first, s.last) for s in segments.get(("1", "1"), [])] == sorted(alone)
    assert len(rejections) == len(spans) - len(alone)


def test_a_recording_without_labels_is_left_out_and_a_lost_table_is_the_users_error(tmp_path, config):
    folder = experiment(tmp_path, "")
    trials, (rejection,) = list_trials(tmp_path, config)
    assert (trials, rejection.reason, rejection.path) == ([], Reason.NO_LABEL, "Raw-Data/acc_exp01_user01.txt")
    (folder / "labels.txt").unlink()
    with pytest.raises(UserError, match="must be a table of labels"):
        list_trials(tmp_path, config)


# ---- faults of the signals


def damaged(root: Path, change, name: str = "acc_exp01_user01.txt") -> Path:
    path = experiment(root) / name
    lines = path.read_text().splitlines()
    change(lines)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        (lambda x: x.pop(), Reason.BAD_SHAPE, "as many samples as its gyroscope file, but has 999 and 1,000"),
        (lambda x: x.clear(), Reason.BAD_SHAPE, "but has 0 and 1,000"),
        (lambda x: x.__setitem__(slice(None), ["1.0 0.1"] * N), Reason.UNREADABLE, "300 of 300 lines of waist acc"),
        (lambda x: x.__setitem__(slice(None), ["1 0 0 0"] * N), Reason.UNREADABLE, "300 of 300 lines"),
        (lambda x: x.__setitem__(slice(None), ["nan 0 0"] * N), Reason.UNREADABLE, "300 of 300 lines"),
        (lambda x: x.__setitem__(slice(None), ["9.8 0 0"] * N), Reason.UNREADABLE, "9.80 g: in another unit?"),
        (lambda x: x.__setitem__(slice(None), ["0 0 0"] * N), Reason.UNREADABLE, "0.00 g: in another unit?"),
        (lambda x: x.__setitem__(slice(200, 220), ["?"] * 20), Reason.GAP, "waist acc is silent for 0.42 s at 2.0 s"),
    ],
)
def test_each_fault_of_the_text_has_its_reason(tmp_path, config, change, reason, detail):
    damaged(tmp_path, change)
    rejection = rejection_of(list_trials(tmp_path, config)[0][0], config)
    assert rejection.reason is reason and detail in rejection.detail


def test_a_few_faulty_lines_are_filled_and_counted_and_those_outside_do_not_matter(tmp_path, config):
    damaged(tmp_path, lambda x: x.__setitem__(slice(200, 203), ["", "1 2", "1 inf 0"]))
    standing, walking = list_trials(tmp_path, config)[0]
    recording = read(standing, config)
    assert recording.notes == ("filled: 3 samples of waist acc",)
    acc, gyr = signals()
    assert np.abs(recording.acc[:, 0] - acc[100:400] * STANDARD_GRAVITY).max() < 0.05
    np.testing.assert_allclose(recording.gyr[:, 0], gyr[100:400], atol=1e-6)  # the others stay where they were
    assert read(walking, config).notes == ()


def test_labels_beyond_the_end_of_the_file_reject_the_stretch(tmp_path, config):
    experiment(tmp_path, "1 1 5 901 1001\n")
    rejection = rejection_of(list_trials(tmp_path, config)[0][0], config)
    assert rejection.reason is Reason.BAD_SHAPE
    assert rejection.detail == "is labelled from sample 901 to 1,001, but has only 1,000"


def test_a_missing_gyroscope_file_and_an_enormous_one_are_rejections(tmp_path, config, monkeypatch):
    folder = experiment(tmp_path)
    trial = list_trials(tmp_path, config)[0][0]
    monkeypatch.setattr(hapt_reader, "MAX_BYTES", 1000)
    assert rejection_of(trial, config).reason is Reason.OVERSIZED
    monkeypatch.undo()
    (folder / "gyro_exp01_user01.txt").unlink()
    rejection = rejection_of(trial, config)
    assert (rejection.reason, rejection.detail) == (Reason.MISSING_SENSOR, "there is no `gyro_exp01_user01.txt`")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segments": None}, "`segments` must be given for reader `hapt`"),
        ({"reader": "umafall"}, "`segments` must not be given for reader `umafall`"),
        ({"trial": "(?P<subject>x)(?P<activity>y)"}, "must have groups `subject` and `experiment`"),
        ({"sensors": {i: {"placement": p, "rate_hz": 50} for i, p in enumerate(["waist", "chest"])}}, "must be one"),
    ],
)
def test_faulty_yaml_is_the_users_error(tmp_path, repo, changes, message):
    path = tmp_path / "mine.yaml"
    raw = {**read_yaml(repo / "configs" / "recordings" / "hapt.yaml"), **changes}
    path.write_text(repr({key: value for key, value in raw.items() if value is not None}))
    with pytest.raises(UserError, match=message):
        load_recordings(str(path))


# ---- the real set


def test_the_real_set_is_whole(hapt, config):
    trials, left_out = list_trials(hapt, config)
    assert left_out == []
    assert (len({t.path for t in trials}), len({t.subject for t in trials}), len(trials)) == (61, 30, 1214)
    assert Counter(t.activity for t in trials) == {
        "walking": 127, "going_upstairs": 183, "going_downstairs": 186, "sitting": 120, "standing": 120, "lying": 120,
        "stand_to_sit": 60, "sit_to_stand": 62, "sit_to_lie": 60, "lie_to_sit": 60, "stand_to_lie": 58,
        "lie_to_stand": 58,
    }  # fmt: skip


def test_real_trials_read_without_a_rejection_or_a_note(hapt, config):
    """Every trial of every sixth experiment: gravity is 1 g at rest, and the phone's x axis is up unless one lies."""
    experiments = sorted({t.path for t in list_trials(hapt, config)[0]})[::6]
    for trial in (t for t in list_trials(hapt, config)[0] if t.path in experiments):
        recording = read(trial, config)
        assert recording.notes == ()
        mean = recording.acc[:, 0].mean(axis=0) / STANDARD_GRAVITY
        if trial.activity in ("standing", "lying"):
            assert np.linalg.norm(mean) == pytest.approx(1.0, abs=0.13)  # gains off by up to 7 %, see docs/devices.md
            assert (mean[0] > 0.8) == (trial.activity == "standing")
