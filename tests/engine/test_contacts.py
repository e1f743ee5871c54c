"""Who is the same person on both sides: promise 3, in a whole town."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.model import Side

if TYPE_CHECKING:
    from harness import SyncHarness


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Event"], contact, harness.at(hours), **more))


def record(harness: SyncHarness, *contacts: str, hours: float = 96) -> str:
    start = harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(harness.hubspot.create({"hs_appointment_start": start}, contacts=list(contacts)))


def reasons(report: Any) -> list[str]:
    return [hold.reason for hold in report.held]


def linked(harness: SyncHarness, record_id: str) -> list[str]:
    return sorted(harness.hubspot.get(record_id).links.get("0-1", {}))


def test_a_national_number_is_read_with_the_locations_country(harness: SyncHarness) -> None:
    contact = harness.ghl.add_contact("Ann Lee", None, "+41 44 668 18 00")
    across = harness.hubspot.add_contact("Ann Lee", None, "044 668 18 00")
    book(harness, contact)
    assert harness.sync().hubspot.created == 1
    (made,) = harness.hubspot.records()
    assert linked(harness, made.id) == [across]


def test_a_secondary_address_is_enough(harness: SyncHarness) -> None:
    contact = harness.ghl.add_contact("Ann Lee", "ann.old@example.com")
    across = harness.hubspot.add_contact(
        "Ann Lee", "ann@example.com", hs_additional_emails="ann.old@example.com"
    )
    book(harness, contact)
    harness.sync()
    assert linked(harness, harness.hubspot.records()[0].id) == [across]
    assert len(harness.hubspot.contact_records()) == 1


def test_a_family_phone_is_no_match(harness: SyncHarness) -> None:
    contact = harness.ghl.add_contact("Ann Lee", None, "+15550101")
    harness.hubspot.add_contact("Bob Lee", None, "+15550101")
    book(harness, contact)
    report = harness.sync()
    assert reasons(report) == ["ambiguous_contact"]
    assert harness.hubspot.records() == []


def test_a_contact_without_any_address_is_held(harness: SyncHarness) -> None:
    book(harness, harness.ghl.add_contact("Ann Lee"))
    assert reasons(harness.sync()) == ["no_contact"]


def test_none_is_made_where_none_may_be(harness: SyncHarness) -> None:
    harness.obey(create_contacts_on=frozenset({Side.GHL}))
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    assert reasons(harness.sync()) == ["no_contact"]
    harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    assert harness.sync().hubspot.created == 1


def test_of_several_contacts_the_one_that_matches_counts(harness: SyncHarness) -> None:
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    across = harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    other = harness.hubspot.add_contact("Bob Moe", "bob@example.com")
    record(harness, across, other)
    assert harness.sync().ghl.created == 1
    (event,) = harness.ghl.events()
    assert event.contact == ann


def test_of_several_that_match_none_counts(harness: SyncHarness) -> None:
    ids = []
    for name in ("ann", "bob"):
        harness.ghl.add_contact(name, f"{name}@example.com")
        ids.append(harness.hubspot.add_contact(name, f"{name}@example.com"))
    record(harness, *ids)
    assert reasons(harness.sync()) == ["ambiguous_contact"]


def test_a_contact_added_beside_it_changes_nothing(harness: SyncHarness) -> None:
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    harness.sync()
    (made,) = harness.hubspot.records()
    harness.hubspot.associate(made.id, harness.hubspot.add_contact("Bob Moe", "bob@example.com"))
    report = harness.sync()
    assert (report.held, report.written) == ([], [])


def test_a_merged_contact_changes_nothing(harness: SyncHarness) -> None:
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    harness.sync()
    (contact,) = harness.hubspot.contact_records()
    harness.hubspot.merge_contacts(
        harness.hubspot.add_contact("A. Lee", "a@example.com"), contact.id
    )
    report = harness.sync()
    assert (report.held, report.written) == ([], [])
    assert harness.sync().written == []


def test_a_merged_contact_whose_old_id_leads_nowhere_changes_nothing(harness: SyncHarness) -> None:
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    harness.sync()
    (contact,) = harness.hubspot.contact_records()
    harness.hubspot.merge_contacts(
        harness.hubspot.add_contact("A. Lee", "a@example.com"), contact.id
    )
    harness.hubspot.people.survivors.clear()
    report = harness.sync()
    assert (report.held, report.written) == ([], [])
    assert harness.sync().written == []


def test_another_contact_in_hubspot_is_held(harness: SyncHarness) -> None:
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    harness.sync()
    (made,) = harness.hubspot.records()
    harness.hubspot.dissociate(made.id, linked(harness, made.id)[0])
    harness.hubspot.associate(made.id, harness.hubspot.add_contact("Bob Moe", "bob@example.com"))
    assert reasons(harness.sync()) == ["contact_changed"]


@pytest.mark.parametrize("known", [True, False])
def test_another_contact_in_highlevel_replaces_hubspots(harness: SyncHarness, known: bool) -> None:
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    event = book(harness, ann)
    harness.sync()
    (made,) = harness.hubspot.records()
    before = linked(harness, made.id)
    if known:
        harness.hubspot.add_contact("Bob Moe", "bob@example.com")
    harness.ghl.edit(event, contact=harness.ghl.add_contact("Bob Moe", "bob@example.com"))
    report = harness.sync()
    assert report.hubspot.updated == 1, report
    after = linked(harness, made.id)
    assert len(after) == 1
    assert after != before
    assert harness.hubspot.get_contact(after[0]).properties["email"] == "bob@example.com"
    assert harness.sync().written == []


def test_an_existing_contact_is_never_altered(harness: SyncHarness) -> None:
    across = harness.hubspot.add_contact("Anna Leigh", "ann@example.com", "+15550199")
    before = dict(harness.hubspot.get_contact(across).properties)
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"))
    harness.sync()
    assert dict(harness.hubspot.get_contact(across).properties) == before


def test_a_location_whose_users_cannot_be_listed_is_synced_without_owners(
    harness: SyncHarness,
) -> None:
    harness.world.faults.add(side="ghl", path="/users", status=404, times=None)
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    report = harness.sync()
    assert report.hubspot.created == 1
    assert any("owners cannot be matched" in line for line in report.warnings)


def test_a_phone_number_is_looked_up_only_where_no_address_matches(harness: SyncHarness) -> None:
    """A search costs one of five a second; an address is found in batches of a hundred."""
    for number in range(30):
        who = (f"Pat {number}", f"p{number}@example.com", f"+1555010{number:02}")
        harness.ghl.book(
            harness.calendars["Event"], harness.ghl.add_contact(*who), harness.at(24 + number)
        )
        harness.hubspot.add_contact(*who)
    harness.world.reset_requests()
    assert harness.sync().hubspot.created == 30
    searches = [
        row.path for row in harness.world.requests_of("hubspot") if row.path.endswith("/search")
    ]
    assert searches == []


def test_a_contact_that_was_half_replaced_is_replaced_in_the_end(harness: SyncHarness) -> None:
    """The new one is associated before the old one goes: what broke off between is gone on with."""
    old, new = (
        (harness.ghl.add_contact(name, mail, ""), harness.hubspot.add_contact(name, mail, ""))
        for name, mail in (("Ann Lee", "ann@example.com"), ("Ben Wu", "ben@example.com"))
    )
    event = harness.ghl.book(harness.calendars["Team"], old[0], harness.at(48), title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.ghl.edit(event, contact=new[0])
    harness.world.faults.add(
        side="hubspot", method="DELETE", path="/associations/", status=503, times=None
    )
    harness.sync()
    assert set(harness.hubspot.get(record.id).contacts) == {old[1], new[1]}
    harness.world.faults.clear()
    harness.sync()
    assert list(harness.hubspot.get(record.id).contacts) == [new[1]]
    harness.world.reset_requests()
    assert (harness.sync().held, harness.world.writes("hubspot")) == ([], [])


def emails(harness: SyncHarness, record_id: str) -> list[str]:
    return [harness.hubspot.get_contact(c).properties["email"] for c in linked(harness, record_id)]


def carried(harness: SyncHarness, event: str, contact: str, hours: float = 48) -> str:
    """A HubSpot record that carries a booking's id."""
    made = record(harness, contact, hours=hours)
    harness.hubspot.edit(made, ghl_appointment_id=event, ghl_location_id=harness.ghl.id)
    return made


