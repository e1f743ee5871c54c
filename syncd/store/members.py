"""Leases on PostgreSQL: a row per process that it renews, and an owner and a fence per link.

A process that works on links is a *member*: it joins with its first link, or
when the daemon says so, and beats every few seconds, which keeps all its links
at the price of one statement. A member whose lease has ended, by the
database's clock, is removed by whoever wants one of its links, and with its
row go all its links at once (`ON DELETE SET NULL`). So a link is free exactly
when it has no owner, and no member can own anything after its removal: the
foreign key locks the member's row while a link is taken.

A member that was removed never comes back: its process joins anew, and all its
leases are lost. It does not act on one that it has not confirmed for
`STOPS_AFTER` seconds, by a clock that goes on while the process or the machine
stands still, counted from before the beat was sent. Nothing needs a session:
a pooler may hand every transaction another connection. What is one statement
is sent as one, with no transaction around it (`Database.read`).
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread

import structlog
from sqlalchemy import Connection, bindparam, func, insert, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import String

import syncd
from syncd.errors import LinkLocked, StoreError, StoreInterrupted
from syncd.store import holder as holders
from syncd.store.database import Database
from syncd.store.holder import Holder
from syncd.store.leases import Lease, Reading
from syncd.store.tables import member
from syncd.store.types import Instant, Json
from syncd.store.version import HEAD

log = structlog.get_logger(__name__)

LEASE = 18.0
"""Seconds that a member's lease lasts without a beat: a write that began while it was confirmed
lately enough (`STOPS_AFTER`) has the rest of it to come to its end."""

BEAT = 3.0
"""Seconds between beats."""

STOPS_AFTER = 10.0
"""Seconds without a confirmed beat after which a holder begins no write any more."""

HEARD = 15.0
"""Seconds without a beat after which a process is dealt nothing any more."""

_SLACK = 3.0
"""Seconds by which a living member's beat may be late."""

_UNTIL = text(f"clock_timestamp() + interval '{LEASE} seconds'")

_JOIN = (
    insert(member)
    .values(joined_at=func.clock_timestamp(), lease_until=_UNTIL)
    .returning(member.c.id, member.c.joined_at)
)

_BEAT = update(member).where(member.c.id == bindparam("me")).values(lease_until=_UNTIL)

_CLAIM = text(
    """
    UPDATE link SET owner = :me, fence = fence + 1, holder = :holder
    -- What is ours already was taken by a statement whose answer was lost.
    WHERE name = ANY(:names) AND (owner IS NULL OR owner = :me)
    RETURNING id, name, fence
    """
).bindparams(bindparam("names", type_=ARRAY(String)), bindparam("holder", type_=Json))

_KNOW = text(
    """
    INSERT INTO link (name, created_at) SELECT unnest(:names), :now ON CONFLICT (name) DO NOTHING
    """
).bindparams(bindparam("names", type_=ARRAY(String)), bindparam("now", type_=Instant))

_RELEASE = text(
    "UPDATE link SET owner = NULL, holder = NULL WHERE id = ANY(:links) AND owner = :me"
)

_OWNERS = (
    text(
        """
    SELECT link.name, member.id, member.holder,
           extract(epoch FROM member.lease_until - clock_timestamp())::float AS left
    FROM link LEFT JOIN member ON member.id = link.owner
    WHERE link.name = ANY(:names)
    """
    )
    .bindparams(bindparam("names", type_=ARRAY(String)))
    .columns(holder=Json)
)

_REMOVE = text(
    """
    DELETE FROM member WHERE id = ANY(:lapsed) AND lease_until <= clock_timestamp()
    -- Nobody could beat while the server was away: who lived then has as long as a lease lasts.
    AND (joined_at > pg_postmaster_start_time()
         OR pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => :lease))
    OR id = ANY(:dead)
    """
)

_MEMBERS = text(
    """
    SELECT member.*, extract(epoch FROM clock_timestamp()
               - coalesce((holder::json ->> 'first_joined')::timestamptz, joined_at))::float AS age,
           extract(epoch FROM lease_until - clock_timestamp())::float AS left,
           ARRAY(SELECT name FROM link WHERE link.owner = member.id ORDER BY name) AS links
    FROM member ORDER BY id
    """
).columns(holder=Json, knows=Json, listens=Json)

