"""What a hurried person types: refused in a sentence, before anything is read or written."""

import numpy as np
import pytest

import vimu
from vimu.runtime.config import load_config
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.runtime.storage import location, remove
from vimu.stages import prepare
from vimu.stages.config import Config
from vimu.windows.settings import SplitSettings
from vimu.windows.split import assign_splits

IDENTITY = {"stage": "synthesize", "inputs": {}}


@pytest.fixture
def minimal(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: x\nsynthesize: {inputs: [{archive: bandai, root: data}]}\n"
        "prepare: {real: {recordings: umafall, root: data}}"
    )
    return path


@pytest.mark.parametrize(
    "override",
    [
        "synthesize.seed=-1", "prepare.device_seed=-1", "prepare.real_split.seed=5000000000", "finetune.seeds=[0, 0]",
        "finetune.seeds=[-1]", "tune.seed=-1", "pretrain.seed=-1", "synthesize.placements=[head, head]",
        "synthesize.rate_hz=1000000", "synthesize.rate_hz=0.001", "prepare.windows.rate_hz=1000000",
        "prepare.windows.sensors=[]", "prepare.windows.sensors=[head, head]", "prepare.filters={sensors: []}",
        "tune.max_concurrent=0", "prepare.upsample={max_copies: 1000000}", f"name={'a' * 300}",
    ],
)  # fmt: skip
def test_numbers_and_lists_that_no_stage_can_use_name_their_setting(minimal, override):
    key = override.partition("=")[0].split(".")[-1]
    with pytest.raises(UserError, match=key):
        load_config(Config, minimal, [override])


@pytest.mark.parametrize("place", [None, 5, "", "s3://", "s3:/bucket/x", "s3:bucket", "s3:///x", "gs://"])
def test_a_place_that_is_neither_folder_nor_uri_is_refused(place):
    with pytest.raises(UserError, match="must be a folder or a URI"):
        location(place)


def test_a_place_that_other_processes_do_not_see_is_refused():
    with pytest.raises(UserError, match="workers see"):
        location("memory://runs")


def test_home_and_file_uris_are_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert location("~/runs") == tmp_path / "runs"
    assert location(f"file://{tmp_path}/runs") == tmp_path / "runs"


def test_a_results_folder_that_cannot_be_made_is_a_persons_matter(tmp_path):
    (tmp_path / "file").touch()
    for runs in (tmp_path / "file", location("/proc/nowhere")):
        with pytest.raises(UserError, match="must be a folder that can be written"):
            publish(runs / "x" / "s", identity=IDENTITY, build=lambda *_: pytest.fail("built"), made_by="-")


def test_windows_are_not_read_from_a_folder_of_clips(tmp_path):
    outcome = Outcome(counts={"rows": 0}, content_hash="h")
    published = publish(tmp_path / "synthesize", identity=IDENTITY, build=lambda *_: outcome, made_by="-")
    with pytest.raises(UserError, match="is of `synthesize`"):
        vimu.load_windows(str(published.folder))


def test_virtual_and_real_windows_are_told_apart(minimal, tmp_path):
    """An archive called `umafall` would lend its clips, and its word on what is synthetic, to the real recordings."""
    outcome = Outcome(counts={"clips": 1}, content_hash="h", details={"datasets": ["umafall"]})
    clips = publish(tmp_path / "synthesize", identity=IDENTITY, build=lambda *_: outcome, made_by="-")
    with pytest.raises(UserError, match="`umafall` is both"):
        prepare.plan(load_config(Config, minimal, [f"prepare.clips={clips.folder}"]))


def test_a_split_leaves_somebody_to_train():
    named = SplitSettings(test_groups=("a", "b"), val_groups=("c",))
    with pytest.raises(UserError, match="must leave a subject of `dip` to train"):
        assign_splits(["a", "b", "c"], ["x"] * 3, named, dataset="dip")
    assert SplitSettings(n_folds=4, test_folds=2, val_folds=1).n_folds == 4
    for folds in ({"test_folds": 3, "val_folds": 1}, {"test_folds": 1, "val_folds": 3}):
        with pytest.raises(ValueError, match="`test_folds` and `val_folds` together must be fewer than `n_folds`"):
            SplitSettings(n_folds=4, **folds)


def test_what_a_killed_run_removed_may_be_removed_again(tmp_path):
    (tmp_path / "shard").touch()
    remove(tmp_path / "shard")
    remove(tmp_path / "shard")


@pytest.mark.parametrize(
    "given",
    [
        {"placements": []}, {"placements": ["head", "head"]}, {"rate_hz": 0}, {"rate_hz": -60.0}, {"rate_hz": np.nan},
        {"rate_hz": np.inf}, {"rate_hz": 1e7}, {"frame": "moon"}, {"gravity": "x"}, {"seed": -1},
    ],
)  # fmt: skip
def test_synthesize_in_a_notebook_names_the_argument(amass_like, demo_body, given):
    with pytest.raises(UserError, match=next(iter(given))):
        vimu.synthesize(amass_like, **{"body": demo_body, "placements": ["head"], **given})


@pytest.fixture(scope="module")
def amass_like(tmp_path_factory):
    path = tmp_path_factory.mktemp("take") / "walk_poses.npz"
    still = {"poses": np.zeros((60, 156)), "trans": np.zeros((60, 3)), "betas": np.zeros(16)}
    np.savez(path, **still, gender="neutral", mocap_framerate=60.0)
    return path
