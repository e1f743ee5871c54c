"""What counts as a change: the synced fields in canonical form, and their print.

Adapters canonicalise here at the edge (`text`, `instant`); observe compares
prints to skip what did not move; merge compares group by group. Leaves out
vendor metadata of every kind: our own bookkeeping never looks like an edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from syncd.core.model import (
    MAPPED_PREFIX,
    Appointment,
    Group,
    GroupKey,
    Pair,
    Side,
    Snapshot,
)

Value = str | tuple[datetime | None, datetime | None]
"""A group's value: text, or (start, end)."""

GONE = "-"
"""The print of a record that is gone."""

OPEN = "?"
"""The agreed print of a living pair with open groups: no record ever shows it."""

CALENDAR, REMOVAL = "calendar", "removal"
"""What two readings of a record may differ in beside its groups."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EMPTY = blake2b(digest_size=12)

_TEXT_FIELDS: dict[GroupKey, str] = {
    Group.TITLE: "title",
    Group.STATUS: "status",
    Group.DESCRIPTION: "description",
    Group.ADDRESS: "address",
    Group.OWNER: "owner",
    Group.CONTACT: "contact",
}


def text(raw: str | None) -> str:
    """Text as it is compared: trimmed, line ends as one newline, `None` as absent."""
    if not raw:
        return ""
    return raw.replace("\r\n", "\n").replace("\r", "\n").strip()


def instant(moment: datetime) -> datetime:
    """An aware instant as it is compared: UTC, to the second."""
    found = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return found.replace(microsecond=0) if found.microsecond else found


def value(appointment: Appointment, group: GroupKey) -> Value:
    """The value of one group; a mapped field that the record lacks is `""`."""
    if group in _TEXT_FIELDS:
        found: str = getattr(appointment, _TEXT_FIELDS[group])
        return found
    if group == Group.TIME:
        return (appointment.start, appointment.end)
    return dict(appointment.mapped_fields).get(group.removeprefix(MAPPED_PREFIX), "")


def with_value(appointment: Appointment, group: GroupKey, new: Value) -> Appointment:
    """The same appointment with one group replaced."""
    if isinstance(new, tuple):
        return replace(appointment, start=new[0], end=new[1])
    if group.startswith(MAPPED_PREFIX):
        mapped_fields = dict(appointment.mapped_fields) | {group.removeprefix(MAPPED_PREFIX): new}
        return replace(
            appointment, mapped_fields=tuple(sorted((k, v) for k, v in mapped_fields.items() if v))
        )
    changed: dict[str, Any] = {_TEXT_FIELDS[group]: new}
    return replace(appointment, **changed)


def with_groups(
    appointment: Appointment, source: Appointment, groups: Iterable[GroupKey]
) -> Appointment:
    """The same appointment with these groups taken from `source`."""
    for group in groups:
        appointment = with_value(appointment, group, value(source, group))
    return appointment


def to_report_fields(held: Value, group: GroupKey) -> dict[str, str | None]:
    """A group's value as the report's fields: start and end are two; `None` for absent."""
    if isinstance(held, tuple):
        return {"start": moment_text(held[0]), "end": moment_text(held[1])}
    return {group.removeprefix(MAPPED_PREFIX): held or None}


def from_report_fields(now: Value, group: GroupKey, fields: Mapping[str, str | None]) -> Value:
    """A group's value with these report fields put in; those not named stay as they are."""
    if isinstance(now, tuple):
        start, end = (
            _moment(fields[name]) if name in fields else held
            for name, held in zip(("start", "end"), now, strict=True)
        )
        return (start, end)
    return fields.get(group.removeprefix(MAPPED_PREFIX)) or ""


