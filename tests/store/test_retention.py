"""What goes from the store in time, and when somebody asks to be forgotten."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from stores import StandingClock

from syncd.core.looks import AUDITED
from syncd.core.model import ContactPair, Hold, Pair, Side
from syncd.ports.notifications import Notification
from syncd.ports.store import HELD_NOTES, CycleRow, HistoryEntry
from syncd.store import Store
from syncd.store.link_store import SqlLinkStore
from syncd.store.tables import metadata


@pytest.fixture
def now(standing_clock: StandingClock) -> datetime:
    return standing_clock.now()


def an_entry(at: datetime, number: int = 1, key: int = 0) -> HistoryEntry:
    return HistoryEntry(
        at=at,
        cycle="c1",
        side=Side.GHL,
        ghl_id=f"g{number}",
        hubspot_id=f"h{number}",
        action="update",
        field="title",
        before="Ada Example",
        after="Ada E.",
        pair_key=key,
    )


def a_cycle(at: datetime, name: str, **report: object) -> CycleRow:
    return CycleRow(
        cycle=name, kind="full", started_at=at, finished_at=at, outcome="ok", report=report
    )


def test_old_values_go_and_young_ones_stay(
    store: Store, link: SqlLinkStore, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.store.retention._CHUNK", 2)
    old, young = now - timedelta(days=401), now - timedelta(days=399)
    with store.link("other").begin() as transaction:
        transaction.add_history([an_entry(old)])
    with link.begin() as transaction:
        transaction.add_history([an_entry(old)] * 5 + [an_entry(young)])
        transaction.save_cycle(a_cycle(old, "c1"))
        transaction.save_cycle(a_cycle(young, "c2"))
    assert store.prune("clinic", now - timedelta(days=400)) == 6
    assert [entry.at for entry in link.history()] == [young]
    assert [row.cycle for row in link.cycles()] == ["c2"]
    assert len(store.link("other").history()) == 1
    assert store.prune("clinic", now - timedelta(days=400)) == 0
    assert store.prune("never heard of", now) == 0


def test_the_last_cycle_stays_however_old(store: Store, link: SqlLinkStore, now: datetime) -> None:
    with link.begin() as transaction:
        transaction.save_cycle(a_cycle(now, "c1"))
        transaction.save_cycle(a_cycle(now, "c2"))
    assert store.prune("clinic", now + timedelta(days=1)) == 1
    assert [row.cycle for row in link.cycles()] == ["c2"]


def test_decisions_go_only_once_they_are_carried_out(
    store: Store, link: SqlLinkStore, now: datetime, standing_clock: StandingClock
) -> None:
    done, _ = link.decide("kick", {}, now), link.decide("retry", {}, now)
    with link.begin() as transaction:
        transaction.close_decisions([done])
    standing_clock.tick(60)
    assert store.prune("clinic", standing_clock.now()) == 1
    assert [each.kind for each in link.decisions()] == ["retry"]


def test_the_removals_of_a_day_are_remembered_whatever_goes_of_the_history(
    store: Store, link: SqlLinkStore, now: datetime, a_pair: Callable[..., Pair]
) -> None:
    day = timedelta(hours=24)
    with link.begin() as transaction:
        (mine,) = transaction.save_pairs([a_pair(1)])
        transaction.save_contacts([ContactPair(ghl_id="c1", hubspot_id="k1")])
        removal = replace(an_entry(now, 1, mine.key), action="remove", field="")
        transaction.add_history([removal, replace(removal, field="status")])
    with link.begin() as transaction:
        transaction.add_history([replace(removal, at=now + timedelta(hours=23), cycle="c2")])
    assert link.removals_since(now) == 2
    store.forget("clinic", ["c1"])
    store.prune("clinic", now + day)
    assert link.history() == []
    assert link.removals_since(now) == 2
    assert link.removals_since(now + timedelta(seconds=1)) == 1
    with link.begin() as transaction:
        transaction.add_history([replace(removal, at=now + day * 2, cycle="c3")])
    assert link.removals_since(now) == 1


def test_what_was_decided_of_a_forgotten_person_goes_too(
    store: Store, link: SqlLinkStore, now: datetime, a_pair: Callable[..., Pair]
) -> None:
    with link.begin() as transaction:
        transaction.save_pairs([a_pair(1), a_pair(2)])
        transaction.save_contacts([ContactPair(ghl_id="c1", hubspot_id="k1")])
    link.decide("undo", {"id": "g2", "parts": {"0": {"ghl_id": "g1", "back": "Ada"}}}, now)
    link.decide("undo", {"id": "g2", "parts": {"0": {"ghl_id": "g2", "back": "Bob"}}}, now)
    plan = {"one": "update \u201cAda\u201d, HighLevel g1 (x)", "two": "update, HighLevel g2 (x)"}
    link.decide("apply", {"writes": plan}, now)
    store.forget("clinic", ["c1"])
    undo, kept = link.decisions()
    assert "Bob" in str(undo.payload)
    assert kept.payload["writes"] == {"two": plan["two"]}


@pytest.mark.parametrize("asked", ["c1", "k1"])
def test_nothing_of_a_forgotten_contact_is_left(
    store: Store, link: SqlLinkStore, now: datetime, a_pair: Callable[..., Pair], asked: str
) -> None:
    secret = "Ada Example"
    theirs = a_pair(1, ghl=replace(a_pair(1).ghl, title=secret, description=secret))
    with link.begin() as transaction:
        mine, other = transaction.save_pairs([theirs, a_pair(2)])
        transaction.save_contacts(
            [ContactPair(ghl_id="c1", hubspot_id="k1"), ContactPair(ghl_id="c2", hubspot_id="k2")]
        )
        transaction.add_history([an_entry(now, 1, mine.key), an_entry(now, 1)])
        transaction.add_history([replace(an_entry(now, 2, other.key), before="Bob")])
        transaction.add_history(
            replace(an_entry(now), ghl_id=f"c{n}", hubspot_id=f"k{n}", record="contact", before="")
            for n in (1, 2)
        )
        transaction.replace_holds(
            [
                Hold(ghl_id="g1", hubspot_id="h1", reason="conflict", detail=secret),
                Hold(ghl_id="g2", hubspot_id="h2", reason="conflict", detail="Bob"),
            ],
            judged=[],
        )
        audited = [{"key": n, "ghl_id": f"g{n}", "hubspot_id": f"h{n}"} for n in (1, 2)]
        audited[0]["ghl"] = secret
        transaction.set_state(AUDITED, json.dumps({"unexplained": 2, "found": audited}))
        notes = {"h1": {"note": secret}, "h2": {"note": "Bob"}}
        transaction.set_state(HELD_NOTES, json.dumps(notes))
        transaction.save_cycle(a_cycle(now, "c1", held=[{"ghl_id": "g1", "detail": secret}]))
        transaction.save_cycle(a_cycle(now, "c2", held=[{"ghl_id": "g2", "detail": "Bob"}]))
    store.outbox.write(
        "clinic", [a_notification(now, "g1"), a_notification(now, "g2")], announced=[], ended=[]
    )
    done = store.forget("clinic", [asked])
    assert (done.pairs, done.history, done.holds, done.contacts, done.reports) == (1, 3, 1, 1, 1)
    assert secret not in everything(store)
    assert link.pairs_by_key([other.key]) == [other]
    assert link.count_pairs() == 1
    assert json.loads(link.get_state(HELD_NOTES)) == {"h2": {"note": "Bob"}}
    assert json.loads(link.get_state(AUDITED)) == {"unexplained": 1, "found": audited[1:]}
    assert (len(link.history()), len(link.holds())) == (2, 1)
    assert link.contact_pairs(Side.GHL, ["c2"]) == {"c2": "k2"}
    assert [bool(row.report) for row in link.cycles()] == [True, False]
    assert [notification.body for notification in store.outbox.notifications("clinic")] == [
        a_notification(now, "g2").body
    ]


def a_notification(at: datetime, record: str) -> Notification:
    body = {"records": [{"ghl_id": record, "hubspot_id": None}]}
    return Notification(channel="webhook", body=body, made_at=at, due_at=at)


def everything(store: Store) -> str:
    with store._database.engine.connect() as connection:
        return "\n".join(
            str(row)
            for table in metadata.sorted_tables
            for row in connection.execute(select(table))
        )
