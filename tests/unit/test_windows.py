"""Windows: cutting, feature sets, splits with subjects apart, and the table that plain pyarrow reads."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vimu.contracts import STANDARD_GRAVITY, ImuRecording
from vimu.imu.frames import ChannelMissingError
from vimu.runtime.errors import UserError
from vimu.runtime.storage import stored
from vimu.windows.cut import cut, n_windows
from vimu.windows.features import channel_names, features
from vimu.windows.schema import read_windows, window_schema
from vimu.windows.settings import SplitSettings, WindowSettings
from vimu.windows.split import assign_splits, random_splits, require_apart


@given(n=st.integers(0, 400), length=st.integers(1, 80), hop=st.integers(1, 80))
def test_windows_are_what_slicing_gives(n, length, hop):
    frames = np.arange(n * 2, dtype=np.float32).reshape(n, 2)
    x, starts = cut(frames, length_frames=length, hop_frames=hop)
    wanted = [frames[s : s + length] for s in range(0, n - length + 1, hop)]
    assert len(x) == len(starts) == len(wanted) == n_windows(n, length_frames=length, hop_frames=hop)
    for got, want in zip(x, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def recording(**changes) -> ImuRecording:
    rng = np.random.default_rng(0)
    ori = Rotation.random(50 * 2, rng=0).as_matrix().reshape(50, 2, 3, 3).astype(np.float32)
    fields = {
        "acc": rng.normal(size=(50, 2, 3)).astype(np.float32), "gyr": rng.normal(size=(50, 2, 3)).astype(np.float32),
        "ori": ori, "rate_hz": 60.0, "sensors": ("head", "waist"), "frame": "world", "gravity": "removed",
    }  # fmt: skip
    return ImuRecording(**(fields | changes))


def test_channels_stand_in_the_order_of_their_names():
    r = recording()
    frames = features(r, "world_acc_ori", sensors=["waist", "head"], rate_hz=60.0)
    names = channel_names("world_acc_ori", ["waist", "head"])
    assert frames.shape == (50, 24) == (50, len(names))
    np.testing.assert_array_equal(frames[:, names.index("waist.acc.y")], r.acc[:, 1, 1])
    np.testing.assert_array_equal(frames[:, names.index("head.ori.zx")], r.ori[:, 0, 2, 0])


def test_the_sensor_set_adds_gravity_and_turns_the_axes():
    r = recording()
    frames = features(r, "sensor_acc_gyr", sensors=["head"], rate_hz=60.0)
    up = np.array([0, STANDARD_GRAVITY, 0])
    wanted = np.einsum("tji,tj->ti", r.ori[:, 0].astype(float), r.acc[:, 0] + up)
    np.testing.assert_allclose(frames[:, :3], wanted, atol=1e-5)
    np.testing.assert_array_equal(frames[:, 3:], r.gyr[:, 0])
    np.testing.assert_array_equal(features(r, "sensor_acc", sensors=["head"], rate_hz=60.0), frames[:, :3])


@pytest.mark.parametrize(
    ("changes", "feature_set", "sensors", "says"),
    [
        ({"gyr": None}, "sensor_acc_gyr", ["head"], "has no `gyr` at head, which `sensor_acc_gyr` needs"),
        ({"ori": None}, "world_acc_ori", ["head"], "has no `ori` at head"),
        ({"ori": None}, "sensor_acc", ["head"], "needs `ori`, which is missing"),
        ({}, "sensor_acc", ["left_wrist"], "has no sensor left_wrist, only head, waist"),
    ],
)
def test_what_is_missing_is_an_error_and_never_zeros(changes, feature_set, sensors, says):
    with pytest.raises(ChannelMissingError, match=says):
        features(recording(**changes), feature_set, sensors=sensors, rate_hz=60.0)


def test_a_phone_without_a_gyroscope_lacks_only_its_own_channel():
    r = recording()
    gyr = r.gyr.copy()
    gyr[:, 1] = np.nan
    r = recording(gyr=gyr)
    assert features(r, "sensor_acc_gyr", sensors=["head"], rate_hz=60.0).shape == (50, 6)
    with pytest.raises(ChannelMissingError, match="`gyr` at waist"):
        features(r, "sensor_acc_gyr", sensors=["head", "waist"], rate_hz=60.0)


@pytest.mark.fault(52)
@given(seed=st.integers(0, 30), n_groups=st.integers(5, 30))
def test_no_subject_is_in_two_splits(seed, n_groups):
    rng = np.random.default_rng(seed)
    groups = [f"s{i}" for i in rng.integers(n_groups, size=200)]
    labels = [f"l{i}" for i in rng.integers(4, size=200)]
    if len(set(groups)) < 5:
        return
    splits = assign_splits(groups, labels, SplitSettings(seed=seed), dataset="d")
    of_group = {}
    for group, split in zip(groups, splits, strict=True):
        assert of_group.setdefault(group, split) == split
    assert set(splits) == {"train", "val", "test"}


def test_the_order_of_the_items_does_not_move_a_split():
    rng = np.random.default_rng(1)
    groups, labels = [f"s{i % 12}" for i in range(96)], [f"l{i % 3}" for i in range(96)]
    first = dict(zip(groups, assign_splits(groups, labels, SplitSettings(), dataset="d"), strict=True))
    order = rng.permutation(96)
    again = assign_splits([groups[i] for i in order], [labels[i] for i in order], SplitSettings(), dataset="d")
    assert dict(zip([groups[i] for i in order], again, strict=True)) == first


def test_named_subjects_and_too_few_subjects():
    named = SplitSettings(test_groups=("s_09", "s_10"), val_groups=("s_08",))
    fewer = SplitSettings(test_groups=("s_09",), val_groups=("s_08",))
    assert assign_splits(["s_01", "s_08", "s_09"], ["a"] * 3, fewer, dataset="dip") == ["train", "val", "test"]
    with pytest.raises(UserError, match="names s_10"):
        assign_splits(["s_01", "s_08", "s_09"], ["a"] * 3, named, dataset="dip")
    with pytest.raises(UserError, match=r"must have at least `n_folds` = 5 subjects .* but has 2"):
        assign_splits(["a", "b"], ["x", "y"], SplitSettings(), dataset="d")


def test_windows_are_split_at_random_only_where_that_is_named():
    assert SplitSettings().protocol == "subjects_apart"
    named = SplitSettings(protocol="paper_random_windows", n_folds=10, test_folds=3, val_folds=1)
    assert assign_splits(["a", "b"], ["x", "y"], named, dataset="d") == ["train", "train"]  # of clips: windows decide
    with pytest.raises(ValueError, match="must be left out with `protocol: paper_random_windows`"):
        SplitSettings(protocol="paper_random_windows", test_groups=("a",), val_groups=("b",))


def test_random_windows_fall_by_their_name_and_in_the_shares_asked_for():
    ids = [f"d:s:{i:06d}" for i in range(4000)]
    settings = SplitSettings(protocol="paper_random_windows", n_folds=10, test_folds=3, val_folds=1)
    splits = random_splits(ids, settings)
    shares = [splits.count(part) / len(ids) for part in ("train", "val", "test")]
    np.testing.assert_allclose(shares, [0.6, 0.1, 0.3], atol=0.03)
    assert random_splits(ids[::-1], settings) == splits[::-1]
    assert random_splits(ids[5:9], settings) == splits[5:9]
    assert random_splits(ids, settings.model_copy(update={"seed": 1})) != splits


@pytest.mark.fault(52)
def test_a_subject_in_two_splits_is_named():
    require_apart(["a", "a", "b"], ["train", "train", "test"], dataset="dip")
    with pytest.raises(UserError, match="Each subject of `dip` must be in one split, but a is in two"):
        require_apart(["a", "b", "a"], ["train", "test", "val"], dataset="dip")


def test_the_table_is_plain_parquet_and_comes_back_sorted(tmp_path):
    settings = WindowSettings(length_frames=4, hop_frames=2, feature_set="sensor_acc")
    schema = window_schema(settings, ["head"])
    x = np.arange(3 * 4 * 3, dtype=np.float32).reshape(3, 4, 3)
    ids = ["b:1", "a:1", "c:1"]
    columns = [pa.array(ids), *(pa.array([v] * 3) for v in ("d", "src", "s", "walk"))]
    columns += [
        pa.array([0, 2, 4], pa.int32()),
        pa.array(["train", "test", "val"]),
        pa.array([1.1, 1, 1], pa.float32()),
    ]
    table = pa.Table.from_arrays([*columns, pa.FixedShapeTensorArray.from_numpy_ndarray(x)], schema=schema)
    pq.write_table(table, tmp_path / "w.parquet")
    plain = pq.read_table(tmp_path / "w.parquet")
    assert plain.schema.metadata[b"channels"] == b"head.acc.x,head.acc.y,head.acc.z"
    assert plain.column("x").to_pylist()[0] == x[0].ravel().tolist()
    windows = read_windows([stored(tmp_path / "again.parquet", (tmp_path / "w.parquet").read_bytes())])
    assert windows.window_id.tolist() == ["a:1", "b:1", "c:1"]
    np.testing.assert_array_equal(windows.x, x[[1, 0, 2]])
    np.testing.assert_array_equal(windows.take(np.array([1, 0])).speed, np.float32([1.1, 1]))
    pq.write_table(table.drop_columns(["speed"]), tmp_path / "schema1.parquet")
    np.testing.assert_array_equal(
        read_windows([stored(tmp_path / "again.parquet", (tmp_path / "schema1.parquet").read_bytes())]).speed,
        np.ones(3),
    )
    assert len(windows.where(split=("train", "val"))) == 2
    with pytest.raises(UserError, match="labels must be among running, sitting, but walk occur"):
        windows.targets(("sitting", "running"))
    item, label = windows.torch_dataset()[0]
    assert (tuple(item.shape), int(label)) == ((4, 3), 0)


def test_no_column_of_the_table_may_be_empty():
    assert [field.name for field in window_schema(WindowSettings(), ["head"]) if field.nullable] == []
