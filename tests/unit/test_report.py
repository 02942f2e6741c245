"""The page and the terminal's tables, from results in the metrics contract."""

import re

import numpy as np
import pytest

from vimu.evaluation.figures import Curve
from vimu.evaluation.groups import difference_of, grouped
from vimu.evaluation.published import beside, load_published
from vimu.evaluation.report import Page, render_report
from vimu.evaluation.terminal import WIDTH, results_text

CLASSES = ["lying_down_or_getting_up", "walking", "waving"]


def entry(experiment="scratch", method="penalty_cnn", **changes):
    """A result as `metrics.json` holds it."""
    per_class = {
        name: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "auc": None if name == "waving" else 0.8, "n_windows": 7.0,
               "n_subjects": 4}
        for name in CLASSES
    }  # fmt: skip
    return {
        "dataset": "dip", "experiment": experiment, "method": method, "synthetic": False, "window_s": 1.0,
        "feature_set": "world_acc_ori", "split": "6 train, 2 validation, 4 test subjects, apart", "seeds": [0, 1],
        "accuracy": 0.61, "macro_f1": 0.55, "weighted_f1": 0.6, "auc": 0.8, "macro_f1_ci95": [0.5, 0.601],
        "by_seed": {"0": {"macro_f1": 0.5}, "1": {"macro_f1": 0.6}}, "n_subjects": 4, "n_windows": 1234,
        "classes": CLASSES, "per_class": per_class, "confusion": [[5, 1, 1], [0, 7, 0], [0, 0, 0]],
        "protocol": "holdout", "split_protocol": "subjects_apart",
    } | changes  # fmt: skip


FINETUNED = entry("finetuned", macro_f1=0.6, gain_over_scratch=0.05, gain_ci95=[0.011, 0.092])
MORE = [
    entry("scratch", protocol="crossval", macro_f1=0.7),
    entry("finetuned", protocol="crossval", macro_f1=0.72, gain_over_scratch=0.02, gain_ci95=None),
    *(
        entry(e, protocol="crossval", label_share=share, label_s=seconds, macro_f1=f1)
        for e, share, seconds, f1 in (
            ("scratch", 0.5, 600.0, 0.61), ("scratch", 0.01, 12.0, 0.21), ("finetuned", 0.01, 12.0, 0.31),
        )
    ),
    entry("finetuned", protocol="crossval", ablation="penalty", macro_f1=0.71),
    entry(
        "finetuned", protocol="crossval", ablation="up-sampling", macro_f1=0.69, difference_to_whole=-0.03,
        difference_ci95=[-0.051, -0.012],
    ),
]  # fmt: skip


def page_of(results, notes=("A note.",), curves=(), **metrics):
    made = {"command": "python x", "finished_at": "now", "code": {"version": "0", "git": None}, "packages": {}}
    page = Page("run", curves, data=[], flow=[], licences={}, config={}, used={}, mended={}, made=made)
    return render_report({"results": results, "notes": list(notes)} | metrics, page)


