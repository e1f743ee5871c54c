"""Names of people, owners and calendars for a screen: asked when shown, and never stored.

At most `MOST_REQUESTS` and `MOST_SECONDS` go into a screen, from the spare part
of the rate budgets. A name is kept in memory for an hour. Where a name cannot
be had, the id stands in its place, and nothing else changes.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from syncd.core.model import Contact, Side
from syncd.errors import SyncdError, Unavailable

if TYPE_CHECKING:
    from syncd.bootstrap.app import App
    from syncd.engine.link import Link
    from syncd.providers.hubspot.provider import HubSpotProvider

MOST_REQUESTS = 20
MOST_SECONDS = 2.0
KEPT_FOR = timedelta(hours=1)


class Kind(StrEnum):
    """What has a name."""

    CONTACT = "contact"
    OWNER = "owner"
    """A HighLevel user or a HubSpot owner."""
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Somebody or something of a link, by its id."""

    link: str
    kind: Kind
    side: Side
    id: str


@dataclass(slots=True, kw_only=True)
class Left:
    """What a screen may still use."""

    requests: int = MOST_REQUESTS
    seconds: float = MOST_SECONDS
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, side: Side) -> None:
        """Take one request.

        Raises:
            Unavailable: there is none left.
        """
        with self.lock:
            if self.requests <= 0:
                raise Unavailable("the screen's requests are used up", side=side)
            self.requests -= 1


class NameBook:
    """The names that this process knows."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._known: dict[Named, tuple[datetime, str]] = {}

    def of(self, wanted: Collection[Named], left: Left) -> dict[Named, str]:
        """The names of these, as far as they are known or come in time; never raises."""
        since = self._app.clock.now() - KEPT_FOR
        self._known = {each: held for each, held in self._known.items() if held[0] > since}
        missing = [each for each in wanted if each not in self._known and each.id]
        if missing and left.seconds > 0:
            began = self._app.clock.monotonic()
            stop = threading.Event()
            asking = threading.Thread(
                target=self._ask, args=(missing, stop, left), name="names", daemon=True
            )
            asking.start()
            asking.join(left.seconds)
            stop.set()
            asking.join(_GRACE)
            left.seconds -= self._app.clock.monotonic() - began
        known = dict(self._known)
        return {each: known[each][1] for each in wanted if each in known}

    def _ask(self, missing: Collection[Named], stop: threading.Event, left: Left) -> None:
        for link in dict.fromkeys(each.link for each in missing):
            # Whatever keeps a name away is no failure of what shows it.
            with suppress(Exception):
                self._ask_link(link, [each for each in missing if each.link == link], stop, left)

    def _ask_link(
        self, name: str, wanted: Collection[Named], stop: threading.Event, left: Left
    ) -> None:
        with self._app.look_up(name, stop) as lookup, lookup.spare(left.take):
            for kind, side in _ORDER:
                ids = {each.id: each for each in wanted if (each.kind, each.side) == (kind, side)}
                if not ids:
                    continue
                with suppress(SyncdError):
                    for record_id, text in _names(lookup.link, kind, side, list(ids)):
                        if text and record_id in ids:
                            self._known[ids[record_id]] = (self._app.clock.now(), text)
                if stop.is_set():
                    return


_GRACE = 0.5
"""Seconds for a look-up that was stopped to give its places back."""

_ORDER = (
    (Kind.CONTACT, Side.HUBSPOT),
    (Kind.CALENDAR, Side.GHL),
    (Kind.OWNER, Side.GHL),
    (Kind.OWNER, Side.HUBSPOT),
    (Kind.CONTACT, Side.GHL),
)
"""What gives most names for a request goes first; HighLevel reads contacts one by one."""


def _names(link: Link, kind: Kind, side: Side, ids: list[str]) -> Iterator[tuple[str, str]]:
    """Names by id.

    Raises:
        SyncdError: they cannot be read.
    """
    match kind, side:
        case Kind.CONTACT, _:
            found: Mapping[str, object] = link.side(side).contacts(ids)
            for record_id, contact in found.items():
                if isinstance(contact, Contact):
                    yield record_id, contact.name or next(iter(contact.emails), "")
        case Kind.OWNER, Side.HUBSPOT:
            yield from (
                (each.id, each.name or each.email)
                for each in cast("HubSpotProvider", link.hubspot).owners()
            )
        case Kind.OWNER, Side.GHL:
            yield from ((each.id, each.name or each.email) for each in link.ghl.prepare().people)
        case _:
            yield from ((each.id, each.name) for each in link.ghl.prepare().calendars)


__all__ = ["MOST_REQUESTS", "MOST_SECONDS", "Kind", "Left", "NameBook", "Named"]
