"""A headless Chromium that tests and `tools/screenshots.py` steer."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import axe_core_python
from selenium import webdriver
from selenium.webdriver.chrome.service import Service


def programs() -> tuple[str, str] | None:
    """Chromium and its driver; None where one of them is missing."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Chromium:
    """One window."""

    def __init__(self, folder: Path) -> None:
        found = programs()
        if found is None:
            raise RuntimeError("chromium or chromedriver is missing")
        options = webdriver.ChromeOptions()
        options.binary_location = found[0]
        for option in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-proxy-server",
            f"--user-data-dir={folder / 'profile'}",
        ):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(found[1]))
        self.driver.set_page_load_timeout(60)

    def close(self) -> None:
        """End it."""
        self.driver.quit()

    def tell(self, command: str, **given: Any) -> Mapping[str, Any]:
        """Say something in Chromium's own protocol."""
        found: Mapping[str, Any] = self.driver.execute_cdp_cmd(command, given)
        return found

    def show(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a page in a window of that size, in CSS pixels."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme, still])
        self.driver.get(url)

    def sign_in(self, user: str, token: str) -> None:
        """Send a user name and a token with every request."""
        from base64 import b64encode

        shown = b64encode(f"{user}:{token}".encode()).decode()
        self.tell("Network.enable")
        self.tell("Network.setExtraHTTPHeaders", headers={"Authorization": f"Basic {shown}"})

    def shoot(self, *, whole: bool = True) -> bytes:
        """A picture of the page as PNG."""
        from base64 import b64decode

        found = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return b64decode(found["data"])

    def shoot_whole(self, most: int = 6000) -> bytes:
        """A picture of the page from top to bottom."""
        from base64 import b64decode

        size = self.tell("Page.getLayoutMetrics")["cssContentSize"]
        clip = {
            "x": 0,
            "y": 0,
            "width": size["width"],
            "height": min(size["height"], most),
            "scale": 1,
        }
        found = self.tell(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip
        )
        return b64decode(found["data"])

    def complaints(self) -> list[str]:
        """What its console said since it was asked last."""
        return [line["message"] for line in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]


AXE = (Path(next(iter(axe_core_python.__path__))) / "axe.min.js").read_text(encoding="utf-8")
"""axe-core by Deque: the rules that screen readers' users rely on."""


def flaws(browser: Chromium) -> list[str]:
    """What axe finds wrong with the page as it is shown now."""
    # The driver injects it past the page's own policy.
    browser.driver.execute_script(AXE)
    found: dict[str, Any] = browser.driver.execute_async_script(
        # Of a long table a few rows are enough: they are all alike.
        "axe.run({exclude: [['tr:nth-child(n+12)']]}).then(arguments[arguments.length - 1])"
    )
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
