"""`vimu stream` as it is run: over a real UDP socket, a real pipe, a file, a real trial, and in a terminal."""

import errno
import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import vimu
from exported import fed, network, worn, write_export
from vimu.cli import app
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials, read_trial
from vimu.serving import feeds
from vimu.serving.follow import Follower
from vimu.serving.view import Screen

ENDED = 60  # seconds after which a program that should have ended is none that hangs


def text_of(recording, first=0):
    """A recording as lines of text."""
    rows = enumerate(recording.acc[first:].reshape(recording.n_frames - first, -1).tolist(), start=first)
    return "".join(",".join(map(repr, [i / recording.rate_hz, *row])) + "\n" for i, row in rows)


def started(*arguments, **pipes):
    command = [sys.executable, "-m", "vimu", "stream", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command, env=environment, **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | pipes)
    )


def require_same(lines, recognizer, recording):
    got, whole = [json.loads(line) for line in lines], recognizer.predict(recording)
    assert [r["label"] for r in got] == whole.label.tolist()
    np.testing.assert_allclose([[r["start_s"], r["end_s"]] for r in got], np.stack([whole.start_s, whole.end_s], 1))
    assert all(tuple(r["probabilities"]) == recognizer.classes for r in got)
    np.testing.assert_allclose([[*r["probabilities"].values()] for r in got], whole.probabilities, atol=2e-6)
    return got


def test_datagrams_of_lines_are_recognised_hop_by_hop_whatever_else_is_sent(export_folder, recognizer):
    recording = worn()
    lines = text_of(recording).encode().splitlines(keepends=True)
    program = started("--recognizer", export_folder, "--udp", "127.0.0.1:0")
    try:
        said = [program.stderr.readline().decode() for _ in range(2)]
        assert "lines: t,chest.acc.x," in said[0] and "20 Hz" in said[0]
        port = int(said[1].partition("127.0.0.1:")[2].partition("/udp")[0])
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        got, n_wanted = [], len(recognizer.predict(recording))
        bad = (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 3000, b"0," * 30_000, b"9,nan,0,0,0,0,0")
        for i in range(0, len(lines), 3):  # three lines a datagram
            sender.sendto(b"".join(lines[i : i + 3]), ("127.0.0.1", port))
            for datagram in bad if i == 60 else ():
                sender.sendto(datagram, ("127.0.0.1", port))
            while len(got) < recognizer_windows(recognizer, min(i + 3, len(lines))):  # so that no buffer overflows
                got.append(program.stdout.readline())
        assert len(got) == n_wanted
        last = require_same(got, recognizer, recording)[-1]["counts"]
        assert last["malformed"] == 4 and last["gaps"] == 0 and last["windows"] == n_wanted
        program.send_signal(signal.SIGINT)
        assert program.wait(ENDED) == 130
        assert "4 malformed" in program.stderr.read().decode()
    finally:
        program.kill()
        program.communicate()


def test_an_address_of_ipv6_is_said_as_it_can_be_given(recognizer):
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        pytest.skip(f"this machine has no IPv6 on loopback: {error}")

    def say(text):
        raise InterruptedError(text)

    with pytest.raises(InterruptedError, match=r"^listens at \[::1\]:\d+/udp$"):
        next(feeds.of_udp("[::1]:0", Follower(recognizer), say))


