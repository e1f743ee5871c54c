"""A plan tells everything: contacts that are made, whom a booking is for, what is kept back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncd.core.outcome import Outcome
from syncd.engine import planned_writes

if TYPE_CHECKING:
    from harness import SyncHarness


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Event"], contact, harness.at(hours), **more))


def told(report: Any) -> list[tuple[str, str, str]]:
    return [(each.side.value, each.record, each.action) for each in report.planned or ()]


def test_a_contact_that_two_appointments_need_is_one_write(harness: SyncHarness) -> None:
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101")
    for hours in (48, 72):
        book(harness, ann, hours, title=f"Check-up {hours}")
    report = harness.plan()
    appointment, contact = (("hubspot", each, "create") for each in ("appointment", "contact"))
    assert told(report) == [contact, appointment, appointment]
    assert (report.hubspot.created, report.hubspot.contacts_created) == (2, 1)
    made, first, second = (planned_writes.planned_as_json(each) for each in report.planned or ())
    assert (made["ghl_id"], made["hubspot_id"], made["title"]) == (ann, None, "Ann Lee")
    assert made["fields"] == {
        "first_name": {"from": None, "to": "Ann"},
        "last_name": {"from": None, "to": "Lee"},
        "email": {"from": None, "to": "ann@example.com"},
        "phone": {"from": None, "to": "+15550101"},
    }
    for each, hours in ((first, 48), (second, 72)):
        assert each["contact"] == {"ghl_id": ann, "hubspot_id": None}
        assert each["calendar"] == harness.calendars["Event"]
        assert each["start"] == harness.at(hours).isoformat().replace("+00:00", "Z")
        assert each["kept_back"] is None
    done = harness.sync()
    assert (done.hubspot.created, done.hubspot.contacts_created) == (2, 1)
    assert len(harness.hubspot.contact_records()) == 1


def test_what_starts_at_once_is_planned_in_the_order_of_the_list(harness: SyncHarness) -> None:
    """Two runs of the same readings show the same plan; the sandbox lists by id."""
    people = [harness.ghl.add_contact(f"Ann {at}", f"ann{at}@example.com") for at in range(12)]
    booked = [book(harness, contact) for contact in people]
    planned = harness.plan().planned or ()
    assert [each.ghl_id for each in planned if each.record == "appointment"] == sorted(booked)


def test_two_contacts_of_one_person_are_one_write(harness: SyncHarness) -> None:
    for hours in (48, 72):
        book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"), hours)
    assert (harness.plan().hubspot.created, harness.plan().hubspot.contacts_created) == (2, 1)
    done = harness.sync()
    assert (done.hubspot.created, done.hubspot.contacts_created) == (2, 1)
    assert len(harness.hubspot.contact_records()) == 1
    entries = [each for each in harness.link().store.history() if each.record == "contact"]
    assert len(entries) == 1


def test_a_contact_that_is_made_stands_in_the_history(harness: SyncHarness) -> None:
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    book(harness, ann)
    cycle = harness.sync().cycle
    (across,) = harness.hubspot.contact_records()
    entries = [each for each in harness.link().store.history() if each.record == "contact"]
    found = [(e.action, e.side.value, e.ghl_id, e.hubspot_id, e.cycle) for e in entries]
    assert found == [("create", "hubspot", ann, across.id, cycle)]
    assert "Ann" not in repr(entries)


def test_a_booking_says_for_whom_and_where(harness: SyncHarness) -> None:
    across = harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    start = harness.at(96).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.hubspot.create({"hs_appointment_start": start}, contacts=[across])
    contact, booking = list(harness.plan().planned or ())
    assert (contact.side.value, contact.hubspot_id, contact.ghl_id) == ("ghl", across, "")
    said = planned_writes.planned_as_json(booking)
    assert said["contact"] == {"ghl_id": None, "hubspot_id": across}
    assert said["calendar"] == harness.rules.template.default_calendar


def test_contacts_count_for_the_change_guard(harness: SyncHarness) -> None:
    harness.sync()
    guard = replace(harness.rules.template.change_guard, percent=0, at_least=3)
    harness.obey(change_guard=guard)
    people = [harness.ghl.add_contact(f"Ann {n}", f"ann{n}@example.com") for n in range(2)]
    book(harness, people[0])
    book(harness, people[0], 60)
    assert harness.plan().outcome is Outcome.OK
    book(harness, people[1], 72)
    report = harness.plan()
    assert report.outcome is Outcome.GUARD
    assert "5 creations and changes" in report.detail
    assert {each.kept_back for each in report.planned or ()} == {"change_guard"}
    assert len(report.planned or ()) == 5
    assert (report.hubspot.created, report.hubspot.contacts_created) == (0, 0)
    assert "--allow-changes" in report.detail
    assert "--allow-removals" not in report.detail
    assert harness.sync().hubspot.contacts_created == 0
    assert harness.sync(changes=True).hubspot.contacts_created == 2


def test_a_removal_that_is_kept_back_is_planned_and_marked(harness: SyncHarness) -> None:
    booked = book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"), title="Check-up")
    harness.sync()
    harness.obey(removal_guard=replace(harness.rules.template.removal_guard, percent=0, at_least=0))
    harness.ghl.delete(booked)
    report = harness.plan()
    (write,) = list(report.planned or ())
    assert (write.action, write.title, write.kept_back) == ("remove", "Check-up", "removal_guard")
    assert report.hubspot.removed == 0
    assert report.outcome is Outcome.GUARD
    assert "--allow-changes" not in report.detail


def test_a_removal_has_its_title_and_its_time_in_the_history(harness: SyncHarness) -> None:
    booked = book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"), title="Check-up")
    harness.sync()
    harness.ghl.delete(booked)
    assert harness.sync().hubspot.removed == 1
    removal = next(each for each in harness.link().store.history() if each.action == "remove")
    assert (removal.title, removal.starts_at) == ("Check-up", harness.at(48))


def test_an_approved_plan_makes_its_contacts(harness: SyncHarness) -> None:
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"), title="Check-up")
    writes = {
        planned_writes.digest(each): planned_writes.in_one_line(each)
        for each in harness.plan().planned or ()
    }
    assert len(writes) == 2
    assert not any("Ann" in words for words in writes.values())
    harness.link().store.decide("apply", {"writes": writes}, harness.clock.now())
    report = harness.sync()
    assert (report.hubspot.created, report.hubspot.contacts_created) == (1, 1)
    assert report.warnings == []


def test_what_moved_on_is_nobodys_approval_though_its_contact_was_approved(
    harness: SyncHarness,
) -> None:
    event = book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"), title="Check-up")
    writes = {
        planned_writes.digest(each): planned_writes.in_one_line(each)
        for each in harness.plan().planned or ()
    }
    harness.ghl.edit(event, title="Review")
    store = harness.link().store
    store.decide("apply", {"writes": writes}, harness.clock.now())
    assert harness.sync().hubspot.created == 0
    assert harness.sync().hubspot.created == 1
    authors = {entry.author for entry in store.history(event) if entry.record == "appointment"}
    assert authors == {"sync"}


def test_what_needs_a_contact_that_was_not_approved_is_left_out(harness: SyncHarness) -> None:
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    _, appointment = list(harness.plan().planned or ())
    writes = {planned_writes.digest(appointment): planned_writes.in_one_line(appointment)}
    harness.link().store.decide("apply", {"writes": writes}, harness.clock.now())
    report = harness.sync()
    assert (report.hubspot.created, report.hubspot.contacts_created) == (0, 0)
    assert "left out" in " ".join(report.warnings)


def test_an_approved_booking_goes_on_once_its_contact_was_made(harness: SyncHarness) -> None:
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"), title="Check-up")
    writes = {
        planned_writes.digest(each): planned_writes.in_one_line(each)
        for each in harness.plan().planned or ()
    }
    harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    harness.link().store.decide("apply", {"writes": writes}, harness.clock.now())
    assert harness.sync().hubspot.created == 1


def test_an_approved_booking_for_another_person_is_left_out(harness: SyncHarness) -> None:
    ann, bob = (
        harness.hubspot.add_contact(name, f"{name}@example.com", "") for name in ("ann", "bob")
    )
    start = harness.at(96).strftime("%Y-%m-%dT%H:%M:%SZ")
    record = harness.hubspot.create({"hs_appointment_start": start}, contacts=[ann])
    writes = {
        planned_writes.digest(each): planned_writes.in_one_line(each)
        for each in harness.plan().planned or ()
    }
    harness.hubspot.dissociate(record, ann)
    harness.hubspot.associate(record, bob)
    harness.link().store.decide("apply", {"writes": writes}, harness.clock.now())
    report = harness.sync()
    assert (report.ghl.created, report.ghl.contacts_created) == (0, 0)
    assert "left out" in " ".join(report.warnings)
