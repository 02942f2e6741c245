"""`vimu gc` on a file system: what killed jobs left and old runs go; what is written, needed or young stays."""

import json
import os
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from vimu.cli import app
from vimu.runtime.errors import UserError
from vimu.runtime.locks import held, is_free
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.runtime.published import open_published
from vimu.runtime.status import Status
from vimu.stages.removal import remove_piece
from vimu.stages.retention import LINK, survey

DAYS = 14.0


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def stage(run, name, content="x", **identity):
    """A published stage; its content hash is its content."""

    def build(staging, _):
        (staging / "table").write_text(content)
        return Outcome(counts={"rows": 1}, content_hash=f"hash of {content}")

    return publish(run / name, identity={"stage": name, **identity}, build=build, made_by="test")


def staging(run, name="pretrain", n_bytes=1000, **identity):
    """What a killed job leaves, with a checkpoint of Ray Train's in it."""
    folder = run / f".{name}.staging"
    (folder / ".ray" / "checkpoint_000001").mkdir(parents=True)
    (folder / ".ray" / "checkpoint_000001" / "model.pt").write_bytes(bytes(n_bytes))
    (folder / ".identity.json").write_text(json.dumps({"stage": name, **identity}))
    return folder


def aged(place, days=30.0):
    """The same, untouched for so many days."""
    then = time.time() - days * 86400
    for path in [place, *place.rglob("*")]:
        os.utime(path, (then, then), follow_symlinks=False)
    return place


def job(run, state="running", host=None, pid=None, name="pretrain"):
    status = Status(
        name, state, None, "2026-01-01T00:00:00+00:00", None, host or socket.gethostname(), pid or 2**22 + 1, None
    )
    (run / ".status").mkdir(parents=True, exist_ok=True)
    (run / ".status" / f"{name}.json").write_text(json.dumps(status.__dict__))


def going(folder, /, **options):
    found = survey(folder, **{"older_than_days": DAYS} | options)
    return sorted(str(p.place.relative_to(folder)) for p in found if p.stays is None)


def staying(folder, /, **options):
    found = survey(folder, **{"older_than_days": DAYS} | options)
    return {str(p.place.relative_to(folder)): p.stays for p in found if p.stays is not None}


def gc(*arguments):
    result = CliRunner().invoke(app, ["gc", *map(str, arguments)])
    return result.exit_code, result.output


def test_what_a_killed_job_left_is_shown_and_goes_only_when_told(runs):
    kept = stage(runs / "a", "prepare")
    job(runs / "a")
    left = aged(staging(runs / "a"))
    code, said = gc(runs)
    assert code == 0 and left.is_dir()
    assert "would go" in said and ".pretrain.staging: left by a job that was killed" in said and "30.0 days" in said
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


def test_looking_at_a_lock_neither_makes_nor_touches_it(tmp_path):
    lock = tmp_path / ".s.lock"
    assert is_free(lock) and not lock.exists()
    lock.touch()
    os.utime(lock, (1, 1))
    with held(lock) as ours:
        assert ours and not is_free(lock)
        with held(lock) as theirs:
            assert not theirs
        with pytest.raises(Exception, match="lock"):
            FileLock(lock, timeout=0).acquire()
    assert is_free(lock) and lock.stat().st_mtime == 1
    (tmp_path / ".t.lock").symlink_to(lock)
    assert not is_free(tmp_path / ".t.lock")


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


def test_old_runs_go_only_when_asked_for_and_not_those_to_keep(runs):
    for name in ("a", "b"):
        stage(runs / name, "prepare", content=name)
        aged(staging(runs / name))
        aged(runs / name)
    stage(runs / "young", "prepare", content="young")
    assert going(runs) == ["a/.pretrain.staging", "b/.pretrain.staging"]
    assert going(runs, runs=True) == ["a", "b"]
    assert going(runs, runs=True, keep=["b"]) == ["a"] and going(runs, keep=["b"]) == ["a/.pretrain.staging"]
    code, said = gc(runs, "--runs", "--keep", "b", "--delete")
    assert code == 0 and "stays" in said and sorted(p.name for p in runs.iterdir()) == ["b", "young"]


def test_a_run_that_a_job_came_by_lately_is_not_old(runs):
    """A job that finds its result there publishes nothing, but touches the stage's lock."""
    stage(runs / "a", "prepare")
    aged(runs / "a")
    assert going(runs, runs=True) == ["a"]
    assert not stage(runs / "a", "prepare").fresh
    assert going(runs, runs=True) == []


@pytest.mark.parametrize("path", ["runs/old/synthesize", "/elsewhere/runs/old/synthesize", "runs/old"])
def test_a_run_that_another_one_was_made_from_stays_by_its_path(runs, path):
    stage(runs / "old", "synthesize", content="clips")
    aged(runs / "old")
    stage(runs / "new", "prepare", content="windows", settings={"clips": path})
    assert staying(runs, runs=True)["old"] == "`new` is made from it"
    aged(runs / "new")
    assert going(runs, runs=True) == ["new", "old"], "two old ones do not keep one another"


