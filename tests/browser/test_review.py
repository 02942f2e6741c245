"""Clip review as a person does it, in a real Chromium."""

import json
import re
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from clips_without_ray import synthesized
from review_page import Page
from reviewed import HOSTILE, Known, hostile_rows, publish_clips, rows_of, served
from vimu.clips.decisions import read_decisions
from vimu.demo.archive import write_amass
from vimu.review.catalogue import Catalogue
from vimu.review.review import open_review
from vimu.runtime.config import validate
from vimu.stages import synthesize
from vimu.stages.config import Config

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


@pytest.fixture(scope="session")
def mocap(tmp_path_factory, demo_body):
    folder = tmp_path_factory.mktemp("mocap")
    write_amass(folder, n_subjects=2, takes_per_category=1)
    return {"archive": "amass", "root": str(folder), "body": str(demo_body), "synthetic": True}


@pytest.fixture
def config(mocap, tmp_path):
    def make(name, **settings):
        raw = {"name": name, "runs_dir": str(tmp_path), "synthesize": {"inputs": [mocap]} | settings}
        return validate(Config, raw, where="test")

    synthesized(make("run"))
    return make


@pytest.fixture
def reviewed(config):
    review = open_review(config("run").run_dir, decisions=None, by="ann")
    review.doubts.begin()
    review.doubts.wait(60)
    with served(review) as address:
        yield address, review


def test_open_filter_play_drop_reload_and_synthesize_again(reviewed, open_page, keep_picture, config):
    address, review = reviewed
    page = Page(open_page(address))
    suspicion = review.doubts.state()["suspicion"]
    most = review.catalogue.rows[int(np.argmax(suspicion))]["sequence"]
    assert page.chosen == page.rows[0] == most  # suspicious first
    keep_picture(page.driver, "review-opened")

    page.press("/", *"running")
    page.until("return document.getElementById('found').textContent.startsWith('2 of ')")
    page.press(Keys.ESCAPE, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ARROW_UP)
    page.wait_for(page.rows[0])
    assert "running" in page.chosen
    page.press(" ")
    page.until("return parseFloat(document.getElementById('clock').textContent) > 0.3")
    page.press(" ")
    at = page.text("clock")
    page.press(Keys.ARROW_RIGHT)
    assert page.text("clock") != at
    assert page.run("return document.querySelectorAll('.now').length") == 2 * 3  # acc, gyr of three sensors

    dropped, other = page.rows
    page.press("m", *"slips", Keys.ENTER, "d")
    page.wait_for(other)
    [row] = read_decisions(review.book.file)
    assert (row.sequence, row.decision, row.by, row.note) == (dropped, "drop", "ann", "slips")
    page.press("r")
    page.until("return document.getElementById('labels').open")
    page.press("1")
    page.until("return !document.getElementById('labels').open")
    page.until("return document.querySelectorAll('.row .mark').length === 2")

    page.driver.refresh()
    page = Page(page.driver)
    assert page.chosen == other  # the address names the clip
    page.choose("decided", "drop")
    assert page.rows == [dropped]
    assert page.run("return document.querySelector('.row .mark').textContent") == "dropped"
    page.press(Keys.ARROW_DOWN)
    page.wait_for(dropped)
    assert page.errors() == []

    relabelled = review.catalogue.categories[0]
    applied = config("applied", decisions=str(review.book.file))
    planned = synthesize.plan(applied).counts
    assert {name: n for name, n in planned.items() if name.startswith("decisions_")} == {
        "decisions_drop": 1, "decisions_relabel": 1, "decisions_without_effect": 0
    }  # fmt: skip
    assert synthesized(applied).details["decisions"] == {"drop": 1, "relabel": 1, "without_effect": 0}
    after = {row["sequence"]: row for row in Catalogue(applied.run_dir).rows}
    assert dropped not in after
    assert (after[other]["label"], after[other]["rule"]) == (relabelled, "decision:ann")


