"""Hostile and damaged npz, pickle and torch files: each ends in a named Rejection, and a canary file stays absent."""

import ast
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from vimu.contracts import Reason, Rejection
from vimu.runtime import safe_load
from vimu.runtime.safe_load import load_npz, load_pickle, load_torch

ARRAYS = {"poses": np.arange(60.0).reshape(5, 12), "trans": np.ones((5, 3), np.float32), "gender": np.array("female")}


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that every hostile pickle here tries to make; nor may the working folder change."""
    path = tmp_path / "canary"
    before = set(tmp_path.parent.iterdir())
    yield path
    assert not path.exists(), "the pickle ran"
    assert set(tmp_path.parent.iterdir()) == before


def rejected(load: Callable[[], object], *reasons: Reason) -> Rejection:
    with pytest.raises(Rejection) as caught:
        load()
    assert caught.value.reason in reasons, caught.value
    assert caught.value.detail
    return caught.value


# ---- pickles that run code


class Calls:
    """Pickles as a call of `function(*args)`."""

    def __init__(self, function: Callable[..., Any], *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def dotted(module: str, name: str, *arguments: bytes) -> bytes:
    """Protocol 4 bytes: STACK_GLOBAL of `module`, dotted `name`, called with text arguments."""

    def text(value: str | bytes) -> bytes:
        raw = value.encode() if isinstance(value, str) else value
        return pickle.SHORT_BINUNICODE + bytes([len(raw)]) + raw

    tuple_code = {0: pickle.EMPTY_TUPLE, 1: pickle.TUPLE1, 2: pickle.TUPLE2, 3: pickle.TUPLE3}[len(arguments)]
    called = b"".join(map(text, arguments)) + tuple_code + pickle.REDUCE
    return pickle.PROTO + b"\x04" + text(module) + text(name) + pickle.STACK_GLOBAL + called + pickle.STOP


def hostile(canary: Path) -> dict[str, bytes]:
    command, code = f"touch {canary}", f"open({str(canary)!r}, 'w')"
    cases = {}
    for protocol in range(6):
        cases[f"os.system, protocol {protocol}"] = pickle.dumps(Calls(os.system, command), protocol)
        cases[f"eval, protocol {protocol}"] = pickle.dumps({"imu_acc": Calls(eval, code)}, protocol)
        cases[f"exec, protocol {protocol}"] = pickle.dumps([Calls(exec, code)], protocol)
        cases[f"getattr, protocol {protocol}"] = pickle.dumps(
            Calls(getattr, Calls(__import__, "os"), "system"), protocol
        )
        cases[f"beside arrays, protocol {protocol}"] = pickle.dumps(
            {**ARRAYS, "z": Calls(os.system, command)}, protocol
        )
        cases[f"in an object array, protocol {protocol}"] = pickle.dumps(
            {"a": np.array([Calls(os.system, command)], dtype=object)}, protocol
        )
    cases["INST of protocol 0"] = f"(S'{command}'\nios\nsystem\n.".encode()
    cases["OBJ"] = b"(cos\nsystem\nS'" + command.encode() + b"'\no."
    cases["GLOBAL posix"] = b"cposix\nsystem\n(S'" + command.encode() + b"'\ntR."
    cases["STACK_GLOBAL"] = dotted("os", "system", command.encode())
    cases["dotted STACK_GLOBAL"] = dotted("builtins", "object.__class__.__subclasses__")
    cases["through an allowed module"] = dotted("numpy", "os.system", command.encode())
    cases["through numpy.testing"] = dotted("numpy.testing", "runstring", code.encode(), b"")
    cases["through scipy.sparse"] = dotted("scipy.sparse", "sys.modules")
    cases["numpy.load"] = dotted("numpy", "load", str(canary).encode())
    cases["EXT1"] = pickle.PROTO + b"\x02" + pickle.EXT1 + b"\x01."
    cases["persistent id"] = b"P" + command.encode() + b"\n."
    return cases


@pytest.mark.fault(33, 34)
@pytest.mark.parametrize("name", list(hostile(Path("x"))))
def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path, canary, name):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(hostile(canary)[name])
    rejected(lambda: load_pickle(path), Reason.UNSAFE_PICKLE, Reason.UNREADABLE)


@pytest.mark.fault(33, 34)
def test_a_refusal_names_what_was_asked_for(tmp_path, canary):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps({"a": Calls(os.system, f"touch {canary}")}))
    assert "posix.system" in rejected(lambda: load_pickle(path), Reason.UNSAFE_PICKLE).detail


@pytest.mark.fault(33, 34)
def test_the_hostile_pickles_would_run_elsewhere(tmp_path):
    path = tmp_path / "canary"
    pickle.loads(hostile(path)["beside arrays, protocol 4"])
    assert path.exists()


@pytest.mark.fault(33, 34)
def test_a_pickle_cannot_change_the_code_that_reads_it(tmp_path):
    """BUILD on something allowed would set its attributes, for every later file."""
    for name in (b"numpy\ndtype", b"numpy.core.multiarray\n_reconstruct", b"_codecs\nencode", b"chumpy.ch\nCh"):
        path = tmp_path / "build.pkl"
        path.write_bytes(b"\x80\x02}X\x01\x00\x00\x00ac" + name + b"\n}X\x05\x00\x00\x00stateK\x01s}\x86bs.")
        rejected(lambda: load_pickle(path), Reason.UNREADABLE, Reason.UNSAFE_PICKLE)  # noqa: B023
    path.write_bytes(pickle.dumps(ARRAYS))
    np.testing.assert_array_equal(load_pickle(path)["poses"], ARRAYS["poses"])


class Built:
    """Pickles as `function(*args)` with a state."""

    def __init__(self, function: Callable[..., Any], args: tuple[object, ...], state: tuple[object, ...]) -> None:
        self.reduced = function, args, state

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


@pytest.mark.fault(33, 34)
def test_forged_dtypes_do_not_make_pointers_of_bytes(tmp_path):
    """NumPy's own unpickling makes an array of objects that denies it: to read it is to follow any address."""
    dtype = Built(np.dtype, ("V8", False, True), (4, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 8, 0))
    reconstruct = np.ones(1).__reduce__()[0]
    array = Built(reconstruct, (np.ndarray, (0,), b"b"), (1, (1,), dtype, False, b"\x41" * 8))
    content = pickle.dumps({"imu_acc": array})
    assert not pickle.loads(content)["imu_acc"].dtype.hasobject
    path = tmp_path / "forged.pkl"
    path.write_bytes(content)
    assert "only numbers and text" in rejected(lambda: load_pickle(path), Reason.UNSAFE_PICKLE).detail
    path.write_bytes(pickle.dumps({"a": np.zeros(2, [("a", "f8")])}))
    assert "only numbers and text" in rejected(lambda: load_pickle(path), Reason.UNSAFE_PICKLE).detail


