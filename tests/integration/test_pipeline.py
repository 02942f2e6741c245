"""The whole way on generated data: windows, Ray Train, Tune, fine-tuning, evaluation."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import vimu
from vimu.evaluation.terminal import results_text
from vimu.metrics import mean_known, one_vs_rest_auc
from vimu.runtime.errors import UserError
from vimu.runtime.published import open_published
from vimu.runtime.resources import require
from vimu.stages import evaluate, evaluate_models, finetune, prepare, pretrain, tune
from vimu.stages.pipeline import run_pipeline, stages
from vimu.training.checkpoint import load_model

pytestmark = [pytest.mark.ray, pytest.mark.slow]
KEYS = ["dataset", "experiment", "method"]


def published(config, stage):
    return open_published(config.run_dir / stage, made_by="-")


def test_every_stage_is_published_with_its_provenance(small_run):
    for stage in stages(small_run):
        manifest = published(small_run, stage.name).manifest
        assert manifest["stage"] == stage.name
        assert manifest["packages"]["ray"]
        assert "no distribution" in manifest["licences"]["amass"]
        assert manifest["content_hash"]


@pytest.mark.fault(12)
def test_the_pipeline_again_does_nothing(small_run, capfd):
    run_pipeline(small_run, "small.yaml", dry_run=False)
    said = capfd.readouterr().err
    assert said.count("already published, nothing to do") == 7
    assert "report:" in said


def test_planned_windows_are_the_windows(small_run):
    plan, done = prepare.plan(small_run), published(small_run, "prepare")
    windows = vimu.load_windows(small_run.run_dir)
    assert plan.counts["virtual_windows"] == len(windows.where(dataset="amass"))
    assert len(windows) == done.manifest["counts"]["windows"]
    assert windows.x.shape[1:] == (60, 36)
    assert np.isfinite(windows.x).all()
    assert len(set(windows.window_id.tolist())) == len(windows)


def test_windows_do_not_mix_subjects_over_splits(small_run):
    windows = vimu.load_windows(small_run.run_dir)
    splits = {}
    for dataset, subject, split in zip(windows.dataset, windows.subject, windows.split, strict=True):
        assert splits.setdefault((dataset, subject), split) == split
    assert splits[("dip", "s_04")] == "test"
    assert splits[("dip", "s_03")] == "val"


def test_ranks_fed_different_data_end_with_equal_weights(small_run):
    ranks = published(small_run, "pretrain").details["ranks"]
    assert len(ranks) == 2
    assert ranks[0]["weights_sha256"] == ranks[1]["weights_sha256"]
    assert ranks[0]["windows_sha256"] != ranks[1]["windows_sha256"]
    assert ranks[0]["n_windows"] == ranks[1]["n_windows"]


def test_the_winners_settings_feed_the_final_run(small_run):
    winner = published(small_run, "tune").details["winner"]
    trials = json.loads((small_run.run_dir / "tune" / "trials.json").read_text())
    assert len(trials) == 2
    assert winner in [t["params"] for t in trials]
    for stage, module in (("pretrain", pretrain), ("finetune", finetune)):
        used = published(small_run, stage).manifest["identity"]["settings"]
        of_stage = {path.split(".")[1]: value for path, value in winner.items() if path.startswith(f"{stage}.")}
        assert of_stage
        assert used | of_stage == used
        assert module.plan(small_run).identity["inputs"]["tune"] == published(small_run, "tune").content_hash


def test_tuning_never_sees_the_test_subjects(small_run, monkeypatch, tmp_path):
    """The windows that trials get hold no test window: look at what the stage hands to Ray Tune."""
    from ray import tune as ray_tune

    handed = {}

    class StopHere(Exception):
        pass

    def capture(function, **arrays):
        handed.update(arrays)
        raise StopHere

    monkeypatch.setattr(ray_tune, "with_parameters", capture)
    with pytest.raises(StopHere):
        tune.build(small_run, tune.plan(small_run), tmp_path)
    assert set(handed) == {"windows", "base", "uncut"}
    for name, part in vars(handed["windows"]).items():
        assert set(part.split.tolist()) == {name.split("_")[1]}
    assert not {"s_04"} & {*handed["windows"].real_train.subject, *handed["windows"].real_val.subject}


def test_metrics_have_what_the_contract_says(small_run):
    metrics = json.loads((small_run.run_dir / "evaluate" / "metrics.json").read_text())
    rows = {(r["dataset"], r["experiment"], r["method"]): r for r in metrics["results"]}
    assert set(rows) == {
        ("amass", "virtual", "penalty_cnn"), ("amass", "virtual", "deepconvlstm"),
        ("amass", "virtual", "random_forest"),
        ("dip", "no_finetuning", "penalty_cnn"), ("dip", "no_finetuning", "deepconvlstm"),
        ("dip", "scratch", "penalty_cnn"), ("dip", "scratch", "deepconvlstm"), ("dip", "scratch", "random_forest"),
        ("dip", "finetuned", "penalty_cnn"), ("dip", "finetuned", "deepconvlstm"),
    }  # fmt: skip
    windows = vimu.load_windows(small_run.run_dir).where(dataset="dip", split="test")
    for (dataset, _, _), row in rows.items():
        assert row["synthetic"] is True
        assert row["macro_f1_ci95"] is None  # of one test subject no interval can be had
        assert 0 <= row["accuracy"] <= 1
        assert 0 <= row["auc"] <= 1
        assert (row["protocol"], row["split_protocol"]) == ("holdout", "subjects_apart")
        counts = np.array(row["confusion"])
        assert counts.sum() == row["n_windows"] * len(row["seeds"])
        assert np.trace(counts) / counts.sum() == pytest.approx(row["accuracy"])
        for name, of_class in row["per_class"].items():
            if dataset == "dip":
                assert of_class["n_windows"] == int((windows.label == name).sum())
    for method in ("penalty_cnn", "deepconvlstm"):
        tuned = rows[("dip", "finetuned", method)]
        assert tuned["gain_over_scratch"] == pytest.approx(
            tuned["macro_f1"] - rows[("dip", "scratch", method)]["macro_f1"]
        )
        assert tuned["gain_ci95"] is None
    assert "no interval can be had" in metrics["notes"][0]


def test_predictions_are_those_of_the_published_models(small_run):
    table = pq.read_table(small_run.run_dir / "evaluate" / "predictions.parquet").to_pandas()
    model, card = load_model(small_run.run_dir / "finetune" / "models" / "finetuned-1.pt")
    windows = vimu.load_windows(small_run.run_dir).where(dataset="dip", split="test")
    from vimu.training.loop import predict

    wanted = dict(zip(windows.window_id, np.array(card.classes)[predict(model, windows.x).argmax(axis=1)], strict=True))
    rows = table[(table.experiment == "finetuned") & (table.method == "penalty_cnn") & (table.seed == 1)]
    assert dict(zip(rows.window_id, rows.predicted, strict=True)) == wanted
    assert card.trained_on == "dip (synthetic)"


def test_auc_can_be_had_again_from_the_predictions(small_run):
    path = small_run.run_dir / "evaluate" / "predictions.parquet"
    table = pq.read_table(path).to_pandas()
    classes = json.loads(pq.read_schema(path).metadata[b"classes"])
    for r in json.loads((small_run.run_dir / "evaluate" / "metrics.json").read_text())["results"]:
        rows = table[(table[KEYS] == [r[key] for key in KEYS]).all(axis=1)]
        assert len(rows) == r["n_windows"] * len(r["seeds"])
        assert classes[r["dataset"]] == r["classes"]
        for seed, scored in r["by_seed"].items():
            of_seed = rows[rows.seed == int(seed)]
            assert of_seed.probability.tolist() == [max(p) for p in of_seed.probabilities]
            truth = np.array([r["classes"].index(label) for label in of_seed.truth])
            again = mean_known(one_vs_rest_auc(truth, np.stack(of_seed.probabilities)))
            assert again == pytest.approx(scored["auc"], abs=1e-9)


def test_baselines_are_trained_as_ours_is(small_run):
    ours = published(small_run, "pretrain").manifest["identity"]["settings"]
    model, card = load_model(small_run.run_dir / "pretrain" / "baselines" / "deepconvlstm" / "model.pt")
    assert card.settings == {**card.settings, "kind": "deepconvlstm", "filters": 2, "units": 4}
    assert (model.n_classes, card.trained_on) == (len(card.classes), "amass (synthetic)")
    plan = pretrain.plan(small_run)
    assert list(plan.work.networks) == ["penalty_cnn", "deepconvlstm"]
    other = plan.work.networks["deepconvlstm"].model_dump(mode="json")
    assert {key for key in ours if ours[key] != other[key]} == {"model"}
    names = {path.name for path in (small_run.run_dir / "finetune" / "baselines" / "deepconvlstm").iterdir()}
    assert names == {f"{s}-{n}.{e}" for s in ("finetuned", "scratch") for n in (0, 1) for e in ("pt", "json")}


def test_the_terminal_shows_the_tables_within_100_columns(small_run):
    lines = results_text(json.loads(published(small_run, "evaluate").file("metrics.json").read())).splitlines()
    assert max(len(line) for line in lines) <= 100
    assert not any("…" in line for line in lines)
    heads = [line for line in lines if line.endswith("(test split)")]
    assert len(heads) == 2
    assert all("(synthetic)" in line for line in heads)


@pytest.mark.fault(52)
def test_windows_of_one_subject_in_two_splits_are_refused(small_run, monkeypatch):
    plan = evaluate.plan(small_run)
    whole = vimu.load_windows(small_run.run_dir)
    crossing = whole.split.copy()
    crossing[np.flatnonzero(whole.subject == "s_04")[0]] = "train"
    monkeypatch.setattr(evaluate_models, "read_windows", lambda _: replace(whole, split=crossing))
    with pytest.raises(UserError, match="`dip` must be in one split, but s_04 is in two"):
        evaluate_models.sides_of(small_run, plan.work)


@pytest.mark.fault(24)
def test_a_gpu_that_no_node_has_is_said_before_training(small_run, tmp_path):
    config = small_run.model_copy(update={"pretrain": small_run.pretrain.model_copy(update={"device": "gpu"})})
    with pytest.raises(UserError, match="2 times CPU 1, GPU 1 fits its nodes 0 times"):
        pretrain.build(config, pretrain.plan(config), tmp_path)


@pytest.mark.fault(24)
def test_a_real_cluster_is_asked_and_given_up_on(local_ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "the session's own")
    assert require({"CPU": 1.0}, 0.2, "x") == 2
    with pytest.raises(UserError, match="CPU 1, GPU 1 fits its nodes 0 times"):
        require({"CPU": 1.0, "GPU": 1.0}, 0.2, "x")


def test_the_report_is_one_file_that_says_synthetic(small_run):
    page = (small_run.run_dir / "evaluate" / "report.html").read_text()
    assert "<strong>Synthetic data.</strong>" in page
    assert "no_finetuning" in page
    assert "generated by vimu, synthetic" in page
    assert "penalty_weight" in page
    assert page.count("<svg") == 10 + 2  # a confusion matrix a result, learning curves of two stages
    for text in ("deepconvlstm, scratch", "training loss", "validation macro-F1"):
        assert text in page
    for outside in ("src=", "@import", "<script", "<link"):
        assert outside not in page


def test_evaluation_again_from_the_same_models_gives_the_same_hash(small_run, tmp_path):
    folder = tmp_path / "staging"
    folder.mkdir()
    outcome = evaluate.build(small_run, evaluate.plan(small_run), folder)
    assert outcome.content_hash == published(small_run, "evaluate").content_hash
