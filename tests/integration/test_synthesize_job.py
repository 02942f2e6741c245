"""Synthesis on Ray Data: nothing lost, nothing twice, the plan is what happens."""

import os
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vimu
from vimu.archives.unpack import unpack, unpack_all
from vimu.clips.schema import clip_id_of, clips_from
from vimu.runtime.errors import UserError
from vimu.runtime.published import open_published
from vimu.stages import synthesize

pytestmark = pytest.mark.ray


def clips_table(config):
    published = open_published(config.run_dir / "synthesize", made_by="-")
    return pa.concat_tables([file.table() for file in published.files("clips/")]), published


def rejections(config):
    return pq.read_table(config.run_dir / "synthesize" / "rejections.parquet").to_pylist()


@pytest.mark.fault(26, 44)
def test_rows_in_are_rows_out_and_rejections(small_run, small_data):
    table, published = clips_table(small_run)
    files = [p for p in (small_data / "amass").rglob("*.npz") if p.name != "shape.npz"]
    left_out = rejections(small_run)
    assert len(files) == published.manifest["counts"]["files_in"] == len(table) + len(left_out)
    assert len(set(table.column("clip_id").to_pylist())) == len(table)
    assert {row["reason"] for row in left_out} == {"removed_by_rule", "unreadable", "non_finite"}
    assert all(row["path"] and row["detail"] for row in left_out)
    assert {row["detail"] for row in left_out if row["reason"] == "removed_by_rule"} == {"remove_combat"}


def test_the_plan_is_what_happens(small_run):
    plan = synthesize.plan(small_run)
    table, published = clips_table(small_run)
    failed = [row for row in rejections(small_run) if row["reason"] not in {"removed_by_rule", "no_label"}]
    assert plan.counts["files_in"] == published.manifest["counts"]["files_in"]
    assert plan.counts["files_to_read"] == len(table) + len(failed)
    assert plan.counts["tasks"] == len(published.files("clips/"))


def test_the_work_is_done_in_rays_workers(small_run):
    pids = clips_table(small_run)[1].details["worker_pids"]
    assert pids
    assert os.getpid() not in pids


