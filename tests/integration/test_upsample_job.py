"""Up-sampling in the prepare job: training windows only, told apart, the same each time, nothing else changed."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

import vimu
from vimu.runtime.published import open_published
from vimu.stages import prepare, synthesize

pytestmark = pytest.mark.ray


def prepared(cut_run, small_config, folder, **changes):
    """The run's clips cut again, with changes of the `prepare` section."""
    settings = cut_run.preparation.model_dump(mode="json") | {"clips": str(cut_run.run_dir / "synthesize")}
    config = small_config(folder, prepare=settings | changes)
    plan = prepare.plan(config)
    return plan, prepare.STAGE.run(config, plan, "-"), vimu.load_windows(config.run_dir)


def test_copies_are_training_windows_and_leave_the_others_as_they_were(cut_run, small_config, local_ray, tmp_path):
    original = open_published(cut_run.run_dir / "prepare", made_by="-")
    own = vimu.load_windows(cut_run.run_dir)
    plan, published, windows = prepared(cut_run, small_config, tmp_path / "a", upsample={"max_copies": 2})
    copies = windows.take(np.flatnonzero(windows.speed != 1))
    rest = windows.take(np.flatnonzero(windows.speed == 1))
    assert len(copies) == published.manifest["counts"]["upsampled_windows"] == plan.counts["upsampled_windows"] > 0
    assert (set(copies.split.tolist()), set(copies.dataset.tolist())) == ({"train"}, {"amass"})
    assert len(set(windows.window_id.tolist())) == len(windows)
    assert ((copies.speed >= 0.85) & (copies.speed <= 1.15)).all()

    assert set(own.speed.tolist()) == {1.0}
    assert rest.window_id.tolist() == own.window_id.tolist()
    for name in ("x", "split", "subject", "label"):
        np.testing.assert_array_equal(getattr(rest, name), getattr(own, name))

    table = pa.concat_tables(
        [f.columns(["source_id", "subject", "split", "label"]) for f in published.files("windows/")]
    )
    by_source = {}
    for row in table.to_pylist():  # a copy goes where its clip goes
        said = row["subject"], row["split"], row["label"]
        assert by_source.setdefault(row["source_id"], said) == said

    before = Counter(own.where(dataset="amass", split="train").label.tolist())
    after = Counter(windows.where(dataset="amass", split="train").label.tolist())
    assert published.details["upsampled"] == {c: {"before": before[c], "after": after[c]} for c in before}
    largest = max(before.values())
    # whole copies: a class ends nearer to the largest than it was, on whichever side
    grown = [c for c in before if after[c] > before[c]]
    assert len(grown) >= len(before) / 2
    assert all(abs(largest - after[c]) < largest - before[c] for c in grown)
    assert all(after[c] == before[c] for c in before if c not in grown)
    assert original.details["upsampled"] == {}
    assert published.content_hash != original.content_hash

    _, again, _ = prepared(cut_run, small_config, tmp_path / "b", upsample={"max_copies": 2})
    _, other, _ = prepared(cut_run, small_config, tmp_path / "c", upsample={"max_copies": 2, "seed": 1})
    _, off, _ = prepared(cut_run, small_config, tmp_path / "d")
    assert again.content_hash == published.content_hash != other.content_hash
    assert off.content_hash == original.content_hash


def test_a_copy_passes_through_a_device_of_its_own(umafall, bandai_mini, small_config, local_ray, tmp_path):
    """Speed first, then the device: planned windows are those that come out, and no two copies read alike."""
    config = small_config(
        tmp_path,
        synthesize={"inputs": [{"archive": "bandai", "root": str(bandai_mini)}], "placements": ["chest", "waist"]},
        prepare={
            "real": {"recordings": "umafall", "root": str(umafall)}, "device": "umafall",
            "windows": {"rate_hz": 20, "length_frames": 40, "hop_frames": 20, "feature_set": "sensor_acc_gyr"},
            "upsample": {"max_copies": 2},
        },
    )  # fmt: skip
    synthesize.STAGE.run(config, synthesize.plan(config), "-")
    plan = prepare.plan(config)
    published = prepare.STAGE.run(config, plan, "-")
    windows = vimu.load_windows(config.run_dir).where(dataset="bandai")
    assert plan.counts["virtual_windows"] == len(windows)
    assert published.manifest["counts"]["upsampled_windows"] == int((windows.speed != 1).sum()) > 0
    assert len({x.tobytes() for x in windows.x}) == len(windows)
