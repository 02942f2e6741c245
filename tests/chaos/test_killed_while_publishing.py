"""SIGKILL after the last shard, at every single step to the published folder; and while an update takes its place.

The process that publishes is killed at its n-th touch of the file system, for each n, by an audit hook: the product
runs as it is. No step may lose a shard, and readers see what was there before, or all of the new, or nothing.
"""

import os
import shutil
import signal
from pathlib import Path

import pytest
from invariants import check_not_repeated, check_result, finished_shards
from killed_steps import killed_at
from running_job import job, run

from vimu.runtime.config import load_config
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish as publish_folder
from vimu.runtime.publish import reused
from vimu.runtime.published import open_published
from vimu.runtime.storage import write_whole
from vimu.stages import synthesize
from vimu.stages.config import Config

pytestmark = pytest.mark.ray


def readable(folder: Path) -> str | None:
    """The content hash that readers find; None where they refuse."""
    try:
        return open_published(folder, made_by="-").content_hash
    except UserError as error:
        assert "is not published yet" in str(error)  # nothing is ever found damaged
        return None


def kill_at_every_step(runs: Path, publish, check) -> list[str | None]:
    """Kill `publish` at each step from the same start; `check` what publishing again makes of it.

    Returns:
        What readers found after each kill.
    """
    start, folder, found = runs.with_name("start"), runs / "chaos" / "synthesize", []
    runs.rename(start)
    while True:
        shutil.rmtree(runs, ignore_errors=True)
        shutil.copytree(start, runs, copy_function=os.link)
        if not killed_at(len(found) + 1, runs, publish):
            return found
        found.append(readable(folder))
        publish()
        check(folder)


IDENTITY = {"stage": "s", "settings": {"a": 1}, "inputs": {"files": "one"}}


@pytest.mark.fault(5, 6)
@pytest.mark.parametrize("update", [False, True])
def test_a_stage_of_three_files(tmp_path, update):
    """Small form: a build that keeps what it finished, and fails where it has to do it again."""

    def build_as(text):
        def build(staging, previous):
            for name in ("x", "y"):
                if not (staging / ".tasks" / name).is_file():
                    assert not (staging / "_SUCCESS").exists()
                    write_whole(staging / "clips" / name, text + name)
                    write_whole(staging / ".tasks" / name, "done")
            if previous is not None:
                reused(previous.file("clips/x"), "clips/old", staging)
            return Outcome(counts={"rows": 2}, content_hash=text)

        return build

    def publish_as(text):
        identity = IDENTITY | {"inputs": {"files": text}}
        return publish_folder(
            tmp_path / "runs" / "chaos" / "synthesize",
            identity=identity,
            build=build_as(text),
            made_by="-",
            update=update,
        )

    def check(folder):
        published = open_published(folder, made_by="-")
        assert [file.read()[:3] for file in published.files("")] == [b"old", b"new", b"new"][not update :]
        assert published.content_hash == "new"
        assert {p.name for p in folder.parent.iterdir()} == {"synthesize", ".synthesize.lock"}

    (tmp_path / "runs" / "chaos").mkdir(parents=True)
    if update:
        publish_as("old")
    found = kill_at_every_step(tmp_path / "runs", lambda: publish_as("new"), check)
    assert len(found) >= 20
    assert set(found) == ({"old", None, "new"} if update else {None})
    if update:
        assert found.count(None) == 1  # between the two renames


@pytest.fixture
def all_shards_whole(configured, archive, tmp_path):
    """Makes a run's folder where all shards are whole and nothing else is; returns its configuration."""

    def make(update):
        grown = tmp_path / "in"
        shutil.copytree(archive, grown)
        path = configured(tmp_path, [grown])
        if update:
            late = {p: tmp_path / f"{i}.npz" for i, p in enumerate(sorted(grown.rglob("*_poses.npz"))) if i % 5 == 1}
            for there, aside in late.items():
                there.rename(aside)
            code, said = run(path)
            assert code == 0, said
            for there, aside in late.items():
                aside.rename(there)
        options = ["--update"] if update else []
        script = "tests/chaos/dies_after_the_last_shard.py"
        with job(path, tmp_path, *options, script=script) as running:
            code, said = running.end()
        assert code == -signal.SIGKILL, said
        return load_config(Config, path)

    return make


@pytest.mark.fault(5, 6)
@pytest.mark.chaos
@pytest.mark.parametrize("update", [False, True])
def test_synthesis_after_its_last_shard(all_shards_whole, undisturbed, tmp_path, monkeypatch, update):
    config = all_shards_whole(update)
    folder = config.run_dir / "synthesize"
    old, shards = readable(folder), finished_shards(folder.with_name(".synthesize.staging"))

    def refuse(*_):
        raise AssertionError("a finished shard was repeated")

    monkeypatch.setattr("vimu.stages.shards.ray_session", refuse)

    def check(folder):
        after = check_result(folder)
        wanted = (undisturbed.files_in, undisturbed.clip_ids, undisturbed.content_hash)
        assert (after.files_in, after.clip_ids, after.content_hash) == wanted
        check_not_repeated(shards, folder)

    plan = synthesize.plan(config)
    found = kill_at_every_step(tmp_path / "runs", lambda: synthesize.STAGE.run(config, plan, "-", update=update), check)
    assert len(found) >= len(shards)
    assert set(found) == ({old, None, undisturbed.content_hash} if update else {None})
    assert (old is None) is not update
    if update:
        assert found.count(None) == 1
