"""Pairs as rows: searchable values in columns, the rest as JSON.

`link_store` reads through these functions and `transaction` writes through
them; each takes a connection and the link's key, and runs one statement.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy import Row as Result

from syncd.core.essence import agreed_fingerprint
from syncd.core.model import Appointment, Pair, Side, Window
from syncd.core.serialize import (
    read_pair,
    write_appointment,
    write_removal,
    write_series,
    write_wrote,
)
from syncd.errors import StoreError
from syncd.ports.store import PairedIds
from syncd.store.bulk import VALUES, Row, among, bare, many, new_keys, one_of, packed
from syncd.store.escaping import MARK, readable
from syncd.store.tables import pair as table

_SCAN_FROM = 1000
"""From so many ids on it is worth counting whether reading all of a link is cheaper."""

_LOOKUP_COSTS = 3
"""Looking one id up costs as much as passing over so many in the index (measured, SQLite)."""

_WHOLE = select(
    table.c.id,
    table.c.ghl_id,
    table.c.hubspot_id,
    table.c.ghl,
    table.c.hubspot,
    table.c.version,
    table.c.calendar,
    table.c.series,
    table.c.removal,
    table.c.open_groups,
    table.c.marked,
    table.c.unmarkable,
    table.c.owner_by_us,
)

_LINK = "its_link"
"""The parameter of the link's key, in statements that are built once."""

_OF_LINK = (table.c.link_id + 0) == bindparam(_LINK)
"""Whether a pair that is found by its key is the link's. No index serves a sum: SQLite would take
one of the link, and pass over all of its pairs, a hundred thousand for each commit."""

_CHANGE = update(table).where(
    table.c.id == bindparam("its_key"), table.c.link_id == bindparam(_LINK)
)
_INSERT = table.insert()


def prints(
    connection: Connection, link_id: int, side: Side, ids: Collection[str]
) -> Mapping[str, str]:
    """The agreed print by id; unknown ids are left out."""
    dialect = connection.dialect.name
    if not _all_is_cheaper(connection, link_id, len(ids)):
        asked = {_LINK: link_id, VALUES: packed(connection, ids)}
        return _by_name(bare(connection, _prints(dialect, side), asked))
    everything = _by_name(bare(connection, _all_prints(side), {_LINK: link_id}))
    wanted = _as_set(ids)
    for name in [name for name in everything if name not in wanted]:
        del everything[name]
    return everything


