"""The HighLevel endpoints of an appointment's notes: another thing than the event's `notes`.

Routed by `api`. A note has no stamp of its last change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.ghl import wire
from syncd.sandbox.ghl.checks import (
    body_of,
    fields,
    known_query,
    milliseconds,
    refusal,
    unprocessable,
)
from syncd.sandbox.ghl.records import GhlNote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.ghl.call import GhlCall
    from syncd.sandbox.http import Request, Response


def list_notes(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """GET /calendars/appointments/{id}/notes: 20 at most, both keys needed."""
    known_query(request, ("limit", "offset"))
    limit, offset = milliseconds(request, "limit"), milliseconds(request, "offset")
    if limit > 20:
        raise unprocessable("limit must not be greater than 20")
    event = call.event(names["event"]).id
    rows = [row for row in call.location.notes.values() if row.appointment == event]
    shown = [wire.note(call.location, row) for row in rows[offset : offset + limit]]
    return call.answer({"notes": shown, "hasMore": len(rows) > offset + limit})


def create_note(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /calendars/appointments/{id}/notes."""
    body = body_of(request)
    fields(body, {"body": str, "userId": str}, required=("body",))
    location = call.location
    row = GhlNote(
        id=location.ids.ghl(),
        appointment=call.event(names["event"]).id,
        body=body["body"],
        user=body.get("userId"),
        added=location.stamp(),
    )
    location.notes[row.id] = row
    return call.answer({"note": wire.note(location, row)}, 201)


def update_note(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """PUT /calendars/appointments/{id}/notes/{note}."""
    body = body_of(request)
    fields(body, {"body": str, "userId": str}, required=("body",))
    row = _note(call, names)
    row.body = body["body"]
    return call.answer({"note": wire.note(call.location, row)})


def delete_note(call: GhlCall, _: Request, names: Mapping[str, str]) -> Response:
    """DELETE /calendars/appointments/{id}/notes/{note}."""
    del call.location.notes[_note(call, names).id]
    return call.answer({"success": True})


def _note(call: GhlCall, names: Mapping[str, str]) -> GhlNote:
    row = call.location.notes.get(names["note"])
    if row is None or row.appointment != names["event"]:
        raise refusal(404, "Note not found")
    return row
