"""The memory of the notices, as rows: what was told, and what waits to be sent.

`notices` works on it through `ports.notices.Outbox`. A letter and the mark
that its event was told are committed together, before anything is sent: a
process that dies between the two sends it again, and never not at all.
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
    """`ports.notices.Outbox`; every method is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self, link: str) -> frozenset[str]:
        """The events of a link that go on and were told, by their keys."""

        def ask(connection: Connection) -> frozenset[str]:
            of_link = memory.c.link_id == (find_link(connection, link) or 0)
            return frozenset(connection.execute(select(memory.c.key).where(of_link)).scalars())

        return self._database.read(ask)

    def write(
        self,
        link: str,
        notifications: Sequence[Notification],
        *,
        told: Collection[str],
        over: Collection[str],
    ) -> None:
        """Queue letters, and remember what they tell and what is over, all at once."""
        now = self._database.clock.now()

        def act(connection: Connection) -> None:
            link_id = ensure_link(connection, self._database, link)
            if over:
                gone = memory.c.link_id == link_id, among(connection, memory.c.key, over)
                connection.execute(delete(memory).where(*gone))
            marks = [{"link_id": link_id, "key": key, "told_at": now} for key in sorted(told)]
            upsert(connection, memory, marks, by=("link_id", "key"))
            rows = [
                {
                    "link_id": link_id,
                    "channel": letter.channel,
                    "body": dict(letter.body),
                    "made_at": letter.made_at,
                    "attempts": letter.attempts,
                    "due_at": letter.due_at,
                }
                for letter in notifications
            ]
            if rows:
                connection.execute(table.insert(), rows)

        self._database.write(act)

    def notifications(self, link: str) -> list[Notification]:
        """What waits to be sent, in the order in which it was queued."""

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

    def put_off(self, letter: Notification) -> None:
        """Keep how often it was tried, and when it is due again."""
        again = {"attempts": letter.attempts, "due_at": letter.due_at}

        def act(connection: Connection) -> None:
            connection.execute(update(table).where(table.c.id == letter.id).values(**again))

        self._database.write(act)

    def drop(self, letter: Notification) -> None:
        """It was sent, or never will be."""

        def act(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.id == letter.id))

        self._database.write(act)
