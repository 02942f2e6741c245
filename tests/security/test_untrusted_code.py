"""Files that would run code where a job reads them: refused with exit 2, and a canary file stays absent (I4, I6)."""

import hashlib
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hostile_npz import Calls
from told import told

import vimu
from vimu.body.models import load_smpl_model
from vimu.contracts import Reason, Rejection
from vimu.recordings.config import load_recordings
from vimu.recordings.reference import load_reference, read_reference
from vimu.recordings.trials import list_trials, read_trial
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.runtime.storage import StoredFile
from vimu.training.checkpoint import load_model


@pytest.fixture
def canary(tmp_path):
    yield tmp_path / "canary"
    assert not (tmp_path / "canary").exists(), "what a stranger wrote has run"


@pytest.mark.fault(33)
@pytest.mark.parametrize("beside_arrays", [False, True])
def test_a_recording_that_would_run_code_is_a_rejection(tmp_path, canary, beside_arrays):
    (tmp_path / "s_01").mkdir()
    held = {"imu_acc": Calls(canary), "imu_ori": 0} if beside_arrays else Calls(canary)
    (tmp_path / "s_01" / "03.pkl").write_bytes(pickle.dumps(held, protocol=2))
    config = load_recordings("dip")
    [trial] = list_trials(tmp_path, config)[0]
    with pytest.raises(Rejection) as caught:
        read_trial(trial, config, sensors=["head"], rate_hz=60.0)
    assert (caught.value.reason, caught.value.path) == (Reason.UNSAFE_PICKLE, "s_01/03.pkl")
    assert "system" in caught.value.detail


@pytest.mark.fault(34)
def test_a_body_model_that_would_run_code_ends_the_job_with_exit_2(tmp_path, canary):
    body, root = tmp_path / "SMPL_NEUTRAL.pkl", tmp_path / "in"
    body.write_bytes(pickle.dumps({"v_template": Calls(canary), "f": 0}))
    root.mkdir()
    (root / "walking_poses.npz").touch()
    with pytest.raises(UserError, match=r"must be an SMPL model file, but .*unsafe_pickle"):
        load_smpl_model(body)
    inputs = {"inputs": [{"archive": "amass", "root": str(root), "body": str(body)}]}
    code, said = told(tmp_path, {"synthesize": inputs})
    assert (code, "unsafe_pickle" in said, "SMPL_NEUTRAL.pkl" in said) == (2, True, True), said
    assert not (tmp_path / "runs" / "x").exists()


@pytest.mark.fault(35)
def test_torch_files_that_would_run_code_are_rejections_wherever_one_is_read(tmp_path, canary):
    torch.save({"format": "vimu.model.2", "card": Calls(canary)}, tmp_path / "acc.pt")
    for read in (
        lambda: load_model(tmp_path / "acc.pt"),
        lambda: read_reference(tmp_path, load_reference("transpose")),
    ):
        with pytest.raises(Rejection) as caught:
            read()
        assert caught.value.reason is Reason.UNSAFE_PICKLE


# ---- Parquet

PICKLED = "ray.data.arrow_pickled_object"


def pickled_column(canary: Path, n: int, *, nested: bool = False) -> pa.Array:
    """As Ray Data writes objects that Arrow has no type for."""
    from ray.data._internal.object_extensions.arrow import ArrowPythonObjectType

    storage = pa.array([pickle.dumps(Calls(canary))] * n, pa.large_binary())
    column = pa.ExtensionArray.from_storage(ArrowPythonObjectType(), storage)
    return pa.StructArray.from_arrays([column], ["inner"]) if nested else column


