"""UMAFall trials: synthetic files for every fault, and all 371 real ones."""

import pickle
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimu.contracts import STANDARD_GRAVITY, ImuRecording, Reason, Rejection
from vimu.recordings import umafall_rows
from vimu.recordings.config import RecordingConfig, load_recordings
from vimu.recordings.timeline import sample_times
from vimu.recordings.trials import TrialFile, list_trials, read_trial
from vimu.recordings.umafall_rows import read_rows
from vimu.runtime.errors import UserError

HEADER = "TimeStamp;Sample No;X-Axis;Y-Axis;Z-Axis;Sensor_Type;Sensor_ID"
PUBLISHED_HEADER = """% Universidad de Malaga
% 6; 0; RIGHTPOCKET
%
% TimeStamp; Sample No; X-Axis; Y-Axis; Z-Axis; Sensor Type; Sensor ID;"""
NAME = "UMAFall_Subject_01_ADL_Walking_1_2017-04-14_23-25-52"
POCKET, CHEST, WRIST = 0, 1, 3
TAG_HZ = 19.98


def motion(t: np.ndarray, phase: float = 0.0) -> np.ndarray:
    """1 g along Y and a swing, g."""
    swing = 0.3 * np.sin(2 * np.pi * 1.5 * t + phase)
    return np.stack([swing, 1 + 0.5 * swing, -swing], axis=1)


@dataclass
class Channel:
    """Rows of one sensor and type, before they become text."""

    sensor: int
    kind: int
    sampled_s: np.ndarray
    values: np.ndarray
    arrived_s: np.ndarray = field(default=None)  # type: ignore[assignment]

    def rows(self) -> list[tuple[float, str]]:
        arrived = self.sampled_s if self.arrived_s is None else self.arrived_s
        return [
            (t, f"{round(t * 1000)};{i + self.kind};{x!r};{y!r};{z!r};{self.kind};{self.sensor}")
            for i, (t, (x, y, z)) in enumerate(zip(arrived.tolist(), self.values.tolist(), strict=True))
        ]


def tag(sensor: int, kind: int = 0, duration_s: float = 12.0, scale: float = 1.0) -> Channel:
    t = 0.1 + np.arange(int(duration_s * TAG_HZ)) / TAG_HZ
    return Channel(sensor, kind, t, scale * motion(t, sensor))


def pocket(duration_s: float = 12.0) -> Channel:
    t = 0.05 + np.arange(int(duration_s * 200)) / 200
    return Channel(POCKET, 0, t, motion(t))


def trial_of(folder: Path, channels: list[Channel], header: str = HEADER, ending: str = "") -> TrialFile:
    rows = sorted((row for channel in channels for row in channel.rows()), key=lambda row: row[0])
    return trial_with(folder, "\n".join([header, *(text + ending for _, text in rows), ""]))


def trial_with(folder: Path, text: str | bytes) -> TrialFile:
    path = folder / f"{NAME}.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return TrialFile(path, NAME, "01", "walking")


@pytest.fixture(scope="module")
def config() -> RecordingConfig:
    return load_recordings("umafall")


@pytest.fixture
def channels() -> list[Channel]:
    return [pocket(), tag(CHEST), tag(CHEST, 1, scale=100.0), tag(WRIST), tag(WRIST, 1, scale=100.0)]


SENSORS = ("right_wrist", "right_pocket", "chest")


# ---- what a recording holds


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 60.0])
def test_signals_come_back_in_si_units_on_one_timeline(tmp_path, config, channels, rate_hz):
    recording = read_trial(trial_of(tmp_path, channels), config, sensors=SENSORS, rate_hz=rate_hz)
    assert recording.sensors == SENSORS and recording.rate_hz == rate_hz
    assert (recording.frame, recording.gravity, recording.ori) == ("sensor", "included", None)
    assert recording.acc.dtype == np.float32
    assert recording.duration_s == pytest.approx(11.9, abs=0.1)
    # 0.1 s is when the first tag sampled; the pocket's timeline started before
    t = 0.1 + np.arange(recording.n_frames) / rate_hz
    middle = slice(int(rate_hz), -int(rate_hz))
    for column, sensor in ((0, WRIST), (1, POCKET), (2, CHEST)):
        expected = STANDARD_GRAVITY * motion(t, sensor)
        assert np.abs(recording.acc[:, column] - expected)[middle].max() < 0.15  # ms stamps: 1 ms is 0.03 m/s^2 here
    expected = np.deg2rad(100.0 * motion(t, WRIST))
    assert np.abs(recording.gyr[:, 0] - expected)[middle].max() < 0.03


