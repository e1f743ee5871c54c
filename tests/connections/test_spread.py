"""Thousands of connections in virtual time: one refresh each per life, and no herd, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from stores import StandingClock
from token_vendor import app, make_cipher

from syncd.connections.endpoint import Grant
from syncd.connections.services import Services
from syncd.connections.tokens import Tokens
from syncd.connections.vendors import Vendor
from syncd.store.connections import SqlConnections, StoredConnection

NUMBER = 2_000


class MemoryRows:
    """The rows without a database: fast enough for days of thousands."""

    def __init__(self, clock: StandingClock) -> None:
        self.clock = clock
        self.rows: dict[int, StoredConnection] = {}
        self.keys: dict[tuple[str, str], int] = {}
        self.agencies: list[int] = []

    def all(self, vendor: str = "") -> list[StoredConnection]:
        del vendor
        return [self.rows[key] for key in self.agencies]

    def of(self, vendor: str, account: str) -> list[StoredConnection]:
        key = self.keys.get((vendor, account))
        return [] if key is None else [self.rows[key]]

    def get(self, key: int) -> StoredConnection | None:
        return self.rows.get(key)

    def save(
        self,
        vendor: str,
        kind: str,
        account: str,
        *,
        fields: Mapping[str, Any],
        renew: bool = True,
    ) -> StoredConnection:
        del renew
        key = len(self.rows) + 1
        given: dict[str, Any] = {"company": "", "name": "", "client_id": "", "access": ""}
        given |= {"refresh": "", "token_ends": None, "renew_at": None, "scopes": ()}
        self.rows[key] = StoredConnection(
            id=key,
            vendor=vendor,
            kind=kind,
            account=account,
            generation=1,
            lease_until=None,
            asked_at=None,
            failures=0,
            refusal="",
            connected_at=self.clock.now(),
            installed_at=None,
            uninstalled_at=None,
            **(given | dict(fields)),
        )
        self.keys[vendor, account] = key
        if kind == "agency":
            self.agencies.append(key)
        return self.rows[key]

    def lease(self, key: int, generation: int, seconds: float) -> datetime | None:
        assert self.rows[key].generation == generation
        return self.clock.now() + timedelta(seconds=seconds)

    def commit(self, key: int, generation: int, fields: Mapping[str, Any]) -> bool:
        self.rows[key] = replace(self.rows[key], generation=generation + 1, **fields)
        return True


class Counting:
    """A vendor that grants whatever it is asked for, and counts by minute and account."""

    def __init__(self, clock: StandingClock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.minutes: Counter[int] = Counter()
        self.accounts: Counter[str] = Counter()

    def _granted(self, account: str) -> Grant:
        self.minutes[int(self.clock.seconds // 60)] += 1
        self.accounts[account] += 1
        return Grant(
            access=f"{account}-{self.accounts[account]}",
            refresh=account,
            seconds=self.seconds,
            scopes=(),
            agency=False,
            account="",
            company="",
        )

    def mint(self, access: str, *, company: str, location: str) -> Grant:
        del access, company
        return self._granted(location)

    def refresh(self, refresh: str) -> Grant:
        return self._granted(refresh)


def polled(
    clock: StandingClock, make: Callable[[], Tokens], vendor: Vendor, hours: float, every: float
) -> None:
    """Every account asks for its token once in each interval, evenly, by a new process."""
    tokens, begun = make(), clock.seconds
    step = every / NUMBER
    for turn in range(int(hours * 3600 / every)):
        for number in range(NUMBER):
            clock.tick(begun + turn * every + number * step - clock.seconds)
            tokens.token(vendor, f"a{number}")


@pytest.mark.parametrize(
    ("vendor", "life", "every", "hours", "most", "lives"),
    [
        # 86,400 s: a renewal in 86,100 s, and the first one in half of it at the earliest.
        (Vendor.HIGHLEVEL, 86_400.0, 7_200.0, (30, 30), 60, 4),
        # 1,800 s: the first one after 810 to 1,620 s, then every 1,620 s.
        (Vendor.HUBSPOT, 1_800.0, 120.0, (1, 1), 220, 7),
    ],
    ids=["the locations of an agency", "HubSpot accounts"],
)
def test_renewals_are_spread_over_the_life_also_after_a_restart(
    vendor: Vendor, life: float, every: float, hours: tuple[int, int], most: int, lives: int
) -> None:
    clock, cipher = StandingClock(), make_cipher()
    clock.on_sleep = lambda _: None
    rows, vendors = MemoryRows(clock), Counting(clock, life)
    old = clock.now() - timedelta(days=2)
    fields = {"refresh": cipher.encrypt("x"), "access": cipher.encrypt("x"), "client_id": ""}
    if vendor is Vendor.HIGHLEVEL:
        far = clock.now() + timedelta(days=30)
        row = rows.save(
            vendor, "agency", "c1", fields=fields | {"token_ends": far, "renew_at": far}
        )
        assert row.id == 1
    else:
        for number in range(NUMBER):
            mine = fields | {"refresh": cipher.encrypt(f"a{number}")}
            rows.save(
                vendor, "account", f"a{number}", fields=mine | {"token_ends": old, "renew_at": old}
            )

    def process() -> Tokens:
        return Tokens(
            Services(
                store=cast("SqlConnections", rows),
                clock=clock,
                app=app,
                cipher=lambda: cipher,
                endpoint=lambda _: cast("Any", vendors),
            )
        )

    begun = int(clock.seconds // 60)
    for part in hours:  # each by a process that remembers nothing of the one before
        polled(clock, process, vendor, part, every)
    first = int(every // 60)
    later = [count for minute, count in vendors.minutes.items() if minute >= begun + first]
    assert max(later) <= most
    assert max(vendors.accounts.values()) <= lives
    assert len(vendors.accounts) >= NUMBER
