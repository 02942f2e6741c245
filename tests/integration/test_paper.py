"""configs/paper.yaml, the whole way, on GENERATED data in the layouts and formats of AMASS, SMPL and DIP-IMU."""

import json
import re
import shutil
import subprocess
import sys

import pyarrow as pa
import pytest

from vimu.demo.archive import SUBSET, write_amass
from vimu.demo.recordings import write_dip
from vimu.runtime.config import load_config
from vimu.runtime.published import open_published
from vimu.stages.config import Config
from vimu.stages.pipeline import run_pipeline

PLACES = {
    "subject_01": "CMU/01", "subject_02": "CMU/02", "subject_03": "KIT/KIT/3", "subject_04": "BioMotionLab_NTroje/4",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(demo_body, tmp_path_factory):
    """Three subsets in both nestings, a model file for each gender, ten people of DIP-IMU."""
    folder = tmp_path_factory.mktemp("gated")
    write_amass(folder / "made", n_subjects=len(PLACES), takes_per_category=1)
    for name, place in PLACES.items():
        (folder / "amass" / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "made" / SUBSET / name, folder / "amass" / place)
    (folder / "smpl").mkdir()
    for letter in "fm":
        shutil.copy(demo_body, folder / "smpl" / f"basicmodel_{letter}_lbs_10_207_0_v1.1.0.pkl")
    write_dip(folder / "dip", demo_body)
    return folder


@pytest.fixture(scope="module")
def overrides(data, tmp_path_factory):
    """The three paths, that they are synthetic, and what makes the run short."""
    return [
        f"synthesize.inputs.0.root={data / 'amass'}", f"synthesize.inputs.0.body={data / 'smpl'}",
        "synthesize.inputs.0.synthetic=true", f"prepare.real.root={data / 'dip'}", "prepare.real.synthetic=true",
        f"runs_dir={tmp_path_factory.mktemp('paper_runs')}", "prepare.virtual_split.n_folds=4",
        "prepare.virtual_split.test_folds=1", "synthesize.task_mb=2", "pretrain.epochs=2",
        "pretrain.checkpoint_every_epochs=1", "pretrain.model={widths: [16, 16], hidden: 16}", "tune.n_trials=1",
        "tune.pretrain_epochs=3", "finetune.epochs=2", "finetune.seeds=[0]", "evaluate.n_trees=10",
        "evaluate.n_resamples=20", "baselines=[{kind: deepconvlstm, filters: 2, units: 4}]",
    ]  # fmt: skip


def command(repo, *arguments, cwd=None):
    script = [str(repo / arguments[0])] if arguments[0].endswith(".py") else list(arguments[:1])
    whole = [sys.executable, *script, *arguments[1:]]
    return subprocess.run(whole, cwd=cwd or repo, capture_output=True, text=True, timeout=120)


def sets(overrides):
    return [part for override in overrides for part in ("--set", override)]


@pytest.mark.parametrize(("job", "n_missing"), [("pipeline", 3), ("synthesize", 2), ("evaluate", 3)])
def test_without_the_data_every_job_says_all_that_is_missing(repo, tmp_path, job, n_missing):
    config = str(repo / "configs" / "paper.yaml")
    out = command(repo, f"jobs/{job}.py", "--config", config, "--dry-run", cwd=tmp_path)
    assert out.returncode == 2
    assert out.stderr.count("does not exist") == n_missing
    assert out.stderr.count("error:") == 1
    assert "https://amass.is.tue.mpg.de" in out.stderr
    assert "Traceback" not in out.stderr
    assert list(tmp_path.iterdir()) == []


def test_doctor_then_dry_run_with_the_three_paths(repo, overrides):
    out = command(repo, "-m", "vimu", "doctor", "--config", "configs/paper.yaml", *sets(overrides))
    assert out.returncode == 0, out.stdout + out.stderr
    assert "ok    amass: SYNTHETIC, " in out.stdout
    assert "ok    dip subjects: 10 of 10" in out.stdout
    out = command(repo, "jobs/pipeline.py", "--config", "configs/paper.yaml", *sets(overrides), "--dry-run")
    assert out.returncode == 0, out.stderr
    assert "plans of later stages need what `synthesize` publishes" in out.stderr
    assert "files_to_read" in out.stderr


@pytest.mark.ray
@pytest.mark.slow
def test_the_whole_way(repo, overrides, local_ray, capfd):
    config = load_config(Config, repo / "configs" / "paper.yaml", overrides)
    run_pipeline(config, "configs/paper.yaml", dry_run=False)

    def published(stage):
        return open_published(config.run_dir / stage, made_by="-")

    columns = ["subject", "gender", "body", "n_frames", "rate_hz"]
    clips = pa.concat_tables([f.columns(columns) for f in published("synthesize").files("clips/")]).to_pylist()
    assert {clip["subject"] for clip in clips} == {"CMU/01", "CMU/02", "KIT/3", "BMLrub/4"}
    assert {clip["body"] for clip in clips} == {
        f"basicmodel_{gender[0]}_lbs_10_207_0_v1.1.0.pkl" for gender in {clip["gender"] for clip in clips}
    }
    prepared = published("prepare").details
    assert prepared["sensors"] == ["left_wrist", "right_thigh", "head"]
    assert prepared["subjects"]["dip"] == {"test": 2, "train": 6, "val": 2}
    assert prepared["synthetic"] == {"amass": True, "dip": True}
    assert "finetune.schedule" not in published("tune").details["winner"]
    metrics = json.loads((config.run_dir / "evaluate" / "metrics.json").read_text())
    # the paper's experiments 1, 2 and 3, and the network without fine-tuning
    beside = {(row["title"][:1], row["method"]): row for row in metrics["published"]["rows"]}
    networks = ["penalty_cnn", "deepconvlstm"]
    assert list(beside) == [
        (number, method) for number, also in (("1", ["random_forest"]), ("2", ["random_forest"]), ("3", []), ("A", []))
        for method in networks + also
    ]  # fmt: skip
    assert all(row["ours"]["synthetic"] for row in beside.values())
    said = capfd.readouterr().err
    for line in (r"penalty_cnn +87\.46 +86\.50 +\d", r"deepconvlstm +78\.33 +79\.31 +\d", r"penalty_cnn +< 50 +\d"):
        assert re.search(line, said)
    for experiment in ("2: DIP -> DIP, from scratch", "3: AMASS, fine-tuned on DIP -> DIP"):
        assert f"confusion, {experiment}, penalty_cnn: dip (synthetic)" in said
    assert "<strong>Synthetic data.</strong>" in (config.run_dir / "evaluate" / "report.html").read_text()
