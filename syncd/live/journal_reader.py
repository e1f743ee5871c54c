"""Reads HubSpot's Webhooks Journal, and stores what it announces for the links.

The daemon starts one reader in a thread; of all processes of a store one reads at a
time. Its place is kept together with the events before it, so a crash loses nothing.
What the journal cannot tell any more is asked for by a full cycle of every link.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from syncd.core.model import Side
from syncd.errors import ConfigError, StoreError, SyncdError
from syncd.live.journal_client import (
    JournalAway,
    JournalClient,
    JournalRefused,
    Nothing,
    NotThere,
    Pointer,
    TooLarge,
)
from syncd.live.journal_events import Installation, JournalEvent, JournalFile, NoJournalFile, parsed
from syncd.live.journal_keeper import SubscriptionKeeper
from syncd.live.journal_subscriptions import Heard, wanted
from syncd.ports.announcements import Announced, Delivered
from syncd.ports.clock import Clock
from syncd.store.journal import Place, SqlJournal, reader_name

log = structlog.get_logger(__name__)

LEASE = 15.0
"""Seconds after which another process may read where this one stands still, or its machine is
gone. One that is known to be dead is replaced at once."""

RENEWED_EVERY = 5.0
"""Seconds between two renewals."""

NOTED_EVERY = 30.0
"""Seconds between two notes that nothing is new."""

ACCOUNTS_NOTED_EVERY = 600.0
"""Seconds between two notes of the links' accounts."""

SILENCE = 60.0
"""Seconds without a file after which the newest place is compared with ours."""

KEPT = timedelta(days=3)
"""HubSpot keeps a file that long: what was not read by then is lost."""

ALARM = 600.0
"""Seconds without a reading after which it is an error (`deploy/alerts.yml`)."""

FILES_OF_A_ROUND = 50
"""Files until subscriptions and the lease get their turn."""

SINGLE_EVENTS = 1_000
"""Events of a link in one file that are stored one by one; more mean the whole link."""

EVENTS_AT_ONCE = 500
"""Announcements of one transaction."""

UNREADABLE_FOR = 300.0
"""Seconds for which a file that cannot be understood is tried; then it counts as lost."""

KEPT_AGAIN_AFTER = 60.0
"""Seconds until the subscriptions are looked at again after that failed."""

LONGEST_PAUSE = 300.0
"""Seconds between two attempts while HubSpot does not answer."""


class Fenced(SyncdError):  # noqa: N818 - the tree reads as states of the world
    """Another process reads the journal now."""


