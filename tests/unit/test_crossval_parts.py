"""What fits gave, as files: whole ones are kept, damaged ones are fitted again."""

import pytest

from vimu.stages.crossval_parts import Parts
from vimu.tuning.fits import Fit

FIT = Fit("forest", "random_forest", 0, "real", "real")


@pytest.fixture
def parts(tmp_path):
    made = Parts(tmp_path)
    made.put(FIT, b"probabilities", 1.23456, 7.0)
    return made


def test_a_whole_part_is_kept_with_its_cost(parts):
    assert parts.has(FIT)
    assert not parts.is_damaged(FIT)
    assert parts.costs([FIT, Fit("tune", "random_forest", 0, "real", "real")]) == {FIT: {"cpu_s": 1.235, "units": 7}}


@pytest.mark.parametrize(
    "harm",
    [
        lambda parts: parts.result(FIT).write_bytes(b"probabilitieS"),
        lambda parts: parts.result(FIT).write_bytes(b"probab"),
        lambda parts: parts.result(FIT).unlink(),
        lambda parts: parts.mark(FIT).write_text("{}"),
        lambda parts: parts.mark(FIT).write_text('{"cpu_s": 1.2'),
        lambda parts: parts.mark(FIT).write_bytes(b"\xff\xfe"),
        lambda parts: parts.mark(FIT).write_text("[1]"),
        lambda parts: parts.mark(FIT).write_text('{"cpu_s": 1.2, "units": 7}'),
    ],
)
def test_a_damaged_part_is_fitted_again(parts, harm):
    harm(parts)
    assert not parts.has(FIT)
    assert parts.is_damaged(FIT)
    assert not parts.costs([FIT])


def test_a_part_that_a_kill_left_without_its_mark_is_not_called_damaged(parts):
    parts.mark(FIT).unlink()
    assert not parts.has(FIT)
    assert not parts.is_damaged(FIT)
