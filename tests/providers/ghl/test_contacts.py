"""Contacts of HighLevel: read in bulk or one by one, found, made, and never changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from answers import sure
from contact_helper import make_contact

from syncd.core.model import Contact
from syncd.errors import AuthFailed, Rejected, TimedOut, Unavailable, Unreadable
from syncd.providers.phones import e164

if TYPE_CHECKING:
    from tests.providers.ghl.conftest import Clinic, Open

BEN = Contact(
    first_name="Ben", last_name="Ode", emails=("ben@example.com",), phones=("+15550100102",)
)


def add(clinic: Clinic, number: int, first: int = 0) -> list[str]:
    return [
        clinic.world.location.add_contact(f"Person {n}", f"p{n}@example.com", f"+155501{n:05}")
        for n in range(first, first + number)
    ]


def before(clinic: Clinic) -> dict[str, object]:
    """Everything that is known of every contact."""
    return {row.id: repr(row) for row in clinic.world.location.contacts}


def test_a_contact_is_read_with_all_addresses_and_e164(open_clinic: Open) -> None:
    clinic = open_clinic(location_country="CH")
    key = clinic.world.location.add_contact(
        "Cara Lind", "Cara@Example.com", "044 668 18 00", additionalEmails=["c2@example.com"]
    )
    (found,) = sure(clinic.provider.contacts([key])).values()
    assert (found.first_name, found.last_name) == ("Cara", "Lind")
    assert found.emails == ("Cara@Example.com", "c2@example.com")
    assert found.phones == ("+41446681800",)


def test_a_text_without_digits_is_no_number(clinic: Clinic) -> None:
    key = clinic.world.location.add_contact("Dan Roe", "dan@example.com", "call me")
    (found,) = sure(clinic.provider.contacts([key])).values()
    assert found.phones == ()


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("+1 555 010 0199", "", "+15550100199"),
        ("079 000 00 00", "CH", "+41790000000"),
        ("(555) 010-0199", "US", "+15550100199"),
        ("12", "US", "12"),
        ("+99", "US", "+99"),
        ("call me", "US", ""),
        ("+", "US", ""),
        ("", "", ""),
        ("0555", "ZZ", "0555"),
    ],
)
def test_numbers_are_read_with_the_country_of_the_location(
    number: str, country: str, expected: str
) -> None:
    assert e164(number, country) == expected


def test_a_contact_is_requested_once_in_a_cycle(clinic: Clinic) -> None:
    clinic.provider.prepare()
    for _ in range(2):
        clinic.provider.contacts([clinic.contact, "nosuchcontact0000001"])
    assert len(clinic.sent("GET", "/contacts/")) == 2
    clinic.world.location.edit_contact(clinic.contact, email="new@example.com")
    clinic.provider.prepare()
    found = sure(clinic.provider.contacts([clinic.contact]))
    assert found[clinic.contact].emails == ("new@example.com",)


def test_many_contacts_are_read_by_the_page(clinic: Clinic) -> None:
    keys = add(clinic, 700)
    found = sure(clinic.provider.contacts(keys))
    assert set(found) == set(keys)
    assert len(clinic.sent("POST", "/contacts/search")) == 2
    assert clinic.sent("GET", "/contacts/") == []


def test_a_search_that_always_shows_the_same_page_is_left_for_single_looks(clinic: Clinic) -> None:
    keys = add(clinic, 40)
    for number in range(200):
        row = {"id": keys[0], "searchAfter": [number, "x"], "email": "ann@example.com"}
        body = {"contacts": [row], "total": number + 2}
        clinic.world.faults.add(path="contacts/search$", status=200, body=body)
    assert set(clinic.provider.contacts(keys)) == set(keys)
    assert len(clinic.sent("POST", "/contacts/search")) < 5


def test_users_without_an_end_are_not_asked_for_for_ever(clinic: Clinic) -> None:
    users = [{"id": f"u{number}", "email": "", "name": "Ann"} for number in range(100)]
    clinic.world.faults.add(path="users/$", status=404, times=None)
    clinic.world.faults.add(path="users/search$", status=200, body={"users": users}, times=None)
    assert clinic.provider.prepare().people == ()
    assert len(clinic.sent("GET", "/users/search")) < 10


def test_a_few_contacts_of_a_large_book_are_not_read_by_the_page(clinic: Clinic) -> None:
    keys = add(clinic, 30)
    found = sure(clinic.provider.contacts(keys[:20]))
    assert len(found) == 20
    assert clinic.sent("POST", "/contacts/search") == []


def test_what_the_lagging_search_does_not_show_yet_is_read_by_id(open_clinic: Open) -> None:
    """The index is some ten seconds behind; a get is not."""
    clinic = open_clinic(contact_search_lag=timedelta(seconds=10))
    keys = add(clinic, 25)
    assert set(clinic.provider.contacts(keys)) == set(keys)


def test_without_search_contacts_are_read_one_by_one(clinic: Clinic) -> None:
    keys = add(clinic, 25)
    clinic.world.faults.add(side="ghl", path="/contacts/search$", status=422, times=None)
    assert set(clinic.provider.contacts(keys)) == set(keys)


def test_a_contact_is_found_by_email_whatever_its_case(clinic: Clinic) -> None:
    found = sure(clinic.provider.find_contacts(["ANN@example.com"], []))
    assert [each.id for each in found["ANN@example.com"]] == [clinic.contact]


def test_a_contact_is_found_by_a_number_whose_plus_is_encoded(clinic: Clinic) -> None:
    found = sure(clinic.provider.find_contacts([], ["+15550100101"]))
    assert [each.id for each in found["+15550100101"]] == [clinic.contact]


def test_who_is_not_there_is_an_empty_answer(clinic: Clinic) -> None:
    assert clinic.provider.find_contacts(["nobody@example.com"], ["+15550100999"]) == {
        "nobody@example.com": (),
        "+15550100999": (),
    }


def test_a_look_up_that_answers_with_somebody_else_finds_nobody(clinic: Clinic) -> None:
    """`matchingField` cannot be trusted, so the contact itself is looked at."""
    clinic.world.faults.add(
        side="ghl",
        path="/contacts/search/duplicate",
        status=200,
        body={"contact": {"id": clinic.contact, "email": "ann@example.com"}},
    )
    assert clinic.provider.find_contacts([], ["+15550100555"]) == {"+15550100555": ()}


def test_a_look_up_that_shows_little_is_checked_by_id(clinic: Clinic) -> None:
    clinic.world.faults.add(
        side="ghl",
        path="/contacts/search/duplicate",
        status=200,
        body={"contact": {"id": clinic.contact}, "matchingField": "contactId"},
    )
    found = sure(clinic.provider.find_contacts(["ann@example.com"], []))
    assert [each.id for each in found["ann@example.com"]] == [clinic.contact]


def test_a_failed_look_up_is_never_nobody(clinic: Clinic) -> None:
    """It would end in a second contact for the same person."""
    clinic.provider.prepare()
    answers: tuple[object, ...] = (
        {"traceId": "x"},
        [],
        {"contact": [1]},
        {"contact": {"email": "ann@example.com"}},
    )
    for body in answers:
        clinic.world.faults.add(
            side="ghl", path="/contacts/search/duplicate", status=200, body=body
        )
        found = clinic.provider.find_contacts(["ann@example.com"], [])
        assert isinstance(found["ann@example.com"], Unreadable)
    clinic.world.faults.add(side="ghl", path="/contacts/search/duplicate", status=500, times=None)
    found = clinic.provider.find_contacts(["a@example.com", "b@example.com"], [])
    assert all(isinstance(each, Unavailable) for each in found.values())
    clinic.world.faults.add(side="ghl", status=500, times=None)
    with pytest.raises(Unavailable):
        clinic.provider.find_contacts(["c@example.com"], [])


def test_many_look_ups_begin_with_pages_of_everybody(clinic: Clinic) -> None:
    add(clinic, 60)
    emails = [f"p{n}@example.com" for n in range(70)]
    found = sure(clinic.provider.find_contacts(emails, []))
    assert [len(found[email]) for email in emails] == [1] * 60 + [0] * 10
    assert len(clinic.sent("GET", "/contacts/search/duplicate")) == 10


def test_a_contact_is_made_with_name_email_and_phone_only(clinic: Clinic) -> None:
    made = make_contact(clinic.provider, BEN)
    (sent,) = clinic.sent("POST", "/contacts")
    assert sent.body == {
        "locationId": clinic.world.location.id,
        "firstName": "Ben",
        "lastName": "Ode",
        "email": "ben@example.com",
        "phone": "+15550100102",
    }
    assert sent.path.endswith("/contacts/")
    assert (made.emails, made.phones, made.name) == (BEN.emails, BEN.phones, "Ben Ode")
    assert clinic.world.location.contacts[made.id].tags == []


def test_a_contact_made_by_us_is_found_at_once_and_not_made_twice(clinic: Clinic) -> None:
    made = make_contact(clinic.provider, BEN)
    found = sure(clinic.provider.find_contacts(BEN.emails, BEN.phones))
    assert [each.id for each in found["ben@example.com"]] == [made.id]
    assert make_contact(clinic.provider, BEN).id == made.id
    assert len(list(clinic.world.location.contacts)) == 2


def test_an_existing_contact_is_given_back_untouched(clinic: Clinic) -> None:
    """An upsert would replace its tags, lose addresses, or pick the wrong person."""
    known = before(clinic)
    found = make_contact(
        clinic.provider, Contact(first_name="Other", last_name="Name", emails=("ann@example.com",))
    )
    assert found.id == clinic.contact
    assert found.first_name == "Ann"
    assert before(clinic) == known
    assert clinic.sent("POST", "upsert") == []


@pytest.mark.parametrize("kind", ["status_after", "timeout_after"])
def test_a_create_that_seemed_to_fail_is_looked_up_again(clinic: Clinic, kind: str) -> None:
    """A 422 was seen to have made the contact all the same."""
    clinic.world.faults.add(side="ghl", method="POST", path="/contacts/$", kind=kind, status=422)
    made = make_contact(clinic.provider, BEN)
    assert made.emails == BEN.emails
    assert len(list(clinic.world.location.contacts)) == 2


def test_a_create_that_never_arrived_stays_in_doubt(clinic: Clinic) -> None:
    clinic.world.faults.add(side="ghl", method="POST", kind="timeout_before")
    with pytest.raises(TimedOut):
        make_contact(clinic.provider, BEN)
    assert len(clinic.sent("POST", "/contacts")) == 1


def test_a_refused_contact_is_rejected_in_the_vendors_text(clinic: Clinic) -> None:
    clinic.world.faults.add(
        side="ghl", method="POST", status=422, body={"message": ["email must be an email"]}
    )
    with pytest.raises(Rejected, match="email must be an email"):
        make_contact(clinic.provider, BEN)


def test_a_missing_contact_scope_is_named(open_clinic: Open) -> None:
    scopes = open_clinic().world.settings.ghl_scopes - {"contacts.readonly"}
    clinic = open_clinic(ghl_scopes=scopes)
    clinic.provider.prepare()
    with pytest.raises(AuthFailed, match=r"contacts\.readonly"):
        clinic.provider.contacts([clinic.contact])


def test_a_page_of_contacts_is_read_once_however_many_turns_ask(clinic: Clinic) -> None:
    location_context = clinic.world.location
    ids = [location_context.add_contact(f"Pat {n}", f"p{n}@example.com") for n in range(1_200)]
    clinic.provider.prepare()
    clinic.world.reset_requests()
    for first in range(0, 1_200, 100):
        turn = ids[first : first + 100]
        assert set(clinic.provider.contacts(turn)) == set(turn)
    assert len(clinic.sent("POST", "/contacts/search")) == 3
    assert len(clinic.world.requests_of("ghl")) == 3
