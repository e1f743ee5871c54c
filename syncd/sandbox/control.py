"""The control API: a person's edits on either side, as JSON. For the demo and for people.

Called by `app` for paths under `/control`. Times are ISO texts with an offset.

=======  =====================================  ==================================================
method   path                                   does
=======  =====================================  ==================================================
GET      /control/state                         both accounts: appointments, contacts, ids, clock
POST     /control/ghl/appointments              books: calendar, contact, start, minutes, title, …
PATCH    /control/ghl/appointments/{id}         edits: title, status, start, end, assignee, …
DELETE   /control/ghl/appointments/{id}         deletes; `POST …/{id}/undelete` brings it back
POST     /control/ghl/contacts                  adds a contact: name, email, phone
DELETE   /control/ghl/contacts/{id}             deletes a contact
POST     /control/hubspot/appointments          makes: properties, contacts
PATCH    /control/hubspot/appointments/{id}     edits: the properties themselves
DELETE   /control/hubspot/appointments/{id}     archives; `POST …/{id}/restore` brings it back
POST     /control/hubspot/appointments/merge    merges: primary, secondary
PUT      /control/hubspot/appointments/{id}/contacts/{contact}   associates; DELETE dissociates
POST     /control/hubspot/contacts              adds a contact: name, email, phone
GET      /control/requests                      the requests to the vendors; DELETE clears the log
GET      /control/faults                        the faults that wait; DELETE removes all
POST     /control/faults                        adds one: the fields of `faults.Fault`
PUT      /control/habits                        what the vendors make of texts and times: the
                                                settings `ghl_texts`, `hubspot_repeats`, …
POST     /control/clock/advance                 puts a sandbox clock forward: seconds
GET      /control                               this list, with examples
GET PUT  /control/weather                       what goes wrong: the switches of the page
…        /control/announcements, …/journal      what is announced, and how: `announcing.control`
=======  =====================================  ==================================================

A wrong body answers 400 with the reason, an unknown id 404. The location is the first one unless
the query names another with `location`.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncd.sandbox.announcing.control import ROUTES as ANNOUNCING
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.http import JsonObject, Request, Response, Route, Router
from syncd.sandbox.page import ROUTES as PAGE
from syncd.sandbox.timestamps import iso_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.ghl.location import GhlLocation
    from syncd.sandbox.world import SandboxWorld

_JUST_OK: JsonObject = {"ok": True}


def handle_control(world: SandboxWorld, request: Request) -> Response:
    """The answer to a request of the control API."""
    found = Router(ROUTES).find(request.method, request.path)
    if found is None:
        return Response(status=404, payload={"message": f"No {request.method} {request.path}"})
    route, names = found
    try:
        return route.handler(world, request, names)
    except KeyError as error:
        return Response(status=404, payload={"message": f"No such record: {error}"})
    except (ValueError, TypeError) as error:
        return Response(status=400, payload={"message": str(error)})


def _state(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    location = _location(world, request)
    return _shown(
        {
            "now": world.now(),
            "ghl": {
                "location": location.id,
                "timezone": location.timezone,
                "calendars": [asdict(row) for row in location.calendars.values()],
                "users": [asdict(row) for row in location.users.values()],
                "contacts": [asdict(row) for row in location.contacts],
                "appointments": [asdict(row) for row in location.appointments],
            },
            "hubspot": {
                "appointments": [_record(row) for row in world.portal.appointments.after(None)],
                "contacts": [_record(row) for row in world.portal.people.after(None)],
                "owners": [asdict(row) for row in world.portal.owners.values()],
            },
            "notifications": world.notifications,
        }
    )


def _book(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    return _shown({"id": _location(world, request).book(**_body(request))}, 201)


def _edit(world: SandboxWorld, request: Request, names: Mapping[str, str]) -> Response:
    location = _location(world, request)
    return _shown({"id": location.edit(names["id"], **_body(request))})


def _delete(world: SandboxWorld, request: Request, names: Mapping[str, str]) -> Response:
    _location(world, request).delete(names["id"])
    return _shown(_JUST_OK)


def _undelete(world: SandboxWorld, request: Request, names: Mapping[str, str]) -> Response:
    _location(world, request).undelete(names["id"])
    return _shown(_JUST_OK)


def _add_ghl_contact(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    return _shown({"id": _location(world, request).add_contact(**_body(request))}, 201)


def _delete_ghl_contact(
    world: SandboxWorld, request: Request, names: Mapping[str, str]
) -> Response:
    _location(world, request).delete_contact(names["id"])
    return _shown(_JUST_OK)


def _create(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    return _shown({"id": world.portal.create(**_body(request))}, 201)


def _change(world: SandboxWorld, request: Request, names: Mapping[str, str]) -> Response:
    world.portal.edit(names["id"], **_body(request))
    return _shown(_JUST_OK)


def _archive(world: SandboxWorld, _: Request, names: Mapping[str, str]) -> Response:
    world.portal.archive(names["id"])
    return _shown(_JUST_OK)


def _restore(world: SandboxWorld, _: Request, names: Mapping[str, str]) -> Response:
    world.portal.restore(names["id"])
    return _shown(_JUST_OK)


def _merge(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    return _shown({"id": world.portal.merge(**_body(request))})


def _associate(world: SandboxWorld, _: Request, names: Mapping[str, str]) -> Response:
    world.portal.associate(names["id"], names["contact"])
    return _shown(_JUST_OK)


def _dissociate(world: SandboxWorld, _: Request, names: Mapping[str, str]) -> Response:
    world.portal.dissociate(names["id"], names["contact"])
    return _shown(_JUST_OK)


def _add_hubspot_contact(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    return _shown({"id": world.portal.add_contact(**_body(request))}, 201)


def _requests(world: SandboxWorld, _: Request, __: Mapping[str, str]) -> Response:
    return _shown({"requests": [asdict(row) for row in world.requests]})


def _forget(world: SandboxWorld, _: Request, __: Mapping[str, str]) -> Response:
    world.reset_requests()
    return _shown(_JUST_OK)


def _faults(world: SandboxWorld, _: Request, __: Mapping[str, str]) -> Response:
    pending = [asdict(fault) for fault in world.faults.pending]
    return _shown({"pending": pending, "hits": world.faults.hits})


def _add_fault(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    return _shown(asdict(world.faults.add(**_body(request))), 201)


def _clear_faults(world: SandboxWorld, _: Request, __: Mapping[str, str]) -> Response:
    world.faults.clear()
    return _shown(_JUST_OK)


def _advance(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    if not isinstance(world.now, SandboxClock):
        raise TypeError("this sandbox runs on the real time, which cannot be put forward")
    return _shown({"now": world.now.advance(timedelta(seconds=_body(request)["seconds"]))})


_GHL = "/ghl/appointments"
_HUBSPOT = "/hubspot/appointments"
_HABITS = frozenset(
    {"ghl_texts", "ghl_rounds_times", "ghl_repeats", "hubspot_texts", "hubspot_repeats"}
)


def _set_habits(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    habits = _body(request)
    if unknown := habits.keys() - _HABITS:
        raise ValueError(f"there is no habit {', '.join(sorted(unknown))}")
    world.settings = replace(world.settings, **habits)
    return _shown(_JUST_OK)


_EXAMPLES: Mapping[tuple[str, str], JsonObject] = {
    ("POST", _GHL): {"calendar": "ID", "contact": "ID", "start": "2026-03-02T09:00:00Z"},
    ("PATCH", f"{_GHL}/{{id}}"): {"title": "Check-up", "status": "cancelled"},
    ("POST", "/ghl/contacts"): {"name": "Ada Example", "email": "ada@example.com"},
    ("POST", _HUBSPOT): {
        "properties": {
            "hs_appointment_name": "Check-up",
            "hs_appointment_start": "2026-03-02T09:00:00Z",
        },
        "contacts": ["ID"],
    },
    ("PATCH", f"{_HUBSPOT}/{{id}}"): {"hs_appointment_name": "Check-up"},
    ("POST", f"{_HUBSPOT}/merge"): {"primary": "ID", "secondary": "ID"},
    ("POST", "/hubspot/contacts"): {"name": "Ada Example", "email": "ada@example.com"},
    ("POST", "/faults"): {"side": "ghl", "status": 503, "times": 3},
    ("PUT", "/habits"): {"hubspot_repeats": True},
    ("PUT", "/weather"): {"hubspot": "429", "slow": True},
    ("POST", "/clock/advance"): {"seconds": 3600},
    ("PUT", "/announcements"): {"url": "http://127.0.0.1:8788", "delay": 2.0},
    ("POST", "/announcements"): {"side": "ghl", "payload": {"type": "AppointmentUpdate"}},
    ("PUT", "/journal"): {"nothing": "204"},
    ("POST", "/journal"): {"events": []},
}


def _list(_: SandboxWorld, __: Request, ___: Mapping[str, str]) -> Response:
    return Response(
        payload={
            "routes": [
                {
                    "method": route.method,
                    "path": f"/control{route.pattern}",
                    **({"example": body} if (body := _EXAMPLES.get(_key(route))) else {}),
                }
                for route in ROUTES
            ],
            "page": "/",
        }
    )


def _key(route: Route[SandboxWorld]) -> tuple[str, str]:
    return route.method, route.pattern


ROUTES: tuple[Route[SandboxWorld], ...] = (
    Route("PUT", "/habits", _set_habits),
    Route("GET", "/", _list),
    Route("GET", "/state", _state),
    Route("POST", _GHL, _book),
    Route("PATCH", f"{_GHL}/{{id}}", _edit),
    Route("DELETE", f"{_GHL}/{{id}}", _delete),
    Route("POST", f"{_GHL}/{{id}}/undelete", _undelete),
    Route("POST", "/ghl/contacts", _add_ghl_contact),
    Route("DELETE", "/ghl/contacts/{id}", _delete_ghl_contact),
    Route("POST", _HUBSPOT, _create),
    Route("POST", f"{_HUBSPOT}/merge", _merge),
    Route("PATCH", f"{_HUBSPOT}/{{id}}", _change),
    Route("DELETE", f"{_HUBSPOT}/{{id}}", _archive),
    Route("POST", f"{_HUBSPOT}/{{id}}/restore", _restore),
    Route("PUT", f"{_HUBSPOT}/{{id}}/contacts/{{contact}}", _associate),
    Route("DELETE", f"{_HUBSPOT}/{{id}}/contacts/{{contact}}", _dissociate),
    Route("POST", "/hubspot/contacts", _add_hubspot_contact),
    Route("GET", "/requests", _requests),
    Route("DELETE", "/requests", _forget),
    Route("GET", "/faults", _faults),
    Route("POST", "/faults", _add_fault),
    Route("DELETE", "/faults", _clear_faults),
    Route("POST", "/clock/advance", _advance),
    *ANNOUNCING,
    *PAGE,
)


def _location(world: SandboxWorld, request: Request) -> GhlLocation:
    return world.locations[request.one("location") or world.location.id]


def _body(request: Request) -> JsonObject:
    body = request.json()
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


def _record(row: Any) -> JsonObject:
    shown = asdict(row)
    del shown["history"], shown["earlier"]
    return shown


def _shown(payload: Any, status: int = 200) -> Response:
    return Response(status=status, payload=_plain(payload))


def _plain(value: Any) -> Any:
    """JSON of what the records hold: instants as ISO texts, sets as lists, lengths in seconds."""
    if isinstance(value, datetime):
        return iso_ms(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)
