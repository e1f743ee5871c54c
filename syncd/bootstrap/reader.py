"""The store for verbs that only read it: opened by the shortest way that it allows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, Self

from syncd.bootstrap import unfinished
from syncd.bootstrap.clock import SystemClock
from syncd.config import Settings
from syncd.errors import StoreError
from syncd.ports.clock import Clock
from syncd.ports.store import JournalState, LinkReader, StatusReader
from syncd.store.sqlite_reader import SqliteReader


class StoreReader(Protocol):
    """What reading verbs use; `App` has it too."""

    @property
    def clock(self) -> Clock:
        """The real time."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def link_names(self) -> list[str]:
        """The configured links, in the order of the file."""
        ...

    def link_store(self, name: str) -> LinkReader:
        """The store as one link sees it."""
        ...

    def daemon(self, name: str) -> bool:
        """Whether a daemon holds a link now."""
        ...

    def daemons(self, names: Collection[str]) -> frozenset[str]:
        """Those of these links that a daemon holds now."""
        ...

    def readers(
        self, names: Collection[str], states: Sequence[str] = ()
    ) -> Mapping[str, StatusReader]:
        """What the store knows of these links, with these state keys."""
        ...

    def differing(self) -> list[str]:
        """The daemons whose configuration is another than the newest one's."""
        ...

    def journal(self) -> JournalState | None:
        """How far HubSpot's journal is read; None where none is to be read."""
        ...


def open_reader(settings: Settings, open_full: Callable[[Settings], StoreReader]) -> StoreReader:
    """Open the store to read it.

    A SQLite file that needs nothing is read through its driver. PostgreSQL, and
    a store that is missing, older, newer or damaged, is opened by `open_full`.

    Raises:
        StoreError: the store is missing, too new, corrupt or cannot be reached.
    """
    store = SqliteReader.open(settings.store.url)
    if store is not None:
        return _SqliteApp(settings, store, open_full)
    return open_full(settings)


class _SqliteApp:
    """A SQLite file and the links that the configuration has in it."""

    def __init__(
        self,
        settings: Settings,
        store: SqliteReader,
        open_full: Callable[[Settings], StoreReader],
    ) -> None:
        self._settings, self._store, self._open_full = settings, store, open_full
        self.clock: Clock = SystemClock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if unfinished.rotates(self._settings):
            self._finish_refreshes()
        self._store.close()

    def _finish_refreshes(self) -> None:
        with suppress(StoreError):
            if self._store.has_unsure(unfinished.since(self.clock.now())):
                with self._open_full(self._settings):
                    pass  # it does so when it begins and ends

    def link_names(self) -> list[str]:
        return list(self._settings.links)

    def link_store(self, name: str) -> LinkReader:
        return self._store.link(name)

    def readers(
        self, names: Collection[str], states: Sequence[str] = ()
    ) -> Mapping[str, StatusReader]:
        del states
        return {name: self.link_store(name) for name in names}

    def daemons(self, names: Collection[str]) -> frozenset[str]:
        return frozenset(name for name in names if self.daemon(name))

    def differing(self) -> list[str]:
        return []

    def journal(self) -> JournalState | None:
        if not self._settings.apps.hubspot.journal:
            return None
        with self._open_full(self._settings) as app:
            return app.journal()

    def daemon(self, name: str) -> bool:
        holder = self._store.link(name).holder()
        if holder is None or holder.verb != "run":
            return False
        if holder.is_here:
            return not holder.is_dead
        # Only the full store knows processes of another machine or container.
        with self._open_full(self._settings) as app:
            return app.daemon(name)
