"""What a database says when something is wrong, in the words of `errors`.

Every access to the database goes through `explained`. Leaves out the trying
again, which is `database`'s business: here it is only decided whether the same
again may pass (`errors.StoreInterrupted`) or cannot.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from syncd.errors import StoreError, StoreFault, StoreInterrupted, quoted

_AGAIN = ("40001", "40P01", "57P01", "57P02", "57P03", "25006", "25P03")
"""Serialisation failure, deadlock, shutdown, starting up, a stand-by, idle for too long."""

_LOCKED = "55P03"
"""A lock was not to be had in time."""

_CONNECTION = "08"
"""The class of PostgreSQL's connection errors."""

_ABOUT_VALUES = ("22", "23")
"""The classes of PostgreSQL's errors about data: what it cannot be, and what may not be twice."""

_CORRUPT = "{place} is corrupt: put a backup in its place, or move it away and run `syncd rebuild`"

_SQLITE = (
    ("file is not a database", "{place} is not an SQLite file: check `store.url`"),
    ("malformed", _CORRUPT),
    (
        "readonly database",
        (
            "{place} cannot be written: run as the user that owns it, or give this user the right "
            "to write the file and its folder"
        ),
    ),
    (
        "unable to open",
        "{place} cannot be opened: check that it is there, and run as the user that owns it",
    ),
    ("full", "there is no room left to write {place}: free some space, then run again"),
    ("disk i/o", "{place} cannot be read or written by the disk: check the disk and the mount"),
    ("no such table", "{place} lacks a table: run `syncd db upgrade`"),
    ("no such column", "{place} lacks a column: run `syncd db upgrade`"),
)

_POSTGRES = (
    (("28P01", "28000"), "{place} refuses the user or the password: check `store.url`"),
    (("3D000",), "{place} does not exist: create the database, or check `store.url`"),
    (("42501",), "{place} refuses what syncd has to do: grant this user the right to it"),
    (("42P01", "42703"), "{place} lacks a table or a column: run `syncd db upgrade`"),
    (("53100",), "{place} has no room left: free some space on the server, then run again"),
    (("53300",), "{place} takes no more connections: raise max_connections, or run fewer programs"),
)


_REFUSED_AT_THE_DOOR = (
    (
        ("password", "no pg_hba.conf entry", 'role "', "authentication"),
        "{place} refuses the user or the password: check `store.url`",
    ),
    (("does not exist",), "{place} does not exist: create the database, or check `store.url`"),
)
"""Refused connections carry no SQLSTATE, only the server's words."""


def place(url: URL) -> str:
    """What to call the store in a message: never with a password."""
    if url.get_backend_name() == "sqlite":
        return f"the store {url.database}"
    return f"the database {url.database} on {url.host or 'this machine'}"


def corrupt(url: URL, said: str) -> StoreError:
    """A SQLite file that does not hold together; `said` are SQLite's words."""
    # Its first line; what follows may quote values.
    return StoreError(f"{_CORRUPT.format(place=place(url))} (SQLite: {said.splitlines()[0]})")


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn what the database raises into a StoreError that says what to do next.

    Raises:
        StoreInterrupted: the same again may pass.
        StoreError: it cannot.
    """
    try:
        yield
    except DBAPIError as error:
        # Without the cause: a driver's message may quote the row, and so somebody's name.
        raise explain(error, url) from None
    except PoolTimeout:
        raise StoreInterrupted(f"{place(url)} had no connection free for a long time") from None
    except SQLAlchemyError as error:
        raise StoreFault(f"{place(url)} cannot be used: {type(error).__name__}") from error


def explain(error: DBAPIError, url: URL) -> StoreError:
    """The StoreError that stands for what the driver raised."""
    said = _first_line(error)
    if url.get_backend_name() == "sqlite":
        return explain_sqlite(said, place(url))
    state = getattr(error.orig, "sqlstate", None)
    return _explain_state(error, state, said, url) if state else _explain_words(error, said, url)


def _explain_state(error: DBAPIError, state: str, said: str, url: URL) -> StoreError:
    """By what PostgreSQL's own code of the error stands for."""
    if state == _LOCKED:
        return _locked(place(url))
    if error.connection_invalidated or state.startswith(_CONNECTION) or state in _AGAIN:
        return StoreInterrupted(
            f"the connection to {place(url)} was interrupted ({said}): check that the server runs"
        )
    for states, remedy in _POSTGRES:
        if state in states:
            return StoreError(f"{remedy.format(place=place(url))} ({said})")
    # Of data that it refuses the database quotes the value, which may be somebody's name.
    words = quoted(said) if state.startswith(_ABOUT_VALUES) else said
    return StoreFault(f"{place(url)} failed ({state}): {words}")


def _explain_words(error: DBAPIError, said: str, url: URL) -> StoreError:
    """By the words alone: of connections that were refused, broke or never came about."""
    for signs, remedy in _REFUSED_AT_THE_DOOR:
        if "FATAL" in said and any(sign in said for sign in signs):
            return StoreError(f"{remedy.format(place=place(url))} ({said})")
    if error.connection_invalidated or isinstance(error, OperationalError):
        return StoreInterrupted(
            f"{place(url)} cannot be reached ({said}): check that the server runs, and `store.url`"
        )
    if error.statement is None:  # nothing was asked yet: what it objects to is the address
        return StoreError(f"{place(url)} cannot be connected to ({said}): check `store.url`")
    return StoreFault(f"{place(url)} failed: {said}")


def explain_sqlite(said: str, place: str) -> StoreError:
    """The StoreError for an error of SQLite, by its words; `place` is what to call the store."""
    lowered = said.lower()
    if "locked" in lowered or "busy" in lowered:
        return _locked(place)
    for sign, remedy in _SQLITE:
        if sign in lowered:
            return StoreError(f"{remedy.format(place=place)} (SQLite: {said})")
    return StoreFault(f"{place} failed: {said}")


def _locked(place: str) -> StoreInterrupted:
    return StoreInterrupted(
        f"{place} has been locked by another program for too long: close it, and run again"
    )


def _first_line(error: DBAPIError) -> str:
    """The driver's own first line; the rest may quote values."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
