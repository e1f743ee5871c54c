"""Between HubSpot's properties and the core's appointment, both ways. Pure.

The other modules call this with the records that `wire` parsed. Leaves out
requests (`protocol`), the account's definitions (`schema`) and the meaning of
a status (the core's tables): values stay in HubSpot's terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core import essence
from syncd.core.model import MAPPED_PREFIX, Appointment, FieldError, Group, GroupKey, Side, Snapshot
from syncd.errors import quoted
from syncd.ports.provider import Edit, ExternalIds
from syncd.providers.hubspot.wire import Record, moment

NAME = "hs_appointment_name"
START = "hs_appointment_start"
END = "hs_appointment_end"
OWNER = "hubspot_owner_id"
"""Holds an owner's id, not a user's (owners guide)."""
GHL_ID = "ghl_appointment_id"
GHL_LOCATION = "ghl_location_id"
DESCRIPTION = "ghl_description"
ADDRESS = "ghl_address"
NOTE = "ghl_sync_note"
"""Says why the record is held; written, and never read."""
STAGE = "hs_pipeline_stage"
PIPELINE = "hs_pipeline"
MODIFIED = "hs_lastmodifieddate"
CREATED = "hs_createdate"
OBJECT_ID = "hs_object_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyMap:
    """Which property holds which group in this account.

    `mapped_fields` are (name, property) of the mapped fields, `filter_properties` the
    properties that the link's filter and routes use.
    """

    status: str
    mapped_fields: tuple[tuple[str, str], ...] = ()
    filter_properties: tuple[str, ...] = ()
    moments: frozenset[str] = frozenset()
    """The mapped properties of type `datetime`."""
    link: str = ""
    """The property for the record's own URL; "" for none."""
    link_base: str = ""
    """That URL, up to the record's id."""
    note: str = ""
    """The property for the reason of a hold; "" where the account has none."""
    pipeline_of: Mapping[str, str] = field(default_factory=dict)
    """Stage → pipeline, where the status is a stage and there is more than one pipeline."""

    def of(self, group: GroupKey) -> tuple[str, ...]:
        """The properties of a group; the contact is an association and has none."""
        if group.startswith(MAPPED_PREFIX):
            name = group.removeprefix(MAPPED_PREFIX)
            return tuple(held for mapped, held in self.mapped_fields if mapped == name)
        return {
            Group.TITLE: (NAME,),
            Group.TIME: (START, END),
            Group.STATUS: (self.status,),
            Group.DESCRIPTION: (DESCRIPTION,),
            Group.ADDRESS: (ADDRESS,),
            Group.OWNER: (OWNER,),
            Group.CONTACT: (),
        }[Group(group)]

    @property
    def groups(self) -> tuple[GroupKey, ...]:
        """Every group, mapped fields included."""
        return (*Group, *(f"{MAPPED_PREFIX}{name}" for name, _ in self.mapped_fields))

    @property
    def mapped(self) -> tuple[str, ...]:
        """The properties that hold groups, each once."""
        return tuple(dict.fromkeys(held for group in self.groups for held in self.of(group)))

    @property
    def read(self) -> tuple[str, ...]:
        """The properties that are requested of a record, each once."""
        own = (GHL_ID, GHL_LOCATION, MODIFIED, *filter(None, (self.link,)))
        return tuple(dict.fromkeys((*self.mapped, *own, *self.filter_properties)))

    def address(self, record_id: str) -> dict[str, str]:
        """The property with a record's own URL, where one is configured."""
        return {self.link: f"{self.link_base}{record_id}"} if self.link else {}


def snapshot(
    record: Record, property_map: PropertyMap, contacts: tuple[str, ...] | None = None
) -> Snapshot:
    """A record in the core's terms; `contacts` where they were read separately.

    `appointment.contact` is the associated contact where there is exactly
    one; which of several is meant, the core decides.
    """
    associated = record.associated if contacts is None else contacts
    held = record.properties
    return Snapshot(
        side=Side.HUBSPOT,
        id=record.id,
        appointment=appointment(
            held, property_map, contact=associated[0] if len(associated) == 1 else ""
        ),
        contacts=associated,
        updated_at=_updated_at(record),
        created_at=second(record.created_at),
        gone=record.archived,
        external_id=essence.text(held.get(GHL_ID)),
        location_id=essence.text(held.get(GHL_LOCATION)),
        filter_properties={
            name: essence.text(held.get(name)) for name in property_map.filter_properties
        },
        unlinked=not record.archived and _lacks_address(record, property_map),
        field_errors=_field_errors(held),
    )


