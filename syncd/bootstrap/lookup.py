"""What a verb asks both vendors for a person's question: a record by id, a contact by e-mail.

`App.look_up` makes one for a link. It writes nothing and takes no lock; the
requests count against the account's limits as those of cycles do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from syncd.core.left_out import IGNORED, MERGED, why
from syncd.core.model import Missing, Side, Snapshot
from syncd.errors import NotFound, ProviderError

if TYPE_CHECKING:
    from syncd.bootstrap.links import LinkOpener
    from syncd.config import LinkSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A record as its vendor shows it now."""

    side: Side
    id: str
    shown: Snapshot | Missing
    rule: str = ""
    """The rule that leaves it out (`core.left_out.REASONS`); "" where none does."""

    @property
    def exists(self) -> bool:
        """Whether the vendor knows such a record, or what became of it."""
        return isinstance(self.shown, Snapshot) or bool(self.shown.became)


class Lookup:
    """Both sides of a link, opened to be asked."""

    def __init__(self, opened: LinkOpener, settings: LinkSettings) -> None:
        self._opened, self._settings = opened, settings
        self._stack = ExitStack()
        self.link = opened.link

    def __enter__(self) -> Self:
        self._stack.enter_context(closing(self._opened))
        self._stack.enter_context(self._opened.asked())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def spare(self, take: Callable[[Side], None]) -> AbstractContextManager[None]:
        """Send requests from the spare part of the budgets only; `take` counts them."""
        return self._opened.spare(self.link.clock, take)

    def record(self, record_id: str, *, ignored: bool = False) -> list[Looked]:
        """The records with this id; HubSpot's ids are numbers, HighLevel's never are.

        Raises:
            SyncdError: the side that may have it cannot be read.
        """
        side = Side.HUBSPOT if record_id.isascii() and record_id.isdigit() else Side.GHL
        provider, account = self.link.side(side), self.link.ghl.prepare()
        if side is Side.HUBSPOT:
            provider.prepare()
        shown = provider.fetch([record_id])[record_id]
        if isinstance(shown, Missing):
            rule = MERGED if shown.became else ""
            return [Looked(side=side, id=record_id, shown=shown, rule=rule)]
        ghl = self._settings.ghl
        named = {*ghl.calendars, ghl.default_calendar} - {""}
        active = {each.id for each in account.calendars if each.active}
        calendars = named if ghl.calendars else active | named
        policy = self.link.rules.at(self.link.clock.now(), first=False, overrides={})
        rule = IGNORED if ignored else why(shown, policy, calendars)
        return [Looked(side=side, id=record_id, shown=shown, rule=rule)]

    def contacts(self, email: str) -> dict[Side, tuple[str, ...]]:
        """The ids of the contacts with this e-mail address, by side.

        Raises:
            SyncdError: a side cannot be asked.
        """
        found: dict[Side, tuple[str, ...]] = {}
        for side in Side:
            answer = self.link.side(side).find_contacts([email], [])[email]
            if isinstance(answer, ProviderError):
                raise answer
            found[side] = tuple(contact.id for contact in answer)
        return found

    def appointments(self, contacts: dict[Side, tuple[str, ...]]) -> list[tuple[Side, str]]:
        """The living appointments of these contacts.

        Raises:
            SyncdError: they cannot be read.
        """
        found: list[tuple[Side, str]] = []
        for contact in contacts[Side.GHL]:
            try:
                shown = self.link.ghl.bookings_of(contact)
            except NotFound:
                continue  # Removed just now.
            found += [(Side.GHL, each.id) for each in shown if not each.gone]
        if contacts[Side.HUBSPOT]:
            linked, errors = self.link.hubspot.linked_to(contacts[Side.HUBSPOT])
            for error in errors.values():
                raise error
            found += [(Side.HUBSPOT, each) for ids in linked.values() for each in ids]
        return [*dict.fromkeys(found)]
