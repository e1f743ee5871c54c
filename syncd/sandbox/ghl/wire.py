"""HighLevel records as JSON, with exactly the keys that the service sends.

Called by the handlers. Where the vendor's description and the service differ, the service wins:
keys without a value are absent, write answers have neither start nor end, one key has a twin
with a spelling mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.timestamps import iso_ms, iso_offset, naive_local

if TYPE_CHECKING:
    from datetime import timedelta

    from syncd.sandbox.ghl.location import GhlLocation
    from syncd.sandbox.ghl.records import (
        GhlAppointment,
        GhlBlock,
        GhlCalendar,
        GhlContact,
        GhlNote,
        GhlUser,
    )
    from syncd.sandbox.http import JsonObject

_STATES = {
    "new": "pending",
    "confirmed": "active",
    "cancelled": "cancelled",
    "showed": "completed",
    "noshow": "noshow",
    "invalid": "invalid",
}


def event(location: GhlLocation, row: GhlAppointment) -> JsonObject:
    """An appointment in a list or in a get: times in the location's zone, stamps in UTC."""
    zone = location.zone
    shown: JsonObject = {
        "id": row.id,
        "title": row.title,
        "calendarId": row.calendar,
        "locationId": location.id,
        "contactId": row.contact,
        "appointmentStatus": row.status,
        "appoinmentStatus": row.status,
        "startTime": iso_offset(row.start, zone),
        "endTime": iso_offset(row.end, zone),
        "dateAdded": iso_ms(row.added),
        "dateUpdated": iso_ms(row.updated),
        "deleted": row.deleted,
        "createdBy": {"userId": row.created_by, "source": row.source},
        "appointmentMeta": {"slotType": "default"},
    }
    shown |= _optional(location, row)
    if row.rrule is not None:
        shown |= {"isRecurring": True, "rrule": row.rrule}
    if row.master is not None:
        shown["masterEventId"] = row.master
    return shown


def event_details(location: GhlLocation, row: GhlAppointment) -> JsonObject:
    """A get's answer adds the status in machine words."""
    details = {"status": row.status, "state": _STATES.get(row.status, row.status)}
    return event(location, row) | {"statusDetails": {**details, "translatable": True}}


def written(location: GhlLocation, row: GhlAppointment) -> JsonObject:
    """The answer to a create or update: flat, and without start, end and description."""
    shown: JsonObject = {
        "id": row.id,
        "title": row.title,
        "calendarId": row.calendar,
        "locationId": location.id,
        "contactId": row.contact,
        "status": "booked",
        "appointmentStatus": row.status,
        "appoinmentStatus": row.status,
        "isRecurring": row.rrule is not None,
        "dateAdded": iso_ms(row.added),
        "dateUpdated": iso_ms(row.updated),
    }
    if row.address is not None:
        shown["address"] = row.address
    if row.meeting_location_type is not None:
        shown["meetingLocationType"] = row.meeting_location_type
    if row.assignee is not None:
        shown["assignedUserId"] = row.assignee
    if row.rrule is not None:
        shown["rrule"] = row.rrule
    return shown


def announced(location: GhlLocation, row: GhlAppointment) -> JsonObject:
    """An appointment inside an app's event (HighLevel, "AppointmentCreate")."""
    shown = event(location, row)
    kept = ("id", "title", "calendarId", "contactId", "appointmentStatus", "assignedUserId")
    return {key: shown[key] for key in kept if key in shown} | {
        "address": row.address or "",
        "notes": row.notes or "",
        "source": row.source,
        "startTime": shown["startTime"],
        "endTime": shown["endTime"],
        "dateAdded": shown["dateAdded"],
        "dateUpdated": shown["dateUpdated"],
    }


def contact_event(location: GhlLocation, row: GhlAppointment) -> JsonObject:
    """An appointment in a contact's list: local times without an offset, fewer keys."""
    zone = location.zone
    shown: JsonObject = {
        "id": row.id,
        "calendarId": row.calendar,
        "status": "booked",
        "title": row.title,
        "appointmentStatus": row.status,
        "startTime": naive_local(row.start, zone),
        "endTime": naive_local(row.end, zone),
        "locationId": location.id,
        "contactId": row.contact,
        "dateAdded": naive_local(row.added, zone),
        "dateUpdated": naive_local(row.updated, zone),
        "assignedResources": [],
    }
    shown |= _optional(location, row)
    shown.pop("description", None)
    return shown


def block(location: GhlLocation, row: GhlBlock) -> JsonObject:
    """Blocked time."""
    zone = location.zone
    shown: JsonObject = {
        "id": row.id,
        "title": row.title,
        "locationId": location.id,
        "startTime": iso_offset(row.start, zone),
        "endTime": iso_offset(row.end, zone),
        "dateAdded": iso_ms(row.added),
        "dateUpdated": iso_ms(row.updated),
        "deleted": row.deleted,
    }
    if row.calendar is not None:
        shown["calendarId"] = row.calendar
    if row.user is not None:
        shown["assignedUserId"] = row.user
    return shown


