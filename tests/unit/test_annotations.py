"""Annotation files: which sentences belong to which file, and what is refused."""

import json
from pathlib import Path

import pytest

from vimu.archives.take import PART
from vimu.clips.annotations import described, load_annotations
from vimu.contracts import Take
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.stages.config import Config
from vimu.stages.synthesize import plan

INDEX = "Subject #2 (various)\n\n02_01\twalk\n02_03\trun/jog\n"


@pytest.fixture
def kit_ml(tmp_path):
    file = tmp_path / "annotations.json"
    texts = {
        "KIT/4/Walk01_poses": ["A person walks.", "Goes"],
        "M/KIT/4/Walk01_poses": ["mirrored"],
        "CMU/02/02_01_poses": ["a stroll"],
    }
    takes = [
        {"path": path, "duration": 2.0, "annotations": [{"text": t} for t in some]} for path, some in texts.items()
    ]
    file.write_text(json.dumps(dict(enumerate(takes))))
    return file


@pytest.fixture
def index(tmp_path):
    file = tmp_path / "index.txt"
    file.write_text(INDEX)
    return file


@pytest.mark.parametrize(
    ("path", "sentences"),
    [
        ("/data/KIT/4/Walk01_poses.npz", ("A person walks.", "Goes")),
        ("/data/KIT/KIT/4/Walk01_stageii.npz", ("A person walks.", "Goes")),
        ("/data/M/KIT/4/Walk01_poses.npz", ("mirrored",)),
        ("/data/KIT/5/Walk01_poses.npz", ()),
        ("Walk01_poses.npz", ()),
        ("/data/02/02_03.bvh", ("run/jog",)),
        ("/data/102_03.bvh", ()),
    ],
)
def test_an_entry_describes_the_files_whose_path_ends_like_it(kit_ml, index, path, sentences):
    assert load_annotations([kit_ml, index]).of(Path(path)) == sentences


def test_the_longest_end_decides_between_files_of_annotations(kit_ml, index):
    both = load_annotations([index, kit_ml])
    assert both.of(Path("/data/CMU/02/02_01_poses.npz")) == ("a stroll",)
    assert both.of(Path("/data/02_01.bvh")) == ("walk",)


def test_a_description_is_sentences_then_path():
    take = described(Take("a", None, "x/Walk01", "x walk 01"), ["He | walks, 2m!", " . "])
    assert take.description.split(PART) == ["he walks, 2 m!", "x walk 01"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "annotations as KIT-ML's"),
        ("a.json", '{"1": {"annotations": []}}', "`1.path`"),
        ("a.json", "{}", "describe at least one take"),
        ("a.txt", "Subject #1\n", "describe at least one take"),
        ("a.txt", "01_01\t\n", "line 1 must be `ID<TAB>description`"),
        ("a.csv", "x", "must be of .json or .txt files"),
        ("a.txt", None, "readable annotation file"),
    ],
)
def test_what_is_no_annotation_file_is_refused(tmp_path, name, text, says):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=says):
        load_annotations([tmp_path / name])


def test_synthesis_labels_by_annotation(tmp_path, demo_body):
    root = tmp_path / "amass"
    for name in ("02_01", "02_03", "02_05"):
        (root / "CMU" / "02").mkdir(parents=True, exist_ok=True)
        (root / "CMU" / "02" / f"{name}_poses.npz").touch()
    (tmp_path / "index.txt").write_text(INDEX)
    given = {"archive": "amass", "root": root, "body": demo_body, "annotations": [tmp_path / "index.txt"]}
    raw = {"name": "t", "synthesize": {"inputs": [given]}, "prepare": {"real": {"recordings": "dip", "root": tmp_path}}}
    first = plan(validate(Config, raw, where="test"))
    assert first.counts["annotated"] == 2
    assert first.counts["left_out_no_label"] == 1
    assert first.work.tasks[0].labels == (
        ("walking", "walking", "walk | cmu 02 02 01 poses"),
        ("running", "running", "run jog | cmu 02 02 03 poses"),
    )
    (tmp_path / "index.txt").write_text(INDEX.replace("walk", "jump"))
    assert plan(validate(Config, raw, where="test")).identity != first.identity