def test_a_phone_without_gyroscope_has_a_column_of_nan(tmp_path, config, channels):
    trial = trial_of(tmp_path, channels)
    recording = read_trial(trial, config, sensors=SENSORS, rate_hz=20.0)
    assert np.isnan(recording.gyr[:, 1]).all()
    assert np.isfinite(recording.gyr[:, [0, 2]]).all() and np.isfinite(recording.acc).all()
    assert read_trial(trial, config, sensors=["right_pocket"], rate_hz=20.0).gyr is None


def test_what_would_alias_is_removed_on_the_way_down(tmp_path, config):
    phone = pocket()
    phone.values = phone.values + 0.5 * np.sin(2 * np.pi * 30.0 * phone.sampled_s)[:, None]
    acc = read_trial(trial_of(tmp_path, [phone]), config, sensors=["right_pocket"], rate_hz=20.0).acc[20:-20, 0]
    t = 0.05 + np.arange(len(acc) + 40)[20:-20] / 20.0
    assert np.abs(acc - STANDARD_GRAVITY * motion(t)).max() < 0.2  # a strided 30 Hz would come back as 4.9 at 10 Hz


@pytest.mark.parametrize(
    ("header", "ending"),
    [
        (HEADER, ";"),
        (HEADER + "\n" + " " * 20 + ";;;;;;;\n\n", ";"),
        (HEADER + "\n\n\n", ""),
        (HEADER, "\r"),
        (PUBLISHED_HEADER, ""),
    ],
)
def test_all_ways_to_write_the_format_read_the_same(tmp_path, config, channels, header, ending):
    plain = read_trial(trial_of(tmp_path, channels), config, sensors=SENSORS, rate_hz=20.0)
    other = read_trial(trial_of(tmp_path, channels, header, ending), config, sensors=SENSORS, rate_hz=20.0)
    np.testing.assert_array_equal(plain.acc, other.acc)
    assert other.notes == plain.notes == ()


# ---- time


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 0.6), min_size=20, max_size=200), st.sampled_from([20.0, 200.0]))
def test_delays_that_are_made_good_change_no_sampling_time(delays, rate_hz):
    sampled = np.arange(len(delays) + 1) / rate_hz
    arrived = np.maximum.accumulate(sampled + np.array([*delays, 0.0]))  # bursts: rows keep their order
    arrived[-1] = sampled[-1]
    np.testing.assert_allclose(sample_times(arrived, rate_hz=rate_hz), sampled, atol=1e-9)


@given(st.integers(1, 40), st.integers(5, 150))
def test_a_loss_shows_as_a_gap_where_it_was(n_lost, at):
    sampled = np.arange(200) / 20.0
    left = np.delete(sampled, slice(at, at + n_lost))
    np.testing.assert_allclose(sample_times(left, rate_hz=20.0), left, atol=1e-9)


@given(st.floats(0.985, 1.015))
def test_a_clock_that_is_a_little_off_is_learnt_from_the_file(off):
    arrived = np.arange(3000) / (200.0 * off)
    np.testing.assert_allclose(sample_times(arrived, rate_hz=200.0, tolerance=0.02), arrived, atol=1e-3)


def test_bursts_do_not_move_a_signal(tmp_path, config, channels):
    on_time = read_trial(trial_of(tmp_path, channels), config, sensors=SENSORS, rate_hz=60.0)
    for channel in channels:
        channel.arrived_s = channel.sampled_s.copy()
        for busy_from, busy_to in ((3.0, 3.45), (7.0, 9.4)):  # the phone is busy, then takes all that waits
            waits = (channel.sampled_s >= busy_from) & (channel.sampled_s < busy_to)
            channel.arrived_s[waits] = busy_to
    late = read_trial(trial_of(tmp_path, channels), config, sensors=SENSORS, rate_hz=60.0)
    assert late.notes == ()
    assert np.abs(late.acc - on_time.acc)[60:-60].max() < 0.1


