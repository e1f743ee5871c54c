"""The reader of HubSpot's journal: over real HTTP against the sandbox, on both databases."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from stores import StandingClock

from syncd.live.journal_client import JournalClient
from syncd.live.journal_events import Installation, NoJournalFile, parsed
from syncd.live.journal_keeper import SubscriptionKeeper
from syncd.live.journal_reader import EVENTS_AT_ONCE, KEPT, LEASE, SILENCE, JournalReader
from syncd.live.journal_subscriptions import Heard
from syncd.sandbox import SandboxServer, SandboxWorld, empty, serve
from syncd.sandbox.hubspot.journal import Journal, JournalRules
from syncd.store import Store

PORTAL, OTHER = 24_600_001, 24_600_002
APP = "sandbox app"
PROPERTIES = ("hs_appointment_name", "hs_appointment_start")


def heard(name: str) -> Heard:
    return Heard(name=name, object_type="0-421", properties=PROPERTIES)


class Rig:
    """A sandbox, a store, and readers of its journal."""

    def __init__(self, server: SandboxServer, store: Store, clock: StandingClock) -> None:
        self.server, self.store, self.clock = server, store, clock
        self.world: SandboxWorld = server.world
        self.journal: Journal = server.world.announcer.journal
        self.links = {PORTAL: [heard("clinic")], OTHER: [heard("other")]}
        self.woken: list[Collection[str]] = []
        self.lives: list[Installation] = []
        self.rules(further_portals=[OTHER])
        self.reader = self.another()

    def rules(self, **rules: Any) -> None:
        self.journal.rules = JournalRules.of(rules, self.journal.rules)

    def another(self) -> JournalReader:
        client = JournalClient(
            base_url=self.server.hubspot_url,
            client_id=self.world.settings.hubspot_client_id,
            secret=lambda: self.world.settings.hubspot_client_secret,
            clock=self.clock,
        )
        return JournalReader(
            app=APP,
            client=client,
            store=self.store.journal,
            keeper=SubscriptionKeeper(
                app=APP,
                client=client,
                store=self.store.journal,
                clock=self.clock,
                kept=self.store.journal.accounts,
            ),
            clock=self.clock,
            interval=lambda: 5.0,
            links=lambda: self.links,
            wake=self.woken.append,
            installed=self.lives.append,
        )

    def round(self, seconds: float = 5.0) -> None:
        """What the reader does when so many seconds have passed."""
        self.clock.tick(seconds)
        for _ in range(20):
            if self.reader.round() > 0:
                return
        raise AssertionError("the reader goes on and on")

    def waiting(self, link: str = "clinic") -> list[tuple[str, str]]:
        """What waits for a link; it is looked at."""
        told = self.store.link(link).announcements()
        with self.store.link(link).begin() as transaction:
            transaction.close_announcements([each.key for each in told])
        return [(each.what.value, each.record) for each in told]

    def publish(self, *records: int, portal: int = PORTAL) -> str:
        """A file with an update of each of these records."""
        events = [event(record, portal, self.clock) for record in records]
        return self.journal.publish(events).offset

    def place(self) -> str:
        found = self.store.journal.take(APP, self.reader._me, LEASE)
        assert found is not None
        return found.offset

    def asked(self, path: str) -> int:
        return sum(path in row.path for row in self.world.requests)


def event(record: int, portal: int, clock: StandingClock, **more: Any) -> dict[str, Any]:
    told = {
        "portalId": portal,
        "occurredAt": clock.now().isoformat(),
        "action": "UPDATE",
        "objectTypeId": "0-421",
        "objectId": record,
        "propertyChanges": {"hs_appointment_name": "x"},
    }
    return told | more


@pytest.fixture
def rig(store: Store, standing_clock: StandingClock) -> Iterator[Rig]:
    with serve(empty(standing_clock.now)) as server:
        made = Rig(server, store, standing_clock)
        yield made
        made.reader.stop()


def test_changes_arrive_with_the_next_round(rig: Rig) -> None:
    rig.round()
    assert len(rig.journal.subscriptions) == 2 + 2 * 3
    record = rig.world.portal.create({"hs_appointment_name": "x"})
    rig.round()
    assert rig.waiting() == [("record", record)]
    assert rig.woken == [{"clinic"}]
    contact = rig.world.portal.add_contact("Ada Winter", "ada@example.com")
    rig.world.portal.associate(record, contact)
    rig.world.portal.archive_contact(contact)
    rig.round()
    assert sorted(rig.waiting()) == [("contact", contact), ("record", record)]
    rig.round()
    assert rig.waiting() == rig.waiting("other") == []


@pytest.mark.parametrize("nothing", ["204", "empty", "404"])
def test_nothing_new_is_nothing_new_however_it_is_said(nothing: str, rig: Rig) -> None:
    rig.rules(nothing=nothing)
    rig.publish(1)
    rig.round()
    rig.waiting()
    place = rig.place()
    for _ in range(20):
        rig.round()
    assert (rig.place(), rig.waiting(), rig.reader.problem) == (place, [], "")
    rig.publish(2)
    rig.round()
    assert rig.waiting() == [("record", "2")]


def test_a_silent_minute_asks_for_the_newest_place(rig: Rig) -> None:
    rig.publish(1)
    rig.round()
    before = rig.asked("/latest")
    rig.round(SILENCE - 1)
    assert rig.asked("/latest") == before
    rig.round(5)
    assert rig.asked("/latest") == before + 1
    rig.round(5)
    assert rig.asked("/latest") == before + 1


@pytest.mark.parametrize("aged", ["404", "400", "204", "earliest"])
def test_an_aged_place_asks_for_everything_and_goes_on_from_the_newest(aged: str, rig: Rig) -> None:
    rig.rules(aged=aged)
    rig.publish(1)
    rig.round()
    rig.waiting()
    rig.journal._files.clear()
    rig.publish(2)
    newest = rig.publish(3, portal=OTHER)
    rig.round(SILENCE)
    if aged == "earliest":
        assert (rig.waiting(), rig.waiting("other")) == ([("record", "2")], [("record", "3")])
    else:
        assert rig.waiting() == rig.waiting("other") == [("full", "")]
    assert rig.place() == newest
    rig.publish(4)
    rig.round()
    assert rig.waiting() == [("record", "4")]


def test_our_place_that_gives_a_file_on_the_second_asking_is_not_lost(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.publish(1)
    rig.round()
    rig.waiting()
    ask, told = rig.journal.after, ["404"]
    monkeypatch.setattr(rig.journal, "after", lambda offset: told.pop() if told else ask(offset))
    rig.publish(2)
    rig.publish(3)
    rig.round()
    assert rig.waiting() == [("record", "2"), ("record", "3")]


def test_a_journal_that_was_not_read_for_longer_than_it_keeps_files_is_lost(rig: Rig) -> None:
    rig.rules(aged="earliest")
    rig.publish(1)
    rig.round()
    rig.waiting()
    rig.clock.tick((KEPT + timedelta(hours=1)).total_seconds())
    rig.publish(2)
    rig.round()
    assert rig.waiting() == rig.waiting("other") == [("full", "")]


def test_a_file_is_fetched_without_our_token(rig: Rig) -> None:
    rig.publish(1)
    rig.round()
    assert rig.waiting() == [("record", "1")]  # the sandbox refuses whoever shows one


def test_a_file_whose_address_is_good_no_more_is_asked_for_again(rig: Rig) -> None:
    rig.publish(1)
    rig.round()
    rig.waiting()
    rig.publish(2)
    rig.rules(url_seconds=-1.0)
    rig.round()
    assert rig.waiting() == []
    assert "403" in rig.reader.problem
    rig.rules(url_seconds=300.0)
    rig.round(10)
    assert (rig.waiting(), rig.reader.problem) == ([("record", "2")], "")


def test_a_large_file_of_one_account_is_one_announcement_and_starves_nobody(rig: Rig) -> None:
    rig.round()
    flood = [event(number, PORTAL, rig.clock) for number in range(1, 10_001)]
    rig.journal.publish([*flood[:5_000], event(7, OTHER, rig.clock), *flood[5_000:]])
    rig.publish(8, portal=OTHER)
    rig.round()
    assert rig.waiting() == [("link", "")]
    assert rig.waiting("other") == [("record", "7"), ("record", "8")]


def test_a_file_of_many_accounts_is_stored_in_parts_and_whole_after_a_crash(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.links = {PORTAL: [heard(f"l{number}") for number in range(3)]}
    rig.round()
    before = rig.place()
    rig.journal.publish([event(n, PORTAL, rig.clock) for n in range(1, 1 + EVENTS_AT_ONCE)])
    real, calls = rig.store.journal.move, []

    def crash(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(rig.store.journal, "move", crash)
    with pytest.raises(KeyboardInterrupt):
        rig.round()
    assert rig.place() == before
    rig.round()
    assert {rig.waiting(f"l{number}")[0] for number in range(3)} == {("link", "")}
    assert rig.place() != before


def test_a_file_that_is_read_twice_announces_once(rig: Rig) -> None:
    told = event(1, PORTAL, rig.clock)
    rig.journal.publish([told])
    rig.round()
    assert rig.waiting() == [("record", "1")]
    rig.journal.publish([told])
    rig.round()
    assert rig.waiting() == []


@pytest.mark.parametrize(
    ("first", "second", "again"),
    [
        ({"propertyChanges": {"a": "1"}}, {"propertyChanges": {"a": "2"}}, True),
        ({"occurredAt": None}, {"occurredAt": None}, True),
        ({"action": "DELETE"}, {"action": "RESTORE"}, True),
        ({}, {}, False),
    ],
    ids=["two edits within a second", "without a time", "two actions", "the same"],
)
def test_two_changes_that_look_alike_are_two(
    first: dict[str, Any], second: dict[str, Any], again: bool, rig: Rig
) -> None:
    told = event(1, PORTAL, rig.clock)
    rig.journal.publish([told | first])
    rig.round()
    assert rig.waiting() == [("record", "1")]
    rig.journal.publish([told | second])
    rig.round()
    assert rig.waiting() == [("record", "1")] * again


def test_a_file_that_was_published_long_ago_is_no_loss(rig: Rig) -> None:
    at = rig.clock.now()
    rig.journal._now = lambda: at - KEPT - timedelta(days=30)
    rig.publish(1)
    rig.round()
    rig.round()
    assert rig.waiting() == [("record", "1")]


def test_a_secret_that_was_replaced_is_read_anew(rig: Rig) -> None:
    rig.round()
    rig.journal.tokens.clear()  # HubSpot revokes the old ones
    changed = replace(rig.world.settings, hubspot_client_secret="another")
    rig.world.settings = changed
    rig.publish(1)
    rig.round()
    assert (rig.waiting(), rig.reader.problem) == ([("record", "1")], "")


def test_one_reader_at_a_time_and_another_goes_on_at_the_same_place(rig: Rig) -> None:
    rig.publish(1)
    rig.round()
    rig.waiting()
    first, second = rig.reader, rig.another()
    rig.publish(2)
    asked = len(rig.world.requests)
    second.round()
    assert (second.reads, len(rig.world.requests)) == (False, asked)
    rig.clock.tick(LEASE + 1)
    second.round()
    assert second.reads
    assert rig.waiting() == [("record", "2")]
    # The first one wakes, in the middle of a round: its commit is refused.
    rig.publish(3)
    first._renewed_at = rig.clock.monotonic()
    first.round()
    assert not first.reads
    assert rig.waiting() == []
    second.round()
    rig.clock.tick(5)
    second.round()
    assert rig.waiting() == [("record", "3")]
    second.stop()
    first.round()
    assert first.reads  # what was given back is had at once


@pytest.mark.parametrize(
    ("holder", "waits"),
    [
        ("killed", False),
        ("of another machine", True),
        ("of a copy of this machine", True),
        ("of a machine without an identity", True),
        ("of an older version", True),
        ("alive", True),
    ],
)
def test_a_reader_that_was_killed_holds_nothing(
    rig: Rig, holder: str, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    rig.publish(1)
    rig.round()
    rig.waiting()
    name = json.loads(rig.reader._me)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        ended.wait()
    if holder == "killed":
        name |= {"pid": ended.pid}
    elif holder == "of another machine":
        name |= {"pid": ended.pid, "machine": "other", "host": "other"}
    elif holder == "of a copy of this machine":
        name |= {"pid": ended.pid, "host": "other"}
    elif holder == "of a machine without an identity":
        name |= {"pid": ended.pid, "machine": ""}
        monkeypatch.setattr("syncd.store.holder._machine", lambda: "")
    rig.reader._me = uuid4().hex if holder == "of an older version" else json.dumps(name)
    rig.reader._place = None
    rig.clock.tick(LEASE + 1)
    rig.reader.round()
    assert rig.reader.reads
    successor = rig.another()
    rig.publish(2)
    successor.round()
    assert successor.reads is not waits
    assert rig.waiting() == ([] if waits else [("record", "2")])
    successor.stop()


def test_subscriptions_name_properties_and_follow_the_links(rig: Rig) -> None:
    rig.round()
    records = [
        row for row in rig.journal.subscriptions.values() if row.get("objectTypeId") == "0-421"
    ]
    assert all(row["properties"] for row in records if row["subscriptionType"] == "OBJECT")
    rig.links = {
        PORTAL: [heard("clinic"), Heard(name="again", object_type="0-421", properties=("a",))]
    }
    rig.round()
    (row,) = (
        row
        for row in rig.journal.subscriptions.values()
        if row.get("objectTypeId") == "0-421"
        and row["subscriptionType"] == "OBJECT"
        and row["portalId"] == PORTAL
    )
    assert row["properties"] == [*PROPERTIES, "a"]


def test_only_what_syncd_made_is_taken_away_and_only_where_no_link_in_the_store_is(
    rig: Rig,
) -> None:
    theirs = rig.journal.subscribe(
        {
            "subscriptionType": "OBJECT",
            "portalId": OTHER,
            "objectTypeId": "0-421",
            "objectIds": [],
            "properties": ["their_own"],
            "actions": ["CREATE"],
        }
    )
    with rig.store.link("other").begin() as transaction:
        transaction.set_state("x", "y")
    rig.round()
    assert rig.journal.subscriptions[theirs["id"]]["properties"] == [*PROPERTIES, "their_own"]
    of_other = [r for r in rig.journal.subscriptions.values() if r.get("portalId") == OTHER]
    assert len(of_other) == 3
    # The configuration of this process has the link no more, but the store has.
    rig.links = {PORTAL: [heard("clinic")]}
    rig.round()
    assert [r for r in rig.journal.subscriptions.values() if r.get("portalId") == OTHER] == of_other
    # The link went to another account.
    rig.links = {PORTAL: [heard("clinic"), heard("other")]}
    rig.round(601)
    left = [r["id"] for r in rig.journal.subscriptions.values() if r.get("portalId") == OTHER]
    assert left == [theirs["id"]]


def test_an_account_that_refuses_stops_no_other_and_is_asked_again_later(rig: Rig) -> None:
    rig.rules(further_portals=[], refused=["0-421"])
    rig.round()
    refused = {
        (row.account, row.kind) for row in rig.store.journal.subscriptions(APP) if row.refusal
    }
    assert {kind for account, kind in refused if account == str(PORTAL)} == {
        "records 0-421",
        "associations 0-421",
    }
    assert sum(account == str(OTHER) for account, _ in refused) == 3
    assert rig.reader.problem == ""
    assert rig.store.journal.state(APP).refused.keys() == refused
    rig.rules(further_portals=[OTHER], refused=[])
    rig.round(1800)
    assert len(rig.journal.subscriptions) < 8
    rig.round(1801)
    assert len(rig.journal.subscriptions) == 8
    assert not any(row.refusal for row in rig.store.journal.subscriptions(APP))


def test_an_account_that_was_connected_anew_is_subscribed_again(rig: Rig) -> None:
    rig.round()
    rig.journal.subscriptions.clear()
    rig.round(3601)
    assert len(rig.journal.subscriptions) == 8


def test_an_app_that_may_not_read_says_so_and_tries_again(rig: Rig) -> None:
    rig.rules(token_refused=True)
    rig.round()
    assert "BAD_SCOPES" in rig.reader.problem
    assert rig.world.settings.hubspot_client_secret not in rig.reader.problem
    rig.rules(token_refused=False)
    rig.round(400)
    assert rig.reader.problem == ""


def test_the_age_of_the_place_grows_while_nothing_is_read(rig: Rig) -> None:
    assert rig.reader.age() is None
    rig.round()
    rig.world.faults.add(side="hubspot", status=503, times=None)
    rig.round(120)
    assert "503" in rig.reader.problem
    age = rig.reader.age()
    assert age is not None
    assert age >= 120
    rig.world.faults.clear()
    rig.round(400)
    assert rig.reader.age() == 0


def test_an_app_that_is_taken_away_is_heard_of(rig: Rig) -> None:
    rig.round()
    at = rig.clock.now()
    rig.journal.tell(
        {
            "type": "app_lifecycle_event",
            "portalId": OTHER,
            "occurredAt": at.isoformat(),
            "action": "APP_UNINSTALL",
            "eventTypeId": "4-1916193",
            "properties": {},
        }
    )
    rig.round()
    assert rig.lives == [Installation(account=str(OTHER), installed=False, at=at)]


def test_a_file_that_is_none_is_tried_for_a_while_and_then_counts_as_lost(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.round()
    bad = rig.publish(1)
    monkeypatch.setattr(JournalClient, "file", lambda *_: b"<html>")
    for _ in range(30):
        rig.round(20)
    assert rig.waiting() == [("full", "")]
    assert rig.place() == bad
    assert rig.reader.problem == ""


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"journalEvents": 3}', b"\xff"])
def test_what_is_no_file_is_told(content: bytes) -> None:
    with pytest.raises(NoJournalFile):
        parsed(content)


def test_what_an_event_does_not_say_is_not_made_up() -> None:
    odd: list[Any] = [
        None, 7, {}, {"portalId": "x"}, {"portalId": True, "objectId": 1, "objectTypeId": "0-421"},
        {"portalId": 1, "objectTypeId": "0-421", "objectId": {"a": 1}},
        {"portalId": 1, "objectTypeId": ["0-421"], "objectId": 5},
        {"portalId": 1, "action": "APP_UNINSTALL"},
        {"portalId": 1, "objectTypeId": "0-1", "objectId": 5, "action": "UPDATE"},
        {"portalId": "1", "objectTypeId": "0-421", "objectId": "5", "occurredAt": "soon"},
    ]  # fmt: skip
    told = parsed(json.dumps({"publishedAt": 10**40, "journalEvents": odd}).encode())
    assert [(each.account, each.record, each.occurred_at) for each in told.events] == [
        (1, "5", None)
    ]
    assert told.installations == ()
