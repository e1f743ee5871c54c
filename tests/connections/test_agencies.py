"""Locations of agencies: whose token they get, who shares it, and what stops them."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest
from stores import StandingClock
from token_vendor import make_cipher

from syncd.connections.endpoint import TokenEndpoint
from syncd.connections.services import Services
from syncd.connections.tokens import Tokens
from syncd.connections.vendors import App, Vendor
from syncd.errors import AuthFailed, ConfigError, NotPrepared
from syncd.sandbox import SandboxWorld, empty, ghl_application
from syncd.sandbox.oauth.apps import Holder
from syncd.store import Store


class Agencies:
    """Agencies whose tokens come from the sandbox."""

    def __init__(self, store: Store, clock: StandingClock) -> None:
        self.store, self.clock, self.cipher = store, clock, make_cipher()
        self.world: SandboxWorld = empty(clock.now)
        self.transport = httpx.WSGITransport(app=ghl_application(self.world))

    def app(self, vendor: Vendor) -> App:
        settings = self.world.settings
        return App(
            vendor=vendor,
            client_id=settings.ghl_client_id,
            secret=lambda: settings.ghl_client_secret,
            base_url="http://ghl.test",
            authorize_url="http://ghl.test/choose",
            scopes=(),
        )

    def process(self) -> Tokens:
        return Tokens(
            Services(
                store=self.store.connections,
                clock=self.clock,
                app=self.app,
                cipher=lambda: self.cipher,
                endpoint=lambda app: TokenEndpoint(app, self.clock, transport=self.transport),
            )
        )

    def connect(self, kind: str, account: str, company: str) -> int:
        holder = Holder(
            vendor="ghl",
            kind="agency" if kind == "agency" else "location",
            account=account,
            company=company,
        )
        ends = self.clock.now() + timedelta(days=1)
        row = self.store.connections.save(
            "highlevel",
            kind,
            account,
            fields={
                "company": company,
                "client_id": self.world.settings.ghl_client_id,
                "access": self.cipher.encrypt(self.world.oauth.access_token(holder, 86_399)),
                "refresh": self.cipher.encrypt(self.world.oauth.refresh_token(holder)),
                "token_ends": ends,
                "renew_at": ends - timedelta(minutes=5),
            },
        )
        return row.id

    def location(self, company: str) -> str:
        row = self.world.add_location()
        row.company_id = company
        self.world.oauth.installed.add(row.id)
        return row.id

    def minted(self) -> int:
        return sum(row.path == "/oauth/locationToken" for row in self.world.requests)

    def holder(self, token: str) -> str:
        found = self.world.oauth.holder_of(token)
        assert found is not None
        return found.account


@pytest.fixture
def agencies(store: Store, standing_clock: StandingClock) -> Agencies:
    return Agencies(store, standing_clock)


def at(clock: StandingClock, minutes: float) -> datetime:
    return clock.now() + timedelta(minutes=minutes)


def test_a_location_gets_a_token_from_the_agency_whose_app_is_in_it(agencies: Agencies) -> None:
    agencies.connect("agency", "c1", "c1")
    agencies.connect("agency", "c2", "c2")
    mine = agencies.location("c2")
    process = agencies.process()
    token = process.token(Vendor.HIGHLEVEL, mine)
    assert agencies.holder(token) == mine
    asked = agencies.minted()
    assert agencies.process().token(Vendor.HIGHLEVEL, mine) == token  # shared by all processes
    assert process.token(Vendor.HIGHLEVEL, mine) == token
    assert agencies.minted() == asked
    assert [row.kind for row in agencies.store.connections.all()] == ["agency", "agency"]


def test_a_connection_of_its_own_goes_before_the_agencys(agencies: Agencies) -> None:
    agencies.connect("agency", "c1", "c1")
    mine = agencies.location("c1")
    agencies.process().token(Vendor.HIGHLEVEL, mine)
    own = agencies.connect("location", mine, "c1")
    row = agencies.store.connections.get(own)
    assert row is not None
    wanted = agencies.cipher.decrypt(row.access)
    assert agencies.process().token(Vendor.HIGHLEVEL, mine) == wanted
    agencies.store.connections.delete(own)
    assert agencies.process().token(Vendor.HIGHLEVEL, mine) != wanted


def test_what_an_uninstall_stops_and_what_it_does_not(
    agencies: Agencies, standing_clock: StandingClock
) -> None:
    agency = agencies.connect("agency", "c1", "c1")
    first, second = agencies.location("c1"), agencies.location("c1")
    process, rows = agencies.process(), agencies.store.connections
    for each in (first, second):
        process.token(Vendor.HIGHLEVEL, each)
    tell = rows.uninstalled
    tell("highlevel", location=first, company="", at=at(standing_clock, -1))  # sent again
    process.check(Vendor.HIGHLEVEL, first)
    tell("highlevel", location=first, company="c1", at=at(standing_clock, 1))
    with pytest.raises(AuthFailed, match="taken away"):
        process.check(Vendor.HIGHLEVEL, first)
    process.check(Vendor.HIGHLEVEL, second)
    rows.installed("highlevel", location=first, company="c1", at=at(standing_clock, 2))
    process.check(Vendor.HIGHLEVEL, first)
    tell("highlevel", location="", company="c1", at=at(standing_clock, 3))  # the whole agency
    for each in (first, second):
        with pytest.raises(AuthFailed):
            process.check(Vendor.HIGHLEVEL, each)
    standing_clock.tick(240)
    assert agencies.connect("agency", "c1", "c1") == agency
    for each in (first, second):
        process.check(Vendor.HIGHLEVEL, each)


def test_an_uninstall_counts_before_any_token_was_made(
    agencies: Agencies, standing_clock: StandingClock
) -> None:
    agencies.connect("agency", "c1", "c1")
    mine = agencies.location("c1")
    process, rows = agencies.process(), agencies.store.connections
    rows.installed("highlevel", location=mine, company="", at=at(standing_clock, 3), ours=True)
    rows.uninstalled("highlevel", location=mine, company="", at=at(standing_clock, 2), ours=True)
    process.check(Vendor.HIGHLEVEL, mine)  # it was installed again since
    rows.uninstalled("highlevel", location=mine, company="", at=at(standing_clock, 4), ours=True)
    with pytest.raises(AuthFailed, match="taken away"):
        process.token(Vendor.HIGHLEVEL, mine)
    rows.uninstalled("highlevel", location="strange", company="c1", at=at(standing_clock, 4))
    assert rows.of("highlevel", "strange") == []
    rows.installed("highlevel", location="", company="c1", at=at(standing_clock, 5))
    process.check(Vendor.HIGHLEVEL, mine)


def test_a_location_without_the_app_and_one_without_a_connection_are_told_apart(
    agencies: Agencies,
) -> None:
    with pytest.raises(ConfigError, match="syncd connect highlevel"):
        agencies.process().token(Vendor.HIGHLEVEL, agencies.location("c1"))
    agencies.connect("agency", "c1", "c1")
    other = agencies.location("c1")
    agencies.world.oauth.installed.discard(other)
    process = agencies.process()
    with pytest.raises(NotPrepared, match="not in location"):
        process.token(Vendor.HIGHLEVEL, other)
    assert process.unmade(Vendor.HIGHLEVEL, other)  # looked at in every poll
    agencies.world.oauth.installed.add(other)
    process.token(Vendor.HIGHLEVEL, other)
    assert not process.unmade(Vendor.HIGHLEVEL, other)
