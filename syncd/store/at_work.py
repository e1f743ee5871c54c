"""Who holds a link of a store that is about to be migrated, and could not go on with it.

`migrate` asks. Before migration 0004 a link's holder was known by a lock: on
PostgreSQL a session's advisory lock, beside SQLite a file of its own.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, text

from syncd.errors import LinkLocked
from syncd.store.errors import explained
from syncd.store.file_leases import is_locked
from syncd.store.holder import read
from syncd.store.types import Json

_MEMBERS_SINCE = "0004"

_SPACE = 0x73796E63
"""The first half of the old advisory locks' keys; the second is the link's key."""

_OLD = text(
    """
    SELECT name FROM link JOIN pg_locks ON objid = link.id AND classid = :space
    JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND granted AND datname = current_database()
    ORDER BY name LIMIT 1
    """
)

_LEASED = text(
    """
    SELECT name, holder FROM link
    WHERE lease_until BETWEEN clock_timestamp() AND clock_timestamp() + interval '30 seconds'
    ORDER BY name
    """
).columns(holder=Json)
"""Those of a process whose connection broke, and with it the lock: it goes on until they end."""

_TOO_OLD = text(
    """
    SELECT link.name FROM link JOIN member ON member.id = link.owner
    WHERE member.lease_until > clock_timestamp() AND member.schema < :reader
    ORDER BY link.name LIMIT 1
    """
)


_ANY = text(
    """
    SELECT link.name FROM link JOIN member ON member.id = link.owner
    WHERE member.lease_until > clock_timestamp() ORDER BY link.name LIMIT 1
    """
)


def refuse_at_work(connection: Connection, found: str, reader: str) -> None:
    """Refuse to migrate from `found` under a process that is older than migration `reader`.

    Raises:
        LinkLocked: such a process holds a link.
    """
    if connection.dialect.name == "sqlite":
        if found < _MEMBERS_SINCE:
            _refuse_files(Path(str(connection.engine.url.database)))
        return
    if found < _MEMBERS_SINCE:
        name = connection.execute(_OLD, {"space": _SPACE}).scalar() or _leased(connection)
        if name is not None:
            raise LinkLocked(name, "an older version: stop every process, then upgrade")
    else:
        row = connection.execute(_TOO_OLD, {"reader": reader}).first()
        if row is not None:
            raise LinkLocked(row.name, "an older version: stop every process, then upgrade")


def refuse_at_all(engine: Engine) -> None:
    """Refuse to go on while any process holds a link of a PostgreSQL store.

    Raises:
        LinkLocked: one does.
        StoreError: the store cannot be read.
    """
    with explained(engine.url), engine.connect() as connection:
        row = connection.execute(_ANY).first()
    if row is not None:
        raise LinkLocked(row.name, "stop every process, then upgrade")


def _leased(connection: Connection) -> str | None:
    """A link whose lease lasts, unless its holder is known to be dead."""
    for row in connection.execute(_LEASED):
        found = read(row.holder)
        if found is not None and not found.is_dead:
            return str(row.name)
    return None


def _refuse_files(store: Path) -> None:
    """Refuse beside an old program's lock; files that nobody holds any more are cleared away."""
    old = list(store.parent.glob(f"{store.name}.*.lock"))
    for path in old:
        if is_locked(path):
            name = path.name.removeprefix(f"{store.name}.").removesuffix(".lock")
            raise LinkLocked(name, "an older version: stop it, then run again")
    for path in old:
        path.unlink(missing_ok=True)