def test_two_people_whose_records_are_paired_by_the_carried_id_stay_two(
    harness: SyncHarness,
) -> None:
    ada = harness.ghl.add_contact("Ada Lee", "ada@example.com")
    bob = harness.hubspot.add_contact("Bob Moe", "bob@example.com")
    first = carried(harness, book(harness, ada), bob)
    report = harness.sync()
    assert (report.adopted, report.held) == (1, [])
    assert linked(harness, first) == [bob]
    book(harness, ada, hours=72)
    assert harness.sync().hubspot.created == 1
    (later,) = [each for each in harness.hubspot.records() if each.id != first]
    assert emails(harness, later.id) == ["ada@example.com"]
    record(harness, bob, hours=96)
    assert harness.sync().ghl.created == 1
    newest = max(harness.ghl.events(), key=lambda event: event.start)
    assert newest.contact != ada
    assert harness.sync().written == []


def test_two_people_whose_records_a_person_paired_stay_two(harness: SyncHarness) -> None:
    ada = harness.ghl.add_contact("Ada Lee", "ada@example.com")
    bob = harness.hubspot.add_contact("Bob Moe", "bob@example.com")
    event = book(harness, ada)
    other = record(harness, bob, hours=48)
    payload = {"id": event, "pair_with": other}
    harness.store.link(harness.name).decide("resolve", payload, harness.clock.now())
    assert harness.sync().adopted == 1
    book(harness, ada, hours=72)
    harness.sync()
    (later,) = [each for each in harness.hubspot.records() if each.id != other]
    assert emails(harness, later.id) == ["ada@example.com"]


