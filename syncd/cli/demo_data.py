"""What people do on both sides in the demo: a morning at a made-up clinic.

`demo` calls `morning` between two syncs and prints what it gives. People work
in the vendors' web pages, so this writes to the sandbox's world directly and
knows nothing of syncd.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd.sandbox import SandboxClock, SandboxWorld
    from syncd.sandbox.ghl.records import GhlAppointment

A_WHILE = timedelta(minutes=4)
"""What passes between two edits, so that it is clear which came last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What people did to one appointment; ids are "" where there is no record."""

    title: str
    person: str
    starts_at: datetime
    did: tuple[str, ...]
    ghl_id: str = ""
    hubspot_id: str = ""

    def is_about(self, ghl_id: str, hubspot_id: str) -> bool:
        """Whether a write or a hold concerns this appointment."""
        same_ghl = bool(ghl_id) and ghl_id == self.ghl_id
        return same_ghl or (bool(hubspot_id) and hubspot_id == self.hubspot_id)


class DemoClinic:
    """The people at both screens."""

    def __init__(self, world: SandboxWorld, clock: SandboxClock) -> None:
        self._world, self._clock = world, clock
        self._ghl, self._hubspot = world.location, world.portal

    def morning(self) -> list[Edit]:
        """Eight things that happen in a morning, one after another."""
        done = []
        for edit in self._edits():
            done.append(edit)
            self._clock.advance(A_WHILE)
        return done

    def _edits(self) -> Iterator[Edit]:
        yield self._moved("Check-up", "Dario Lutz")
        yield self._retitled("First consultation", "Hugo Reyes", "Consultation by video")
        yield self._cancelled("First consultation", "Elin Sand")
        yield self._deleted("Check-up", "Finn Abara")
        yield self._archived("Phone call", "Iris Vale")
        yield self._both_edited("Follow-up", "Ada Winter")
        yield self._contested("Review", "Ben Torres")
        yield self._without_contact("Call back")

    # --- one edit each

    def _moved(self, title: str, person: str) -> Edit:
        row = self._find(title, person)
        start = row.start + timedelta(minutes=90)
        self._ghl.move(row.id, start)
        return self._edit(row, person, f"HighLevel: moved to {self._hour(start)}")

    def _retitled(self, title: str, person: str, new: str) -> Edit:
        row = self._find(title, person)
        self._hubspot.edit(self._across(row.id), hs_appointment_name=new)
        return self._edit(row, person, f"HubSpot: renamed to {new!r}")

    def _cancelled(self, title: str, person: str) -> Edit:
        row = self._find(title, person)
        self._ghl.edit(row.id, status="cancelled")
        return self._edit(row, person, "HighLevel: cancelled")

    def _deleted(self, title: str, person: str) -> Edit:
        row = self._find(title, person)
        self._ghl.delete(row.id)
        return self._edit(row, person, "HighLevel: deleted")

    def _archived(self, title: str, person: str) -> Edit:
        row = self._find(title, person)
        edit = self._edit(row, person, "HubSpot: deleted (which HubSpot calls archived)")
        self._hubspot.archive(self._across(row.id))
        return edit

    def _both_edited(self, title: str, person: str) -> Edit:
        row = self._find(title, person)
        self._ghl.edit(row.id, address="12 Quay Street, room 5")
        self._hubspot.edit(self._across(row.id), hs_appointment_name="Follow-up, bring X-rays")
        return self._edit(
            row,
            person,
            "HighLevel: changed the address to '12 Quay Street, room 5'",
            "HubSpot: renamed to 'Follow-up, bring X-rays'",
        )

    def _contested(self, title: str, person: str) -> Edit:
        row = self._find(title, person)
        self._ghl.edit(row.id, title="Yearly review")
        self._clock.advance(A_WHILE)
        self._hubspot.edit(self._across(row.id), hs_appointment_name="Review of the treatment")
        return self._edit(
            row,
            person,
            "HighLevel: renamed to 'Yearly review'",
            f"HubSpot: renamed to 'Review of the treatment', {_minutes(A_WHILE)} later",
        )

    def _without_contact(self, title: str) -> Edit:
        start = self._clock().replace(minute=0, second=0, microsecond=0) + timedelta(days=3)
        record = self._hubspot.create(
            {
                "hs_appointment_name": title,
                "hs_appointment_start": start,
                "hs_appointment_end": start + timedelta(minutes=30),
            }
        )
        edit = "HubSpot: made, but for no contact"
        return Edit(title=title, person="", starts_at=start, did=(edit,), hubspot_id=record)

    # --- finding

    def _find(self, title: str, person: str) -> GhlAppointment:
        now = self._clock()
        for row in self._ghl.events():
            if row.start > now and row.title == title and self._person(row) == person:
                return row
        raise LookupError(f"the sandbox has no {title!r} of {person}")

    def _person(self, row: GhlAppointment) -> str:
        contact = self._ghl.contacts.get(row.contact)
        return contact.name if contact else ""

    def _across(self, ghl_id: str) -> str:
        for record in self._hubspot.records():
            if record.properties.get("ghl_appointment_id") == ghl_id:
                return record.id
        raise LookupError(f"no HubSpot record carries {ghl_id}")

    def _edit(self, row: GhlAppointment, person: str, *did: str) -> Edit:
        return Edit(
            title=row.title,
            person=person,
            starts_at=row.start,
            did=did,
            ghl_id=row.id,
            hubspot_id=self._across(row.id),
        )

    def _hour(self, moment: datetime) -> str:
        return moment.astimezone(self._ghl.zone).strftime("%H:%M")


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:.0f} minutes"