def _by_name(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values by id; escaped ids, which are very rare, are made readable."""
    found = dict(rows)
    if MARK in "".join(found):
        return {readable(name): held for name, held in found.items()}
    return found


@cache
def _all_prints(side: Side) -> Select[Any]:
    return select(_on(side, "id"), _on(side, "print")).where(
        table.c.link_id == bindparam(_LINK), _on(side, "id").is_not(None)
    )


@cache
def _prints(dialect: str, side: Side) -> Select[Any]:
    return _all_prints(side).where(one_of(dialect, _on(side, "id")))


def by_id(connection: Connection, link_id: int, side: Side, ids: Collection[str]) -> list[Pair]:
    """Pairs whose record on that side has one of these ids."""
    found = _whole_by(connection.dialect.name, _on(side, "id"))
    return _read(connection, found, {_LINK: link_id, VALUES: packed(connection, ids)})


def by_key(connection: Connection, link_id: int, keys: Collection[int]) -> list[Pair]:
    """Pairs by their key."""
    found = _whole_by(connection.dialect.name, table.c.id)
    return _read(connection, found, {_LINK: link_id, VALUES: packed(connection, keys)})


def at(
    connection: Connection, link_id: int, side: Side, spots: Collection[tuple[str, datetime]]
) -> list[Pair]:
    """Pairs whose record there is for one of these (contact, start); gone ones left out."""
    contact = _on(side, "contact")
    found = _WHOLE.where(
        table.c.link_id == link_id,
        among(connection, contact, {contact_id for contact_id, _ in spots}),
        _on(side, "gone") == false(),
    )
    wanted = set(spots)
    return [
        each
        for each in _read(connection, found)
        if (shown := each.shown_on(side)).start is not None
        and (shown.contact, shown.start) in wanted
    ]


def of_contacts(
    connection: Connection, link_id: int, side: Side, contacts: Collection[str]
) -> list[Pair]:
    """Pairs whose record there is for one of these contacts; gone ones left out."""
    found = _WHOLE.where(
        table.c.link_id == link_id,
        among(connection, _on(side, "contact"), contacts),
        _on(side, "gone") == false(),
    )
    return _read(connection, found)


def missing_from_scan(
    connection: Connection, link_id: int, side: Side, window: Window, shown: Collection[str]
) -> list[int]:
    """Keys of the pairs that start in the window and are not gone, but are not among the shown."""
    values = {_LINK: link_id, "since": window.since, "until": window.until}
    # Every id that is expected is looked up in the shown, here: giving the database what was
    # shown costs as many values, each of them three times as much, and its planner a guess.
    expected = dict(bare(connection, _expected(side), values))
    names = _as_set(shown)
    # The rest may contain escaped ids too, so these few are made readable.
    left = expected.keys() - names
    return sorted(expected[each] for each in left if readable(each) not in names)


def _as_set(names: Collection[str]) -> AbstractSet[str]:
    """A set for look-ups; an existing set, or a mapping's keys, is not copied."""
    return names if isinstance(names, AbstractSet) else frozenset(names)


@cache
def _expected(side: Side) -> Select[Any]:
    record, start = _on(side, "id"), _on(side, "start")
    return select(record, table.c.id).where(
        table.c.link_id == bindparam(_LINK),
        _on(side, "gone") == false(),
        start.between(bindparam("since"), bindparam("until")),
        record.is_not(None),
    )


def rotation(connection: Connection, link_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """The next (key, HubSpot id) after a key; gone ones left out."""
    turn = (
        select(table.c.id, table.c.hubspot_id)
        .where(
            table.c.link_id == link_id,
            table.c.hubspot_gone == false(),
            table.c.id > after,
            table.c.hubspot_id.is_not(None),
        )
        .order_by(table.c.id)
        .limit(limit)
    )
    return list(connection.execute(turn))


def paired_ids(connection: Connection, link_id: int, after: int, limit: int) -> list[PairedIds]:
    """The next pairs in key order after a key, without what was agreed of them."""
    found = (
        select(
            table.c.id,
            func.coalesce(table.c.ghl_id, ""),
            func.coalesce(table.c.hubspot_id, ""),
            table.c.ghl_contact,
            table.c.hubspot_contact,
            table.c.ghl_gone,
            table.c.hubspot_gone,
        )
        .where(table.c.link_id == link_id, table.c.id > after)
        .order_by(table.c.id)
        .limit(limit)
    )
    return [PairedIds(*row) for row in connection.execute(found)]


def retired(connection: Connection, link_id: int, window: Window) -> tuple[int, int]:
    """How many living pairs start outside the window on both sides, and the highest key."""
    inside = or_(
        table.c.ghl_start.between(window.since, window.until),
        table.c.hubspot_start.between(window.since, window.until),
    )
    # A pair without any start is read like one in the window.
    without = and_(table.c.ghl_start.is_(None), table.c.hubspot_start.is_(None))
    outside = and_(*_alive(), not_(func.coalesce(inside, false())), not_(without))
    counted = select(func.count(case((outside, 1))), func.max(table.c.id)).where(
        table.c.link_id == link_id
    )
    number, newest = connection.execute(counted).one()
    return number, newest or 0


def _alive() -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.hubspot_gone == false(),
        table.c.ghl_gone == false(),
        table.c.hubspot_id.is_not(None),
        table.c.ghl_id.is_not(None),
    )


# --- writing


def with_keys(connection: Connection, pairs: Iterable[Pair]) -> list[Pair]:
    """The same pairs, those without a key given one."""
    given = list(pairs)
    missing = sum(1 for each in given if not each.key)
    keys = iter(new_keys(connection, table, missing) if missing else ())
    return [each if each.key else replace(each, key=next(keys)) for each in given]


def insert(connection: Connection, link_id: int, pairs: Sequence[Pair], now: datetime) -> int:
    """Write new pairs, under the keys that they were given; gives how many more live now."""
    _release(connection, link_id, pairs)
    rows = [{"id": each.key, "link_id": link_id, **_row(each, now)} for each in pairs]
    many(connection, _INSERT, rows)
    return _living(pairs)


def change(connection: Connection, link_id: int, pairs: Sequence[Pair], now: datetime) -> int:
    """Write what known pairs have become; gives how many more live now.

    Raises:
        StoreError: one of them is not there any more.
    """
    asked = {_LINK: link_id, VALUES: packed(connection, [each.key for each in pairs])}
    standing = {
        row.id: row for row in connection.execute(_standing(connection.dialect.name), asked)
    }
    _release(connection, link_id, [each for each in pairs if _moves(each, standing.get(each.key))])
    before = sum(1 for row in standing.values() if row.living)
    rows = [{"its_key": each.key, _LINK: link_id, **_row(each, now)} for each in pairs]
    changed = many(connection, _CHANGE, rows)
    if changed != len(pairs):
        raise StoreError(
            f"{len(pairs) - changed} pairs are no longer in the store: something else wrote to "
            "it meanwhile; run again, and `syncd rebuild` if this comes back"
        )
    return _living(pairs) - before


def drop(connection: Connection, link_id: int, keys: Collection[int]) -> int:
    """Forget pairs; gives how many more live now, a number below zero."""
    before = living(connection, link_id, keys)
    connection.execute(
        delete(table).where(_OF_LINK, among(connection, table.c.id, keys)), {_LINK: link_id}
    )
    return -before


def living(connection: Connection, link_id: int, keys: Collection[int]) -> int:
    """How many of these pairs live: both records known and not gone."""
    asked = {_LINK: link_id, VALUES: packed(connection, keys)}
    return sum(
        1 for row in connection.execute(_standing(connection.dialect.name), asked) if row.living
    )


@cache
def _standing(dialect: str) -> Select[Any]:
    """Which records some pairs have, and whether both live."""
    alive = and_(*_alive()).label("living")
    return select(table.c.id, table.c.ghl_id, table.c.hubspot_id, alive).where(
        _OF_LINK, one_of(dialect, table.c.id)
    )


def _moves(pair: Pair, standing: Result[Any] | None) -> bool:
    """Whether a pair has other records than in the store."""
    return standing is None or (standing.ghl_id or "", standing.hubspot_id or "") != (
        pair.ghl_id,
        pair.hubspot_id,
    )


def _living(pairs: Sequence[Pair]) -> int:
    return sum(
        1
        for each in pairs
        if each.ghl_id and each.hubspot_id and not (each.removal and each.removal.gone)
    )


def _release(connection: Connection, link_id: int, pairs: Sequence[Pair]) -> None:
    """Let records change hands among these pairs: who gives one up does so before it is taken.

    Raises:
        StoreError: a record is claimed that a pair outside of these has.
    """
    ours = {each.key for each in pairs}
    for side in Side:
        claims = {each.id_on(side): each.key for each in pairs if each.id_on(side)}
        if not claims:
            continue
        record = _on(side, "id")
        standing = connection.execute(
            _claimed(connection.dialect.name, side),
            {_LINK: link_id, VALUES: packed(connection, claims)},
        )
        losing = {key: name for name, key in standing if claims.get(name) != key}
        if not losing:
            continue
        if strange := set(losing) - ours:
            raise StoreError(
                f"{side} record {losing[min(strange)]} would belong to two pairs: run again, and "
                "`syncd rebuild` if this comes back"
            )
        freed = update(table).where(among(connection, table.c.id, losing)).values({record: None})
        connection.execute(freed)


@cache
def _claimed(dialect: str, side: Side) -> Select[Any]:
    record = _on(side, "id")
    return select(record, table.c.id).where(
        table.c.link_id == bindparam(_LINK), one_of(dialect, record)
    )


def _row(pair: Pair, now: datetime) -> Row:
    return {
        "ghl_id": pair.ghl_id or None,
        "hubspot_id": pair.hubspot_id or None,
        "ghl": write_appointment(pair.ghl) | write_wrote(pair.wrote_ghl),
        "hubspot": write_appointment(pair.hubspot) | write_wrote(pair.wrote_hubspot),
        **_drawn(pair, Side.GHL, pair.ghl),
        **_drawn(pair, Side.HUBSPOT, pair.hubspot),
        "version": pair.version,
        "calendar": pair.calendar,
        "series": write_series(pair.series),
        "removal": write_removal(pair.removal),
        "open_groups": sorted(pair.open) or None,
        "marked": pair.has_external_id,
        "unmarkable": pair.external_id_taken,
        "owner_by_us": pair.owner_by_us.value if pair.owner_by_us else None,
        "saved_at": now,
    }


def _drawn(pair: Pair, side: Side, shown: Appointment) -> Row:
    """The searchable columns of one side."""
    return {
        f"{side}_print": agreed_fingerprint(pair, side),
        f"{side}_start": shown.start,
        f"{side}_contact": shown.contact,
        f"{side}_gone": pair.gone_on(side),
    }


# --- reading


def _on(side: Side, name: str) -> Column[Any]:
    return table.c[f"{side}_{name}"]


def _all_is_cheaper(connection: Connection, link_id: int, asked: int) -> bool:
    if asked < _SCAN_FROM:
        return False
    # No more is counted than it takes to know.
    limit = asked * _LOOKUP_COSTS
    of_link = select(table.c.id).where(table.c.link_id == link_id).limit(limit).subquery()
    return connection.execute(select(func.count()).select_from(of_link)).scalar_one() < limit


@cache
def _whole_by(dialect: str, column: Column[Any]) -> Select[Any]:
    ours = _OF_LINK if column is table.c.id else table.c.link_id == bindparam(_LINK)
    return _WHOLE.where(ours, one_of(dialect, column))


def _read(
    connection: Connection, found: Select[Any], values: Mapping[str, object] | None = None
) -> list[Pair]:
    return [read_pair(row) for row in connection.execute(found, values)]
