"""The page in a real browser: drawn in both schemes, on a phone, pressed, and read aloud.

Each test leaves its screenshot in the temporary folder of the run, for a person to look at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import page_states
import pytest
from chromium import Chromium, flaws, programs
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from syncd.observability import page
from syncd.observability.admission import Access
from syncd.observability.page import Look, NotDecided, Press
from syncd.observability.server import StatusServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

TOKEN = "decides-anything"


class Board:
    """A panel that shows one state, and what was pressed on it."""

    version = "0.1.0"

    def __init__(self, name: str) -> None:
        self.name = name
        self.presses: list[Press] = []
        self.refusal = ""

    def unhealthy_reason(self) -> str:
        return ""

    def not_ready(self) -> str:
        return ""

    def look(
        self, *, personal: bool, link: str = "", decides: bool = False, detail: bool = False
    ) -> Look:
        del personal, link, detail
        table = self.name == "many"
        return page_states.decided(self.name) if decides and not table else self._plain()

    def _plain(self) -> Look:
        return page_states.shown(self.name)

    def decide(self, press: Press) -> None:
        if self.refusal:
            raise NotDecided(409, self.refusal)
        self.presses.append(press)

    def metrics(self) -> bytes:
        return b""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if programs() is None:
        missing = "chromium or chromedriver is not installed (Debian: chromium-driver)"
        if os.environ.get("CI"):  # noqa: TID251 - there it has to be installed
            pytest.fail(missing)
        pytest.skip(missing)
    made = Chromium(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screenshots")


Serve = Callable[..., tuple[str, Board]]


@pytest.fixture
def serve(browser: Chromium) -> Iterator[Serve]:
    """`serve("held")` gives the address of a page in that state; with its user signed in."""
    servers: list[StatusServer] = []

    def make(name: str, *, decides: bool = True) -> tuple[str, Board]:
        board = Board(name)
        access = Access(token=TOKEN, read_token="reads-only")
        servers.append(StatusServer(("127.0.0.1", 0), board, access=access))
        host, port = servers[-1].address
        browser.sign_in("Zoë", TOKEN if decides else "reads-only")
        return f"http://{host}:{port}/", board

    yield make
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("name", "decides"),
    [*((name, True) for name in page_states.STATES), ("held", False), ("guard_tripped", False)],
)
def test_each_state_is_whole_in_both_schemes_on_a_desk_and_a_phone(
    browser: Chromium,
    serve: Serve,
    colours: dict[str, dict[str, str]],
    pictures: Path,
    name: str,
    *,
    decides: bool,
) -> None:
    url, _ = serve(name, decides=decides)
    # Each size and each scheme comes up.
    for width, dark in ((1280, not decides), (390, decides)):
        browser.show(url, width=width, dark=dark)
        ground = browser.driver.execute_script(
            "return getComputedStyle(document.body).backgroundColor"
        )
        wanted = colours["dark" if dark else "light"]["page"]
        # The style sheet was let in by the policy.
        assert ground == "rgb({}, {}, {})".format(*bytes.fromhex(wanted[1:]))
        wide = browser.driver.execute_script(
            "const all = document.documentElement; return all.scrollWidth - all.clientWidth"
        )
        assert wide == 0, "a page is never scrolled sideways"
        (pictures / f"{name}-{width}.png").write_bytes(browser.shoot_whole(2000))
    assert flaws(browser) == []
    assert browser.complaints() == []


def test_a_decision_is_pressed(browser: Chromium, serve: Serve) -> None:
    url, board = serve("held")
    browser.show(url)
    browser.driver.find_element(By.CSS_SELECTOR, "button[value=keep-hubspot]").click()
    WebDriverWait(browser.driver, 30).until(lambda _: board.presses)
    assert board.presses == [
        Press(decision="keep-hubspot", link="clinic", record="501", seen="shown", by="Zoë")
    ]
    WebDriverWait(browser.driver, 30).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "button[value=keep-hubspot]")
    )
    assert browser.driver.current_url == url
    assert browser.complaints() == []


def test_it_is_decided_without_a_script_and_without_a_mouse(
    browser: Chromium, serve: Serve
) -> None:
    url, board = serve("held")
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.show(url, width=390)
        field = browser.driver.find_element(By.CSS_SELECTOR, "input[name=contact]:not([type])")
        field.send_keys("51", Keys.TAB)
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        WebDriverWait(browser.driver, 30).until(lambda _: board.presses)
    finally:
        browser.tell("Emulation.setScriptExecutionDisabled", value=False)
    (pressed,) = board.presses
    assert (pressed.decision, pressed.record, pressed.contact) == ("contact", "777", "51")


def test_the_page_stays_as_it_is_read_while_it_is_brought_up_to_date(
    browser: Chromium, serve: Serve
) -> None:
    url, board = serve("held")
    browser.show(url)
    driver = browser.driver
    opened = driver.find_element(By.CSS_SELECTOR, ".cycle details")
    name = opened.get_attribute("id")
    opened.find_element(By.TAG_NAME, "summary").click()
    board.name = "paused"
    driver.execute_async_script("renew().then(arguments[arguments.length - 1])")
    assert driver.find_element(By.CSS_SELECTOR, "button[value=resume]").is_displayed()
    assert driver.find_element(By.ID, str(name)).get_attribute("open")
    assert browser.complaints() == []
    board.refusal = "it is resumed already"
    driver.find_element(By.CSS_SELECTOR, "button[value=resume]").click()
    WebDriverWait(driver, 30).until(lambda _: "it is resumed already" in driver.page_source)
    board.name = "held"
    driver.execute_async_script("renew().then(arguments[arguments.length - 1])")
    assert driver.find_element(By.CSS_SELECTOR, "button[value=pause]").is_displayed()
    assert "it is resumed already" in driver.find_element(By.CSS_SELECTOR, "[role=alert]").text
    assert all("409" in line for line in browser.complaints())


def test_many_links_are_searched_and_filtered(browser: Chromium, serve: Serve) -> None:
    url, _ = serve("many", decides=False)
    browser.show(url)
    driver = browser.driver

    def rows() -> int:
        return len(driver.find_elements(By.CSS_SELECTOR, "tr[data-name]"))

    def until(number: int) -> None:
        WebDriverWait(driver, 30).until(lambda _: rows() == number)

    assert rows() == 200
    driver.find_element(By.ID, "find").send_keys("clinic_06")
    until(10)
    driver.find_element(By.CSS_SELECTOR, "#state option[value=held]").click()
    until(1)
    assert driver.current_url == f"{url}?q=clinic_06&state=held"
    assert "1 link fits of 200" in driver.find_element(By.ID, "table").text
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.show(url, width=390)
        driver.find_element(By.ID, "find").send_keys("clinic_17", Keys.ENTER)
        until(10)
        assert driver.current_url == f"{url}?q=clinic_17&state="
    finally:
        browser.tell("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.complaints() == []


def test_a_command_is_copied(browser: Chromium, serve: Serve) -> None:
    url, _ = serve("held", decides=False)
    browser.show(url)
    button = browser.driver.find_element(By.CSS_SELECTOR, ".command button.copy")
    assert button.is_displayed()
    button.click()
    WebDriverWait(browser.driver, 30).until(lambda _: button.text == "Copied")


def test_the_page_asks_no_other_host(look_at: Callable[..., Look]) -> None:
    text = page.render(look_at("held"))
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