def test_a_clip_is_what_the_library_call_gives(small_run, small_data, demo_body):
    """Serial equals parallel, bit for bit."""
    clips = clips_from(clips_table(small_run)[0])
    for clip in clips[:: max(1, len(clips) // 5)]:
        alone = vimu.synthesize(
            small_data / "amass" / f"{clip.sequence}.npz", body=demo_body,
            placements=["left_wrist", "right_thigh", "head"], rate_hz=60,
        )  # fmt: skip
        for name in ("acc", "gyr", "ori"):
            np.testing.assert_array_equal(getattr(clip.recording, name), getattr(alone, name))


def test_plain_pyarrow_reads_the_clips(small_run):
    row = clips_table(small_run)[0].slice(0, 1).to_pylist()[0]
    assert len(row["acc"]) == len(row["gyr"]) == row["n_frames"] * 3 * 3
    assert len(row["ori"]) == row["n_frames"] * 3 * 9


@pytest.mark.fault(12)
def test_again_is_a_no_op_and_another_configuration_is_refused(small_run, small_config):
    before = (small_run.run_dir / "synthesize" / "_SUCCESS").stat().st_mtime_ns
    again = synthesize.STAGE.run(small_run, synthesize.plan(small_run), "small.yaml")
    assert not again.fresh
    assert (small_run.run_dir / "synthesize" / "_SUCCESS").stat().st_mtime_ns == before
    settings = small_run.synthesize.model_dump(mode="json") | {"rate_hz": 50}
    other = small_config(small_run.runs_dir, synthesize=settings)
    with pytest.raises(UserError, match=r"settings\.rate_hz: 60\.0 -> 50\.0"):
        synthesize.STAGE.run(other, synthesize.plan(other), "small.yaml")


@pytest.mark.fault(51)
def test_the_same_take_twice_is_kept_once(small_data, small_config, demo_body, tmp_path, local_ray):
    source = sorted((small_data / "amass").rglob("walk*_poses.npz"))[0]
    for name in ("a/one", "b/two"):
        (tmp_path / "in" / name).mkdir(parents=True)
        shutil.copy(source, tmp_path / "in" / name / "walk_poses.npz")
    inputs = [{"archive": "amass", "root": str(tmp_path / "in"), "body": str(demo_body)}]
    config = small_config(tmp_path, synthesize={"inputs": inputs})
    published = synthesize.STAGE.run(config, synthesize.plan(config), "-")
    assert published.manifest["counts"] | {"frames": 0} == {"files_in": 2, "clips": 1, "rejections": 1, "frames": 0}
    [row] = rejections(config)
    assert (row["reason"], row["path"]) == ("duplicate", "b/two/walk_poses")
    assert len(clips_table(config)[0]) == 1


@pytest.mark.fault(54, 57)
@pytest.mark.parametrize("kind", ["missing", "empty", "link"])
def test_an_archive_that_is_not_there_says_what_was_searched(small_config, small_data, demo_body, tmp_path, kind):
    root = tmp_path / "in"
    if kind != "missing":
        root.mkdir()
    if kind == "link":
        (root / "walk_poses.npz").symlink_to(next((small_data / "amass").rglob("walk*_poses.npz")))
    inputs = [{"archive": "amass", "root": str(root), "body": str(demo_body)}]
    says = {"missing": "must be a folder", "empty": r"must hold `\*\*/\*\.npz`", "link": "but is a link to"}[kind]
    with pytest.raises(UserError, match=says):
        synthesize.plan(small_config(tmp_path, synthesize={"inputs": inputs}))


@pytest.mark.fault(38, 41)
def test_amass_as_downloaded(small_config, small_data, demo_body, tmp_path, local_ray):
    """Packed archives, both nestings, an alias, two releases of a take, a model a gender, rates that are wrong."""
    root, bodies = tmp_path / "in", tmp_path / "bodies"
    root.mkdir()
    bodies.mkdir()
    for gender in ("FEMALE", "NEUTRAL"):
        shutil.copy(demo_body, bodies / f"SMPL_{gender}.pkl")
    take = dict(np.load(sorted((small_data / "amass").rglob("walk*_poses.npz"))[0]))
    take |= {"gender": np.array("male"), "mocap_framerate": np.array(120.0)}
    names = ("CMU/80/walk_63_poses", "CMU/80/walk_63_stageii", "TCD_handMocap/ExperimentDatabase/walk_poses")
    for scale, name in enumerate(names, start=1):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.savez(tmp_path / f"{name}.npz", **take | {"trans": take["trans"] * scale / 3})
    np.savez(tmp_path / "CMU" / "80" / "shape.npz", betas=take["betas"])
    with tarfile.open(root / "CMU.tar.bz2", "w:bz2") as tar:
        tar.add(tmp_path / "CMU", "CMU")
    shutil.make_archive(str(root / "TCDHands"), "zip", tmp_path, "TCD_handMocap")
    inputs = [{"archive": "amass", "root": str(root), "body": str(bodies)}]
    config = small_config(tmp_path, synthesize={"inputs": inputs})
    with pytest.raises(UserError, match=r"holds 2 packed archives only.*vimu\.archives\.unpack .*in --into .*in$"):
        synthesize.plan(config)

    unpack(root / "CMU.tar.bz2", root)
    (root / ".TCDHands.partial").mkdir()  # what a killed unpacking leaves is no take
    shutil.copy(tmp_path / "CMU" / "80" / "walk_63_poses.npz", root / ".TCDHands.partial" / "walk_poses.npz")
    counts = synthesize.plan(config).counts
    wanted = {"files_in": 2, "left_out_duplicate": 1, "archives_not_unpacked": 1, "no_motion_by_name": 1}
    assert {name: counts[name] for name in wanted} == wanted

    unpack_all([root], root)
    plan = synthesize.plan(config)
    assert "archives_not_unpacked" not in plan.counts
    synthesize.STAGE.run(config, plan, "-")
    rows = {row["subject"]: row for row in clips_table(config)[0].drop_columns(["acc", "gyr", "ori"]).to_pylist()}
    assert set(rows) == {"CMU/80", "TCDHands/ExperimentDatabase"}
    assert {(row["gender"], row["body"], row["file_rate_hz"]) for row in rows.values()} == {
        ("male", "SMPL_NEUTRAL.pkl", 120.0)
    }
    assert [rows[subject]["source_rate_hz"] for subject in sorted(rows)] == [60.0, 120.0]
    assert "rate is 60 Hz" in rows["CMU/80"]["notes"][0]
    assert "in doubt" in rows["TCDHands/ExperimentDatabase"]["notes"][0]
    [row] = rejections(config)
    assert (row["reason"], row["path"]) == ("duplicate", "CMU/CMU/80/walk_63_stageii.npz")


def test_two_roots_with_the_same_names_are_two_inputs(small_config, bandai_mini, tmp_path):
    """Shards are named by what they hold: the second root's must not be taken for the first's."""
    sources = sorted(bandai_mini.rglob("*walk*.bvh"))[:2]
    for root, source in zip(("a", "b"), sources, strict=True):
        (tmp_path / root).mkdir()
        shutil.copy(source, tmp_path / root / "walk.bvh")
    inputs = [{"archive": "bandai", "root": str(tmp_path / root)} for root in ("a", "b")]
    plan = synthesize.plan(small_config(tmp_path, synthesize={"inputs": inputs}))
    assert plan.work is not None
    assert plan.counts["files_to_read"] == 2
    assert len({task.shard for task in plan.work.tasks}) == 2
    assert len({clip_id for task in plan.work.tasks for clip_id in task.clip_ids}) == 2


def test_a_clip_is_named_by_its_file_and_not_by_its_numbers(small_config, bandai_mini, tmp_path):
    """Training follows the order of the ids, and the last bits of a clip are another processor's own."""
    [source] = sorted(bandai_mini.rglob("*walk*.bvh"))[:1]
    ids = []
    for name, rate_hz in (("one", 60.0), ("other", 50.0)):
        (tmp_path / name / "below").mkdir(parents=True)
        shutil.copy(source, tmp_path / name / "below" / "walk.bvh")
        inputs = [{"archive": "bandai", "root": str(tmp_path / name)}]
        plan = synthesize.plan(small_config(tmp_path, synthesize={"inputs": inputs, "rate_hz": rate_hz}))
        assert plan.work is not None
        ids += [clip_id for task in plan.work.tasks for clip_id in task.clip_ids]
    assert ids == [clip_id_of("bandai", "below/walk.bvh", 0)] * 2


def test_platform_is_the_standard_librarys_in_a_worker(local_ray):
    import ray

    @ray.remote
    def look():
        import platform

        return platform.system(), platform.__file__

    system, where = ray.get(look.remote())
    assert system == "Linux"
    assert where.endswith("platform.py")
