"""A real Chromium on the playground. Debian has it (chromium, chromium-driver); no wheel does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.missing import skip_without
from tests.support.waiting import WAIT_S

T = TypeVar("T")
_WIDTH, _HEIGHT = 1360, 860
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--lang=en"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
    # Whatever is not this machine has no address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Playground:
    """The page in a browser, as a reader uses it."""

    def __init__(self, driver: webdriver.Chrome, url: str, downloads: Path) -> None:
        self.driver = driver
        self.url = url
        self.downloads = downloads

    def open(self, *, keeps_storage: bool = False) -> None:
        """Loads the page as a new visitor sees it, or as one who comes again."""
        if not keeps_storage:
            self.driver.get(f"{self.url}/livez")
            self.run("localStorage.clear(); sessionStorage.clear()")
        self.driver.get(f"{self.url}/")
        self.find("body[data-ready]")

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], T]) -> T:
        """What the condition gives as soon as that is true."""

        def holds(_driver: webdriver.Chrome) -> T | bool:
            try:
                return condition()
            except StaleElementReferenceException:
                return False

        return cast("T", WebDriverWait(self.driver, WAIT_S, poll_frequency=0.03).until(holds))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector: str) -> WebElement:
        return self.wait(lambda: self.all(selector))[0]

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def click(self, selector: str) -> None:
        self.wait(lambda: self._click(selector))

    def _click(self, selector: str) -> bool:
        self.find(selector).click()
        return True

    def click_button(self, selector: str, text: str) -> None:
        """Clicks the first button below `selector` whose text holds `text`."""

        def click() -> bool:
            buttons = self.find(selector).find_elements(By.TAG_NAME, "button")
            next(button for button in buttons if text in button.text).click()
            return True

        self.await_text(f"{selector} button", text)
        self.wait(click)

    def await_text(self, selector: str, text: str) -> None:
        self.wait(lambda: any(text in element.text for element in self.all(selector)))

    def upload(self, *files: Path) -> None:
        self.driver.find_element(By.ID, "chooser").send_keys("\n".join(map(str, files)))

    def drop(self, *paths: Path) -> None:
        """Files or folders, as from a window of the desktop."""
        data = {"items": [], "files": list(map(str, paths)), "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": 100, "y": 100, "data": data}
            self.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)

    def read(self, *files: Path) -> None:
        """Uploads, and waits until all documents have come to an end."""
        self.upload(*files)
        self.wait_for_state("done", "failed", "cancelled")

    def wait_for_state(self, *states: str) -> None:
        self.wait(lambda: self.states() and set(self.states()) <= set(states))

    def states(self) -> Sequence[str]:
        return [str(item.get_attribute("data-state")) for item in self.all("#list li")]

    def downloaded(self, pattern: str) -> Path:
        """The file, as soon as it is there as a whole."""
        return self.wait(lambda: list(self.downloads.glob(pattern)))[0]

    def copied(self) -> str:
        text: str = self.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
        return text

    def take_errors(self) -> list[str]:
        """What the console has of errors, refusals of the content security policy among them, since the last look."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def set_offline(self, is_offline: bool) -> None:
        self.driver.set_network_conditions(offline=is_offline, latency=0, throughput=-1)

    def emulate(self, *, width: int = _WIDTH, height: int = _HEIGHT, theme: str = "light") -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


@contextmanager
def open_playground(folder: Path, url: str) -> Iterator[Playground]:
    """A browser of its own with the page at `url`; `folder` gets its profile and its downloads."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        skip_without("no Chromium (Debian: chromium chromium-driver)")
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={_WIDTH},{_HEIGHT}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(driver))
    try:
        running.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads), "eventsEnabled": False}
        )
        granted = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": url}
        running.execute_cdp_cmd("Browser.grantPermissions", granted)
        yield Playground(running, url, downloads)
    finally:
        running.quit()
