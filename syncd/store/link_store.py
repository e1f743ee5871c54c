"""The store as one link sees it: `ports.store.LinkStore` over SQLAlchemy.

`Store.link` makes one. Each read is separate and takes no lock; writes go through
`begin`. A link that was never written to has no row, and reads as empty.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from syncd.core.model import Hold, Pair, Side, Window
from syncd.ports.announcements import Announcement
from syncd.ports.store import PAUSED, CycleRow, Decision, Event, HistoryEntry, Intent, PairedIds
from syncd.store import announcements, history, pairs, pending, reads, state
from syncd.store.bulk import asking
from syncd.store.database import Database
from syncd.store.transaction import SqlTransaction, ensure_link, find_link

T = TypeVar("T")

_KEPT = 1.0
"""Seconds for which the facts of a link are not read again."""


class SqlLinkStore:
    """One link's share of the store.

    With a `fence`, the number of the lease that the link is worked on under,
    a transaction commits only while that lease holds.
    """

    def __init__(
        self, database: Database, name: str, *, fence: int | None = None, link_id: int = 0
    ) -> None:
        """`link_id` is the link's key, where it is known."""
        self._database = database
        self._name, self._fence = name, fence
        self._link_id = link_id
        self._read: tuple[float, dict[str, str], int] | None = None
        """The link's facts as they were read last, and when: nobody else writes them meanwhile."""

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        transaction = SqlTransaction(
            self._database, self._name, self._fence, link_id=self._known_id
        )
        try:
            known, self._read = self._read, None
            yield transaction
            transaction.commit()
        except BaseException:
            transaction.rollback()
            raise
        if known is not None and transaction.living is not None:
            now = self._database.clock.monotonic()
            self._read = now, known[1] | transaction.moved, transaction.living

    def prints(self, side: Side, ids: Collection[str]) -> Mapping[str, str]:
        """The agreed print (`essence.agreed_fingerprint`) by id; unknown ids are left out."""
        return self._ask(lambda at, link: pairs.prints(at, link, side, ids)) if ids else {}

    def pairs_by_id(self, side: Side, ids: Collection[str]) -> list[Pair]:
        """Pairs whose record on that side has one of these ids."""
        return self._ask(lambda at, link: pairs.by_id(at, link, side, ids)) if ids else []

    def pairs_of_contact(self, side: Side, contact: str) -> list[Pair]:
        """Pairs whose record on that side is for this contact, gone ones included."""
        return self._ask(lambda at, link: reads.pairs_of_contact(asking(at), link, side, contact))

    def contacts_made(self, email: str) -> list[str]:
        """Ids of the contacts that were made with this e-mail address, by the history."""
        return self._ask(lambda at, link: reads.contacts_made(asking(at), link, email))

    def pairs_by_key(self, keys: Collection[int]) -> list[Pair]:
        """Pairs by their key."""
        return self._ask(lambda at, link: pairs.by_key(at, link, keys)) if keys else []

    def missing_from_scan(self, side: Side, window: Window, shown: Collection[str]) -> list[int]:
        """Keys of pairs that a complete scan of the window must show, and did not."""
        return self._ask(lambda at, link: pairs.missing_from_scan(at, link, side, window, shown))

    def pairs_at(self, side: Side, spots: Collection[tuple[str, datetime]]) -> list[Pair]:
        """Pairs whose record there is for one of these (contact, start); gone ones left out."""
        return self._ask(lambda at, link: pairs.at(at, link, side, spots)) if spots else []

    def pairs_of(self, side: Side, contacts: Collection[str]) -> list[Pair]:
        """Pairs whose record there is for one of these contacts; gone ones left out."""
        if not contacts:
            return []
        return self._ask(lambda at, link: pairs.of_contacts(at, link, side, contacts))

    def count_pairs(self) -> int:
        """How many pairs live: both records known and not removed."""
        if self._fence is not None:
            return self._facts()[1]
        return self._ask(lambda at, link: reads.count_pairs(asking(at), link))

    def count_later(self, key: int) -> int:
        """How many of them have a higher key."""
        return self._ask(lambda at, link: reads.count_later(asking(at), link, key))

    def rotation(self, after: int, limit: int) -> list[tuple[int, str]]:
        """The next (pair key, hubspot id) in key order after `after`; gone ones left out."""
        return self._ask(lambda at, link: pairs.rotation(at, link, after, limit))

    def paired_ids(self, after: int, limit: int) -> list[PairedIds]:
        """The next pairs in key order after a key, whatever became of their records."""
        return self._ask(lambda at, link: pairs.paired_ids(at, link, after, limit))

    def retired_pairs(self, window: Window) -> tuple[int, int]:
        """How many living pairs start outside the window on both sides, and the highest key."""
        return self._ask(lambda at, link: pairs.retired(at, link, window))

    def intents(self) -> list[Intent]:
        """Every intent whose outcome is not known, oldest first."""
        return self._ask(pending.intents)

    def contact_pairs(self, side: Side, ids: Collection[str]) -> Mapping[str, str]:
        """Known contacts: id on that side → id on the other side."""
        return self._ask(lambda at, link: state.contact_pairs(at, link, side, ids)) if ids else {}

    def holds(self) -> list[Hold]:
        """What waits, oldest first."""
        return [hold for _, hold in self._ask(lambda at, link: reads.holds(asking(at), link))]

    def get_state(self, name: str) -> str:
        """The value of a state key, "" if it was never set."""
        if self._fence is not None and name != PAUSED:
            return self._facts()[0].get(name, "")
        return self._ask(lambda at, link: state.read_cursor(at, link, name))

    def removals_since(self, at: datetime) -> int:
        """Records that we removed since then (history entries with action `remove`)."""
        held = self._facts()[0].get(history.REMOVALS, "") if self._fence is not None else None
        return self._ask(
            lambda connection, link: history.removals_since(connection, link, at, held)
        )

    def written_since(self, at: datetime) -> Mapping[Side, int]:
        """How many records were written since then, by side; those of each cycle count."""
        return self._ask(lambda connection, link: history.written_since(connection, link, at))

    def changed_since(self, at: datetime, kind: str) -> Mapping[Side, int]:
        """Records that cycles of that kind created or changed since then, by side."""
        return self._ask(lambda asked, link: history.changed_since(asked, link, at, kind))

    def writes_since(self, at: datetime, pair_keys: Collection[int]) -> list[HistoryEntry]:
        """The field writes to these pairs since then, oldest first."""
        if not pair_keys:
            return []
        return self._ask(
            lambda connection, link: history.writes_since(connection, link, at, pair_keys)
        )

    def history(
        self, record_id: str = "", *, cycle: str = "", limit: int = 0
    ) -> list[HistoryEntry]:
        """History, newest first; of one record (id of either side), one cycle, or all."""
        return self._ask(lambda at, link: reads.history(asking(at), link, record_id, cycle, limit))

    def events(self, since: datetime) -> list[Event]:
        """What happened to appointments since then, newest first; the last `MOST_EVENTS`."""
        return self._ask(lambda at, link: history.events(at, link, since))

    def trouble(self, since: datetime) -> list[tuple[datetime, str]]:
        """When cycles began that did not end well since then, and their outcomes."""
        return self._ask(lambda at, link: history.trouble(at, link, since))

    def cycles(self, limit: int = 20, *, cycle: str = "") -> list[CycleRow]:
        """The last cycles, newest first; or the one of that id."""
        return self._ask(lambda at, link: reads.cycles(asking(at), link, limit, cycle))

    def decisions(self) -> list[Decision]:
        """Decisions that no cycle has carried out yet, oldest first."""
        return self._ask(pending.decisions)

    def announcements(self) -> list[Announcement]:
        """What the vendors announced and no cycle has looked at yet, oldest first."""
        return self._ask(announcements.announcements)

    def decide(self, kind: str, payload: Mapping[str, object], at: datetime) -> int:
        """Queue a decision for the next cycle; gives its id."""

        def act(connection: Connection) -> int:
            link = ensure_link(connection, self._database, self._name)
            return pending.decide(connection, link, kind, payload, at)

        return self._database.write(act, repeatable=False)

    def _ask(self, ask: Callable[[Connection, int], T]) -> T:
        """Read something of this link; of none if it has no row yet."""

        def read(connection: Connection) -> T:
            if not self._link_id:
                self._link_id = find_link(connection, self._name) or 0
            return ask(connection, self._link_id)

        return self._database.read(read)

    @property
    def _known_id(self) -> int:
        """The link's key, where it cannot have changed: a SQLite file may be put back any time."""
        return 0 if self._database.is_sqlite or self._fence is None else self._link_id

    def _facts(self) -> tuple[dict[str, str], int]:
        """All cursors of the link, and how many of its pairs live, kept for a moment.

        Only the holder of the lease writes them, and its own writes end the moment.
        """
        known, now = self._read, self._database.clock.monotonic()
        if known is None or now - known[0] > _KEPT:
            values, living = self._ask(state.read_all)
            known = self._read = now, values, living
        return known[1], known[2]
