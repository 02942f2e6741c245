"""What lies among an input's files and cannot be read is a row: a glob by itself passes over it without a word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vimu.archives.config import load_archive
from vimu.clips.curation import Curated
from vimu.clips.labels import Label
from vimu.contracts import Reason
from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials
from vimu.stages.config import ArchiveInput, Config
from vimu.stages.dealing import deal
from vimu.stages.listing import files_of
from vimu.stages.synthesize import plan

LATIN1 = os.fsdecode(b"walking M\xfcller_poses.npz")


@pytest.fixture
def archive(tmp_path):
    """A take, and all that may lie beside it."""
    root = tmp_path / "in"
    (root / "CMU" / "1").mkdir(parents=True)
    (tmp_path / "KIT").mkdir()
    (tmp_path / "KIT" / "walking_poses.npz").touch()
    (root / "CMU" / "1" / "walking_poses.npz").touch()
    (root / "CMU" / "1" / LATIN1).touch()
    (root / "CMU" / "1" / "gone_poses.npz").symlink_to("../../.git/annex/objects/SHA256E-s9.npz")
    (root / "CMU" / "1" / "self_poses.npz").symlink_to("self_poses.npz")
    os.mkfifo(root / "CMU" / "1" / "pipe_poses.npz")
    (root / "KIT").symlink_to(tmp_path / "KIT")
    (root / "loop").symlink_to(root)
    (root / ".partial").mkdir()
    (root / ".partial" / "torn_poses.npz").symlink_to("nowhere")
    return root


ODD = {
    "CMU/1/gone_poses.npz": "is a link to `../../.git/annex/objects/SHA256E-s9.npz`, where nothing is",
    "CMU/1/self_poses.npz": "is a link to `self_poses.npz`, where nothing is",
    "CMU/1/pipe_poses.npz": "is no file",
    r"CMU/1/walking M\xfcller_poses.npz": "has a name that is no UTF-8: rename it",
    "KIT": "is a link to the folder `{folder}/KIT`, which is not followed",
    "loop": "is a link to the folder `{folder}/in`, which is not followed",
}


@pytest.mark.fault(53, 54)
def test_each_has_its_reason_and_nothing_is_waited_for(tmp_path, archive):
    found, odd, aside = files_of(load_archive("amass"), ArchiveInput(archive="amass", root=archive))
    assert found == [archive / "CMU" / "1" / "walking_poses.npz"]
    assert {one.path: one.detail for one in odd} == {k: v.format(folder=tmp_path) for k, v in ODD.items()}
    assert {one.reason for one in odd} == {Reason.UNREADABLE} and not aside


@pytest.mark.fault(53, 54)
def test_they_are_rows_of_the_run(tmp_path, archive, demo_body):
    """Files in are clips and rejections (I1), each with path, reason and detail (I3), in tables of UTF-8."""
    inputs = [{"archive": "amass", "root": str(archive), "body": str(demo_body)}]
    planned = plan(Config.model_validate({"name": "x", "synthesize": {"inputs": inputs}}))
    assert planned.counts["files_in"] == 1 + len(ODD)
    assert planned.counts["left_out_unreadable"] == len(ODD)
    assert {row["path"] for row in planned.work.rejections} == set(ODD)
    assert all(row["path"].encode() and row["detail"] for row in planned.work.rejections)


@pytest.mark.fault(54)
def test_so_they_are_among_recordings(tmp_path):
    root = tmp_path / "dip"
    for name in ("s_01/03.pkl", "elsewhere/04.pkl"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "s_01" / "05.pkl").symlink_to("nowhere.pkl")
    (root / "s_02").symlink_to("elsewhere")  # a part of the pattern that is no `**`: followed, as it leads nowhere else
    trials, left_out = list_trials(root, load_recordings("dip"))
    assert [trial.trial for trial in trials] == ["s_01/03", "s_02/04"]
    assert [(one.path, one.detail) for one in left_out] == [
        ("s_01/05.pkl", "is a link to `nowhere.pkl`, where nothing is")
    ]


@pytest.mark.fault(53)
def test_names_with_newlines_never_make_two_tasks_one():
    """A shard's name is that of its files, in one string: of two of one name, one would replace the other."""
    curated, given = Curated(Label("walking", "r")), ArchiveInput(archive="amass", root=Path("in"))
    several = ("a.npz", "a.npz\x01.npz", "a.npz\x02.npz", "a.npz\x03.npz")
    kept = [(name, 2**20, curated, "", name) for name in (*several, "\n".join(several))]
    shards = [task.shard for task in deal(load_archive("amass"), given, kept, task_mb=1e-6)]
    assert len(shards) == len(set(shards)) == 2


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path):
    closed = tmp_path / "in" / "closed"
    closed.mkdir(parents=True)
    closed.chmod(0o000)
    asks = "import os; from pathlib import Path; from vimu.runtime.input_files import files_matching; "
    asks += "os.getuid() or os.setuid(65534); files_matching(Path(), '**/*.npz')"  # root, who may all, becomes nobody
    done = subprocess.run(
        [sys.executable, "-c", asks], cwd=tmp_path / "in", capture_output=True, text=True, timeout=100
    )
    closed.chmod(0o700)
    assert "UserError: `closed` must be a folder that can be read, but: Permission denied" in done.stderr
