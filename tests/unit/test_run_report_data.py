"""The report of a run: the data that its figures are drawn of."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reported import CLASSES, CLIPS_EACH, TRIALS_EACH, changed, clip_rows, csv_rows, publish_run, words
from vimu.report.confused import confused_pairs
from vimu.report.data_card import categories, flow_sides
from vimu.report.flow import nodes_and_bands
from vimu.report.parts import predictions_of
from vimu.report.plot import LEFT_OUT
from vimu.report.predictions import calibration_of
from vimu.report.run import open_run
from vimu.report.signals import typical_clips, typical_windows
from vimu.report.tables import clips_of, windows_of


def test_the_numbers_behind_the_figures_are_those_of_the_run(report_files, run_folder):
    metrics = json.loads((run_folder / "evaluate" / "metrics.json").read_text())["results"]
    scores = csv_rows(report_files / "figures" / "scores-all-people.csv")
    whole = [r for r in metrics if r["protocol"] != "holdout" and not {"label_share", "ablation"} & r.keys()]
    assert sorted(float(row["macro_f1"]) for row in scores) == sorted(r["macro_f1"] for r in whole)
    finetuned = next(r for r in whole if r["experiment"] == "finetuned")
    cells = csv_rows(report_files / "figures" / "confusion-all-people-watch-subjects-apart-finetuned-penalty-cnn.csv")
    counts = {(row["true"], row["predicted"]): int(row["windows"]) for row in cells}
    assert [[counts[a, b] for b in CLASSES] for a in CLASSES] == finetuned["confusion"]
    labels = csv_rows(report_files / "figures" / "labels-watch.csv")
    assert [(float(r["label_share"]), float(r["macro_f1"])) for r in labels] == [(0.1, 0.4), (1.0, 0.6)]
    training = csv_rows(report_files / "figures" / "training-finetune.csv")
    assert [(r["network"], r["epoch"]) for r in training[:2]] == [
        ("penalty_cnn, finetuned", "1"),
        ("penalty_cnn, finetuned", "2"),
    ]


def test_what_goes_into_the_flow_comes_out_or_is_left_out(run_folder):
    run = open_run(run_folder)
    nodes, bands = nodes_and_bands(
        flow_sides(run, clips_of(run.stages["synthesize"]), windows_of(run.stages["prepare"]))
    )
    for i, node in enumerate(nodes):
        leaves = [band.size for band in bands if band.source == i]
        assert not leaves or sum(leaves) == pytest.approx(node.size)
    labels = [node.label for node in nodes]
    n = len(CLASSES)
    assert (
        f"archive (synthetic): {CLIPS_EACH * n + 1} files" in labels
        and f"watch: {TRIALS_EACH * n + 1} trials" in labels
    )
    assert {node.label for node in nodes if node.colour == LEFT_OUT} == {"1 unreadable", f"{n} too short", "1 gap"}
    assert sum(node.count for node in nodes if node.column == 3) == len(windows_of(run.stages["prepare"]))


def test_categories_count_clips_trials_people_and_what_windows_cover(run_folder):
    run = open_run(run_folder)
    found = categories(run, clips_of(run.stages["synthesize"]), windows_of(run.stages["prepare"]))
    assert [(c.dataset, c.label) for c in found[:3]] == [
        ("archive", name) for name in reversed(CLASSES)
    ]  # longest first
    walking = found[0]
    assert (walking.sources, walking.subjects) == (CLIPS_EACH, None)
    assert walking.seconds == pytest.approx(3 * 210 / 60)
    real = found[-1]
    assert (real.sources, real.subjects, real.windows) == (TRIALS_EACH, 4, {"train": 4, "val": 2, "test": 2})
    assert real.seconds == pytest.approx(TRIALS_EACH * 60 / 20)  # two windows of 40 frames, 20 apart


def test_typical_is_what_is_nearest_to_the_median(run_folder):
    run = open_run(run_folder)
    curves = typical_clips(run.stages["synthesize"], clips_of(run.stages["synthesize"]), ("chest",))
    assert [one.of for one in curves] == [f"archive/takes/{name}_1" for name in CLASSES]
    rows = {row["sequence"]: row for row in clip_rows(CLASSES)}
    acc = np.array(rows["takes/walking_1"]["acc"]).reshape(-1, 2, 3)
    np.testing.assert_allclose(curves[-1].by_sensor["chest"], np.linalg.norm(acc[:, 0], axis=-1))
    assert list(curves[-1].by_sensor) == ["chest"]
    typical = typical_windows(run.stages["prepare"], windows_of(run.stages["prepare"]))
    assert set(typical) == {(dataset, name) for dataset in ("archive", "watch") for name in CLASSES}
    assert all(one.of.startswith(f"{dataset}:") for (dataset, _), one in typical.items())


def test_planted_mistakes_are_the_most_confused_pair_with_windows_in_which_they_happened(run_folder):
    run = open_run(run_folder)
    windows, clips = windows_of(run.stages["prepare"]), clips_of(run.stages["synthesize"])
    of = {p.experiment: p for p in predictions_of(run)}
    [pair] = confused_pairs(of["finetuned"], windows, clips)
    assert (pair.truth, pair.said, pair.share, pair.n) == ("running", "standing", 0.5, TRIALS_EACH)
    assert len({e.name for e in pair.examples}) == 3 and all(e.clip_id is None for e in pair.examples)
    assert all(e.name.startswith("trial_0_") and e.end_s - e.start_s == 2.0 for e in pair.examples)
    [pair] = confused_pairs(of["virtual"], windows, clips)
    assert {(e.name, e.clip_id) for e in pair.examples} <= {
        (f"archive/takes/running_{k}", f"0{k}" * 16) for k in (1, 2)
    }


def test_calibration_is_confidence_against_the_share_that_is_right(run_folder, report_files):
    found = {p.experiment: calibration_of(p) for p in predictions_of(open_run(run_folder))}
    one = found["finetuned"]
    assert one.n == 8 * len(CLASSES) and one.accuracy == pytest.approx(1 - 0.5 / 3)
    assert one.confidence == pytest.approx(0.8, abs=1e-3)
    assert one.error == pytest.approx(one.accuracy - one.confidence, abs=1e-6)  # all is in one bin
    page = words((report_files / "r.html").read_text())
    assert (
        f"watch, subjects apart: finetuned, penalty_cnn {one.error:.3f} {one.confidence:.3f} {one.accuracy:.3f}" in page
    )


def test_probabilities_among_some_of_a_networks_classes_are_shares_of_those(tmp_path):
    folder = publish_run(tmp_path / "run", stages=("synthesize", "prepare", "crossval"))
    [whole, *_] = predictions_of(open_run(folder))
    table = pq.read_table(folder / "crossval" / "predictions.parquet")
    half = [[p / 2 for p in row] for row in table.column("probabilities").to_pylist()]
    at = table.schema.get_field_index("probabilities")
    halves = pa.BufferOutputStream()
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(half, table.schema.field(at).type)), halves)
    changed(folder / "crossval", "predictions.parquet", halves.getvalue().to_pybytes())
    [halved, *_] = predictions_of(open_run(folder))
    np.testing.assert_allclose(halved.probability, np.minimum(2 * whole.probability, 2), rtol=1e-5)
    np.testing.assert_allclose(whole.probability, 0.8, atol=1e-3)
