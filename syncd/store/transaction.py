"""The writes of one transaction, repeated from the start when its connection is lost.

`LinkStore.begin` makes one. Every write is carried out at once and remembered;
when PostgreSQL drops the connection or refuses to serialise, all of them are
repeated on a new one, new pairs with the keys of the first time. A mark in the
link's row shows whether a commit without an answer took effect.

The last thing before the commit is the fence: a program that lost its lease
commits nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from uuid import uuid4

from sqlalchemy import Connection, Integer, bindparam, func, select, update

from syncd.core.model import ContactPair, Hold, Pair
from syncd.errors import LinkLocked, StoreInterrupted
from syncd.ports.store import CycleRow, HistoryEntry, Intent
from syncd.store import announcements, history, pairs, pending, reads, state
from syncd.store.bulk import asking, upsert
from syncd.store.database import Database
from syncd.store.errors import explained
from syncd.store.holder import read_holder
from syncd.store.tables import link as table

_SEAL = (
    update(table)
    # A transaction without a fence, of a verb that holds no lease, finds every row its own.
    .where(
        table.c.id == bindparam("its_key"),
        table.c.fence == func.coalesce(bindparam("its_fence", type_=Integer), table.c.fence),
    )
    .values(
        last_commit=bindparam("its_mark"),
        living=table.c.living + bindparam("more_living", type_=Integer),
    )
    .returning(table.c.living)
)

_Write = Callable[[Connection, int], int | None]
"""Returns by how many the number of active pairs grew, if it touches pairs."""


class SqlTransaction:
    """`ports.store.Transaction`; connects with its first write."""

    def __init__(
        self, database: Database, name: str, fence: int | None, *, link_id: int = 0
    ) -> None:
        """`link_id` is the link's key, where it is known."""
        self._database = database
        self._name, self._fence = name, fence
        self._connection: Connection | None = None
        self._link_id = link_id
        self._link_known = bool(link_id)
        self._states: dict[str, str] = {}
        """Cursors to move: with the commit, all at once."""
        self.moved: dict[str, str] = {}
        """The cursors that it moved."""
        self.living: int | None = None
        """How many pairs live after it; None where that, or what else it moved, is not known."""
        self._moved_more = False
        self._more_living = 0
        self._done: list[_Write] = []
        self._mark = uuid4().hex

    # --- what the engine calls

    def save_pairs(self, saved: Iterable[Pair]) -> list[Pair]:
        """Insert pairs with key 0, update the others; gives them back with their keys."""
        given = list(saved)
        if not given:
            return []
        keyed = self._with_keys(given)
        new = [after for before, after in zip(given, keyed, strict=True) if not before.key]
        known = [pair for pair in given if pair.key]
        now = self._database.clock.now()
        # The known first: they may give up a record that a new pair takes.
        if known:
            self._do(lambda connection, link: pairs.change(connection, link, known, now))
        if new:
            self._do(lambda connection, link: pairs.insert(connection, link, new, now))
        return keyed

    def drop_pairs(self, keys: Collection[int]) -> None:
        """Forget pairs (not their history)."""
        if keys:
            self._do(lambda connection, link: pairs.drop(connection, link, keys))

    def open_intents(self, intents: Iterable[Intent]) -> None:
        """Write intents down before their requests are sent."""
        opened = list(intents)
        if opened:
            self._do(lambda connection, link: pending.open_intents(connection, link, opened))

    def close_intents(self, keys: Collection[str]) -> None:
        """The outcome of these is known."""
        if keys:
            self._do(lambda connection, link: pending.close_intents(connection, link, keys))

    def save_contacts(self, found: Iterable[ContactPair]) -> None:
        """Store contacts that are one person; replaces earlier entries of either id."""
        known = list(found)
        if known:
            self._do(lambda connection, link: state.save_contacts(connection, link, known))

    def replace_holds(self, holds: Iterable[Hold], *, judged: Collection[tuple[str, str]]) -> None:
        """Write the holds of the judged records; their other holds are deleted."""
        given = list(holds)
        now = self._database.clock.now()
        if given or judged:
            self._do(
                lambda connection, link: pending.replace_holds(connection, link, given, judged, now)
            )

    def add_history(self, entries: Iterable[HistoryEntry]) -> None:
        """Append to the history."""
        added = list(entries)
        if added:
            self._moved_more = True  # It remembers removals.
            self._do(lambda connection, link: history.add(connection, link, added))

    def set_state(self, name: str, value: str) -> None:
        """Move a cursor, or remember any other short fact of the link by name."""
        self._states[name] = value

    def save_cycle(self, row: CycleRow) -> None:
        """Write down a finished cycle."""
        self._do(lambda connection, link: history.save_cycle(connection, link, row))

    def close_decisions(self, ids: Collection[int]) -> None:
        """These decisions were carried out."""
        now = self._database.clock.now()
        if ids:
            self._do(lambda connection, link: pending.close_decisions(connection, link, ids, now))

    def settle_decisions(self, done: Collection[tuple[int, str]]) -> None:
        """These parts of decisions were carried out: (id, part), "" for a whole one."""
        now, parts = self._database.clock.now(), frozenset(done)
        if parts:
            self._do(
                lambda connection, link: pending.settle_decisions(connection, link, parts, now)
            )

    def amend_decision(self, decision_id: int, payload: Mapping[str, object]) -> None:
        """Replace the parts of a decision."""
        said = dict(payload)
        self._do(
            lambda connection, link: pending.amend_decision(connection, link, decision_id, said)
        )

    def close_announcements(self, keys: Collection[int]) -> None:
        """The cycle has looked at these."""
        closed = frozenset(keys)
        if closed:
            self._do(
                lambda connection, link: announcements.close_announcements(connection, link, closed)
            )

    # --- what LinkStore calls

    def commit(self) -> None:
        """Commit everything.

        Raises:
            LinkLocked: another syncd holds the link by now; nothing was written.
            StoreError: the database cannot do it; nothing was written.
        """
        if self._states:
            states, self._states = self._states, {}
            self.moved |= states
            self._do(lambda connection, link: state.set_states(connection, link, states))
        if self._connection is None:
            return
        try:
            with explained(self._database.engine.url):
                self._seal_and_commit(self._connection)
        except StoreInterrupted:
            self._close()
            self._database.patiently(self._commit_again)
        self._close()

    def rollback(self) -> None:
        """Undo everything."""
        self._close()

    # --- the machinery

    def _with_keys(self, given: list[Pair]) -> list[Pair]:
        """The same pairs, those without a key given one that holds for every attempt.

        PostgreSQL forgets, when it crashes, which numbers a sequence gave out
        in a transaction that was not committed: it would give them out again.
        """
        if all(pair.key for pair in given):
            return given
        if not self._database.is_sqlite:
            return self._database.write(lambda connection: pairs.with_keys(connection, given))
        with explained(self._database.engine.url):
            return pairs.with_keys(self._connected(), given)

    def _do(self, write: _Write) -> None:
        """Carry a write out now, and remember it."""
        try:
            self._carry_out(write)
        except StoreInterrupted:
            self._close()

            def again() -> None:
                self._close()
                self._replay()
                self._carry_out(write)

            self._database.patiently(again)
        self._done.append(write)

    def _carry_out(self, write: _Write) -> None:
        with explained(self._database.engine.url):
            self._more_living += write(self._connected(), self._link_id) or 0

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.engine.connect()
            if not self._link_known:
                self._link_id = ensure_link(self._connection, self._database, self._name)
        return self._connection

    def _replay(self) -> None:
        for write in self._done:
            self._carry_out(write)

    def _commit_again(self) -> None:
        """After a lost commit: see whether it took effect, else do everything again."""
        self._close()
        with explained(self._database.engine.url):
            connection = self._connected()
            at = select(table.c.last_commit).where(table.c.id == self._link_id)
            if connection.execute(at).scalar() == self._mark:
                return
            self._replay()
            self._seal_and_commit(connection)

    def _seal_and_commit(self, connection: Connection) -> None:
        if self._fence is not None or self._more_living or not self._database.is_sqlite:
            self._seal(connection)
        connection.commit()

    def _seal(self, connection: Connection) -> None:
        # Last, so that the row is locked for a moment only: the lease is renewed in it.
        ours = {
            "its_key": self._link_id,
            "its_mark": self._mark,
            "more_living": self._more_living,
            "its_fence": self._fence,
        }
        living = connection.execute(_SEAL, ours).scalar()
        if living is None:
            raise LinkLocked(self._name, read_holder(connection, self._link_id))
        self.living = None if self._moved_more else int(living)

    def _close(self) -> None:
        """Return the connection; uncommitted writes are rolled back."""
        self._more_living = 0
        if self._connection is not None:
            with explained(self._database.engine.url):
                self._connection.close()
            self._connection = None


def find_link(connection: Connection, name: str) -> int | None:
    """The key of a link; None if nothing was ever written for it."""
    return reads.find_link(asking(connection), name)


def ensure_link(connection: Connection, database: Database, name: str) -> int:
    """The key of a link; its row is created with the first write for it."""
    known = find_link(connection, name)
    if known is not None:
        return known
    row = {"name": name, "created_at": database.clock.now()}
    upsert(connection, table, [row], by=("name",))
    return find_link(connection, name) or 0