_PEERS = text(
    """
    WITH ours AS (UPDATE member SET share = :share WHERE id = :me AND share <> :share)
    SELECT id, holder, share, CASE WHEN digest = :digest THEN NULL ELSE knows END AS knows
    FROM member WHERE knows IS NOT NULL
    AND lease_until > clock_timestamp() + make_interval(secs => :unheard) ORDER BY id
    """
).columns(holder=Json, knows=Json)

_UNHELD = text(
    """
    SELECT living, name FROM (
        SELECT count(*) AS living FROM member
        WHERE lease_until > clock_timestamp() AND knows IS NOT NULL
    ) AS living LEFT JOIN (
        SELECT unnest(:names) AS name EXCEPT
        SELECT link.name FROM link JOIN member ON member.id = link.owner
        WHERE lease_until > clock_timestamp()
    ) AS unheld ON true
    """
).bindparams(bindparam("names", type_=ARRAY(String)))

_CLEAR = text("DELETE FROM member WHERE lease_until < clock_timestamp() - interval '1 hour'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a process says of itself to the others."""

    version: str = ""
    schema: str = ""
    digest: str = ""
    """Of its configuration."""
    knows: tuple[str, ...] | None = None
    """The links that it is configured for; None for a verb, which takes what it was told to."""
    listens: tuple[str, ...] = ()
    """The addresses that it listens at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process as the store knows it."""

    id: int
    holder: Holder
    card: Card
    age: float
    """Seconds since it joined; one that was removed and joined anew is as old as before."""
    left: float
    """Seconds until its lease ends, below 0 where it has ended."""
    share: int = 0
    """How many links its share comes to, where an engine deals them out."""
    links: tuple[str, ...] = ()

    @property
    def lives(self) -> bool:
        """Whether its lease lasts."""
        return self.left > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A living daemon of the store, ourselves included."""

    id: int
    """Grows with every process that joins: the oldest has the least."""
    share: int
    """How many links its share comes to."""
    knows: frozenset[str] | None
    """Its links; None where its configuration is ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """Who has a link."""

    id: int
    holder: Holder
    left: float

    @property
    def is_lively(self) -> bool:
        """Whether it is known to live, or was heard of as lately as living ones are."""
        if self.holder.is_here and (self.holder.is_dead or self.holder.is_stopped):
            return False
        return self.left > LEASE - BEAT - _SLACK


@dataclass(slots=True)
class _Membership:
    """One row of ours, from joining to the end."""

    id: int
    confirmed: Reading
    """When the statement was sent that confirmed it last."""
    lost: bool = False


class MemberLease(Lease):
    """A link that a member of this process owns."""

    def __init__(
        self, members: "Members", membership: _Membership, name: str, link_id: int, fence: int
    ) -> None:
        super().__init__(name, link_id, fence)
        self._members, self.membership = members, membership
        self.released = False

    def check(self) -> None:
        """Whether the link is still ours; asks the database only where the beats have stopped.

        Raises:
            LinkLocked: another syncd has it, or may have it.
            StoreError: the database does not answer, and a successor may take it any moment.
        """
        if not (self.released or self.membership.lost):
            self._members.confirm(self.membership)
        self.renew()

    def left(self) -> float:
        """Seconds for which no successor can have the link, whatever happens to the database."""
        return max(0.0, LEASE - self._members.age(self.membership))

    def renew(self) -> None:
        """Notice that the link is another's by now; asks the database nothing but who has it.

        Raises:
            LinkLocked: another syncd has it, or may have it.
        """
        if self.released or self.membership.lost:
            raise LinkLocked(self.name, self._members.holder_in_words(self.name))

    def release(self) -> None:
        """Give the link back; the next holder takes it at once. Safe to repeat."""
        self._members.release_all([self])


class Members:
    """`leases.Leases` of one process, on PostgreSQL; and who else works on the store."""

    def __init__(self, database: Database, *, quick: Database) -> None:
        """`quick` is the same database for who does not wait while it is away."""
        self._database, self._quick = database, quick
        self._card = Card(version=syncd.__version__, schema=HEAD)
        self._verb = ""
        """What the daemon announced itself as."""
        self._membership: _Membership | None = None
        self._first_joined: str | None = None
        """By the database's clock, ISO 8601."""
        self._held: set[str] = set()
        self._joining, self._beating = Lock(), Lock()
        self._failed: Reading | None = None
        """When a beat failed last: until a lease after it nobody is held for dead."""
        self._beats = False
        self._heart: Thread | None = None
        self._ended = Event()

    # --- who we are

    def announce(self, verb: str, card: Card) -> None:
        """Say what this process is; it joins where it has not yet.

        Raises:
            StoreError: the store cannot be used.
        """
        with self._joining:
            self._card, self._verb = card, verb
            mine = self._membership
        if mine is None or mine.lost:
            self._joined(verb)
            return
        values = _row(card)
        self._database.write(
            lambda at: at.execute(update(member).where(member.c.id == mine.id).values(values))
        )

    def keep_alive(self) -> None:
        """Beat from the first link on, in a thread of its own."""
        self._beats = True

    @property
    def me(self) -> int:
        """The number of this process's row; 0 while it is no member."""
        mine = self._membership
        return 0 if mine is None or mine.lost else mine.id

    def beat(self) -> None:
        """Confirm the membership: all leases last for another `LEASE` seconds.

        Raises:
            StoreError: the database does not answer.
        """
        mine = self._membership
        if mine is not None and not mine.lost:
            with self._beating:
                self._confirm(mine)

    def confirm(self, mine: _Membership) -> None:
        """Make sure that a membership was confirmed lately.

        Raises:
            StoreError: the database does not answer.
        """
        if self.age(mine) >= STOPS_AFTER:
            with self._beating:
                if not mine.lost and self.age(mine) >= STOPS_AFTER:
                    self._confirm(mine)

    def age(self, mine: _Membership) -> float:
        """Seconds since a membership was confirmed."""
        return mine.confirmed.age(self._database.clock)

    def leave(self) -> None:
        """Give back every link and be gone; a database that is away needs no word from us."""
        self._ended.set()
        with self._joining:
            mine, self._membership = self._membership, None
        if mine is not None and not mine.lost:
            mine.lost = True
            gone = member.delete().where(member.c.id == mine.id)
            with suppress(StoreError):
                self._database.write(lambda at: at.execute(gone))

    close = leave

    # --- links

    def acquire(self, name: str, verb: str, *, wait: bool = False) -> MemberLease:
        """Take a link for this process; see `leases.Leases`.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: the store cannot be used.
        """
        waited, pause = 0.0, 0.05
        while True:
            taken, owners = self._take([name], verb)
            if name in taken:
                return taken[name]
            if name in self._held:
                raise LinkLocked(name, self.holder_in_words(name))
            owner = owners.get(name)
            if owner is not None and (owner.is_lively or not wait or waited > LEASE + BEAT):
                raise LinkLocked(name, str(owner.holder))
            self._database.clock.sleep(pause)
            waited += pause
            pause = min(2 * pause, 1.0)

    def acquire_all(
        self, names: Collection[str], verb: str
    ) -> tuple[Mapping[str, Lease], Mapping[str, str]]:
        """Take as many of these links as are free; of the others, who holds them, in words.

        Raises:
            StoreError: the store cannot be used.
        """
        taken, owners = self._take(names, verb)
        unsaid = "a process that is just starting"
        refused = {
            name: str(owners[name].holder) if name in owners else unsaid
            for name in names
            if name not in taken
        }
        return taken, refused

    def release_all(self, leases: Iterable[Lease]) -> None:
        """Give several links back; what is lost already is not ours to give."""
        ours: list[int] = []
        me = 0
        for lease in leases:
            if isinstance(lease, MemberLease) and not lease.released:
                lease.released = True
                if not lease.membership.lost:
                    self._held.discard(lease.name)
                    me = lease.membership.id
                    ours.append(lease.link_id)
        if ours:
            # A database that is away needs no word from us: the lease runs out by itself.
            with suppress(StoreError):
                self._database.read(lambda at: at.execute(_RELEASE, {"links": ours, "me": me}))

    def holder(self, name: str) -> Holder | None:
        """The process that holds a link now, as far as can be told.

        Raises:
            StoreError: the store cannot be used.
        """
        return self.living([name]).get(name)

    def living(self, names: Collection[str]) -> dict[str, Holder]:
        """The processes that hold these links now, as far as can be told.

        Raises:
            StoreError: the store cannot be used.
        """
        return {
            name: owner.holder
            for name, owner in self._owners(names).items()
            if owner is not None and owner.left > 0 and not owner.holder.is_dead
        }

    def holder_in_words(self, name: str) -> str:
        """Who holds a link, for a message."""
        return str(self.holder(name) or "nobody at this moment")

    def holders(self, names: Collection[str]) -> dict[str, str]:
        """Who holds each of these links, in words; those that nobody holds are left out.

        Raises:
            StoreError: the store cannot be used.
        """
        owners = self._owners(names)
        return {name: str(owner.holder) for name, owner in owners.items() if owner is not None}

    # --- the others

    def members(self) -> list[Member]:
        """Every process, oldest first, with the links that it owns.

        Raises:
            StoreError: the store cannot be used.
        """
        return self._database.read(_members)

    @property
    def is_steady(self) -> bool:
        """Whether the database was heard for a whole lease: else nobody is held for dead."""
        return self._failed is None or self._failed.age(self._database.clock) > LEASE

    def peers(self, share: int) -> list[Peer]:
        """Say how many links our share comes to; gives all living daemons, oldest first.

        Does not wait for a database that is away.

        Raises:
            StoreError: the store cannot be used.
        """
        ours: dict[str, object] = {"me": self.me, "share": share, "digest": self._card.digest}
        ours["unheard"] = LEASE - HEARD
        rows = self._quick.read(lambda at: at.execute(_PEERS, ours).all())
        return [
            Peer(
                id=row.id,
                share=share if row.id == self.me else row.share,
                knows=None if row.knows is None else frozenset(row.knows),
            )
            for row in rows
            if not _is_dead(row.holder)
        ]

    def unheld(self, names: Collection[str]) -> tuple[int, set[str]]:
        """How many daemons live, and which of these links nobody holds.

        Raises:
            StoreError: the store cannot be used.
        """
        rows = self._quick.read(lambda at: at.execute(_UNHELD, {"names": [*names]}).all())
        return rows[0].living, {row.name for row in rows if row.name is not None}

    # --- inside

    def _joined(self, verb: str) -> _Membership:
        with self._joining:
            mine = self._membership
            if mine is None or mine.lost:
                asked = Reading.now(self._database.clock)
                mine = _Membership(self._database.write(lambda at: self._join(at, verb)), asked)
                self._membership = mine
            if self._beats and self._heart is None:
                self._heart = Thread(target=self._beat_on, name="heartbeat", daemon=True)
                self._heart.start()
            return mine

    def _join(self, connection: Connection, verb: str) -> int:
        connection.execute(_CLEAR)
        holder = self._name(verb) | {"first_joined": self._first_joined}
        joined = connection.execute(_JOIN.values({"holder": holder} | _row(self._card))).one()
        self._first_joined = self._first_joined or joined.joined_at.isoformat()
        return int(joined.id)

    def _name(self, verb: str) -> dict[str, object]:
        return holders.write(holders.this_process(verb, self._database.clock.now()))

    def _confirm(self, mine: _Membership) -> None:
        asked = Reading.now(self._database.clock)
        try:
            found = self._quick.read(lambda at: at.execute(_BEAT, {"me": mine.id}).rowcount)
        except StoreInterrupted:
            self._failed = Reading.now(self._database.clock)
            raise
        if found:
            mine.confirmed = asked
        else:
            mine.lost = True
            self._held.clear()
            log.warning("membership.lost", detail="the links of this process are others' by now")

    def _take(
        self, names: Collection[str], verb: str
    ) -> tuple[dict[str, MemberLease], dict[str, _Owner]]:
        """What of these links is ours now, and who owns the others."""
        mine = self._joined(verb)
        taken = self._claim(mine, names, verb)
        owners = self._owners([name for name in names if name not in taken])
        if not owners:
            return taken, {}
        unknown = [name for name, owner in owners.items() if owner is None]
        if unknown:
            new = {"names": unknown, "now": self._database.clock.now()}
            self._database.write(lambda at: at.execute(_KNOW, new))
        if self._remove(owners.values()) or unknown:
            taken |= self._claim(mine, owners, verb)
            owners = self._owners([name for name in names if name not in taken])
        return taken, {name: owner for name, owner in owners.items() if owner is not None}

    def _claim(
        self, mine: _Membership, names: Collection[str], verb: str
    ) -> dict[str, MemberLease]:
        free = sorted(set(names) - self._held)
        values = {"me": mine.id, "holder": self._name(verb), "names": free}
        rows = self._database.read(lambda at: at.execute(_CLAIM, values).all()) if free else []
        self._held.update(row.name for row in rows)
        return {row.name: MemberLease(self, mine, row.name, row.id, row.fence) for row in rows}

    def _owners(self, names: Collection[str]) -> dict[str, _Owner | None]:
        """Who owns each of these links; None for who is free or has no row yet."""
        if not names:
            return {}
        rows = self._database.read(lambda at: at.execute(_OWNERS, {"names": [*names]}).all())
        found: dict[str, _Owner | None] = dict.fromkeys(names)
        for row in rows:
            if row.id is not None and (holder := holders.read(row.holder)) is not None:
                found[row.name] = _Owner(id=row.id, holder=holder, left=row.left)
        return found

    def _remove(self, owners: Iterable[_Owner | None]) -> int:
        """Remove the dead among them, and those whose lease has ended; gives how many went."""
        known = [owner for owner in owners if owner is not None]
        dead = {owner.id for owner in known if owner.holder.is_dead}
        # Who could not be heard by us is no worse than we were.
        lapsed = {owner.id for owner in known if owner.left <= 0 and self.is_steady}
        if not dead | lapsed:
            return 0
        values = {"dead": sorted(dead), "lapsed": sorted(lapsed), "lease": LEASE}
        gone: int = self._database.write(lambda at: at.execute(_REMOVE, values).rowcount)
        log.info("members.removed", dead=len(dead), lapsed=len(lapsed), removed=gone)
        return gone

    def _beat_on(self) -> None:
        well = True
        while not self._ended.wait(BEAT if well else 1.0):
            try:
                self.beat()
                if self._verb and self._membership is not None and self._membership.lost:
                    self._joined(self._verb)
                well = True
            except StoreError as error:
                if well:
                    log.warning("membership.not_confirmed", detail=str(error))
                well = False
            except Exception:
                log.exception("membership.failed")


def differing(members: Iterable[Member]) -> list[Member]:
    """The living daemons whose configuration is another than the newest one's."""
    daemons = [each for each in members if each.lives and each.card.knows is not None]
    if not daemons:
        return []
    newest = min(daemons, key=lambda each: each.age)
    return [each for each in daemons if each.card.digest != newest.card.digest]


def _is_dead(stored: Mapping[str, object]) -> bool:
    """Whether a process of this machine is known to be gone, though its lease lasts."""
    found = holders.read(stored)
    return found is not None and found.is_dead


def _members(connection: Connection) -> list[Member]:
    return [
        Member(
            id=row.id,
            holder=holders.read(row.holder) or holders.NOBODY,
            card=Card(
                version=row.version,
                schema=row.schema,
                digest=row.digest,
                knows=None if row.knows is None else tuple(row.knows),
                listens=tuple(row.listens or ()),
            ),
            age=row.age,
            left=row.left,
            share=row.share,
            links=tuple(row.links),
        )
        for row in connection.execute(_MEMBERS)
    ]


def _row(card: Card) -> dict[str, object]:
    return {
        "version": card.version,
        "schema": card.schema,
        "digest": card.digest,
        "knows": None if card.knows is None else list(card.knows),
        "listens": list(card.listens),
    }
