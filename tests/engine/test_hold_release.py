"""Every reason for which a record is held: what lets it go by itself, and by a person's word.

One row is one reason in the words of docs/held.md. What is done about the
cause in one of the two systems, or in the configuration, is enough for the
next full cycle; and each reason has its exits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tampering import Tampering, rows_of

from syncd.core.model import REASONS
from syncd.core.policy import Winner
from syncd.sandbox import Fault

if TYPE_CHECKING:
    from harness import SyncHarness


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A held record by any of its ids, what ends the cause, and what a person may say."""

    id: str
    free: Callable[[], object]
    means: str = ""
    """The record or the contact that `--pair` or `--contact` names."""


EXITS: dict[str, tuple[str, ...]] = {
    "no_contact": ("contact", "ignore"),
    "ambiguous_match": ("pair_with", "separate", "ignore"),
    "possible_duplicate": ("separate", "ignore"),
    "ambiguous_contact": ("contact", "ignore"),
    "no_default_calendar": ("ignore",),
    "slot_taken": ("book_anyway", "ignore"),
    "unknown_status": ("ignore",),
    "conflict": ("keep ghl", "keep hubspot", "ignore"),
    "missing_time": ("ignore",),
    "rejected": ("retry", "ignore"),
    "removal_guard": ("kick", "ignore"),
    "contact_changed": ("ignore",),
    "outside_team": ("ignore",),
    "unreadable": ("ignore",),
    "oscillation": ("retry", "ignore"),
}
"""What a person may say of each reason."""


class People:
    """Ann, whom both sides know, and what is done for her."""

    def __init__(self, harness: SyncHarness) -> None:
        self.harness = harness
        ann = ("Ann Lee", "ann@example.com")
        self.here, self.there = (
            str(harness.ghl.add_contact(*ann)),
            str(harness.hubspot.add_contact(*ann)),
        )

    def book(self, hours: float = 48, contact: str = "", **more: Any) -> str:
        """A booking in HighLevel."""
        harness = self.harness
        calendar = harness.calendars[more.pop("calendar", "Event")]
        return str(harness.ghl.book(calendar, contact or self.here, harness.at(hours), **more))

    def make(self, hours: float = 48, contacts: tuple[str, ...] = (), **more: Any) -> str:
        """A record in HubSpot."""
        start = {"hs_appointment_start": self.harness.at(hours)}
        return str(self.harness.hubspot.create(start | more, contacts or [self.there]))

    def pair(self, **more: Any) -> tuple[str, str]:
        """An appointment that both sides have."""
        event = self.book(**more)
        self.harness.sync()
        return event, self.mirror(event)

    def mirror(self, event: str) -> str:
        """The record that mirrors a booking."""
        return next(
            str(record.id)
            for record in self.harness.hubspot.records()
            if record.properties.get("ghl_appointment_id") == event
        )


def no_contact(harness: SyncHarness, people: People) -> Held:
    record = str(harness.hubspot.create({"hs_appointment_start": harness.at(48)}))

    def add() -> None:
        harness.hubspot.associate(record, people.there)

    return Held(id=record, free=add, means=people.there)


def ambiguous_match(harness: SyncHarness, people: People) -> Held:
    first, second = people.book(title="One"), people.book(title="Two")
    record = people.make(hs_appointment_end=harness.at(48.5))
    return Held(id=record, free=lambda: harness.ghl.delete(second), means=first)


def possible_duplicate(harness: SyncHarness, people: People) -> Held:
    people.pair(calendar="Class")
    twin = people.make(hs_appointment_end=harness.at(50))

    def move() -> None:
        start, end = harness.at(60), harness.at(61)
        harness.hubspot.edit(twin, hs_appointment_start=start, hs_appointment_end=end)

    return Held(id=twin, free=move)


def ambiguous_contact(harness: SyncHarness, people: People) -> Held:
    harness.ghl.add_contact("Bea Moss", "bea@example.com")
    bea = str(harness.hubspot.add_contact("Bea Moss", "bea@example.com"))
    record = people.make(contacts=(people.there, bea))
    free = partial(harness.hubspot.dissociate, record, bea)
    return Held(id=record, free=free, means=people.there)


def no_default_calendar(harness: SyncHarness, people: People) -> Held:
    calendar = harness.rules.template.default_calendar
    harness.obey(default_calendar="")
    record = people.make()
    return Held(id=record, free=lambda: harness.obey(default_calendar=calendar))


def slot_taken(harness: SyncHarness, people: People) -> Held:
    harness.obey(default_calendar=harness.calendars["Event"])
    blocking = people.book(contact=str(harness.ghl.add_contact("Cy Roe", "cy@example.com")))
    record = people.make()
    return Held(id=record, free=lambda: harness.ghl.delete(blocking))


def unknown_status(harness: SyncHarness, people: People) -> Held:
    options = harness.hubspot.appointments.definitions["hs_appointment_status"].options
    options.append(options[0] | {"label": "Moved", "value": "MOVED"})
    _, record = people.pair()
    harness.hubspot.edit(record, hs_appointment_status="MOVED")
    free = {"hs_appointment_status": "COMPLETED"}
    return Held(id=record, free=lambda: harness.hubspot.edit(record, **free))