def _updated_at(record: Record) -> datetime | None:
    """When it was changed last; archiving changes no other stamp (reported, read 2026-11-20)."""
    if record.archived and record.archived_at:
        return record.archived_at
    return moment(record.properties.get(MODIFIED, "")) or record.updated_at


def appointment(
    held: Mapping[str, str], property_map: PropertyMap, *, contact: str = ""
) -> Appointment:
    """The synced fields that these properties hold; the contact is an association, none of them."""
    return Appointment(
        title=essence.text(held.get(NAME)),
        start=_instant(held.get(START, "")),
        end=_instant(held.get(END, "")),
        status=essence.text(held.get(property_map.status)),
        description=essence.text(held.get(DESCRIPTION)),
        address=essence.text(held.get(ADDRESS)),
        owner=essence.text(held.get(OWNER)),
        contact=contact,
        mapped_fields=tuple(
            sorted(
                (name, _mapped_value(held.get(prop, ""), prop, property_map))
                for name, prop in property_map.mapped_fields
            )
        ),
    )


def _mapped_value(written: str, name: str, property_map: PropertyMap) -> str:
    """The value of a mapped property, a point in time in the core's form."""
    found = _instant(written) if name in property_map.moments else None
    return essence.moment_text(found) or essence.text(written)


def _lacks_address(record: Record, property_map: PropertyMap) -> bool:
    wanted = property_map.address(record.id).items()
    return any(record.properties.get(name, "") != address for name, address in wanted)


def _instant(written: str) -> datetime | None:
    return second(moment(written))


def second(found: datetime | None) -> datetime | None:
    """An instant as the core keeps it: UTC, to the second."""
    return essence.instant(found) if found else None


def _field_errors(held: Mapping[str, str]) -> tuple[FieldError, ...]:
    """Errors of the times: a missing start, or a value that is no instant."""
    for name in (START, END):
        written = held.get(name, "").strip()
        if written and _instant(written) is None:
            detail = f"HubSpot's {name} is {quoted(written[:40])}, which is no point in time"
            return (FieldError(group=Group.TIME, reason="unreadable", detail=detail),)
    if not held.get(START, "").strip():
        detail = "the HubSpot appointment has no start"
        return (FieldError(group=Group.TIME, reason="missing_time", detail=detail),)
    return ()


def properties(
    wanted: Appointment, groups: Iterable[GroupKey], property_map: PropertyMap
) -> dict[str, str]:
    """These groups as properties: all strings, `""` clears, instants in UTC with a Z."""
    written: dict[str, str] = {}
    for group in groups:
        value = essence.value(wanted, group)
        held = value if isinstance(value, tuple) else (value,)
        for name, each in zip(property_map.of(group), held, strict=False):
            written[name] = _written(each)
    if wanted.status in property_map.pipeline_of and property_map.status in written:
        # A stage of another pipeline is refused without its pipeline (pipelines guide).
        written[PIPELINE] = property_map.pipeline_of[wanted.status]
    return written


def _written(value: str | datetime | None) -> str:
    if isinstance(value, datetime):
        return essence.instant(value).replace(tzinfo=None).isoformat() + "Z"
    return value or ""


def filled_groups(wanted: Appointment, property_map: PropertyMap) -> tuple[GroupKey, ...]:
    """The groups of a new record that are not empty."""
    return tuple(
        group for group in property_map.groups if not essence.is_empty(essence.value(wanted, group))
    )


def external_id_properties(ids: ExternalIds) -> dict[str, str]:
    """The external ids as properties."""
    return {GHL_ID: ids.ghl_id, GHL_LOCATION: ids.location_id}


def returned(
    sent: Mapping[str, str], answered: Mapping[str, str], property_map: PropertyMap, contact: str
) -> Appointment:
    """What the record shows after a write: the answer's values, else those that were sent."""
    return appointment({**sent, **answered}, property_map, contact=contact)


def group_of(name: str, property_map: PropertyMap) -> GroupKey:
    """The group that a property belongs to; "" where it holds none."""
    if name == PIPELINE:
        return Group.STATUS
    return next((group for group in property_map.groups if name in property_map.of(group)), "")


def edits(record: Record, property_map: PropertyMap) -> tuple[Edit, ...]:
    """When each group got its present value, from the property history."""
    found: list[Edit] = []
    for group in property_map.groups:
        stamps = (
            stamp.at for name in property_map.of(group) for stamp in record.history.get(name, ())
        )
        moments = [at for at in stamps if at is not None]
        if moments:
            found.append(Edit(group=group, at=max(moments)))
    return tuple(found)