def test_a_long_gap_rejects_the_trial_and_names_the_sensor(tmp_path, config, channels):
    chest = channels[1]
    kept = (chest.sampled_s < 5) | (chest.sampled_s > 5.5)
    channels[1] = Channel(CHEST, 0, chest.sampled_s[kept], chest.values[kept])
    with pytest.raises(Rejection, match=r"chest acc is silent for 0\.5\d s at 4\.\d s") as rejection:
        read_trial(trial_of(tmp_path, channels), config, sensors=SENSORS, rate_hz=20.0)
    assert rejection.value.reason is Reason.GAP
    assert rejection.value.path == f"{NAME}.csv"
    assert str(pickle.loads(pickle.dumps(rejection.value))) == str(rejection.value)
    assert read_trial(trial_of(tmp_path, channels), config, sensors=["right_wrist"], rate_hz=20.0).notes == ()


@pytest.mark.parametrize(("silence", "left_s"), [((0.3, 1.2), 10.8), ((11.4, 12.0), 11.3)])
def test_a_long_gap_at_the_edge_shortens_the_trial(tmp_path, config, channels, silence, left_s):
    chest = channels[1]
    kept = (chest.sampled_s < silence[0]) | (chest.sampled_s > silence[1])
    channels[1] = Channel(CHEST, 0, chest.sampled_s[kept], chest.values[kept])
    recording = read_trial(trial_of(tmp_path, channels), config, sensors=SENSORS, rate_hz=20.0)
    assert recording.duration_s == pytest.approx(left_s, abs=0.1)
    assert any(note.startswith("cut: ") for note in recording.notes)


def test_a_short_gap_is_filled_and_counted(tmp_path, config, channels):
    chest = channels[1]
    whole = read_trial(trial_of(tmp_path, channels), config, sensors=["chest"], rate_hz=20.0)
    kept = np.ones(len(chest.sampled_s), dtype=bool)
    kept[[50, 51, 120]] = False
    channels[1] = Channel(CHEST, 0, chest.sampled_s[kept], chest.values[kept])
    recording = read_trial(trial_of(tmp_path, channels), config, sensors=["chest"], rate_hz=20.0)
    assert recording.notes == ("filled: 3 samples of chest acc",)
    assert np.abs(recording.acc - whole.acc).max() < 1.0


def test_rows_at_another_pace_than_the_sensors_are_refused(tmp_path, config):
    chest = tag(CHEST)
    fast = Channel(CHEST, 0, chest.sampled_s / 2, chest.values)
    with pytest.raises(Rejection) as rejection:
        read_trial(trial_of(tmp_path, [fast, tag(CHEST, 1)]), config, sensors=["chest"], rate_hz=20.0)
    assert rejection.value.reason is Reason.UNKNOWN_RATE


def test_a_trial_without_common_time_is_too_short(tmp_path, config):
    late = tag(WRIST)
    late.sampled_s = late.sampled_s + 11.5
    gyr = Channel(WRIST, 1, late.sampled_s, late.values)
    channels = [tag(CHEST), tag(CHEST, 1), late, gyr]
    with pytest.raises(Rejection) as rejection:
        read_trial(trial_of(tmp_path, channels), config, sensors=["chest", "right_wrist"], rate_hz=20.0)
    assert rejection.value.reason is Reason.TOO_SHORT


# ---- rows


def text_of(channels: list[Channel]) -> list[str]:
    return [HEADER, *(text for channel in channels for _, text in channel.rows())]


@pytest.mark.fault(61)
def test_rows_that_lost_their_decimal_point_are_left_out_and_counted(tmp_path, config):
    lines = text_of([tag(CHEST), tag(CHEST, 1)])
    whole = read_trial(trial_with(tmp_path, "\n".join(lines)), config, sensors=["chest"], rate_hz=20.0)
    for row, value in ((20, "1.012.598.156.929.010"), (60, "-6,10E+10"), (100, "10.126"), (140, "-101.598")):
        stamp, number, _, y, z, kind, sensor = lines[row].split(";")
        lines[row] = ";".join([stamp, number, value, y, z, kind, sensor])
    recording = read_trial(trial_with(tmp_path, "\n".join(lines)), config, sensors=["chest"], rate_hz=20.0)
    assert recording.notes == (
        "lost_decimal_point: 2 rows, and 2 doubtful ones, of 478 of chest",
        "filled: 4 samples of chest acc",
    )
    assert np.abs(recording.acc - whole.acc).max() < 0.5