def moment_text(moment: datetime | None) -> str | None:
    """An instant as reports and history write it: UTC, `2026-03-01T09:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _moment(written: str | None) -> datetime | None:
    return instant(datetime.fromisoformat(written)) if written else None


def in_words(value: Value) -> str:
    """A value as a person reads it."""
    if not isinstance(value, tuple):
        return value
    return " to ".join(moment.isoformat() if moment else "?" for moment in value)


def is_empty(found: Value) -> bool:
    """Whether a value says nothing: `""`, or no start."""
    return not (found[0] if isinstance(found, tuple) else found)


def fingerprint(appointment: Appointment, external_id: str = "") -> str:
    """A short digest of every synced field; equal prints mean equal essences."""
    title, status, description = appointment.title, appointment.status, appointment.description
    address, owner, contact = appointment.address, appointment.owner, appointment.contact
    start, end = _seconds(appointment.start), _seconds(appointment.end)
    # Each part is led by its length: no text that a vendor sends can look like a border. One
    # text in one go, since a full cycle takes the print of every record of both sides.
    measured = (
        f"{len(title)}:{title}{len(start)}:{start}{len(end)}:{end}{len(status)}:{status}"
        f"{len(description)}:{description}{len(address)}:{address}{len(owner)}:{owner}"
        f"{len(contact)}:{contact}{len(external_id)}:{external_id}"
    )
    if appointment.mapped_fields:
        parts = (part for field in appointment.mapped_fields if field[1] for part in field)
        measured += "".join(f"{len(part)}:{part}" for part in parts)
    # A copy of an empty digest costs two thirds of a new one.
    digest = _EMPTY.copy()
    digest.update(measured.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _seconds(moment: datetime | None) -> str:
    """An instant in a print: seconds since 1970, which costs a tenth of writing it as a date."""
    if moment is None:
        return ""
    since = moment - _EPOCH
    return str(since.days * 86_400 + since.seconds)


def snapshot_fingerprint(snapshot: Snapshot) -> str:
    """The print of what a side shows now."""
    if snapshot.gone:
        return GONE
    # A record that lacks its own address is marked again, as one that lacks its identity.
    return fingerprint(snapshot.appointment, "" if snapshot.unlinked else snapshot.external_id)


SPOT = "spot "
"""What a print of a record's place begins with."""


def slot_fingerprint(snapshot: Snapshot) -> str:
    """The print of when a record is, for whom, and how it stands: what a doubt rests on."""
    shown = snapshot.appointment
    place = Appointment(
        start=shown.start,
        end=shown.end,
        status=shown.status,
        contact=" ".join(sorted(snapshot.contacts)) or shown.contact,
    )
    return SPOT + fingerprint(place, snapshot.external_id)


def without_unmapped(appointment: Appointment, known: Iterable[str]) -> Appointment:
    """The same appointment without the fields that are not mapped any more."""
    if not appointment.mapped_fields:
        return appointment
    names = frozenset(known)
    kept = tuple(field for field in appointment.mapped_fields if field[0] in names)
    return (
        appointment
        if kept == appointment.mapped_fields
        else replace(appointment, mapped_fields=kept)
    )


def agreed_fingerprint(pair: Pair, side: Side) -> str:
    """The print that an untouched record of this pair shows on that side."""
    if pair.gone_on(side):
        return GONE
    external_id_refused = (
        side is Side.HUBSPOT and not pair.has_external_id and not pair.external_id_taken
    )
    # An open owner alone waits for a person, or for the people's lists to be readable.
    if (pair.open - {Group.OWNER} or external_id_refused) and pair.removal is None:
        return OPEN
    has_external_id = side is Side.HUBSPOT and pair.has_external_id
    shown = pair.shown_on(side)
    if pair.removal is not None and pair.removal.status_agreed:
        # The cancellation may never have been agreed on as an edit: back is news as well.
        shown = replace(shown, status=pair.removal.status_agreed)
    return fingerprint(shown, pair.ghl_id if has_external_id else "")


def all_groups(*records: Snapshot) -> frozenset[GroupKey]:
    """Every group that these records may show."""
    mapped_fields = {
        f"{MAPPED_PREFIX}{name}" for each in records for name, _ in each.appointment.mapped_fields
    }
    return frozenset({*Group, *mapped_fields})


def differing(seen: Snapshot, now: Snapshot, groups: Iterable[GroupKey]) -> tuple[str, ...]:
    """What a record shows otherwise than it did, by name; nothing where the decision stands.

    Contacts are compared as a set. A removal and another calendar always count.
    """
    if seen.gone or now.gone:
        return (REMOVAL,) if seen.gone != now.gone else ()
    found = [group for group in groups if _differs(seen, now, group)]
    if seen.calendar and now.calendar and seen.calendar != now.calendar:
        found.append(CALENDAR)
    return tuple(sorted(found))


def _differs(seen: Snapshot, now: Snapshot, group: GroupKey) -> bool:
    if group == Group.CONTACT:
        return set(seen.contacts) != set(now.contacts)
    return value(seen.appointment, group) != value(now.appointment, group)
