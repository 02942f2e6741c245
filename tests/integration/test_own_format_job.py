"""A package of somebody else, an archive, placements and recordings of their own: through the jobs on a real Ray."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vimu
from toy_package import (
    OMEGA,
    RADIUS_M,
    archive_yaml,
    install,
    placements_yaml,
    recordings_yaml,
    write_take,
    write_trial,
    write_yaml,
)  # fmt: skip
from vimu.clips.schema import clips_from
from vimu.runtime.config import load_config
from vimu.runtime.errors import UserError
from vimu.runtime.published import open_published
from vimu.stages import synthesize
from vimu.stages.config import Config

pytestmark = pytest.mark.ray


@pytest.fixture
def own_run(tmp_path):
    """Everything but the installation: data, YAML files and a run's configuration."""
    for i in range(6):
        write_take(tmp_path / "mocap" / f"s{i}" / "turn.csv", omega=OMEGA + 0.1 * i)
    (tmp_path / "mocap" / "s6").mkdir()
    (tmp_path / "mocap" / "s6" / "turn.csv").write_text("no, table")
    for subject in ("p1", "p2", "p3"):
        write_trial(tmp_path / "worn" / subject / "turn.csv")
    placements = placements_yaml(tmp_path / "mine.yaml")
    archive = archive_yaml(tmp_path / "turntable.yaml", subject="^(?P<subject>[^/]+)/")
    recordings = recordings_yaml(tmp_path / "toyset.yaml")
    return write_yaml(
        tmp_path / "run.yaml",
        {
            "name": "own", "runs_dir": str(tmp_path / "runs"),
            "synthesize": {
                "inputs": [{"archive": str(archive), "root": str(tmp_path / "mocap")}], "target": "content",
                "placements": ["forearm_tip", "pelvis"], "placements_file": str(placements),
            },
            "prepare": {
                "real": {"recordings": str(recordings), "root": str(tmp_path / "worn")},
                "windows": {"feature_set": "sensor_acc", "rate_hz": 20, "length_frames": 20, "hop_frames": 10},
                "virtual_split": {"n_folds": 3}, "real_split": {"test_groups": ["p3"], "val_groups": ["p2"]},
            },
            "ray": {"num_cpus": 2, "object_store_mb": 200},
        },
    )  # fmt: skip


def job(repo, site, name, config):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.run(
        [sys.executable, f"jobs/{name}.py", "--config", str(config)], cwd=repo, env=environment, capture_output=True,
        text=True, timeout=290,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)  # two jobs that each start a Ray
def test_an_installed_package_serves_the_jobs(own_run, repo, tmp_path, monkeypatch):
    site = install(tmp_path / "site")
    for name in ("synthesize", "prepare"):
        out = job(repo, site, name, own_run)
        assert out.returncode == 0, out.stderr
    synthesized = open_published(tmp_path / "runs" / "own" / "synthesize", made_by="-")
    assert synthesized.manifest["counts"] | {"frames": 0} == {"files_in": 7, "clips": 6, "rejections": 1, "frames": 0}
    assert synthesized.details["readers"] == {"turntable": "toymocap 0.1"}
    [rejection] = pq.read_table(synthesized.folder / "rejections.parquet").to_pylist()
    assert (rejection["path"], rejection["reason"]) == ("s6/turn.csv", "unreadable")
    monkeypatch.syspath_prepend(site)
    clips = clips_from(pa.concat_tables([f.columns() for f in synthesized.files("clips/")]))
    for clip in clips:
        alone = vimu.synthesize(
            tmp_path / "mocap" / f"{clip.sequence}.csv", archive=str(tmp_path / "turntable.yaml"),
            placements=["forearm_tip", "pelvis"], placements_file=tmp_path / "mine.yaml",
        )  # fmt: skip
        np.testing.assert_array_equal(clip.recording.acc, alone.acc)
        omega = OMEGA + 0.1 * int(clip.sequence[1])
        felt = np.linalg.norm(clip.recording.acc[10:-10, 0], axis=-1)
        np.testing.assert_allclose(felt, omega**2 * RADIUS_M, rtol=5e-3)
    prepared = open_published(tmp_path / "runs" / "own" / "prepare", made_by="-").details
    assert (prepared["reader"], prepared["sensors"]) == ("toymocap 0.1", ["forearm_tip"])
    assert set(prepared["windows"]) == {"turntable", "toyset"}


def test_without_the_package_a_job_says_what_is_missing(own_run, repo, tmp_path):
    out = job(repo, tmp_path, "synthesize", own_run)
    assert out.returncode == 2
    says = " ".join(out.stderr.split())
    assert "`reader`: must be one of amass, asf_amc, bvh, or be registered" in says
    assert "Traceback" not in out.stderr


def test_a_worker_that_lacks_the_package_is_named(own_run, tmp_path, monkeypatch, local_ray):
    """The driver has it; the workers started without."""
    monkeypatch.syspath_prepend(install(tmp_path / "site"))
    config = load_config(Config, own_run)
    with pytest.raises(UserError, match=r"on the Ray worker .*\n.*`reader`: must be one of amass, asf_amc, bvh"):
        synthesize.STAGE.run(config, synthesize.plan(config), "-")


def test_a_take_twice_is_found_though_sensors_are_displaced(small_config, small_data, demo_body, tmp_path, local_ray):
    source = sorted((small_data / "amass").rglob("walk*_poses.npz"))[0]
    for name in ("a/one", "b/two"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "walk_poses.npz").write_bytes(source.read_bytes())
    inputs = [{"archive": "amass", "root": str(tmp_path / "in"), "body": str(demo_body)}]
    config = small_config(tmp_path, synthesize={"inputs": inputs, "placement_error_m": 0.05, "seed": 7})
    published = synthesize.STAGE.run(config, synthesize.plan(config), "-")
    assert published.manifest["counts"] | {"frames": 0} == {"files_in": 2, "clips": 1, "rejections": 1, "frames": 0}
    [row] = published.files("clips/")[0].table().to_pylist()
    assert [note.split()[:2] for note in row["notes"]] == [
        ["placement_error:", s] for s in ("left_wrist", "right_thigh", "head")
    ]
    alone = vimu.synthesize(
        source, body=demo_body, placements=["left_wrist", "right_thigh", "head"], placement_error_m=0.05, seed=7
    )
    np.testing.assert_array_equal(np.array(row["acc"], np.float32), alone.acc.ravel())
