"""What the daemon notes of each link in the store, for whoever asks another process.

A note is news (a state was entered, something is planned) or it grows old.
Where links are taken many at a time, their notes go out many at a time too:
the claim loop writes all that are due with one statement.
"""

from __future__ import annotations

import structlog

from syncd.errors import StoreError
from syncd.observability import heartbeat
from syncd.observability.metrics import Metrics
from syncd.ports.store import LinkStore
from syncd.scheduler.link_state import LinkState
from syncd.scheduler.ports import Links

log = structlog.get_logger(__name__)


class Notes:
    """Writes notes; `together` says whether many go out at once."""

    def __init__(self, links: Links, metrics: Metrics, *, together: bool) -> None:
        self._links, self._metrics, self._together = links, metrics, together
        self._clock = links.clock

    def tell_of_work(self, state: LinkState) -> None:
        """Note, once a turn, that a cycle is under way; one that is over soon goes without."""
        if state.working and state.noted_work != state.began:
            state.noted_work = state.began
            # The claim loop must not wait for a database that is away.
            self._keep(state, self._links.quick_view(state.name))

    def write(self, state: LinkState, *, force: bool = False, stopped: bool = False) -> None:
        """Keep what there is to say of the link, if it is news."""
        if state.noted != state.news or force:
            self._keep(state, self._links.link_store(state.name), stopped=stopped)

    def flush(self, states: list[LinkState], *, stopped: bool = False) -> None:
        """Write every note that is due, with one statement; does not wait for a database away."""
        due = [state for state in states if state.note_due and state.lease is not None]
        if not due:
            return
        now, monotonic = self._clock.now(), self._clock.monotonic()
        written = []
        notes = {}
        for state in due:
            state.note_due = False
            written.append((state, state.news, state.due))
            notes[state.name] = state.heartbeat(now, monotonic, stopped=stopped).as_text()
        try:
            self._links.write_notes(heartbeat.HEARTBEAT, notes)
        except StoreError as error:
            self._metrics.store_failed("")
            log.warning("note.not_written", links=len(due), detail=str(error))
            for state in due:
                state.note_due = True
            return
        for state, news, due_at in written:
            state.noted, state.noted_at, state.noted_due = news, monotonic, due_at

    def _keep(self, state: LinkState, store: LinkStore, *, stopped: bool = False) -> None:
        if state.lease is None:
            return  # A link that is not ours may have another daemon's note.
        if self._together:
            state.note_due = True
            return
        # Whoever writes last says what is so then: a turn may end while it is told of.
        with state.noting:
            said = state.heartbeat(self._clock.now(), self._clock.monotonic(), stopped=stopped)
            try:
                with store.begin() as transaction:
                    transaction.set_state(heartbeat.HEARTBEAT, said.as_text())
            except StoreError as error:
                self._metrics.store_failed(state.name)
                log.warning("note.not_written", link=state.name, detail=str(error))
                return
            state.noted, state.noted_at = state.news, self._clock.monotonic()
            state.noted_due = state.due
