"""The sandbox's page: what it reads and switches, and how a person uses it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from chromium import Chromium, flaws, programs
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from syncd.sandbox import SandboxWorld, application, serve

Call = Callable[..., Any]
GHL = "/ghl/calendars/?locationId=SandboxClinicLoc0001"


@pytest.fixture
def client(world: SandboxWorld) -> Iterator[httpx.Client]:
    with httpx.Client(
        transport=httpx.WSGITransport(app=application(world)), base_url="http://sandbox.test"
    ) as made:
        yield made


def asked(client: httpx.Client, world: SandboxWorld, side: str) -> int:
    """The status of a request of syncd."""
    path, token = GHL, world.settings.ghl_token
    if side == "hubspot":
        path, token = "/hubspot/crm/v3/objects/contacts?limit=1", world.settings.hubspot_token
    headers = {"Authorization": f"Bearer {token}", "Version": "2021-07-28"}
    return client.get(path, headers=headers).status_code


def test_the_page_comes_with_its_files_and_its_board(
    client: httpx.Client, world: SandboxWorld, team: str, ada: str
) -> None:
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "javascript")):
        answer = client.get(path)
        assert (answer.status_code, kind in answer.headers["content-type"]) == (200, True)
    booked = world.location.book(team, ada, world.now() + timedelta(days=1), title="Visit")
    board = client.get("/control/board").json()
    (row,) = [each for each in board["ghl"]["appointments"] if each["id"] == booked]
    assert (row["title"], row["off"], row["gone"]) == ("Visit", False, False)
    assert board["timezone"] == world.location.timezone


def test_the_control_api_lists_its_routes_with_examples(client: httpx.Client) -> None:
    routes = client.get("/control").json()["routes"]
    found = {(row["method"], row["path"]): row.get("example") for row in routes}
    assert found["PUT", "/control/weather"] == {"hubspot": "429", "slow": True}
    assert ("GET", "/control/state") in found
    changing = [key for key in found if key[0] in {"POST", "PATCH"} and "/ghl/" in key[1]]
    assert all(found[key] or "{id}/" in key[1] for key in changing)


def test_the_weather_turns_and_clears_up(client: httpx.Client, world: SandboxWorld) -> None:
    before = world.settings
    kept = world.faults.add(side="ghl", path="never", status=418)
    turned = {"ghl": "429", "hubspot": "500", "search_lag": True, "lost_scope": True}
    assert client.put("/control/weather", json=turned).status_code == 200
    assert [asked(client, world, side) for side in ("ghl", "hubspot")] == [429, 500]
    assert world.settings.search_lag > before.search_lag
    assert client.put("/control/weather", json={"hubspot": "fine"}).json()["ghl"] == "429"
    assert asked(client, world, "hubspot") == 200
    clear = {"ghl": "fine", "slow": False, "search_lag": False, "lost_scope": False}
    client.put("/control/weather", json=clear)
    assert asked(client, world, "ghl") == 200
    assert world.settings == before
    assert world.faults.pending == [kept]


@pytest.mark.parametrize("wrong", [{"ghl": "rain"}, {"slow": "yes"}, {"moon": True}, []])
def test_there_is_no_other_weather(client: httpx.Client, wrong: Any) -> None:
    assert client.put("/control/weather", json=wrong).status_code == 400


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_person_books_edits_and_sees_what_syncd_wrote(
    world: SandboxWorld, team: str, ada: str, tmp_path: Path
) -> None:
    if programs() is None:
        missing = "chromium or chromedriver is not installed (Debian: chromium-driver)"
        if os.environ.get("CI"):  # noqa: TID251 - there it has to be installed
            pytest.fail(missing)
        pytest.skip(missing)
    del team, ada
    browser = Chromium(tmp_path)
    driver, wait = browser.driver, WebDriverWait(browser.driver, 30)
    script = driver.execute_script  # The page may draw itself anew at any time.
    try:
        with serve(world) as server:
            browser.show(f"{server.url}/", width=390)
            wait.until(lambda _: script("return !!document.querySelector('.ghl .add')"))
            script("document.querySelector('.ghl .add').click()")
            title = driver.find_element(By.NAME, "title")
            title.clear()
            title.send_keys("By hand")
            driver.find_element(By.CSS_SELECTOR, "button[value=save]").click()
            booked = (By.XPATH, "//button[contains(., 'By hand')]")
            wait.until(lambda _: driver.find_elements(*booked))
            (row,) = [each for each in world.location.appointments if each.title == "By hand"]
            # What the page itself did is not lit; what came through the API is.
            assert driver.find_elements(By.CSS_SELECTOR, ".lit") == []
            headers = {"Authorization": f"Bearer {world.settings.ghl_token}"}
            httpx.put(
                f"{server.ghl_url}/calendars/events/appointments/{row.id}",
                headers={**headers, "Version": "2021-04-15"},
                json={"title": "By syncd"},
            ).raise_for_status()
            text = wait.until(lambda _: script("return document.querySelector('.lit')?.innerText"))
            assert "By syncd" in text
            assert "syncd wrote this" in text
            Select(driver.find_element(By.NAME, "hubspot")).select_by_value("dead")
            wait.until(lambda _: world.weather.hubspot == "dead")
            script(f"document.getElementById('card-ghl-{row.id}').click()")
            driver.find_element(By.CSS_SELECTOR, "button[value=delete]").click()
            wait.until(lambda _: world.location.get(row.id).deleted)
            wait.until(lambda _: script("return !!document.querySelector('.card.gone')"))
            script("document.querySelector('.card.gone').click()")
            wait.until(lambda _: not world.location.get(row.id).deleted)
            assert flaws(browser) == []
            assert browser.complaints() == []
    finally:
        browser.close()
