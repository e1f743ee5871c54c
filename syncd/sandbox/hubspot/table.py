"""All records of one HubSpot object type: writes with their checks, unique values, history.

Used by `portal` (a person's edits) and by the API handlers; both go through `write`, so that
stamps, history and the search index's delay hold for either.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import TYPE_CHECKING

from syncd.sandbox.announcing.changes import HubspotChange
from syncd.sandbox.hubspot.errors import Problem
from syncd.sandbox.hubspot.phones import searchable
from syncd.sandbox.hubspot.property_types import PropertyDef, cleaned
from syncd.sandbox.hubspot.records import HubspotRecord, Origin, Written
from syncd.sandbox.timestamps import epoch_ms, iso_ms, parse_iso, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from syncd.sandbox.context import SandboxContext

BIN = timedelta(days=90)
"""An archived record is restorable, and readable as archived, for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """A record as the search index has it, which may be older than the record."""

    table: ObjectTable
    row: HubspotRecord
    properties: Mapping[str, str]
    updated: datetime

    def text(self, name: str) -> str | None:
        """A value, those that nobody writes included."""
        return self.table.shown(self.row, self.properties, self.updated, name)

    def number(self, name: str) -> float | None:
        """A value to compare: points in time as milliseconds, ids as numbers."""
        # The two that every poll filters by, without a way through their texts.
        if name == self.table.modified_name:
            return epoch_ms(self.updated)
        if name == "hs_object_id":
            return int(self.row.id)
        return as_number(self.text(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the last search found: `key` says for which query, and in which state of the table."""

    key: tuple[object, ...]
    rows: list[Indexed]
    ids: list[int]


def as_number(text: str | None) -> float | None:
    """The number, or the point in time in milliseconds, that a text stands for."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return number if isfinite(number) else None
    try:
        return epoch_ms(parse_iso(text))
    except ValueError:
        return None


class ObjectTable:
    """Appointments or contacts of an account."""

    def __init__(
        self,
        context: SandboxContext,
        *,
        type_id: str,
        plural: str,
        definitions: Iterable[PropertyDef],
        known_owner: Callable[[str], bool],
    ) -> None:
        self.type_id = type_id
        self.plural = plural
        self.singular = plural.removesuffix("s")
        self.is_contacts = plural == "contacts"
        self.created_name = "createdate" if self.is_contacts else "hs_createdate"
        self.modified_name = "lastmodifieddate" if self.is_contacts else "hs_lastmodifieddate"
        self.definitions = {row.name: row for row in definitions}
        self.groups = {row.group: row.group.replace("_", " ") for row in self.definitions.values()}
        self.rows: dict[str, HubspotRecord] = {}
        self.order: list[int] = []
        """All ids, growing: pages of a list go along it."""
        self.survivors: dict[str, str] = {}
        """The merged record of each old id."""
        self.by_change: list[tuple[int, int]] = []
        """Modification stamp (ms) and id of every write, in order: what a search by stamp scans."""
        self.version = 0
        """Counts what changes the answer to a search."""
        self.kept: Kept | None = None
        self._unique: dict[str, dict[str, str]] = {}
        self._context = context
        self._known_owner = known_owner

    # Finding.

    def living(self, record: str) -> HubspotRecord | None:
        """A record that is not archived; an id that was merged away finds the survivor."""
        row = self.rows.get(self.survivors.get(record, record))
        return row if row is not None and not row.archived else None

    def binned(self, record: str) -> HubspotRecord | None:
        """An archived record that has not left the recycling bin yet."""
        row = self.rows.get(record)
        if row is None or row.archived_at is None or not row.archived:
            return None
        return row if row.archived_at + BIN > self._context.now() else None

    def holder(self, name: str, value: str) -> HubspotRecord | None:
        """The record that holds a unique value, archived or not."""
        key = value.strip().lower() if name == "email" else value
        return self.rows.get(self._unique.get(name, {}).get(key, ""))

    def after(self, record: str | None) -> Iterator[HubspotRecord]:
        """All rows from an id on (that one included), by id."""
        first = bisect_left(self.order, int(record)) if record else 0
        for number in range(first, len(self.order)):
            row = self.rows.get(str(self.order[number]))
            if row is not None:
                yield row

    def definition(self, name: str) -> PropertyDef | None:
        """A property that exists."""
        found = self.definitions.get(name)
        return found if found is not None and not found.archived else None

    def value(self, row: HubspotRecord, name: str) -> str | None:
        """A value as it is read now, those that nobody writes included."""
        return self.shown(row, row.properties, row.updated, name)

    def indexed(self, row: HubspotRecord) -> Indexed | None:
        """How the search index sees a record now; None when it does not see it yet."""
        properties: dict[str, str] | None = row.properties
        updated = row.updated
        lag = self._context.settings().search_lag
        if lag and row.earlier:
            horizon = self._context.now() - lag
            for changed_at, before, stamp in reversed(row.earlier):
                if changed_at <= horizon:
                    break
                properties, updated = before, stamp
        if properties is None:
            return None
        return Indexed(table=self, row=row, properties=properties, updated=updated)

    def shown(
        self, row: HubspotRecord, properties: Mapping[str, str], updated: datetime, name: str
    ) -> str | None:
        """A value of a record that has these properties and this stamp."""
        if name == "hs_object_id":
            return row.id
        if name == self.created_name:
            return iso_ms(row.created)
        if name == self.modified_name:
            return iso_ms(updated)
        if name == "hs_duration" and "hs_appointment_end" in properties:
            return _duration(properties)
        if name.startswith("hs_searchable_calculated_"):
            source = "phone" if name.endswith("phone_number") else "mobilephone"
            return searchable(properties.get(source))
        return properties.get(name)

    # Checking and writing.

    def checked(
        self, values: Mapping[str, object], record: str | None = None
    ) -> tuple[dict[str, str], list[Problem]]:
        """Values as they would be stored, and the errors of the others."""
        kept: dict[str, str] = {}
        problems: list[Problem] = []
        for name, value in values.items():
            outcome = self._one(name, value, record)
            if isinstance(outcome, Problem):
                problems.append(outcome)
            else:
                kept[name] = outcome
        return kept, problems

    def create(self, values: Mapping[str, str], origin: Origin) -> HubspotRecord:
        """Makes a record of checked values."""
        stamp = self.stamp()
        row = HubspotRecord(id=self._context.ids.hubspot(self.plural), created=stamp, updated=stamp)
        if self._context.settings().search_lag:
            row.earlier.append((stamp, None, stamp))
        row.properties["hs_object_source"] = origin.source_type
        row.properties["hs_object_source_id"] = origin.source_id
        self.rows[row.id] = row
        self.order.append(int(row.id))
        self._set(row, values, origin, stamp)
        self.tell("CREATE", row, values)
        return row

    def write(self, row: HubspotRecord, values: Mapping[str, str], origin: Origin) -> None:
        """Writes checked values; the stamp moves even where nothing differs."""
        stamp = self.stamp()
        lag = self._context.settings().search_lag
        if lag:
            unseen = [entry for entry in row.earlier if entry[0] > self._context.now() - lag]
            row.earlier = [*unseen, (stamp, dict(row.properties), row.updated)]
        before = dict(row.properties)
        self._set(row, values, origin, stamp)
        changed = {name: text for name, text in values.items() if before.get(name, "") != text}
        if changed:
            self.tell("UPDATE", row, changed)

    def archive(self, row: HubspotRecord) -> None:
        """Moves a record to the recycling bin."""
        self.version += 1
        row.archived, row.archived_at = True, self.stamp()
        if self._context.settings().unique_of_archived == "freed":
            self._release(row)
        self.tell("DELETE", row)

    def restore(self, row: HubspotRecord) -> None:
        """Takes a record out of the bin, under its id; a unique value may have two holders now."""
        row.archived, row.archived_at = False, None
        for name in self._unique_names():
            if name in row.properties:
                self._unique.setdefault(name, {}).setdefault(row.properties[name], row.id)
        self.touch(row)
        self.tell("RESTORE", row)

    def forget(self, row: HubspotRecord) -> None:
        """Removes a record for good."""
        self.version += 1
        self._release(row)
        del self.rows[row.id]

    def adopt(self, row: HubspotRecord) -> None:
        """Files a record that a merge made, unique values included."""
        self.rows[row.id] = row
        place = bisect_left(self.order, int(row.id))
        if self.order[place : place + 1] != [int(row.id)]:
            self.order.insert(place, int(row.id))
        for name in self._unique_names():
            if name in row.properties:
                self._unique.setdefault(name, {})[_key(name, row.properties[name])] = row.id
        self.touch(row)

    def touch(self, row: HubspotRecord) -> None:
        """Moves the modification stamp."""
        self.version += 1
        row.updated = self.stamp()
        entry = (epoch_ms(row.updated), int(row.id))
        if self.by_change and entry < self.by_change[-1]:
            insort(self.by_change, entry)
        else:
            self.by_change.append(entry)

    def tell(
        self,
        action: str,
        row: HubspotRecord,
        values: Mapping[str, str] | None = None,
        merged: tuple[str, ...] = (),
    ) -> None:
        """Lets the announcer know of a change."""
        if self._context.announcer.active:
            self._context.announcer.took_place(
                HubspotChange(
                    action=action,
                    object_type=self.type_id,
                    record=row.id,
                    values=values or {},
                    merged=merged,
                    at=self.stamp(),
                )
            )

    def stamp(self) -> datetime:
        """The current instant, to the millisecond."""
        return to_milliseconds(self._context.now())

    def claim_emails(self, row: HubspotRecord) -> None:
        """Makes a contact findable by its additional addresses as well."""
        for email in row.properties.get("hs_additional_emails", "").split(";"):
            if email:
                self._unique.setdefault("email", {}).setdefault(email.strip().lower(), row.id)

    def _one(self, name: str, value: object, record: str | None) -> str | Problem:
        definition = self.definition(name)
        if definition is None:
            message = f'Property "{name}" does not exist'
            return Problem(name=name, code="PROPERTY_DOESNT_EXIST", message=message)
        kept = cleaned(definition, value, self._known_owner)
        if isinstance(kept, str) and kept and definition.unique:
            holder = self.holder(name, kept)
            if holder is not None and holder.id != record:
                message = (
                    f"Cannot set PropertyValueCoordinates{{objectTypeId={self.type_id}, "
                    f"propertyName={name}, value={kept}}} on {record}. "
                    f"{holder.id} already has that value."
                )
                return Problem(name=name, code="CONFLICTING_UNIQUE_VALUE", message=message)
        return kept

    def _set(
        self, row: HubspotRecord, values: Mapping[str, str], origin: Origin, stamp: datetime
    ) -> None:
        for name, value in values.items():
            before = row.properties.get(name, "")
            if name in row.history and before == value:
                continue
            written = Written(value=value, at=stamp, origin=origin)
            row.history.setdefault(name, []).insert(0, written)
            self._keep(row, name, before, value)
        self.touch(row)
        if self.is_contacts and "hs_additional_emails" in values:
            self.claim_emails(row)

    def _keep(self, row: HubspotRecord, name: str, before: str, value: str) -> None:
        if self.definitions[name].unique:
            held = self._unique.setdefault(name, {})
            if before and held.get(_key(name, before)) == row.id:
                del held[_key(name, before)]
            if value:
                held[_key(name, value)] = row.id
        if value:
            row.properties[name] = value
        else:
            row.properties.pop(name, None)

    def _release(self, row: HubspotRecord) -> None:
        for held in self._unique.values():
            for value in [value for value in row.properties.values() if held.get(value) == row.id]:
                del held[value]
        if self.is_contacts:
            held = self._unique.get("email", {})
            for email in [key for key, owner in self._emails_of(row, held)]:
                del held[email]

    def _emails_of(self, row: HubspotRecord, held: Mapping[str, str]) -> list[tuple[str, str]]:
        texts = [row.properties.get("email", "")]
        texts += row.properties.get("hs_additional_emails", "").split(";")
        keys = {text.strip().lower() for text in texts}
        return [(key, held[key]) for key in keys if held.get(key) == row.id]

    def _unique_names(self) -> list[str]:
        return [name for name, row in self.definitions.items() if row.unique]


def _key(name: str, value: str) -> str:
    return value.strip().lower() if name == "email" else value


def _duration(properties: Mapping[str, str]) -> str | None:
    start, end = properties.get("hs_appointment_start"), properties.get("hs_appointment_end")
    if not start or not end:
        return None
    return str((parse_iso(end) - parse_iso(start)) // timedelta(milliseconds=1))