def calendar(location: GhlLocation, row: GhlCalendar) -> JsonObject:
    """A calendar; event calendars show no team, and open hours may be an object."""
    shown: JsonObject = {
        "id": row.id,
        "locationId": location.id,
        "name": row.name,
        "description": "",
        "isActive": row.active,
        "calendarType": row.kind,
        "eventTitle": row.title_template,
        "autoConfirm": row.auto_confirm,
        "allowReschedule": True,
        "allowCancellation": True,
        "googleInvitationEmails": False,
        "enableRecurring": len(row.team) == 1,
        "appoinmentPerSlot": row.per_slot,
        "appointmentPerSlot": row.per_slot,
        "allowBookingAfter": int(row.notice.total_seconds() // 3600),
        "allowBookingAfterUnit": "hours",
    }
    for name, length in _lengths(row).items():
        shown[name], shown[f"{name}Unit"] = _in_units(length)
    if row.group is not None:
        shown["groupId"] = row.group
    if row.kind == "event":
        shown["openHours"] = {}
        return shown
    shown["openHours"] = [_open_hours(row)]
    shown["eventType"] = "RoundRobin_OptimizeForAvailability"
    shown["teamMembers"] = [
        {"userId": user, "priority": 0.5, "isPrimary": number == 0, "locationConfigurations": []}
        for number, user in enumerate(row.team)
    ]
    return shown


def contact(location: GhlLocation, row: GhlContact) -> JsonObject:
    """A contact in a get, create or upsert."""
    shown: JsonObject = {
        "id": row.id,
        "locationId": location.id,
        "dateAdded": iso_ms(row.added),
        "dateUpdated": iso_ms(row.updated),
        "tags": list(row.tags),
        "type": "lead",
        "country": location.country,
        "customFields": [],
        "additionalEmails": [{"email": email} for email in row.additional_emails],
    }
    names = {"firstName": row.first_name, "lastName": row.last_name, "fullName": row.name}
    for key, value in names.items():
        if value:
            shown[f"{key}LowerCase"] = value.lower()
            if key != "fullName":
                shown[key] = value
    if row.email:
        shown |= {"email": row.email, "emailLowerCase": row.email.lower()}
    if row.phone:
        shown["phone"] = row.phone
    return shown | row.fields


def contact_hit(location: GhlLocation, row: GhlContact) -> JsonObject:
    """A contact in a search: some names differ, and each row says where to go on."""
    shown = contact(location, row)
    shown["contactName"] = row.name
    shown["businessName"] = row.fields.get("companyName")
    shown["address"] = row.fields.get("address1")
    shown["phone"] = row.phone
    shown["email"] = row.email
    shown["additionalEmails"] = list(row.additional_emails)
    shown["searchAfter"] = [int(row.added.timestamp() * 1000), row.id]
    return shown


def user(location: GhlLocation, row: GhlUser) -> JsonObject:
    """A user of the location."""
    first, _, last = row.name.partition(" ")
    return {
        "id": row.id,
        "name": row.name,
        "firstName": first,
        "lastName": last,
        "email": row.email,
        "phone": row.phone,
        "extension": "",
        "permissions": {},
        "roles": {"type": "account", "role": "user", "locationIds": [location.id]},
    }


def place(location: GhlLocation) -> JsonObject:
    """The location itself: the only place that knows the time zone."""
    return {
        "id": location.id,
        "companyId": location.company_id,
        "name": location.name,
        "country": location.country,
        "timezone": location.timezone,
        "email": "clinic@example.com",
        "business": {"name": location.name, "timezone": location.timezone},
        "social": {},
        "settings": {
            "allowDuplicateContact": location.allow_duplicate_contacts,
            "allowDuplicateOpportunity": False,
            "allowFacebookNameMerge": False,
            "disableContactTimezone": False,
            "contactUniqueIdentifiers": list(location.settings.contact_priority),
        },
    }


def note(location: GhlLocation, row: GhlNote) -> JsonObject:
    """A note on an appointment: it has no stamp of its last change."""
    shown: JsonObject = {
        "id": row.id,
        "body": row.body,
        "dateAdded": iso_ms(row.added),
        "contactId": location.appointments[row.appointment].contact,
        "createdBy": {"id": row.user or "", "name": ""},
    }
    if row.user is not None:
        shown["userId"] = row.user
    return shown


def _optional(location: GhlLocation, row: GhlAppointment) -> JsonObject:
    shown: JsonObject = {}
    held = location.calendars[row.calendar]
    if row.address is not None:
        shown["address"] = row.address
    if row.description is not None:
        shown["description"] = row.description
    if row.assignee is not None:
        shown["assignedUserId"] = row.assignee
    if held.kind != "event":
        shown["users"] = list(row.users)
        shown["notes"] = row.notes or ""
        if held.group is not None:
            shown["groupId"] = held.group
    elif row.notes is not None:
        shown["notes"] = row.notes
    return shown


def _lengths(row: GhlCalendar) -> dict[str, timedelta]:
    return {
        "slotDuration": row.slot,
        "slotInterval": row.interval,
        "slotBuffer": row.buffer,
        "preBuffer": row.pre_buffer,
    }


def _in_units(length: timedelta) -> tuple[float, str]:
    minutes = length.total_seconds() / 60
    if minutes and minutes % 60 == 0:
        return int(minutes / 60), "hours"
    return (int(minutes) if minutes == int(minutes) else minutes), "mins"


def _open_hours(row: GhlCalendar) -> JsonObject:
    # The description ends the day at hour 23, minute 60; there is no 24.
    closes = (row.closes.hour, row.closes.minute) if row.closes else (23, 60)
    hours = {
        "openHour": row.opens.hour,
        "openMinute": row.opens.minute,
        "closeHour": closes[0],
        "closeMinute": closes[1],
    }
    # The service counts Sunday as 0.
    return {"daysOfTheWeek": sorted((day + 1) % 7 for day in row.open_days), "hours": [hours]}
