"""Small valid files of every format that is read, from which the fuzzers start."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from scipy.spatial.transform import Rotation

from asf_text import ASF
from fuzz.container import packed
from vimu.contracts import SMPL_PARENTS

REPO = Path(__file__).resolve().parents[2]
CONFIGS = REPO / "configs"


def _wave(n: int, hz: float, up: float) -> np.ndarray:
    """(n, 3): a device whose y is the wearer's vertical; `up` is what y has at rest."""
    t = np.arange(n) / hz
    return np.stack([0.1 * np.sin(6 * t), up + 0.3 * np.sin(9 * t), 0.05 * np.cos(3 * t)], axis=1).round(3)


def _lines(rows: np.ndarray, separator: str) -> list[str]:
    return [separator.join(f"{v:.9g}" for v in row) for row in rows.tolist()]


def _text(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _npz(compressed: bool, **arrays: object) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def amass() -> list[bytes]:
    poses = np.zeros((6, 156), np.float32)
    poses[:, 3] = np.linspace(0, 0.5, 6)
    common = {"poses": poses, "trans": np.zeros((6, 3)), "betas": np.zeros(16)}
    return [
        _npz(False, **common, gender=np.array("male"), mocap_framerate=np.array(120.0)),
        _npz(True, **common | {"poses": poses[:, :72]}, gender=np.array(b"female"), mocap_frame_rate=np.array(59)),
    ]


def smpl() -> list[bytes]:
    """A body of eight vertices; the target makes `load_smpl_model` take it for SMPL's 6,890."""
    rng = np.random.default_rng(0)
    arrays = {
        "v_template": rng.normal(size=(8, 3)), "shapedirs": np.zeros((8, 3, 2)),
        "posedirs": np.zeros((8, 3, 207), np.float32), "J_regressor": np.full((24, 8), 1 / 8),
        "weights": np.full((8, 24), 1 / 24), "kintree_table": np.array([SMPL_PARENTS, range(24)]).astype(np.uint32),
    }  # fmt: skip
    sparse_too = arrays | {"J_regressor": sparse.csc_matrix(arrays["J_regressor"]), "bs_type": "lrotmin"}
    return [pickle.dumps(arrays, 2), pickle.dumps(sparse_too, 4), pickle.dumps(sparse_too, 0)]


def dip() -> list[bytes]:
    """Of two sensors; the target leaves as many in the set's YAML."""
    turn = Rotation.from_rotvec(np.outer(np.linspace(0, 1, 80), [0, 1, 0])).as_matrix()
    arrays = {
        "imu_acc": np.stack([_wave(80, 60, 0), _wave(80, 60, 0)], axis=1), "imu_ori": np.stack([turn, turn], axis=1)
    }  # fmt: skip
    gap = {key: value.copy() for key, value in arrays.items()}
    gap["imu_acc"][30:33, 0] = np.nan
    return [pickle.dumps(arrays, 2), pickle.dumps(gap | {"gt": np.zeros((80, 72), np.float32)}, 5)]


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Chest
  {
    OFFSET 0 20.5 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 10 0
    }
  }
}
MOTION
Frames: 4
Frame Time: 0.0333333
0 90 0 0 1.5 -2 3 4 5
0.1 90 0 0 1.5 -2 3 4e0 5
0.2 90.25 0 0 1.5 -2 3 4 5
0.3 90 0 0 1.5 -2 3 4 5.00001
"""


def bvh() -> list[bytes]:
    return [BVH.encode(), BVH.replace("\n", "\r\n").replace("  ", "\t").encode()]


def asf_amc() -> list[bytes]:
    frames = [f"{i}\nroot 0 {16 + i} 0 1 2 3\nthigh {i} 5.5 0" for i in range(1, 5)]
    amc = _text("# c", ":FULLY-SPECIFIED", ":DEGREES", *frames)
    commented = "# a comment\n" + ASF.replace("length 0.45", "length 1")
    return [packed([amc, ASF.encode()]), packed([amc, commented.encode()])]


def umafall() -> list[bytes]:
    rows = []
    for sensor, hz, kinds in ((0, 200, (0,)), (1, 20, (0, 1)), (3, 20, (0, 1))):
        for kind in kinds:
            n = int(1.6 * hz)
            for i, xyz in enumerate(_lines(_wave(n, hz, 1 - kind), ";")):
                rows.append((i / hz, f"{50 + 1000 * i // hz};{i};{xyz};{kind};{sensor}"))
    body = [text for _, text in sorted(rows)]
    bare = "TimeStamp;Sample No;X-Axis;Y-Axis;Z-Axis;Sensor_Type;Sensor_ID"
    lost = [*body[:40], body[40].replace("0.", "10.1.", 1), *body[41:], ";;;;;;"]
    return [_text(bare, *body), _text("% a comment", f"% {bare};", "", *(f"{line};" for line in lost))]


def hapt() -> list[bytes]:
    acc, gyr = (_text(*_lines(_wave(80, 50, up), " ")) for up in (1, 0))
    return [packed([acc, gyr, b"1 1 5 1 60\n01 1 1 61 80\n"]), packed([acc, gyr, b"1 1 1 1 80\n"])]


def table() -> list[bytes]:
    rows = np.hstack([_wave(90, 50, 9.8), _wave(90, 50, 0)])
    lines = [f"{line},{'walk' if i < 70 else 'sit'}" for i, line in enumerate(_lines(rows, ","))]
    return [_text("a.x,a.y,a.z,g.x,g.y,g.z,label", *lines), _text('"a.x",a.y,a.z,g.x,g.y,g.z,label', *lines, "1,2")]


def uci_har() -> list[bytes]:
    who, what = b"7\n7\n7\n", b"1\n1\n1\n"
    files = []
    for up in (1, 0):
        wave = _wave(256, 50, up)
        files += [_text(*_lines(np.stack([wave[s : s + 128, k] for s in (0, 64, 128)]), " ")) for k in range(3)]
    return [packed([who, what, *files]), packed([b"7\n7\n8\n", what, *files])]


def hhar() -> list[bytes]:
    tables = []
    for up in (9.8, 0.0):
        lines = ["Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"]
        for i, xyz in enumerate(_lines(_wave(220, 50, up), ",")):
            gt = "walk" if i < 110 else "sit"
            lines.append(f"{i},{1424696633908 + 20 * i},{20 * i},{xyz},a,s3,s3_1,{gt}")
        tables.append(_text(*lines))
    return [packed(tables)]


def _turning(n: int) -> Rotation:
    return Rotation.from_rotvec(np.outer(np.arange(n) * 0.01, [0.5, 1.0, -0.3]))


def xsens_mtw() -> list[bytes]:
    header = "\t".join(["PacketCounter", "Acc_X", "Acc_Y", "Acc_Z", *(f"Mat[{r}][{c}]" for c in "123" for r in "123")])
    rows = np.hstack([np.arange(120)[:, None], _wave(120, 100, 9.8), _turning(120).inv().as_matrix().reshape(-1, 9)])
    file = _text("// Start Time: Unknown", "// Update Rate: 100.0Hz", header, *_lines(rows, "\t"))
    return [packed([file, file]), packed([file.replace(b"\n", b"\r\n"), file])]


def xsens_dot() -> list[bytes]:
    header = "PacketCounter,SampleTimeFine,Quat_W,Quat_X,Quat_Y,Quat_Z,FreeAcc_X,FreeAcc_Y,FreeAcc_Z"
    counters = np.stack([np.arange(80), (1000 + 16667 * np.arange(80)) % 2**32], axis=1)
    rows = np.hstack([counters, _turning(80).as_quat(scalar_first=True), _wave(80, 60, 0)])
    return [_text("sep=,", "OutputRate:,60Hz", "", header, *_lines(rows, ","))]


def transpose() -> list[bytes]:
    turn = np.stack([_turning(70).as_matrix()] * 2, axis=1).astype(np.float32)
    files = []
    for array in (np.stack([_wave(70, 60, 0)] * 2, axis=1).astype(np.float32), turn):
        stream = io.BytesIO()
        torch.save(torch.from_numpy(array), stream)
        files.append(stream.getvalue())
    return [packed(files)]


def configuration() -> list[bytes]:
    base = (CONFIGS / "demo.yaml").read_bytes()
    names = ("open", "paper", "lanhar")
    return [base, *((CONFIGS / f"{name}.yaml").read_bytes() for name in names), packed([b"extends: base.yaml\n", base])]


def facts() -> list[bytes]:
    """YAML of archives, recordings, label rules, devices and placements."""
    folders = ("archives", "recordings", "labels", "devices", "reference")
    files = [path for folder in folders for path in sorted((CONFIGS / folder).glob("*.yaml"))]
    small = [path.read_bytes() for path in files if path.stat().st_size < 2500]
    return [*small, b"mine: {smpl: {vertex: 1961, segment: left_elbow}, evidence: made up}\n"]


def decisions() -> list[bytes]:
    header = "archive,sequence,decision,value,by,note"
    rows = ["a,KIT/3/walk,relabel,running,bob,runs", 'a,"x, y",drop,,ann,"says ""z"""', "b,c,rate,60.0,ann,"]
    return [_text(header, *rows), ("\ufeff" + "\r\n".join([header, *rows, rows[1].replace("ann", "bob")])).encode()]


