"""Downloaded archives: unpacked once, whole or not at all, and nothing outside their folder."""

import gzip
import io
import lzma
import os
import resource
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile

import pytest

from vimu.archives import packed
from vimu.archives import unpack as unpacking
from vimu.archives.unpack import MARK, archive_name, unpack, unpack_all
from vimu.contracts import Reason, Rejection
from vimu.runtime.errors import UserError

FILES = {"CMU/13/13_18_poses.npz": b"walk" * 500, "CMU/LICENSE.txt": b"free", "CMU/13/with space_poses.npz": b""}


def write(path, files=FILES, **member):
    """An archive of the kind that its name says; `member`: attributes of one more tar member."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, data in files.items():
                bundle.writestr(name, data)
        return path
    with tarfile.open(path, "w:" + {"bz2": "bz2", "xz": "xz", "gz": "gz", "tgz": "gz"}.get(path.suffix[1:], "")) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o4777
            tar.addfile(info, io.BytesIO(data))
        if member:
            info = tarfile.TarInfo("odd")
            for key, value in member.items():
                setattr(info, key, value)
            tar.addfile(info)
    return path


@pytest.mark.parametrize("suffix", unpacking.SUFFIXES)
def test_every_kind_is_unpacked_byte_for_byte(tmp_path, suffix):
    assert unpack(write(tmp_path / f"CMU{suffix}"), tmp_path) == 3
    for name, data in FILES.items():
        path = tmp_path / "CMU" / name
        assert path.read_bytes() == data
        assert path.stat().st_mode & 0o7111 == 0  # no mode of the archive's
    assert not list(tmp_path.glob(".*"))


def test_again_does_nothing_and_another_archive_is_refused(tmp_path):
    archive = write(tmp_path / "CMU.tar.bz2")
    unpack(archive, tmp_path)
    before = (tmp_path / "CMU" / MARK).stat().st_mtime_ns
    assert unpack(archive, tmp_path) == 3
    assert (tmp_path / "CMU" / MARK).stat().st_mtime_ns == before
    write(archive, {"CMU/1/other_poses.npz": os.urandom(5000)})
    with pytest.raises(UserError, match="must be made from"):
        unpack(archive, tmp_path)


def test_a_folder_of_the_users_own_is_never_touched(tmp_path):
    (tmp_path / "CMU").mkdir()
    with pytest.raises(UserError, match="Delete it, or unpack elsewhere"):
        unpack(write(tmp_path / "CMU.tar.bz2"), tmp_path)


def test_what_a_killed_run_left_is_cleared(tmp_path):
    (tmp_path / ".CMU.partial" / "CMU").mkdir(parents=True)
    (tmp_path / ".CMU.partial" / "CMU" / "half.npz").write_bytes(b"x")
    unpack(write(tmp_path / "CMU.tar.bz2"), tmp_path)
    assert not list(tmp_path.rglob("half.npz"))


@pytest.mark.fault(37)
@pytest.mark.parametrize("name", ["../evil.npz", "/evil.npz", "CMU/../../evil.npz", "CMU\\..\\evil.npz"])
@pytest.mark.parametrize("suffix", [".tar.bz2", ".zip"])
def test_names_that_lead_out_are_refused_and_nothing_is_left(tmp_path, name, suffix):
    with pytest.raises(Rejection, match="leads out of the folder"):
        unpack(write(tmp_path / f"CMU{suffix}", FILES | {name: b"evil"}), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.fault(37)
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with pytest.raises(Rejection, match="is a link or a device"):
        unpack(write(tmp_path / "CMU.tar.bz2", type=kind, linkname="/etc/passwd"), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.fault(37)
def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as bundle:
        bundle.writestr(info, "/etc/passwd")
    with pytest.raises(Rejection, match="is a link or a device"):
        unpack(tmp_path / "x.zip", tmp_path)


@pytest.mark.parametrize("suffix", [".tar.bz2", ".zip"])
def test_limits_hold_on_the_bytes_that_come_out(tmp_path, suffix, monkeypatch):
    bomb = write(tmp_path / f"bomb{suffix}", {"a/zeros.npz": bytes(3_000_000)})
    assert bomb.stat().st_size < 10_000
    with pytest.raises(Rejection) as error:
        unpack(bomb, tmp_path / "out", max_bytes=2_000_000)
    assert error.value.reason is Reason.OVERSIZED
    monkeypatch.setattr(packed, "MAX_FILES", 2)
    with pytest.raises(Rejection, match="more than 2 files"):
        unpack(write(tmp_path / f"many{suffix}"), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("suffix", [".tar.bz2", ".tar.xz", ".tar.gz", ".tar", ".zip"])
def test_a_cut_download_is_a_rejection_and_leaves_nothing(tmp_path, suffix):
    """Also where whole files come before the cut (bz2 has blocks of 900 kB): half an archive must not pass for all."""
    path = write(tmp_path / f"CMU{suffix}", {f"CMU/1/{i}.npz": os.urandom(100_000) for i in range(15)})
    whole = path.read_bytes()
    for share in (0, 0.01, 0.4, 0.7, 0.95):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(Rejection) as error:
            unpack(path, tmp_path / "out")
        assert error.value.reason is Reason.UNREADABLE
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("suffix", [".tar.bz2", ".tar.xz", ".tar.gz", ".zip"])
def test_a_flipped_byte_is_found(tmp_path, suffix):
    path = write(tmp_path / f"CMU{suffix}", {"CMU/1/a.npz": os.urandom(5000)})
    raw = bytearray(path.read_bytes())
    raw[2000] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(Rejection):
        unpack(path, tmp_path / "out")


def test_folders_are_searched_and_one_bad_archive_does_not_stop_the_others(tmp_path):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "CMU.tar.bz2")
    write(tmp_path / "in" / "KIT.zip")
    (tmp_path / "in" / "EKUT.tar.bz2").write_bytes(b"no archive")
    results = {archive_name(k): v for k, v in unpack_all([tmp_path / "in"], tmp_path / "out").items()}
    assert (results["CMU"], results["KIT"]) == (3, 3)
    assert isinstance(results["EKUT"], Rejection)
    with pytest.raises(UserError, match="comes twice"):
        unpack_all([write(tmp_path / "CMU.zip"), tmp_path / "in"], tmp_path / "out")
    with pytest.raises(UserError, match="must be an archive"):
        unpack_all([tmp_path / "none"], tmp_path / "out")


def test_the_command_of_the_docs(tmp_path, repo):
    write(tmp_path / "CMU.tar.bz2")
    done = subprocess.run(
        [sys.executable, "-m", "vimu.archives.unpack", tmp_path, "--into", tmp_path], cwd=repo, capture_output=True,
        text=True,
    )  # fmt: skip
    assert (done.returncode, "1 of 1 archives" in done.stderr) == (0, True), done.stderr
    wrong = subprocess.run(
        [sys.executable, "-m", "vimu.archives.unpack", tmp_path / "none", "--into", tmp_path], cwd=repo,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (wrong.returncode, "must be an archive" in wrong.stderr) == (2, True)


# ---- what tarfile and zipfile would take


def plain_tar(tmp_path, n_files=3):
    return write(tmp_path / "CMU.tar", {f"CMU/{i}.txt": b"x" * 100 for i in range(n_files)})


def refused(archive, into, **limits):
    with pytest.raises(Rejection) as caught:
        unpack(archive, into, **limits)
    assert not [p for p in into.iterdir() if p != archive], "something is left"
    return caught.value


def test_a_damaged_header_is_not_the_end_of_a_tar(tmp_path):
    """tarfile ends quietly there: the files that follow would be missing, and nobody told."""
    archive = plain_tar(tmp_path)
    data = bytearray(archive.read_bytes())
    data[2 * tarfile.BLOCKSIZE + 100] ^= 0xFF  # of the second member's header
    archive.write_bytes(data)
    with tarfile.open(archive) as lenient:
        assert len(lenient.getnames()) == 1
    assert "a header is damaged" in refused(archive, tmp_path).detail


@pytest.mark.parametrize("end", [b"", b"\0" * 100])
def test_a_tar_without_its_end_is_cut_short_whatever_packs_it(tmp_path, end):
    data = plain_tar(tmp_path).read_bytes()[: 6 * tarfile.BLOCKSIZE]
    (tmp_path / "CMU.tar").unlink()
    archive = tmp_path / "CMU.tar.gz"
    archive.write_bytes(gzip.compress(data + end))
    assert "cut short" in refused(archive, tmp_path).detail


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_takes_no_memory_of_the_size_that_it_claims(tmp_path, kind):
    info = tarfile.TarInfo("CMU/a")
    info.type, info.size = kind, 2**32
    archive = tmp_path / "CMU.tar.gz"
    archive.write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(2**25)))
    tracemalloc.start()
    try:
        assert "a header of 4,294,967,296 bytes" in refused(archive, tmp_path).detail
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_folders_count_as_files_do(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MAX_FILES", 5)
    archive = tmp_path / "CMU.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for i in range(6):
            info = tarfile.TarInfo(f"CMU/{i}")
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
    assert "more than 5 files and folders" in refused(archive, tmp_path).detail


def test_what_follows_the_end_is_read_no_further_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MAX_FILES", 100)
    archive = tmp_path / "CMU.tar.gz"
    archive.write_bytes(gzip.compress(plain_tar(tmp_path).read_bytes() + bytes(2**24)))
    (tmp_path / "CMU.tar").unlink()
    assert refused(archive, tmp_path, max_bytes=2**20).reason == Reason.OVERSIZED


def test_lzma_that_asks_for_gigabytes_is_refused(tmp_path):
    tar = plain_tar(tmp_path).read_bytes()
    (tmp_path / "CMU.tar").unlink()
    archive = tmp_path / "CMU.tar.xz"
    big = {"id": lzma.FILTER_LZMA2, "dict_size": 2**30, "preset": 0}
    for first in (0, 512):  # also where only a later stream does
        before = lzma.compress(tar[:first]) if first else b""
        archive.write_bytes(before + lzma.compress(tar[first:], filters=[big]))
        assert "Memory usage limit" in refused(archive, tmp_path).detail
    archive.unlink()
    archive = tmp_path / "CMU.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as bundle:
        bundle.writestr("a", b"x")
    assert "method 14" in refused(archive, tmp_path).detail


def test_several_streams_of_xz_are_one_archive(tmp_path):
    tar = plain_tar(tmp_path).read_bytes()
    (tmp_path / "CMU.tar").unlink()
    (tmp_path / "CMU.tar.xz").write_bytes(lzma.compress(tar[:700]) + bytes(8) + lzma.compress(tar[700:]) + bytes(4))
    assert unpack(tmp_path / "CMU.tar.xz", tmp_path) == 3
    assert {p.read_bytes() for p in (tmp_path / "CMU").rglob("*.txt")} == {b"x" * 100}


@pytest.mark.parametrize("names", [["a", "a/b/c"], ["a/b", "a"], ["n" * 300], [MARK], [f"{MARK}/x"]])
def test_names_that_no_folder_can_hold_are_a_rejection(tmp_path, names):
    archive = tmp_path / "CMU.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for name in names:
            bundle.writestr(name, b"x")
    assert refused(archive, tmp_path).reason == Reason.UNREADABLE


@pytest.mark.fault(8)
def test_a_disk_without_room_is_exit_1_naming_the_place_and_the_bytes_and_nothing_is_left(tmp_path):
    archive = write(tmp_path / "CMU.tar", {"walk_poses.npz": bytes(6000)})
    done = subprocess.run(
        [sys.executable, "-m", "vimu.archives.unpack", str(archive), "--into", str(tmp_path / "out")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)), capture_output=True, text=True,
        timeout=100,
    )  # fmt: skip
    said = " ".join(done.stderr.split())
    assert (done.returncode, "Traceback" in said) == (1, False), said
    assert f"must be unpacked into `{tmp_path}/out`, but: File too large; " in said and " bytes are free there" in said
    assert not list((tmp_path / "out").iterdir())


def test_a_place_that_is_no_folder_is_a_persons_matter(tmp_path):
    archive = write(tmp_path / "CMU.tar")
    with pytest.raises(UserError, match=r"`--into` must be a folder that can be written, but: .*File exists"):
        unpack_all([archive], archive)
