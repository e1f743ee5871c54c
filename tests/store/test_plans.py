"""No question of a cycle is answered by reading a whole table, on either database."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event
from stores import StandingClock

from syncd.core.model import ContactPair, Pair, Side, Window
from syncd.ports.store import HistoryEntry
from syncd.store import Store
from syncd.store.link_store import SqlLinkStore

BIG = {"pair", "history", "contact"}
"""Tables that grow with the appointments."""


@pytest.fixture
def now(standing_clock: StandingClock) -> datetime:
    return standing_clock.now()


@pytest.fixture(params=["with statistics", "without"])
def filled(
    request: pytest.FixtureRequest, store: Store, a_pair: Callable[..., Pair], now: datetime
) -> SqlLinkStore:
    """Twenty links, of which one is asked; SQLite gathers statistics only when it is told to."""
    for name in (*(f"other{number}" for number in range(19)), "clinic"):
        with store.link(name).begin() as writing:
            saved = writing.save_pairs(a_pair(number) for number in range(100))
            writing.save_contacts(
                ContactPair(ghl_id=f"c{number}", hubspot_id=f"k{number}") for number in range(100)
            )
            writing.add_history(an_entry(now, pair) for pair in saved)
    if request.param == "with statistics":
        with store._database.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    store.link("clinic").count_pairs()
    return store.link("clinic")


def an_entry(at: datetime, pair: Pair) -> HistoryEntry:
    return HistoryEntry(
        at=at,
        cycle="c1",
        side=Side.GHL,
        ghl_id=pair.ghl_id,
        hubspot_id=pair.hubspot_id,
        action="remove" if pair.key % 50 == 0 else "update",
        field="title",
        pair_key=pair.key,
    )


@pytest.fixture
def asked(store: Store, filled: SqlLinkStore) -> list[tuple[str, Any]]:
    """Every statement that is sent from here on, with its values."""
    del filled
    statements: list[tuple[str, Any]] = []

    def note(_c: Connection, _k: object, statement: str, values: object, *_: object) -> None:
        if not statement.startswith("EXPLAIN"):
            statements.append((statement, values))

    event.listen(store._database.engine, "before_cursor_execute", note)
    return statements


def plans(store: Store, asked: list[tuple[str, Any]]) -> list[str]:
    """How the database goes about each statement, a word per table that it reads whole."""
    found = []
    for statement, values in list(asked):
        if not statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
            continue
        first = values[0] if isinstance(values, list) else values
        with store._database.engine.connect() as connection:
            if store._database.is_sqlite:
                found += _read_whole_by_sqlite(connection, statement, first)
            else:
                found += _read_whole_by_postgres(connection, statement, first)
    return found


def _read_whole_by_sqlite(connection: Connection, statement: str, values: Any) -> list[str]:
    steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    return [
        f"{row.detail}: {statement}"
        for row in steps
        if (row.detail.startswith("SCAN") and row.detail.split()[1] in BIG)
        # All pairs of a link passed over, for want of a better index.
        or (row.detail.startswith("SEARCH pair USING INDEX") and row.detail.endswith("(link_id=?)"))
    ]


def _read_whole_by_postgres(connection: Connection, statement: str, values: Any) -> list[str]:
    # With so few rows it would rather read a table whole; now it does so only where it must.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    told = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
    tree = told if isinstance(told, list) else json.loads(told)
    return [
        f"{node['Node Type']} of {node['Relation Name']}: {statement}"
        for node in _nodes(tree[0]["Plan"])
        if node.get("Relation Name") in BIG
        and node["Node Type"] not in {"ModifyTable", "Bitmap Heap Scan"}
        and "link_id" not in node.get("Index Cond", "")
        and "id = " not in node.get("Index Cond", "")
    ]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def window(now: datetime) -> Window:
    return Window(since=now, until=now + timedelta(hours=9))


READS: dict[str, Callable[[SqlLinkStore, datetime], object]] = {
    "prints": lambda link, _: link.prints(Side.GHL, ["g1", "g2"]),
    "prints across": lambda link, _: link.prints(Side.HUBSPOT, ["h1", "h2"]),
    "prints of all": lambda link, _: link.prints(Side.GHL, [f"g{n}" for n in range(5000)]),
    "pairs by id": lambda link, _: link.pairs_by_id(Side.GHL, ["g1", "g2"]),
    "pairs by id across": lambda link, _: link.pairs_by_id(Side.HUBSPOT, ["h1", "h2"]),
    "pairs by key": lambda link, _: link.pairs_by_key([1901, 1902]),
    "unshown": lambda link, now: link.missing_from_scan(Side.GHL, window(now), ["g1", "g2"]),
    "unshown across": lambda link, now: link.missing_from_scan(
        Side.HUBSPOT, window(now), ["h1", "h2"]
    ),
    "pairs at": lambda link, now: link.pairs_at(Side.GHL, [("c1", now)]),
    "pairs at across": lambda link, now: link.pairs_at(Side.HUBSPOT, [("k1", now)]),
    "count": lambda link, _: link.count_pairs(),
    "rotation": lambda link, _: link.rotation(0, 10),
    "contacts": lambda link, _: link.contact_pairs(Side.GHL, ["c1"]),
    "contacts across": lambda link, _: link.contact_pairs(Side.HUBSPOT, ["k1"]),
    "removals": lambda link, now: link.removals_since(now - timedelta(days=1)),
    "writes": lambda link, now: link.writes_since(now - timedelta(hours=1), [1901, 1902]),
    "history of a record": lambda link, _: link.history("g1"),
    "history of a cycle": lambda link, _: link.history(cycle="c1"),
    "the last of the history": lambda link, _: link.history(limit=5),
}


def test_a_question_of_a_cycle_reads_no_table_whole(
    store: Store, asked: list[tuple[str, Any]], now: datetime
) -> None:
    whole = {}
    for name, read in READS.items():
        asked.clear()
        read(store.link("clinic"), now)
        assert any(table in statement for statement, _ in asked for table in {*BIG, "link"}), name
        whole[name] = plans(store, asked)
    assert {name: found for name, found in whole.items() if found} == {}


def test_a_whole_table_that_is_read_would_be_noticed(
    store: Store, asked: list[tuple[str, Any]]
) -> None:
    with store._database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM pair WHERE calendar = 'cal-1'")
    assert len(plans(store, asked)) == 1


def test_writing_pairs_reads_no_table_whole(
    store: Store, asked: list[tuple[str, Any]], a_pair: Callable[..., Pair]
) -> None:
    link = store.link("clinic")
    known = link.pairs_by_id(Side.GHL, ["g1", "g2"])
    with link.begin() as transaction:
        transaction.save_pairs([*known, a_pair(1000)])
        transaction.save_contacts([ContactPair(ghl_id="c1", hubspot_id="k9")])
        transaction.drop_pairs([known[0].key])
    assert plans(store, asked) == []


def test_forgetting_what_is_old_reads_no_table_whole(
    store: Store, asked: list[tuple[str, Any]], now: datetime
) -> None:
    store.prune("clinic", now - timedelta(days=400))
    assert plans(store, asked) == []


def test_a_question_costs_the_same_number_of_statements_at_any_size(
    store: Store, asked: list[tuple[str, Any]], now: datetime
) -> None:
    counts = []
    for size in (1, 50, 900):
        asked.clear()
        link = store.link("clinic")
        link.prints(Side.GHL, [f"g{number}" for number in range(size)])
        link.pairs_by_id(Side.GHL, [f"g{number}" for number in range(size)])
        link.pairs_at(Side.GHL, [(f"c{number}", now) for number in range(size)])
        with link.begin() as transaction:
            transaction.save_pairs(link.pairs_by_id(Side.GHL, [f"g{n}" for n in range(size)]))
        counts.append(len(asked))
    assert len(set(counts)) == 1, counts
