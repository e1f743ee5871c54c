"""The outbox of notifications as rows: announced events, and what waits to be sent.

`syncd.notifications` uses it through `ports.notifications.Outbox`. A notification
and its announced event are committed together, before anything is sent: a
process that dies in between sends it again, but never loses it.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, select, update

from syncd.ports.notifications import Notification
from syncd.store.bulk import among, upsert
from syncd.store.database import Database
from syncd.store.tables import letter as table
from syncd.store.tables import told as memory
from syncd.store.transaction import ensure_link, find_link


class SqlOutbox:
    """`ports.notifications.Outbox`; every method is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def announced(self, link: str) -> frozenset[str]:
        """The keys of the link's announced events that have not ended."""

        def ask(connection: Connection) -> frozenset[str]:
            of_link = memory.c.link_id == (find_link(connection, link) or 0)
            return frozenset(connection.execute(select(memory.c.key).where(of_link)).scalars())

        return self._database.read(ask)

    def write(
        self,
        link: str,
        notifications: Sequence[Notification],
        *,
        announced: Collection[str],
        ended: Collection[str],
    ) -> None:
        """Queue notifications, and store announced and ended events, in one transaction."""
        now = self._database.clock.now()

        def act(connection: Connection) -> None:
            link_id = ensure_link(connection, self._database, link)
            if ended:
                gone = memory.c.link_id == link_id, among(connection, memory.c.key, ended)
                connection.execute(delete(memory).where(*gone))
            marks = [{"link_id": link_id, "key": key, "told_at": now} for key in sorted(announced)]
            upsert(connection, memory, marks, by=("link_id", "key"))
            rows = [
                {
                    "link_id": link_id,
                    "channel": notification.channel,
                    "body": dict(notification.body),
                    "made_at": notification.made_at,
                    "attempts": notification.attempts,
                    "due_at": notification.due_at,
                }
                for notification in notifications
            ]
            if rows:
                connection.execute(table.insert(), rows)

        self._database.write(act)

    def notifications(self, link: str) -> list[Notification]:
        """The notifications that wait to be sent, in the order in which they were queued."""

        def ask(connection: Connection) -> list[Notification]:
            of_link = table.c.link_id == (find_link(connection, link) or 0)
            found = connection.execute(select(table).where(of_link).order_by(table.c.id))
            return [
                Notification(
                    id=row.id,
                    channel=row.channel,
                    body=row.body,
                    made_at=row.made_at,
                    attempts=row.attempts,
                    due_at=row.due_at,
                )
                for row in found
            ]

        return self._database.read(ask)

    def reschedule(self, notification: Notification) -> None:
        """Store the number of attempts, and when it is due again."""
        again = {"attempts": notification.attempts, "due_at": notification.due_at}

        def act(connection: Connection) -> None:
            connection.execute(update(table).where(table.c.id == notification.id).values(**again))

        self._database.write(act)

    def drop(self, notification: Notification) -> None:
        """It was sent, or never will be."""

        def act(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.id == notification.id))

        self._database.write(act)
