"""What the vendors announced, on both databases: stored once, looked at, closed."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import text
from stores import StandingClock

from syncd.core.model import Side
from syncd.errors import StoreInterrupted
from syncd.ports.announcements import (
    Announced,
    Delivered,
    Way,
)
from syncd.store import Store
from syncd.store import announcements as rows
from syncd.store import engine as engines

RECORD, CONTACT, LINK, FULL = Announced


def delivered(record: str = "g1", *, link: str = "clinic", **more: object) -> Delivered:
    given = {"side": Side.GHL, "what": Announced.RECORD, "record": record} | more
    return Delivered(link=link, **given)  # type: ignore[arg-type] # a test names real fields


def whole(what: Announced = Announced.LINK, **more: object) -> Delivered:
    return delivered("", **{"what": what} | more)  # type: ignore[arg-type] # as above


def waiting(store: Store, link: str = "clinic") -> list[tuple[str, str, str]]:
    found = store.link(link).announcements()
    return [(each.side.value, each.what.value, each.record) for each in found]


def close(store: Store, keys: Iterable[int], link: str = "clinic") -> None:
    with store.link(link).begin() as transaction:
        transaction.close_announcements(list(keys))


def test_it_waits_until_a_cycle_has_looked(store: Store, standing_clock: StandingClock) -> None:
    before = standing_clock.now() - timedelta(seconds=2)
    store.inbox.announce([delivered(occurred_at=before)])
    (found,) = store.link("clinic").announcements()
    assert (found.side, found.what, found.record) == (Side.GHL, RECORD, "g1")
    assert (found.received_at, found.occurred_at) == (standing_clock.now(), before)
    close(store, [found.key])
    assert waiting(store) == []


def test_one_that_comes_while_a_cycle_works_is_not_closed_by_it(store: Store) -> None:
    store.inbox.announce([delivered()])
    (given,) = store.link("clinic").announcements()
    store.inbox.announce([delivered()])
    close(store, [given.key])
    (left,) = store.link("clinic").announcements()
    assert left.key > given.key


def test_a_number_is_never_given_twice(store: Store) -> None:
    store.inbox.announce([delivered()])
    (given,) = store.link("clinic").announcements()
    close(store, [given.key])
    store.inbox.announce([delivered()])
    close(store, [given.key])
    assert waiting(store) == [("ghl", "record", "g1")]


def test_many_of_one_record_are_one(store: Store) -> None:
    for _ in range(3):
        store.inbox.announce([delivered(), delivered(), delivered(side=Side.HUBSPOT)])
    assert sorted(waiting(store)) == [("ghl", "record", "g1"), ("hubspot", "record", "g1")]


def test_a_delivery_counts_once_for_each_link(store: Store) -> None:
    twice = [delivered(delivery="d"), delivered(delivery="d", link="praxis")]
    assert store.inbox.announce(twice).links == {"clinic", "praxis"}
    close(store, [each.key for each in store.link("clinic").announcements()])
    again = store.inbox.announce([*twice, delivered("g2", delivery="e")])
    assert (again.links, again.repeated) == (frozenset({"clinic"}), 2)
    assert waiting(store) == [("ghl", "record", "g2")]


def test_one_delivery_may_name_several_records(store: Store) -> None:
    store.inbox.announce([delivered("a", delivery="d"), delivered("b", delivery="d")])
    assert [record for _, _, record in waiting(store)] == ["a", "b"]


def test_what_has_no_id_is_never_a_repetition(store: Store) -> None:
    for _ in range(2):
        assert store.inbox.announce([whole(way=Way.HOOK)]).links == {"clinic"}
    assert waiting(store) == [("ghl", "link", "")]


def test_more_than_fifty_become_the_whole_link(store: Store) -> None:
    store.inbox.announce([delivered(str(n)) for n in range(50)])
    assert len(waiting(store)) == 50
    store.inbox.announce([delivered("k", what=CONTACT)])
    assert waiting(store) == [("ghl", "link", "")]
    store.inbox.announce([delivered(str(n), side=Side.HUBSPOT) for n in range(500)])
    assert waiting(store) == [("ghl", "link", ""), ("hubspot", "link", "")]


def test_a_full_cycle_that_was_asked_for_stays_asked_for(store: Store) -> None:
    store.inbox.announce([whole(FULL)])
    store.inbox.announce([delivered(str(n)) for n in range(51)])
    assert sorted(waiting(store)) == [("ghl", "full", ""), ("ghl", "link", "")]


def test_the_whole_link_is_announced_as_its_records_were(store: Store) -> None:
    store.inbox.announce([delivered(str(n), way=Way.HOOK) for n in range(50)])
    store.inbox.announce([delivered("app")])
    (found,) = store.link("clinic").announcements()
    assert found.way is Way.APP


def test_one_statement_says_what_waits_of_all_links(store: Store) -> None:
    store.inbox.announce([delivered(link="a"), delivered("g2", link="a"), delivered(link="b")])
    keys = {name: store.link(name).announcements()[-1].key for name in ("a", "b")}
    close(store, [keys["b"]], "b")
    assert store.decided().announced == {"a": keys["a"]}


def test_deliveries_are_forgotten_after_a_month(
    store: Store, standing_clock: StandingClock
) -> None:
    store.inbox.announce([delivered(delivery="old")])
    standing_clock.tick(30 * 86_400)
    store.inbox.announce([delivered(delivery="new")])
    store.prune("clinic", standing_clock.now())
    assert store.inbox.announce([delivered(delivery="old")]).repeated == 1
    standing_clock.tick(2 * 86_400)
    store.prune("clinic", standing_clock.now())
    assert store.inbox.announce([delivered(delivery="old")]).repeated == 0
    assert store.inbox.announce([delivered(delivery="new")]).repeated == 1


def test_the_newest_deliveries_are_remembered_where_there_are_too_many(
    store: Store, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_DELIVERIES", 1_100)
    for hundred in range(25):
        standing_clock.tick(1)
        store.inbox.announce([delivered(delivery=f"{hundred} {n}") for n in range(100)])
    with store._database.engine.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM delivery")).scalar_one()
    assert left <= 1_100
    assert store.inbox.announce([delivered(delivery="24 99")]).repeated == 1


def test_a_locked_file_is_not_waited_for(
    sqlite_store_url: str, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BRISK_SECONDS", 0.05)
    store = Store(engines.open_engine(sqlite_store_url), standing_clock)
    store.inbox.announce([delivered("g1")])
    with store._database.engine.connect() as other:
        other.exec_driver_sql("SELECT 1")  # It begins, and takes the lock.
        with pytest.raises(StoreInterrupted):
            store.inbox.announce([delivered("g2")])
    store.inbox.announce([delivered("g3")])
    assert [record for _, _, record in waiting(store)] == ["g1", "g3"]
    store.close()