class JournalReader:
    """One app's reader. `links` gives the links of each account, `wake` hears of stored news."""

    def __init__(
        self,
        *,
        app: str,
        client: JournalClient,
        store: SqlJournal,
        keeper: SubscriptionKeeper,
        clock: Clock,
        interval: Callable[[], float],
        links: Callable[[], Mapping[int, Sequence[Heard]]],
        wake: Callable[[Collection[str]], None],
        installed: Callable[[Installation], None],
    ) -> None:
        self._app, self._client, self._store, self._keeper = app, client, store, keeper
        self._clock, self._interval, self._links, self._wake = clock, interval, links, wake
        self._installed = installed
        self._heard: Mapping[int, Sequence[Heard]] = {}
        """The links of each account, as they are in this round."""
        self._noted: Mapping[str, str] = {}
        """The account of each link as it was stored last."""
        self._note_at = 0.0
        self._me, self._since = reader_name(clock.now()), clock.now()
        self._place: Place | None = None
        self._compared_at = clock.monotonic()
        """When a file came last, or our place was compared with the newest."""
        self._bad: tuple[str, float] | None = None
        """A file that cannot be understood, and since when."""
        self._due = self._renewed_at = 0.0
        self._pause = 0.0
        self._told = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._keep_at = 0.0
        self.problem = ""
        """Why the journal cannot be read now; "" where it can."""
        self.unkept = ""
        """Why the subscriptions cannot be looked after; "" where they can."""

    # --- what the daemon calls

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, grace: float = 2.0) -> None:
        """Stop, and let another process read; a request under way has `grace` seconds left."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(grace)
        place, self._place = self._place, None
        if place is not None and not self._thread.is_alive():
            try:
                self._store.release(place)
            except StoreError as error:
                log.info("journal.not_released", detail=str(error))
            self._client.close()

    @property
    def reads(self) -> bool:
        """Whether this process reads now."""
        return self._place is not None

    def age(self) -> float | None:
        """Seconds since the journal was read last; None where another process reads.

        Before the first time, it counts from the start.
        """
        place = self._place
        if place is None:
            return None
        return max(0.0, (self._clock.now() - (place.read_until or self._since)).total_seconds())

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                wait = self.round()
            except Exception:
                # A bug here must not end the announcements for good.
                log.exception("journal.failed")
                wait = RENEWED_EVERY
            self._stop.wait(wait)

    # --- one round

    def round(self) -> float:
        """Take or renew the lease, and read where it is time; seconds until the next round."""
        try:
            self._heard = self._links()
            self._note_accounts()
            now = self._clock.monotonic()
            if self._place is None or now - self._renewed_at >= RENEWED_EVERY:
                self._place = self._store.take(self._app, self._me, LEASE)
                self._renewed_at = now
            if self._place is None:
                self.problem = ""
                return RENEWED_EVERY
            if now >= self._due:
                self._due = now + self._interval()
                busy = self._keep()
                more = self._read()
                self._good()
                if more or busy:
                    self._due = now
        except Fenced:
            self._place = None
            return RENEWED_EVERY
        except (JournalAway, JournalRefused, ConfigError) as error:
            self._bad_round(error)
        except StoreError as error:
            self.problem = f"the store: {error}"
            return RENEWED_EVERY
        return max(0.0, min(RENEWED_EVERY, self._due - self._clock.monotonic()))

    def _note_accounts(self) -> None:
        """Let every process know which accounts the links have: theirs is not taken away."""
        accounts = {
            each.name: str(account) for account, links in self._heard.items() for each in links
        }
        now = self._clock.monotonic()
        # Again from time to time: a link has no row in the store before its first cycle.
        if accounts != self._noted or now >= self._note_at:
            self._store.note_accounts(accounts)
            self._noted, self._note_at = accounts, now + ACCOUNTS_NOTED_EVERY

    def _keep(self) -> bool:
        """Look after the subscriptions; that it fails stops no reading."""
        now = self._clock.monotonic()
        if now < self._keep_at:
            return False
        try:
            busy = self._keeper.keep(wanted(self._heard))
        except (JournalAway, JournalRefused, ConfigError) as error:
            self._keep_at = now + KEPT_AGAIN_AFTER
            if str(error) != self.unkept:
                log.warning("journal.subscriptions_not_kept", detail=str(error))
            self.unkept = str(error)
            return False
        self.unkept = ""
        return busy

    def _good(self) -> None:
        self._pause = 0.0
        if self.problem:
            log.info("journal.read_again")
        self.problem = self._told = ""

    def _bad_round(self, error: SyncdError) -> None:
        after = error.after if isinstance(error, JournalAway) else LONGEST_PAUSE
        self._pause = min(LONGEST_PAUSE, max(self._interval(), 2 * self._pause))
        self._due = self._clock.monotonic() + max(after, self._pause)
        self.problem = str(error)
        if self.problem != self._told:
            self._told = self.problem
            log.error("journal.not_read", detail=self.problem, again_in=round(self._pause, 1))

    def _read(self) -> bool:
        """Read what is new; whether there may be more."""
        place = self._held()
        if place.read_until is not None and self._clock.now() - place.read_until > KEPT:
            # Files may have gone unread, whatever the next one is.
            self._lost(self._client.latest(), "not read for longer than HubSpot keeps files")
            return False
        if not place.offset:
            return self._begin()
        for _ in range(FILES_OF_A_ROUND):
            if self._stop.is_set():
                return False
            found = self._client.after(self._held().offset)
            if isinstance(found, Pointer) and found.offset != self._held().offset:
                self._take_in(found)
                continue
            return self._without_a_file(known=found is not Nothing.KNOWN)
        return True

    def _begin(self) -> bool:
        """The first reading of all: what the newest file tells, and from there on."""
        # Once the journal was seen empty, every file in it is new.
        seen_empty = self._held().read_until is not None
        found = self._client.earliest() if seen_empty else self._client.latest()
        if isinstance(found, Pointer):
            self._take_in(found)
            return True
        self._up_to_date()
        return False

    def _without_a_file(self, *, known: bool) -> bool:
        """No file follows our place: whether it stands still, or is lost."""
        now = self._clock.monotonic()
        if known and now - self._compared_at < SILENCE:
            self._up_to_date()
            return False
        self._compared_at = now
        newest = self._client.latest()
        if self._clock.monotonic() - now >= RENEWED_EVERY:
            raise JournalAway("HubSpot answers too slowly to tell whether our place is lost")
        if not isinstance(newest, Pointer) or newest.offset == self._held().offset:
            self._up_to_date()
            return False
        again = self._client.after(self._held().offset)
        if isinstance(again, Pointer) and again.offset != self._held().offset:
            self._take_in(again)
            return True
        self._lost(newest, "our place is in the journal no more")
        return False

    def _up_to_date(self) -> None:
        """Nothing is new: noted now and then, so that a look costs no commit."""
        until, now = self._held().read_until, self._clock.now()
        if until is None or abs((now - until).total_seconds()) >= NOTED_EVERY:
            self._move(self._held().offset, now)

    def _take_in(self, pointer: Pointer) -> None:
        """Store what a file announces, and the place after it."""
        try:
            told = parsed(self._client.file(pointer))
        except (NoJournalFile, NotThere, TooLarge) as error:
            self._not_understood(pointer, str(error))
            return
        self._bad = None
        self._compared_at = self._clock.monotonic()
        self._store_file(pointer, told)

    def _not_understood(self, pointer: Pointer, why: str) -> None:
        now = self._clock.monotonic()
        if self._bad is None or self._bad[0] != pointer.offset:
            self._bad = pointer.offset, now
        if now - self._bad[1] < UNREADABLE_FOR:
            raise JournalAway(f"a journal file cannot be read ({why})")
        self._bad = None
        self._lost(pointer, f"a file cannot be read ({why})")

    def _store_file(self, pointer: Pointer, told: JournalFile) -> None:
        delivered = announced(told.events, self._heard, pointer.offset)
        parts = _parts(delivered, EVENTS_AT_ONCE) or [()]
        place = self._held()
        for part in parts[:-1]:
            # The place stays where it is: after a crash the file is read again.
            self._move(place.offset, place.read_until, part)
        for life in told.installations:
            self._installed(life)
        self._move(pointer.offset, self._clock.now(), parts[-1])

    def _lost(self, newest: Pointer | Nothing, why: str) -> None:
        """Ask for a full cycle of every link of the app, from the newest place on."""
        links = sorted({each.name for heard in self._heard.values() for each in heard})
        log.error("journal.lost", detail=why, links=len(links))
        offset = newest.offset if isinstance(newest, Pointer) else ""
        everything = [
            Delivered(link=name, side=Side.HUBSPOT, what=Announced.FULL) for name in links
        ]
        self._move(offset, self._clock.now(), everything)

    def _move(
        self,
        offset: str,
        until: datetime | None,
        delivered: Sequence[Delivered] = (),
    ) -> None:
        place = self._held()
        stored = self._store.move(place, offset, until, delivered, seconds=LEASE)
        self._renewed_at = self._clock.monotonic()
        if stored is None:
            raise Fenced("another process reads the journal")
        self._place = Place(
            app=place.app, reader=place.reader, fence=place.fence, offset=offset, read_until=until
        )
        if stored.links:
            log.info("journal.announced", links=sorted(stored.links)[:20], count=len(delivered))
            self._wake(stored.links)

    def _held(self) -> Place:
        if self._place is None:
            raise Fenced("another process reads the journal")
        return self._place


def announced(
    events: Iterable[JournalEvent], links: Mapping[int, Sequence[Heard]], offset: str
) -> list[Delivered]:
    """What a file means for the links of its accounts; very many events mean the whole link."""
    found: dict[str, list[Delivered]] = {}
    for event in events:
        for link in links.get(event.account, ()):
            if event.what is Announced.RECORD and event.object_type != link.object_type:
                continue
            found.setdefault(link.name, []).append(
                Delivered(
                    link=link.name,
                    side=Side.HUBSPOT,
                    what=event.what,
                    record=event.record,
                    occurred_at=event.occurred_at,
                    delivery=event.key,
                )
            )
    told: list[Delivered] = []
    for name, each in found.items():
        if len(each) > SINGLE_EVENTS:
            whole = f"journal file {offset}"
            each = [Delivered(link=name, side=Side.HUBSPOT, what=Announced.LINK, delivery=whole)]  # noqa: PLW2901
        told += each
    return told


def _parts(rows: Sequence[Delivered], size: int) -> list[Sequence[Delivered]]:
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]
