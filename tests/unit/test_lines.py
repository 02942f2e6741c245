"""Lines of samples: what is one, what is not, and that no sender can do more than be counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported import fed
from vimu.serving.lines import LineFormat, MalformedError, Splitter

FORMAT = LineFormat(fed())


def test_a_line_is_the_time_and_the_channels_in_their_order():
    assert (
        FORMAT.header == "t,chest.acc.x,chest.acc.y,chest.acc.z,right_wrist.acc.x,right_wrist.acc.y,right_wrist.acc.z"
    )
    t, sample = FORMAT.parse(b" 1.25, 1,2,3, -4e0,5,6.5 ")
    assert t == 1.25
    assert {s: v.tolist() for s, v in sample["acc"].items()} == {"chest": [1, 2, 3], "right_wrist": [-4, 5, 6.5]}


def test_gyroscopes_and_orientations_stand_where_the_channels_name_them():
    some = LineFormat(fed(feature_set="sensor_acc_gyr", gyroscopes=["right_wrist"], invariants=True))
    _, sample = some.parse(b"0,1,2,3,4,5,6,7,8,9")
    assert list(sample["acc"]) == ["chest", "right_wrist"] and list(sample["gyr"]) == ["right_wrist"]
    assert sample["gyr"]["right_wrist"].tolist() == [7, 8, 9]
    turned = LineFormat(fed(feature_set="world_acc_ori"))
    _, sample = turned.parse(b"0," + b",".join(b"%d" % i for i in range(24)))
    np.testing.assert_array_equal(sample["ori"]["right_wrist"], np.arange(15, 24).reshape(3, 3))


@pytest.mark.parametrize("line", [b"", b"  ", b"# made by a watch", FORMAT.header.encode()])
def test_blank_lines_comments_and_the_header_are_no_samples(line):
    assert LineFormat(fed()).parse(line) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"0,1,2,3,4,5", "must hold 7 values, but holds 6"),
        (b"0,1,2,3,4,5,6,7", "must hold 7 values, but holds 8"),
        (b"0,1,2,3,4,5,x", "must hold numbers only"),
        (b"0,1,2,3,4,5,1_0", "must hold numbers only"),
        (b"0,1,2,3,4,5,", "must hold numbers only"),
        (b"nan,1,2,3,4,5,6", "must hold finite numbers"),
        (b"0,1,2,3,4,5,1e39", "must hold finite numbers"),
        (b"0," * 4000, "must be at most 224 bytes long"),
        (b"\x1b[2J\x00\xff", "must hold 7 values, but holds 1"),
    ],
)
def test_what_is_no_sample_is_told_in_our_own_words(line, why):
    with pytest.raises(MalformedError, match=why) as raised:
        LineFormat(fed()).parse(line)
    assert str(raised.value).isprintable()


def test_lines_after_a_header_of_another_order_are_refused_until_the_right_one_comes():
    lines = LineFormat(fed())
    other = lines.header.replace("chest.acc.x,chest.acc.y", "chest.acc.y,chest.acc.x").encode()
    for line in (other, b"0,1,2,3,4,5,6"):
        with pytest.raises(MalformedError, match="its header must name the recogniser's channels in their order"):
            lines.parse(line)
    assert lines.parse(lines.header.encode()) is None
    assert lines.parse(b"0,1,2,3,4,5,6") is not None


@given(st.binary(max_size=400))
def test_any_bytes_are_a_sample_or_malformed_and_nothing_else(line):
    try:
        LineFormat(fed()).parse(line)
    except MalformedError as error:
        assert str(error).isprintable()


@given(lines=st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))), data=st.data())
def test_however_bytes_come_the_lines_are_the_same(lines, data):
    whole = b"".join(line + b"\r\n" for line in lines) + b"rest"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    splitter = Splitter(100)
    got = []
    for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got += splitter.feed(whole[a:b])
    got += splitter.end()
    assert got == [*lines, b"rest"]


def test_a_line_without_end_is_not_kept():
    splitter = Splitter(100)
    for _ in range(1000):
        assert list(splitter.feed(b"9" * 1000)) == []
        assert len(splitter._held) <= 101
    assert [len(line) for line in splitter.feed(b"\n1,2\n")] == [101, 3]
