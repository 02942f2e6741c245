"""The report of a run as a person opens it from disk: nothing is asked of a network, and all can be read."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from reported import CLASSES, HOSTILE, publish_run
from vimu.cli import app

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The report of a run, and that of one whose classes have hostile names."""
    folder = tmp_path_factory.mktemp("runs")
    for name, classes in (("made", CLASSES), ("hostile", HOSTILE)):
        publish_run(folder / name, classes=classes)
        assert CliRunner().invoke(app, ["report", str(folder / name)]).exit_code == 0
    return {name: (folder / name / "report.html").as_uri() for name in ("made", "hostile")}


@pytest.mark.parametrize("dark", [False, True])
def test_it_asks_nothing_of_a_network_and_can_be_read(pages, open_page, keep_picture, dark):
    page = open_page(pages["made"], dark=dark)
    assert page.get_log("browser") == []
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    figures = page.find_elements("css selector", "figure svg")
    assert len(figures) > 10
    shown = [figure for figure in figures if figure.is_displayed()]
    assert all(figure.size["width"] > 200 and figure.size["height"] > 100 for figure in shown)
    background = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")
    found = page.execute_script(CONTRAST)
    assert found["seen"] > 500
    assert found["low"] == []
    keep_picture(page, f"report-{'dark' if dark else 'light'}")


def test_all_is_reached_by_keyboard(pages, open_page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    page = open_page(pages["made"])
    ActionChains(page).send_keys(Keys.TAB, Keys.TAB, Keys.ENTER).perform()
    assert page.current_url.endswith("#data")
    matrix = page.find_elements("css selector", "#confusion details")[1]
    page.execute_script("arguments[0].querySelector('summary').focus()", matrix)
    ActionChains(page).send_keys(Keys.ENTER).perform()
    assert matrix.get_attribute("open") is not None and matrix.find_element("css selector", "svg").is_displayed()


def test_names_of_others_are_text(pages, open_page, keep_picture):
    page = open_page(pages["hostile"])
    assert page.get_log("browser") == []
    assert page.find_elements("css selector", "script, img, iframe, object, embed, link") == []
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    text = page.find_element("css selector", "body").get_attribute("textContent")
    assert all(name in text for name in HOSTILE if "\x1b" not in name)
    assert "$\\frac{1}{0}$" in text
    keep_picture(page, "report-hostile")


def test_on_paper_everything_is_open_and_no_navigation_is_printed(pages, open_page):
    page = open_page(pages["made"])
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not page.find_element("css selector", "nav").is_displayed()
    heights = page.execute_script(
        "return [...document.querySelectorAll('#confusion details')].map(e => e.getBoundingClientRect().height)"
    )
    assert len(heights) > 2 and min(heights) > 300
    assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
