"""Every way in which an archive's file can be wrong, in one run: each ends as its row says, and the run is whole."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hostile_npz import CASES, place
from invariants import check_result
from running_job import run

pytestmark = pytest.mark.ray


def row_of(hostile_run, case):
    """The clip's row and the rejection's, one of which is None."""
    below = place(hostile_run.archive, case.name).relative_to(hostile_run.archive).as_posix()
    return hostile_run.clips.get(below.removesuffix(".npz")), next(
        (row for path, row in hostile_run.rejections.items() if path in (below, below.removesuffix(".npz"))), None
    )


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.fault(case.row), id=f"{case.row}-{case.name[:40]}") for case in CASES]
)
def test_each_file_ends_as_its_row_says(hostile_run, case):
    clip, rejection = row_of(hostile_run, case)
    assert not hostile_run.canary.exists()
    if case.reason is not None:
        assert clip is None
        assert (rejection["reason"], bool(rejection["detail"])) == (case.reason, True)
        return
    assert rejection is None
    assert clip["rate_hz"] == 60.0
    assert clip["n_frames"] / 60 == pytest.approx(case.seconds, abs=4 / 60)  # two frames at the edges, and the last one


@pytest.mark.fault(41)
def test_a_rate_that_is_known_to_be_wrong_is_told(hostile_run):
    [case] = [case for case in CASES if case.row == 41]
    clip, _ = row_of(hostile_run, case)
    assert (clip["file_rate_hz"], clip["source_rate_hz"]) == (120.0, 60.0)
    assert "is 60 Hz, not the file's 120" in clip["notes"][0]


@pytest.mark.fault(47)
def test_who_says_no_gender_is_neutral(hostile_run):
    found = [row_of(hostile_run, case)[0]["gender"] for case in CASES if case.row == 47]
    assert found == ["male", "neutral", "neutral"]


@pytest.mark.fault(*range(25, 33), 38, 39, 40, 42, 43, 44, 46, 51, 53)
def test_the_run_is_whole_and_again_it_does_nothing(hostile_run):
    """I1 to I4, I6 and I7 after all of them."""
    assert hostile_run.code == 0, hostile_run.said
    result = check_result(hostile_run.folder)
    assert result.files_in == len(CASES)
    assert len(result.clip_ids) == sum(case.reason is None for case in CASES)
    assert "Traceback" not in hostile_run.said
    code, said = run(hostile_run.config)
    assert (code, "already published" in said) == (0, True)
    assert check_result(hostile_run.folder) == result
    assert not hostile_run.canary.exists()
    assert not [path for path in hostile_run.archive.rglob("*") if path.is_file() and path.suffix != ".npz"]


READS = """
import resource
import sys
from pathlib import Path
from vimu.archives.amass import read_amass
from vimu.archives.config import load_archive
from vimu.contracts import Rejection

amass, peaks = load_archive("amass"), {}
for path in [None, *map(Path, sys.argv[1:])]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        if path is not None:
            read_amass(path, amass)
    except Rejection:
        pass
    peaks[path] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(max(peaks.values()) // 1024)
"""


@pytest.mark.fault(*range(25, 33))
def test_reading_them_takes_little_memory(hostile_run):
    """I5, as the machine counts it: 1 GiB and 7 TiB are asked for, 512 MiB is the limit, and nothing is expanded."""
    paths = [str(place(hostile_run.archive, case.name)) for case in CASES if case.row <= 32]
    done = subprocess.run([sys.executable, "-c", READS, *paths], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64  # MiB
    [bomb] = [path for path in paths if "bomb" in path]
    n_bytes = 0
    with zipfile.ZipFile(bomb) as archive, archive.open("poses.npy") as stream:  # it is what it says, if expanded
        while block := stream.read(2**22):
            n_bytes += len(block)
    assert n_bytes > 2**30 > 900 * Path(bomb).stat().st_size
