"""Decisions in a CSV: round trip, every error at once by line, two people's files merged, and what a decision does."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from vimu.clips import decisions
from vimu.clips.curation import Curation, as_decided, by_person, load_curation
from vimu.clips.decisions import Decision, merge, read_decisions, write_decisions
from vimu.clips.labels import Label
from vimu.contracts import Reason, Rejection, SkeletonMotion, Take
from vimu.runtime.errors import UserError

HEADER = "archive,sequence,decision,value,by,note\n"
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
KINDS = st.one_of(
    st.tuples(st.sampled_from(["keep", "drop"]), st.just("")),
    st.tuples(st.just("relabel"), WORDS),
    st.tuples(st.just("rate"), st.floats(1, 1000).map(lambda hz: f"{hz:.12g}")),
)
ROWS = st.builds(
    lambda take, kind, by, note: Decision("a", take, *kind, by, note),
    st.sampled_from(["x, y", 'say "z"', "w/1 2"]), KINDS, WORDS, WORDS | st.just(""),
)  # fmt: skip


def file_of(tmp_path, text, name="d.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@settings(deadline=None)
@given(rows=st.lists(ROWS, max_size=8))
def test_what_is_written_is_read(rows, tmp_path_factory):
    agreed, conflicts = merge(rows)
    path = tmp_path_factory.mktemp("d") / "d.csv"
    if conflicts:
        with pytest.raises(UserError, match=r"has \d+ errors?:"):
            write_decisions(path, rows)
        assert list(path.parent.iterdir()) == []
    write_decisions(path, agreed)
    assert read_decisions(path) == agreed
    assert path.read_bytes().count(b"\n") == len(agreed) + 1  # a row a line
    with path.open(newline="") as stream:
        keys = [(row["archive"], row["sequence"]) for row in csv.DictReader(stream)]
    assert keys == sorted(keys)


@settings(deadline=None)
@given(a=st.lists(ROWS, max_size=4), b=st.lists(ROWS, max_size=4))
def test_a_merge_does_not_depend_on_the_order_and_loses_nothing(a, b):
    both, conflicts = merge(a, b)
    assert merge(b, a) == (both, conflicts)
    assert merge(both, both) == (both, ())
    disputed = {one.key for one, _ in conflicts}
    assert {d.key for d in both} | disputed == {d.key for d in [*a, *b]}
    assert not {d.key for d in both} & disputed
    for decision in [*a, *b]:
        for there in both:
            if there.key == decision.key:
                assert there.verdict == decision.verdict
                assert decision.by in there.by
                assert decision.note in there.note


@pytest.mark.fault(55)
def test_all_errors_come_at_once_by_line(tmp_path):
    rows = [
        "bandai,one,drop,,ann,", "bandai,two,relabel,runing,ann,", "bandai,three,delete,,ann,", "bandai,one,keep,,bob,",
        "bandai,four,rate,0,ann,", ",five,drop,,,", "bandai,six,drop", "bandai,seven,drop,walking,ann,",
        'bandai,eight,drop,,ann,"two\nlines"', "bandai,nine,rate,fast,ann,", "bandai,ten,relabel,,ann,",
    ]  # fmt: skip
    with pytest.raises(UserError) as error:
        read_decisions(file_of(tmp_path, HEADER + "\n".join(rows)), ["walking", "running"])
    text = str(error.value)
    assert "has 11 errors" in text
    for part in (
        "line 3: `value` must be one of running, walking, but is `runing`",
        "line 4: `decision` must be one of keep, drop, relabel, rate, but is `delete`",
        "lines 2 and 5 on `bandai` `one` must agree, but say drop (ann) and keep (bob)",
        "line 6: `value` must be a rate of 1 to 1000 Hz, but is `0`",
        "line 7: `archive` must be given", "line 7: `by` must be given", "line 8: must have 6 fields, but has 3",
        "line 9: `value` must be empty for a drop", "line 11: `note` must stand on one line", "line 12: `value`",
        "line 13: `value` must be the category",
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("text", ["", "archive;sequence\n", "<<<<<<< HEAD\n", 'a"b,c\n"'])
def test_another_file_is_refused(tmp_path, text):
    with pytest.raises(UserError, match="line 1: must be `archive,sequence,decision,value,by,note`"):
        read_decisions(file_of(tmp_path, text))
    with pytest.raises(UserError, match="must be a readable CSV file"):
        read_decisions(tmp_path / "none.csv")


def test_what_a_spreadsheet_makes_of_a_file_is_read(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes("\ufeffarchive,sequence,decision,value,by,note\r\na,x,rate,60.0, ann ,\r\n\r\n".encode())
    assert read_decisions(path) == (Decision("a", "x", "rate", "60", "ann"),)


def test_two_files_become_one_or_none(tmp_path):
    ann = file_of(tmp_path, HEADER + "a,y,drop,,ann,noise\na,x,rate,60.0,ann,\n", "ann.csv")
    bob = file_of(tmp_path, HEADER + "a,y,drop,,bob,\na,x,rate,60,bob,slow\na,x,relabel,walking,bob,\n", "bob.csv")
    run, app = CliRunner(), decisions.typer.Typer()
    app.command()(decisions.main)
    into = tmp_path / "both.csv"
    result = run.invoke(app, [str(ann), str(bob), "--into", str(into)])
    assert (result.exit_code, result.output) == (0, f"wrote 3 decisions to {into}\n")
    assert into.read_text() == HEADER + (
        "a,x,relabel,walking,bob,\na,x,rate,60,ann | bob,slow\na,y,drop,,ann | bob,noise\n"
    )
    eve = file_of(tmp_path, HEADER + "a,y,keep,,eve,\na,x,rate,59,eve,\n", "eve.csv")
    before = into.read_bytes()
    result = run.invoke(app, [str(into), str(eve), "--into", str(into)])
    assert result.exit_code == 2
    assert "`a` `y`: drop (ann | bob) or keep (eve)?" in result.output
    assert "`a` `x`: rate 59 (eve) or rate 60 (ann | bob)?" in result.output
    assert into.read_bytes() == before
    result = run.invoke(app, [str(into), "--into", str(tmp_path)])
    assert (result.exit_code, "`--into` must be a file that can be written" in result.output) == (2, True)


def take(sequence):
    return Take("a", None, sequence, sequence)


def walking():
    return Label("walking", "walk")


def removed():
    raise Rejection("x", Reason.REMOVED_BY_RULE, "remove_combat")


def test_each_decision_does_what_it_says_and_every_row_is_accounted_for(tmp_path):
    rows = [
        Decision("a", "drop", "drop", "", "ann", "noise"), Decision("a", "keep", "keep", "", "ann"),
        Decision("a", "relabel", "relabel", "running", "bob", "runs"), Decision("a", "relabel", "rate", "59", "ann"),
        Decision("a", "rescue", "relabel", "waving", "ann"), Decision("a", "fight", "keep", "", "ann"),
        Decision("b", "drop", "drop", "", "ann"), Decision("a", "drop", "rate", "60", "ann"),
    ]  # fmt: skip
    curation = Curation(rows, relabels=True)
    for name in ("drop", "keep", "relabel", "rescue", "fight", "other"):
        curation.found(take(name), tmp_path / name)
    with pytest.raises(Rejection) as dropped:
        curation.decide(take("drop"), walking)
    assert (dropped.value.reason, dropped.value.detail) == (Reason.REMOVED_BY_PERSON, "ann: noise")
    kept = curation.decide(take("keep"), walking)
    assert (kept.label, kept.notes) == (Label("walking", "decision:ann"), ("kept by ann, labelled by `walk`",))
    other = curation.decide(take("relabel"), walking)
    assert (other.label, other.rate_hz) == (Label("running", "decision:bob"), 59.0)
    assert other.notes == ("relabelled by bob: runs", "rate of 59 Hz by ann")
    assert curation.decide(take("rescue"), removed).label == Label("waving", "decision:ann")
    with pytest.raises(Rejection, match="remove_combat"):
        curation.decide(take("fight"), removed)  # a keep has no label to give
    untouched = curation.decide(take("other"), walking)
    assert (untouched.label, untouched.rate_hz, untouched.notes) == (walking(), None, ())
    assert by_person(kept.label.rule)
    assert not by_person(untouched.label.rule)
    curation.check()
    assert curation.counts() == {"drop": 1, "keep": 1, "rate": 1, "relabel": 2, "without_effect": 3}
    assert curation.without_effect() == [
        "a drop: rate 60 (ann), left out for another reason",
        "a fight: keep (ann), left out for another reason",
        "b drop: drop (ann), no such file",
    ]
    assert curation.table(limit=1)[1:] == [("more, see the manifest", 2)]


def test_a_relabel_names_a_category_and_so_leaves_an_archives_own_names_alone():
    curation = Curation([Decision("a", "x", "relabel", "running", "ann")], relabels=False)
    curation.found(take("x"), "x.bvh")
    assert curation.decide(take("x"), walking).label == walking()
    assert curation.without_effect() == ["a x: relabel running (ann), labels are no categories"]


def test_a_decision_that_may_mean_two_files_is_refused():
    curation = Curation([Decision("a", "x", "drop", "", "ann")], relabels=True)
    for path in ("one/x.bvh", "two/x.bvh"):
        curation.found(take("x"), path)
    with pytest.raises(UserError, match=r"must name one file.*\n.*`a` `x`: one/x\.bvh, two/x\.bvh"):
        curation.check()


def test_without_a_file_nobody_decided():
    curation = load_curation(None, ["walking"])
    assert (curation.counts(), curation.without_effect()) == ({}, [])
    assert curation.decide(take("x"), walking).label == walking()


def test_a_rate_replaces_the_files_and_says_so():
    turns = np.tile(np.eye(3), (3, 1, 1, 1))
    motion = SkeletonMotion(("root",), (-1,), np.zeros((3, 1, 3)), turns, 120.0, take("x"))
    assert as_decided(motion, None, ()) == motion
    slower = as_decided(motion, 60.0, ("rate of 60 Hz by ann",))
    assert (slower.rate_hz, slower.file_rate_hz, slower.notes) == (60.0, 120.0, ("rate of 60 Hz by ann",))
