"""What a link keeps beside its pairs: intents, holds, contacts, cursors, history, decisions."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event
from stores import StandingClock

from syncd.core import looks
from syncd.core.model import ContactPair, Hold, Pair, Side
from syncd.engine.decisions import making
from syncd.ports.store import (
    CycleRow,
    HistoryEntry,
    Intent,
    IntentKind,
    LinkStore,
    StatusReader,
    Switch,
)
from syncd.store import Store
from syncd.store.link_store import SqlLinkStore


@pytest.fixture
def now(standing_clock: StandingClock) -> datetime:
    return standing_clock.now()


def an_entry(at: datetime, **more: object) -> HistoryEntry:
    made = HistoryEntry(
        at=at,
        cycle="c1",
        side=Side.HUBSPOT,
        ghl_id="g1",
        hubspot_id="h1",
        action="update",
        field="title",
        before="Old",
        after="New",
        why="edited in HighLevel",
        pair_key=1,
        record="contact",
        title="Check-up",
        starts_at=at,
        author="cli",
    )
    return replace(made, **more)  # type: ignore[arg-type] # a test names real fields


def add(link: SqlLinkStore, *entries: HistoryEntry) -> None:
    with link.begin() as transaction:
        transaction.add_history(entries)


def judge(link: SqlLinkStore, holds: list[Hold], *judged: tuple[str, str]) -> None:
    with link.begin() as transaction:
        transaction.replace_holds(holds, judged=judged)


def test_it_is_what_the_engine_asks_for(link: SqlLinkStore) -> None:
    asked: LinkStore = link
    assert asked is link


# --- what happened lately


def test_what_happened_lately_is_told_once_for_each_record_of_a_cycle(
    link: SqlLinkStore, now: datetime
) -> None:
    base = an_entry(now, record="appointment", author="page", by="Zoë")
    add(
        link,
        replace(base, at=now - timedelta(days=9), ghl_id="old", field="start"),
        replace(base, ghl_id="made", action="create", field=""),
        replace(base, ghl_id="made", action="create", field="status", after="cancelled"),
        replace(base, ghl_id="moved", field="start"),
        replace(base, ghl_id="moved", field="end"),
        replace(base, ghl_id="called off", field="status", after="CANCELED"),
        replace(base, ghl_id="lost", field="start"),
        replace(base, ghl_id="lost", action="conflict", field="title"),
        replace(base, ghl_id="gone", action="remove", field=""),
        replace(base, ghl_id="gone", action="remove", field="status", after="cancelled"),
        replace(base, record="contact", action="create", field=""),
        replace(base, ghl_id="met", action="adopt", field=""),
        replace(base, ghl_id="met", field="title"),
    )
    events = link.events(now - timedelta(days=8))
    assert [(each.action, sorted(each.fields), each.cancels) for each in events] == [
        ("update", ["title"], False),
        ("remove", [], False),
        ("conflict", ["start", "title"], False),
        ("update", ["status"], True),
        ("update", ["end", "start"], False),
        ("create", [], False),
    ]
    assert link.history(limit=1)[0].by == "Zoë"


def test_trouble_is_told_of_cycles_that_nobody_stopped(link: SqlLinkStore, now: datetime) -> None:
    for number, (outcome, report) in enumerate(
        [("ok", {}), ("unreachable", {}), ("failed_writes", {"stopped": True}), ("guard", {})]
    ):
        at = now - timedelta(hours=30 - 10 * number)
        row = CycleRow(
            cycle=f"c{number}",
            kind="full",
            started_at=at,
            finished_at=at,
            outcome=outcome,
            report=report,
        )
        with link.begin() as transaction:
            transaction.save_cycle(row)
    assert [outcome for _, outcome in link.trouble(now - timedelta(hours=24))] == [
        "unreachable",
        "guard",
    ]


# --- transactions


def test_a_block_that_raises_leaves_nothing(
    link: SqlLinkStore, a_pair: Callable[..., Pair]
) -> None:
    with suppress(ZeroDivisionError), link.begin() as transaction:
        transaction.save_pairs([a_pair()])
        transaction.set_state("hubspot", "5")
        raise ZeroDivisionError
    assert link.count_pairs() == 0
    assert link.get_state("hubspot") == ""


def test_a_block_that_writes_nothing_asks_the_database_nothing(
    store: Store, link: SqlLinkStore
) -> None:
    statements: list[str] = []
    event.listen(
        store._database.engine,
        "before_cursor_execute",
        lambda _c, _k, statement, *_: statements.append(statement),
    )
    with link.begin() as transaction:
        transaction.save_pairs([])
        transaction.close_intents([])
        transaction.replace_holds([], judged=[])
        transaction.add_history([])
    assert statements == []


# --- intents


def test_an_intent_stands_until_its_outcome_is_known(link: SqlLinkStore, now: datetime) -> None:
    payload = {"start": "2026-03-02T09:00:00+00:00", "tries": [1, 2], "odd": "\x00\ud800"}
    first = Intent(key="i1", side=Side.GHL, kind=IntentKind.CREATE, created_at=now, payload=payload)
    second = Intent(key="i2", side=Side.HUBSPOT, kind=IntentKind.UPDATE, pair_key=4, created_at=now)
    with link.begin() as transaction:
        transaction.open_intents([first, second])
    assert link.intents() == [first, second]
    with link.begin() as transaction:
        transaction.close_intents(["i1"])
    assert link.intents() == [second]


def test_an_intent_that_is_opened_again_is_one(link: SqlLinkStore, now: datetime) -> None:
    intent = Intent(key="i1", side=Side.GHL, kind=IntentKind.REMOVE, created_at=now)
    later = replace(intent, payload={"again": True})
    for each in (intent, later):
        with link.begin() as transaction:
            transaction.open_intents([each])
    assert link.intents() == [later]


# --- contacts and cursors


def test_contacts_are_found_from_both_sides(link: SqlLinkStore) -> None:
    with link.begin() as transaction:
        transaction.save_contacts([ContactPair(ghl_id="c1", hubspot_id="k1")])
    assert link.contact_pairs(Side.GHL, ["c1", "c2"]) == {"c1": "k1"}
    assert link.contact_pairs(Side.HUBSPOT, ["k1"]) == {"k1": "c1"}


def test_what_was_known_of_either_contact_is_replaced(link: SqlLinkStore) -> None:
    with link.begin() as transaction:
        transaction.save_contacts(
            [
                ContactPair(ghl_id="c1", hubspot_id="k1"),
                ContactPair(ghl_id="c2", hubspot_id="k2"),
                ContactPair(ghl_id="c2", hubspot_id="k3"),
            ]
        )
    with link.begin() as transaction:
        transaction.save_contacts([ContactPair(ghl_id="c1", hubspot_id="k3")])
    assert link.contact_pairs(Side.GHL, ["c1", "c2"]) == {"c1": "k3"}
    assert link.contact_pairs(Side.HUBSPOT, ["k1", "k2", "k3"]) == {"k3": "c1"}


def test_a_cursor_moves(link: SqlLinkStore) -> None:
    for value in ("5", "7"):
        with link.begin() as transaction:
            transaction.set_state("hubspot", value)
            transaction.set_state("other", "x")
    assert (link.get_state("hubspot"), link.get_state("other")) == ("7", "x")


# --- holds


def test_a_hold_lasts_since_it_began(
    link: SqlLinkStore, standing_clock: StandingClock, now: datetime
) -> None:
    hold = Hold(
        ghl_id="g1",
        hubspot_id="h1",
        group="title",
        reason="conflict",
        detail="both sides changed it",
        values={"ghl": "A", "hubspot": "B"},
        fingerprint="f1",
        starts_at=now,
    )
    judge(link, [hold], ("g1", "h1"))
    standing_clock.tick(60)
    later = replace(hold, detail="still", attempts=2, retry_at=now + timedelta(hours=1))
    judge(link, [later], ("g1", "h1"))
    assert link.holds() == [replace(later, since=now)]


def test_judged_records_that_are_held_no_more_are_let_go(link: SqlLinkStore) -> None:
    conflict = Hold(ghl_id="g1", hubspot_id="h1", group="title", reason="conflict", detail="")
    slot = Hold(ghl_id="g1", hubspot_id="h1", group="time", reason="slot_taken", detail="")
    other = Hold(hubspot_id="h2", reason="no_contact", detail="")
    twin = Hold(ghl_id="g3", hubspot_id="h1", reason="possible_duplicate", detail="")
    judge(link, [conflict, slot, other, twin])
    judge(link, [slot], ("g1", "h1"))
    assert {hold.reason for hold in link.holds()} == {
        "slot_taken",
        "no_contact",
        "possible_duplicate",
    }
    judge(link, [], ("g1", "h1"), ("", "h2"), ("g3", "h1"))
    assert link.holds() == []


def test_the_longest_held_comes_first(link: SqlLinkStore, standing_clock: StandingClock) -> None:
    judge(link, [Hold(ghl_id="g2", reason="no_contact", detail="")])
    standing_clock.tick(60)
    judge(link, [Hold(ghl_id="g1", reason="no_contact", detail="")])
    assert [hold.ghl_id for hold in link.holds()] == ["g2", "g1"]


def test_holds_that_go_on_unchanged_write_no_row(store: Store, link: SqlLinkStore) -> None:
    hold = Hold(ghl_id="g1", reason="no_contact", detail="x")
    judge(link, [hold], ("g1", ""))
    written: list[str] = []
    event.listen(
        store._database.engine,
        "before_cursor_execute",
        lambda _c, _k, statement, *_: written.append(statement),
    )
    judge(link, [hold], ("g1", ""))
    assert not [each for each in written if " hold " in each and not each.startswith("SELECT")]


# --- history


def test_history_is_newest_first_and_asked_by_record_or_cycle(
    link: SqlLinkStore, now: datetime
) -> None:
    add(
        link,
        an_entry(now),
        an_entry(now, field="start", before=None, after="\x00", cycle="c2"),
        an_entry(now, ghl_id="g2", hubspot_id="h2", action="create", field=""),
    )
    everything = link.history()
    assert [entry.ghl_id for entry in everything] == ["g2", "g1", "g1"]
    assert all(entry.id > 0 for entry in everything)
    assert [entry.field for entry in link.history("g1")] == ["start", "title"]
    assert [entry.field for entry in link.history("h1", limit=1)] == ["start"]
    assert [entry.after for entry in link.history(cycle="c2")] == ["\x00"]
    assert link.history("g1", cycle="c1")[0] == replace(
        an_entry(now), id=link.history("g1", cycle="c1")[0].id
    )


def test_removals_of_a_while_count_once_each(link: SqlLinkStore, now: datetime) -> None:
    removed = an_entry(now, action="remove", field="status", before="confirmed", after="cancelled")
    add(
        link,
        replace(removed, at=now - timedelta(hours=25)),
        removed,
        replace(removed, field="title"),
        replace(removed, ghl_id="g2", hubspot_id="h2", field=""),
        an_entry(now),
    )
    assert link.removals_since(now - timedelta(hours=24)) == 2
    assert link.removals_since(now + timedelta(seconds=1)) == 0


def test_field_writes_to_some_pairs_of_a_while_come_oldest_first(
    link: SqlLinkStore, now: datetime
) -> None:
    add(
        link,
        an_entry(now - timedelta(hours=2), after="early"),
        an_entry(now, after="first"),
        an_entry(now, after="second", pair_key=2),
        an_entry(now, after="whole", field=""),
        an_entry(now, after="other", pair_key=3),
    )
    found = link.writes_since(now - timedelta(hours=1), [1, 2])
    assert [entry.after for entry in found] == ["first", "second"]
    assert link.writes_since(now, []) == []


def test_the_history_of_a_forgotten_pair_stays(
    link: SqlLinkStore, now: datetime, saved: Callable[..., list[Pair]], a_pair: Callable[..., Pair]
) -> None:
    (pair,) = saved(a_pair())
    add(link, an_entry(now, pair_key=pair.key))
    with link.begin() as transaction:
        transaction.drop_pairs([pair.key])
    assert len(link.history("g1")) == 1


# --- cycles and decisions


def test_the_last_cycles_come_newest_first(link: SqlLinkStore, now: datetime) -> None:
    rows = [
        CycleRow(
            cycle=f"c{number}",
            kind="full",
            started_at=now,
            finished_at=now + timedelta(seconds=number),
            outcome="ok",
            report={"pairs": number, "held": [{"ghl_id": None}]},
        )
        for number in range(3)
    ]
    for row in (*rows, rows[2]):
        with link.begin() as transaction:
            transaction.save_cycle(row)
    assert link.cycles(2) == [rows[2], rows[1]]


def test_a_decision_waits_until_a_cycle_has_carried_it_out(
    link: SqlLinkStore, now: datetime
) -> None:
    first = link.decide("retry", {"id": "g1"}, now)
    second = link.decide("kick", {}, now)
    assert [(each.id, each.kind) for each in link.decisions()] == [
        (first, "retry"),
        (second, "kick"),
    ]
    assert link.decisions()[0].payload == {"id": "g1"}
    with link.begin() as transaction:
        transaction.close_decisions([first])
    assert [each.id for each in link.decisions()] == [second]


def test_two_thousand_links_are_paused_and_resumed_at_once(store: Store, now: datetime) -> None:
    names = [f"clinic_{number:04}" for number in range(2000)]
    store.link(names[1]).decide("kick", {}, now)
    seen: list[dict[str, datetime]] = []

    def turn(*, pausing: bool) -> Switch:
        def check(paused: Mapping[str, datetime]) -> None:
            seen.append(dict(paused))

        return making.switch(now, pausing=pausing, author=("page", "Ana"), check=check)

    asked: list[str] = []
    event.listen(
        store._database.engine, "before_cursor_execute", lambda *given: asked.append(given[2])
    )
    store.switch([names[0]], turn(pausing=True), wakes=())
    asked.clear()
    changed = store.switch(names, turn(pausing=True), wakes=names)
    assert changed == {*names[1:]}
    # However many links there are.
    assert len(asked) < 12
    assert store.decided().paused == {*names}
    assert store.link(names[0]).decisions() == []
    kick, pause = store.link(names[1]).decisions()
    assert (kick.kind, pause.kind, pause.payload) == (
        "kick",
        "pause",
        {"author": "page", "by": "Ana"},
    )

    def object_to(paused: Mapping[str, datetime]) -> None:
        raise LookupError(len(paused))

    with pytest.raises(LookupError, match="2000"):
        store.switch(names, making.switch(now, pausing=False, check=object_to), wakes=names)
    assert len(store.decided().paused) == 2000
    assert store.switch(names, turn(pausing=False), wakes=names[:5]) == {*names}
    assert store.decided().paused == frozenset()
    assert [len(each) for each in seen] == [0, 1, 2000]


def test_the_status_of_every_link_is_read_at_once(
    store: Store, now: datetime, a_pair: Callable[..., Pair]
) -> None:
    keys: dict[str, list[int]] = {}
    for name, cycles in (("a", 12), ("b", 1), ("c", 0)):
        link = store.link(name)
        with link.begin() as transaction:
            saved = transaction.save_pairs([a_pair(number) for number in range(3)])
            keys[name] = [pair.key for pair in saved]
            transaction.set_state("paused", name)
            transaction.set_state("else", "x")
            look = looks.Look(at=now, through=keys[name][0], retired=0, others={})
            transaction.set_state(looks.LOOK, look.written())
            hold = Hold(ghl_id="g1", reason="no_contact", detail="x")
            transaction.replace_holds([hold], judged=[("g1", "")])
        for number in range(cycles):
            row = CycleRow(
                cycle=f"{name}{number}",
                kind="full",
                started_at=now,
                finished_at=now,
                outcome="ok",
                report={"pairs": number},
            )
            with link.begin() as transaction:
                transaction.save_cycle(row)
    store.link("d").decide("kick", {}, now)
    read = store.overview(["paused", looks.LOOK])
    for name in "abcd":
        link = store.link(name)
        one: StatusReader = read[name]
        assert one.cycles(60) == link.cycles(10)
        assert one.cycles(1) == link.cycles(1)
        assert one.holds() == link.holds()
        assert one.count_pairs() == link.count_pairs()
        assert one.get_state("paused") == link.get_state("paused")
        assert one.get_state("else") == ""
        assert store.overview([])[name].holds() == link.holds()
        if name in keys:
            assert one.count_later(keys[name][0]) == link.count_later(keys[name][0]) == 2
