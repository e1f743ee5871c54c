"""Short facts of a link, as rows: cursors, and contacts known to be one person.

`link_store` reads through these functions and `transaction` writes through
them; each takes a connection and the link's key.
"""

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, bindparam, cast, delete, null, select, union_all

from syncd.core.model import ContactPair, Side
from syncd.store import reads
from syncd.store.bulk import among, asking, upsert
from syncd.store.tables import contact, cursor, link
from syncd.store.types import Words

_ALL = union_all(
    select(cursor.c.name, cursor.c.value).where(cursor.c.link_id == bindparam("its_link")),
    select(null(), cast(link.c.living, Words)).where(link.c.id == bindparam("its_link")),
)


def read_cursor(connection: Connection, link_id: int, name: str) -> str:
    """The value of a state key, "" if it was never set."""
    return reads.state(asking(connection), link_id, name)


def read_all(connection: Connection, link_id: int) -> tuple[dict[str, str], int]:
    """All cursors of a link, and how many of its pairs live."""
    rows = connection.execute(_ALL, {"its_link": link_id}).all()
    living = [int(row.value) for row in rows if row.name is None]
    return {row.name: row.value for row in rows if row.name is not None}, sum(living)


def set_state(connection: Connection, link_id: int, name: str, value: str) -> None:
    """Move a cursor."""
    set_states(connection, link_id, {name: value})


def set_states(connection: Connection, link_id: int, values: Mapping[str, str]) -> None:
    """Move several cursors."""
    rows = [{"link_id": link_id, "name": name, "value": values[name]} for name in values]
    upsert(connection, cursor, rows, by=("link_id", "name"))


def contact_pairs(
    connection: Connection, link_id: int, side: Side, ids: Collection[str]
) -> Mapping[str, str]:
    """Known contacts: id on that side → id on the other side."""
    here, there = contact.c[f"{side}_id"], contact.c[f"{side.other}_id"]
    found = select(here, there).where(contact.c.link_id == link_id, among(connection, here, ids))
    return dict(connection.execute(found).all())


def save_contacts(connection: Connection, link_id: int, pairs: Iterable[ContactPair]) -> None:
    """Store contacts that are one person; earlier entries of either id are replaced."""
    by_ghl = {pair.ghl_id: pair for pair in pairs}
    by_both = {pair.hubspot_id: pair for pair in by_ghl.values()}
    kept = list(by_both.values())
    for side in Side:
        column = contact.c[f"{side}_id"]
        ids = {pair.ghl_id if side is Side.GHL else pair.hubspot_id for pair in kept}
        connection.execute(
            delete(contact).where(contact.c.link_id == link_id, among(connection, column, ids))
        )
    rows = [
        {"link_id": link_id, "ghl_id": pair.ghl_id, "hubspot_id": pair.hubspot_id} for pair in kept
    ]
    connection.execute(contact.insert(), rows)
