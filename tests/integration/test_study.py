"""A study of placements as a job, on generated data."""

import json

import numpy as np
import pytest
from ruamel.yaml import YAML

from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.stages import prepare, synthesize
from vimu.stages import study as study_stage
from vimu.stages.study import run_study, stage_of
from vimu.tuning.study import PlacementStudy, Trial

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def small_windows(local_ray, small_config, tmp_path_factory):
    """A run that is cut into windows and goes no further."""
    config = small_config(tmp_path_factory.mktemp("runs"))
    for stage in (synthesize.STAGE, prepare.STAGE):
        stage.run(config, stage.plan(config), "small.yaml")
    return config


@pytest.fixture
def study_of(small_windows, tmp_path):
    """Makes a study whose base is the small run."""
    base = tmp_path / "base.yaml"
    YAML().dump(small_windows.model_dump(mode="json"), base)

    def make(**changes):
        raw = {
            "kind": "placements", "base": str(base), "seeds": [0, 1], "n_folds": 3,
            "methods": [
                {"experiment": "scratch", "method": "random_forest", "sizes": [1]},
                {"experiment": "finetuned", "method": "penalty_cnn", "subsets": [["head"]]},
                {"experiment": "virtual", "method": "random_forest", "subsets": [["left_wrist"]]},
            ],
        }  # fmt: skip
        return validate(PlacementStudy, raw | changes, where="test")

    return make


def test_a_study_prints_its_table_and_is_then_left_alone(small_windows, study_of, capfd, monkeypatch):
    study = study_of()
    run_study(study, "study.yaml", dry_run=False)
    said = capfd.readouterr().err
    metrics = json.loads((small_windows.run_dir / "study" / "metrics.json").read_text())
    rows = metrics["results"]
    kinds = [(r["dataset"], r["experiment"], len(r["sensors"])) for r in rows]
    assert kinds == [("dip", "scratch", 1)] * 3 + [
        ("dip", "scratch", 3), ("dip", "finetuned", 1), ("dip", "finetuned", 3), ("amass", "virtual", 1),
        ("amass", "virtual", 3),
    ]  # fmt: skip
    for row in rows:
        assert row["synthetic"] is True
        assert row["seeds"] == [0, 1]
        assert len(row["channels"]) == 12 * len(row["sensors"])
    assert len({(r["n_windows"], r["n_subjects"]) for r in rows if r["dataset"] == "dip"}) == 1
    assert rows[0]["n_subjects"] == 4  # every person is tested, whatever the run's own split
    for text in ("dip (synthetic)  scratch  random_forest", "left_wrist", "of single sensors", "same", "table.csv"):
        assert text in said
    assert sorted(p.name for p in (small_windows.run_dir / "study").iterdir()) == [
        "_SUCCESS", "manifest.json", "metrics.json", "placements.png", "table.csv",
    ]  # fmt: skip
    monkeypatch.setattr(study_stage, "run_trial", None)
    run_study(study, "study.yaml", dry_run=False)
    again = capfd.readouterr().err
    assert again.count("already published, nothing to do") == 3
    assert "of single sensors" in again
    with pytest.raises(UserError, match=r"holds the result of other settings[\s\S]*settings\.seeds"):
        run_study(study_of(seeds=[0, 1, 2]), "study.yaml", dry_run=False)


def test_a_killed_study_keeps_the_tasks_that_were_done(small_windows, study_of, tmp_path):
    """A task's file that a killed run left, here one that knows the truth, is used and not made again."""
    methods = [{"experiment": "scratch", "method": "random_forest", "subsets": [["head"]]}]
    stage = stage_of(study_of(methods=methods))
    plan = stage.plan(small_windows)
    side = plan.work.sides["scratch"]
    folders = tmp_path / "whole", tmp_path / "killed"
    for folder in folders:
        (folder / ".parts").mkdir(parents=True)
    known = folders[1] / ".parts" / Trial("scratch", "random_forest", ("head",), 1).file
    np.savez(known, probabilities=np.eye(len(side.classes))[side.windows.targets(side.classes)])
    (known.parent / f"{Trial('scratch', 'random_forest', ('head',), 0).file}.partial").write_bytes(b"torn")
    whole, killed = (stage.build(small_windows, plan, folder) for folder in folders)
    head, every = ([json.loads((f / "metrics.json").read_text())["results"][i] for f in folders] for i in (0, 1))
    assert every[0]["by_seed"] == every[1]["by_seed"]
    assert head[0]["by_seed"]["0"] == head[1]["by_seed"]["0"]
    assert head[0]["by_seed"]["1"]["macro_f1"] < head[1]["by_seed"]["1"]["macro_f1"] == 1
    assert whole.content_hash != killed.content_hash
    assert not (folders[1] / ".parts").exists()


def test_a_sensor_that_the_windows_lack_is_named_before_anything_runs(small_windows, study_of):
    methods = [{"experiment": "scratch", "method": "random_forest", "subsets": [["left_elbow"]]}]
    with pytest.raises(UserError, match="names left_elbow"):
        stage_of(study_of(methods=methods)).plan(small_windows)
