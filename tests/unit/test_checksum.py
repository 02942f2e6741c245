"""The fast CRC-32 is zlib's."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimu.runtime import checksum
from vimu.runtime.checksum import LONG_BYTES, crc32


@settings(deadline=None)
@given(length=st.integers(0, 3 * LONG_BYTES), seed=st.integers(0, 2**31))
def test_it_is_zlibs_at_any_length(length, seed):
    data = np.random.default_rng(seed).bytes(length)
    assert crc32(data) == zlib.crc32(data)


@pytest.mark.parametrize("length", [0, LONG_BYTES - 1, LONG_BYTES, LONG_BYTES + 1, LONG_BYTES + 63, 10**6])
@pytest.mark.parametrize("value", [0, 255])
def test_it_is_zlibs_on_even_bytes(length, value):
    data = bytes([value]) * length
    assert crc32(data) == zlib.crc32(data)


@settings(deadline=None)
@given(at=st.integers(0, 8 * (LONG_BYTES + 40) - 1))
def test_every_flipped_bit_shows(at):
    data = bytearray(np.random.default_rng(0).bytes(LONG_BYTES + 40))
    before = crc32(bytes(data))
    data[at // 8] ^= 1 << at % 8
    assert crc32(bytes(data)) != before


def test_without_carry_less_products_zlib_does_it(monkeypatch):
    monkeypatch.setattr(checksum, "HAS_PRODUCTS", False)
    monkeypatch.setattr(checksum, "_fold", None)
    data = bytes(range(256)) * 64
    assert crc32(data) == zlib.crc32(data)
