"""The prepare stage with filters: what is published adds up, and the figures show it."""

import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

import vimu
from vimu.evaluation.filter_figures import main as draw
from vimu.evaluation.filter_figures import seen_by_filters
from vimu.runtime.errors import UserError
from vimu.runtime.published import open_published
from vimu.stages import prepare

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def filtered_run(small_run, small_config, tmp_path_factory):
    """The windows of the small run's clips, odd ones left out. Two clips a class train, and of two neither is odd, so
    all splits are filtered."""
    filters = {"splits": "all", "min_clips": 2, "turning": None}
    raw = small_run.preparation.model_dump(mode="json")
    raw |= {"clips": str(small_run.run_dir / "synthesize"), "filters": filters}
    config = small_config(tmp_path_factory.mktemp("filtered"), name="filtered", prepare=raw)
    prepare.STAGE.run(config, prepare.plan(config), "filtered.yaml")
    return config


def test_rows_add_up_and_the_plan_says_what_will_be_dropped(filtered_run, small_run):
    plan = prepare.plan(filtered_run)
    done = open_published(filtered_run.run_dir / "prepare", made_by="-")
    counts, dropped = done.manifest["counts"], sum(done.details["filters"]["dropped_by"].values())
    assert dropped > 0
    assert "turning" not in done.details["filters"]["dropped_by"]
    assert counts["sources_in"] == counts["sources_cut"] + counts["rejections"]
    assert done.details["left_out"]["unlike_label"] == dropped
    assert sum(n for _, n in plan.tables["unlike their label, by filter"]) == dropped
    windows = vimu.load_windows(filtered_run.run_dir).where(dataset="amass")
    assert plan.counts["virtual_windows"] == len(windows)
    before = vimu.load_windows(small_run.run_dir).where(dataset="amass")
    gone = set(before.window_id.tolist()) - set(windows.window_id.tolist())
    clips = pq.read_table(filtered_run.run_dir / "prepare" / "filters" / "clips.parquet").to_pylist()
    assert {name.split(":")[1] for name in gone} == {clip["clip_id"] for clip in clips if clip["unlike"]}
    assert {clip["split"] for clip in clips} == {"train", "val", "test"}
    rejected = pq.read_table(filtered_run.run_dir / "prepare" / "rejections.parquet").to_pylist()
    details = {(r["path"], r["detail"]) for r in rejected if r["reason"] == "unlike_label"}
    assert details == {(clip["sequence"], clip["detail"]) for clip in clips if clip["unlike"]}


def test_figures_and_the_data_behind_them(filtered_run, tmp_path):
    draw(filtered_run.run_dir, tmp_path)
    seen = seen_by_filters(filtered_run.run_dir)
    kept = seen.clips.column("unlike").null_count
    bins = pcsv.read_csv(tmp_path / "histograms-left_wrist.csv").to_pylist()
    for statistic in ("rms@left_wrist", "cadence@left_wrist"):
        of_it = [row for row in bins if row["statistic"] == statistic]
        assert sum(row["kept"] for row in of_it) == kept
        assert sum(row["dropped"] for row in of_it) == seen.clips.num_rows - kept
    samples = pcsv.read_csv(tmp_path / "curves-left_wrist.csv").to_pylist()
    assert {row["label"] for row in samples} == set(seen.labels)
    assert max(row["t_s"] for row in samples) <= 5
    clip = vimu_clip(filtered_run, samples[0]["clip_id"])
    assert samples[3]["acc_m_s2"] == pytest.approx(float((clip[3] ** 2).sum() ** 0.5), rel=1e-5)
    for name in ("histograms", "curves"):
        assert (tmp_path / f"{name}-left_wrist.png").read_bytes().startswith(b"\x89PNG")


def vimu_clip(config, clip_id):
    """Acceleration at the first sensor of a clip, which is the left wrist."""
    from vimu.clips.schema import clips_from

    shards = open_published(config.preparation.clips, made_by="-").files("clips/")
    clips = {clip.clip_id: clip for shard in shards for clip in clips_from(shard.table())}
    return clips[clip_id].recording.acc[:, 0]


def test_a_run_without_filters_has_no_figures(small_run):
    with pytest.raises(UserError, match=r"must be prepared with `prepare.filters`"):
        seen_by_filters(small_run.run_dir)
