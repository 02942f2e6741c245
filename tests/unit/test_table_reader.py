"""The reader of text tables, on files generated in the layouts of PAMAP2, Shoaib's set and MotionSense."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from vimu.contracts import STANDARD_GRAVITY, Reason, Rejection
from vimu.recordings import text_lines
from vimu.recordings.config import RecordingConfig, load_recordings
from vimu.recordings.conformance import check_reader
from vimu.recordings.readers import READERS
from vimu.recordings.trials import list_trials, read_trial
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml
from worn_device import N, acc_g, gyr, rejected

# ---- PAMAP2


def pamap2_rows(n: int = 800) -> list[list[float]]:
    table = np.full((n, 54), np.nan)
    table[:, 0] = 8 + np.arange(n) / 100
    table[:, 1] = np.repeat([0, 4, 0, 12], n // 4)
    for first in (4, 21, 38):  # hand, chest, ankle
        table[:, first : first + 3] = acc_g(n, 100) * STANDARD_GRAVITY + first / 10
        table[:, first + 6 : first + 9] = gyr(n, 100)
    return table.tolist()


def pamap2(root: Path, rows: list[list[float]]) -> Path:
    folder = root / "Protocol"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        " ".join("NaN" if np.isnan(x) else repr(int(x)) if i == 1 else repr(x) for i, x in enumerate(r)) for r in rows
    ]
    (folder / "subject101.dat").write_text("\n".join(lines) + "\n")
    return root


def of_pamap2(**changes: object) -> RecordingConfig:
    return validate(RecordingConfig, read_yaml(Path("configs/recordings/pamap2.yaml")) | changes, where="-")


def test_pamap2_s_label_column_makes_trials_and_transitions_are_rows_with_a_reason(tmp_path):
    config = of_pamap2(min_duration_s=1.0)
    trials, left_out = list_trials(pamap2(tmp_path, pamap2_rows()), config)
    assert [(t.trial, t.subject, t.activity, t.span) for t in trials] == [
        ("Protocol/subject101@000201-000400", "subject101", "walking", (201, 400)),
        ("Protocol/subject101@000601-000800", "subject101", "going_upstairs", (601, 800)),
    ]
    assert [(r.path, r.reason) for r in left_out] == [
        ("Protocol/subject101@000001-000200", Reason.REMOVED_BY_RULE),
        ("Protocol/subject101@000401-000600", Reason.REMOVED_BY_RULE),
    ]
    recording = read_trial(trials[0], config, sensors=["chest", "right_wrist"], rate_hz=100.0)
    truth = acc_g(800, 100)[200:400] * STANDARD_GRAVITY
    np.testing.assert_allclose(recording.acc[:, 0], truth + 2.1, atol=1e-4)
    np.testing.assert_allclose(recording.acc[:, 1], truth + 0.4, atol=1e-4)
    np.testing.assert_allclose(recording.gyr[:, 0], gyr(800, 100)[200:400], atol=1e-5)
    assert recording.sensors == ("chest", "right_wrist")


def test_what_the_radio_lost_is_filled_and_said_and_too_much_of_it_is_a_reason(tmp_path):
    config = of_pamap2(min_duration_s=1.0)
    rows = pamap2_rows()
    for i in range(300, 310):
        rows[i][21:38] = [float("nan")] * 17
    trials, _ = list_trials(pamap2(tmp_path, rows), config)
    recording = read_trial(trials[0], config, sensors=["chest"], rate_hz=100.0)
    assert "filled: 10 samples of chest acc" in recording.notes
    assert np.isfinite(recording.acc).all()
    for i in range(300, 345):
        rows[i][21:38] = [float("nan")] * 17
    trials, _ = list_trials(pamap2(tmp_path, rows), config)
    assert "no three numbers" in rejected(trials[0], config, ["chest"]).detail
    read_trial(trials[0], config, sensors=["right_ankle"], rate_hz=100.0)  # another sensor has all of it


def test_a_line_cut_short_is_a_lost_sample_of_the_stretch_it_stands_in(tmp_path):
    config = of_pamap2(min_duration_s=1.0)
    path = pamap2(tmp_path, pamap2_rows()) / "Protocol/subject101.dat"
    lines = path.read_text().splitlines()
    lines[250] = "10.5"
    lines[251] = lines[251].replace("4 ", "4 x", 1)
    path.write_text("\n".join(lines))
    trials, _ = list_trials(tmp_path, config)
    assert trials[0].span == (201, 400)
    recording = read_trial(trials[0], config, sensors=["right_ankle"], rate_hz=100.0)
    assert len(recording.acc) == 200
    assert "filled: 1 samples of right_ankle acc" in recording.notes


def test_a_table_without_a_label_is_a_reason(tmp_path):
    config = of_pamap2(table={"separator": "space", "label": 60})
    assert [r.reason for r in list_trials(pamap2(tmp_path, pamap2_rows()), config)[1]] == [Reason.NO_LABEL]


# ---- Shoaib


def shoaib(root: Path) -> Path:
    blocks = []
    for place in range(5):
        stamps = np.arange(N)[:, None] * 20.0
        acc = acc_g() * STANDARD_GRAVITY + place / 10
        blocks.append(np.hstack([stamps, acc, acc * 0, gyr() + place, acc * 0]))
    activity = ["walking"] * (N // 2) + ["upsatirs"] * (N // 2)
    lines = ["Left_pocket" + "," * 69, ",".join(["time_stamp,Ax,Ay,Az,Lx,Ly,Lz,Gx,Gy,Gz,Mx,My,Mz"] * 5)]
    for i in range(N):
        lines.append(",,".join(",".join(repr(x) for x in block[i].tolist()) for block in blocks) + "," + activity[i])
    folder = root / "DataSet"
    folder.mkdir(parents=True)
    (folder / "Participant_3.csv").write_text("\r\n".join(lines) + "\r\n")
    return root


def test_shoaib_s_five_phones_are_told_apart_and_its_typing_error_is_read(tmp_path):
    config = load_recordings("shoaib")
    trials, left_out = list_trials(shoaib(tmp_path), config)
    assert [(t.subject, t.activity) for t in trials] == [("3", "walking"), ("3", "going_upstairs")]
    assert left_out == []
    recording = read_trial(trials[1], config, sensors=config.placements, rate_hz=50.0)
    for place in range(5):
        np.testing.assert_allclose(recording.acc[:, place], acc_g()[300:] * STANDARD_GRAVITY + place / 10, atol=1e-4)
        np.testing.assert_allclose(recording.gyr[:, place], gyr()[300:] + place, atol=1e-5)


# ---- MotionSense


def motionsense(root: Path, header: str | None = None) -> Path:
    """As iOS says it: gravity points to the ground, and gravity + userAcceleration is minus what holds the phone."""
    up, rest = np.tile([0.0, 1.0, 0.0], (N, 1)), acc_g() - [0, 1, 0]
    columns = ["attitude.roll", "attitude.pitch", "attitude.yaw"]
    columns += [f"{name}.{axis}" for name in ("gravity", "rotationRate", "userAcceleration") for axis in "xyz"]
    values = np.hstack([np.zeros((N, 3)), -up, gyr(), -rest])
    folder = root / "A_DeviceMotion_data" / "ups_3"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [header or "," + ",".join(columns)] + [
        ",".join([str(i), *map(repr, row)]) for i, row in enumerate(values.tolist())
    ]
    (folder / "sub_12.csv").write_text("\n".join(lines) + "\n")
    return root


def test_motionsense_s_gravity_is_turned_over(tmp_path):
    config = load_recordings("motionsense")
    (trial,), left_out = list_trials(motionsense(tmp_path), config)
    assert (trial.subject, trial.activity, trial.session, left_out) == ("12", "going_upstairs", "12 3", [])
    recording = read_trial(trial, config, sensors=["right_pocket"], rate_hz=50.0)
    np.testing.assert_allclose(recording.acc[:, 0], acc_g() * STANDARD_GRAVITY, atol=1e-4)
    np.testing.assert_allclose(recording.gyr[:, 0], gyr(), atol=1e-6)
    assert recording.acc[:, 0, 1].mean() == pytest.approx(STANDARD_GRAVITY, abs=0.3)


def test_a_header_without_a_column_is_named(tmp_path):
    config = load_recordings("motionsense")
    (trial,), _ = list_trials(motionsense(tmp_path, header=",a,b,c,gravity.x,gravity.y"), config)
    rejection = rejected(trial, config, ["right_pocket"])
    assert (rejection.reason, "`userAcceleration.x`" in rejection.detail) == (Reason.MISSING_SENSOR, True)


@pytest.mark.parametrize("value", ["1e39", "1e300", "inf"])
def test_what_no_sensor_gives_is_a_reason(tmp_path, value):
    config = load_recordings("motionsense")
    path = motionsense(tmp_path) / "A_DeviceMotion_data/ups_3/sub_12.csv"
    lines = path.read_text().splitlines()
    for i in range(100, 104):
        words = lines[i].split(",")
        lines[i] = ",".join([*words[:7], value, *words[8:]])
    path.write_text("\n".join(lines))
    (trial,), _ = list_trials(tmp_path, config)
    if value == "inf":  # no number: a lost sample
        assert (
            "filled: 4 samples of right_pocket gyr"
            in read_trial(trial, config, sensors=["right_pocket"], rate_hz=50.0).notes
        )
    else:
        assert rejected(trial, config, ["right_pocket"]).reason == Reason.NON_FINITE


def test_lines_without_a_label_are_a_row_and_no_part_of_the_activity_before(tmp_path):
    path = shoaib(tmp_path) / "DataSet" / "Participant_3.csv"
    lines = path.read_text().splitlines()
    for i in range(202, 302):
        lines[i] = lines[i].rpartition(",")[0] + ","
    path.write_text("\n".join(lines))
    trials, left_out = list_trials(tmp_path, load_recordings("shoaib"))
    assert [t.span for t in trials] == [(1, 200), (301, 600)]
    assert [(r.path, r.reason) for r in left_out] == [("DataSet/Participant_3@000201-000300", Reason.NO_LABEL)]


# ---- memory


def test_a_line_that_is_too_long_and_too_many_lines_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"1 2 3\n" + b"1 " * text_lines.MAX_LINE_BYTES)
    with pytest.raises(Rejection, match="a line of 131,071 bytes, the limit is 65,536") as caught:
        text_lines.read_lines(path, max_bytes=2**20)
    assert caught.value.reason == Reason.OVERSIZED
    monkeypatch.setattr(text_lines, "MAX_LINES", 3)
    for end in (b"\n", b"\r", b"\r\n"):
        path.write_bytes(b"1" + end + b"2" + end + b"3" + end)
        assert text_lines.read_lines(path, max_bytes=99) == [b"1", b"2", b"3"]
        path.write_bytes(b"1" + end + b"2" + end + end + b"3")
        with pytest.raises(Rejection, match="4 lines, the limit is 3"):
            text_lines.read_lines(path, max_bytes=99)


def test_columns_that_nobody_asked_for_take_no_memory(tmp_path):
    """Ten million words would be held otherwise, at some forty bytes each."""
    path = shoaib(tmp_path) / "DataSet" / "Participant_3.csv"
    path.write_text("\n".join(line + ",12" * 15_000 for line in path.read_text().splitlines()))
    config = load_recordings("shoaib")
    trials, _ = list_trials(tmp_path, config)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        read_trial(trials[0], config, sensors=config.placements, rate_hz=50.0)
        assert tracemalloc.get_traced_memory()[1] < 3 * size
    finally:
        tracemalloc.stop()


# ---- what a set's YAML may say


def test_a_single_trial_table_keeps_the_reader_s_contract(tmp_path):
    path = motionsense(tmp_path) / "A_DeviceMotion_data/ups_3/sub_12.csv"
    check_reader(READERS["table"], path, load_recordings("motionsense"), rate_hz=50.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"table": None}, "`table` must be given for reader `table`"),
        ({"segments": "labels.txt"}, "`segments` must not be given"),
        ({"trial": "subject.*"}, "`trial` must have groups `subject`"),
        ({"acc_unit_m_s2": 0.0}, "`acc_unit_m_s2` must not be 0"),
        ({"sensors": {0: {"placement": "chest", "rate_hz": 100}}, "upright": {}}, "`columns`, unlike chest"),
    ],
)
def test_what_does_not_fit_is_said(changes, said):
    with pytest.raises(UserError, match=re.escape(said)):
        of_pamap2(**changes)


def test_rows_without_words_are_not_looked_at_one_by_one(monkeypatch):
    """A file may hold little else; a word that is no number costs its row alone."""
    looked_at, row = [], text_lines._row
    monkeypatch.setattr(text_lines, "_row", lambda words: looked_at.append(words) or row(words))
    values = text_lines.numbers([[b"1"], *[[]] * 1000, [b"2", b"3"], [b"x"]], 1)[:, 0]
    np.testing.assert_array_equal(values, [1.0, *[np.nan] * 1002])
    assert looked_at == [[b"1"], [b"x"]]