def test_every_key_does_what_it_says(reviewed, open_page):
    address, review = reviewed
    page = Page(open_page(address))
    names = page.rows

    def written():
        return [(d.sequence, d.decision, d.value) for d in read_decisions(review.book.file)]

    held = "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true, repeat: true})"
    page.run(f"document.body.dispatchEvent({held})", "k")  # held down
    assert not review.book.file.exists()
    page.press("k")
    page.wait_for(names[1])
    page.press("w")
    page.until("return document.getElementById('rates').open")
    page.press(*"59.5", Keys.ENTER)
    page.until("return document.getElementById('toast').textContent.startsWith('Rate 59.5')")
    assert sorted(written()) == sorted([(names[0], "keep", ""), (names[1], "rate", "59.5")])
    page.press("n")  # the next undecided one
    page.wait_for(names[2])
    page.press("u")
    page.wait_for(names[1])
    assert written() == [(names[0], "keep", "")]
    page.press("u")
    page.wait_for(names[0])
    assert written() == []
    page.press("u")
    page.until("return document.getElementById('toast').textContent === 'Nothing is left to undo.'")
    page.press("d")
    page.wait_for(names[1])
    page.press(Keys.ARROW_UP)
    page.wait_for(names[0])
    page.press("c")
    page.until("return document.getElementById('toast').textContent.startsWith('No decision on')")
    assert written() == []
    look = "return [document.getElementById('angle').value, document.getElementById('surface').checked]"
    assert page.run(look) == ["slant", True]
    page.press("v", "s")
    assert page.run(look) == ["front", False]
    page.press("r", Keys.ESCAPE)
    page.until("return document.activeElement.id === 'list'")
    assert written() == []
    assert page.errors() == []


def test_what_comes_late_of_a_clip_that_was_left_says_nothing(reviewed, open_page):
    page = Page(open_page(reviewed[0]))
    page.run(
        "const ask = fetch; window.late = 500; window.fetch = (path, how) => {"
        "const wait = /clips.[0-9]+$/.test(path) ? window.late : 0; window.late -= wait;"
        "const told = () => { window.came ||= wait };"  # the other clip's answer, without a wait, may come after it
        "return new Promise((go) => setTimeout(go, wait)).then(() => ask(path, how)).finally(told)}"
    )
    page.press(Keys.ARROW_DOWN)
    page.until("return window.late === 0")
    page.press(Keys.ARROW_UP)
    page.wait_for(page.rows[0])
    page.until("return window.came === 500")
    page.driver.execute_async_script("setTimeout(arguments[0], 200)")
    page.wait_for(page.rows[0])


def test_every_control_is_reached_by_tab_and_its_focus_is_seen(reviewed, open_page):
    address, _ = reviewed
    page = Page(open_page(address))
    controls = page.run(
        "return [...document.querySelectorAll('button, input, select, [tabindex=\"0\"]')]"
        ".filter((e) => e.checkVisibility() && !e.disabled).map((e) => e.id)"
    )
    assert len(controls) > 18
    assert set(page.tab_stops()) == set(controls)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_1280x720_and_its_texts_have_contrast(reviewed, open_page, keep_picture, dark):
    address, _ = reviewed
    page = Page(open_page(address, dark=dark))
    page.press("k", Keys.ARROW_UP, "d")  # marks of decisions, a message
    page.until("return document.getElementById('toast').className === 'shown'")
    keep_picture(page.driver, f"review-{'dark' if dark else 'light'}")
    width, height = page.run("const d = document.documentElement; return [d.scrollWidth, d.scrollHeight]")
    assert (width, height) == (1280, 720)
    outside = page.run(
        "return [...document.querySelectorAll('button, input, select, section, #list, #keys')].filter((e) => {"
        "const b = e.getBoundingClientRect();"
        "return e.checkVisibility() && (b.left < 0 || b.right > 1280 || b.bottom > 720)}).map((e) => e.id)"
    )
    assert outside == []
    for opened in ("", "labels", "rates"):
        if opened:
            page.run("document.getElementById(arguments[0]).showModal()", opened)
        found = page.run(CONTRAST)
        assert found["seen"] > 80
        assert found["low"] == []
        if opened:
            page.run("document.getElementById(arguments[0]).close()", opened)
    ground = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == dark


