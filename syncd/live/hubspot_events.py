"""Reads HubSpot's deliveries: arrays of events, also of several accounts.

An event says where to look, and reading by id tells the rest. The fields are
those of HubSpot's webhooks guides; no delivery of appointments is published, so
that several words for their type are understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from syncd.ports.announcements import Announced

APPOINTMENTS = "0-421"
_CONTACTS = "0-1"
_WORDS = {
    "appointment": APPOINTMENTS,
    "appointments": APPOINTMENTS,
    "contact": _CONTACTS,
    "contacts": _CONTACTS,
}
_NUMBER = re.compile(r"[0-9]{1,19}")

_IDENTITY = (
    "portalId",
    "eventId",
    "subscriptionId",
    "subscriptionType",
    "objectTypeId",
    "objectId",
    "propertyName",
    "occurredAt",
    "fromObjectId",
    "toObjectId",
    "associationTypeId",
    "associationRemoved",
    "changeFlag",
    "primaryObjectId",
    "newObjectId",
)
"""What makes two events one: `eventId` alone is not unique (webhooks guide)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpotEvent:
    """One record that an event names."""

    account: str
    """The number of the HubSpot account."""
    what: Announced
    record: str
    kind: str = ""
    """Of an appointment: its object type; that of a link may be another."""
    delivery: str = ""
    """HubSpot's own identity of the event, the same in every repetition."""
    at: datetime | None = None
    """When it happened (UTC)."""


def read_events(sent: object) -> Iterator[HubSpotEvent]:
    """The records that the events of a delivery name; what cannot be understood names none."""
    for event in sent if isinstance(sent, list) else [sent]:
        if isinstance(event, dict):
            yield from _read(event)


def _read(event: Mapping[str, Any]) -> Iterator[HubSpotEvent]:
    account = _number(event.get("portalId"))
    subscription = str(event.get("subscriptionType") or "")
    # "object.deletion" of the generic webhooks, "contact.deletion" of the older ones.
    word, _, change = subscription.partition(".")
    told = event.get("objectTypeId") or event.get("objectType") or word
    delivery = ""
    if event.get("eventId") is not None:
        delivery = "hubspot " + " ".join(f"{name}={event.get(name)}" for name in _IDENTITY)

    def names(kind: str, record: object) -> Iterator[HubSpotEvent]:
        what = _what(kind, change)
        if account and what is not None and (number := _number(record)):
            yield HubSpotEvent(
                account=account,
                what=what,
                record=number,
                kind=kind if what is Announced.RECORD else "",
                delivery=delivery,
                at=_instant(event.get("occurredAt")),
            )

    kind = _kind(told)
    merged = event.get("mergedObjectIds")
    for record in (
        event.get("objectId"),
        event.get("primaryObjectId"),
        event.get("newObjectId"),
        *(merged if isinstance(merged, list) else ()),
    ):
        yield from names(kind, record)
    for end in ("from", "to"):
        of_end = _kind(event.get(f"{end}ObjectTypeId"))
        if of_end != _CONTACTS:
            yield from names(of_end, event.get(f"{end}ObjectId"))


def _what(kind: str, change: str) -> Announced | None:
    """What an event about a record of that type asks to be looked at, if anything."""
    if kind == _CONTACTS:
        gone = change.casefold() in {"deletion", "privacydeletion", "merge"}
        return Announced.CONTACT if gone else None
    # Custom objects go by names as well, which the events do not tell.
    return Announced.RECORD if kind == APPOINTMENTS or kind.startswith("2-") else None


def _kind(told: object) -> str:
    word = str(told or "")
    return _WORDS.get(word.casefold(), word)


def _number(value: object) -> str:
    if isinstance(value, bool):
        return ""
    text = str(value) if isinstance(value, int | str) else ""
    return text if _NUMBER.fullmatch(text) else ""


def _instant(value: object) -> datetime | None:
    """Milliseconds since 1970."""
    number = _number(value)
    try:
        return datetime.fromtimestamp(int(number) / 1000, UTC) if number else None
    except (ValueError, OverflowError, OSError):
        return None