def conflict(harness: SyncHarness, people: People) -> Held:
    harness.obey(conflict={"title": Winner.HOLD})
    event, record = people.pair(title="Check-up")
    harness.ghl.edit(event, title="Left")
    harness.hubspot.edit(record, hs_appointment_name="Right")
    return Held(id=record, free=lambda: harness.ghl.edit(event, title="Right"))


def missing_time(harness: SyncHarness, people: People) -> Held:
    record = people.make(hs_appointment_end=harness.at(47))
    end = harness.at(49)
    free = {"hs_appointment_end": end}
    return Held(id=record, free=lambda: harness.hubspot.edit(record, **free))


def rejected(harness: SyncHarness, people: People) -> Held:
    event, record = people.pair()
    harness.ghl.edit(event, address="Room 1")
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    harness.world.faults.add(Fault(side="hubspot", path="/batch/update", status=400, body=said))
    free = {"ghl_description": "Mended"}
    return Held(id=record, free=lambda: harness.hubspot.edit(record, **free))


def removal_guard(harness: SyncHarness, people: People) -> Held:
    guard = harness.rules.template.removal_guard
    harness.obey(removal_guard=replace(guard, percent=0, at_least=0))
    event, record = people.pair()
    harness.ghl.delete(event)
    return Held(id=record, free=lambda: harness.ghl.undelete(event))


def contact_changed(harness: SyncHarness, people: People) -> Held:
    _, record = people.pair()
    bea = str(harness.hubspot.add_contact("Bea Moss", "bea@example.com"))
    harness.hubspot.dissociate(record, people.there)
    harness.hubspot.associate(record, bea)

    def put_back() -> None:
        harness.hubspot.associate(record, people.there)
        harness.hubspot.dissociate(record, bea)

    return Held(id=record, free=put_back)


def outside_team(harness: SyncHarness, people: People) -> Held:
    _, record = people.pair(calendar="Team")
    team, (_, _, outsider) = harness.calendars["Team"], tuple(harness.ghl.users)
    email = harness.ghl.users[outsider].email
    owner = next(key for key, row in harness.hubspot.owners.items() if row.email == email)
    harness.hubspot.edit(record, hubspot_owner_id=owner)
    everybody = list(harness.ghl.users)
    return Held(id=record, free=lambda: harness.ghl.set_team(team, everybody))


def unreadable(harness: SyncHarness, people: People) -> Held:
    event = people.book()

    def change(_: str, body: Any) -> Any:
        for row in rows_of(body, event):
            row["startTime"] = "the day after"
        return body

    harness.transport = Tampering(harness, change)
    return Held(id=event, free=lambda: setattr(harness, "transport", None))


def oscillation(harness: SyncHarness, people: People) -> Held:
    event, record = people.pair(title="Check-up")
    for _ in range(2):
        harness.hubspot.edit(record, hs_appointment_name="Theirs")
        harness.sync()
        harness.ghl.edit(event, title="Ours")
        harness.sync()
    return Held(id=record, free=lambda: harness.later(minutes=61))


SITUATIONS: dict[str, Callable[[SyncHarness, People], Held]] = {
    each.__name__: each
    for each in (
        *(no_contact, ambiguous_match, possible_duplicate, ambiguous_contact),
        *(no_default_calendar, slot_taken, unknown_status, conflict, missing_time, rejected),
        *(removal_guard, contact_changed, outside_team, unreadable, oscillation),
    )
}


def test_every_reason_has_its_row() -> None:
    assert set(SITUATIONS) == set(EXITS) == set(REASONS)


@contextmanager
def held(harness: SyncHarness, reason: str) -> Iterator[Held]:
    """The situation, seen to be held twice."""
    found = SITUATIONS[reason](harness, People(harness))
    for _ in range(2):
        assert reason in [hold.reason for hold in harness.sync().held if _is(hold, found)]
    yield found


def _is(hold: Any, found: Held) -> bool:
    return found.id in {hold.ghl_id, hold.hubspot_id}


@pytest.mark.parametrize("reason", REASONS)
def test_it_is_let_go_by_itself_when_its_cause_is_gone(harness: SyncHarness, reason: str) -> None:
    with held(harness, reason) as found:
        found.free()
        assert harness.sync().held == []
        harness.sync()
        again = harness.sync()
        assert (again.held, again.written) == ([], [])


@pytest.mark.parametrize(
    ("reason", "word"), [(reason, word) for reason, words in EXITS.items() for word in words]
)
def test_a_persons_word_lets_it_go(harness: SyncHarness, reason: str, word: str) -> None:
    with held(harness, reason) as found:
        name, _, side = word.partition(" ")
        kind, payload = "resolve", {"id": found.id, name: side or found.means or True}
        if name == "retry":
            kind, payload = name, {"id": found.id}
        elif name == "kick":
            kind, payload = name, {"allow_removals": True}
        harness.store.link(harness.name).decide(kind, payload, harness.clock.now())
        for _ in range(3):
            assert reason not in [hold.reason for hold in harness.sync().held if _is(hold, found)]
