"""A vendor's token endpoint with a rotating chain, and refreshers that crash at any point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import update
from stores import StandingClock

from syncd.connections.cipher import Cipher
from syncd.connections.endpoint import Grant, TokenRefused, Why
from syncd.connections.life import GRACE
from syncd.connections.services import Services
from syncd.connections.tokens import Tokens
from syncd.connections.vendors import App, Vendor
from syncd.errors import StoreInterrupted
from syncd.store import Store
from syncd.store.connections import SqlConnections
from syncd.store.tables import connection as table

LIFE = 86_399.0


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Chain:
    """HighLevel: a refresh token counts once, and gives the same answer for thirty seconds."""

    clock: StandingClock
    seconds: float = LIFE
    number: int = 0
    used: dict[str, float] = field(default_factory=dict)
    asked: int = 0

    def renews(self, refresh: str) -> bool:
        """Whether the vendor would renew it now."""
        number = int(refresh.rpartition("-")[2])
        if number == self.number:
            return True
        return number == self.number - 1 and self.clock.seconds - self.used[refresh] <= GRACE

    def refresh(self, refresh: str) -> Grant:
        """A new token."""
        self.asked += 1
        if not self.renews(refresh):
            raise TokenRefused(Why.DEAD, "This refresh token is invalid", status=400)
        if refresh not in self.used:
            self.used[refresh] = self.clock.seconds
            self.number += 1
        return self.grant()

    def grant(self) -> Grant:
        """The newest token."""
        return Grant(
            access=f"access-{self.number}",
            refresh=f"refresh-{self.number}",
            seconds=self.seconds,
            scopes=("contacts.readonly",),
            agency=False,
            account="loc1",
            company="cmp1",
        )


@dataclass
class Trouble:
    """What goes wrong in one call of a refresher; each of it once."""

    before_lease: Callable[[], None] | None = None
    lease: Callable[[], None] | None = None
    sent: Callable[[], None] | None = None
    """The vendor has not acted yet."""
    heard: Callable[[], None] | None = None
    """The vendor has acted."""
    commit: Callable[[], None] | None = None
    committed: Callable[[], None] | None = None

    def strike(self, point: str) -> None:
        """Do what is due there, once."""
        act = getattr(self, point)
        if act is not None:
            setattr(self, point, None)
            act()


class TroubledConnections(SqlConnections):
    """The rows, with what goes wrong at them."""

    trouble: Trouble
    asker: Mapping[str, Any] | None = None
    """In whose name it asks; None for this very process."""

    def lease(self, *args: Any, **more: Any) -> Any:
        self.trouble.strike("before_lease")
        taken = super().lease(*args, **more)
        if taken is not None and self.asker is not None:
            self._sign(*args[:1])
        self.trouble.strike("lease")
        return taken

    def _sign(self, key: int) -> None:
        row = self.get(key)
        assert row is not None
        assert row.asker is not None
        signed = {**row.asker, **(self.asker or {})}
        with self._database.engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == key).values(asker=signed))

    def commit(self, *args: Any, **more: Any) -> bool:
        self.trouble.strike("commit")
        done = super().commit(*args, **more)
        self.trouble.strike("committed")
        return done


class Refresher:
    """One process with its own memory."""

    def __init__(self, store: Store, clock: StandingClock, chain: Chain, cipher: Cipher) -> None:
        self.trouble = Trouble()
        self.chain = chain
        self.rows = TroubledConnections(store._database)
        self.rows.trouble = self.trouble
        self.tokens = Tokens(
            Services(
                store=self.rows,
                clock=clock,
                app=app,
                cipher=lambda: cipher,
                endpoint=lambda _: self,  # type: ignore[arg-type,return-value] # all that is asked of it
            )
        )

    def refresh(self, refresh: str) -> Grant:
        """Ask the vendor, with whatever goes wrong."""
        self.trouble.strike("sent")
        grant = self.chain.refresh(refresh)
        self.trouble.strike("heard")
        return grant

    def troubled(self, **points: Callable[[], None] | None) -> None:
        """What goes wrong in its next call."""
        self.trouble.__dict__.update(Trouble(**points).__dict__)

    def token(self) -> str:
        """The token of the location."""
        return self.tokens.token(Vendor.HIGHLEVEL, "loc1")


def app(vendor: Vendor) -> App:
    """Our app."""
    return App(
        vendor=vendor,
        client_id="app1-key1",
        secret=lambda: "secret",
        base_url="https://ghl.test",
        authorize_url="https://ghl.test/choose",
        scopes=(),
    )


def make_cipher() -> Cipher:
    """A cipher with a key of its own."""
    return Cipher([Fernet.generate_key().decode()])


def connected(
    rows: SqlConnections,
    cipher: Cipher,
    clock: StandingClock,
    *,
    ends_in: float,
    refresh: str = "refresh-0",
    account: str = "loc1",
    vendor: str = "highlevel",
    kind: str = "location",
) -> int:
    """Keep a connection whose token ends soon; gives its id."""
    from datetime import timedelta

    now = clock.now()
    row = rows.save(
        vendor,
        kind,
        account,
        fields={
            "company": "cmp1",
            "client_id": "app1-key1",
            "access": cipher.encrypt("access-0"),
            "refresh": cipher.encrypt(refresh),
            "token_ends": now + timedelta(seconds=ends_in),
            "renew_at": now + timedelta(seconds=ends_in - 300),
        },
    )
    return row.id


def lost() -> None:
    """No answer comes."""
    raise TokenRefused(Why.LATER, "no answer", unsure=True)


def crash() -> None:
    """The process dies here."""
    raise Crash


def unwritable() -> None:
    """The store cannot be written."""
    raise StoreInterrupted("the store is locked")
