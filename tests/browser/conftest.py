"""A real Chromium without a window, as Debian packages it: `apt-get install chromium chromium-driver`."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
)  # fmt: skip
"""SwiftShader draws WebGL where there is no graphics card."""
SIZE = (1280, 720)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Skips with a reason where a part is missing."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install chromium chromium-driver")
    return Path(str(shutil.which("chromium")))


@pytest.fixture
def open_page(chromium: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens an address: `open_page(url, dark=False, options=())` -> a selenium driver of 1280x720."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    opened = []

    def start(url: str, *, dark: bool = False, options: tuple[str, ...] = ()) -> Any:
        asked = webdriver.ChromeOptions()
        asked.binary_location = str(chromium)
        asked.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for option in (*OPTIONS, f"--user-data-dir={tmp_path / f'profile{len(opened)}'}", *options):
            asked.add_argument(option)
        driver = webdriver.Chrome(options=asked, service=Service(shutil.which("chromedriver")))
        opened.append(driver)
        size = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.get(url)
        return driver

    yield start
    for driver in opened:
        driver.quit()


@pytest.fixture
def keep_picture(tmp_path: Path) -> Callable[[Any, str], Path]:
    """Saves what a driver shows: `keep_picture(driver, "review-light")`; with VIMU_ARTIFACTS set, there too."""

    def save(driver: Any, name: str) -> Path:
        path = tmp_path / f"{name}.png"
        driver.save_screenshot(str(path))
        if "VIMU_ARTIFACTS" in os.environ:
            Path(os.environ["VIMU_ARTIFACTS"]).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, os.environ["VIMU_ARTIFACTS"])
        return path

    return save
