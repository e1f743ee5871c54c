"""Who is the same person on both sides: promise 3, in a whole town."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.model import Side

if TYPE_CHECKING:
    from towns import Town


def book(town: Town, contact: str, hours: float = 48, **more: Any) -> str:
    return str(town.ghl.book(town.calendars["Event"], contact, town.at(hours), **more))


def record(town: Town, *contacts: str, hours: float = 96) -> str:
    start = town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(town.hubspot.create({"hs_appointment_start": start}, contacts=list(contacts)))


def reasons(report: Any) -> list[str]:
    return [hold.reason for hold in report.held]


def linked(town: Town, record_id: str) -> list[str]:
    return sorted(town.hubspot.get(record_id).links.get("0-1", {}))


def test_a_national_number_is_read_with_the_locations_country(town: Town) -> None:
    contact = town.ghl.add_contact("Ann Lee", None, "+41 44 668 18 00")
    across = town.hubspot.add_contact("Ann Lee", None, "044 668 18 00")
    book(town, contact)
    assert town.sync().hubspot.created == 1
    (made,) = town.hubspot.records()
    assert linked(town, made.id) == [across]


def test_a_secondary_address_is_enough(town: Town) -> None:
    contact = town.ghl.add_contact("Ann Lee", "ann.old@example.com")
    across = town.hubspot.add_contact(
        "Ann Lee", "ann@example.com", hs_additional_emails="ann.old@example.com"
    )
    book(town, contact)
    town.sync()
    assert linked(town, town.hubspot.records()[0].id) == [across]
    assert len(town.hubspot.contact_records()) == 1


def test_a_family_phone_is_no_match(town: Town) -> None:
    contact = town.ghl.add_contact("Ann Lee", None, "+15550101")
    town.hubspot.add_contact("Bob Lee", None, "+15550101")
    book(town, contact)
    report = town.sync()
    assert reasons(report) == ["ambiguous_contact"]
    assert town.hubspot.records() == []


def test_a_contact_without_any_address_is_held(town: Town) -> None:
    book(town, town.ghl.add_contact("Ann Lee"))
    assert reasons(town.sync()) == ["no_contact"]


def test_none_is_made_where_none_may_be(town: Town) -> None:
    town.obey(create_contacts_on=frozenset({Side.GHL}))
    book(town, town.ghl.add_contact("Ann Lee", "ann@example.com"))
    assert reasons(town.sync()) == ["no_contact"]
    town.hubspot.add_contact("Ann Lee", "ann@example.com")
    assert town.sync().hubspot.created == 1


def test_of_several_contacts_the_one_that_matches_counts(town: Town) -> None:
    ann = town.ghl.add_contact("Ann Lee", "ann@example.com")
    across = town.hubspot.add_contact("Ann Lee", "ann@example.com")
    other = town.hubspot.add_contact("Bob Moe", "bob@example.com")
    record(town, across, other)
    assert town.sync().ghl.created == 1
    (event,) = town.ghl.events()
    assert event.contact == ann


def test_of_several_that_match_none_counts(town: Town) -> None:
    ids = []
    for name in ("ann", "bob"):
        town.ghl.add_contact(name, f"{name}@example.com")
        ids.append(town.hubspot.add_contact(name, f"{name}@example.com"))
    record(town, *ids)
    assert reasons(town.sync()) == ["ambiguous_contact"]


def test_a_contact_added_beside_it_changes_nothing(town: Town) -> None:
    book(town, town.ghl.add_contact("Ann Lee", "ann@example.com"))
    town.sync()
    (made,) = town.hubspot.records()
    town.hubspot.associate(made.id, town.hubspot.add_contact("Bob Moe", "bob@example.com"))
    report = town.sync()
    assert (report.held, report.written) == ([], [])


def test_a_merged_contact_changes_nothing(town: Town) -> None:
    book(town, town.ghl.add_contact("Ann Lee", "ann@example.com"))
    town.sync()
    (contact,) = town.hubspot.contact_records()
    town.hubspot.merge_contacts(town.hubspot.add_contact("A. Lee", "a@example.com"), contact.id)
    report = town.sync()
    assert (report.held, report.written) == ([], [])
    assert town.sync().written == []


def test_a_merged_contact_whose_old_id_leads_nowhere_changes_nothing(town: Town) -> None:
    book(town, town.ghl.add_contact("Ann Lee", "ann@example.com"))
    town.sync()
    (contact,) = town.hubspot.contact_records()
    town.hubspot.merge_contacts(town.hubspot.add_contact("A. Lee", "a@example.com"), contact.id)
    town.hubspot.people.survivors.clear()
    report = town.sync()
    assert (report.held, report.written) == ([], [])
    assert town.sync().written == []


def test_another_contact_in_hubspot_is_held(town: Town) -> None:
    book(town, town.ghl.add_contact("Ann Lee", "ann@example.com"))
    town.sync()
    (made,) = town.hubspot.records()
    town.hubspot.dissociate(made.id, linked(town, made.id)[0])
    town.hubspot.associate(made.id, town.hubspot.add_contact("Bob Moe", "bob@example.com"))
    assert reasons(town.sync()) == ["contact_changed"]


@pytest.mark.parametrize("known", [True, False])
def test_another_contact_in_highlevel_replaces_hubspots(town: Town, known: bool) -> None:
    ann = town.ghl.add_contact("Ann Lee", "ann@example.com")
    event = book(town, ann)
    town.sync()
    (made,) = town.hubspot.records()
    before = linked(town, made.id)
    if known:
        town.hubspot.add_contact("Bob Moe", "bob@example.com")
    town.ghl.edit(event, contact=town.ghl.add_contact("Bob Moe", "bob@example.com"))
    report = town.sync()
    assert report.hubspot.updated == 1, report
    after = linked(town, made.id)
    assert len(after) == 1
    assert after != before
    assert town.hubspot.get_contact(after[0]).properties["email"] == "bob@example.com"
    assert town.sync().written == []


def test_an_existing_contact_is_never_altered(town: Town) -> None:
    across = town.hubspot.add_contact("Anna Leigh", "ann@example.com", "+15550199")
    before = dict(town.hubspot.get_contact(across).properties)
    book(town, town.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"))
    town.sync()
    assert dict(town.hubspot.get_contact(across).properties) == before


def test_a_location_whose_users_cannot_be_listed_is_synced_without_owners(town: Town) -> None:
    town.world.faults.add(side="ghl", path="/users", status=404, times=None)
    book(town, town.ghl.add_contact("Ann Lee", "ann@example.com"))
    report = town.sync()
    assert report.hubspot.created == 1
    assert any("owners cannot be matched" in line for line in report.warnings)


def test_a_phone_number_is_looked_up_only_where_no_address_matches(town: Town) -> None:
    """A search costs one of five a second; an address is found in batches of a hundred."""
    for number in range(30):
        who = (f"Pat {number}", f"p{number}@example.com", f"+1555010{number:02}")
        town.ghl.book(town.calendars["Event"], town.ghl.add_contact(*who), town.at(24 + number))
        town.hubspot.add_contact(*who)
    town.world.reset_requests()
    assert town.sync().hubspot.created == 30
    searches = [
        row.path for row in town.world.requests_of("hubspot") if row.path.endswith("/search")
    ]
    assert searches == []


def test_a_contact_that_was_half_replaced_is_replaced_in_the_end(town: Town) -> None:
    """The new one is associated before the old one goes: what broke off between is gone on with."""
    old, new = (
        (town.ghl.add_contact(name, mail, ""), town.hubspot.add_contact(name, mail, ""))
        for name, mail in (("Ann Lee", "ann@example.com"), ("Ben Wu", "ben@example.com"))
    )
    event = town.ghl.book(town.calendars["Team"], old[0], town.at(48), title="Check-up")
    town.sync()
    (record,) = town.hubspot.records()
    town.ghl.edit(event, contact=new[0])
    town.world.faults.add(
        side="hubspot", method="DELETE", path="/associations/", status=503, times=None
    )
    town.sync()
    assert set(town.hubspot.get(record.id).contacts) == {old[1], new[1]}
    town.world.faults.clear()
    town.sync()
    assert list(town.hubspot.get(record.id).contacts) == [new[1]]
    town.world.reset_requests()
    assert (town.sync().held, town.world.writes("hubspot")) == ([], [])


def emails(town: Town, record_id: str) -> list[str]:
    return [town.hubspot.get_contact(c).properties["email"] for c in linked(town, record_id)]


def carried(town: Town, event: str, contact: str, hours: float = 48) -> str:
    """A HubSpot record that carries a booking's id."""
    made = record(town, contact, hours=hours)
    town.hubspot.edit(made, ghl_appointment_id=event, ghl_location_id=town.ghl.id)
    return made


