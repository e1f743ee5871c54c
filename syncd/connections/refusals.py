"""Why a connection gives no token, as an error with what a person can do about it."""

from __future__ import annotations

from syncd.connections.endpoint import TokenRefused, Why
from syncd.connections.life import GRACE
from syncd.connections.vendors import Kind, Vendor
from syncd.errors import AuthFailed, NotPrepared, ProviderError, RateLimited, Unavailable, quoted
from syncd.store.connections import StoredConnection

_TAKEN_AWAY = (
    "the app was taken away from {row.kind} {row.account}: install it again, or run "
    "`syncd connect {row.vendor}` again"
)


class UnsureError(Exception):
    """No answer came, and the refresh token may have been replaced: it is sent again."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(str(error))
        self.error = error


def rotates(row: StoredConnection) -> bool:
    """Whether each refresh replaces the refresh token: HighLevel's do (its page on OAuth)."""
    return row.vendor == Vendor.HIGHLEVEL and row.kind != Kind.MINTED


def refusal_of(row: StoredConnection) -> str:
    """Why a connection is refused, and what to do."""
    if row.refusal:
        return (
            f"connection {row.id} ({row.kind} {row.account}) is refused: {row.refusal}; "
            f"run `syncd connect {row.vendor}` again"
        )
    return taken_away(row)


def taken_away(row: StoredConnection) -> str:
    """That the vendor says that the app is not installed there any more."""
    return _TAKEN_AWAY.format(row=row)


def death_of(row: StoredConnection, said: str) -> str:
    """Why a refresh token is revoked; `row` is as it was before it was sent the last time."""
    label = Vendor(row.vendor).label
    words = f"{label} renews it no more ({quoted(said)})"
    if row.asked_at is None or not rotates(row):
        return words
    asker = row.asked_by
    by = f" by process {asker.pid} on host {asker.host}" if asker else ""
    return (
        f"{words}. A new token was asked for at {row.asked_at:%Y-%m-%d %H:%M:%S} UTC{by}, and the "
        f"answer was never stored: the process ended in between, or the answer was lost. {label} "
        f"gives that answer again for {GRACE:.0f} seconds, and it was not asked for again in time"
    )


def error_of(row: StoredConnection, refusal: TokenRefused) -> ProviderError | NotPrepared:
    """The error of a link whose token could not be renewed; the connection stays as it is."""
    vendor = Vendor(row.vendor)
    said = quoted(refusal.words)
    match refusal.why:
        case Why.INACTIVE:
            return AuthFailed(
                f"the sub-account {row.account} is suspended ({said}): reactivate it, or pause "
                "this link; it goes on by itself then",
                side=vendor.side,
                status=400,  # whatever the endpoint's: like the API's own answer of that text
            )
        case Why.NOT_INSTALLED:
            return NotPrepared(
                f"the agency's app is not in location {row.account} ({said}): install it there, or "
                "run `syncd connect highlevel` and choose that location"
            )
        case Why.APP if row.kind == Kind.MINTED:
            return AuthFailed(
                f"HighLevel makes no token of the agency's for location {row.account} ({said}): "
                "the app needs the scope oauth.write; else run `syncd connect highlevel` again",
                side=vendor.side,
            )
        case Why.APP | Why.DEAD:
            return AuthFailed(
                f"the token endpoint refuses our app ({said}): check apps.{vendor}.client_id and "
                f"apps.{vendor}.client_secret",
                side=vendor.side,
            )
    if refusal.status == 429:
        return RateLimited(
            f"too many tokens were asked for ({said})",
            side=vendor.side,
            retry_after=refusal.retry_after or None,
        )
    return later(row, said)


def later(row: StoredConnection, why: str) -> Unavailable:
    """The error where a vendor gives no token for now."""
    vendor = Vendor(row.vendor)
    return Unavailable(f"{vendor.label} gives no new token now ({why})", side=vendor.side)


__all__ = [
    "UnsureError",
    "death_of",
    "error_of",
    "later",
    "refusal_of",
    "rotates",
    "taken_away",
]
