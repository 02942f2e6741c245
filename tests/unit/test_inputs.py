"""What a run needs from outside, asked for in one message before anything starts."""

import shutil

import numpy as np
import pytest

from vimu.archives.config import load_archive
from vimu.recordings.config import load_recordings
from vimu.runtime.config import load_config
from vimu.runtime.errors import UserError
from vimu.stages.config import Config
from vimu.stages.downloads import load_downloads
from vimu.stages.inputs import inputs_of, require_inputs

ALL = ["synthesize.inputs.0.root", "synthesize.inputs.0.body", "prepare.real.root"]


@pytest.fixture
def paper(repo, tmp_path, monkeypatch):
    """Loads configs/paper.yaml in an empty folder, where its `data/` is missing."""
    monkeypatch.chdir(tmp_path)

    def load(*overrides):
        return load_config(Config, repo / "configs" / "paper.yaml", overrides)

    return load


def test_all_that_is_missing_comes_in_one_message(paper):
    with pytest.raises(UserError) as error:
        require_inputs(paper(), "pipeline", "configs/paper.yaml")
    text = str(error.value)
    assert text.startswith("`configs/paper.yaml` names inputs that are missing:\n")
    for title, path, setting, url in (
        ("AMASS", "data/amass", ALL[0], "https://amass.is.tue.mpg.de"),
        ("SMPL body models", "data/smpl", ALL[1], "https://smpl.is.tue.mpg.de"),
        ("DIP-IMU", "data/dip", ALL[2], "https://dip.is.tue.mpg.de"),
    ):
        assert f"- {title}: `{path}` ({setting}) does not exist.\n    from   {url}\n" in text
    assert "put    python -m vimu.archives.unpack ~/Downloads/amass --into data/amass" in text
    assert "holds  s_01/01.pkl" in text
    assert "ln -s /my/folder data/amass" in text
    assert "--set synthesize.inputs.0.root=/my/folder" in text
    assert text.endswith("vimu doctor --config configs/paper.yaml")


@pytest.mark.parametrize(
    ("job", "published", "asks_for"),
    [
        ("pipeline", (), ALL),
        ("pipeline", ("synthesize", "prepare"), ALL),  # its plans list the files again
        ("synthesize", (), ALL[:2]),
        ("prepare", (), ALL),
        ("prepare", ("synthesize",), ALL[2:]),
        ("evaluate", (), ALL),
        ("evaluate", ("synthesize",), ALL[2:]),
        ("evaluate", ("synthesize", "prepare"), []),
    ],
)
def test_a_job_asks_for_what_it_and_the_unpublished_stages_before_it_read(paper, job, published, asks_for):
    config = paper()
    for stage in published:
        (config.run_dir / stage).mkdir(parents=True)
        (config.run_dir / stage / "_SUCCESS").touch()
    assert [given.setting for given in inputs_of(config, job) if given.problem] == asks_for


def test_clips_of_another_run_need_no_mocap(paper):
    config = paper("prepare.clips=runs/other/synthesize")
    assert [given.setting for given in inputs_of(config, "pipeline")] == ALL[2:]


def test_only_clips_need_no_recordings(paper):
    assert [given.setting for given in inputs_of(paper("prepare="), "synthesize")] == ALL[:2]


@pytest.mark.parametrize(
    ("lay_out", "says"),
    [
        (lambda data: data.symlink_to("/nowhere/amass"), "is a link to `/nowhere/amass`, where nothing is"),
        (lambda data: data.write_text("x"), "is no folder"),
        (lambda data: data.mkdir(), "holds no `**/*.npz`"),
    ],
)
def test_what_is_wrong_with_a_path_is_said(paper, tmp_path, lay_out, says):
    (tmp_path / "data").mkdir()
    lay_out(tmp_path / "data" / "amass")
    with pytest.raises(UserError) as error:
        require_inputs(paper(), "synthesize", "-")
    assert f"- AMASS: `data/amass` (synthesize.inputs.0.root) {says}." in str(error.value)


def test_packed_archives_ask_to_be_unpacked_not_downloaded(paper, tmp_path):
    (tmp_path / "data" / "amass").mkdir(parents=True)
    (tmp_path / "data" / "amass" / "CMU.tar.bz2").write_bytes(b"-")
    with pytest.raises(UserError) as error:
        require_inputs(paper(), "synthesize", "-")
    text = str(error.value)
    assert (
        "holds 1 packed archives only.\n    unpack them: python -m vimu.archives.unpack data/amass --into data/amass"
        in text
    )
    assert "amass.is.tue.mpg.de" not in text


def test_a_folder_without_a_model_and_a_missing_annotation_file(paper, tmp_path):
    (tmp_path / "data" / "smpl").mkdir(parents=True)
    with pytest.raises(UserError) as error:
        require_inputs(paper("synthesize.inputs.0.annotations=[kit.json]"), "synthesize", "-")
    assert "`data/smpl` (synthesize.inputs.0.body) cannot be used: `body` must be" in str(error.value)
    assert "- `kit.json` (synthesize.inputs.0.annotations.0) does not exist." in str(error.value)


def test_generated_data_are_to_be_generated(repo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(Config, repo / "configs" / "demo.yaml")
    with pytest.raises(UserError) as error:
        require_inputs(config, "pipeline", "configs/demo.yaml")
    assert str(error.value).count("generate it: python -m vimu.demo data/demo") == 3
    assert "https://" not in str(error.value)


def test_nothing_is_said_where_all_is_there(paper, tmp_path, demo_body):
    (tmp_path / "data" / "amass").mkdir(parents=True)
    np.savez(tmp_path / "data" / "amass" / "walk_poses.npz", poses=np.zeros((3, 156)))
    (tmp_path / "data" / "smpl").mkdir()
    shutil.copy(demo_body, tmp_path / "data" / "smpl" / "SMPL_NEUTRAL.pkl")
    (tmp_path / "data" / "dip" / "s_01").mkdir(parents=True)
    (tmp_path / "data" / "dip" / "s_01" / "01.pkl").touch()
    require_inputs(paper(), "pipeline", "-")


def test_the_counts_are_of_collections_and_sets_that_are_known():
    downloads = load_downloads()
    for name, download in downloads.archives.items():
        archive = load_archive(name)
        counts = {} if download.files_at_least is None else download.files_at_least.count
        assert counts.keys() <= archive.collections.keys()
    for name, download in downloads.recordings.items():
        load_recordings(name)
        assert download.files_at_least is not None
        assert "all" in download.files_at_least.count


def test_the_counts_are_those_of_the_published_indexes(vimu_data):
    """Recounted from HumanML3D's paths and BABEL's ids."""
    import csv
    import json
    import re
    from collections import Counter

    from vimu.archives.identity import own_name

    labels, archive = vimu_data / "labels", load_archive("amass")
    paths = set(json.loads((labels / "babel_index" / "amass_to_babel.json").read_text()))
    with (labels / "humanml3d" / "index.csv").open() as stream:
        rows = [row["source_path"].removeprefix("./pose_data/") for row in csv.DictReader(stream)]
    paths |= {re.sub(r"\.npy$", "", path) for path in rows if not path.startswith("humanact12")}
    found = Counter(own_name(p.split("/")[0], archive.collections) for p in {p.replace(" ", "_") for p in paths})
    counts = load_downloads().archives["amass"].files_at_least
    assert counts is not None
    assert counts.count == dict(found)
