"""The reads of verbs, as SQL for both SQLite and PostgreSQL.

`link_store` asks over SQLAlchemy, which the daemon has loaded; `sqlite_reader`
asks the driver alone, for verbs that only read: importing SQLAlchemy costs
five times as much as such a verb (`bench/start.py`). Each function takes a
function that runs a query and, except the first, the link's key.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from syncd.core.model import Hold, Pair, Side
from syncd.core.serialize import read_pair
from syncd.ports.store import CycleRow, HistoryEntry
from syncd.store.escaping import readable, storable
from syncd.store.holder import Holder
from syncd.store.holder import read as read_holder

Ask = Callable[[str, Mapping[str, object]], Iterable[Sequence[Any]]]
"""Runs a statement with `:named` parameters; gives its rows as the driver has them."""

Read = Callable[[Any], Any]
"""From a driver's value to ours."""


def as_is(value: Any) -> Any:
    """Numbers, and texts that need no escapes."""
    return value


def as_text(stored: str | None) -> str | None:
    """A text of a vendor or a person."""
    return None if stored is None else readable(stored)


def as_json(stored: str | None) -> Any:
    """A JSON value."""
    return None if stored is None else json.loads(readable(stored))


def as_instant(stored: str | datetime | None) -> datetime | None:
    """An aware UTC instant: SQLite has it as text in UTC, PostgreSQL in the session's zone."""
    if stored is None:
        return None
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return stored.astimezone(UTC)


