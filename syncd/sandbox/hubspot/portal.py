"""One HubSpot account in memory, and a person's edits in its web pages.

`world.SandboxWorld` makes it; tests, the demo and the control API edit it; the API handlers use
its tables, owners, pipelines and associations.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncd.sandbox.announcing.changes import HubspotChange
from syncd.sandbox.hubspot.merging import survivor
from syncd.sandbox.hubspot.pipelines import default_pipeline, offer_stages
from syncd.sandbox.hubspot.property_types import (
    PropertyDef,
    appointment_definitions,
    contact_definitions,
    option_of,
)
from syncd.sandbox.hubspot.records import (
    APPOINTMENTS,
    CONTACTS,
    PERSON,
    HubspotRecord,
    Origin,
    Owner,
    Pipeline,
)
from syncd.sandbox.hubspot.table import ObjectTable
from syncd.sandbox.timestamps import instant, iso_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncd.sandbox.context import SandboxContext
    from syncd.sandbox.ids import Ids
    from syncd.sandbox.settings import SandboxSettings

ASSOCIATION_TYPES = {(APPOINTMENTS, CONTACTS): 906, (CONTACTS, APPOINTMENTS): 907}
"""HUBSPOT_DEFINED association types, from the vendor's table."""


class HubspotPortal:
    """An account: appointments, contacts, owners.

    Public methods are a person's edits; each moves the modification stamp of what it changes,
    except for associations, which the vendor does not count. Records returned are copies.
    """

    portal_id = 24_600_001

    def __init__(self, context: SandboxContext) -> None:
        self._context = context
        self.owners: dict[str, Owner] = {}
        self.pipelines: dict[str, list[Pipeline]] = {
            APPOINTMENTS: [default_pipeline(context.settings().hubspot_status)],
            CONTACTS: [],
        }
        self.appointments = ObjectTable(
            context,
            type_id=APPOINTMENTS,
            plural="appointments",
            definitions=appointment_definitions(context.settings()),
            known_owner=self._is_owner,
        )
        self.people = ObjectTable(
            context,
            type_id=CONTACTS,
            plural="contacts",
            definitions=contact_definitions(),
            known_owner=self._is_owner,
        )
        self.activated = context.settings().activated
        self.required: set[str] = set()
        """Properties that a new appointment needs by this account's rules, from 2026-09 on."""
        self.required_of_contacts: set[str] = set()
        """The same of a new contact."""
        self.conditional: dict[tuple[str, str], str] = {}
        """What an appointment needs whose property has a value: (property, value) to property."""
        self.blocklist: set[str] = set()
        offer_stages(self.appointments.definitions, self.pipelines[APPOINTMENTS])

    # A person's edits of appointments.

    def create(self, properties: Mapping[str, Any], contacts: Iterable[str] = ()) -> str:
        """Makes an appointment with its contacts; returns the id.

        Values may be aware datetimes, numbers and None besides texts.

        Raises:
            ValueError: a property does not exist or does not take the value.
            KeyError: no such contact.
        """
        with self._context.lock:
            row = self.make(self.appointments, self._valid(self.appointments, properties), PERSON)
            for contact in contacts:
                self.associate(row.id, contact)
            return row.id

    def edit(self, record: str, **properties: Any) -> None:
        """Changes properties of an appointment; None or "" clears one."""
        with self._context.lock:
            row = self.living(self.appointments, record)
            self.appointments.write(row, self._valid(self.appointments, properties, row.id), PERSON)

    def archive(self, record: str) -> None:
        """Moves an appointment to the recycling bin."""
        with self._context.lock:
            self.appointments.archive(self.living(self.appointments, record))

    def restore(self, record: str) -> None:
        """Restores an appointment from the bin, as only the web pages can.

        Raises:
            KeyError: it is not in the bin, or no longer.
        """
        with self._context.lock:
            row = self.appointments.binned(record)
            if row is None:
                raise KeyError(record)
            self.appointments.restore(row)
            if not self.settings.restore_associations:
                self.unlink_all(row)

    def merge(self, primary: str, secondary: str) -> str:
        """Merges two appointments; returns the survivor's id, normally a new one."""
        with self._context.lock:
            return self.merged(self.appointments, primary, secondary)

    def gdpr_delete(self, record: str) -> None:
        """Removes an appointment for good, without a trace in the bin."""
        with self._context.lock:
            row = self.appointments.rows[record]
            self.erase(self.appointments, row)

    def associate(self, record: str, contact: str) -> None:
        """Associates a contact; no modification stamp moves."""
        with self._context.lock:
            self.link(APPOINTMENTS, record, CONTACTS, contact)

    def dissociate(self, record: str, contact: str) -> None:
        """Removes the association with a contact; no modification stamp moves."""
        with self._context.lock:
            self.unlink(APPOINTMENTS, record, CONTACTS, contact)

    def get(self, record: str) -> HubspotRecord:
        """A copy of an appointment, archived ones included; an old id finds the survivor.

        Raises:
            KeyError: no such record.
        """
        with self._context.lock:
            table = self.appointments
            return table.rows[table.survivors.get(record, record)].copied()

    def records(self) -> list[HubspotRecord]:
        """Copies of the active appointments, by id."""
        with self._context.lock:
            return [row.copied() for row in self.appointments.after(None) if not row.archived]

    def archived(self) -> list[HubspotRecord]:
        """Copies of the appointments in the bin, by id."""
        with self._context.lock:
            return [row.copied() for row in self.appointments.after(None) if row.archived]

    # A person's edits of contacts, owners and properties.

    def add_contact(
        self, name: str = "", email: str | None = None, phone: str | None = None, **properties: Any
    ) -> str:
        """Adds a contact; returns its id. Raises ValueError for an address that is taken."""
        first, _, last = name.partition(" ")
        values = {"firstname": first, "lastname": last, "email": email, "phone": phone}
        given = {key: value for key, value in (values | properties).items() if value}
        with self._context.lock:
            return self.people.create(self._valid(self.people, given), PERSON).id

    def edit_contact(self, contact: str, **properties: Any) -> None:
        """Changes a contact."""
        with self._context.lock:
            row = self.living(self.people, contact)
            self.people.write(row, self._valid(self.people, properties, row.id), PERSON)

    def archive_contact(self, contact: str) -> None:
        """Deletes a contact; its associations go with it."""
        with self._context.lock:
            row = self.living(self.people, contact)
            self.unlink_all(row)
            self.people.archive(row)

    def merge_contacts(self, primary: str, secondary: str) -> str:
        """Merges two contacts; returns the survivor's id."""
        with self._context.lock:
            return self.merged(self.people, primary, secondary)

    def get_contact(self, contact: str) -> HubspotRecord:
        """A copy of a contact, archived ones included; an old id finds the survivor."""
        with self._context.lock:
            return self.people.rows[self.people.survivors.get(contact, contact)].copied()

    def contact_records(self) -> list[HubspotRecord]:
        """Copies of the active contacts, by id."""
        with self._context.lock:
            return [row.copied() for row in self.people.after(None) if not row.archived]

    def add_owner(self, name: str, email: str | None = None) -> str:
        """Adds an owner; returns its id, which is not the user's."""
        first, _, last = name.partition(" ")
        with self._context.lock:
            key = self._context.ids.hubspot("owners")
            self.owners[key] = Owner(
                id=key,
                user_id=int(key) - 70_000_000,
                email=email,
                first_name=first,
                last_name=last,
                created=self.appointments.stamp(),
            )
            return key

    def archive_owner(self, owner: str) -> None:
        """Deactivates an owner: invisible by default, and no new owner of anything."""
        with self._context.lock:
            self.owners[owner].archived = True

    def add_property(self, name: str, **definition: Any) -> None:
        """Adds a property to appointments: type, field_type, options (texts), unique, …."""
        with self._context.lock:
            table = self.appointments
            group = definition.pop("group", "appointment_information")
            options = [
                option_of({"label": value, "value": value})
                for value in definition.pop("options", ())
            ]
            table.groups.setdefault(group, group)
            kind = definition.pop("type", "string")
            table.definitions[name] = PropertyDef(
                name=name,
                label=definition.pop("label", name),
                type=kind,
                field_type=definition.pop("field_type", "select" if options else "text"),
                group=group,
                options=options,
                created=table.stamp(),
                updated=table.stamp(),
                **definition,
            )

    # Also used by the API handlers.

    def table(self, name: str) -> ObjectTable | None:
        """The table of an object type, by its id or its name."""
        if name in (APPOINTMENTS, "appointments", "appointment"):
            return self.appointments
        return self.people if name in (CONTACTS, "contacts", "contact") else None

    def tables(self) -> tuple[ObjectTable, ObjectTable]:
        """All tables."""
        return self.appointments, self.people

    def link(self, from_type: str, one: str, to_type: str, other: str) -> None:
        """Associates two active records, in both directions.

        Raises:
            KeyError: one of them does not exist.
        """
        row, target = self.living(self._at(from_type), one), self.living(self._at(to_type), other)
        self.join(from_type, row, to_type, target)
        self._tell_association("ASSOCIATION_ADDED", (from_type, row.id), (to_type, target.id))

    def join(self, from_type: str, row: HubspotRecord, to_type: str, target: HubspotRecord) -> None:
        """Associates two records, archived or not."""
        for kind, one, to, other in (
            (ASSOCIATION_TYPES[from_type, to_type], row, to_type, target),
            (ASSOCIATION_TYPES[to_type, from_type], target, from_type, row),
        ):
            one.links.setdefault(to, {}).setdefault(other.id, set()).add(kind)

    def linked(self, row: HubspotRecord) -> list[tuple[str, HubspotRecord]]:
        """The records that a record is associated with, archived ones included, by type."""
        return [
            (target, self._at(target).rows[other])
            for target, others in row.links.items()
            for other in others
        ]

    def unlink(self, from_type: str, one: str, to_type: str, other: str) -> None:
        """Removes every association between two records; none is no mistake."""
        for source, record, target, linked in (
            (from_type, one, to_type, other),
            (to_type, other, from_type, one),
        ):
            table = self._at(source)
            row = table.rows.get(table.survivors.get(record, record))
            if row is not None:
                other_table = self._at(target)
                row.links.get(target, {}).pop(other_table.survivors.get(linked, linked), None)
        self._tell_association("ASSOCIATION_REMOVED", (from_type, one), (to_type, other))

    def erase(self, table: ObjectTable, row: HubspotRecord) -> None:
        """Removes a record for good, its associations with it."""
        self.unlink_all(row)
        table.forget(row)
        table.tell("GDPR_DELETE", row)

    def _tell_association(self, action: str, one: tuple[str, str], other: tuple[str, str]) -> None:
        announcer = self._context.announcer
        for start, end in ((one, other), (other, one)) if announcer.active else ():
            announcer.took_place(
                HubspotChange(
                    action=action,
                    object_type=start[0],
                    record=start[1],
                    to_type=end[0],
                    to_record=end[1],
                    association_type=ASSOCIATION_TYPES[start[0], end[0]],
                    at=self.appointments.stamp(),
                )
            )

    def unlink_all(self, row: HubspotRecord) -> None:
        """Removes all associations of a record."""
        for target, linked in row.links.items():
            for other in linked:
                peer = self._at(target).rows.get(other)
                if peer is not None:
                    for back in peer.links.values():
                        back.pop(row.id, None)
        row.links = {}

    def merged(self, table: ObjectTable, primary: str, secondary: str) -> str:
        """Merges two active records of a table; both old ids lead to the merged record."""
        first, second = self.living(table, primary), self.living(table, secondary)
        keeps = self.settings.merge_keeps_primary_id
        new_id = first.id if keeps else self.ids.hubspot(table.plural)
        row = survivor(first, second, new_id, table.stamp())
        linked = [*self.linked(first), *self.linked(second)]
        for old in (first, second):
            self.unlink_all(old)
            table.forget(old)
        table.adopt(row)
        if table.is_contacts:
            table.claim_emails(row)
        if self.settings.merge_redirects:
            table.survivors = {
                key: new_id if value in (first.id, second.id) else value
                for key, value in table.survivors.items()
            } | {old: new_id for old in (first.id, second.id) if old != new_id}
        for target, other in linked:
            self.join(table.type_id, row, target, other)
        table.tell("MERGE", row, merged=(first.id, second.id))
        return new_id

    def make(self, table: ObjectTable, values: Mapping[str, str], origin: Origin) -> HubspotRecord:
        """Makes a record of checked values, with what the account adds by itself."""
        return table.create(self._with_defaults(table, values), origin)

    def _with_defaults(self, table: ObjectTable, values: Mapping[str, str]) -> dict[str, str]:
        """What a new record gets by itself: on an account that works by stages, the first."""
        if table.is_contacts or self.settings.hubspot_status != "pipeline":
            return dict(values)
        pipeline = self.pipelines[APPOINTMENTS][0]
        stage = {"hs_pipeline": pipeline.id, "hs_pipeline_stage": pipeline.stages[0].id}
        return stage | dict(values)

    @property
    def settings(self) -> SandboxSettings:
        """The settings of the world."""
        return self._context.settings()

    @property
    def ids(self) -> Ids:
        """The ids of the world."""
        return self._context.ids

    def _is_owner(self, owner: str) -> bool:
        found = self.owners.get(owner)
        return found is not None and not found.archived

    def _at(self, type_id: str) -> ObjectTable:
        found = self.table(type_id)
        if found is None:
            raise KeyError(type_id)
        return found

    def living(self, table: ObjectTable, record: str) -> HubspotRecord:
        """An active record. Raises KeyError where there is none."""
        row = table.living(record)
        if row is None:
            raise KeyError(record)
        return row

    def _valid(
        self, table: ObjectTable, values: Mapping[str, Any], record: str | None = None
    ) -> dict[str, str]:
        texts = {name: _text(value) for name, value in values.items()}
        kept, problems = table.checked(texts, record)
        if problems:
            raise ValueError("; ".join(f"{row.name}: {row.message}" for row in problems))
        return kept


def _text(value: Any) -> str:
    if value is None:
        return ""
    return iso_ms(instant(value)) if isinstance(value, datetime) else str(value)
