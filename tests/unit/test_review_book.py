"""The book of decisions: what is written, undone, and left to others who write the same file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimu.clips.decisions import Decision, read_decisions, write_decisions
from vimu.review.book import Book
from vimu.runtime.errors import UserError

CATEGORIES = ("walking", "running")


def on(take, decision, value="", by="ann", note=""):
    return Decision("amass", take, decision, value, by, note)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run" / "decisions.csv"


def test_a_decision_replaces_the_one_on_the_same_take_and_leaves_the_others(file):
    write_decisions(file, [on("a", "keep", by="bob"), on("a", "rate", "59", by="bob"), on("b", "drop", by="bob")])
    Book(file, CATEGORIES).decide(on("a", "relabel", "running"))
    wanted = [on("a", "relabel", "running"), on("a", "rate", "59", by="bob"), on("b", "drop", by="bob")]
    assert list(read_decisions(file)) == wanted


def test_who_agrees_is_named_beside_who_decided_first(file):
    write_decisions(file, [on("a", "drop", by="bob", note="slips")])
    book = Book(file, CATEGORIES)
    book.decide(on("a", "drop", note="odd"))
    assert list(read_decisions(file)) == [on("a", "drop", by="ann | bob", note="odd | slips")]
    book.undo()
    assert list(read_decisions(file)) == [on("a", "drop", by="bob", note="slips")]


def test_another_person_s_rows_that_came_meanwhile_stay(file):
    book = Book(file, CATEGORIES)
    book.decide(on("a", "drop"))
    write_decisions(file, [*read_decisions(file), on("b", "keep", by="bob")])
    book.decide(on("c", "keep"))
    assert [d.sequence for d in read_decisions(file)] == ["a", "b", "c"]


def test_nothing_is_undone_over_another_person_s_decision(file):
    book = Book(file, CATEGORIES)
    book.decide(on("b", "keep"))
    book.decide(on("a", "drop"))
    write_decisions(file, [on("a", "keep", by="bob"), on("b", "keep")])
    with pytest.raises(UserError, match=r"`a` must be as it was left .* but the file says keep \(bob\)"):
        book.undo()
    assert book.undo().key == ("amass", "b", "label")  # what came before can still be
    assert list(read_decisions(file)) == [on("a", "keep", by="bob")]


def test_a_clear_takes_both_back_and_one_undo_brings_both(file):
    write_decisions(file, [on("a", "drop"), on("a", "rate", "60")])
    book = Book(file, CATEGORIES)
    book.clear("amass", "a")
    assert read_decisions(file) == ()
    book.undo()
    assert list(read_decisions(file)) == [on("a", "drop"), on("a", "rate", "60")]
    assert (book.clear("amass", "b"), book.undo()) == (None, None)


@pytest.mark.parametrize("bad", [on("a", "relabel", "flying"), on("a", "rate", "-1"), on("a", "keep", note="x\ny")])
def test_what_the_file_may_not_hold_is_not_written(file, bad):
    book = Book(file, CATEGORIES)
    with pytest.raises(UserError):
        book.decide(bad)
    assert not file.exists()
    assert book.undo() is None


def test_a_file_that_is_wrong_is_said_at_once(file):
    file.parent.mkdir()
    file.write_text("nonsense")
    with pytest.raises(UserError, match="line 1: must be"):
        Book(file, CATEGORIES)


DECISIONS = st.builds(
    on, st.sampled_from("abc"), st.just("keep") | st.just("drop"), note=st.sampled_from(("", "odd"))
) | st.builds(on, st.sampled_from("abc"), st.just("rate"), st.sampled_from(("59", "60.0", "1e2")))


@settings(max_examples=30)
@given(st.lists(DECISIONS | st.sampled_from("abc"), max_size=8))
def test_undone_as_often_as_changed_the_file_is_as_before(tmp_path_factory, steps):
    file = tmp_path_factory.mktemp("book") / "decisions.csv"
    write_decisions(file, [on("a", "drop", by="bob"), on("b", "rate", "30", by="bob")])
    before, book = file.read_text(), Book(file, CATEGORIES)
    for step in steps:
        _ = book.clear("amass", step) if isinstance(step, str) else book.decide(step)
    while book.undo():
        pass
    assert file.read_text() == before