def stored(path: Path, table: pa.Table) -> StoredFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return StoredFile(str(path), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.fault(36)
def test_a_column_of_pickled_objects_would_run_code_where_it_is_looked_at(tmp_path):
    canary = tmp_path / "canary"
    path = stored(tmp_path / "a.parquet", pa.table({"x": pickled_column(canary, 1)})).where
    pq.read_table(path).to_pylist()
    assert canary.exists()


@pytest.mark.fault(36)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("way", ["table", "all columns", "another column", "unregistered"])
def test_a_column_of_pickled_objects_is_refused_by_name(tmp_path, canary, way, nested):
    table = pa.table({"clip_id": ["a"], "description": pickled_column(canary, 1, nested=nested)})
    file = stored(tmp_path / "clips.parquet", table)
    if way == "unregistered":
        pa.unregister_extension_type(PICKLED)
    try:
        with pytest.raises(UserError, match=f"column `description` is of `{PICKLED}`"):
            {"all columns": file.columns, "another column": lambda: file.columns(["clip_id"])}.get(way, file.table)()
    finally:
        if way == "unregistered":
            from ray.data._internal.object_extensions.arrow import ArrowPythonObjectType

            pa.register_extension_type(ArrowPythonObjectType())


def published(folder: Path, stage: str, file: str, table: pa.Table, details: dict[str, object]) -> Path:
    """A folder whose manifest and hashes are true to a hostile file: whoever publishes can do that."""

    def build(staging: Path, _: object) -> Outcome:
        stored(staging / file, table)
        return Outcome(counts={"clips": 1}, content_hash="h", details={"labels_hash": "h"} | details)

    publish(folder, identity={"stage": stage, "inputs": {}}, build=build, made_by="-")
    return folder


@pytest.mark.fault(36)
def test_somebody_else_s_clips_end_the_job_with_exit_2(tmp_path, canary, demo_body):
    from vimu.demo.recordings import write_dip

    write_dip(tmp_path / "dip", demo_body, n_subjects=3)
    table = pa.table({name: pickled_column(canary, 1) for name in ("clip_id", "archive", "label", "sequence")})
    details = {"datasets": ["amass"], "sensors": ["head"], "rate_hz": 60.0, "synthetic": True}
    clips = published(tmp_path / "theirs", "synthesize", "clips/0.parquet", table, details)
    prepare = {"clips": str(clips), "real": {"recordings": "dip", "root": str(tmp_path / "dip")}}
    code, said = told(tmp_path, {"prepare": prepare}, job="prepare")
    assert (code, "must hold numbers and text" in said) == (2, True), said
    assert any(f"its column `{name}` is of `{PICKLED}`" in said for name in table.column_names), said


@pytest.mark.fault(36)
def test_somebody_else_s_windows_are_refused_in_a_notebook(tmp_path, canary):
    table = pa.table({"window_id": ["a"], "x": pickled_column(canary, 1)})
    with pytest.raises(UserError, match="must hold numbers and text"):
        vimu.load_windows(published(tmp_path / "theirs", "prepare", "windows/0.parquet", table, {}))


@pytest.mark.fault(36)
@pytest.mark.parametrize("what", ["no Parquet", "a type that is none"])
@pytest.mark.parametrize("way", ["table", "columns", "schema"])
def test_what_cannot_be_read_as_a_table_is_said_in_a_sentence(tmp_path, what, way):
    """Its hash fits: whoever publishes can see to that. Ray's types raise what they like, and advise to trust them."""
    if what == "no Parquet":
        data = b"PAR1 and no more"
        (tmp_path / "a.parquet").write_bytes(data)
        file = StoredFile(str(tmp_path / "a.parquet"), len(data), hashlib.sha256(data).hexdigest())
    else:
        import ray.data  # noqa: F401 - registers the type

        says = {b"ARROW:extension:name": b"ray.data.arrow_tensor", b"ARROW:extension:metadata": b"\x80\x05."}
        schema = pa.schema([pa.field("x", pa.list_(pa.float64()), metadata=says)])
        file = stored(tmp_path / "a.parquet", pa.table([pa.array([[1.0]])], schema=schema))
    with pytest.raises(UserError, match=r"a\.parquet` must be a Parquet file .* cannot be read: ") as caught:
        getattr(file, way)()
    assert "RAY_DATA_AUTOLOAD" not in str(caught.value)


# ---- what a job writes itself passes


@pytest.mark.fault(36)
def test_plain_columns_and_arrow_s_own_tensors_are_read(tmp_path):
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(torch.zeros(2, 3, 4).numpy())
    file = stored(tmp_path / "w.parquet", pa.table({"x": tensor, "names": [["a"], []], "n": [1, 2]}))
    assert file.table().column("x").combine_chunks().to_numpy_ndarray().shape == (2, 3, 4)
    assert file.columns(["names"]).to_pylist() == [{"names": ["a"]}, {"names": []}]


def test_the_canary_would_be_seen(tmp_path):
    pickle.loads(pickle.dumps(Calls(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()