def test_a_record_made_anew_makes_its_two_people_no_one(harness: SyncHarness) -> None:
    """The pair was for Ada and for Bob; the record that an edit brings back is for Bob again."""
    ada = harness.ghl.add_contact("Ada Lee", "ada@example.com")
    bob = harness.hubspot.add_contact("Bob Moe", "bob@example.com")
    event = book(harness, ada)
    first = carried(harness, event, bob)
    harness.sync()
    harness.hubspot.archive(first)
    harness.ghl.edit(event, title="Follow-up")
    assert harness.sync().hubspot.created == 1
    known = {each.id for each in harness.hubspot.records()}
    book(harness, ada, hours=72)
    harness.sync()
    (later,) = [each for each in harness.hubspot.records() if each.id not in known]
    assert emails(harness, later.id) == ["ada@example.com"]


def test_people_who_met_stay_one_when_an_address_changes(harness: SyncHarness) -> None:
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    across = harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    carried(harness, book(harness, ann), across)
    harness.sync()
    harness.hubspot.edit_contact(across, email="ann.new@example.com")
    book(harness, ann, hours=72)
    harness.sync()
    assert [linked(harness, each.id) for each in harness.hubspot.records()] == [[across], [across]]


def test_a_contact_that_became_somebody_else_is_no_longer_that_person(harness: SyncHarness) -> None:
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.ghl.add_contact("Bob Moe", "bob@example.com")
    across = harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    book(harness, ann)
    harness.sync()
    harness.hubspot.edit_contact(across, email="bob@example.com", firstname="Bob", lastname="Moe")
    (first,) = harness.hubspot.records()
    book(harness, ann, hours=72)
    harness.sync()
    (later,) = [each for each in harness.hubspot.records() if each.id != first.id]
    assert emails(harness, later.id) == ["ann@example.com"]


@pytest.mark.parametrize("together", [True, False])
def test_a_family_phone_is_no_match_for_a_contact_without_a_name(
    harness: SyncHarness, together: bool
) -> None:
    """The number without a name would pass for each of them."""
    harness.hubspot.add_contact("", None, "+15550101")
    book(harness, harness.ghl.add_contact("Ann Lee", None, "+15550101"))
    if not together:
        assert harness.sync().hubspot.created == 1
    book(harness, harness.ghl.add_contact("Bob Lee", None, "+15550101"), hours=72)
    report = harness.sync()
    assert reasons(report) == ["ambiguous_contact"] * (2 if together else 1)


def test_only_the_paired_contact_is_replaced(harness: SyncHarness) -> None:
    event = book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    harness.sync()
    (made,) = harness.hubspot.records()
    guest = harness.hubspot.add_contact("Cid Poe", "cid@example.com")
    harness.hubspot.associate(made.id, guest)
    bob = harness.hubspot.add_contact("Bob Moe", "bob@example.com")
    harness.ghl.edit(event, contact=harness.ghl.add_contact("Bob Moe", "bob@example.com"))
    assert harness.sync().hubspot.updated == 1
    assert linked(harness, made.id) == sorted([guest, bob])
    harness.world.reset_requests()
    report = harness.sync()
    assert (report.held, report.written, harness.world.writes("hubspot")) == ([], [], [])


def test_the_only_contact_is_replaced_where_the_paired_one_is_gone(harness: SyncHarness) -> None:
    event = book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    harness.sync()
    (made,) = harness.hubspot.records()
    harness.hubspot.dissociate(made.id, linked(harness, made.id)[0])
    harness.hubspot.associate(made.id, harness.hubspot.add_contact("Cid Poe", "cid@example.com"))
    assert reasons(harness.sync()) == ["contact_changed"]
    harness.ghl.edit(event, contact=harness.ghl.add_contact("Bob Moe", "bob@example.com"))
    assert harness.sync().held == []
    assert emails(harness, made.id) == ["bob@example.com"]
