"""The filters as a step of the prepare stage: which clips a plan drops, and what it publishes of them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vimu.clips.filters import FilterSettings
from vimu.clips.labels import Label
from vimu.clips.schema import CLIP_SCHEMA, clip_row
from vimu.clips.statistics import STATISTICS
from vimu.contracts import ImuRecording, Reason, SkeletonMotion, Take
from vimu.runtime.errors import UserError
from vimu.runtime.storage import StoredFile
from vimu.stages.prepare_filters import Filtered, filter_clips
from vimu.stages.shards import write_shard

SENSORS = ("left_wrist", "head")
HZ = {"walking": 1.0, "running": 3.0}
SIZE = {"walking": 4.0, "running": 20.0}
N = 20
MISLABELLED = {"train": "running-03", "val": "running-17", "test": "running-19"}


def split_of(sequence: str) -> str:
    """Of each ten clips: two validate, two test."""
    return {6: "val", 7: "val", 8: "test", 9: "test"}.get(int(sequence[-1]), "train")


def clip(motion: str, number: int) -> dict[str, object]:
    """A clip of shaking up and down; the running one named in `MISLABELLED` says it is walking."""
    rng = np.random.default_rng([number, len(motion)])
    t = np.arange(300)[:, None] / 60
    acc = np.zeros((300, 2, 3))
    acc[..., 1] = (
        SIZE[motion] * rng.uniform(0.8, 1.25, 2) * np.sin(2 * np.pi * HZ[motion] * rng.uniform(0.95, 1.05) * t)
    )
    acc += rng.normal(0, 0.2, acc.shape)
    turns = np.tile(np.eye(3, dtype=np.float32), (300, 2, 1, 1))
    gyr = rng.normal(0, SIZE[motion] / 10, acc.shape)
    recording = ImuRecording(acc.astype("f4"), gyr.astype("f4"), turns, 60.0, SENSORS, "world", "removed")
    sequence = f"{motion}-{number:02d}"
    tree = SkeletonMotion(
        ("root",), (-1,), np.zeros((1, 1, 3)), np.eye(3)[None, None], 60.0, Take("made_up", None, sequence, "")
    )
    label = "walking" if sequence in MISLABELLED.values() else motion
    return clip_row(tree, Label(label, "by hand"), recording, clip_id=sequence, body=None)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[StoredFile], list[dict[str, object]]]:
    folder = tmp_path_factory.mktemp("clips")
    rows = [clip(motion, number) for motion in HZ for number in range(N)]
    files = [folder / "a.parquet", folder / "b.parquet"]
    tables = (pa.Table.from_pylist(part, CLIP_SCHEMA) for part in (rows[:25], rows[25:]))
    return [write_shard(file, table, dictionary=[]) for file, table in zip(files, tables, strict=True)], rows


def filtered(shards: tuple[list[StoredFile], list[dict[str, object]]], **given: object) -> Filtered:
    files, rows = shards
    splits = [split_of(str(row["sequence"])) for row in rows]
    return filter_clips(files, rows, splits, FilterSettings.model_validate(given))


@pytest.mark.parametrize(
    ("splits", "seen"), [("train", ["train"]), ("train_and_val", ["train", "val"]), ("all", ["train", "val", "test"])]
)
def test_only_the_splits_asked_for_are_filtered(shards, splits, seen):
    found = filtered(shards, splits=splits)
    assert {r.path for r in found.rejections.values()} == {MISLABELLED[split] for split in seen}
    assert {r.reason for r in found.rejections.values()} == {Reason.UNLIKE_LABEL}
    assert all("`walking`" in r.detail for r in found.rejections.values())
    assert sum(found.by_filter.values()) == len(seen)
    assert set(found.clips.column("split").to_pylist()) == set(seen)


def test_what_a_person_decided_stands(shards):
    files, rows = shards
    mine = [row | {"rule": "decision:ada"} if row["sequence"] == MISLABELLED["train"] else row for row in rows]
    splits = [split_of(str(row["sequence"])) for row in rows]
    found = filter_clips(files, mine, splits, FilterSettings(splits="all"))
    assert {r.path for r in found.rejections.values()} == set(MISLABELLED.values()) - {MISLABELLED["train"]}
    assert MISLABELLED["train"] not in [c["sequence"] for c in found.clips.to_pylist() if c["unlike"]]


def test_thresholds_are_the_training_splits_whatever_is_filtered(shards):
    assert filtered(shards, splits="all").classes.equals(filtered(shards).classes)


def test_the_tables_say_what_was_seen_and_why(shards, tmp_path):
    filtered(shards, splits="all", jerk=None).write(tmp_path)
    clips = pq.read_table(tmp_path / "filters" / "clips.parquet").to_pylist()
    assert len(clips) == 2 * N
    assert [c["sequence"] for c in clips if c["unlike"]] == sorted(MISLABELLED.values())
    assert all((c["detail"] is None) == (c["unlike"] is None) for c in clips)
    by_sequence = {c["sequence"]: c for c in clips}
    assert by_sequence["running-00"]["rms@left_wrist"] == pytest.approx(20 / np.sqrt(2), rel=0.3)
    assert by_sequence["running-03"]["margin"] < 0 < by_sequence["running-00"]["margin"]
    classes = {
        (c["label"], c["statistic"], c["sensor"]): c
        for c in pq.read_table(tmp_path / "filters" / "classes.parquet").to_pylist()
    }
    assert len(classes) == 2 * (len(SENSORS) * len(STATISTICS) + 1)
    walking = classes["walking", "rms", "head"]
    assert walking["low"] < walking["median"] < walking["high"] < by_sequence["running-00"]["rms@head"]
    assert classes["walking", "jerk", "head"]["low"] is None  # the filter is off
    assert classes["walking", "other_class", None]["low"] <= 0


def test_sensors_can_be_chosen_and_must_be_there(shards):
    names = filtered(shards, sensors=["head"]).clips.column_names
    assert [n for n in names if "@" in n] == [f"{s}@head" for s in STATISTICS]
    with pytest.raises(
        UserError, match=r"`prepare.filters.sensors` must be synthesized \(head, left_wrist\), but left_foot"
    ):
        filtered(shards, sensors=["left_foot"])


def test_clips_of_an_older_version_are_refused_with_the_command_that_mends_it(shards, tmp_path):
    files, rows = shards
    old = files[0].table().replace_schema_metadata({}).drop_columns(["statistics"])
    file = write_shard(tmp_path / "old.parquet", old, dictionary=[])
    with pytest.raises(UserError, match=r"run jobs/synthesize.py under another `name`"):
        filter_clips([file], rows[:25], ["train"] * 25, FilterSettings())
