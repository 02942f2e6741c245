"""What a job says of itself while it runs and when it has ended, and a run at a glance."""

import json
import os

import pytest

from published_windows import publish_windows
from vimu.contracts import Reason, Rejection
from vimu.runtime.errors import OperationError, UserError
from vimu.runtime.status import SUBMISSION, Status, read_status, reported, statuses
from vimu.stages.job import exit_code_of
from vimu.stages.overview import overview


def ended(run_dir, error):
    with pytest.raises(type(error)), reported(run_dir, "prepare", exit_code_of):
        raise error
    return read_status(run_dir / ".status" / "prepare.json")


def test_a_job_runs_and_then_has_ended(tmp_path, monkeypatch):
    monkeypatch.setenv(SUBMISSION, "vimu-1")
    with reported(tmp_path, "prepare", exit_code_of):
        (during,) = statuses(tmp_path)
        assert (during.state, during.exit_code, during.pid, during.submission) == (
            "running",
            None,
            os.getpid(),
            "vimu-1",
        )
        assert during.lives is True
    (after,) = statuses(tmp_path)
    assert (after.state, after.exit_code, after.lives) == ("ended", 0, False)
    assert after.ended is not None and after.ended >= after.started


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("x"), 2), (Rejection("f", Reason.GAP, "x"), 2), (OperationError("x"), 1), (KeyboardInterrupt(), 130),
        (ValueError("x"), 1), (SystemExit(3), 3), (SystemExit("x"), 1),
    ],
)  # fmt: skip
def test_it_ends_with_the_code_that_the_job_ends_with(tmp_path, error, code):
    assert ended(tmp_path, error).exit_code == code


def test_another_one_that_runs_keeps_its_report(tmp_path):
    place = tmp_path / ".status" / "prepare.json"
    with reported(tmp_path, "prepare", exit_code_of):
        running = json.loads(place.read_text()) | {"pid": os.getppid()}
        place.write_text(json.dumps(running))
        ended(tmp_path, UserError("Another run is writing"))
        assert json.loads(place.read_text()) == running


def test_a_killed_one_s_report_is_replaced_and_one_that_is_none_is_no_error(tmp_path):
    place = tmp_path / ".status" / "prepare.json"
    place.parent.mkdir()
    for torn in ("", "{}", "[1]", '{"job": 1, "more": 2}'):
        place.write_text(torn)
        assert read_status(place) is None and statuses(tmp_path) == []
    gone = Status("prepare", "running", None, "2026-01-01T00:00:00+00:00", None, os.uname().nodename, 2**22 + 1, None)
    place.write_text(json.dumps(gone.__dict__))
    assert read_status(place).lives is False
    with reported(tmp_path, "prepare", exit_code_of):
        assert statuses(tmp_path)[0].pid == os.getpid()


def test_a_place_that_takes_no_report_does_not_end_the_job(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    done = []
    with reported(blocked, "prepare", exit_code_of):
        done.append(True)
    assert done == [True]


def test_a_run_at_a_glance(tmp_path):
    publish_windows(tmp_path, 8)
    marks = tmp_path / ".synthesize.staging" / ".tasks"
    marks.mkdir(parents=True)
    (marks / "0001.json").write_text("{}")
    with reported(tmp_path, "prepare", exit_code_of):
        pass
    stages, jobs = overview(tmp_path)
    assert [(s.name, s.state, s.says) for s in stages] == [
        ("synthesize", "unfinished", "tasks done 1"), ("prepare", "published", "windows 8"),
    ]  # fmt: skip
    assert [(job.job, job.exit_code) for job in jobs] == [("prepare", 0)]
    (tmp_path / "prepare" / "manifest.json").write_text("{")
    assert overview(tmp_path)[0][1].state == "damaged"
    for place in (tmp_path / "nothing", marks):
        with pytest.raises(UserError, match="must"):
            overview(place)
