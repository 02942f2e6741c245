"""Where a follower's samples come from: a file at some speed, a pipe or device, a UDP port."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import FileIO
from pathlib import Path

from vimu.contracts import ImuRecording, Rejection
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import TrialFile, read_trial
from vimu.resampling import resample_rotations, resample_vectors
from vimu.runtime.errors import UserError
from vimu.serving.follow import Follower
from vimu.serving.lines import Splitter, frame_at
from vimu.serving.recognizer import Recognizer
from vimu.serving.stream import Recognised

CHUNK = 1 << 16
"""Bytes read at a time; a datagram has no more."""

Feed = Iterator[list[Recognised]]
"""What each sample completes, mostly nothing; a view may look at the follower's counts in between."""


def of_file(path: Path, follower: Follower, *, speed: float | None) -> Feed:
    """The lines of a file.

    Args:
        speed: 1 is real time, by the lines' own clock; None as fast as it goes.

    Raises:
        UserError: it cannot be read.
    """
    pace = _pace(speed)
    splitter = Splitter(follower.format.max_bytes)
    with _opened(path) as stream:
        while data := stream.read(CHUNK):
            for line in splitter.feed(data):
                pace(_time_of(line))
                yield follower.line(line)
        for line in splitter.end():
            yield follower.line(line)


def _time_of(line: bytes) -> float | None:
    try:
        return float(line.partition(b",")[0])
    except ValueError:
        return None


def of_pipe(path: str, follower: Follower) -> Feed:
    """Lines as they come: from standard input, `-`, or a pipe or serial device by its path. Ends where that does.

    Raises:
        UserError: it cannot be read.
    """
    splitter = Splitter(follower.format.max_bytes)
    if path == "-":
        number = os.dup(0)
    else:
        try:
            number = os.open(path, os.O_RDONLY | os.O_NOCTTY)
        except OSError as error:
            raise UserError(
                f"`--lines` must be `-` or what can be read, but `{path}` cannot: {error.strerror}."
            ) from error
    try:
        while data := os.read(number, CHUNK):  # what is there, not a whole buffer
            for line in splitter.feed(data):
                yield follower.line(line)
        for line in splitter.end():
            yield follower.line(line)
    finally:
        os.close(number)


def of_udp(address: str, follower: Follower, say: Callable[[str], None]) -> Feed:
    """Lines in datagrams, one or several each, until somebody ends the program.

    Args:
        address: `HOST:PORT`; port 0 takes any that is free.
        say: gets the address once it listens.

    Raises:
        UserError: it is no address, or cannot be listened at.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UserError(f"`--udp` must be HOST:PORT, e.g. 127.0.0.1:9000, but is {address!r}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as listener:
        try:
            listener.bind((host, int(port)))
        except OSError as error:
            raise UserError(
                f"`--udp` must be an address of this machine that is free, but {address} is not: {error.strerror}."
            ) from error
        shown = f"[{host}]" if ":" in host else host
        say(f"listens at {shown}:{listener.getsockname()[1]}/udp")
        while True:
            for line in listener.recv(CHUNK).splitlines():
                yield follower.line(line)


def trial_of(path: Path, recordings: str, recognizer: Recognizer) -> ImuRecording:
    """A trial file of a set of real recordings, at the recogniser's rate.

    Args:
        recordings: the set: a name of `configs/recordings/`, or a YAML file.

    Raises:
        UserError: no such set or file, a set whose files hold many trials, a file that cannot be used, or that has not
            the recogniser's sensors.
    """
    config = load_recordings(recordings)
    if config.segments is not None or config.in_file:
        raise UserError(f"`--recordings` must be a set of a trial a file, but files of `{config.name}` hold several.")
    rate_hz = recognizer.preprocessing.windows.rate_hz
    try:
        read = read_trial(TrialFile(path, path.stem, "", ""), config, sensors=recognizer.sensors, rate_hz=rate_hz)
    except (Rejection, OSError) as error:
        why = f"{error.reason}, {error.detail}" if isinstance(error, Rejection) else str(error)
        raise UserError(
            f"`--recording` must be a trial of `{config.name}` that can be used, but `{path}`: {why}."
        ) from error
    if read.rate_hz < rate_hz:
        raise UserError(f"`--recording` must have at least {rate_hz:g} Hz, but has {read.rate_hz:g} Hz.")
    at = (read.rate_hz, rate_hz)
    return replace(
        read, acc=resample_vectors(read.acc, *at), rate_hz=rate_hz,
        gyr=None if read.gyr is None else resample_vectors(read.gyr, *at),
        ori=None if read.ori is None else resample_rotations(read.ori, *at),
    )  # fmt: skip


def of_recording(recording: ImuRecording, follower: Follower, *, speed: float | None) -> Feed:
    """The frames of a recording at the recogniser's rate; its clock begins at 0. `speed` is as of `of_file`."""
    pace = _pace(speed)
    signals = {"acc": recording.acc, "gyr": recording.gyr, "ori": recording.ori}
    for i in range(recording.n_frames):
        t = i / recording.rate_hz
        pace(t)
        yield follower.frame(t, frame_at(signals, recording.sensors, i))


def _pace(speed: float | None) -> Callable[[float | None], None]:
    """Waits until a moment of the samples' clock has come; what goes back or leaps by hours is not waited for."""
    began: list[float] = []

    def wait(t: float | None) -> None:
        if speed is None or t is None:
            return
        now = time.monotonic()
        if not began:
            began[:] = [now, t]
        ahead = (t - began[1]) / speed - (now - began[0])
        if 0 < ahead < LONGEST_WAIT_S:
            time.sleep(ahead)
        elif ahead > 0 or ahead < -LONGEST_WAIT_S:
            began[:] = [now, t]

    return wait


LONGEST_WAIT_S = 10.0


def _opened(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise UserError(
            f"`--recording` must be a file that can be read, but `{path}` cannot: {error.strerror}."
        ) from error
