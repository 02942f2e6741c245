"""`vimu gc` on a file system: what killed jobs left goes; what is written, needed or young stays."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

from filelock import FileLock

from aged_runs import DAYS, aged, gc, going, job, stage, staging, staying
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.runtime.published import open_published
from vimu.stages.removal import remove_piece
from vimu.stages.retention import survey


def test_what_a_killed_job_left_is_shown_and_goes_only_when_told(runs):
    kept = stage(runs / "a", "prepare")
    job(runs / "a")
    left = aged(staging(runs / "a"))
    code, said = gc(runs)
    assert code == 0 and left.is_dir()
    assert "would go" in said and ".pretrain.staging: what a job has not published yet" in said and "30.0 days" in said
    code, said = gc(runs, "--delete")
    assert code == 0 and said.startswith("gone") and not left.exists()
    assert open_published(kept.folder, made_by="-").manifest == kept.manifest
    assert sorted(p.name for p in (runs / "a").iterdir()) == [".prepare.lock", ".pretrain.lock", ".status", "prepare"]
    assert gc(runs, "--delete") == (0, "")
    assert gc(runs) == (0, "nothing to remove\n")


def test_what_was_touched_lately_stays_and_one_new_file_is_enough(runs):
    left = aged(staging(runs / "a"))
    assert going(runs) == ["a/.pretrain.staging"] and going(runs, older_than_days=31) == []
    os.utime(left / ".ray" / "checkpoint_000001" / "model.pt")
    assert going(runs) == [] and staying(runs) == {"a/.pretrain.staging": "touched 0.0 days ago"}


def test_what_is_being_written_stays_whatever_the_days(runs):
    """A real publication, held in the middle of its build."""
    building, go_on = threading.Event(), threading.Event()

    def build(staging, _):
        (staging / "table").write_text("x")
        building.set()
        go_on.wait(60)
        return Outcome(counts={}, content_hash="h")

    place = runs / "a" / "prepare"
    writer = threading.Thread(
        target=publish, args=[place], kwargs={"identity": {"stage": "prepare"}, "build": build, "made_by": "-"}
    )
    writer.start()
    assert building.wait(60)
    found = survey(runs, older_than_days=0, runs=True)
    code, said = gc(runs, "--delete", "--runs", "--older-than-days", 0)
    go_on.set()
    writer.join()
    assert sorted(p.stays for p in found) == ["a job holds a lock of it", "a job holds its lock"]
    assert code == 0 and "gone" not in said
    assert open_published(place, made_by="-").file("table").read() == b"x"


def test_a_job_that_begins_after_the_look_keeps_its_folder(runs):
    left = aged(staging(runs / "a"))
    [piece] = survey(runs, older_than_days=DAYS)
    with FileLock(runs / "a" / ".pretrain.lock"):
        assert remove_piece(piece, DAYS, time.time()) == "a job has begun"
    (left / "shard").write_text("new")
    assert remove_piece(piece, DAYS, time.time()) == "touched 0.0 days ago"
    assert left.is_dir()
    shutil.rmtree(left)
    assert remove_piece(piece, DAYS, time.time()) == "it is gone"


def test_a_run_whose_job_lives_loses_nothing(runs):
    aged(staging(runs / "a"))
    job(runs / "a", pid=os.getpid(), name="pipeline")
    raw = json.loads((runs / "a" / ".status" / "pipeline.json").read_text())
    (runs / "a" / ".status" / "pipeline.json").write_text(json.dumps(raw | {"started": "2999-01-01T00:00:00+00:00"}))
    assert going(runs, older_than_days=0) == []
    assert staying(runs)["a/.pretrain.staging"] == f"`pipeline` is running, process {os.getpid()}"


def test_a_job_of_another_machine_counts_as_alive_for_two_weeks_of_silence(runs):
    left = aged(staging(runs / "a"), days=10)
    job(runs / "a", host="elsewhere")
    assert staying(runs, older_than_days=1) == {"a/.pretrain.staging": "`pretrain` may be running on elsewhere"}
    aged(left, days=15)
    assert going(runs, older_than_days=1) == ["a/.pretrain.staging"]


def test_an_old_result_that_stands_in_for_the_new_one_stays(runs):
    """An update that was killed between its two renames: the next job puts it back."""
    stage(runs / "a", "synthesize")
    (runs / "a" / "synthesize").rename(runs / "a" / ".synthesize.replaced")
    aged(runs / "a" / ".synthesize.replaced")
    assert "only result" in staying(runs)["a/.synthesize.replaced"]
    shutil.copytree(runs / "a" / ".synthesize.replaced", runs / "a" / "synthesize")
    assert going(runs) == ["a/.synthesize.replaced"]


def test_a_removal_that_is_killed_leaves_no_half_of_a_stage_and_is_finished_by_the_next(runs, monkeypatch):
    aged(staging(runs / "a", "prepare", shards="half"))
    real = shutil.rmtree

    def killed(path, *more, **options):
        next(Path(path).rglob("model.pt")).unlink()
        raise OSError("killed")

    monkeypatch.setattr(shutil, "rmtree", killed)
    code, said = gc(runs, "--delete")
    assert code == 1 and "failed" in said and "killed" in said
    monkeypatch.setattr(shutil, "rmtree", real)
    assert stage(runs / "a", "prepare", shards="half").file("table").read() == b"x"
    assert going(runs) == ["a/.prepare.staging.removed"]
    assert gc(runs, "--delete")[0] == 0 and going(runs) == []
