"""Disks that do not answer or are full, workers that die of a clip: tried again, or one message says what to do."""

import shutil
import subprocess
from pathlib import Path

import pytest
from faulty_reader import faulty_archive, faulty_environment
from invariants import check_nothing_to_read, check_result
from running_job import run

pytestmark = [pytest.mark.ray, pytest.mark.chaos]

FILE = "walking_01_poses.npz"


@pytest.fixture
def disturb(configured, repo, tmp_path):
    """Runs the job while a fault happens at `FILE` so many times; returns its code, its words and the faults met."""
    config = configured(tmp_path, kind=str(faulty_archive(tmp_path, repo / "configs" / "archives" / "amass.yaml")))

    def disturbed(fault, times):
        tokens = tmp_path / f"tokens of {fault}"
        tokens.mkdir(exist_ok=True)
        told = faulty_environment(tmp_path, file=FILE, fault=fault, times=times, tokens=str(tokens))
        code, said = run(config, **told)
        return code, said, len(list(tokens.iterdir()))

    return disturbed


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        pytest.param("no answer", 2, marks=pytest.mark.fault(13), id="no answer"),
        pytest.param("death", 3, marks=pytest.mark.fault(2, 7), id="death"),
    ],
)
def test_tried_again(disturb, undisturbed, tmp_path, fault, times):
    code, said, met = disturb(fault, times)
    assert code == 0, said
    assert met == times
    assert check_result(tmp_path / "runs" / "chaos" / "synthesize") == undisturbed


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param("no answer", "is not at the moment: [Errno 5] Input/output error", marks=pytest.mark.fault(13)),
        pytest.param("no memory", "is not at the moment: out of memory", marks=pytest.mark.fault(10)),
        pytest.param("death", "A Ray worker died 4 times over", marks=pytest.mark.fault(10)),
    ],
    ids=["no answer", "no memory", "death"],
)
def test_given_up_by_name_and_gone_on_with(disturb, undisturbed, tmp_path, fault, says):
    """A good file never becomes a rejection for the machine's sake."""
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    code, said, n_met = disturb(fault, 100)
    assert (code, n_met) == (1, 4), said
    assert says in said
    assert f"subject_01/{FILE}" in said
    assert "Traceback" not in said
    check_nothing_to_read(folder)
    assert disturb(fault, 0)[0] == 0  # the machine is mended
    assert check_result(folder) == undisturbed


@pytest.mark.fault(8)
def test_a_file_too_large_for_its_disk(disturb, undisturbed, tmp_path):
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    code, said, met = disturb("full disk", 1)
    assert (code, met) == (1, 1), said
    assert str(folder.with_name(".synthesize.staging") / "clips") in said
    assert "bytes are free there" in said
    assert "Traceback" not in said
    check_nothing_to_read(folder)
    assert disturb("full disk", 0)[0] == 0
    assert check_result(folder) == undisturbed


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk must be mounted, but {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.fault(8)
def test_a_disk_that_is_full(configured, archive, undisturbed, small_disk, tmp_path):
    """What stood there before is whole; with room made, the same command ends as if nothing had been."""
    one = tmp_path / "one" / "DemoMocap" / "subject_01"
    one.mkdir(parents=True)
    shutil.copy(next(archive.rglob(FILE)), one / FILE)
    earlier = small_disk / "runs" / "earlier" / "synthesize"
    assert run(configured(small_disk, [tmp_path / "one"]), "--set", "name=earlier")[0] == 0
    before = check_result(earlier)
    code, said = run(configured(small_disk))
    assert code == 1, said
    assert f"`{small_disk}/runs/chaos/.synthesize.staging/" in said, said
    assert "No space left on device" in said, said
    assert "bytes are free there" in said
    assert "Traceback" not in said
    assert check_result(earlier) == before
    check_nothing_to_read(small_disk / "runs" / "chaos" / "synthesize")
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    assert run(small_disk / "chaos.yaml")[0] == 0
    assert check_result(Path(small_disk / "runs" / "chaos" / "synthesize")) == undisturbed
