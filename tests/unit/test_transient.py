"""Storage that fails says nothing about a file; a disk that is full is a message that says so."""

import errno
import os

import numpy as np
import pytest

from vimu.contracts import Rejection
from vimu.runtime.errors import OperationError, TransientError
from vimu.runtime.safe_load import load_npz
from vimu.runtime.storage import create, write_whole
from vimu.runtime.transient import blame_storage


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "take.npz", poses=np.zeros((9, 9)))
    return tmp_path / "take.npz"


def rejection_of(path):
    with pytest.raises(Rejection) as found:
        load_npz(path, ["poses"])
    return found.value


@pytest.mark.fault(10, 13)
@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), OSError(errno.ESTALE, "Stale"), MemoryError()]
)
def test_behind_a_rejection_may_be_the_storage(npz, monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr("zipfile.ZipFile", fails)
    with pytest.raises(TransientError, match=r"`take.npz` must be readable, but is not at the moment: .+"):
        blame_storage(rejection_of(npz), "take.npz")


@pytest.mark.parametrize("n_bytes", [0, 1, 100, 500])
def test_a_file_cut_short_is_the_files_own_fault(npz, n_bytes):
    npz.write_bytes(npz.read_bytes()[:n_bytes])
    blame_storage(rejection_of(npz), npz)


@pytest.mark.fault(8)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_names_the_path_and_the_bytes_and_takes_none(tmp_path, monkeypatch, code):
    def fails(_):
        raise OSError(code, os.strerror(code))

    write_whole(tmp_path / "x", b"before")
    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(
        OperationError, match=rf"`{tmp_path}/x` must be written, 5 bytes, but: .*; [\d,]+ bytes are free"
    ):
        write_whole(tmp_path / "x", b"after")
    assert (tmp_path / "x").read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_file_is_created_once(tmp_path):
    assert create(tmp_path / "new" / "x", b"1")
    assert not create(tmp_path / "new" / "x", b"2")
    assert (tmp_path / "new" / "x").read_bytes() == b"1"
