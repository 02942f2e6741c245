"""The seed paper's split as a named option of `prepare`: dealt by window, and said so."""

import json

import numpy as np
import pytest

import vimu
from vimu.runtime.published import open_published
from vimu.stages import prepare
from vimu.stages.evaluate_models import _split_text

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RANDOM = {"protocol": "paper_random_windows", "n_folds": 10, "test_folds": 3, "val_folds": 1, "seed": 2}


@pytest.fixture(scope="module")
def random_windows(cut_run, small_config, tmp_path_factory):
    """The clips of `cut_run`, with copies, and the recordings, all dealt window by window."""
    base = cut_run.preparation.model_dump(mode="json")
    section = base | {
        "clips": str(cut_run.run_dir / "synthesize"), "virtual_split": RANDOM, "real_split": RANDOM, "upsample": {},
    }  # fmt: skip
    config = small_config(tmp_path_factory.mktemp("random"), prepare=section)
    prepare.STAGE.run(config, prepare.plan(config), "small.yaml")
    return config


def test_windows_of_one_subject_fall_into_all_splits(random_windows, cut_run):
    windows, apart = vimu.load_windows(random_windows.run_dir), vimu.load_windows(cut_run.run_dir)
    recorded = windows.take(np.flatnonzero(windows.speed == 1))
    assert recorded.window_id.tolist() == apart.window_id.tolist()
    for dataset in ("amass", "dip"):
        of = recorded.where(dataset=dataset)
        shares = [np.mean(of.split == part) for part in ("train", "val", "test")]
        np.testing.assert_allclose(shares, [0.6, 0.1, 0.3], atol=0.06)
        for subject in set(of.subject.tolist()):
            assert set(of.split[of.subject == subject].tolist()) == {"train", "val", "test"}
    copies = windows.take(np.flatnonzero(windows.speed != 1))
    assert len(copies)
    assert set(copies.split.tolist()) == {"train"}


def test_it_is_counted_by_window_and_named(random_windows):
    published = open_published(random_windows.run_dir / "prepare", made_by="-")
    windows = vimu.load_windows(random_windows.run_dir)
    assert published.details["protocols"] == {"virtual": "paper_random_windows", "real": "paper_random_windows"}
    for dataset, by_split in published.details["windows"].items():
        for split, by_label in by_split.items():
            assert sum(by_label.values()) == len(windows.where(dataset=dataset, split=split))
    text = _split_text(random_windows.preparation.real_split, windows.where(dataset="dip"), "subjects")
    assert text.startswith("paper_random_windows: ")
    assert text.endswith("overlapping windows of the same subjects train and test")


def test_another_seed_is_another_input_of_later_stages(random_windows, cut_run, small_config, tmp_path):
    section = random_windows.preparation.model_dump(mode="json")
    section["real_split"] |= {"seed": 3}
    config = small_config(tmp_path, prepare=section)
    other = prepare.STAGE.run(config, prepare.plan(config), "small.yaml")
    same = open_published(random_windows.run_dir / "prepare", made_by="-")
    assert other.content_hash == same.content_hash
    assert other.details["labels_hash"] != same.details["labels_hash"]
    assert json.dumps(other.details["windows"]["amass"]) == json.dumps(same.details["windows"]["amass"])