@pytest.mark.parametrize("text", ["data/old/amass", "old", "runs/older/synthesize", "walk/old/fast"])
def test_a_text_that_only_has_its_name_in_it_keeps_no_run(runs, text):
    stage(runs / "old", "synthesize", content="clips")
    aged(runs / "old")
    stage(runs / "new", "prepare", content="windows", settings={"about": text})
    assert going(runs, runs=True) == ["old"]


def test_it_stays_by_what_it_holds_where_no_path_is_written_down(runs):
    """`align.targets` and `align.start` are in an identity by content hash alone."""
    stage(runs / "target", "prepare", content="other windows")
    stage(runs / "target-of-none", "prepare", content="windows of none")
    stage(runs / "again", "prepare", content="windows")
    for name in ("target", "target-of-none", "again"):
        aged(runs / name)
    stage(runs / "new", "prepare", content="windows")
    stage(
        runs / "new",
        "evaluate",
        content="y",
        inputs={"prepare": "hash of windows", "targets": {"t": "hash of other windows"}},
    )
    assert going(runs, runs=True) == ["again", "target-of-none"], "of `again`, `new` holds the same itself"


def test_it_stays_for_a_chain_of_runs_and_for_one_that_is_not_finished(runs):
    stage(runs / "a", "synthesize", content="clips")
    stage(runs / "b", "prepare", content="windows", settings={"clips": "runs/a/synthesize"})
    aged(runs / "a")
    aged(runs / "b")
    staging(runs / "c", "align", settings={"start": str(runs / "b")})
    assert staying(runs, runs=True) | {"c": ""} == {
        "a": "`b` is made from it", "b": "`c` is made from it", "c": "", "c/.align.staging": "touched 0.0 days ago",
    }  # fmt: skip


def test_a_run_that_does_not_tell_what_it_is_made_from_keeps_all(runs):
    stage(runs / "old", "synthesize", content="clips")
    aged(runs / "old")
    stage(runs / "torn", "prepare")
    (runs / "torn" / "prepare" / "manifest.json").write_text("{")
    assert "cannot be read, and may be made from it" in staying(runs, runs=True)["old"]
    aged(runs / "torn")
    assert going(runs, runs=True) == ["old", "torn"]


def test_no_link_is_followed(runs, tmp_path):
    """Neither to another run, nor from a staging folder to what lies outside, nor in sizes."""
    outside = staging(tmp_path / "outside", n_bytes=5000)
    secret = outside / ".ray" / "checkpoint_000001" / "model.pt"
    (runs / "a").mkdir()
    (runs / "linked").symlink_to(outside.parent)
    (runs / "a" / ".tune.staging").symlink_to(outside)
    (runs / ".b.removed").symlink_to(outside)
    left = staging(runs / "a", n_bytes=10)
    (left / "to_folder").symlink_to(outside)
    (left / "to_file").symlink_to(secret)
    aged(runs)
    aged(outside.parent)
    [piece] = [p for p in survey(runs, older_than_days=DAYS) if p.stays is None]
    assert piece.place == left and piece.usage.n_bytes < 1000
    assert staying(runs) == dict.fromkeys(["a/.tune.staging", ".b.removed"], LINK)
    code, said = gc(runs, "--delete")
    assert code == 0 and said.count("gone") == 1
    assert secret.stat().st_size == 5000 and (runs / "linked").is_symlink() and not left.exists()
    aged(runs / "a")
    assert gc(runs, "--delete", "--runs")[0] == 0
    assert not (runs / "a").exists() and secret.is_file() and (runs / "linked").is_symlink()


def test_links_to_files_of_a_result_free_nothing(runs):
    """An update links the files that it keeps: they stay in the published folder."""
    stage(runs / "a", "synthesize", content="x" * 10_000)
    left = staging(runs / "a", "synthesize", n_bytes=10)
    (left / "table").hardlink_to(runs / "a" / "synthesize" / "table")
    aged(left)
    [piece] = survey(runs, older_than_days=DAYS)
    assert piece.stays is None and piece.usage.n_bytes < 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "must be a folder of runs, e.g. `runs`, but is none"),
        (["runs/a"], "but is a run: give the folder that holds it"),
        (["runs", "--keep", "b"], "`--keep` must name runs of `runs` (a), but b is none"),
        (["runs", "--older-than-days", "-1"], "`--older-than-days` must be 0 or more, but is -1"),
        (["runs", "--older-than-days", "nan"], "must be 0 or more"),
        (["s3:/runs"], "A place must be a folder or a URI"),
    ],
)
def test_what_a_person_gave_wrong_is_exit_2(runs, monkeypatch, arguments, said):
    stage(runs / "a", "prepare")
    monkeypatch.chdir(runs.parent)
    code, output = gc(*arguments)
    assert code == 2 and said in " ".join(output.split())


def test_what_is_no_run_is_not_looked_at(runs):
    (runs / "notes").mkdir()
    (runs / "notes" / "text").write_text("mine")
    (runs / ".cache").mkdir()
    (runs / "file").write_text("mine")
    aged(runs)
    assert survey(runs, older_than_days=0, runs=True) == []
    with pytest.raises(UserError, match="but is none"):
        survey(runs / "file", older_than_days=0)
