"""One HubSpot account under two names: known before the first write, and never again asked for."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock, open_app
from syncd.bootstrap.account_identities import Identities
from syncd.config import LinkSettings, load
from syncd.engine.cycle import CycleRequest
from syncd.errors import NotPrepared
from syncd.sandbox import SandboxSettings, empty, serve

Syncd = Callable[..., Any]

SECOND = "pat-eu1-00000000-0000-4000-8000-00000000000f"
DETAILS = "account-info"


class SyncHarness:
    """Two locations, and one account that both links may lead to."""

    def __init__(self, one: VendorAccounts, two: VendorAccounts) -> None:
        self.one, self.two = one, two

    def configure(self, *, one: str = "", two: str = "", object_type: str = "0-421") -> None:
        """Write config.toml: links `one` and `two`, each with more lines of its own."""
        tables = [
            f"""
[links.{name}]
ghl.base_url = "{clinic.server.ghl_url}"
ghl.location_id = "{clinic.ghl.id}"
ghl.default_calendar = "{clinic.calendar}"
hubspot.base_url = "{self.one.server.hubspot_url}"
hubspot.search_lag = 0
hubspot.token = {{ env = "{variable}" }}
hubspot.object_type = "{kind}"
{more}
"""
            for name, clinic, variable, more, kind in (
                ("one", self.one, "HUBSPOT_TOKEN", one, "0-421"),
                ("two", self.two, "SECOND_TOKEN", two, object_type),
            )
        ]
        text = '[defaults.ghl]\ntoken = { env = "GHL_TOKEN" }\n' + "".join(tables)
        (self.one.folder / "config.toml").write_text(text, encoding="utf-8")

    def silence(self, status: int = 403) -> None:
        """The account does not say who it is."""
        self.one.world.faults.add(side="hubspot", path=DETAILS, status=status, times=None)

    def asked(self) -> int:
        return sum(DETAILS in each.path for each in self.one.world.requests)

    def writes(self) -> int:
        return self.one.writes() + self.two.writes()


@pytest.fixture
def harness(syncd: Syncd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncHarness]:
    del syncd  # it moves into the folder
    settings = replace(SandboxSettings(), further_hubspot_tokens=frozenset({SECOND}))
    monkeypatch.setenv("GHL_TOKEN", settings.ghl_token)
    monkeypatch.setenv("HUBSPOT_TOKEN", settings.hubspot_token)
    monkeypatch.setenv("SECOND_TOKEN", SECOND)
    with ExitStack() as stack:
        clinics = [
            VendorAccounts(stack.enter_context(serve(empty(SystemClock().now, settings))), tmp_path)
            for _ in range(2)
        ]
        yield SyncHarness(*clinics)


ONE_WAY = 'sync.direction = "ghl_to_hubspot"'
WEST, EAST = 'hubspot.filter = { team = ["west"] }', 'hubspot.filter = { team = ["east"] }'


def outcomes(said: Any) -> dict[str, str]:
    return {name: each["outcome"] for name, each in json.loads(said.out)["links"].items()}


@pytest.mark.parametrize("kind", ["0-421", "appointments", "appointment"])
@pytest.mark.parametrize("same_token", [True, False])
def test_two_links_of_one_account_are_refused_before_the_first_write(
    syncd: Syncd,
    harness: SyncHarness,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    *,
    same_token: bool,
) -> None:
    if same_token:
        monkeypatch.setenv("SECOND_TOKEN", SandboxSettings().hubspot_token)
    harness.configure(object_type=kind)
    harness.one.book("One")
    harness.two.book("Two")
    for verb in ("--sync-now", "plan"):
        done = syncd(verb, "--json")
        assert done.code == 2
        assert outcomes(done) == {"one": "not_prepared", "two": "not_prepared"}
        assert "links.one and links.two: one HubSpot account" in done.out
    assert syncd("--sync-now", "--link", "two").code == 2
    assert harness.writes() == 0


@pytest.mark.parametrize("ways", [(ONE_WAY, ONE_WAY), (WEST, EAST)])
def test_links_that_keep_apart_share_an_account_and_its_budget(
    syncd: Syncd, harness: SyncHarness, ways: tuple[str, str]
) -> None:
    harness.configure(one=ways[0], two=ways[1])
    for each in (harness.one.hubspot, harness.two.hubspot):
        each.add_property("team") if ways[0] == WEST else None
    assert syncd("setup").code == 0
    harness.one.book("One")
    done = syncd("--sync-now", "--json")
    assert outcomes(done) == {"one": "ok", "two": "ok"}
    asked = harness.asked()
    harness.silence()
    assert syncd("--sync-now").code == 0
    with sqlite3.connect(harness.one.folder / "syncd.db") as store:
        (known,) = store.execute("SELECT count(*) FROM account").fetchone()
        text = "\n".join(store.iterdump())
    assert (known, asked > 0) == (2, True)
    assert SECOND not in text


def test_where_it_cannot_be_asked_what_was_kept_counts(syncd: Syncd, harness: SyncHarness) -> None:
    harness.configure()
    assert syncd("plan").code == 2
    harness.silence()
    assert syncd("--sync-now").code == 2
    assert harness.writes() == 0


def test_where_it_is_not_known_a_link_that_may_share_its_account_waits(
    syncd: Syncd, harness: SyncHarness
) -> None:
    harness.configure(one=ONE_WAY, two=ONE_WAY)
    assert syncd("setup").code == 0
    harness.configure()
    harness.one.book("One")
    before = harness.writes()
    (harness.one.folder / "syncd.db").unlink()
    harness.silence(503)
    done = syncd("--sync-now", "--json")
    assert (done.code, outcomes(done)) == (3, {"one": "failed_writes", "two": "failed_writes"})
    assert "which HubSpot account" in done.out
    assert harness.writes() == before


def test_a_lone_link_goes_on_although_nobody_says_whose_account_it_is(
    syncd: Syncd, harness: SyncHarness
) -> None:
    harness.one.configure()
    assert syncd("setup").code == 0
    harness.silence()
    harness.one.book("One")
    assert syncd("--sync-now").code == 0
    assert len(harness.one.hubspot.records()) == 1


def test_accounts_on_two_ports_of_this_machine_are_two(syncd: Syncd, harness: SyncHarness) -> None:
    harness.configure()
    file = harness.one.folder / "config.toml"
    head, _, tail = file.read_text().rpartition(harness.one.server.hubspot_url)
    file.write_text(head + harness.two.server.hubspot_url + tail)
    assert syncd("setup").code == 0
    harness.one.book("One")
    harness.two.book("Two")
    assert syncd("--sync-now").code == 0
    assert [len(each.hubspot.records()) for each in (harness.one, harness.two)] == [1, 1]


NUMBER, OTHER = "hubspot.hub_id = 24600001", "hubspot.hub_id = 24600002"


def test_a_token_of_another_account_than_hub_id_stops_its_link_before_anything(
    syncd: Syncd, harness: SyncHarness
) -> None:
    harness.configure(one=f"{ONE_WAY}\n{NUMBER}", two=f"{ONE_WAY}\n{OTHER}")
    harness.two.book("Two")
    assert syncd("setup", "--link", "two").code == 2
    assert harness.writes() == 0
    assert syncd("setup", "--link", "one").code == 0
    harness.one.book("One")
    asked = harness.asked()
    done = syncd("--sync-now", "--json")
    assert (done.code, outcomes(done)) == (2, {"one": "ok", "two": "not_prepared"})
    assert "hub_id is 24600002" in done.out
    assert len(harness.one.hubspot.records()) == 1
    assert harness.asked() == asked + 1, "both are known; the cycle of link one reads the details"
    found = syncd("doctor", "--link", "two")
    assert found.code == 2
    assert "set hub_id = 24600001" in found.out


def test_a_hub_id_that_cannot_be_compared_lets_nothing_be_written(
    syncd: Syncd, harness: SyncHarness
) -> None:
    harness.one.configure()
    assert syncd("setup").code == 0
    harness.one.book("One")
    before = harness.writes()
    harness.one.configure("\n[defaults.hubspot]\nhub_id = 24600001\n")
    harness.silence()
    assert syncd("setup").code == 3
    done = syncd("--sync-now", "--json")
    assert (done.code, list(outcomes(done).values())) == (3, ["failed_writes"])
    assert harness.writes() == before


def test_a_lone_link_learns_its_account_without_a_further_request(
    syncd: Syncd, harness: SyncHarness
) -> None:
    harness.one.configure()
    assert syncd("setup").code == 0
    asked = harness.asked()
    assert syncd("--sync-now").code == 0
    assert harness.asked() == asked + 1
    with sqlite3.connect(harness.one.folder / "syncd.db") as store:
        assert store.execute("SELECT number FROM account").fetchall() == [("24600001",)]


def test_a_token_that_is_replaced_is_the_one_that_is_checked_and_used(
    syncd: Syncd, harness: SyncHarness
) -> None:
    good, bad = SandboxSettings().hubspot_token, SECOND
    file = harness.one.folder / "token"
    file.write_text(good)
    file.chmod(0o600)
    text = harness.one.configure(f"hub_id = {harness.one.hubspot.portal_id}\n").read_text()
    place = 'token = { file = "token" }'
    (harness.one.folder / "config.toml").write_text(
        text.replace('token = { env = "HUBSPOT_TOKEN" }', place)
    )
    assert syncd("setup").code == 0
    harness.one.book("One")
    file.write_text(bad)
    harness.one.hubspot.portal_id += 1  # the other token belongs to another account
    before = harness.writes()
    with open_app(load(harness.one.folder / "config.toml")) as app, app.lock("clinic") as lease:
        kept = app.open_link("clinic", lease)
        with pytest.raises(NotPrepared, match="belongs to HubSpot account 24600002"):
            kept.cycle(CycleRequest(full=True))
        assert harness.writes() == before
        file.write_text(good)
        harness.one.hubspot.portal_id -= 1
        harness.one.world.settings = SandboxSettings()  # which knows the other token no more
        assert kept.cycle(CycleRequest(full=True)).hubspot.created == 1
        kept.close()


def test_an_account_that_does_not_answer_keeps_no_other_link_waiting(
    syncd: Syncd, harness: SyncHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.configure(one=f"{ONE_WAY}\n{NUMBER}", two=f"{ONE_WAY}\n{NUMBER}")
    assert syncd("setup").code == 0
    (harness.one.folder / "syncd.db").unlink()
    settings = load(harness.one.folder / "config.toml")
    entered, free = threading.Event(), threading.Event()
    asked = Identities._number

    def slow(self: Identities, token: str, link: LinkSettings) -> tuple[str, str]:
        if link.name == "one":
            entered.set()
            free.wait(60)
        return asked(self, token, link)

    monkeypatch.setattr(Identities, "_number", slow)
    with open_app(settings, make_store=True) as app, ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(app.cycle, "one", CycleRequest(full=True))
        assert entered.wait(60)
        try:
            assert app.cycle("two", CycleRequest(full=True)).outcome.value == "ok"
        finally:
            free.set()
        assert stuck.result(60).outcome.value == "ok"
