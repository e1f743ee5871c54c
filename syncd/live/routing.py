"""Which links a delivery names: by location, by agency, or by HubSpot account.

The credential of a link does not matter: whatever announces changes of a
location or an account announces them for every link of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from syncd.config import LinkSettings, object_kind
from syncd.core.model import Side
from syncd.live.highlevel_events import HighLevelEvent
from syncd.live.hubspot_events import APPOINTMENTS, HubSpotEvent
from syncd.ports.announcements import Announced, Delivered, Way

LEARNED_EVERY = 10.0
"""Seconds for which what is known of the links' accounts holds."""

LEARNED_AGAIN = 0.5
"""The same where an account is named that no link has, as far as is known."""


@dataclass(slots=True, kw_only=True)
class _Index:
    """The links of a configuration, by what deliveries name."""

    links: Mapping[str, LinkSettings]
    locations: dict[str, list[str]] = field(default_factory=dict)
    accounts: dict[str, list[str]] = field(default_factory=dict)
    learned_at: float = float("-inf")


class Routes:
    """Finds the links of deliveries; used by one thread."""

    def __init__(
        self,
        *,
        links: Callable[[], Mapping[str, LinkSettings]],
        accounts: Callable[[], Mapping[str, str]],
        locations_of: Callable[[str], Collection[str]],
        monotonic: Callable[[], float],
    ) -> None:
        """Take what gives each link's account, as far as it is known, and an agency's locations.

        Both may ask the store.
        """
        self._links, self._accounts, self._locations_of = links, accounts, locations_of
        self._monotonic = monotonic
        self._index: _Index | None = None

    def of_highlevel(self, event: HighLevelEvent) -> Iterator[Delivered]:
        """What an app's delivery announces.

        Raises:
            StoreError: our own store failed.
        """
        if event.what is None:
            return
        for link in self.named_by(event):
            yield Delivered(
                link=link,
                side=Side.GHL,
                what=event.what,
                record=event.record,
                occurred_at=event.at,
                delivery=event.delivery and f"highlevel {event.delivery}",
            )

    def of_installation(self, event: HighLevelEvent) -> Iterator[Delivered]:
        """Its links are looked at soon, since they may work now, or no longer.

        Raises:
            StoreError: our own store failed.
        """
        for link in self.named_by(event):
            yield Delivered(
                link=link,
                side=Side.GHL,
                what=Announced.LINK,
                delivery=event.delivery and f"highlevel {event.delivery}",
                way=Way.LIFECYCLE,
            )

    def named_by(self, event: HighLevelEvent) -> list[str]:
        """The links of the location that an event names, or of its agency where it names none.

        Raises:
            StoreError: our own store failed.
        """
        known = self._known().locations
        if event.location:
            return known.get(event.location, [])
        locations = self._locations_of(event.agency) if event.agency else ()
        return [link for location in locations for link in known.get(location, ())]

    def of_workflow(self, link: str, record: str) -> Delivered:
        """What a workflow's webhook announces; without a record it means the whole link."""
        what = Announced.RECORD if record else Announced.LINK
        return Delivered(link=link, side=Side.GHL, what=what, record=record, way=Way.HOOK)

    def of_hubspot(self, event: HubSpotEvent) -> Iterator[Delivered]:
        """What an event of HubSpot announces.

        Raises:
            StoreError: our own store failed.
        """
        for link in self._of_account(event.account):
            if _concerns(event.kind, self._known().links[link]):
                yield Delivered(
                    link=link,
                    side=Side.HUBSPOT,
                    what=event.what,
                    record=event.record,
                    occurred_at=event.at,
                    delivery=event.delivery,
                )

    def _of_account(self, account: str) -> list[str]:
        index, now = self._known(), self._monotonic()
        every = LEARNED_EVERY if account in index.accounts else LEARNED_AGAIN
        if now - index.learned_at > every:
            index.accounts = {}
            for link, number in self._accounts().items():
                if link in index.links:
                    index.accounts.setdefault(number, []).append(link)
            index.learned_at = now
        return index.accounts.get(account, [])

    def _known(self) -> _Index:
        links = self._links()
        if self._index is None or self._index.links is not links:
            self._index = _Index(links=links)
            for name, link in links.items():
                self._index.locations.setdefault(link.ghl.location_id, []).append(name)
        return self._index


def _concerns(kind: str, link: LinkSettings) -> bool:
    """Whether a record of that type may be an appointment of the link; "" is a contact's."""
    own = object_kind(link.hubspot.object_type)
    # A custom object may be configured by its name, while events tell its number.
    by_name = own != APPOINTMENTS and not own.startswith("2-")
    return kind in {"", own} or (by_name and kind.startswith("2-"))
