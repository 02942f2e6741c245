"""What a person does with the review page: by keys and by looking."""

from typing import Any

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

WAIT_S = 60


class Page:
    """The review page in a driver."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.until("return document.body.dataset.shown !== undefined")
        self.until("return document.getElementById('scoring').textContent === ''")

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: object) -> Any:
        """Wait until a script gives something true."""
        return WebDriverWait(self.driver, WAIT_S, 0.05).until(lambda d: d.execute_script(script, *arguments))

    def press(self, *keys: str) -> None:
        """Keys one after the other, to whatever has the focus."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def text(self, identity: str) -> str:
        return str(self.run("return document.getElementById(arguments[0]).textContent", identity))

    def choose(self, identity: str, value: str) -> None:
        """Set a filter."""
        self.run(
            "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('input', {bubbles: true}))",
            identity, value,
        )  # fmt: skip

    @property
    def chosen(self) -> str:
        """Name of the clip that is looked at."""
        return str(self.run("return document.getElementById('name').title"))

    @property
    def rows(self) -> list[str]:
        """Names of the rows in the page, from above."""
        found = self.run("return [...document.querySelectorAll('.row')].map((r) => [+r.dataset.at, r.title])")
        return [name for _, name in sorted(found)]

    def wait_for(self, name: str) -> None:
        """Until a clip is chosen and all of it is there."""
        self.until("return document.getElementById('name').title === arguments[0]", name)
        self.until(
            "const row = document.querySelector('.row[aria-selected=true]');"
            "return row && document.body.dataset.shown === row.dataset.clip"
        )

    def errors(self) -> list[str]:
        """What the console says went wrong, less what the test asked for: answers of 404."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE" and "404" not in entry["message"]]

    def tab_stops(self, most: int = 80) -> list[str]:
        """Ids of what Tab reaches, from the beginning until it comes round; the focus of each must be seen."""
        self.run("document.activeElement.blur(); window.getSelection().removeAllRanges()")
        stops: list[str] = []
        for _ in range(most):
            self.press(Keys.TAB)
            at = self.run(
                "const e = document.activeElement; const s = getComputedStyle(e);"
                "return [e.id, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1]"
            )
            if at[0] in stops:
                break
            if not at[0]:  # the page as a whole, between its last control and its first
                continue
            assert at[1], f"the focus of {at[0]} is not seen"
            stops.append(at[0])
        return stops
