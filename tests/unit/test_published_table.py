"""A paper's figures as data, and ours beside them."""

import pytest

from vimu.evaluation.published import PublishedTable, beside, load_published
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml


def ours(dataset, experiment, method, **more):
    return {"dataset": dataset, "experiment": experiment, "method": method, "accuracy": 0.5} | more


def test_the_seed_papers_table_is_as_printed():
    table = load_published("seed_paper")
    figures = {
        (block.dataset, block.experiment, method): (f.accuracy_percent, f.f1_percent)
        for block in table.experiments for method, f in block.figures.items()
    }  # fmt: skip
    assert figures == {
        ("amass", "virtual", "penalty_cnn"): (87.46, 86.50),
        ("amass", "virtual", "deepconvlstm"): (73.03, 72.43),
        ("amass", "virtual", "random_forest"): (75.01, 70.00),
        ("dip", "scratch", "penalty_cnn"): (89.08, 89.16),
        ("dip", "scratch", "deepconvlstm"): (78.33, 79.31),
        ("dip", "scratch", "random_forest"): (77.25, 75.96),
        ("dip", "finetuned", "penalty_cnn"): (91.15, 91.21),
        ("dip", "finetuned", "deepconvlstm"): (84.80, 85.12),
        ("dip", "no_finetuning", "penalty_cnn"): (None, None),
    }
    assert table.experiments[-1].figures["penalty_cnn"].accuracy_below_percent == 50
    assert [block.experiment for block in table.experiments if block.confusion] == ["scratch", "finetuned"]
    assert "could not be read" in table.evidence


def test_ours_stand_beside_the_same_experiment_and_method_only():
    results = [
        ours("dip", "finetuned", "penalty_cnn"),
        ours("dip", "finetuned", "random_forest"),
        ours("dip", "scratch", "penalty_cnn", protocol="crossval"),
        ours("dip", "scratch", "penalty_cnn", label_share=0.1),
        ours("dip", "scratch", "penalty_cnn", ablation="penalty"),
        ours("umafall", "scratch", "deepconvlstm"),
    ]
    rows = beside(load_published("seed_paper"), results)["rows"]
    has = {(row["title"][:1], row["method"]): (row["paper"] is not None, row["ours"]) for row in rows if row["ours"]}
    assert has == {("3", "penalty_cnn"): (True, results[0]), ("3", "random_forest"): (False, results[1])}


def test_an_unknown_table_lists_the_known():
    with pytest.raises(UserError, match=r"`evaluate\.published` must be one of seed_paper"):
        load_published("another_paper")


@pytest.mark.parametrize(
    "figures", [{}, {"accuracy_percent": 50, "accuracy_below_percent": 50}, {"accuracy_percent": 120}]
)
def test_figures_must_be_figures(figures, repo):
    raw = read_yaml(repo / "configs" / "published" / "seed_paper.yaml")
    raw["experiments"][0]["figures"]["penalty_cnn"] = figures
    with pytest.raises(UserError, match="penalty_cnn"):
        validate(PublishedTable, raw, where="test")
