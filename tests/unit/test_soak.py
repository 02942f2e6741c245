"""What a soak calls wrong, and what it sees of processes."""

import os
import subprocess
import sys

import pytest
from benchmarks.processes import of_folder, open_files, own_mib, title
from benchmarks.soak import WARM_UP, _judged

FLAT = {"hash": "h", "same_again": True, "drivers_killed": 0, "workers_killed": 1, "driver_mib": 300.0,
        "workers_mib": 200.0, "n_workers": 2, "open_files": 40, "temp_files": 0}  # fmt: skip
NOTHING = {"processes": [], "temp_files": [], "beside_the_result": [], "open_files": 3}


def test_flat_rounds_that_leave_nothing_are_right():
    warming = [FLAT | {"driver_mib": 100.0 + 40 * i} for i in range(WARM_UP)]
    noisy = [FLAT | {"driver_mib": 300.0 + i % 3} for i in range(30)]
    result = _judged([*warming, *noisy], NOTHING, 60.0)
    assert (result["wrong"], result["rounds"], result["workers_killed"]) == ([], WARM_UP + 30, WARM_UP + 30)


@pytest.mark.parametrize(
    ("change", "left", "said"),
    [
        (lambda i: {"hash": "other"} if i == 20 else {}, {}, "content hash"),
        (lambda i: {"same_again": i != 20}, {}, "content hash"),
        (lambda i: {"driver_mib": 300.0 + i}, {}, "driver_mib grew"),
        (lambda i: {"workers_mib": 200.0 + i}, {}, "workers_mib grew"),
        (lambda i: {"open_files": 40 + i}, {}, "open_files grew"),
        (lambda i: {"temp_files": i}, {}, "temp_files grew"),
        (lambda _: {}, {"processes": ["ray::IDLE"]}, "left: processes"),
        (lambda _: {}, {"beside_the_result": [".synthesize.staging"]}, "left: beside_the_result"),
    ],
)
def test_what_grows_differs_or_is_left_is_wrong(change, left, said):
    result = _judged([FLAT | change(i) for i in range(40)], NOTHING | left, 60.0)
    assert [said in sentence for sentence in result["wrong"]] == [True]


def test_processes_of_a_folder_are_seen_by_their_command_and_their_files(tmp_path):
    code = f"import sys; f = open({str(tmp_path / 'log')!r}, 'w'); print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert of_folder(tmp_path) == [process.pid]
        assert "python" in title(process.pid)
        assert own_mib(process.pid) > 1
        process.stdin.close()
    assert of_folder(tmp_path) == []
    assert (title(process.pid), own_mib(process.pid)) == ("", 0.0)
    before = open_files(os.getpid())
    with (tmp_path / "log").open():
        assert open_files(os.getpid()) == before + 1
