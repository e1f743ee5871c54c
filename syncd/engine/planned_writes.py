"""A write as a person reads it: which record, which fields, from what to what, and why.

`report` lists them, `plan` prints them, a kept plan names each by its digest,
and the history keeps their words. Pure; leaves out what a cycle came to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from syncd.core import essence
from syncd.core.actions import (
    Create,
    NewContact,
    Remove,
    Update,
    Write,
    WriteExternalId,
    new_contacts,
)
from syncd.core.contacts import Known
from syncd.core.essence import Value
from syncd.core.guards import Plan
from syncd.core.model import Appointment, Group, GroupKey, Side
from syncd.core.outcome import CHANGES, REMOVALS
from syncd.errors import quoted
from syncd.ports.store import APPOINTMENT, CONTACT

NEEDED = "an appointment is for this person, who has no contact there"
"""Why a contact is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWrite:
    """A write as a person reads it: which fields, from what to what, and why."""

    side: Side
    action: str
    ghl_id: str
    hubspot_id: str
    """With a contact, both are ids of contacts."""
    fields: Mapping[str, tuple[str | None, str | None]]
    why: str
    record: str = APPOINTMENT
    title: str = ""
    """What the appointment is called; of a contact, its name."""
    starts_at: datetime | None = None
    contact: Mapping[Side, str] | None = None
    """Of an appointment that is made: whom it is for, "" where that contact is to be made."""
    calendar: str = ""
    """Of an appointment that is made: the HighLevel calendar on which it stands."""
    rests_on: str = ""
    """Of a pair: for whom its records are and where they stand. Not shown, but part of the digest:
    a record that is somebody else's by now has moved on."""
    kept_back: str = ""
    """The guard that keeps it back."""
    delay: float | None = None
    """Done: seconds from the vendor's stamp of the change to our write, where it is known."""

    def id_on(self, side: Side) -> str:
        """The record's id on that side, "" where there is none yet."""
        return self.ghl_id if side is Side.GHL else self.hubspot_id

    @property
    def goes_out(self) -> bool:
        """Whether the next cycle would write it."""
        return not self.kept_back


def planned_as_json(write: PlannedWrite) -> dict[str, object]:
    """One write of the `planned` list."""
    found: dict[str, object] = {
        "side": write.side.value,
        "record": write.record,
        "action": write.action,
        "ghl_id": write.ghl_id or None,
        "hubspot_id": write.hubspot_id or None,
        "title": write.title or None,
        "start": essence.moment_text(write.starts_at),
        "fields": {
            name: {"from": before, "to": after} for name, (before, after) in write.fields.items()
        },
        "why": write.why,
        "kept_back": write.kept_back or None,
    }
    if write.contact is not None:
        found["contact"] = {f"{side.value}_id": write.contact[side] or None for side in Side}
        found["calendar"] = write.calendar or None
    return found


# --- from actions to words


def described(write: Write, delay: float | None = None) -> PlannedWrite:
    """A write in words; `delay` once it is done, see `PlannedWrite`."""
    ghl_id, hubspot_id = write.ids
    match write:
        case Create():
            shown, why = write.wanted, write.why
            fields = _new_fields(write.wanted)
        case Update():
            shown = write.seen.appointment
            why = "; ".join(dict.fromkeys(change.why for change in write.changes))
            fields = {}
            for change in write.changes:
                fields |= field_values(change.group, change.before, change.after)
        case Remove():
            shown, why = write.seen.appointment, write.why
            fields = {"status": (shown.status, write.cancel_as)} if write.cancel_as else {}
        case WriteExternalId():
            shown, why, fields = write.pair.hubspot, "", {}
    return PlannedWrite(
        side=write.side,
        action=write.action,
        ghl_id=ghl_id,
        hubspot_id=hubspot_id,
        fields=fields,
        why=why,
        title=shown.title,
        starts_at=shown.start,
        contact=_whom(write) if isinstance(write, Create) else None,
        calendar=_where(write) if isinstance(write, Create) else "",
        rests_on="" if isinstance(write, Create) else _whose(write),
        delay=delay,
    )


def _whom(write: Create) -> dict[Side, str]:
    across = write.contact.id if isinstance(write.contact, Known) else ""
    return {write.side: across, write.side.other: write.source.appointment.contact}


def _where(write: Create) -> str:
    return write.calendar or write.source.calendar or (write.pair.calendar if write.pair else "")


def _whose(write: Update | Remove | WriteExternalId) -> str:
    # Of what was removed one reading tells more than another.
    records = [each for each in (write.seen, write.source) if each is not None and not each.gone]
    return " ".join(
        f"{each.side.value}:{each.calendar}:{','.join(sorted(each.contacts))}" for each in records
    )


