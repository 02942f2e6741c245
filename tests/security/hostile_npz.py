"""Files in AMASS's format that a reader must not trust, each named by its row of tests/faults.yaml."""

import os
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ, SECONDS = 120.0, 3.0
Arrays = dict[str, Any]


class Calls:
    """Pickles as a call that makes a file: the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


@dataclass(frozen=True)
class Case:
    """A file, and what must become of it."""

    row: int
    name: str
    """Below the archive; it says `walking`, so that the label rules keep it."""
    write: Callable[[Path, Path], None]
    """Gets its path and the canary's."""
    reason: str | None
    """Of the rejection; None: it becomes a clip."""
    seconds: float = SECONDS
    """Of the clip."""


def take(number: int, rate_hz: float = RATE_HZ, **changes: object) -> Arrays:
    """A person who swings arms and walks on, each `number` at another pace; a None leaves a key out."""
    t = np.arange(int(SECONDS * rate_hz)) / rate_hz
    poses = np.zeros((len(t), 156))
    poses[:, [48, 51]] = 0.5 * np.sin(2 * np.pi * (0.7 + number / 100) * t)[:, None]
    trans = np.stack([t * 0.8, 0 * t, 0 * t + 1.0], axis=1)
    data = {
        "poses": poses, "trans": trans, "betas": np.zeros(16), "gender": np.array("female"),
        "mocap_framerate": np.array(rate_hz),
    } | changes  # fmt: skip
    return {key: value for key, value in data.items() if value is not None}


def saved(number: int, rate_hz: float = RATE_HZ, **changes: object) -> Callable[[Path, Path], None]:
    return lambda path, _: np.savez(path, **take(number, rate_hz, **changes))


