"""OAuth connections and the attempts to make one, as rows; every token in them is encrypted.

`syncd.connections` uses it. Who refreshes a connection first takes its lease, which is
committed before the vendor is asked; the answer is committed only where the row still
has the generation that was read. Every write is on the disk when it returns: a refresh
token that HighLevel has replaced is worth nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from syncd.store import holder as holders
from syncd.store.database import Database
from syncd.store.holder import Holder
from syncd.store.tables import connection as table
from syncd.store.tables import oauth_attempt as attempts

LONGEST_LEASE = timedelta(minutes=6)
"""A lease that ends later is a clock's error, and counts as ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConnection:
    """One connection; `access` and `refresh` are encrypted, "" where there is none."""

    id: int
    vendor: str
    """`highlevel` or `hubspot`."""
    kind: str
    """`location`, `agency`, `account`; `minted` is a location's token made from its agency's."""
    account: str
    """The id of the location, the agency or the HubSpot account."""
    company: str
    """The agency of a location, where it is known."""
    name: str
    client_id: str
    """The app that it was made with."""
    scopes: tuple[str, ...]
    access: str
    refresh: str
    generation: int
    """Grows with every new token."""
    lease_until: datetime | None
    """Until when somebody asks the vendor for a new token, or nobody should."""
    asked_at: datetime | None
    """When the vendor was asked last, while its answer may be missing."""
    failures: int
    """Refreshes in a row that brought nothing."""
    token_ends: datetime | None
    renew_at: datetime | None
    """When a new token is due."""
    refusal: str
    """Why the vendor does not renew it any more; "" where it does."""
    connected_at: datetime
    installed_at: datetime | None
    uninstalled_at: datetime | None
    """When the app was last installed and uninstalled there, by the vendor's signed times."""
    asker: Mapping[str, Any] | None = None
    """The process that asked last, as `holder` writes it."""

    def uninstalled(self, connected_at: datetime | None = None) -> bool:
        """Whether the app was taken away after it was connected and installed last."""
        if self.uninstalled_at is None:
            return False
        connected = connected_at or self.connected_at
        return self.uninstalled_at > max(connected, self.installed_at or connected)

    @property
    def refused(self) -> bool:
        """Whether only a person can make it work again."""
        return bool(self.refusal) or self.uninstalled()

    @property
    def asked_by(self) -> Holder | None:
        """The process that asked at `asked_at`; None where an older program did."""
        found = holders.read(self.asker)
        if found is None or self.asked_at is None:
            return None
        return found if found.since == _second(self.asked_at) else None

    @property
    def in_good_hands(self) -> bool:
        """Whether whoever asks for a token is known to live, so that it will end well."""
        by = self.asked_by
        return by is not None and by.is_here and not (by.is_dead or by.is_stopped)

    def leased(self, now: datetime) -> float:
        """Seconds until somebody else may ask for a token; 0 where anybody may.

        The lease of a process that is known to be dead has ended.
        """
        if self.lease_until is None or self.lease_until - now > LONGEST_LEASE:
            return 0.0
        left = max(0.0, (self.lease_until - now).total_seconds())
        by = self.asked_by if left else None
        return 0.0 if by is not None and by.is_dead else left


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAttempt:
    """One run of `syncd connect`: it waits for a redirect with its state."""

    vendor: str
    redirect_uri: str
    verifier: str
    """The PKCE verifier, encrypted; "" where the vendor takes none."""
    begun_at: datetime
    expires_at: datetime
    claimed_at: datetime | None = None
    """When a redirect came for it."""
    outcome: str = ""
    """`ok`, `refused`, `unreachable`; "" while it is under way."""
    detail: str = ""
    connection: int = 0
    """The connection that came of it."""