def test_two_people_whose_records_are_paired_by_the_carried_id_stay_two(town: Town) -> None:
    ada = town.ghl.add_contact("Ada Lee", "ada@example.com")
    bob = town.hubspot.add_contact("Bob Moe", "bob@example.com")
    first = carried(town, book(town, ada), bob)
    report = town.sync()
    assert (report.adopted, report.held) == (1, [])
    assert linked(town, first) == [bob]
    book(town, ada, hours=72)
    assert town.sync().hubspot.created == 1
    (later,) = [each for each in town.hubspot.records() if each.id != first]
    assert emails(town, later.id) == ["ada@example.com"]
    record(town, bob, hours=96)
    assert town.sync().ghl.created == 1
    newest = max(town.ghl.events(), key=lambda event: event.start)
    assert newest.contact != ada
    assert town.sync().written == []


def test_two_people_whose_records_a_person_paired_stay_two(town: Town) -> None:
    ada = town.ghl.add_contact("Ada Lee", "ada@example.com")
    bob = town.hubspot.add_contact("Bob Moe", "bob@example.com")
    event = book(town, ada)
    other = record(town, bob, hours=48)
    payload = {"id": event, "pair_with": other}
    town.store.link(town.name).decide("resolve", payload, town.clock.now())
    assert town.sync().adopted == 1
    book(town, ada, hours=72)
    town.sync()
    (later,) = [each for each in town.hubspot.records() if each.id != other]
    assert emails(town, later.id) == ["ada@example.com"]