def described_contact(new: NewContact, made: str = "") -> PlannedWrite:
    """A contact that is made, in words; `made` is its id once it is there."""
    ids = {new.side: made, new.side.other: new.source}
    told = {
        "first_name": new.contact.first_name,
        "last_name": new.contact.last_name,
        "email": next(iter(new.contact.emails), ""),
        "phone": next(iter(new.contact.phones), ""),
    }
    return PlannedWrite(
        side=new.side,
        action="create",
        ghl_id=ids[Side.GHL],
        hubspot_id=ids[Side.HUBSPOT],
        fields={name: (None, value) for name, value in told.items() if value},
        why=NEEDED,
        record=CONTACT,
        title=new.contact.name,
    )


def of_plan(plan: Plan) -> list[PlannedWrite]:
    """Everything that a plan would write, contacts first, then what its guards keep back."""
    shown = _with_contacts(plan.writes)
    for guard in (REMOVALS, CHANGES):
        kept = [each.write for each in plan.kept_back if each.guard == guard]
        shown += [replace(each, kept_back=guard) for each in _with_contacts(kept)]
    return shown


def _with_contacts(writes: Sequence[Write]) -> list[PlannedWrite]:
    return [
        *(described_contact(new) for new in new_contacts(writes)),
        *(described(write) for write in writes),
    ]


def in_one_line(write: PlannedWrite) -> str:
    """A planned write as one line for a person: which record, by its ids on both sides.

    It is logged too, so that it does not name a contact.
    """
    if write.record == CONTACT:
        whose = write.id_on(write.side.other)
        of = f"{write.side.other.label} {whose}"
        return f"{write.side.value}: create the contact of {of} ({write.why})"
    title = f" {quoted(write.title)}" if write.title else ""
    ids = ((side.label, write.id_on(side)) for side in Side)
    record = ", ".join(f"{side} {each}" for side, each in ids if each)
    return f"{write.side.value}: {write.action}{title}, {record} ({write.why})"


def digest(write: PlannedWrite) -> str:
    """What names a planned write: the same words, the same digest."""
    said = planned_as_json(replace(write, kept_back="")) | {"rests_on": write.rests_on}
    words = json.dumps(said, sort_keys=True, ensure_ascii=True)
    return blake2b(words.encode(), digest_size=16).hexdigest()


def before_its_contact(write: PlannedWrite) -> PlannedWrite:
    """The write as it was shown while the contact that it is for was still to be made."""
    if write.contact is None:
        return write
    return replace(write, contact={**write.contact, write.side: ""})


def digests(write: Write) -> dict[str, PlannedWrite]:
    """What names a write in a kept plan, and the contact that is made for it.

    A cycle that was broken off may have made the contact that the rest is for,
    so that the write has another name than it had before.
    """
    told, new = described(write), write.new_contact
    found = [told, before_its_contact(told)]
    if new is not None:
        found.append(described_contact(new))
    return {digest(each): each for each in found}


def fingerprint_of(write: Write) -> str:
    """What a write wants, and of which records, as a short digest.

    A refused write is tried again at once when it wants something else, or when
    a record changed: the reason of the refusal may be gone.
    """
    if not write.counted:
        return ""
    planned = described(write)
    parts = [
        planned.action,
        planned.side.value,
        *(f"{k}={v[1]}" for k, v in sorted(planned.fields.items())),
    ]
    # To the second: an answer and a list may give one stamp with more or less of it.
    parts += [essence.instant(stamp).isoformat() if stamp else "" for stamp in _stamps(write)]
    words = "\x1f".join(parts)
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def by_group(write: Update) -> dict[GroupKey, Update]:
    """The write of each of its groups alone."""
    return {change.group: replace(write, changes=(change,)) for change in write.changes}


def _stamps(write: Write) -> tuple[datetime | None, datetime | None]:
    """When the vendors say that the records of a write changed last: its own, and its source."""
    own = None if isinstance(write, Create) or write.seen is None else write.seen.updated_at
    return own, write.changed_at


def _new_fields(wanted: Appointment) -> dict[str, tuple[str | None, str | None]]:
    fields: dict[str, tuple[str | None, str | None]] = {}
    for group in (*Group, *(f"x:{name}" for name, _ in wanted.mapped_fields)):
        found = essence.value(wanted, group)
        if not essence.is_empty(found):
            fields |= {
                name: (None, new) for name, new in essence.to_report_fields(found, group).items()
            }
    return fields


def field_values(
    group: GroupKey, before: Value, after: Value
) -> dict[str, tuple[str | None, str | None]]:
    """A group's change as the report's fields: start and end are two, what stays is left out."""
    old, new = essence.to_report_fields(before, group), essence.to_report_fields(after, group)
    return {name: (old.get(name), new[name]) for name in new if old.get(name) != new[name]}
