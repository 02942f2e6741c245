"""The experiments on all people as a job, on generated data: people apart, folds pooled, killed and gone on with."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from vimu.runtime.errors import UserError
from vimu.stages import crossval, evaluate
from vimu.stages.budget import units_of
from vimu.stages.config import Config
from vimu.stages.crossval import PARTS, STAGE
from vimu.stages.crossval_parts import Parts
from vimu.stages.job import announce
from vimu.stages.pipeline import stages
from vimu.tuning import learners
from vimu.tuning.fits import run_fit

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SMALL = {
    "methods": ["penalty_cnn", "deepconvlstm", "random_forest"], "n_folds": 3, "seeds": [0, 1], "min_people": 2,
    "settings": {
        "penalty_cnn": {"pretrain": {"epochs": 1}, "finetune": {"epochs": 1}},
        "deepconvlstm": {
            "seeds": [0], "pretrain": {"epochs": 1, "model": {"filters": 2, "units": 4}}, "finetune": {"epochs": 1},
        },
    },
    "label_shares": [0.1, 1.0], "ablations": ["penalty", "upsampling"], "forest_copies": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def crossed(cut_run):
    """Makes a configuration: the small run's windows, and a small `crossval` section."""

    def make(**changes):
        return Config.model_validate(cut_run.model_dump(mode="json") | {"crossval": SMALL | changes})

    return make


@pytest.fixture(scope="module")
def built(crossed, tmp_path_factory):
    """The experiments run once, their parts kept: configuration, plan, folder, outcome."""
    config, folder = crossed(), tmp_path_factory.mktemp("built")
    plan = STAGE.plan(config)
    return config, plan, folder, STAGE.build(config, plan, folder)


@pytest.fixture(scope="module")
def results(built):
    return json.loads((built[2] / "metrics.json").read_text())["results"]


def test_every_window_is_predicted_once_a_seed(built):
    _, plan, folder, _ = built
    table = pq.read_table(folder / "predictions.parquet").to_pandas()
    groups = table.groupby(["experiment", "method", "apart", "copies", "seed"])
    assert len(groups) == 4 + 3 + 4 + 2 + 4  # virtual, no_finetuning, penalty_cnn, deepconvlstm, forests
    for (experiment, *_), rows in groups:
        side = "virtual" if experiment == "virtual" else "shared" if experiment == "no_finetuning" else "real"
        assert sorted(rows.window_id) == sorted(plan.work.sides[side].windows.window_id.tolist())


def test_entries_follow_the_contract_of_metrics(results):
    table = [r for r in results if "label_share" not in r and "ablation" not in r]
    kinds = [(r["experiment"], r["method"], r.get("augmented_copies")) for r in table]
    networks = [(e, m, None) for m in ("penalty_cnn", "deepconvlstm") for e in ("scratch", "finetuned")]
    virtual = [("virtual", "penalty_cnn", None), ("virtual", "deepconvlstm", None)]
    direct = [("no_finetuning", "penalty_cnn", None), ("no_finetuning", "deepconvlstm", None)]
    forests = [("random_forest", 0), ("random_forest", 1)]
    assert kinds == [
        *virtual, *(("virtual", *f) for f in forests), *direct, *networks, *(("scratch", *f) for f in forests)
    ]  # fmt: skip
    for r in results:
        assert r["synthetic"] is True
        assert {"accuracy", "macro_f1", "weighted_f1", "per_class", "confusion", "macro_f1_ci95"} <= set(r)
        assert r["n_windows"] * len(r["seeds"]) == sum(map(sum, r["confusion"]))
        assert ("gain_over_scratch" in r) == (r["experiment"] == "finetuned")
    assert all(r["n_subjects"] == 4 for r in table if r["dataset"] == "dip")
    for r in table:
        one_seed = r["experiment"] == "virtual" or r["method"] == "deepconvlstm"
        assert r["seeds"] == ([0] if one_seed else [0, 1])
    curve = [r for r in results if "label_share" in r]
    assert [(r["label_share"], r["experiment"], r["method"]) for r in curve] == [
        (share, *kind)
        for share in (0.1, 1.0)
        for kind in (("scratch", "penalty_cnn"), ("finetuned", "penalty_cnn"), ("scratch", "random_forest"))
    ]
    assert curve[0]["label_s"] < curve[3]["label_s"]
    assert curve[3]["by_seed"]["0"] == next(r for r in table if r["experiment"] == "scratch")["by_seed"]["0"]
    ablated = [r for r in results if "ablation" in r]
    assert [(r["ablation"], r["experiment"]) for r in ablated] == [
        ("none", "scratch"), ("none", "finetuned"), ("penalty off", "scratch"), ("penalty off", "finetuned"),
        ("upsampling on", "finetuned"),
    ]  # fmt: skip
    assert ["difference_to_whole" in r for r in ablated] == [False, False, True, True, True]


