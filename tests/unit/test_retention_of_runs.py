"""`vimu gc --runs`: whole old runs go, but none that a younger one is made from."""

import pytest

from aged_runs import aged, gc, going, stage, staging, staying


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


def test_what_people_decided_is_made_by_no_job_and_stays(runs):
    stage(runs / "seen", "synthesize")
    (runs / "seen" / "decisions.csv").write_text("archive,sequence,decision,value,by,note\n")
    aged(staging(runs / "seen"))
    aged(runs / "seen")
    assert going(runs, runs=True) == ["seen/.pretrain.staging"]
    assert staying(runs, runs=True) == {"seen": "holds what people decided: decisions.csv"}


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