# ---- pickles that take memory


def test_no_pickle_takes_more_memory_than_the_limit(tmp_path):
    memo_bomb = b"\x80\x02}r" + struct.pack("<I", 2**32 - 2) + b"."  # C's unpickler makes a memo of 64 GB
    text = b"X" + struct.pack("<I", 10**6) + b"x" * 10**6
    raw_copies = [b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R" for _ in range(200)]
    keys = [b"M" + struct.pack("<H", i) for i in range(200)]
    copies = b"".join(key + raw for key, raw in zip(keys, raw_copies, strict=True))
    huge = sparse.csc_matrix((np.ones(1), ([0], [0])), shape=(10**6, 10**6))
    cases = {
        "memo": (memo_bomb, None),
        "one text, encoded 200 times": (b"\x80\x02}q\x00" + text + b"q\x010(" + copies + b"u.", Reason.OVERSIZED),
        "sparse": (pickle.dumps({"a": huge}), Reason.OVERSIZED),
        "opcodes": (b"\x80\x02" + b"}" * 300_000 + b".", Reason.OVERSIZED),
        "frame": (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.", None),
        "bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"}.", Reason.UNREADABLE),
        "bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 2**32) + b"}.", Reason.UNREADABLE),
    }
    for name, (content, reason) in cases.items():
        path = tmp_path / "bomb.pkl"
        path.write_bytes(content)
        tracemalloc.start()
        try:
            if reason is None:
                assert load_pickle(path) == {}
            else:
                rejected(lambda: load_pickle(path, max_bytes=50 * 10**6), reason)  # noqa: B023
            assert tracemalloc.get_traced_memory()[1] < 100 * 10**6, name
        finally:
            tracemalloc.stop()