class SqlConnections:
    """The connections of a store; every method is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- reading

    def all(self, vendor: str = "") -> list[StoredConnection]:
        """Every connection that a person made, oldest first.

        Raises:
            StoreError: the store cannot be used.
        """
        asked = select(table).where(table.c.kind != "minted").order_by(table.c.id)
        if vendor:
            asked = asked.where(table.c.vendor == vendor)
        return self._database.read(lambda at: _connections(at, asked))

    def of(self, vendor: str, account: str) -> list[StoredConnection]:
        """The rows of one location or account, minted ones included.

        Raises:
            StoreError: the store cannot be used.
        """
        asked = select(table).where(table.c.vendor == vendor, table.c.account == account)
        return self._database.read(lambda at: _connections(at, asked))

    def get(self, key: int) -> StoredConnection | None:
        """One connection by its id.

        Raises:
            StoreError: the store cannot be used.
        """
        asked = select(table).where(table.c.id == key)
        return next(iter(self._database.read(lambda at: _connections(at, asked))), None)

    def locations_of(self, company: str) -> list[str]:
        """The locations of an agency, as far as they are connected.

        Raises:
            StoreError: the store cannot be used.
        """
        asked = select(table.c.account).where(table.c.company == company).distinct()
        return self._database.read(lambda at: list(at.execute(asked).scalars()))

    def unsure(self, since: datetime) -> list[StoredConnection]:
        """The connections whose answer may be missing, asked for after an instant (UTC).

        Raises:
            StoreError: the store cannot be used.
        """
        asked = select(table).where(table.c.asked_at > since, table.c.kind != "minted")
        return self._database.read(lambda at: _connections(at, asked))

    def encrypted(self, limit: int = 50) -> list[str]:
        """Some encrypted values; none where the store holds no encrypted row.

        Raises:
            StoreError: the store cannot be used.
        """

        def ask(connection: Connection) -> list[str]:
            kept = or_(table.c.access != "", table.c.refresh != "")
            tokens = select(table.c.access, table.c.refresh).where(kept).limit(limit)
            found = [text for row in connection.execute(tokens) for text in row if text]
            open_ones = select(attempts.c.verifier).where(
                attempts.c.expires_at > self._database.clock.now(), attempts.c.outcome == ""
            )
            return found + [text for text in connection.execute(open_ones).scalars() if text]

        return self._database.read(ask)

    # --- a connection's life

    def save(
        self, vendor: str, kind: str, account: str, *, fields: Mapping[str, Any], renew: bool = True
    ) -> StoredConnection:
        """Keep a new connection; one of the same account is replaced.

        Without `renew` an existing one stays as it is.

        Raises:
            StoreError: the store cannot be used.
        """
        same = (table.c.vendor == vendor, table.c.kind == kind, table.c.account == account)

        def act(connection: Connection) -> StoredConnection:
            now = self._database.clock.now()
            row = connection.execute(select(table).where(*same)).first()
            fresh = {
                "lease_until": None,
                "asked_at": None,
                "failures": 0,
                "refusal": "",
                "connected_at": now,
            }
            if row is None:
                made = {"vendor": vendor, "kind": kind, "account": account, "generation": 1}
                _insert(connection, {**made, **fresh, **_written(fields)})
            elif renew:
                values = {**fresh, **_written(fields), "generation": table.c.generation + 1}
                connection.execute(update(table).where(table.c.id == row.id).values(**values))
            return _connection(connection.execute(select(table).where(*same)).one())

        return self._database.write(act, durable=True)

    def lease(self, key: int, generation: int, seconds: float) -> datetime | None:
        """Take the lease of a connection; None where another has it, or a newer token is there.

        The commit proves as well that the store can be written.

        Raises:
            StoreError: it cannot.
        """

        def act(connection: Connection) -> datetime | None:
            # Asked first: on SQLite the transaction begins here, and may wait for a while.
            row = connection.execute(select(table).where(table.c.id == key)).first()
            now = self._database.clock.now()
            if row is None or row.generation != generation or _connection(row).leased(now):
                return None
            until = now + timedelta(seconds=seconds)
            mine = (
                table.c.id == key,
                table.c.generation == generation,
                or_(table.c.lease_until.is_(None), table.c.lease_until == row.lease_until),
            )
            ours = holders.write(holders.this_process("renewal", now))
            values = {"lease_until": until, "asked_at": now, "asker": ours}
            taken = connection.execute(update(table).where(*mine).values(**values))
            return until if taken.rowcount == 1 else None

        return self._database.write(act, durable=True)

    def commit(self, key: int, generation: int, fields: Mapping[str, Any]) -> bool:
        """Keep the vendor's answer; False where the row has moved on, or is gone.

        Raises:
            StoreError: the store cannot be used.
        """
        values = {
            **_written(fields),
            "generation": generation + 1,
            "lease_until": None,
            "asked_at": None,
            "failures": 0,
            # A refusal that another process was given in between is out of date.
            "refusal": "",
        }
        mine = (table.c.id == key, table.c.generation == generation)

        def act(connection: Connection) -> bool:
            return connection.execute(update(table).where(*mine).values(**values)).rowcount == 1

        return self._database.write(act, durable=True)

    def failed(
        self,
        key: int,
        generation: int,
        lease: datetime,
        pause: float,
        *,
        unsure: bool,
        asked_at: datetime | None = None,
    ) -> None:
        """Note a refresh that brought no token; nobody asks again before the pause is over.

        It is `unsure` where the vendor may have replaced the token all the same: the
        lease goes on then, so that the tries are spread over the vendor's grace. Else
        `asked_at` is when it was asked before, where that answer may still be missing. The
        generation stays: somebody may still hold a good answer to an earlier try.

        Raises:
            StoreError: the store cannot be used.
        """
        mine = (
            table.c.id == key,
            table.c.generation == generation,
            table.c.lease_until == lease,
        )

        def act(connection: Connection) -> None:
            until = self._database.clock.now() + timedelta(seconds=pause)
            until = max(lease, until) if unsure else until
            values: dict[str, Any] = {"failures": table.c.failures + 1, "lease_until": until}
            if not unsure:
                values["asked_at"] = asked_at
            if pause:
                values["asker"] = None  # a pause outlasts the process
            connection.execute(update(table).where(*mine).values(**values))

        self._database.write(act, durable=True)

    def refuse(self, key: int, generation: int, why: str) -> bool:
        """Note that the vendor renews this token no more; False where the row has moved on.

        Raises:
            StoreError: the store cannot be used.
        """
        mine = (table.c.id == key, table.c.generation == generation)

        def act(connection: Connection) -> bool:
            values = {"refusal": why, "lease_until": None, "asked_at": None}
            return connection.execute(update(table).where(*mine).values(**values)).rowcount == 1

        return self._database.write(act, durable=True)

    def delete(self, key: int) -> bool:
        """Forget a connection, and the tokens that were made from it.

        Raises:
            StoreError: the store cannot be used.
        """

        def act(connection: Connection) -> bool:
            row = connection.execute(select(table).where(table.c.id == key)).first()
            if row is None:
                return False
            if row.kind == "agency":
                made = (table.c.kind == "minted", table.c.company == row.account)
                connection.execute(delete(table).where(*made))
            return connection.execute(delete(table).where(table.c.id == key)).rowcount == 1

        return self._database.write(act, durable=True)

    def installed(
        self, vendor: str, *, location: str, company: str, at: datetime, ours: bool = False
    ) -> None:
        """The vendor says that its app was installed at that instant.

        A location that is `ours` is remembered even where no token was made for it yet.

        Raises:
            StoreError: the store cannot be used.
        """
        self._moved(vendor, location, company, "installed_at", at, ours=ours)

    def uninstalled(
        self, vendor: str, *, location: str, company: str, at: datetime, ours: bool = False
    ) -> None:
        """The vendor says that its app was taken away at that instant; the same for the rest.

        A company without a location names the agency and all of its locations.

        Raises:
            StoreError: the store cannot be used.
        """
        self._moved(vendor, location, company, "uninstalled_at", at, ours=ours)

    def _moved(
        self, vendor: str, location: str, company: str, field: str, at: datetime, *, ours: bool
    ) -> None:
        named = (
            [table.c.account == location]
            if location
            else [or_(table.c.account == company, table.c.company == company)]
        )
        column = table.c[field]
        newer = (table.c.vendor == vendor, *named, or_(column.is_(None), column < at))

        def act(connection: Connection) -> None:
            if ours and location:
                made = {"vendor": vendor, "kind": "minted", "account": location, "generation": 1}
                now = self._database.clock.now()
                _insert(connection, {**made, "company": company, "connected_at": now})
            connection.execute(update(table).where(*newer).values({field: at}))

        self._database.write(act, durable=True)

    # --- attempts

    def begin(self, state: str, attempt: StoredAttempt) -> None:
        """Keep an attempt by the digest of its state; those that have ended go.

        Raises:
            StoreError: the store cannot be used.
        """

        def act(connection: Connection) -> None:
            over = attempt.begun_at - timedelta(days=1)
            connection.execute(delete(attempts).where(attempts.c.expires_at < over))
            connection.execute(
                insert(attempts).values(
                    state=state,
                    vendor=attempt.vendor,
                    redirect_uri=attempt.redirect_uri,
                    verifier=attempt.verifier,
                    begun_at=attempt.begun_at,
                    expires_at=attempt.expires_at,
                )
            )

        self._database.write(act, durable=True)

    def attempt(self, state: str) -> StoredAttempt | None:
        """The attempt of a state's digest.

        Raises:
            StoreError: the store cannot be used.
        """
        asked = select(attempts).where(attempts.c.state == state)

        def ask(connection: Connection) -> StoredAttempt | None:
            row = connection.execute(asked).first()
            return None if row is None else _attempt(row)

        return self._database.read(ask)

    def claim(self, state: str) -> StoredAttempt | None:
        """Take an open attempt, once; None where it is foreign, old or was taken before.

        Raises:
            StoreError: the store cannot be used.
        """

        def act(connection: Connection) -> StoredAttempt | None:
            row = connection.execute(select(attempts).where(attempts.c.state == state)).first()
            now = self._database.clock.now()
            if row is None or row.claimed_at is not None or row.expires_at <= now:
                return None
            mine = (attempts.c.state == state, attempts.c.claimed_at.is_(None))
            taken = connection.execute(update(attempts).where(*mine).values(claimed_at=now))
            return _attempt(row) if taken.rowcount == 1 else None

        return self._database.write(act, durable=True, repeatable=False)

    def end(self, state: str, outcome: str, detail: str, connection: int = 0) -> None:
        """Note what came of an attempt, for `syncd connect` to read.

        Raises:
            StoreError: the store cannot be used.
        """
        values = {"outcome": outcome, "detail": detail, "connection_id": connection, "verifier": ""}

        def act(at: Connection) -> None:
            at.execute(update(attempts).where(attempts.c.state == state).values(**values))

        self._database.write(act, durable=True)


def _second(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _insert(connection: Connection, values: Mapping[str, Any]) -> None:
    """A new row, unless another process was first."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())


def _written(fields: Mapping[str, Any]) -> dict[str, Any]:
    scopes = fields.get("scopes")
    return dict(fields) if scopes is None else {**fields, "scopes": " ".join(scopes)}


_PLAIN = tuple(name for name in StoredConnection.__dataclass_fields__ if name != "scopes")


def _connections(connection: Connection, asked: Select[Any]) -> list[StoredConnection]:
    return [_connection(row) for row in connection.execute(asked)]


def _connection(row: Row[Any]) -> StoredConnection:
    held = row._mapping  # noqa: SLF001 - SQLAlchemy's documented way to a row's names
    plain = {name: held[name] for name in _PLAIN}
    return StoredConnection(**plain, scopes=tuple(held["scopes"].split()))


def _attempt(row: Row[Any]) -> StoredAttempt:
    return StoredAttempt(
        vendor=row.vendor,
        redirect_uri=row.redirect_uri,
        verifier=row.verifier,
        begun_at=row.begun_at,
        expires_at=row.expires_at,
        claimed_at=row.claimed_at,
        outcome=row.outcome,
        detail=row.detail,
        connection=row.connection_id,
    )


__all__ = ["LONGEST_LEASE", "SqlConnections", "StoredAttempt", "StoredConnection"]
