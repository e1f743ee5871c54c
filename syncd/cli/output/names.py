"""How people, owners, calendars and records are called on a terminal.

A printer has one `Names`. Without names, and in a pipe, ids stand there. The
verbs fill it through `naming`, which first prints into nothing to learn which
names a screen needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from syncd.core.model import Side

CONTACT, OWNER, CALENDAR = "contact", "owner", "calendar"

RECORD = "record"
"""An appointment, which is called by its id."""

Key = tuple[str, Side, str]
"""Kind, side and id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names that a screen of one link has, and what it asked for."""

    known: Mapping[Key, str] = field(default_factory=dict)
    hub: str = ""
    """The number of the HubSpot account, "" where it is not known."""
    object_type: str = "0-421"
    location: str = ""
    wanted: set[Key] | None = None
    """Where given, everything that is shown is noted there."""

    def contact(self, side: Side, contact: str) -> str:
        """A person, with a link to the contact."""
        return self._shown((CONTACT, side, contact), self._page(side, contact, "0-1"))

    def owner(self, side: Side, owner: str) -> str:
        """A HighLevel user or a HubSpot owner."""
        return self._shown((OWNER, side, owner), "")

    def calendar(self, calendar: str) -> str:
        """A HighLevel calendar."""
        return self._shown((CALENDAR, Side.GHL, calendar), "")

    def record(self, side: Side, record: str) -> str:
        """An appointment, by its id, with a link to it where its product has a page for it."""
        if self.wanted is not None:
            self.wanted.add((RECORD, side, record))
        return self._linked(record, self._page(side, record, self.object_type, contact=False))

    def value(self, side: Side) -> Callable[[str, str], str | None]:
        """How a field's value of that side is shown; None for what has no name."""

        def shown(name: str, raw: str) -> str | None:
            match name:
                case "owner":
                    return self.owner(side, raw)
                case "contact":
                    return self.contact(side, raw)
            return None

        return shown

    def _shown(self, key: Key, url: str) -> str:
        from syncd.cli.output.formatting import strip_control_chars

        if self.wanted is not None:
            self.wanted.add(key)
        return self._linked(strip_control_chars(self.known.get(key) or key[2]), url)

    def _linked(self, text: str, url: str) -> str:
        from syncd.cli.output.printer import linked

        return linked(text, url)

    def _page(self, side: Side, record: str, kind: str, *, contact: bool = True) -> str:
        """Where a vendor's product shows a record; "" where that is not known."""
        if side is Side.HUBSPOT and self.hub:
            return f"https://app.hubspot.com/contacts/{self.hub}/record/{kind}/{record}"
        if side is Side.GHL and self.location and contact:
            # HighLevel documents no page of a single appointment.
            page = f"https://app.gohighlevel.com/v2/location/{self.location}"
            return f"{page}/contacts/detail/{record}"
        return ""
