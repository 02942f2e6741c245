"""Recordings that are wrong in every way at once, and clips too short for a window, through `jobs/prepare.py`."""

import pytest
from hostile_dip import CASES
from running_job import run

import vimu
from vimu.runtime.published import open_published

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def prepared(hostile_run):
    """What the job published, its exit code and its words."""
    code, said = run(hostile_run.config, script="jobs/prepare.py")
    assert code == 0, said
    return open_published(hostile_run.folder.with_name("prepare"), made_by="-"), said


@pytest.fixture(scope="module")
def rejections(prepared):
    return {row["path"]: row for row in prepared[0].file("rejections.parquet").table().to_pylist()}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.fault(case.row), id=f"{case.row}-{case.trial}") for case in CASES]
)
def test_each_recording_ends_as_its_row_says(hostile_run, prepared, rejections, case):
    windows = vimu.load_windows(prepared[0].folder).where(dataset="dip")
    cut = [source for source in windows.source.tolist() if source.endswith(f"s_01/{case.trial}")]
    assert not hostile_run.canary.exists()
    if case.reason is None:
        assert cut
        assert prepared[0].details["notes"][case.says] >= 8  # frames; generated recordings have gaps of their own
        return
    assert not cut
    row = rejections[f"s_01/{case.trial}"]
    assert (row["reason"], case.says in row["detail"]) == (case.reason, True), row


@pytest.mark.fault(46)
def test_a_clip_shorter_than_a_window_is_a_row(rejections):
    [row] = [row for path, row in rejections.items() if "half a second" in path]
    assert (row["reason"], "shorter than a window" in row["detail"]) == ("too_short", True)


@pytest.mark.fault(33, 45, 46, 48, 49, 50)
def test_the_run_is_whole_and_again_it_does_nothing(hostile_run, prepared, rejections):
    """I1 to I4, I6 and I7 after all of them."""
    published, said = prepared
    counts = published.manifest["counts"]
    for file in published.files(""):
        file.read()  # raises unless its hash is the manifest's
    windows = vimu.load_windows(published.folder)
    assert counts["sources_in"] == counts["sources_cut"] + counts["rejections"]
    assert counts["rejections"] == len(rejections) == sum(case.reason is not None for case in CASES) + 1
    assert counts["sources_cut"] == len(set(windows.source.tolist()))
    assert len(set(windows.window_id.tolist())) == len(windows) == counts["windows"]
    assert all(row["path"] and row["reason"] and row["detail"] for row in rejections.values())
    assert "Traceback" not in said
    code, said = run(hostile_run.config, script="jobs/prepare.py")
    assert (code, "already published" in said) == (0, True)
    assert open_published(published.folder, made_by="-").content_hash == published.content_hash
    assert not hostile_run.canary.exists()