def annotations() -> list[bytes]:
    kit = b'{"1": {"path": "KIT/4/Walk01_poses", "annotations": [{"seg_id": "a", "text": "A man walks."}]}}'
    return [kit, b"Subject #2 (various)\n02_01\twalk\n02_03\trun/jog\n"]


def _tar(pax: bool) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as tape:
        for name, data in (("CMU/13/a_poses.npz", b"walk" * 9), (f"CMU/{'long' * 30}/b.txt", b""), ("CMU/é", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tape.addfile(info, io.BytesIO(data))
        folder = tarfile.TarInfo("CMU/empty")
        folder.type = tarfile.DIRTYPE
        tape.addfile(folder)
    return stream.getvalue()


def _zip(method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as bundle:
        for name, data in (("CMU/13/a_poses.npz", b"walk" * 9), ("CMU/empty/", b"")):
            bundle.writestr(zipfile.ZipInfo(name), data, method)
    return stream.getvalue()


def unpacking() -> list[bytes]:
    tars = [_tar(pax=True), _tar(pax=False)]
    packings = [gzip.compress(tars[0], mtime=0), bz2.compress(tars[1]), lzma.compress(tars[0])]
    return [*tars, *packings, _zip(zipfile.ZIP_STORED), _zip(zipfile.ZIP_DEFLATED), _zip(zipfile.ZIP_BZIP2)]


@lru_cache
def seeds_of(reader: str) -> tuple[bytes, ...]:
    """The valid inputs of a target, by its name."""
    return tuple(globals()[reader]())