def test_a_number_with_three_decimals_is_doubted_only_beside_lost_ones(tmp_path):
    lines = [HEADER, "0;0;12.125;0.1;0.2;1;1", "50;1;1.125;0.1;0.2;1;1"]
    assert not read_rows(trial_with(tmp_path, "\n".join(lines)).path).doubtful.any()
    lines.append("100;2;1.234.567;0.1;0.2;1;1")
    rows = read_rows(trial_with(tmp_path, "\n".join(lines)).path)
    assert rows.doubtful.tolist() == [True, False, False]  # of 1.125 there is one reading only
    assert rows.lost.tolist() == [False, False, True]


@pytest.mark.fault(61)
def test_too_many_lost_rows_reject_the_trial(tmp_path, config):
    lines = text_of([tag(CHEST), tag(CHEST, 1), tag(WRIST), tag(WRIST, 1)])
    damaged = [line.replace(";1;", ";1.012.598;", 1) if line.endswith(";0;1") else line for line in lines]
    for row in range(1, 60):
        stamp, number, *_ = lines[row].split(";")
        damaged[row] = f"{stamp};{number};0.1;1.012.598;0.2;0;1"
    trial = trial_with(tmp_path, "\n".join(damaged))
    with pytest.raises(Rejection, match="59 rows") as rejection:
        read_trial(trial, config, sensors=["right_wrist", "chest"], rate_hz=20.0)
    assert rejection.value.reason is Reason.LOST_DECIMAL_POINT
    assert isinstance(read_trial(trial, config, sensors=["right_wrist"], rate_hz=20.0), ImuRecording)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        HEADER.encode(),
        b"a;b;c\n1;2;3\n",
        b"0;0;0.1;0.2;0.3;0;1\n",
        HEADER.encode() + b"\n0;0;0.1\n",
        HEADER.encode() + b"\n0;0;nan;inf;0.1;0;1\n",
        HEADER.encode() + b"\n0;0;1e400;1012598156929010;0.1;0;1\n",
        HEADER.encode() + b"\n1;1;\xff\xfe;0.1;0.2;0;1\n",
        HEADER.replace("X-Axis;Y-Axis", "Y-Axis;X-Axis").encode() + b"\n0;0;0.1;0.2;0.3;0;1\n",
        bytes(range(256)) * 40,
    ],
)
def test_what_is_no_trial_is_unreadable(tmp_path, config, content):
    with pytest.raises(Rejection) as rejection:
        read_trial(trial_with(tmp_path, content), config, sensors=["chest"], rate_hz=20.0)
    assert rejection.value.reason is Reason.UNREADABLE


def test_a_cut_off_file_keeps_its_whole_rows(tmp_path, config):
    text = "\n".join(text_of([tag(CHEST, 1), tag(CHEST)]))
    recording = read_trial(trial_with(tmp_path, text[:-9]), config, sensors=["chest"], rate_hz=20.0)
    assert recording.notes == ("unreadable_rows: 1 of 478",)


def test_mostly_unreadable_rows_are_a_rejection(tmp_path, config):
    lines = text_of([tag(CHEST), tag(CHEST, 1)])
    lines[10:100] = ["x;y;z;0;0;0;0"] * 90
    with pytest.raises(Rejection, match="90 of 478 rows are no numbers"):
        read_trial(trial_with(tmp_path, "\n".join(lines)), config, sensors=["chest"], rate_hz=20.0)