def test_windows_of_an_ablation_are_cut_once_below_the_run(built):
    config, plan, _, _ = built
    folder = config.run_dir / "ablations" / "upsampling-on" / "prepare"
    assert (folder / "_SUCCESS").is_file()
    [one] = [a for a in plan.work.ablated if a.prepare is not None]
    assert one.variant.pretraining in {fit.windows for fit in plan.work.fits}


def test_a_killed_run_fits_only_what_is_missing_and_ends_the_same(built, tmp_path, monkeypatch):
    config, plan, folder, outcome = built
    shutil.copytree(folder / PARTS, tmp_path / PARTS)
    parts = Parts(tmp_path / PARTS)
    lost = [plan.work.fits[0], *[fit for fit in plan.work.fits if fit.kind in ("forest", "finetuned")][:4]]
    parts.result(lost[0]).write_bytes(b"torn")
    for fit in lost[:3]:
        parts.mark(fit).unlink()  # killed before the mark
    for fit in lost[3:]:
        parts.result(fit).unlink()
    put, fitted = Parts.put, []
    monkeypatch.setattr(Parts, "put", lambda self, fit, *rest: (fitted.append(fit), put(self, fit, *rest)))
    again = STAGE.build(config, plan, tmp_path)
    assert sorted(fit.key for fit in fitted) == sorted(fit.key for fit in lost)
    assert again.content_hash == outcome.content_hash
    assert (tmp_path / "metrics.json").read_text() == (folder / "metrics.json").read_text()
    fitted.clear()
    STAGE.build(config, plan, tmp_path)
    assert not fitted


def test_one_process_gives_what_many_give_and_nobody_is_trained_and_tested_on(built, tmp_path, monkeypatch):
    config, plan, folder, outcome = built
    sides = plan.work.sides | crossval._windows_of(plan.work.ablated)
    parts, many, seen = Parts(tmp_path / PARTS), Parts(folder / PARTS), []
    for name in ("network", "finetuned", "forest"):
        fit_it = getattr(learners, name)

        def watched(train, val, test, fit_it=fit_it, **given):
            people = [set(part.subject.tolist()) for part in (train, val, test)]
            seen.append(not (people[0] & people[2] or people[1] & people[2] or people[0] & people[1]))
            return fit_it(train, val, test, **given)

        monkeypatch.setattr(learners, name, watched)
    for fit in plan.work.fits:
        side = sides[fit.windows]
        needed = [parts.result(need).read_bytes() for need in fit.needs]
        done = run_fit(fit, side.windows, side.classes, plan.work.folds.get(fit.folds), *needed)
        parts.put(fit, done.content, done.cpu_s, units_of(fit, sides, plan.work.folds))
        if fit.suffix == ".npz":
            assert parts.result(fit).read_bytes() == many.result(fit).read_bytes()
    assert len(seen) > 50
    assert all(seen)
    assert STAGE.build(config, plan, tmp_path).content_hash == outcome.content_hash