def test_nested_and_circular_containers_end(tmp_path):
    circular: list[Any] = []
    circular.append(circular)
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    path = tmp_path / "nested.pkl"
    for value in (circular, deep):
        path.write_bytes(pickle.dumps({"a": value}))
        rejected(lambda: load_pickle(path), Reason.UNSAFE_PICKLE)


def test_an_oversized_pickle_is_not_opened(tmp_path):
    path = tmp_path / "large.pkl"
    path.write_bytes(pickle.dumps(ARRAYS))
    rejected(lambda: load_pickle(path, max_bytes=100), Reason.OVERSIZED)


# ---- pickles as they should be


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_numbers_and_text_come_back(tmp_path, protocol):
    rng = np.random.default_rng(0)
    regressor = sparse.random(24, 60, 0.1, format="csc", random_state=1)
    mapping = {
        "f8": rng.random((3, 4)), "big": rng.random(5).astype(">f4"), "fortran": np.asfortranarray(rng.random((3, 2))),
        "i": np.arange(3, dtype=np.uint32), "empty": np.zeros((0, 3)), "flag": np.array([True, False]),
        "text": np.array(["male", "neutral"]), "scalar": np.float64(1.5), "n": 7, "s": "smpl", "nothing": None,
        "csc": regressor, "csr": regressor.tocsr(), "coo": regressor.tocoo(), "nested": {"list": [np.ones(2), "x"]},
    }  # fmt: skip
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(mapping, protocol))
    read = load_pickle(path)
    assert list(read) == list(mapping)
    for key in ("f8", "big", "fortran", "i", "empty", "flag", "text"):
        np.testing.assert_array_equal(read[key], mapping[key])
        assert read[key].dtype == mapping[key].dtype
    for key in ("csc", "csr", "coo"):
        np.testing.assert_array_equal(read[key], regressor.toarray())
    assert (read["scalar"], read["n"], read["s"], read["nothing"]) == (1.5, 7, "smpl", None)
    np.testing.assert_array_equal(read["nested"]["list"][0], np.ones(2))
    assert set(load_pickle(path, ["n", "absent"])) == {"n"}


def chumpy_object(name: str, state: dict[str, Any]) -> object:
    """Pickles as chumpy's objects do; chumpy itself does not install on today's Python."""
    return type(name, (), {"__module__": "chumpy.ch", "__reduce__": lambda _self: (Named(name), (), state)})()


class Named:
    """Pickles as a global of chumpy."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> None: ...


class ChumpyPickler(pickle._Pickler):
    dispatch = pickle._Pickler.dispatch.copy()

    def save_named(self, value: Named) -> None:
        self.write(pickle.GLOBAL + b"chumpy.ch\n" + value.name.encode() + b"\n")

    dispatch[Named] = save_named


def chumpy_pickle(mapping: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    ChumpyPickler(stream, protocol=2).dump(mapping)
    return stream.getvalue()


def test_chumpy_arrays_come_back_plain_and_expressions_do_not(tmp_path):
    held = np.arange(12.0).reshape(3, 4)
    leaf = chumpy_object("Ch", {"x": held})
    path = tmp_path / "smpl.pkl"
    path.write_bytes(chumpy_pickle({
        "leaf": leaf,
        "select": chumpy_object("Select", {"a": leaf, "idxs": np.array([0, 1, 4, 5]), "preferred_shape": (2, 2)}),
        "J": chumpy_object("MatVecMult", {"mtx": held, "vec": leaf}),
    }))  # fmt: skip
    read = load_pickle(path)
    np.testing.assert_array_equal(read["leaf"], held)
    np.testing.assert_array_equal(read["select"], [[0, 1], [4, 5]])
    assert "J" not in read
    assert "MatVecMult" in rejected(lambda: load_pickle(path, ["J"]), Reason.UNSAFE_PICKLE).detail


@pytest.mark.parametrize("spoil", ["indices", "indptr", "shape"])
def test_sparse_matrices_whose_indices_lie_outside_are_refused(tmp_path, spoil):
    """SciPy's own `todense` writes wherever `indices` points."""
    matrix = sparse.csc_matrix(np.eye(4))
    if spoil == "indices":
        matrix.indices[:] = 10**6
    elif spoil == "indptr":
        matrix.indptr[:] = [0, 4, 1, 2, 4]
    else:
        matrix._shape = (2, 4)
    path = tmp_path / "sparse.pkl"
    path.write_bytes(pickle.dumps({"J_regressor": matrix}))
    rejected(lambda: load_pickle(path), Reason.UNREADABLE)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), protocol=st.integers(0, 5))
