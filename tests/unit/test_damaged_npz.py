"""Any damage to an npz file is `unreadable` or `oversized`, or changes nothing: libdeflate never sees to more."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimu.contracts import Reason, Rejection
from vimu.runtime.safe_load import MAX_EXPANSION, load_npz

ARRAYS = {"poses": np.sin(np.arange(3000.0)).reshape(-1, 12).round(3), "rate": np.array(120.0), "even": np.zeros(4000)}


@lru_cache
def _good(deflated: bool) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if deflated else np.savez)(stream, **ARRAYS)
    return stream.getvalue()


def _refused_or_unchanged(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        read = load_npz(path, list(ARRAYS), max_bytes=10**6)
    except Rejection as rejection:
        assert rejection.reason in {Reason.UNREADABLE, Reason.OVERSIZED}
    else:
        for key, array in read.items():
            np.testing.assert_array_equal(array, ARRAYS[key])


DAMAGE = st.one_of(
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(1, 255)),
    st.tuples(st.just("cut"), st.floats(0, 1), st.just(0)),
    st.tuples(st.just("drop"), st.floats(0, 1), st.integers(1, 300)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=300)),
)


@pytest.mark.fault(26, 27)
@pytest.mark.parametrize("deflated", [False, True])
@settings(max_examples=100, deadline=None)
@given(damages=st.lists(DAMAGE, min_size=1, max_size=4))
def test_whatever_becomes_of_the_bytes_of_a_file(tmp_path_factory, deflated, damages):
    content = _good(deflated)
    for kind, where, what in damages:
        at = round(where * max(len(content) - 1, 0))
        match kind:
            case "flip":
                content = content[:at] + bytes(b ^ what for b in content[at : at + 1]) + content[at + 1 :]
            case "cut":
                content = content[:at]
            case "drop":
                content = content[:at] + content[at + what :]
            case "insert":
                content = content[:at] + what + content[at:]
    _refused_or_unchanged(tmp_path_factory.getbasetemp() / "damaged.npz", content)


@settings(max_examples=100, deadline=None)
@given(stream=st.binary(max_size=2000), size=st.integers(0, 10**6), like=st.booleans(), level=st.integers(0, 9))
def test_whatever_stands_where_a_deflated_stream_should(tmp_path_factory, stream, size, like, level):
    """Whole members of noise, or of a stream that begins well, with a checksum that fits no stream or any."""
    if like:
        stream = zlib.compress(_good(False)[:3000], level, wbits=-15)[: -1 - len(stream) % 50] + stream
    _refused_or_unchanged(tmp_path_factory.getbasetemp() / "stream.npz", _member(stream, size, zlib.crc32(stream)))


def _member(stream: bytes, size: int, checksum: int) -> bytes:
    """A zip of `poses.npy` alone, its directory and header true to each other."""
    fields = struct.pack("<5H3I2H", 20, 0, zipfile.ZIP_DEFLATED, 0, 0, checksum, len(stream), size, 9, 0)
    local = b"PK\x03\x04" + fields + b"poses.npy" + stream
    directory = b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<3H2I", 0, 0, 0, 0, 0) + b"poses.npy"
    return local + directory + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, len(directory), len(local), 0)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_members_made_by_hand_are_read_where_they_are_true(tmp_path):
    plain = _npy(ARRAYS["poses"])
    (tmp_path / "a.npz").write_bytes(_member(zlib.compress(plain, wbits=-15), len(plain), zlib.crc32(plain)))
    np.testing.assert_array_equal(load_npz(tmp_path / "a.npz", ["poses"])["poses"], ARRAYS["poses"])


@pytest.mark.parametrize("off_by", [-1000, -1, 1, 1000, 10**6])
def test_a_size_that_is_not_the_streams_is_refused(tmp_path, off_by):
    plain = _npy(ARRAYS["poses"])
    (tmp_path / "a.npz").write_bytes(_member(zlib.compress(plain, wbits=-15), len(plain) + off_by, zlib.crc32(plain)))
    with pytest.raises(Rejection) as caught:
        load_npz(tmp_path / "a.npz", ["poses"])
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.fault(28)
@pytest.mark.parametrize("n_bytes", [2, 200])
def test_a_few_bytes_that_claim_much_take_no_memory(tmp_path, n_bytes):
    """400 MB are within the limit of what a file may expand to, but not of what these bytes can."""
    (tmp_path / "a.npz").write_bytes(_member(b"\x03" + bytes(n_bytes - 1), 400 * 10**6, 0))
    tracemalloc.start()
    try:
        with pytest.raises(Rejection, match=f"claims more than {n_bytes} deflated bytes can hold"):
            load_npz(tmp_path / "a.npz", ["poses"])
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


def test_what_compresses_best_is_within_the_expansion_that_deflate_can_reach(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", poses=np.zeros(10**7))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        info = archive.getinfo("poses.npy")
    assert 0.95 * MAX_EXPANSION < info.file_size / info.compress_size < MAX_EXPANSION
    assert load_npz(tmp_path / "a.npz", ["poses"])["poses"].shape == (10**7,)
