"""`vimu gc` in an object store: data that no manifest points to go, what one points to stays, wherever it lies."""

import time

import pytest
from typer.testing import CliRunner

from vimu.cli import app
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import IDENTITY, publish, reused
from vimu.runtime.published import SUCCESS, open_published
from vimu.runtime.storage import files_below, location, stored
from vimu.stages import removal
from vimu.stages.removal import remove_piece
from vimu.stages.retention import DAY_S, survey

DAYS = 14.0
LATER = time.time() + 30 * DAY_S
"""Objects cannot be made older: the look is taken later."""


@pytest.fixture
def runs(bucket, request):
    return location(f"{bucket}/{request.node.name} [1]/runs")


def do(runs, version, *, keeps=(), run="a", fails=False, **options):
    """Publish `clips/VERSION` into a stage, with files of the publication before it."""

    def build(staging, previous):
        files = [stored(staging / "clips" / f"{version}.parquet", version.encode())]
        stored(staging / ".tasks" / "0.json", b"{}")
        files += [reused(previous.file(path), path, staging) for path in keeps]
        if fails:
            raise RuntimeError("killed")
        return Outcome(counts={}, content_hash=f"hash of {version}", files=files)

    identity = {"stage": "synthesize", "settings": options, "inputs": {"files": version}}
    return publish(
        runs / run / "synthesize", identity=identity, build=build, made_by="-", update=True, workers_write=True
    )


def places(runs, found, stays=False):
    return sorted(str(p.place).removeprefix(str(runs)) for p in found if (p.stays is not None) == stays)


def data(runs, run="a"):
    return {p.name for p in (runs / run / "synthesize").iterdir() if p.name.startswith("data-")}


def test_data_of_a_result_that_was_replaced_go_and_the_current_one_is_whole(runs):
    do(runs, "one")
    before = data(runs)
    do(runs, "two")
    assert survey(runs, older_than_days=DAYS)[0].stays == "touched 0.0 days ago"
    [piece] = survey(runs, older_than_days=DAYS, now=LATER)
    assert {piece.place.name} == before and piece.usage.n_bytes == len(b"one")
    assert piece.why == "data of a result that another one replaced" and piece.stays is None
    assert remove_piece(piece, DAYS, LATER) is None
    assert survey(runs, older_than_days=DAYS, now=LATER) == []
    assert [f.read() for f in open_published(runs / "a" / "synthesize", made_by="-").files("")] == [b"two"]


def test_data_of_an_earlier_result_that_the_current_one_uses_stay(runs):
    do(runs, "one")
    do(runs, "two", keeps=["clips/one.parquet"])
    assert survey(runs, older_than_days=0, now=LATER) == []
    do(runs, "three", keeps=["clips/one.parquet"])
    [piece] = survey(runs, older_than_days=DAYS, now=LATER)
    assert remove_piece(piece, DAYS, LATER) is None
    current = open_published(runs / "a" / "synthesize", made_by="-")
    assert sorted(f.read() for f in current.files("")) == [b"one", b"three"]


def test_what_a_killed_job_left_goes_with_its_marks_first(runs, monkeypatch):
    """A removal that is killed in the middle must not leave a mark that says of a shard that it is done."""
    with pytest.raises(RuntimeError):
        do(runs, "one", fails=True)
    [piece] = survey(runs, older_than_days=DAYS, now=LATER)
    assert piece.why == "what a job has not published yet"
    order, real = [], removal.remove
    monkeypatch.setattr(removal, "remove", lambda path: (order.append(path.name), real(path)))
    assert remove_piece(piece, DAYS, LATER) is None
    assert set(order[:2]) == {IDENTITY, "0.json"} and order[2:] == ["one.parquet"]
    assert files_below(runs / "a") == []


def test_data_that_are_published_between_look_and_removal_stay(runs):
    with pytest.raises(RuntimeError):
        do(runs, "one", fails=True)
    [piece] = survey(runs, older_than_days=DAYS, now=LATER)
    do(runs, "one")
    assert remove_piece(piece, DAYS, LATER) == "it is gone"
    assert open_published(runs / "a" / "synthesize", made_by="-").file("clips/one.parquet").read() == b"one"


def test_a_manifest_that_cannot_be_read_keeps_all(runs):
    do(runs, "one")
    do(runs, "two")
    (runs / "a" / "synthesize" / SUCCESS).write_text("0" * 64)
    found = survey(runs, older_than_days=DAYS, now=LATER)
    assert len(places(runs, found, stays=True)) == 2 == len(found)


def test_whole_runs_go_but_none_that_a_younger_one_is_made_from(runs):
    do(runs, "one", run="old")
    do(runs, "two", run="other")
    do(runs, "three", run="new", clips=f"{runs}/old/synthesize")
    found = survey(runs, older_than_days=DAYS, now=LATER, runs=True, keep=["new"])
    assert places(runs, found) == ["/other"]
    assert {p.run.name: p.stays for p in found if p.stays} == {"new": "--keep", "old": "`new` is made from it"}
    [piece] = [p for p in found if p.stays is None]
    assert remove_piece(piece, DAYS, LATER) is None
    assert not (runs / "other").exists() and (runs / "old" / "synthesize" / SUCCESS).is_file()


def test_the_command_takes_a_uri(runs):
    do(runs, "one")
    do(runs, "two")
    result = CliRunner().invoke(app, ["gc", str(runs), "--delete", "--older-than-days", "0"])
    assert result.exit_code == 0 and result.output.startswith("gone")
    assert len(data(runs)) == 1
    nowhere = CliRunner().invoke(app, ["gc", "s3://no-such-bucket/runs"])
    assert nowhere.exit_code == 2 and "must be in a store that can be reached" in nowhere.output
