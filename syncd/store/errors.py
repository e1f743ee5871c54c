"""Translates database errors into the errors of `syncd.errors`.

Every access to the database goes through `explained`. This module only decides
whether a repetition may succeed (`errors.StoreInterrupted`) or cannot; `database`
repeats.
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
"""PostgreSQL's error classes for invalid data and violated constraints."""

_CORRUPT = "{place} is corrupt: replace it with a backup, or move it away and run `syncd rebuild`"

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
        "{place} cannot be opened: check that it exists, and run as the user that owns it",
    ),
    ("full", "no space is left to write {place}: free some space, then run again"),
    ("disk i/o", "the disk cannot read or write {place}: check the disk and the mount"),
    ("no such table", "{place} lacks a table: run `syncd db upgrade`"),
    ("no such column", "{place} lacks a column: run `syncd db upgrade`"),
)

_POSTGRES = (
    (("28P01", "28000"), "{place} refuses the user or the password: check `store.url`"),
    (("3D000",), "{place} does not exist: create the database, or check `store.url`"),
    (("42501",), "{place} denies the user access: grant this user the right to it"),
    (("42P01", "42703"), "{place} lacks a table or a column: run `syncd db upgrade`"),
    (("53100",), "{place} has no space left: free some space on the server, then run again"),
    (
        ("53300",),
        "{place} accepts no more connections: raise max_connections, or run fewer",
    ),
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


def corrupt(url: URL, words: str) -> StoreError:
    """A damaged SQLite file; `words` is SQLite's text."""
    # Its first line; what follows may quote values.
    return StoreError(f"{_CORRUPT.format(place=place(url))} (SQLite: {words.splitlines()[0]})")


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn a database error into a StoreError with a remedy.

    Raises:
        StoreInterrupted: a repetition may succeed.
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
    """The StoreError for the driver's error."""
    words = _first_line(error)
    if url.get_backend_name() == "sqlite":
        return explain_sqlite(words, place(url))
    state = getattr(error.orig, "sqlstate", None)
    return _explain_state(error, state, words, url) if state else _explain_words(error, words, url)


def _explain_state(error: DBAPIError, state: str, words: str, url: URL) -> StoreError:
    """By what PostgreSQL's own code of the error stands for."""
    if state == _LOCKED:
        return _locked(place(url))
    if error.connection_invalidated or state.startswith(_CONNECTION) or state in _AGAIN:
        return StoreInterrupted(
            f"the connection to {place(url)} was interrupted ({words}): check that the server runs"
        )
    for states, remedy in _POSTGRES:
        if state in states:
            return StoreError(f"{remedy.format(place=place(url))} ({words})")
    # Of data that it refuses the database quotes the value, which may be somebody's name.
    words = quoted(words) if state.startswith(_ABOUT_VALUES) else words
    return StoreFault(f"{place(url)} failed ({state}): {words}")


def _explain_words(error: DBAPIError, words: str, url: URL) -> StoreError:
    """By the error text alone: connections that were refused, broken or never established."""
    for signs, remedy in _REFUSED_AT_THE_DOOR:
        if "FATAL" in words and any(sign in words for sign in signs):
            return StoreError(f"{remedy.format(place=place(url))} ({words})")
    if error.connection_invalidated or isinstance(error, OperationalError):
        return StoreInterrupted(
            f"{place(url)} cannot be reached ({words}): check that the server runs, and `store.url`"
        )
    if error.statement is None:  # no statement was sent yet: the error is about the address
        return StoreError(f"{place(url)} cannot be connected to ({words}): check `store.url`")
    return StoreFault(f"{place(url)} failed: {words}")


def explain_sqlite(words: str, place: str) -> StoreError:
    """The StoreError for an error of SQLite, by its words; `place` is what to call the store."""
    lowered = words.lower()
    if "locked" in lowered or "busy" in lowered:
        return _locked(place)
    for sign, remedy in _SQLITE:
        if sign in lowered:
            return StoreError(f"{remedy.format(place=place)} (SQLite: {words})")
    return StoreFault(f"{place} failed: {words}")


def _locked(place: str) -> StoreInterrupted:
    return StoreInterrupted(
        f"{place} has been locked by another program for too long: close it, and run again"
    )


def _first_line(error: DBAPIError) -> str:
    """The driver's own first line; the rest may quote values."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