def test_damaged_pickles_never_raise_anything_else(tmp_path_factory, data, protocol):
    content = bytearray(pickle.dumps({**ARRAYS, "m": sparse.eye(3, format="csc")}, protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "x.pkl"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        load_pickle(path)
    except Rejection as rejection:
        assert rejection.reason in {Reason.UNREADABLE, Reason.UNSAFE_PICKLE, Reason.OVERSIZED}


# ---- npz


def npz_with(path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def npy(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    raw = header.encode()
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(raw)) + raw + content


def test_only_the_keys_asked_for_are_read(tmp_path):
    path = tmp_path / "take.npz"
    for save in (np.savez, np.savez_compressed):
        save(path, **ARRAYS, other=np.array([object()], dtype=object))
        read = load_npz(path, ["poses", "trans", "gender", "absent"])
        assert set(read) == set(ARRAYS)
        for key, array in ARRAYS.items():
            np.testing.assert_array_equal(read[key], array)


def test_fortran_order_is_kept(tmp_path):
    wanted = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez(tmp_path / "f.npz", poses=wanted)
    np.testing.assert_array_equal(load_npz(tmp_path / "f.npz", ["poses"])["poses"], wanted)


@pytest.mark.fault(32)
def test_object_arrays_are_refused_and_not_unpickled(tmp_path, canary):
    path = tmp_path / "objects.npz"
    np.savez(path, poses=np.array([Calls(os.system, f"touch {canary}")], dtype=object))
    rejected(lambda: load_npz(path, ["poses"]), Reason.UNSAFE_PICKLE)


@pytest.mark.fault(28)
def test_a_zip_bomb_is_not_expanded(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, poses=np.zeros(30_000_000))
    assert path.stat().st_size < 10**6
    tracemalloc.start()
    try:
        rejected(lambda: load_npz(path, ["poses"], max_bytes=10**8), Reason.OVERSIZED)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_members_that_together_exceed_the_limit_are_refused(tmp_path):
    np.savez(tmp_path / "many.npz", a=np.zeros(1000), b=np.zeros(1000))
    assert load_npz(tmp_path / "many.npz", ["a"], max_bytes=10_000)
    rejected(lambda: load_npz(tmp_path / "many.npz", ["a", "b"], max_bytes=10_000), Reason.OVERSIZED)


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }"), Reason.OVERSIZED),  # 8 TiB
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (7, 137438953472), }", b"x" * 64), Reason.OVERSIZED),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", b"x" * 64), Reason.UNREADABLE),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8), }", b"x" * 64), Reason.UNREADABLE),
        (npy("{'descr': '|V0', 'fortran_order': False, 'shape': (10000000000000,), }"), Reason.UNREADABLE),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle.dumps([1])), Reason.UNSAFE_PICKLE),
        (npy("{'descr': '<f8', 'shape': (1,), }"), Reason.UNREADABLE),
        (npy("__import__('os').system('true')"), Reason.UNREADABLE),
        (npy("-" * 9000 + "1"), Reason.UNREADABLE),
        (npy("(" * 9000), Reason.UNREADABLE),
        (npy("{'descr': '''"), Reason.UNREADABLE),
        (npy("{}", version=b"\x09\x00"), Reason.UNREADABLE),
        (b"\x93NUMPY", Reason.UNREADABLE),
        (b"", Reason.UNREADABLE),
        (b"no array at all", Reason.UNREADABLE),
    ],
)
def test_false_headers_are_refused(tmp_path, member, reason):
    path = npz_with(tmp_path / "x.npz", [("poses.npy", member)])
    rejected(lambda: load_npz(path, ["poses"]), reason)


