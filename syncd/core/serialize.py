"""Core values as stored JSON and back: lossless, and tolerant of unknown keys.

`store.pairs` keeps pairs with it, and `engine.writes` writes before
they are sent. Absent and default parts are left out, which keeps a row small;
a newer program's keys are passed over, so that going back one version works.
Stored keys never change: mapped fields are stored as `extras`, an external id
as `carried_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from syncd.core.model import Appointment, Pair, Removal, Response, Series, Side, Snapshot, Wrote

if TYPE_CHECKING:
    from syncd.core.actions import Change
    from syncd.core.essence import Value

StoredFields = Mapping[str, Any]

_TEXTS = ("title", "status", "description", "address", "owner", "contact")


def write_appointment(appointment: Appointment) -> dict[str, Any]:
    """An appointment as JSON."""
    stored: dict[str, Any] = {
        name: found for name in _TEXTS if (found := getattr(appointment, name))
    }
    if appointment.start is not None:
        stored["start"] = _write_instant(appointment.start)
    if appointment.end is not None:
        stored["end"] = _write_instant(appointment.end)
    if appointment.mapped_fields:
        stored["extras"] = [list(field) for field in appointment.mapped_fields]
    return stored


def read_appointment(stored: StoredFields) -> Appointment:
    """The appointment that `write_appointment` was given."""
    get = stored.get
    return Appointment(
        title=get("title", ""),
        start=_read_instant(get("start")),
        end=_read_instant(get("end")),
        status=get("status", ""),
        description=get("description", ""),
        address=get("address", ""),
        owner=get("owner", ""),
        contact=get("contact", ""),
        mapped_fields=tuple((name, value) for name, value in get("extras", ())),
    )


def write_snapshot(record: Snapshot) -> dict[str, Any]:
    """What a write needs of the record that it was decided from, as JSON."""
    return {
        "id": record.id,
        "shows": write_appointment(record.appointment),
        "calendar": record.calendar,
        "contacts": list(record.contacts),
        "carried_id": record.external_id,
        "location_id": record.location_id,
        "series": record.series.master if record.series else "",
    }


def read_snapshot(side: Side, stored: StoredFields) -> Snapshot:
    """The record that `write_snapshot` was given, as far as it was stored."""
    return Snapshot(
        side=side,
        id=stored["id"],
        appointment=read_appointment(stored["shows"]),
        calendar=stored["calendar"],
        contacts=tuple(stored["contacts"]),
        external_id=stored["carried_id"],
        location_id=stored["location_id"],
        series=Series(master=stored["series"]) if stored["series"] else None,
    )


def write_change(change: Change) -> dict[str, Any]:
    """One changed group as JSON."""
    return {
        "group": str(change.group),
        "before": _write_value(change.before),
        "after": _write_value(change.after),
        "source": _write_value(change.source),
        "why": change.why,
        "lost": change.lost,
    }


def read_change(stored: StoredFields) -> Change:
    """The change that `write_change` was given."""
    from syncd.core.actions import Change  # verbs that only read pairs start without it

    return Change(
        group=stored["group"],
        before=_read_value(stored["before"]),
        after=_read_value(stored["after"]),
        source=_read_value(stored["source"]),
        why=stored["why"],
        lost=stored["lost"],
    )


def write_wrote(wrote: Wrote | None) -> dict[str, Any]:
    """Our last write to a side, as a further key of what it shows; empty where there was none."""
    if wrote is None:
        return {}
    stamps = {"stamp": wrote.stamp, "before": wrote.before}
    told = {name: _write_instant(stamp) for name, stamp in stamps.items() if stamp}
    return {"wrote": {"at": _write_instant(wrote.at), "groups": sorted(wrote.groups), **told}}


def read_wrote(stored: StoredFields) -> Wrote | None:
    """The last write that `write_wrote` was given."""
    found = stored.get("wrote")
    if not found:
        return None
    return Wrote(
        at=datetime.fromisoformat(found["at"]).astimezone(UTC),
        groups=frozenset(found.get("groups", ())),
        stamp=_read_instant(found.get("stamp")),
        before=_read_instant(found.get("before")),
    )


def write_series(series: Series | None) -> dict[str, Any] | None:
    """A series as JSON."""
    return None if series is None else {"master": series.master}


def read_series(stored: StoredFields | None) -> Series | None:
    """The series that `write_series` was given."""
    return None if stored is None else Series(master=stored.get("master", ""))


def write_removal(removal: Removal | None) -> dict[str, Any] | None:
    """A removal as JSON."""
    if removal is None:
        return None
    stored: dict[str, Any] = {
        "gone": sorted(removal.gone),
        "response": removal.response.value,
    }
    if removal.status_before:
        stored["status_before"] = removal.status_before
    if removal.status_agreed:
        stored["status_agreed"] = removal.status_agreed
    return stored


def read_removal(stored: StoredFields | None) -> Removal | None:
    """The removal that `write_removal` was given."""
    if stored is None:
        return None
    return Removal(
        gone=frozenset(Side(side) for side in stored.get("gone", ())),
        response=Response(stored.get("response", Response.NOTHING.value)),
        status_before=stored.get("status_before", ""),
        status_agreed=stored.get("status_agreed", ""),
    )


def read_pair(columns: Sequence[Any]) -> Pair:
    """A pair from its columns, JSON read, in the order in which both readers ask for them."""
    # In one go: each column by its name costs as much as all of them.
    key, ghl_id, hubspot_id, ghl, hubspot, version, calendar, *rest = columns
    series, removal, open_groups, has_external_id, external_id_taken, owner_by_us = rest
    return Pair(
        key=key,
        ghl_id=ghl_id or "",
        hubspot_id=hubspot_id or "",
        ghl=read_appointment(ghl),
        hubspot=read_appointment(hubspot),
        version=version,
        calendar=calendar,
        series=read_series(series),
        removal=read_removal(removal),
        open=frozenset(open_groups or ()),
        has_external_id=has_external_id,
        external_id_taken=external_id_taken,
        owner_by_us=Side(owner_by_us) if owner_by_us else None,
        wrote_ghl=read_wrote(ghl),
        wrote_hubspot=read_wrote(hubspot),
    )


def _write_value(value: Value) -> str | list[str | None]:
    if isinstance(value, tuple):
        return [_write_instant(moment) if moment else None for moment in value]
    return value


def _read_value(stored: str | list[str | None]) -> Value:
    if isinstance(stored, list):
        return (_read_instant(stored[0]), _read_instant(stored[1]))
    return stored


def _write_instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"an instant without a time zone cannot be stored: {moment}")
    return moment.astimezone(UTC).isoformat()


def _read_instant(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored).astimezone(UTC)
