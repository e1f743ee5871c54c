"""The names that the page shows to who may decide: contacts, owners and calendars.

Asked for as the terminal asks (`bootstrap.names`): from spare budget, kept in
memory for an hour, never stored. The page is drawn every few seconds, so what
had no name is not asked for again before the hour is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from syncd.bootstrap.names import KEPT_FOR, Kind, Left, Named
from syncd.core.model import Side
from syncd.observability.page import NameKey
from syncd.observability.page.view import mentioned

if TYPE_CHECKING:
    from syncd.bootstrap.app import App
    from syncd.observability.health import LinkHealth


class People:
    """What this process knows of the people of its links."""

    def __init__(self, app: App) -> None:
        self._app, self._book = app, app.names
        self._asked: dict[Named, datetime] = {}
        self._one_at_a_time = Lock()

    def places(self, links: Sequence[LinkHealth]) -> Mapping[str, str]:
        """By link, the address below which HubSpot shows its appointments."""
        numbers, settings = self._app.hub_numbers(), self._app.settings.links
        return {
            name: f"https://app.hubspot.com/contacts/{numbers[name]}/record/"
            f"{settings[name].hubspot.object_type}/"
            for name in (link.name for link in links)
            if name in numbers and name in settings
        }

    def names(self, links: Sequence[LinkHealth]) -> Mapping[NameKey, str]:
        """The names that the page of these links needs, as far as they come in time."""
        wanted = {each for link in links for each in _wanted(link)}
        now = self._app.clock.now()
        with self._one_at_a_time:
            self._asked = {each: at for each, at in self._asked.items() if now - at < KEPT_FOR}
            fresh = wanted - self._asked.keys()
            found = self._book.of(wanted, Left() if fresh else Left(requests=0, seconds=0.0))
            self._asked |= dict.fromkeys(fresh, now)
        return {
            (each.link, each.kind.value, each.side, each.id): name for each, name in found.items()
        }


def _wanted(link: LinkHealth) -> set[Named]:
    found = {
        Named(link=link.name, kind=Kind.CONTACT, side=Side.HUBSPOT, id=contact)
        for hold in link.held
        if hold.reason in {"ambiguous_contact", "no_contact"}
        for contact in hold.candidates
    }
    found |= {
        Named(link=link.name, kind=Kind(kind), side=Side.GHL, id=key)
        for hold in link.held
        for kind, key in mentioned(hold)
    }
    found |= {
        Named(link=link.name, kind=Kind(hold.group), side=Side(side), id=value)
        for hold in link.held
        if hold.group in {Kind.OWNER, Kind.CONTACT}
        for side, value in hold.values.items()
        if value
    }
    return found | {
        Named(link=link.name, kind=Kind(entry.field), side=entry.side, id=key)
        for entry in link.history
        if entry.field in {Kind.OWNER, Kind.CONTACT}
        for key in (entry.before, entry.after)
        if key
    }