@pytest.mark.fault(30)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_members_are_refused(tmp_path):
    one, other = (npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({n},), }}", bytes(8 * n)) for n in (1, 2))
    path = npz_with(tmp_path / "x.npz", [("poses.npy", one), ("poses.npy", other)])
    assert "twice" in rejected(lambda: load_npz(path, ["poses"]), Reason.UNREADABLE).detail


@pytest.mark.fault(31)
@pytest.mark.parametrize(
    "name", ["../../canary", "../poses.npy", "a/../../canary", "..\\canary", "a\\..\\canary", "/canary", "\\canary"]
)
def test_members_with_paths_are_refused_and_write_nothing(tmp_path, canary, name):
    """Nothing is unpacked here; but who wrote that means harm, or some other program would do it."""
    good = io.BytesIO()
    np.save(good, np.ones(3))
    path = npz_with(tmp_path / "x.npz", [(name, b"x"), ("poses.npy", good.getvalue())])
    assert "leads out of the archive" in rejected(lambda: load_npz(path, ["poses"]), Reason.UNREADABLE).detail


def test_members_in_folders_are_left_alone(tmp_path):
    good = io.BytesIO()
    np.save(good, np.ones(3))
    path = npz_with(tmp_path / "x.npz", [("a..b/c..npy", b"x"), ("poses.npy", good.getvalue())])
    np.testing.assert_array_equal(load_npz(path, ["poses"])["poses"], np.ones(3))


def test_other_compressions_are_refused(tmp_path):
    good = io.BytesIO()
    np.save(good, np.ones(3))
    path = npz_with(tmp_path / "x.npz", [("poses.npy", good.getvalue())], zipfile.ZIP_LZMA)
    assert "deflate" in rejected(lambda: load_npz(path, ["poses"]), Reason.UNREADABLE).detail


@pytest.mark.fault(26, 27)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_byte_or_a_cut_never_gives_other_values(tmp_path, save):
    """Every 7th byte flipped, every 29th length: refused, or read as it was (a byte that nothing depends on)."""
    path = tmp_path / "x.npz"
    save(path, **ARRAYS)
    content = path.read_bytes()
    n_refused = 0
    damaged = [content[:i] + bytes([content[i] ^ 0x40]) + content[i + 1 :] for i in range(0, len(content), 7)]
    for version in damaged + [content[:n] for n in range(0, len(content), 29)]:
        path.write_bytes(version)
        try:
            read = load_npz(path, list(ARRAYS))
        except Rejection as rejection:
            assert rejection.reason in {Reason.UNREADABLE, Reason.OVERSIZED}
            n_refused += 1
        else:
            for key, array in read.items():
                np.testing.assert_array_equal(array, ARRAYS[key])
    assert n_refused > len(damaged) / 2


def test_an_encrypted_member_is_unreadable(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, poses=np.ones(3))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[6] |= 1
    content[directory + 8] |= 1
    path.write_bytes(bytes(content))
    rejected(lambda: load_npz(path, ["poses"]), Reason.UNREADABLE)


# ---- torch


def test_a_checkpoint_of_tensors_is_read(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"state": {"w": torch.arange(6.0).reshape(2, 3)}, "epoch": 3, "name": "cnn"}, path)
    read = load_torch(path)
    assert (read["epoch"], read["name"]) == (3, "cnn")
    assert torch.equal(read["state"]["w"], torch.arange(6.0).reshape(2, 3))