def spoiled(how: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    def write(path: Path, _: Path) -> None:
        np.savez(path, **take(0))
        path.write_bytes(how(path.read_bytes()))

    return write


def flipped(content: bytes) -> bytes:
    """In the middle of an array."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


def npy(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def bomb(path: Path, _: Path) -> None:
    """`poses` of 1 GiB of zeros in 1 MB: a deflated MiB, 1,024 times over, true to its checksum and sizes."""
    mib, n = bytes(2**20), 1024
    head = npy((2**30 // (8 * 156), 156))
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = compressor.compress(head) + compressor.flush(zlib.Z_FULL_FLUSH)
    block = compressor.compress(mib) + compressor.flush(zlib.Z_FULL_FLUSH)
    stream = first + block * n + compressor.flush(zlib.Z_FINISH)
    checksum = zlib.crc32(head)
    for _i in range(n):
        checksum = zlib.crc32(mib, checksum)
    fields = struct.pack(
        "<5H3I2H", 20, 0, zipfile.ZIP_DEFLATED, 0, 0, checksum, len(stream), len(head) + n * len(mib), 9, 0
    )
    local = b"PK\x03\x04" + fields + b"poses.npy" + stream
    directory = b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<3H2I", 0, 0, 0, 0, 0) + b"poses.npy"
    path.write_bytes(
        local + directory + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, len(directory), len(local), 0)
    )


def with_members(*more: tuple[str, bytes]) -> Callable[[Path, Path], None]:
    """A good take with further members, which may have the names of good ones."""

    def write(path: Path, _: Path) -> None:
        np.savez(path, **take(0))
        with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that occur twice: that is the point
            for name, content in more:
                archive.writestr(name, content)

    return write


def claiming(path: Path, _: Path) -> None:
    """`poses` of 7 TiB, by its header."""
    np.savez(path, **take(0, poses=None))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("poses.npy", npy((7 * 2**40 // (8 * 156), 156), b"x" * 64))


def objects(path: Path, canary: Path) -> None:
    np.savez(path, **take(0, poses=np.array([Calls(canary)], dtype=object)))


def pickled(path: Path, canary: Path) -> None:
    """No zip at all, but a pickle: what `numpy.load` would undo by itself when allowed to."""
    path.write_bytes(pickle.dumps(Calls(canary)))


def place(archive: Path, name: str) -> Path:
    """Of a case: takes of four people, dealt in turn, but for those that name a collection of AMASS's."""
    number = [case.name for case in CASES].index(name)
    return archive / name if "/" in name else archive / "DemoMocap" / f"subject_{number % 4}" / name


NAN, INF = float("nan"), float("inf")
LONG = "walking_" + "a" * (255 - len("walking__poses.npz")) + "_poses.npz"
CASES = [
    Case(25, "walking empty_poses.npz", lambda path, _: path.touch(), "unreadable"),
    Case(26, "walking cut_poses.npz", spoiled(lambda content: content[: len(content) * 3 // 5]), "unreadable"),
    Case(27, "walking flipped_poses.npz", spoiled(flipped), "unreadable"),
    Case(28, "walking bomb_poses.npz", bomb, "oversized"),
    Case(29, "walking claims_poses.npz", claiming, "oversized"),
    Case(30, "walking twice_poses.npz", with_members(("poses.npy", npy((0, 156)))), "unreadable"),
    Case(31, "walking leads out_poses.npz", with_members(("../../x", b"x")), "unreadable"),
    Case(31, "walking leads to root_poses.npz", with_members(("/somewhere/x.npy", b"x")), "unreadable"),
    Case(32, "walking objects_poses.npz", objects, "unsafe_pickle"),
    Case(32, "walking pickle_poses.npz", pickled, "unreadable"),
    Case(38, "walking no rate_poses.npz", saved(0, mocap_framerate=None), "unknown_rate"),
    Case(38, "walking other key_poses.npz", saved(0, mocap_framerate=None, fps=np.array(60.0)), "unknown_rate"),
    Case(38, "walking_one_poses.npz", saved(1), None),
    Case(38, "walking_two_stageii.npz", saved(2, mocap_framerate=None, mocap_frame_rate=np.array(RATE_HZ)), None),
    *[Case(39, f"walking rate {hz}_poses.npz", saved(0, mocap_framerate=np.array(hz)), "unknown_rate")
      for hz in (0.0, -60.0, NAN, 1e9)],
    *[Case(40, f"walking at {hz}_poses.npz", saved(3 + i, hz), None) for i, hz in enumerate((59.0, 100.0, 119.88))],
    Case(41, "CMU/62/walking_11_poses.npz", saved(6), None, SECONDS * 2),
    Case(42, "walking of 72_poses.npz", saved(7, poses=take(7)["poses"][:, :72]), None),
    Case(42, "walking of 165_poses.npz", saved(8, poses=np.pad(take(8)["poses"], ((0, 0), (0, 9)))), None),
    Case(42, "walking of 150_poses.npz", saved(0, poses=take(0)["poses"][:, :150]), "bad_shape"),
    Case(43, "walking without end_poses.npz", saved(0, trans=take(0)["trans"][:-1]), "bad_shape"),
    Case(44, "walking nan_poses.npz", saved(0, poses=take(0)["poses"] * [*[1] * 9, NAN, *[1] * 146]), "non_finite"),
    Case(44, "walking inf_poses.npz", saved(0, trans=np.full((360, 3), INF)), "non_finite"),
    Case(46, "walking frame_poses.npz", saved(0, poses=np.zeros((1, 156)), trans=np.zeros((1, 3))), "too_short"),
    Case(46, "walking half a second_poses.npz", saved(15, poses=take(15)["poses"][:60], trans=take(15)["trans"][:60]),
         None, 0.5),
    Case(47, "walking bytes_poses.npz", saved(9, gender=np.array(b"male")), None),
    Case(47, "walking unknown_poses.npz", saved(10, gender=np.array("unknown")), None),
    Case(47, "walking none_poses.npz", saved(11, gender=None), None),
    Case(51, "walking again_poses.npz", saved(1), "duplicate"),
    Case(53, "walking_日本語_ü_poses.npz", saved(12), None),
    Case(53, " walking  with spaces _poses.npz", saved(13), None),
    Case(53, LONG, saved(14), None),
]  # fmt: skip