def recognizer_windows(recognizer, n_frames):
    """Windows that so many frames complete."""
    w = recognizer.preprocessing.windows
    return max(0, (n_frames - w.length_frames) // w.hop_frames + 1)


def test_a_pipe_is_followed_as_its_bytes_come_and_ends_with_it(export_folder, recognizer):
    recording = worn(100)
    text = ("# a watch\n" + text_of(recording)).encode()
    program = started("--recognizer", export_folder, "--lines", "-", stdin=subprocess.PIPE)
    got = []
    for at in range(0, len(text), 777):  # in the middle of lines and numbers
        program.stdin.write(text[at : at + 777])
        program.stdin.flush()
        n = text[: at + 777].count(b"\n") - 1
        while len(got) < recognizer_windows(recognizer, n):  # each hop is there before the next bytes are sent
            got.append(program.stdout.readline())
    rest, errors = program.communicate(timeout=ENDED)
    assert program.returncode == 0 and "Traceback" not in errors.decode()
    require_same([*got, *rest.splitlines()], recognizer, recording)


def test_a_reader_that_has_enough_ends_it_quietly(export_folder, tmp_path):
    (tmp_path / "r.csv").write_text(text_of(worn(4000)))
    program = started("--recognizer", export_folder, "--recording", tmp_path / "r.csv")
    program.stdout.readline()
    program.stdout.close()
    assert "Traceback" not in program.stderr.read().decode()
    assert program.wait(ENDED) == 0


def test_in_a_terminal_the_classes_are_bars(export_folder, tmp_path):
    (tmp_path / "r.csv").write_text(text_of(worn()))
    here, there = pty.openpty()
    program = started("--recognizer", export_folder, "--recording", tmp_path / "r.csv", stdout=there)
    os.close(there)
    shown = b""
    while True:
        try:
            data = os.read(here, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not data:
            break
        shown += data
    assert program.wait(ENDED) == 0
    program.stderr.close()
    text = shown.decode()
    assert all(name in text for name in ("lie", "run", "sit", "walk", "█"))
    assert "150 samples, 19 windows, 0 malformed" in text and "{" not in text


def run(*arguments):
    return CliRunner().invoke(app, ["stream", *map(str, arguments)])


def test_a_file_of_lines_gives_json_lines(export_folder, recognizer, tmp_path):
    (tmp_path / "r.csv").write_text(text_of(worn()))
    done = run("--recognizer", export_folder, "--recording", tmp_path / "r.csv")
    assert done.exit_code == 0
    require_same(done.stdout.splitlines(), recognizer, worn())


def test_a_real_trial_is_what_predict_makes_of_it(umafall, tmp_path):
    sensors = ("right_pocket", "chest", "right_wrist")
    settings = {"length_frames": 80, "hop_frames": 40, "feature_set": "sensor_acc_gyr"}
    fits = fed(sensors, gyroscopes=["chest", "right_wrist"], invariants=True, **settings)
    folder = write_export(tmp_path / "export", fits, network(fits))
    real = load_recordings("umafall")
    trial = next(t for t in list_trials(umafall, real)[0] if t.activity == "jogging")
    done = run("--recognizer", folder, "--recording", trial.path, "--recordings", "umafall")
    assert done.exit_code == 0
    recording = read_trial(trial, real, sensors=sensors, rate_hz=20.0)
    assert len(require_same(done.stdout.splitlines(), vimu.Recognizer.load(folder), recording)) > 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "One of `--recording`, `--udp` and `--lines` must be given, but none is"),
        (("--udp", "127.0.0.1:0", "--lines", "-"), "but --udp and --lines is"),
        (("--udp", "127.0.0.1:0", "--speed", "1"), "`--speed` must stand with `--recording`"),
        (("--recording", "none.csv", "--speed", "0"), "`--speed` must be above 0"),
        (("--recording", "none.csv"), "`--recording` must be a file that can be read, but `none.csv` cannot"),
        (("--recording", "none.csv", "--recordings", "umafall"), "must be a trial of `umafall` that can be used"),
        (("--recording", "none.csv", "--recordings", "hapt"), "must be a set of a trial a file"),
        (("--lines", "none"), "`--lines` must be `-` or what can be read, but `none` cannot"),
        (("--udp", "9000"), "`--udp` must be HOST:PORT"),
        (("--udp", "127.0.0.1:70000"), "`--udp` must be HOST:PORT"),
        (("--udp", "192.0.2.1:9000"), "`--udp` must be an address of this machine that is free"),
        (("--udp", "127.0.0.1:0", "--upright-s", "5"), "`--upright-s` and `--as-worn` must not be given"),
    ],
)
def test_what_cannot_be_followed_is_said_at_once(export_folder, arguments, says):
    done = run("--recognizer", export_folder, *arguments)
    assert done.exit_code == 2
    assert says in " ".join(done.stderr.split())


def test_samples_of_which_no_window_comes_end_with_the_reason(export_folder, tmp_path):
    (tmp_path / "r.csv").write_text("0,1,2\n" * 5)
    done = run("--recognizer", export_folder, "--recording", tmp_path / "r.csv")
    assert done.exit_code == 2 and done.stdout == ""
    assert "of 5 none was made: sample 5 must hold 7 values, but holds 3" in " ".join(done.stderr.split())


@pytest.mark.parametrize(("speed", "waited"), [(1.0, 99 / 20), (4.0, 99 / 80), (None, 0.0)])
def test_speed_is_of_the_lines_own_clock(recognizer, tmp_path, monkeypatch, speed, waited):
    now = [50.0]
    monkeypatch.setattr(feeds.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(feeds.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
    (tmp_path / "r.csv").write_text(text_of(worn(100)))
    for _ in feeds.of_file(tmp_path / "r.csv", Follower(recognizer), speed=speed):
        now[0] += 1e-4  # work takes time too, and is made up for
    assert now[0] - 50 == pytest.approx(max(waited, 100 * 1e-4), abs=2e-4)


def test_names_that_steer_a_terminal_are_shown_as_text(recognizer):
    out = io.StringIO()
    follower = Follower(recognizer)
    names = ["\x1b[2Jwiped", "[bold]walk[/]", "x" * 500, "walk"]
    console = Console(file=out, force_terminal=False, width=100)
    screen = Screen(console, follower, names, "r.csv")
    screen.close()
    text = out.getvalue()
    assert "\x1b[2J" not in text and "[bold]walk[/]" in text and "x" * 41 not in text
