"""The place in HubSpot's Webhooks Journal, who reads it, and the subscriptions that syncd made.

One process reads an app's journal: it holds a lease with a fencing number, which every
commit compares. It says which process it is, so that one that was killed holds
nothing. The place moves only in the transaction that stores its last events.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from syncd.ports.announcements import Delivered, Stored
from syncd.ports.store import JournalState
from syncd.store import holder
from syncd.store.across import write_notes
from syncd.store.announcements import Inbox
from syncd.store.bulk import upsert
from syncd.store.database import Database
from syncd.store.tables import cursor
from syncd.store.tables import journal as table
from syncd.store.tables import journal_subscription as subscription

ACCOUNT = "hubspot_account"
"""The cursor of a link that names its HubSpot account, as far as it is known."""

LONGEST_LEASE = timedelta(minutes=10)
"""A lease that ends later is a clock's error, and counts as ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far an app's journal is read, and the fencing number of who reads it."""

    app: str
    reader: str
    fence: int
    offset: str
    """The last file whose events are stored; "" before the first."""
    read_until: datetime | None
    """When the journal was read last: what it had told by then is stored (UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription, or that an account refuses it."""

    account: str
    kind: str
    key: str
    """The vendor's id of it; "" where it was refused."""
    made: bool
    """Whether syncd made it: only such a one is ever taken away."""
    digest: str
    """Of what was asked for."""
    refusal: str
    asked_at: datetime


def reader_name(now: datetime) -> str:
    """A name for a reader in this process, which tells others whether the process lives."""
    return json.dumps({"id": uuid4().hex, **holder.write(holder.this_process("run", now))})


def _is_dead(reader: str) -> bool:
    """Whether the process of a reader is known to be gone."""
    try:
        process = holder.read(json.loads(reader))
    except (ValueError, AttributeError):
        return False  # The name that an older version gave itself.
    return process is not None and process.is_dead


class SqlJournal:
    """The journals of all apps; every method is one short transaction."""

    def __init__(self, database: Database, inbox: Inbox) -> None:
        self._database, self._inbox = database, inbox

    def take(self, app: str, reader: str, seconds: float) -> Place | None:
        """Become, or go on being, the reader for so many seconds; None while another one is.

        One whose process is known to be dead holds nothing.

        Raises:
            StoreError: the store cannot be used.
        """

        def act(connection: Connection) -> Place | None:
            now = self._database.clock.now()
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            connection.execute(dialect.insert(table).values(app=app).on_conflict_do_nothing())
            row = connection.execute(select(table).where(table.c.app == app)).one()
            mine = row.reader == reader
            held = (
                row.lease_until is not None
                and timedelta(0) < row.lease_until - now <= LONGEST_LEASE
            )
            if held and not mine and not _is_dead(row.reader):
                return None
            fence = row.fence if mine else row.fence + 1
            taken = connection.execute(
                update(table)
                .where(table.c.app == app, table.c.fence == row.fence, table.c.reader == row.reader)
                .values(reader=reader, fence=fence, lease_until=now + timedelta(seconds=seconds))
            )
            if taken.rowcount != 1:
                return None
            return Place(
                app=app,
                reader=reader,
                fence=fence,
                offset=row.place,
                read_until=row.read_until,
            )

        return self._database.write(act)

    def release(self, place: Place) -> None:
        """Let another process read at once.

        Raises:
            StoreError: the store cannot be used.
        """
        self._database.write(
            lambda at: at.execute(update(table).where(*_mine(place)).values(lease_until=None))
        )

    def move(
        self,
        place: Place,
        offset: str,
        read_until: datetime | None,
        delivered: Collection[Delivered] = (),
        *,
        seconds: float,
    ) -> Stored | None:
        """Store announcements, and the place after them; None where another process reads now.

        The lease lasts for so many seconds from then on.

        Raises:
            StoreError: the store cannot be written; nothing was stored.
        """

        def act(connection: Connection) -> Stored | None:
            until = self._database.clock.now() + timedelta(seconds=seconds)
            values = {"place": offset, "read_until": read_until, "lease_until": until}
            moved = connection.execute(update(table).where(*_mine(place)).values(**values))
            if moved.rowcount != 1:
                return None
            return self._inbox.announce_with(connection, delivered, self._database.clock.now())

        return self._database.write(act, durable=True)

    def state(self, app: str) -> JournalState:
        """How far an app's journal is read, by any process, and which accounts refuse it.

        Raises:
            StoreError: the store cannot be read.
        """
        asked = select(table.c.read_until).where(table.c.app == app)
        until = self._database.read(lambda at: at.execute(asked).scalar())
        refused = {
            (row.account, row.kind): row.refusal for row in self.subscriptions(app) if row.refusal
        }
        return JournalState(read_until=until, refused=refused)

    # Accounts.

    def note_accounts(self, accounts: Mapping[str, str]) -> None:
        """Store the HubSpot account of each of these links; of a link without a row none is.

        Raises:
            StoreError: the store cannot be written.
        """
        self._database.write(lambda at: write_notes(at, ACCOUNT, accounts))

    def accounts(self) -> frozenset[str]:
        """The accounts of all links of the store, as far as they are known.

        Raises:
            StoreError: the store cannot be read.
        """
        asked = select(cursor.c.value).where(cursor.c.name == ACCOUNT).distinct()
        return self._database.read(lambda at: frozenset(at.execute(asked).scalars()))

    # Subscriptions.

    def subscriptions(self, app: str) -> list[Subscription]:
        """Those that are known.

        Raises:
            StoreError: the store cannot be read.
        """
        asked = select(subscription).where(subscription.c.app == app)
        return self._database.read(
            lambda at: [
                Subscription(
                    account=row.account,
                    kind=row.kind,
                    key=row.key,
                    made=row.made,
                    digest=row.digest,
                    refusal=row.refusal,
                    asked_at=row.asked_at,
                )
                for row in at.execute(asked)
            ]
        )

    def keep(self, app: str, known: Subscription) -> None:
        """Store one.

        Raises:
            StoreError: the store cannot be written.
        """
        row = {
            "app": app,
            "account": known.account,
            "kind": known.kind,
            "key": known.key,
            "made": known.made,
            "digest": known.digest,
            "refusal": known.refusal,
            "asked_at": known.asked_at,
        }
        self._database.write(
            lambda at: upsert(at, subscription, [row], by=("app", "account", "kind"))
        )

    def drop(self, app: str, known: Subscription) -> None:
        """Forget one.

        Raises:
            StoreError: the store cannot be written.
        """
        its = (
            subscription.c.app == app,
            subscription.c.account == known.account,
            subscription.c.kind == known.kind,
        )
        self._database.write(lambda at: at.execute(delete(subscription).where(*its)))


def _mine(place: Place) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.app == place.app,
        table.c.reader == place.reader,
        table.c.fence == place.fence,
    )