def instant(moment: datetime) -> str:
    """An aware instant as SQLite has it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


_HISTORY: Mapping[str, Read] = {
    "id": as_is,
    "at": as_instant,
    "cycle": as_is,
    "side": Side,
    "ghl_id": as_text,
    "hubspot_id": as_text,
    "action": as_is,
    "field": as_text,
    "before": as_text,
    "after": as_text,
    "why": as_text,
    "pair_key": as_is,
    "record": as_is,
    "title": as_text,
    "starts_at": as_instant,
    "author": as_is,
    "decided_by": as_text,
}

_CYCLE: Mapping[str, Read] = {
    "cycle": as_is,
    "kind": as_is,
    "started_at": as_instant,
    "finished_at": as_instant,
    "outcome": as_is,
    "report": as_json,
}

_STATE: Mapping[str, Read] = {"link_id": as_is, "name": as_is, "value": as_text}

_HOLD: Mapping[str, Read] = {
    "id": as_is,
    "ghl_id": as_text,
    "hubspot_id": as_text,
    "group_key": as_text,
    "reason": as_is,
    "detail": as_text,
    "since": as_instant,
    "attempts": as_is,
    "retry_at": as_instant,
    "fingerprint": as_is,
    "starts_at": as_instant,
    "title": as_text,
    "sides": as_json,
    "candidates": as_json,
}

_PAIR: Mapping[str, Read] = {
    "id": as_is,
    "ghl_id": as_text,
    "hubspot_id": as_text,
    "ghl": as_json,
    "hubspot": as_json,
    "version": as_is,
    "calendar": as_text,
    "series": as_json,
    "removal": as_json,
    "open_groups": as_json,
    "marked": bool,
    "unmarkable": bool,
    "owner_by_us": as_is,
}
"""In the order in which `read_pair` takes them."""


def find_link(ask: Ask, name: str) -> int | None:
    """The key of a link; None if nothing was ever written for it."""
    found: int | None = _value(ask("SELECT id FROM link WHERE name = :name", {"name": name}))
    return found


def state(ask: Ask, link_id: int, name: str) -> str:
    """The value of a state key, "" if it was never set."""
    found = ask(
        "SELECT value FROM cursor WHERE link_id = :link_id AND name = :name",
        {"link_id": link_id, "name": name},
    )
    return as_text(_value(found)) or ""


def count_pairs(ask: Ask, link_id: int) -> int:
    """How many pairs live, as `transaction` keeps count of them."""
    return int(_value(ask("SELECT living FROM link WHERE id = :id", {"id": link_id})) or 0)


def count_later(ask: Ask, link_id: int, key: int) -> int:
    """How many pairs with a higher key live."""
    # No index serves a sum: the few later keys are walked, not all pairs of the link.
    later = (
        "SELECT count(*) FROM pair WHERE id > :key AND link_id + 0 = :id "
        "AND NOT ghl_gone AND NOT hubspot_gone "
        "AND ghl_id IS NOT NULL AND hubspot_id IS NOT NULL"
    )
    return int(_value(ask(later, {"id": link_id, "key": key})) or 0)


def holder(ask: Ask, link_id: int) -> Holder | None:
    """The process that works, or worked, on the link."""
    found = _value(ask("SELECT holder FROM link WHERE id = :id", {"id": link_id}))
    return read_holder(as_json(found))


def holds(ask: Ask, link_id: int) -> list[tuple[int, Hold]]:
    """The holds, oldest first, each with its key."""
    found = _rows(ask, "hold", _HOLD, "link_id = :link_id ORDER BY since, id", link_id=link_id)
    return [(row.pop("id"), _hold(row)) for row in found]


def _hold(row: dict[str, Any]) -> Hold:
    return Hold(
        group=row.pop("group_key"),
        values=row.pop("sides"),
        candidates=tuple(row.pop("candidates") or ()),
        **row,
    )


def cycles(ask: Ask, link_id: int, limit: int, cycle: str = "") -> list[CycleRow]:
    """The last cycles, newest first; or the one of that id."""
    rest = "link_id = :link_id"
    values: dict[str, object] = {"link_id": link_id, "limit": limit}
    if cycle:
        rest += " AND cycle = :cycle"
        values["cycle"] = storable(cycle)
    rest += " ORDER BY id DESC LIMIT :limit"
    return [CycleRow(**row) for row in _rows(ask, "cycle", _CYCLE, rest, **values)]


def history(
    ask: Ask, link_id: int, record_id: str = "", cycle: str = "", limit: int = 0
) -> list[HistoryEntry]:
    """Newest first; of one record (id of either side), one cycle, or all."""
    rest = "link_id = :link_id"
    values: dict[str, object] = {"link_id": link_id}
    if record_id:
        rest += " AND (ghl_id = :record OR hubspot_id = :record)"
        values["record"] = storable(record_id)
    if cycle:
        rest += " AND cycle = :cycle"
        values["cycle"] = cycle
    rest += " ORDER BY at DESC, id DESC"
    if limit:
        rest += " LIMIT :limit"
        values["limit"] = limit
    found = _rows(ask, "history", _HISTORY, rest, **values)
    return [HistoryEntry(by=row.pop("decided_by"), **row) for row in found]


def pair_of(ask: Ask, link_id: int, side: Side, record_id: str) -> Pair | None:
    """The pair whose record on that side has this id."""
    rest = f"link_id = :link_id AND {side}_id = :record"
    found = _rows(ask, "pair", _PAIR, rest, link_id=link_id, record=storable(record_id))
    return next((read_pair(list(row.values())) for row in found), None)


def pairs_of_contact(ask: Ask, link_id: int, side: Side, contact: str) -> list[Pair]:
    """The pairs whose record on that side is for this contact, in the order of their making."""
    rest = f"link_id = :link_id AND {side}_contact = :contact ORDER BY id"
    found = _rows(ask, "pair", _PAIR, rest, link_id=link_id, contact=storable(contact))
    return [read_pair(list(row.values())) for row in found]


def contacts_made(ask: Ask, link_id: int, email: str) -> list[str]:
    """Ids, on both sides, of contacts that were made with this address, by the history."""
    found = ask(
        "SELECT ghl_id, hubspot_id FROM history WHERE link_id = :link_id AND record = 'contact' "
        "AND field = 'email' AND lower(after) = lower(:email)",
        {"link_id": link_id, "email": storable(email)},
    )
    return [*dict.fromkeys(readable(each) for row in found for each in row if each)]


# --- of every link at once


def every_link(ask: Ask) -> list[tuple[int, str, int]]:
    """Each link: its key, its name, and how many pairs live."""
    return [(key, name, living or 0) for key, name, living in ask(_LINKS, {})]


_LINKS = "SELECT id, name, living FROM link"


def every_state(ask: Ask, names: Sequence[str]) -> dict[int, dict[str, str]]:
    """The values of these state keys, by link."""
    if not names:
        return {}
    wanted = {f"name{place}": name for place, name in enumerate(names)}
    rest = f"name IN ({', '.join(f':{each}' for each in wanted)})"
    found: dict[int, dict[str, str]] = {}
    for row in _rows(ask, "cursor", _STATE, rest, **wanted):
        found.setdefault(row["link_id"], {})[row["name"]] = row["value"] or ""
    return found


def every_hold(ask: Ask) -> dict[int, list[Hold]]:
    """The holds by link, oldest first."""
    found: dict[int, list[Hold]] = {}
    for row in _rows(ask, "hold", {"link_id": as_is, **_HOLD}, "1 = 1 ORDER BY since, id"):
        del row["id"]
        found.setdefault(row.pop("link_id"), []).append(_hold(row))
    return found


def every_cycle(ask: Ask, limit: int) -> dict[int, list[CycleRow]]:
    """The last cycles of each link, newest first."""
    found: dict[int, list[CycleRow]] = {}
    columns, rest = {"link_id": as_is, **_CYCLE}, "1 = 1 ORDER BY id DESC"
    for row in _rows(ask, _LATELY, columns, rest, before=limit - 1):
        found.setdefault(row.pop("link_id"), []).append(CycleRow(**row))
    return found


_LATELY = """(
    WITH since AS (
        SELECT link.id AS link_key, (
            SELECT each.id FROM cycle AS each WHERE each.link_id = link.id
            ORDER BY each.id DESC LIMIT 1 OFFSET :before
        ) AS least
        FROM link
    )
    SELECT cycle.* FROM since
    JOIN cycle ON cycle.link_id = since.link_key AND cycle.id >= coalesce(since.least, 0)
) AS lately"""


def every_later_pair(ask: Ask, key: int) -> dict[int, list[int]]:
    """The keys of living pairs above this one, by link, in order."""
    found: dict[int, list[int]] = {}
    rest = (
        "id > :key AND NOT ghl_gone AND NOT hubspot_gone "
        "AND ghl_id IS NOT NULL AND hubspot_id IS NOT NULL ORDER BY id"
    )
    for row in _rows(ask, "pair", {"link_id": as_is, "id": as_is}, rest, key=key):
        found.setdefault(row["link_id"], []).append(row["id"])
    return found


def _rows(
    ask: Ask, table: str, columns: Mapping[str, Read], rest: str, **values: object
) -> Iterator[dict[str, Any]]:
    """The rows of a table that fit, by column, each value read."""
    found = ask(f"SELECT {', '.join(columns)} FROM {table} WHERE {rest}", values)  # noqa: S608 - our own words; values are parameters
    for row in found:
        yield {name: read(value) for (name, read), value in zip(columns.items(), row, strict=True)}


def _value(rows: Iterable[Sequence[Any]]) -> Any:
    """The first column of the first row; None if there is no row."""
    return next((row[0] for row in rows), None)
