"""`vimu gc`: links are not followed, what is no run is not looked at, and wrong arguments are exit code 2."""

import pytest

from aged_runs import DAYS, aged, gc, stage, staging, staying
from vimu.runtime.errors import UserError
from vimu.stages.retention import LINK, survey


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
