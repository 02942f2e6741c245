"""A growing archive: `--update` reads what is new, keeps the rest, and ends as a run from scratch would."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import vimu
from object_store import s3_server
from vimu.runtime.errors import UserError
from vimu.runtime.published import open_published
from vimu.runtime.storage import location
from vimu.stages import synthesize
from vimu.stages.estimate import estimate

pytestmark = pytest.mark.ray


@pytest.fixture
def archive(small_data, tmp_path):
    """Twelve takes of the small archive, of which four lie aside at first."""
    every = sorted((small_data / "amass").rglob("*_poses.npz"))
    takes = [take for take in every if take.name.startswith(("walking", "wave", "jump"))][:12]  # of all four people
    for i, take in enumerate(takes):
        where = tmp_path / ("aside" if i % 3 == 1 else "in") / take.relative_to(small_data / "amass")
        where.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(take, where)
    return tmp_path / "in"


def run(config, **options):
    return synthesize.STAGE.run(config, synthesize.plan(config), "-", **options)


def config_for(small_config, demo_body, runs: Path, archive: Path, name="grown"):
    inputs = [{"archive": "amass", "root": str(archive), "body": str(demo_body), "synthetic": True}]
    return small_config(runs, name=name, synthesize={"inputs": inputs, "task_mb": 0.5})


def test_only_what_is_new_or_changed_is_read(small_config, demo_body, archive, tmp_path, local_ray):
    config = config_for(small_config, demo_body, tmp_path / "runs", archive)
    first = run(config)
    kept = sorted(archive.rglob("*.npz"))
    gone, changed, same = kept[0], kept[1], len(kept) - 2
    gone.unlink()
    os.utime(changed, ns=(1, 1))
    (archive / "torn_walk_poses.npz").write_bytes(b"")  # left out, and carried over by a later update
    shutil.copytree(tmp_path / "aside", archive, dirs_exist_ok=True)
    with pytest.raises(UserError, match="take in what is new in the archives with `--update`"):
        run(config)
    plan = synthesize.plan(config)
    assert "would take into" in synthesize.STAGE.state(config, plan, update=True)
    shown = synthesize.STAGE.shown(config, plan, update=True)

    second = run(config, update=True)
    assert second.fresh
    updated = second.details["updated"]
    n_files = len(list(archive.rglob("*.npz")))
    by_rule = sum(n for why, n in second.details["left_out"].items() if why in ("removed_by_rule", "no_label"))
    assert updated["files_read"] + updated["files_as_before"] == n_files - by_rule
    assert updated["files_as_before"] <= same
    assert updated["files_gone"] == 1
    assert {f"files_{name}": shown.counts[f"files_{name}"] for name in ("as_before", "gone")} | {
        "files_read": shown.counts["files_to_read"]
    } == updated
    assert updated["files_read"] == sum(len(task.files) for task in shown.work.tasks) < plan.counts["files_to_read"]
    assert sum(n for _, n in shown.tables["label"]) == updated["files_read"]
    assert estimate(config, shown).count(f" of {updated['files_read']} files") == 1
    counts = second.manifest["counts"]
    assert counts["files_in"] == n_files == counts["clips"] + counts["rejections"]
    scratch = run(config_for(small_config, demo_body, tmp_path / "runs", archive, name="scratch"))
    assert second.content_hash == scratch.content_hash != first.content_hash
    assert not (config.run_dir / ".synthesize.replaced").exists()
    assert not run(config, update=True).fresh
    assert synthesize.STAGE.shown(config, plan, update=True) is plan  # nothing to update

    (archive / "again.npz").write_bytes(b"")
    third = run(config, update=True)
    assert third.content_hash == second.content_hash
    torn = [
        row["path"] for row in third.file("rejections.parquet").table().to_pylist() if row["reason"] == "unreadable"
    ]
    assert "torn_walk_poses.npz" in torn


def test_a_copy_takes_the_place_of_the_take_that_went(small_config, demo_body, archive, tmp_path, local_ray):
    first, *_ = sorted(archive.rglob("*.npz"))
    copy = first.with_name("zz_" + first.name)
    shutil.copy(first, copy)
    config = config_for(small_config, demo_body, tmp_path / "runs", archive)
    before = run(config)
    assert before.details["left_out"]["duplicate"] == 1
    first.unlink()
    after = run(config, update=True)
    assert after.content_hash == before.content_hash
    assert after.manifest["counts"]["clips"] == before.manifest["counts"]["clips"]
    shutil.copy(copy, first)  # and back: the first by path stays, as in a run from scratch
    again = run(config, update=True)
    clips = {row["path"]: row["clip_id"] for row in again.file("sources.parquet").table().to_pylist()}
    assert clips[first.relative_to(archive).as_posix()] is not None
    assert clips[copy.relative_to(archive).as_posix()] is None
    assert again.details["labels_hash"] == before.details["labels_hash"]


def test_other_settings_are_no_update(small_config, demo_body, archive, tmp_path, local_ray):
    config = config_for(small_config, demo_body, tmp_path / "runs", archive)
    run(config)
    other = config.model_copy(update={"synthesize": config.synthesis.model_copy(update={"rate_hz": 50.0})})
    with pytest.raises(UserError, match=r"settings\.rate_hz: 60\.0 -> 50\.0"):
        run(other, update=True)


def test_a_kill_between_the_two_renames_leaves_the_old_result(small_config, demo_body, archive, tmp_path, local_ray):
    config = config_for(small_config, demo_body, tmp_path / "runs", archive)
    first = run(config)
    folder = Path(first.folder)
    folder.rename(folder.parent / ".synthesize.replaced")
    assert not run(config).fresh
    assert open_published(folder, made_by="-").content_hash == first.content_hash


@pytest.mark.slow
def test_the_jobs_on_an_object_store(small_config, demo_body, archive, tmp_path, local_ray, repo):
    """Workers write there; the hash is that of a folder's; an update moves no object; windows are cut from it."""
    here = run(config_for(small_config, demo_body, tmp_path / "runs", archive))
    path = tmp_path / "run.yaml"

    def job(name, *words):
        command = [sys.executable, f"jobs/{name}.py", "--config", str(path), "--set", "ray.num_cpus=2", *words]
        done = subprocess.run(command, cwd=repo, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
        return done.stderr + done.stdout

    with s3_server() as bucket:
        config = config_for(small_config, demo_body, tmp_path / "runs", archive)
        config = config.model_copy(update={"runs_dir": location(f"{bucket}/runs")})
        with path.open("w") as stream:
            YAML().dump(json.loads(config.model_dump_json()), stream)
        job("synthesize")
        there = open_published(config.run_dir / "synthesize", made_by="-")
        assert there.content_hash == here.content_hash
        assert "nothing to do" in job("synthesize")
        shutil.copytree(tmp_path / "aside", archive, dirs_exist_ok=True)
        job("synthesize", "--update")
        grown = open_published(config.run_dir / "synthesize", made_by="-")
        assert {f.where for f in there.files("clips/")} < {f.where for f in grown.files("clips/")}
        job("prepare")
        windows = vimu.load_windows(f"{bucket}/runs/grown")
        assert len(windows.where(dataset="dip")) > 0
        assert len(windows.where(dataset="dip")) < len(windows)
    scratch = run(config_for(small_config, demo_body, tmp_path / "runs", archive, name="scratch"))
    assert grown.content_hash == scratch.content_hash
