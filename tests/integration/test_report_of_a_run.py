"""The report of a run as its jobs published it."""

import json

from vimu.report.page import report_of
from vimu.report.run import open_run


def test_what_the_pipeline_published_is_all_in_the_report(small_run):
    run = open_run(small_run.run_dir)
    report = report_of(run)
    metrics = json.loads((small_run.run_dir / "evaluate" / "metrics.json").read_text())
    names = {plot.name for plot in report.plots}
    assert names >= {
        "data-flow", "data-amounts", "curves-virtual", "curves-real", "training-pretrain", "training-finetune",
        "scores-test-split", "calibration",
    }  # fmt: skip
    assert sum(name.startswith("confusion-") for name in names) == len(metrics["results"])
    assert run.outdated() == []
    assert "Synthetic data." in report.html
    assert all(f"{r['macro_f1']:.3f}" in report.html for r in metrics["results"])
    for reason, n in run.detail("synthesize", "left_out").items():
        assert f"{n:,} {reason.replace('_', ' ')}" in report.html