def test_a_record_made_anew_makes_its_two_people_no_one(town: Town) -> None:
    """The pair was for Ada and for Bob; the record that an edit brings back is for Bob again."""
    ada = town.ghl.add_contact("Ada Lee", "ada@example.com")
    bob = town.hubspot.add_contact("Bob Moe", "bob@example.com")
    event = book(town, ada)
    first = carried(town, event, bob)
    town.sync()
    town.hubspot.archive(first)
    town.ghl.edit(event, title="Follow-up")
    assert town.sync().hubspot.created == 1
    known = {each.id for each in town.hubspot.records()}
    book(town, ada, hours=72)
    town.sync()
    (later,) = [each for each in town.hubspot.records() if each.id not in known]
    assert emails(town, later.id) == ["ada@example.com"]


def test_people_who_met_stay_one_when_an_address_changes(town: Town) -> None:
    ann = town.ghl.add_contact("Ann Lee", "ann@example.com")
    across = town.hubspot.add_contact("Ann Lee", "ann@example.com")
    carried(town, book(town, ann), across)
    town.sync()
    town.hubspot.edit_contact(across, email="ann.new@example.com")
    book(town, ann, hours=72)
    town.sync()
    assert [linked(town, each.id) for each in town.hubspot.records()] == [[across], [across]]


def test_a_contact_that_became_somebody_else_is_no_longer_that_person(town: Town) -> None:
    ann = town.ghl.add_contact("Ann Lee", "ann@example.com")
    town.ghl.add_contact("Bob Moe", "bob@example.com")
    across = town.hubspot.add_contact("Ann Lee", "ann@example.com")
    book(town, ann)
    town.sync()
    town.hubspot.edit_contact(across, email="bob@example.com", firstname="Bob", lastname="Moe")
    (first,) = town.hubspot.records()
    book(town, ann, hours=72)
    town.sync()
    (later,) = [each for each in town.hubspot.records() if each.id != first.id]
    assert emails(town, later.id) == ["ann@example.com"]


@pytest.mark.parametrize("together", [True, False])
def test_a_family_phone_is_no_match_for_a_contact_without_a_name(
    town: Town, together: bool
) -> None:
    """The number without a name would pass for each of them."""
    town.hubspot.add_contact("", None, "+15550101")
    book(town, town.ghl.add_contact("Ann Lee", None, "+15550101"))
    if not together:
        assert town.sync().hubspot.created == 1
    book(town, town.ghl.add_contact("Bob Lee", None, "+15550101"), hours=72)
    report = town.sync()
    assert reasons(report) == ["ambiguous_contact"] * (2 if together else 1)


def test_only_the_paired_contact_is_replaced(town: Town) -> None:
    event = book(town, town.ghl.add_contact("Ann Lee", "ann@example.com"))
    town.sync()
    (made,) = town.hubspot.records()
    guest = town.hubspot.add_contact("Cid Poe", "cid@example.com")
    town.hubspot.associate(made.id, guest)
    bob = town.hubspot.add_contact("Bob Moe", "bob@example.com")
    town.ghl.edit(event, contact=town.ghl.add_contact("Bob Moe", "bob@example.com"))
    assert town.sync().hubspot.updated == 1
    assert linked(town, made.id) == sorted([guest, bob])
    town.world.reset_requests()
    report = town.sync()
    assert (report.held, report.written, town.world.writes("hubspot")) == ([], [], [])


def test_the_only_contact_is_replaced_where_the_paired_one_is_gone(town: Town) -> None:
    event = book(town, town.ghl.add_contact("Ann Lee", "ann@example.com"))
    town.sync()
    (made,) = town.hubspot.records()
    town.hubspot.dissociate(made.id, linked(town, made.id)[0])
    town.hubspot.associate(made.id, town.hubspot.add_contact("Cid Poe", "cid@example.com"))
    assert reasons(town.sync()) == ["contact_changed"]
    town.ghl.edit(event, contact=town.ghl.add_contact("Bob Moe", "bob@example.com"))
    assert town.sync().held == []
    assert emails(town, made.id) == ["bob@example.com"]