def test_ten_thousand_clips_show_only_the_rows_that_are_seen(open_page, tmp_path, keep_picture):
    n = 10_000
    run = publish_clips(tmp_path / "run", rows_of(n), root=tmp_path)
    review = replace(open_review(run, decisions=None, by="ann"), doubts=Known(np.linspace(1, 0, n)))
    with served(review) as address:
        page = Page(open_page(address))
        box = "const list = document.getElementById('list'); "
        seen = page.run(box + "return Math.ceil(list.clientHeight / 46)")
        for to in (0, 123_456, 300_000, 10**9):
            page.run(box + "list.scrollTop = arguments[0]", to)
            first = page.run(box + "return Math.floor(list.scrollTop / 46)")
            page.until("return document.querySelector(`[data-at='${arguments[0]}']`) !== null", first + 1)
            assert len(page.rows) <= seen + 10
        assert page.rows[-1] == "data/clip_09999"
        page.press("/", *"clip_0777")
        page.until("return document.getElementById('found').textContent === '10 of 10,000 clips'")
        assert page.rows == [f"data/clip_0777{i}" for i in range(10)]
        page.choose("text", "")
        page.choose("label", "jumping")
        assert page.text("found") == "3,333 of 10,000 clips"
        page.press(Keys.ESCAPE, Keys.PAGE_DOWN)
        page.wait_for(page.rows[0])
        assert "The mocap file is gone" in page.text("missing")  # and curves are there all the same
        assert page.run("return document.querySelectorAll('.plot canvas').length") == 4
        keep_picture(page.driver, "review-ten-thousand")
        assert page.errors() == []


UNSEEN = re.compile("[\\u0007\\u2028\\u202c\\u202e]")


def test_hostile_names_and_descriptions_are_text(open_page, keep_picture, tmp_path):
    run = publish_clips(tmp_path / "run", hostile_rows(), root=tmp_path)
    with served(replace(open_review(run, decisions=None, by="ann"), doubts=Known([0.5] * len(HOSTILE)))) as address:
        page = Page(open_page(address))
        for clip, (name, text) in enumerate(HOSTILE.items()):
            page.run("location.hash = arguments[0]", f"#clip={clip:032x}")
            page.until("return document.body.dataset.shown === arguments[0]", str(clip))
            seen = UNSEEN.sub(lambda c: f"\\u{ord(c[0]):04x}", text)  # what moves other characters about is named
            assert page.text("description") == seen[:20_000]
            assert page.run("return document.documentElement.scrollWidth") == 1280
            keep_picture(page.driver, f"review-hostile-{name}")
        made_of_it = "img, body script, h2 span *, .row .name *, .row .label *, li *, dd b *, #description *, #path *"
        assert page.run("return document.querySelectorAll(arguments[0]).length", made_of_it) == 0
        page.press("d")
        page.until("return document.getElementById('toast').className === 'shown'")
        assert page.driver.title == "vimu review"
        assert page.errors() == []


def test_html_set_by_mistake_is_stopped_by_the_page_s_policy(open_page, tmp_path):
    run = publish_clips(tmp_path / "run", rows_of(3), root=tmp_path)
    with served(replace(open_review(run, decisions=None, by="ann"), doubts=Known([0, 0, 0]))) as address:
        page = Page(open_page(address))
        tried = page.run(
            "try { document.getElementById('name').innerHTML = '<b>x</b>'; return 'set' } catch (e) { return e.name }"
        )
        assert tried == "TypeError"


def test_another_page_cannot_read_nor_decide(open_page, tmp_path):
    """Not even one of this machine, with a browser's own rules and all that a page may send unasked."""
    run = publish_clips(tmp_path / "run", rows_of(3), root=tmp_path)
    review = replace(open_review(run, decisions=None, by="ann"), doubts=Known([0, 0, 0]))
    with served(review) as address:
        evil = tmp_path / "evil.html"
        body = json.dumps({"clip": 0, "decision": "drop"})
        opened, (address, _, _) = address, address.partition("/?")
        evil.write_text(
            f"<script>window.done = Promise.all([fetch('{address}/api/run').then((r) => r.text()),"
            f"fetch('{address}/api/decide', {{method: 'POST', mode: 'no-cors', body: '{body}'}})]"
            ".map((p) => p.then((x) => x.type ?? 'read', () => 'refused')))</script>"
        )
        handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as elsewhere:
            threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
            driver = Page(open_page(opened)).driver  # the browser has the key
            driver.get(f"http://127.0.0.1:{elsewhere.server_port}/evil.html")
            assert driver.execute_async_script("window.done.then(arguments[0])") == ["refused", "refused"]
            elsewhere.shutdown()
        assert not review.book.file.exists()


def test_without_webgl_the_curves_are_there(reviewed, open_page):
    address, _ = reviewed
    page = Page(open_page(address, options=("--disable-3d-apis",)))
    assert "WebGL is off" in page.text("missing")
    assert page.run("return document.querySelectorAll('.plot canvas').length") == 6
    page.press("k")
    page.until("return document.querySelectorAll('.row .mark').length === 1")
