"""The report of a run: what its figures are drawn of, what is missing and said to be, and names as text."""

import csv
import hashlib
import json
import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from reported import ALL, CLASSES, CLIPS_EACH, HOSTILE, TRIALS_EACH, clip_rows, publish_run
from vimu.cli import app
from vimu.report.confused import confused_pairs
from vimu.report.data_card import categories, flow_sides
from vimu.report.flow import nodes_and_bands
from vimu.report.page import report_of
from vimu.report.parts import predictions_of
from vimu.report.plot import LEFT_OUT, name_of
from vimu.report.predictions import calibration_of
from vimu.report.run import open_run
from vimu.report.signals import typical_clips, typical_windows
from vimu.report.tables import clips_of, windows_of
from vimu.runtime.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return publish_run(tmp_path_factory.mktemp("runs") / "made")


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    """The page, and its figures as files."""
    out = tmp_path_factory.mktemp("out")
    done = CliRunner().invoke(app, ["report", str(folder), "--out", f"{out}/r.html", "--figures", f"{out}/figures"])
    assert done.exit_code == 0, done.output
    return out


def words(page):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_page_holds_all_it_needs(written):
    page = (written / "r.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page and "@import" not in page
    assert not re.search(r"""(src|srcset|poster)\s*=|url\((?!#)""", page)
    links = set(re.findall(r'<a [^>]*href="([^"]*)"', page))
    assert all(link.startswith(("#", "http://127.0.0.1:8321/#clip=")) for link in links)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    named = set(re.findall(r'url\(#([^)]*)\)|href="#([^"]+)"', page))
    assert {a or b for a, b in named} <= set(ids)


def test_every_figure_is_a_file_of_each_kind_and_in_the_page(written):
    page = (written / "r.html").read_text()
    names = {p.stem for p in (written / "figures").iterdir()}
    assert len(list((written / "figures").iterdir())) == 3 * len(names)
    assert names >= {
        "data-flow", "data-amounts", "curves-virtual", "curves-real", "training-pretrain", "training-finetune",
        "scores-all-people", "scores-test-split", "labels-watch", "calibration",
        "confusion-all-people-watch-subjects-apart-finetuned-penalty-cnn",
        "confused-watch-subjects-apart-finetuned-penalty-cnn",
    }  # fmt: skip
    for name in names:
        assert f'<figure id="figure-{name}"><svg' in page
        assert (written / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ET.parse(written / "figures" / f"{name}.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own
        assert rows_of(written / "figures" / f"{name}.csv")


def test_the_numbers_behind_the_figures_are_those_of_the_run(written, folder):
    metrics = json.loads((folder / "evaluate" / "metrics.json").read_text())["results"]
    scores = rows_of(written / "figures" / "scores-all-people.csv")
    whole = [r for r in metrics if r["protocol"] != "holdout" and not {"label_share", "ablation"} & r.keys()]
    assert sorted(float(row["macro_f1"]) for row in scores) == sorted(r["macro_f1"] for r in whole)
    finetuned = next(r for r in whole if r["experiment"] == "finetuned")
    cells = rows_of(written / "figures" / "confusion-all-people-watch-subjects-apart-finetuned-penalty-cnn.csv")
    counts = {(row["true"], row["predicted"]): int(row["windows"]) for row in cells}
    assert [[counts[a, b] for b in CLASSES] for a in CLASSES] == finetuned["confusion"]
    labels = rows_of(written / "figures" / "labels-watch.csv")
    assert [(float(r["label_share"]), float(r["macro_f1"])) for r in labels] == [(0.1, 0.4), (1.0, 0.6)]
    training = rows_of(written / "figures" / "training-finetune.csv")
    assert [(r["network"], r["epoch"]) for r in training[:2]] == [
        ("penalty_cnn, finetuned", "1"),
        ("penalty_cnn, finetuned", "2"),
    ]


def test_what_goes_into_the_flow_comes_out_or_is_left_out(folder):
    run = open_run(folder)
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


def test_categories_count_clips_trials_people_and_what_windows_cover(folder):
    run = open_run(folder)
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


def test_typical_is_what_is_nearest_to_the_median(folder):
    run = open_run(folder)
    curves = typical_clips(run.stages["synthesize"], clips_of(run.stages["synthesize"]), ("chest",))
    assert [one.of for one in curves] == [f"archive/takes/{name}_1" for name in CLASSES]
    rows = {row["sequence"]: row for row in clip_rows(CLASSES)}
    acc = np.array(rows["takes/walking_1"]["acc"]).reshape(-1, 2, 3)
    np.testing.assert_allclose(curves[-1].by_sensor["chest"], np.linalg.norm(acc[:, 0], axis=-1))
    assert list(curves[-1].by_sensor) == ["chest"]
    typical = typical_windows(run.stages["prepare"], windows_of(run.stages["prepare"]))
    assert set(typical) == {(dataset, name) for dataset in ("archive", "watch") for name in CLASSES}
    assert all(one.of.startswith(f"{dataset}:") for (dataset, _), one in typical.items())


def test_planted_mistakes_are_the_most_confused_pair_with_windows_in_which_they_happened(folder):
    run = open_run(folder)
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


def test_calibration_is_confidence_against_the_share_that_is_right(folder, written):
    found = {p.experiment: calibration_of(p) for p in predictions_of(open_run(folder))}
    one = found["finetuned"]
    assert one.n == 8 * len(CLASSES) and one.accuracy == pytest.approx(1 - 0.5 / 3)
    assert one.confidence == pytest.approx(0.8, abs=1e-3)
    assert one.error == pytest.approx(one.accuracy - one.confidence, abs=1e-6)  # all is in one bin
    page = words((written / "r.html").read_text())
    assert (
        f"watch, subjects apart: finetuned, penalty_cnn {one.error:.3f} {one.confidence:.3f} {one.accuracy:.3f}" in page
    )


def test_probabilities_among_some_of_a_networks_classes_are_shares_of_those(tmp_path):
    folder = publish_run(tmp_path / "run", stages=("synthesize", "prepare", "crossval"))
    [whole, *_] = predictions_of(open_run(folder))
    file = folder / "crossval" / "predictions.parquet"
    table = pq.read_table(file)
    half = [[p / 2 for p in row] for row in table.column("probabilities").to_pylist()]
    at = table.schema.get_field_index("probabilities")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(half, table.schema.field(at).type)), file)
    manifest = folder / "crossval" / "manifest.json"
    told = json.loads(manifest.read_text())
    entry = next(f for f in told["files"] if f["path"] == "predictions.parquet")
    entry |= {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    reseal(manifest, json.dumps(told))
    [halved, *_] = predictions_of(open_run(folder))
    np.testing.assert_allclose(halved.probability, np.minimum(2 * whole.probability, 2), rtol=1e-5)
    np.testing.assert_allclose(whole.probability, 0.8, atol=1e-3)


def test_generated_data_are_marked_wherever_they_are_named(folder, written):
    report = report_of(open_run(folder))
    for plot in report.plots:
        shown = words(plot.svg) + " " + plot.caption
        assert not re.search(r"\barchive\b(?! \(synthetic\))", shown), plot.name
    for section in ("results", "calibration", "mistakes"):
        text = words(re.search(rf'<section id="{section}">.*?</section>', report.html, re.S)[0])
        assert re.search(r"\barchive \(synthetic\)", text)
        assert not re.search(r"(?<!an )\barchive\b(?! \(synthetic\)|/takes)", text), section
    assert "watch (synthetic)" not in report.html


def test_settings_and_commands_are_those_of_the_manifests(written, folder):
    page = words((written / "r.html").read_text())
    for stage in ALL:
        assert f"python jobs/{stage}.py --config configs/made.yaml" in page
    assert json.loads((folder / "prepare" / "manifest.json").read_text())["identity"]["inputs"]["synthesize"] in page
    assert "python jobs/tune.py --config configs/made.yaml # is not published" in page
    assert f"vimu review {folder} --port 8321" in page


@pytest.mark.parametrize("there", [("prepare", "pretrain", "crossval"), ("synthesize", "finetune")])
def test_stages_that_are_not_published_are_said_to_be_missing(tmp_path, there):
    report = report_of(open_run(publish_run(tmp_path / "run", stages=there)))
    page = words(report.html)
    for name in set(ALL) - set(there):
        command = f"python jobs/{name}.py --config configs/made.yaml"
        assert f"{name} is not published ; {command} makes it" in page
        assert re.search(rf"Missing: [a-z ',]+\. `{name}` is not published\. It is made by: {command}", page)


def test_clips_of_another_run_are_found_beside_it_if_they_are_those_that_were_cut(tmp_path, folder):
    whole = publish_run(tmp_path / "runs" / "whole", stages=("synthesize",))
    other = publish_run(tmp_path / "runs" / "other", stages=("synthesize", "prepare"))
    manifest = other / "prepare" / "manifest.json"
    text = manifest.read_text().replace('"settings": {}', '"settings": {"clips": "elsewhere/whole/synthesize"}')
    reseal(manifest, text)
    for path in sorted((other / "synthesize").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (other / "synthesize").rmdir()
    run = open_run(other)
    assert run.stages["synthesize"].folder == whole / "synthesize" and "synthesize" not in run.missing
    assert f"published, in {whole}/synthesize" in words(report_of(run).html)
    reseal(manifest, re.sub(r'"synthesize": "\w+"', '"synthesize": "another"', text))
    assert "whose clips are not found as they were cut" in open_run(other).missing["synthesize"]


def reseal(manifest: Path, text: str) -> None:
    manifest.write_text(text)
    (manifest.parent / "_SUCCESS").write_text(hashlib.sha256(text.encode()).hexdigest())


def test_a_damaged_stage_is_said_to_be_and_the_rest_is_shown(tmp_path):
    folder = publish_run(tmp_path / "run")
    (folder / "pretrain" / "log.json").write_text("{}")
    page = words(report_of(open_run(folder)).html)
    assert "is damaged: " in page and "log.json` is missing or damaged" in page
    assert "How few labels are enough" in page


def test_a_stage_of_other_inputs_than_are_there_now_is_a_warning(tmp_path):
    folder = publish_run(tmp_path / "run")
    assert open_run(folder).outdated() == []
    manifest = folder / "prepare" / "manifest.json"
    text = manifest.read_text()
    reseal(manifest, re.sub(r'"content_hash": "\w+"', '"content_hash": "new"', text))
    assert "`evaluate` was made of another `prepare` than the one that is published now" in open_run(folder).outdated()


def test_names_of_others_are_text_in_the_page_and_in_the_figures(tmp_path):
    folder = publish_run(tmp_path / "<b>run", classes=HOSTILE)
    report = report_of(open_run(folder))
    for tag in ("<script>alert", "<img src=x", "<b>run", "<b>made"):
        assert tag not in report.html
    page = words(report.html)
    for name in HOSTILE:
        assert " ".join(name.replace("<", "<").split())[:200] in page or name.startswith("</svg>")
    assert "&lt;/svg&gt;&lt;/style&gt;&lt;script&gt;alert(2)&lt;/script&gt;" in report.html
    for plot in report.plots:
        root = ET.fromstring(plot.svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))  # noqa: S314
        assert {e.tag.rpartition("}")[2] for e in root.iter()} <= {
            "svg", "g", "path", "text", "tspan", "defs", "clipPath", "rect", "use", "style", "metadata",
        }  # fmt: skip
    assert len({plot.name for plot in report.plots}) == len(report.plots)


def test_names_of_figures_are_told_apart():
    assert name_of("confusion", "umafall, subjects apart") == "confusion-umafall-subjects-apart"
    assert name_of("a/b") != name_of("a.b") and name_of("x" * 300) != name_of("x" * 301)
    assert all(re.fullmatch("[a-z0-9-]{1,90}", name_of(name)) for name in (*HOSTILE, "/", "..", "../../etc"))


def test_a_run_that_names_signals_by_words_has_tables_by_data_set(tmp_path):
    folder = publish_run(tmp_path / "run", stages=("synthesize", "prepare", "evaluate"))
    of_words = {"setting": "cross_dataset", "variant": "aligned", "unseen": []}
    file = folder / "evaluate" / "metrics.json"
    metrics = json.loads(file.read_text())
    metrics["results"] = [r | of_words for r in metrics["results"] if r["experiment"] == "finetuned"]
    manifest = folder / "evaluate" / "manifest.json"
    old = file.read_bytes()
    file.write_text(json.dumps(metrics))
    told = json.loads(manifest.read_text())
    entry = next(f for f in told["files"] if f["path"] == "metrics.json")
    assert entry["bytes"] == len(old)
    entry |= {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    reseal(manifest, json.dumps(told))
    page = words(report_of(open_run(folder)).html)
    assert "watch, cross_dataset: 6 windows of 2 s, 1 subjects, 3 classes" in page
    assert "trained on one data set, tested on another" in page and "has no curve of labels" in page


def test_a_run_of_another_version_is_an_error_and_no_trace(tmp_path):
    folder = publish_run(tmp_path / "run", stages=("prepare", "pretrain"))
    manifest = folder / "pretrain" / "manifest.json"
    reseal(manifest, manifest.read_text().replace('"networks"', '"other"'))
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 2
    assert "must hold stages as this version of vimu publishes them, but one lacks 'networks'" in " ".join(
        done.stderr.split()
    )


@pytest.mark.parametrize("option", ["--out", "--figures"])
def test_a_place_that_cannot_be_written_is_an_error(tmp_path, option):
    folder = publish_run(tmp_path / "run", stages=("pretrain",))
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["report", str(folder), option, str(tmp_path / "file" / "in")])
    assert done.exit_code == 2
    assert f"must be a place that can be written, but: Not a directory. Name another by `{option}`" in " ".join(
        done.stderr.split()
    )


@pytest.mark.parametrize(("make", "says"), [(False, "must be a run's folder"), (True, "must hold a run's stages")])
def test_no_run_is_an_error(tmp_path, make, says):
    if make:
        (tmp_path / "run").mkdir()
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run")])
    assert done.exit_code == 2 and says in done.stderr


def test_a_run_of_nothing_published_says_what_is_missing(tmp_path):
    (tmp_path / "run" / ".prepare.staging").mkdir(parents=True)
    with pytest.raises(UserError, match=r"must hold a published stage, but: .*prepare is not finished"):
        open_run(tmp_path / "run")
