"""Both calendars as the page shows them: `GET /control/board`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.http import Response
from syncd.sandbox.hubspot.records import CONTACTS
from syncd.sandbox.timestamps import iso_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.http import JsonObject, Request
    from syncd.sandbox.hubspot.records import HubspotRecord
    from syncd.sandbox.world import SandboxWorld

LAST = 12
"""Requests that are shown."""


def board(world: SandboxWorld, _: Request, __: Mapping[str, str]) -> Response:
    """The people, the appointments and the last writes of syncd."""
    writes = sorted((*world.writes("ghl"), *world.writes("hubspot")), key=lambda row: row.at)
    return Response(
        payload={
            "now": iso_ms(world.now()),
            "timezone": world.location.timezone,
            "weather": world.weather.told(),
            "writes": len(writes),
            "last": [
                {
                    "at": iso_ms(row.at),
                    "side": row.side,
                    "what": f"{row.method} {row.path}",
                    "status": row.status,
                }
                for row in writes[-LAST:][::-1]
            ],
            "ghl": _highlevel(world),
            "hubspot": _hubspot(world),
        }
    )


def _highlevel(world: SandboxWorld) -> JsonObject:
    location = world.location
    people = {row.id: f"{row.first_name} {row.last_name}".strip() for row in location.contacts}
    return {
        "calendars": [
            {"id": row.id, "name": row.name} for row in location.calendars.values() if row.active
        ],
        "contacts": [{"id": key, "name": name} for key, name in people.items()],
        "statuses": ["new", "confirmed", "showed", "noshow", "cancelled"],
        "appointments": [
            {
                "id": row.id,
                "title": row.title,
                "person": people.get(row.contact, ""),
                "start": iso_ms(row.start),
                "end": iso_ms(row.end),
                "status": row.status,
                "off": row.status in {"cancelled", "invalid"},
                "gone": row.deleted,
            }
            for row in location.appointments
        ],
    }


def _hubspot(world: SandboxWorld) -> JsonObject:
    portal = world.portal
    people = {row.id: _name(row) for row in portal.people.after(None) if not row.archived}
    status = _status_property(world)
    stages = {stage.id: stage.label for row in portal.pipelines["0-421"] for stage in row.stages}
    return {
        "contacts": [{"id": key, "name": name} for key, name in people.items()],
        "status": status,
        "statuses": [{"id": key, "name": label} for key, label in stages.items()]
        if status == "hs_pipeline_stage"
        else [{"id": value, "name": value} for value in world.settings.status_values],
        "appointments": [
            {
                "id": row.id,
                "title": row.properties.get("hs_appointment_name") or "",
                "person": ", ".join(
                    people[each] for each in row.links.get(CONTACTS, ()) if each in people
                ),
                "start": row.properties.get("hs_appointment_start") or "",
                "end": row.properties.get("hs_appointment_end") or "",
                "status": stages.get(row.properties.get(status) or "")
                or row.properties.get(status)
                or "",
                "off": "cancel" in _label(row, status, stages).lower(),
                "gone": row.archived,
            }
            for row in portal.appointments.after(None)
        ],
    }


def _label(row: HubspotRecord, status: str, stages: Mapping[str, str]) -> str:
    value = row.properties.get(status) or ""
    return stages.get(value, value)


def _name(row: HubspotRecord) -> str:
    parts = (row.properties.get("firstname"), row.properties.get("lastname"))
    return " ".join(part for part in parts if part) or row.properties.get("email") or row.id


def _status_property(world: SandboxWorld) -> str:
    if world.settings.hubspot_status == "pipeline":
        return "hs_pipeline_stage"
    own = world.settings.hubspot_status == "none"
    return "ghl_appointment_status" if own else "hs_appointment_status"