def text_of(page):
    """A page's words, tags and white space apart."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_what_a_run_has_not_has_no_section():
    page = page_of([entry(), FINETUNED])
    for heading in ("Cross-validation", "How few labels", "Ablations", "Learning curves", "Beside the published"):
        assert heading not in page
    for mark in ("Synthetic data", "(synthetic)", "paper_random_windows"):
        assert mark not in page
    assert "0.550 0.500 to 0.601 0.600 0.800" in text_of(page)
    assert "+0.050 (+0.011 to +0.092)" in page
    assert text_of(page).count("0.50 0.50 0.50 none 4 7") == 2  # waving has no AUC, in both results


def test_each_result_is_in_its_table_and_nowhere_else():
    groups = grouped([entry(), FINETUNED, *MORE])
    assert {name: len(rows) for name, rows in groups.holdout.items()} == {"scratch": 1, "finetuned": 1}
    assert [r["macro_f1"] for r in groups.crossval] == [0.7, 0.72]
    assert [r["macro_f1"] for r in groups.labels["dip"]] == [0.21, 0.31, 0.61]
    assert [r.get("ablation") for r in groups.ablations] == [None, "penalty", "up-sampling"]
    assert groups.ablations[0]["macro_f1"] == 0.72  # not the test split's: each beside its own protocol
    whole = entry("finetuned", protocol="crossval", ablation="none", macro_f1=0.715)
    with_own = grouped([entry(), FINETUNED, *MORE, whole])
    assert [r["macro_f1"] for r in with_own.ablations] == [0.715, 0.71, 0.69]
    assert [r["macro_f1"] for r in with_own.crossval] == [0.7, 0.72]


def test_an_ablations_difference_is_its_own_or_plain_and_then_without_interval():
    results = [entry(), FINETUNED, *MORE]
    size, interval = difference_of(MORE[-2], results)
    assert (size, interval) == (pytest.approx(-0.01), None)
    assert difference_of(MORE[-1], results) == (-0.03, [-0.051, -0.012])
    assert difference_of(entry(ablation="x", dataset="umafall"), results) == (None, None)


def test_sections_of_cross_validation_labels_and_ablations():
    page = page_of([entry(), FINETUNED, *MORE])
    said = text_of(page)
    assert "Cross-validation" in page
    assert "How few labels are enough: dip" in page
    assert "labelled seconds" in re.findall(r"<svg.*?</svg>", page, re.S)[0]
    assert "1 % 12 scratch penalty_cnn 0.210 0.500 to 0.601" in said
    assert "up-sampling 0.690 0.500 to 0.601 -0.030 (-0.051 to -0.012)" in said
    assert page.count("<svg") == 4 + 1  # confusion of test split and cross-validation, and the labels' figure


def test_learning_curves_have_a_figure_a_stage_and_a_name_a_line():
    epochs = [{"epoch": k, "loss": 1 / (k + 1), "val_macro_f1": k / 4} for k in range(4)]
    curves = [Curve("pretrain", "penalty_cnn", 0, epochs)]
    curves += [Curve("finetune", f"penalty_cnn, {s}", n, epochs) for s in ("finetuned", "scratch") for n in (0, 1)]
    page = page_of([entry()], curves=curves)
    pretrain, finetune = re.findall(r"<svg.*?</svg>", page, re.S)[:2]
    assert "training loss" in pretrain
    assert "validation macro-F1" in finetune
    assert finetune.count(">penalty_cnn, scratch<") == 1  # two seeds, one entry in the legend


@pytest.mark.parametrize("show", [page_of, lambda results: results_text({"results": results, "notes": []})])
def test_synthetic_and_random_windows_are_marked_wherever_a_figure_is(show):
    results = [
        entry(synthetic=True),
        entry("virtual", dataset="amass", split_protocol="paper_random_windows"),
        entry("scratch", protocol="crossval", synthetic=True),
        entry("scratch", label_share=0.1, label_s=3.0, synthetic=True),
        entry("scratch", ablation="penalty", synthetic=True),
    ]
    said = show(results)
    assert "dip (synthetic)" in said
    assert "amass, paper_random_windows" in said
    plain = re.sub(r"<[^>]*>", " ", said)
    assert not re.search(r"\b(dip)\b(?! \(synthetic\))", plain)
    assert not re.search(r"\bamass\b(?!, paper_random_windows)", plain)


def test_text_of_others_is_no_markup():
    page = page_of([entry(method="<script>alert(1)</script>")], notes=["<img src=x>"])
    assert "<script" not in page
    assert "<img" not in page


def test_the_terminals_tables_are_whole_within_100_columns():
    marks = {"dataset": "amass", "synthetic": True, "split_protocol": "paper_random_windows"}
    methods = [(e, m) for e in ("no_finetuning", "finetuned") for m in ("random_forest", "penalty_cnn")]
    long = [entry(e, m, gain_over_scratch=0.05, gain_ci95=[-0.01, 0.09], **marks) for e, m in methods]
    copies = entry(method="random_forest", augmented_copies=10, protocol="crossval", apart="subjects")
    results = [*long, entry(), FINETUNED, *MORE, copies]
    classes, confusion = [f"an_activity_{i}" for i in range(12)], np.eye(12, dtype=int).tolist()
    twelve = [entry(classes=classes, confusion=confusion)]
    table = beside(load_published("seed_paper"), [*twelve, FINETUNED])
    text = results_text({"results": results, "notes": ["A note [of] care."], "published": table})
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= WIDTH
    assert "…" not in text
    assert "+0.05 (+0.01 to +0.09)" in text
    assert re.search(r"finetuned +penalty_cnn +0.610 +0.600 +0.50 to 0.60 +0.600 +0.800 +\+0.05 ", text)
    assert re.search(r"finetuned +penalty_cnn +up-sampling +0.690 +-0.030 \(-0.05 to -0.01\)", text)
    assert re.search(r"scratch +penalty_cnn +1 % +12 +0.210", text)
    assert re.search(r"penalty_cnn +91.15 +91.21 +61.00 +60.00 +50.0 to 60.1 +60.00", text)
    assert re.search(r"penalty_cnn +< 50 +not run", text)
    assert "12 an_activity_11" in text
    assert "confusion, 3: AMASS, fine-tuned on DIP -> DIP, penalty_cnn: dip" in lines
    assert "amass (synthetic), paper_random_windows: 1,234 windows of 1 s, 4 subjects (test split)" in lines
    assert "random_forest, 10 copies" in text
    assert "4 subjects, subjects apart (cross-validation" in text
    assert "A note [of] care." in text
