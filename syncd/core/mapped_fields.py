"""Which mapped fields of a HighLevel appointment a link may map to HubSpot properties.

The configuration checks names and directions against this, HighLevel's
adapter reads and writes by it, the doctor judges property types by it. Left
out on purpose: `dateUpdated`, which syncd's own writes move, and
`meetingLocationType`, which is taken but never shown. Leaves out how a field
is named in the configuration, and which property it goes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from syncd.core.model import Group


class Kind(StrEnum):
    """What the values of a field look like, in both systems."""

    TEXT = "text"
    FLAG = "flag"
    """`true`, `false`, or nothing."""
    MOMENT = "moment"
    """UTC to the second, `2026-03-01T09:00:00Z`."""
    LIST = "list"
    """Texts in order, joined by `;`, as HubSpot writes several choices."""


CALENDAR_NAME = "calendarName"
"""Derived: what the appointment's calendar is called."""
HIGHLEVEL_LINK = "highlevelLink"
"""Derived: where a person finds the appointment in HighLevel."""
HUBSPOT_LINK = "hubspotLink"
"""Derived: where a person finds the record in HubSpot."""
STATUS = "appointmentStatus"
"""HighLevel's own status word, which six-to-four tables lose."""

FIELDS: Mapping[str, Kind] = {
    STATUS: Kind.TEXT,
    CALENDAR_NAME: Kind.TEXT,
    HIGHLEVEL_LINK: Kind.TEXT,
    HUBSPOT_LINK: Kind.TEXT,
    "address": Kind.TEXT,
    "assignedUserId": Kind.TEXT,
    "calendarId": Kind.TEXT,
    "contactId": Kind.TEXT,
    "createdBy.source": Kind.TEXT,
    "createdBy.userId": Kind.TEXT,
    "dateAdded": Kind.MOMENT,
    "description": Kind.TEXT,
    "endTime": Kind.MOMENT,
    "groupId": Kind.TEXT,
    "id": Kind.TEXT,
    "isRecurring": Kind.FLAG,
    "locationId": Kind.TEXT,
    "masterEventId": Kind.TEXT,
    "notes": Kind.TEXT,
    "rrule": Kind.TEXT,
    "startTime": Kind.MOMENT,
    "title": Kind.TEXT,
    "users": Kind.LIST,
}
"""Every field that can be mapped, derived ones included (API description of the event)."""

WRITABLE: Mapping[str, Group] = {
    "address": Group.ADDRESS,
    "description": Group.DESCRIPTION,
    "title": Group.TITLE,
}
"""Those that HighLevel also takes and shows again; each is a synced group of its own, which has
to be off where a map writes the field."""

DEFAULT_LINK = "https://app.gohighlevel.com/v2/location/{location}/contacts/detail/{contact}"
"""The contact's page, which lists its appointments: a single one has no published address."""
PLACES = ("location", "contact", "appointment", "calendar")
"""What a link's address may name, in braces."""


def address(template: str, ids: Mapping[str, str]) -> str:
    """A link's address with the ids put in; "" where one that it names is not known."""
    for place in PLACES:
        mark = f"{{{place}}}"
        if mark in template:
            if not ids.get(place):
                return ""
            template = template.replace(mark, ids[place])
    return template