def test_the_budget_is_said_before_and_published_results_are_left_alone(built, crossed, capfd):
    config, plan, folder, outcome = built
    staging = config.run_dir / ".crossval.staging"
    staging.mkdir()
    shutil.copytree(folder / PARTS, staging / PARTS)
    (staging / ".identity.json").write_text(json.dumps({"stage": "crossval", **plan.identity}))
    announce(STAGE, config)
    published = STAGE.run(config, plan, "small.yaml")
    said = capfd.readouterr().err
    assert published.content_hash == outcome.content_hash
    assert "scratch penalty_cnn" in said
    assert "CPU minutes at most" in said
    assert not STAGE.run(config, plan, "small.yaml").fresh
    assert "nothing to do" in STAGE.state(config, STAGE.plan(config))


def test_settings_are_chosen_in_each_fold_without_its_people(crossed, tmp_path):
    few = {"methods": ["penalty_cnn", "random_forest"], "label_shares": [], "ablations": [], "virtual_splits": []}
    config = crossed(**few, seeds=[0], tune_trials=2, validation="none")
    plan = STAGE.plan(config)
    STAGE.build(config, plan, tmp_path)
    tune = [fit for fit in plan.work.fits if fit.kind == "tune"]
    assert len(tune) == 9
    for fit in tune:
        found = json.loads(Parts(tmp_path / PARTS).result(fit).read_text())
        assert len(found["trials"]) == 2
    rows = json.loads((tmp_path / "metrics.json").read_text())["results"]
    assert [(r["experiment"], r.get("tune_trials")) for r in rows if r["experiment"] in ("scratch", "finetuned")] == [
        ("scratch", 2), ("finetuned", 2), ("scratch", None), ("scratch", 2),
    ]  # fmt: skip


def test_what_cannot_be_is_said_before_anything_is_fitted(crossed):
    with pytest.raises(UserError, match=r"`crossval.virtual_splits` must do without styles.* amass"):
        STAGE.plan(crossed(virtual_splits=["styles"]))
    with pytest.raises(UserError, match=r"`dip` must have two classes that `min_people` = 5 subjects did"):
        STAGE.plan(crossed(min_people=5))
    with pytest.raises(UserError, match=r"`crossval.ablations` must be among"):
        STAGE.plan(crossed(ablations=["magic"]))
    with pytest.raises(UserError, match=r"`penalty off` must change what penalty_cnn is trained with"):
        over = {"penalty_cnn": {"pretrain": {"epochs": 1, "penalty_weight": 0.2}}}
        STAGE.plan(crossed(ablations=["penalty"], settings=over))
    with pytest.raises(UserError, match="`crossval` must be a section"):
        STAGE.plan(crossed().model_copy(update={"crossval": None}))


def test_evaluate_takes_the_experiments_into_its_own_results(small_run, tmp_path):
    for stage in ("synthesize", "prepare", "pretrain", "finetune", "tune"):
        shutil.copytree(small_run.run_dir / stage, tmp_path / "small" / stage)
    few = {"methods": ["random_forest"], "n_folds": 3, "seeds": [0], "min_people": 2, "virtual_splits": []}
    raw = small_run.model_dump(mode="json") | {"runs_dir": str(tmp_path), "crossval": few}
    config = Config.model_validate(raw)
    with pytest.raises(UserError, match=r"crossval` is not published yet"):
        evaluate.STAGE.plan(config)
    crossed = STAGE.run(config, STAGE.plan(config), "small.yaml")
    published = evaluate.STAGE.run(config, evaluate.STAGE.plan(config), "small.yaml")
    own = json.loads(crossed.file("metrics.json").read())
    every = json.loads(published.file("metrics.json").read())
    assert every["results"][-2:] == own["results"]
    assert [r["protocol"] for r in every["results"][:-2]] == ["holdout"] * (len(every["results"]) - 2)
    assert set(own["notes"]) <= set(every["notes"])
    names = [stage.name for stage in stages(config)]
    assert names.index("prepare") < names.index("crossval") < names.index("evaluate")
    assert "crossval" not in [stage.name for stage in stages(small_run)]
