"""The report of a run in which something is missing, damaged or named by a stranger."""

import re
import shutil
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from reported import ALL, HOSTILE, publish_run, resealed, words
from vimu.cli import app
from vimu.report.page import report_of
from vimu.report.run import open_run
from vimu.runtime.errors import UserError


@pytest.mark.parametrize("there", [("prepare", "pretrain", "crossval"), ("synthesize", "finetune")])
def test_stages_that_are_not_published_are_said_to_be_missing(tmp_path, there):
    report = report_of(open_run(publish_run(tmp_path / "run", stages=there)))
    page = words(report.html)
    for name in set(ALL) - set(there):
        command = f"python jobs/{name}.py --config configs/made.yaml"
        assert f"{name} is not published ; {command} makes it" in page
        assert re.search(rf"Missing: [a-z ',]+\. `{name}` is not published\. It is made by: {command}", page)


def test_clips_of_another_run_are_found_beside_it_if_they_are_those_that_were_cut(tmp_path):
    whole = publish_run(tmp_path / "runs" / "whole", stages=("synthesize",))
    other = publish_run(tmp_path / "runs" / "other", stages=("synthesize", "prepare"))
    manifest = other / "prepare" / "manifest.json"
    text = manifest.read_text().replace('"settings": {}', '"settings": {"clips": "elsewhere/whole/synthesize"}')
    resealed(manifest.parent, text)
    shutil.rmtree(other / "synthesize")
    run = open_run(other)
    assert run.stages["synthesize"].folder == whole / "synthesize" and "synthesize" not in run.missing
    assert f"published, in {whole}/synthesize" in words(report_of(run).html)
    resealed(manifest.parent, re.sub(r'"synthesize": "\w+"', '"synthesize": "another"', text))
    assert "whose clips are not found as they were cut" in open_run(other).missing["synthesize"]


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
    resealed(manifest.parent, re.sub(r'"content_hash": "\w+"', '"content_hash": "new"', text))
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


def test_a_run_of_another_version_is_an_error_and_no_trace(tmp_path):
    folder = publish_run(tmp_path / "run", stages=("prepare", "pretrain"))
    manifest = folder / "pretrain" / "manifest.json"
    resealed(manifest.parent, manifest.read_text().replace('"networks"', '"other"'))
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
