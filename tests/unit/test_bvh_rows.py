"""The compiled reader of BVH numbers: the same float as Python's, or it leaves the file to NumPy."""

import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vimu.archives import bvh_rows
from vimu.archives.bvh_rows import read_numbers
from vimu.runtime.compiled import plain


def fast(text, rows, columns):
    """The values, or None where the compiled reader gives up."""
    values = np.empty((rows, columns))
    read = bvh_rows._read_decimals(np.frombuffer(text, np.uint8), plain(bvh_rows.EXACT_POWERS), values)
    return values if read else None


WORDS = st.one_of(
    st.floats(-1e7, 1e7).map(repr),
    st.floats(-1e4, 1e4).map("{:.6g}".format),
    st.floats(-1e4, 1e4).map("{:.4f}".format),
    st.from_regex(r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{0,5})?", fullmatch=True),
    st.text("0123456789+-.eE_xnaif,\x00\xa0", min_size=1, max_size=8),
)


@settings(max_examples=250, deadline=None)
@given(word=WORDS)
@example("9007199254740993")
@example("0.30000000000000004")
@example("1e23")
@example("4.35")
@example("-0")
@example("1e22")
def test_a_number_is_pythons_or_left_alone(word):
    got = fast(f"{word}\n".encode("latin1"), 1, 1)
    if got is not None:
        wanted = float(word)
        assert (got[0, 0], np.signbit(got[0, 0])) == (wanted, np.signbit(wanted))


def test_what_exporters_write_takes_the_fast_way():
    text = b"0 -0 1.5 +2. .25\t-5.51765e-07 1E3 153.687 \r\n" + b"\n" + b"1 2 3 4 5 6 7 8"
    assert fast(text, 2, 8) is not None
    np.testing.assert_array_equal(read_numbers(text, 2, 8), np.loadtxt(io.BytesIO(text)))


@pytest.mark.parametrize(
    "text",
    [
        b"1 2\n3 4\n5 6\n", b"1 2\n", b"1 2\n3\n4 5 6\n", b"1 2 3\n4\n", b"1 2\n3 4", b"", b" \n", b"1 2\n3 nan\n",
        b"1 2\n3 4 # x\n", b"1 2\r3 4\r", b"1 2\n3 1_0\n", b"1 2\n3 --4\n", b"1 2\n3 4e\n", b"1 2\n3 .\n",
        b"1 2\n3 e5\n", b"1,2\n3,4\n", b"1 2\n3 4\x00\n", b"1 2\n3 1e999\n", b"1 2\n3 0x10\n", b"1\xa02\n3\x0b4\n",
        b"1 2\n3 4-\n", b"1 2\n3 4.5.6\n", b"1 2\n\n3 4\n\n", b"1 2\n3 \xb2\n",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_values_and_refusals_are_those_of_numpys_reader(text):
    def outcome(read):
        try:
            return read().tolist()
        except ValueError:
            return "refused"

    def numpys():
        return np.loadtxt(io.BytesIO(text), comments=None, ndmin=2)

    assert str(outcome(lambda: read_numbers(text, 2, 2))) == str(outcome(numpys))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=5))
def test_rows_come_back_exactly(rows):
    text = "\n".join(" ".join(map(repr, row)) for row in rows).encode()
    np.testing.assert_array_equal(read_numbers(text, len(rows), 3), rows)