@pytest.mark.fault(35)
def test_a_hostile_checkpoint_is_refused_and_runs_nothing(tmp_path, canary):
    path = tmp_path / "model.pt"
    torch.save({"w": torch.ones(2), "x": Calls(os.system, f"touch {canary}")}, path)
    rejected(lambda: load_torch(path), Reason.UNSAFE_PICKLE)
    torch.save({"x": Calls(os.system, f"touch {canary}")}, path, _use_new_zipfile_serialization=False)
    rejected(lambda: load_torch(path), Reason.UNSAFE_PICKLE, Reason.UNREADABLE)
    path.write_bytes(hostile(canary)["os.system, protocol 2"])
    rejected(lambda: load_torch(path), Reason.UNSAFE_PICKLE, Reason.UNREADABLE)


@pytest.mark.parametrize(
    ("asks", "reason", "says"),
    [
        (b"cnobody\ncalls\n.", Reason.UNSAFE_PICKLE, "asks for `nobody.calls`"),
        (b"c" + b"n" * 30_000 + b"\ncalls\n.", Reason.UNSAFE_PICKLE, "asks for a name of 30,006 characters"),
        (b"N0" * 600_000 + b"N.", Reason.OVERSIZED, "more than 1,000,000 operations"),
    ],
    ids=["a name", "a long name", "many operations"],
)
def test_what_a_checkpoint_asks_for_is_named_and_its_length_bounded(tmp_path, asks, reason, says):
    """Torch itself takes seconds to word that it refuses a name of 26 kB."""
    path = tmp_path / "model.pt"
    torch.save({"w": torch.ones(2)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, b"\x80\x02" + asks if name.endswith("/data.pkl") else content)
    with pytest.raises(Rejection) as caught:
        load_torch(path)
    assert (caught.value.reason, says in caught.value.detail) == (reason, True), caught.value.detail


def test_an_oversized_or_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"w": torch.zeros(100_000)}, path)
    rejected(lambda: load_torch(path, max_bytes=10_000), Reason.OVERSIZED)
    content = path.read_bytes()
    for damaged in (b"", content[:1000], content[: len(content) // 2], content[:-30], b"x" * 100):
        path.write_bytes(damaged)
        rejected(lambda: load_torch(path), Reason.UNREADABLE)
    torch.save(torch.ones(3), path)
    assert "Tensor, not a mapping" in rejected(lambda: load_torch(path), Reason.UNREADABLE).detail


# ---- all three


@pytest.mark.fault(25)
@pytest.mark.parametrize("load", [lambda p: load_npz(p, ["poses"]), load_pickle, load_torch])
def test_an_empty_file_is_unreadable_and_an_absent_one_is_not_found(tmp_path, load):
    path = tmp_path / "x"
    with pytest.raises(FileNotFoundError):
        load(path)
    path.touch()
    rejected(lambda: load(path), Reason.UNREADABLE)


UNSAFE_LOADERS = {
    "numpy": {"load", "lib.npyio.NpzFile", "lib.format.read_array"},
    "pickle": {"load", "loads", "Unpickler", "_Unpickler"},
    "_pickle": {"load", "loads", "Unpickler"},
    "torch": {"load", "jit.load", "hub.load"},
    "joblib": {"load"},
    "dill": {"load", "loads", "Unpickler"},
    "cloudpickle": {"load", "loads"},
    "pandas": {"read_pickle"},
    "yaml": {"load", "load_all", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all"},
    "shelve": {"open"},
    "marshal": {"load", "loads"},
}


def unsafe_loads(source: str) -> list[str]:
    """Every use in `source`, called or handed on, of a loader that may run what it reads."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    forbidden = {f"{module}.{name}" for module, loaders in UNSAFE_LOADERS.items() for name in loaders}
    used = []
    for node in ast.walk(tree):
        parts, at = [], node
        while isinstance(at, ast.Attribute):
            parts.append(at.attr)
            at = at.value
        if isinstance(at, ast.Name) and at.id in names:
            used.append(".".join([names[at.id], *reversed(parts)]))
    return sorted(set(used) & forbidden)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import numpy as np\nnp.load('x')", ["numpy.load"]),
        ("from pickle import loads as read\nread(b'')", ["pickle.loads"]),
        ("import pickle\nclass U(pickle.Unpickler): ...", ["pickle.Unpickler"]),
        ("def f():\n    import torch\n    return map(torch.load, [])", ["torch.load"]),
        ("import pandas as pd\npd.read_pickle('x')", ["pandas.read_pickle"]),
        ("import yaml\nyaml.load('a: 1', Loader=yaml.Loader)", ["yaml.load"]),
        ("import joblib, dill, cloudpickle\n(joblib.load, dill.loads, cloudpickle.load)",
         ["cloudpickle.load", "dill.loads", "joblib.load"]),
        ("import numpy as np\nnp.save('x', np.loadtxt('y'))\nimport json\njson.load(open('z'))", []),
    ],
)  # fmt: skip
def test_the_lint_finds_each_way_to_load(source, found):
    assert unsafe_loads(source) == found


def test_no_other_module_loads_such_files(repo):
    allowed = Path(safe_load.__file__).resolve()
    files = [path for folder in ("platform", "jobs") for path in (repo / folder).rglob("*.py")]
    assert allowed in files
    found = {str(path): unsafe_loads(path.read_text()) for path in files if path != allowed}
    assert {path: uses for path, uses in found.items() if uses} == {}
    assert unsafe_loads(allowed.read_text()) == ["pickle._Unpickler", "torch.load"]


# ---- npz members, read in one piece


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize(
    "array",
    [
        np.zeros(()), np.zeros(0), np.zeros((0, 3)), np.arange(5), np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24, dtype=">f4").reshape(2, 3, 4), np.array("male"), np.array(b"male"), np.ones((2, 1), bool),
    ],
)  # fmt: skip
def test_members_come_back_as_numpy_loads_them(tmp_path, array, deflated):
    path = tmp_path / "a.npz"
    (np.savez_compressed if deflated else np.savez)(path, a=array)
    got = load_npz(path, ["a"])["a"]
    np.testing.assert_array_equal(got, array)
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert got.flags.aligned
    assert not got.flags.writeable


@pytest.mark.parametrize("shape", [b"(5)", b"(05,)", b"(5,,)", b"(5 5)", b"(,)", b"(-1,)", b"[5]", b"(6,)"])
def test_a_forged_shape_is_refused(tmp_path, shape):
    np.savez(tmp_path / "a.npz", a=np.arange(5.0))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        member = archive.read("a.npy")
    padding = len(shape) - len(b"(5,)")
    old = b"(5,), }" + b" " * padding
    assert old in member
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("a.npy", member.replace(old, shape + b", }") if padding >= 0 else member.replace(
            b"(5,), }", shape + b", } "
        ))  # fmt: skip
    rejected(lambda: load_npz(tmp_path / "b.npz", ["a"]), Reason.UNREADABLE, Reason.OVERSIZED)


@pytest.mark.parametrize(("at", "value"), [(0, 0x51), (6, 1), (8, 8), (30, ord("b")), (14, 0xFF)])
def test_a_local_header_that_contradicts_the_directory_is_refused(tmp_path, at, value):
    """Signature, encryption, method, name; the checksum that counts is the directory's."""
    np.savez(tmp_path / "a.npz", a=np.arange(5.0))
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[at] = value
    (tmp_path / "a.npz").write_bytes(raw)
    if at == 14:
        np.testing.assert_array_equal(load_npz(tmp_path / "a.npz", ["a"])["a"], np.arange(5.0))
    else:
        rejected(lambda: load_npz(tmp_path / "a.npz", ["a"]), Reason.UNREADABLE)


def test_a_deflated_member_that_expands_beyond_what_it_says_stops_there(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(50 * 2**20))
    raw = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(raw.replace(struct.pack("<I", 50 * 2**20), struct.pack("<I", 1000)))
    tracemalloc.start()
    try:
        rejected(lambda: load_npz(tmp_path / "a.npz", ["a"]), Reason.UNREADABLE)
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()
