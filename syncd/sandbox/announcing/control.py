"""The control API of announcements and of HubSpot's journal; `syncd.sandbox.control` lists it.

=======  =====================================  ==================================================
method   path                                   does
=======  =====================================  ==================================================
GET      /control/announcements                 the rules, and the deliveries with their answers
PUT      /control/announcements                 changes rules: the fields of `announcing.rules`
POST     /control/announcements                 delivers: side, and payload of anybody's making
POST     /control/announcements/{number}/resend sends a delivery again
GET      /control/journal                       the rules, subscriptions and offsets
PUT      /control/journal                       changes rules: the fields of `JournalRules`
POST     /control/journal                       puts a file of `events` into the journal
=======  =====================================  ==================================================
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from syncd.sandbox.announcing.rules import Rules
from syncd.sandbox.http import JsonObject, Request, Response, Route
from syncd.sandbox.hubspot.journal import JournalRules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.world import SandboxWorld


def _announcements(world: SandboxWorld, _: Request, __: Mapping[str, str]) -> Response:
    announcer = world.announcer
    told = [asdict(each) for each in announcer.deliveries]
    return Response(payload={"rules": asdict(announcer.rules), "deliveries": told})


def _set_rules(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    world.announcer.rules = Rules.of(_object(request), world.announcer.rules)
    return Response(payload=asdict(world.announcer.rules))


def _deliver(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    body = _object(request)
    made = world.announcer.deliver(body["side"], body["payload"])
    return Response(status=201, payload={"number": made.number})


def _resend(world: SandboxWorld, _: Request, names: Mapping[str, str]) -> Response:
    return Response(payload={"number": world.announcer.resend(int(names["number"])).number})


def _journal(world: SandboxWorld, _: Request, __: Mapping[str, str]) -> Response:
    journal = world.announcer.journal
    return Response(
        payload={
            "rules": asdict(journal.rules),
            "subscriptions": list(journal.subscriptions.values()),
            "offsets": [each.offset for each in journal.files()],
        }
    )


def _set_journal(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    journal = world.announcer.journal
    journal.rules = JournalRules.of(_object(request), journal.rules)
    return Response(payload=asdict(journal.rules))


def _add_file(world: SandboxWorld, request: Request, _: Mapping[str, str]) -> Response:
    events = _object(request)["events"]
    return Response(status=201, payload={"offset": world.announcer.journal.publish(events).offset})


def _object(request: Request) -> JsonObject:
    body: Any = request.json()
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


ROUTES: tuple[Route[SandboxWorld], ...] = (
    Route("GET", "/announcements", _announcements),
    Route("PUT", "/announcements", _set_rules),
    Route("POST", "/announcements", _deliver),
    Route("POST", "/announcements/{number}/resend", _resend),
    Route("GET", "/journal", _journal),
    Route("PUT", "/journal", _set_journal),
    Route("POST", "/journal", _add_file),
)
