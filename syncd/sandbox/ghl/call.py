"""The arguments of a HighLevel handler besides the request.

Made by `api` once the gate let a request in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncd.sandbox.ghl.checks import EVENT_GONE, NO_CALENDAR, refusal, unprocessable
from syncd.sandbox.http import JsonObject, Response

if TYPE_CHECKING:
    from syncd.sandbox.ghl.location import GhlLocation
    from syncd.sandbox.ghl.records import GhlAppointment, GhlCalendar
    from syncd.sandbox.http import Request
    from syncd.sandbox.world import SandboxWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class GhlCall:
    """One admitted call: the world, the token's location, the `Version` header."""

    world: SandboxWorld
    location: GhlLocation
    version: str

    def answer(self, payload: JsonObject, status: int = 200) -> Response:
        """An answer with the trace id that the service adds to each."""
        return Response(status=status, payload={**payload, "traceId": self.world.ids.trace()})

    def own(self, location_id: object) -> None:
        """Refuses another location than the token's."""
        if location_id in (None, ""):
            raise unprocessable("locationId must be a string", "locationId should not be empty")
        if location_id != self.location.id:
            raise refusal(403, "The token does not have access to this location.")

    def own_query(self, request: Request) -> None:
        """The same for the `locationId` of a query."""
        self.own(request.one("locationId"))

    def event(self, event: str) -> GhlAppointment:
        """An appointment, deleted ones included, or the refusal of an unknown id."""
        row = self.location.appointments.get(event)
        if row is None:
            status = self.world.settings.unknown_event_status
            raise refusal(status, "Appointment not found" if status == 404 else EVENT_GONE)
        return row

    def calendar(self, calendar: str) -> GhlCalendar:
        """A calendar that is not deleted, or a refusal."""
        found = self.location.living_calendar(calendar)
        if found is None:
            raise refusal(400, NO_CALENDAR)
        return found

    def notify(self, body: JsonObject, event: str, record: str) -> None:
        """Notes a write that would have run automations and written to people."""
        if body.get("toNotify") is not False:
            self.world.notifications.append(
                {"at": self.location.stamp(), "event": event, "id": record}
            )