def test_an_oversized_file_is_not_read(tmp_path, config, monkeypatch):
    monkeypatch.setattr(umafall_rows, "MAX_BYTES", 100)
    with pytest.raises(Rejection) as rejection:
        read_trial(trial_of(tmp_path, [tag(CHEST)]), config, sensors=["chest"], rate_hz=20.0)
    assert rejection.value.reason is Reason.OVERSIZED


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_ends_in_a_recording_or_a_rejection(tmp_path_factory, data):
    text = bytearray("\n".join(text_of([tag(CHEST, duration_s=2.0), tag(CHEST, 1, duration_s=2.0)])).encode())
    for _ in range(data.draw(st.integers(1, 12))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    trial = trial_with(tmp_path_factory.mktemp("damage"), bytes(text))
    try:
        recording = read_trial(trial, load_recordings("umafall"), sensors=["chest"], rate_hz=20.0)
    except Rejection as rejection:
        assert rejection.detail
    else:
        assert np.isfinite(recording.acc).all() and np.isfinite(recording.gyr).all()


# ---- sensors and scale


def test_a_missing_sensor_is_named(tmp_path, config, channels):
    with pytest.raises(Rejection, match="waist acc") as rejection:
        read_trial(trial_of(tmp_path, channels), config, sensors=["chest", "waist"], rate_hz=20.0)
    assert rejection.value.reason is Reason.MISSING_SENSOR


@pytest.mark.parametrize("sensors", [["head"], [], ["chest", "chest"]])
def test_a_sensor_that_the_set_does_not_have_is_the_users_error(tmp_path, config, channels, sensors):
    with pytest.raises(UserError, match="chest, right_ankle, right_pocket, right_wrist, waist"):
        read_trial(trial_of(tmp_path, channels), config, sensors=sensors, rate_hz=20.0)


def quantised(channel: Channel, lsb_per_g: float) -> Channel:
    return Channel(channel.sensor, 0, channel.sampled_s, np.rint(channel.values * lsb_per_g) / lsb_per_g)


def test_a_leading_stretch_at_a_quarter_of_its_scale_is_mended(tmp_path, config):
    chest = quantised(tag(CHEST), 4096)
    whole = read_trial(trial_of(tmp_path, [chest, tag(CHEST, 1)]), config, sensors=["chest"], rate_hz=20.0)
    chest.values[:70] /= 4
    mended = read_trial(trial_of(tmp_path, [chest, tag(CHEST, 1)]), config, sensors=["chest"], rate_hz=20.0)
    np.testing.assert_allclose(mended.acc, whole.acc, atol=1e-5)
    assert mended.notes == ("acc_scale: the first 70 of 239 samples of chest acc were a quarter of their size",)


@pytest.mark.parametrize("lsb_per_g", [100.0, 1000.0, 16384.0, 1e9])
def test_readings_of_another_resolution_are_left_alone(tmp_path, config, lsb_per_g):
    chest = quantised(tag(CHEST), lsb_per_g)
    recording = read_trial(trial_of(tmp_path, [chest, tag(CHEST, 1)]), config, sensors=["chest"], rate_hz=20.0)
    assert recording.notes == ()


@pytest.mark.fault(49)
def test_another_unit_is_told(tmp_path, config):
    channels = [tag(CHEST, scale=STANDARD_GRAVITY), tag(CHEST, 1)]
    with pytest.raises(Rejection, match=r"0\.3 to 3 g, but is 9\.\d+ g: in another unit\?"):
        read_trial(trial_of(tmp_path, channels), config, sensors=["chest"], rate_hz=20.0)


# ---- listing


def test_trials_are_listed_in_order_with_falls_left_out_by_rule(tmp_path, config):
    names = ["02_ADL_Hopping_1", "01_Fall_lateralFall_2", "01_ADL_Sitting_GettingUpOnAChair_10", "01_ADL_Flying_1"]
    (tmp_path / "deep").mkdir()
    for name in names:
        (tmp_path / "deep" / f"UMAFall_Subject_{name}_2016-06-13_20-15-55.csv").touch()
    (tmp_path / "UMAFall_Subject_x.csv").touch()
    (tmp_path / "README.md").touch()
    trials, left_out = list_trials(tmp_path, config)
    assert [(t.subject, t.activity) for t in trials] == [("01", "sitting_getting_up"), ("02", "hopping")]
    assert trials[1].trial == "deep/UMAFall_Subject_02_ADL_Hopping_1_2016-06-13_20-15-55"
    assert [r.reason for r in left_out] == [Reason.NO_LABEL, Reason.NO_LABEL, Reason.REMOVED_BY_RULE]


def test_a_folder_without_trials_is_the_users_error(tmp_path, config):
    with pytest.raises(UserError, match=r"UMAFall_Subject_\*\.csv.*holds none"):
        list_trials(tmp_path, config)
    with pytest.raises(UserError, match="is no folder"):
        list_trials(tmp_path / "absent", config)


# ---- the real set


@pytest.fixture(scope="module")
def real(umafall: Path, config: RecordingConfig) -> list[tuple[TrialFile, ImuRecording | Rejection]]:
    outcomes: list[tuple[TrialFile, ImuRecording | Rejection]] = []
    for trial in list_trials(umafall, config)[0]:
        try:
            recording = read_trial(trial, config, sensors=("right_pocket", "chest", "right_wrist"), rate_hz=20.0)
            outcomes.append((trial, recording))
        except Rejection as rejection:
            outcomes.append((trial, rejection))
    return outcomes


def test_every_real_trial_is_a_recording_or_a_named_rejection(umafall, config, real):
    trials, left_out = list_trials(umafall, config)
    assert len(trials) + len(left_out) == 371
    assert {r.reason for r in left_out} == {Reason.REMOVED_BY_RULE} and len(left_out) == 73
    reasons = Counter(r.reason for _, r in real if isinstance(r, Rejection))
    assert reasons == {Reason.LOST_DECIMAL_POINT: 14, Reason.GAP: 6, Reason.MISSING_SENSOR: 1}
    assert len(real) == 298
    classes = {trial.activity for trial, r in real if isinstance(r, ImuRecording)}
    assert classes == {activity.name for activity in config.activities.values()} and len(classes) == 12


def test_real_recordings_keep_the_contract(real):
    for _, recording in real:
        if isinstance(recording, ImuRecording):
            assert 13 < recording.duration_s <= 15.1
            assert np.isfinite(recording.acc).all()
            assert np.isnan(recording.gyr[:, 0]).all() and np.isfinite(recording.gyr[:, 1:]).all()
            assert np.abs(recording.gyr[:, 1:]).max() < 7.0  # +-256 deg/s saturate at 4.5; the spline overshoots a step


def test_a_body_at_rest_feels_one_g(real):
    n_rests = 0
    for trial, recording in real:
        if isinstance(recording, ImuRecording):
            size = np.linalg.norm(recording.acc.astype(np.float64), axis=2)
            second = np.lib.stride_tricks.sliding_window_view(size, 20, axis=0)
            calm = second.std(axis=2) < 0.1
            n_rests += int(calm.any(axis=0).sum())
            rest = second.mean(axis=2)[calm]
            assert ((rest > 8.5) & (rest < 11.3)).all(), trial.trial  # a quarter-scale stretch would be at 2.5
    assert n_rests > 500


@pytest.mark.fault(61)
def test_the_published_number_of_lost_rows_is_found(umafall):
    rows = {path.name: read_rows(path) for path in sorted(umafall.glob("*.csv"))}
    assert sum(int(r.lost.sum()) for r in rows.values()) == 33_480
    assert sum(int(r.doubtful.sum()) for r in rows.values()) == 447
    assert sum(r.n_unreadable for r in rows.values()) == 0
    assert {name[:18] for name, r in rows.items() if r.lost.any()} == {"UMAFall_Subject_13"}
    by_hand = 0
    for path in umafall.glob("UMAFall_Subject_13_*.csv"):
        for line in path.read_text().splitlines()[1:]:
            cells = line.strip().strip(";").split(";")
            try:
                [float(cell) for cell in cells if cell]
            except ValueError:
                by_hand += 1
    assert by_hand == 33_480


def test_sampling_times_line_sensors_up_better_than_arrival_times(umafall):
    """Chest and waist move together: their |acc| correlates the more, the better their clocks agree."""
    gains = []
    for path in sorted(umafall.glob("*_Hopping_*.csv")):
        rows, signals = read_rows(path), {}
        for sensor in (CHEST, 2):
            mine = (rows.sensor == sensor) & (rows.kind == 0) & ~(rows.lost | rows.doubtful)
            if mine.any():
                signals[sensor] = rows.arrival_ms[mine] / 1000, np.linalg.norm(rows.values[mine], axis=1)
        if len(signals) < 2 or "Subject_13" in path.name:
            continue
        grid = np.arange(1.5, 14.0, 0.02)
        arrived = [np.interp(grid, t, size) for t, size in signals.values()]
        sampled = [np.interp(grid, sample_times(t, rate_hz=TAG_HZ), size) for t, size in signals.values()]
        gains.append(np.corrcoef(*sampled)[0, 1] - np.corrcoef(*arrived)[0, 1])
    assert len(gains) > 10 and np.mean(gains) > 0.03


def test_a_first_row_of_a_million_columns_takes_no_memory(tmp_path, config):
    rows = "\n".join(f"{i};{i};0;1;0;0;0" for i in range(10))
    trial = trial_with(tmp_path, f"{HEADER}\n{rows.replace('0;0', '0;0' + ';' * 10**6, 1)}\n")
    with pytest.raises(Rejection, match="its first row has 1,000,007 columns"):
        read_trial(trial, config, sensors=["chest"], rate_hz=50.0)
