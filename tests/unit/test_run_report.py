"""The report of a run: its page and its figures as files."""

import json
import re
from xml.etree import ElementTree as ET

from reported import ALL, HOSTILE, changed, csv_rows, publish_run, words
from vimu.report.page import report_of
from vimu.report.plot import name_of
from vimu.report.run import open_run


def test_the_page_holds_all_it_needs(report_files):
    page = (report_files / "r.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page and "@import" not in page
    assert not re.search(r"""(src|srcset|poster)\s*=|url\((?!#)""", page)
    links = set(re.findall(r'<a [^>]*href="([^"]*)"', page))
    assert all(link.startswith(("#", "http://127.0.0.1:8321/#clip=")) for link in links)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    named = set(re.findall(r'url\(#([^)]*)\)|href="#([^"]+)"', page))
    assert {a or b for a, b in named} <= set(ids)


def test_every_figure_is_a_file_of_each_kind_and_in_the_page(report_files):
    page = (report_files / "r.html").read_text()
    names = {p.stem for p in (report_files / "figures").iterdir()}
    assert len(list((report_files / "figures").iterdir())) == 3 * len(names)
    assert names >= {
        "data-flow", "data-amounts", "curves-virtual", "curves-real", "training-pretrain", "training-finetune",
        "scores-all-people", "scores-test-split", "labels-watch", "calibration",
        "confusion-all-people-watch-subjects-apart-finetuned-penalty-cnn",
        "confused-watch-subjects-apart-finetuned-penalty-cnn",
    }  # fmt: skip
    for name in names:
        assert f'<figure id="figure-{name}"><svg' in page
        assert (report_files / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ET.parse(report_files / "figures" / f"{name}.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own
        assert csv_rows(report_files / "figures" / f"{name}.csv")


def test_generated_data_are_marked_wherever_they_are_named(run_folder, report_files):
    report = report_of(open_run(run_folder))
    for plot in report.plots:
        shown = words(plot.svg) + " " + plot.caption
        assert not re.search(r"\barchive\b(?! \(synthetic\))", shown), plot.name
    for section in ("results", "calibration", "mistakes"):
        text = words(re.search(rf'<section id="{section}">.*?</section>', report.html, re.S)[0])
        assert re.search(r"\barchive \(synthetic\)", text)
        assert not re.search(r"(?<!an )\barchive\b(?! \(synthetic\)|/takes)", text), section
    assert "watch (synthetic)" not in report.html


def test_settings_and_commands_are_those_of_the_manifests(report_files, run_folder):
    page = words((report_files / "r.html").read_text())
    for stage in ALL:
        assert f"python jobs/{stage}.py --config configs/made.yaml" in page
    assert (
        json.loads((run_folder / "prepare" / "manifest.json").read_text())["identity"]["inputs"]["synthesize"] in page
    )
    assert "python jobs/tune.py --config configs/made.yaml # is not published" in page
    assert f"vimu review {run_folder} --port 8321" in page


def test_names_of_figures_are_told_apart():
    assert name_of("confusion", "umafall, subjects apart") == "confusion-umafall-subjects-apart"
    assert name_of("a/b") != name_of("a.b") and name_of("x" * 300) != name_of("x" * 301)
    assert all(re.fullmatch("[a-z0-9-]{1,90}", name_of(name)) for name in (*HOSTILE, "/", "..", "../../etc"))


def test_a_run_that_names_signals_by_words_has_tables_by_data_set(tmp_path):
    folder = publish_run(tmp_path / "run", stages=("synthesize", "prepare", "evaluate"))
    of_words = {"setting": "cross_dataset", "variant": "aligned", "unseen": []}
    metrics = json.loads((folder / "evaluate" / "metrics.json").read_text())
    metrics["results"] = [r | of_words for r in metrics["results"] if r["experiment"] == "finetuned"]
    changed(folder / "evaluate", "metrics.json", json.dumps(metrics).encode())
    page = words(report_of(open_run(folder)).html)
    assert "watch, cross_dataset: 6 windows of 2 s, 1 subjects, 3 classes" in page
    assert "trained on one data set, tested on another" in page and "has no curve of labels" in page
