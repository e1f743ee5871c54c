"""Contacts: by id, e-mail and phone, and made only where nobody has the address."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from contact_helper import make_contact

from syncd.core.model import Contact
from syncd.errors import Rejected, TimedOut
from syncd.sandbox.faults import Fault

Account = Callable[..., Any]
ADA = Contact(
    first_name="Ada",
    last_name="Winter",
    emails=("ada@example.com",),
    phones=("+15550100101",),
)


def _ids(found: tuple[Contact, ...]) -> list[str]:
    return [each.id for each in found]


def test_a_contact_is_read_with_every_address_and_normal_phones(account: Account) -> None:
    desk = account(default_country="CH")
    ada = desk.portal.add_contact(
        "Ada Winter",
        "ada@example.com",
        "044 668 18 00",
        hs_additional_emails="winter@example.com;a.w@example.com",
        mobilephone="call me",
    )
    found = desk.provider.contacts([ada, "999"])
    assert found == {
        ada: Contact(
            id=ada,
            first_name="Ada",
            last_name="Winter",
            emails=("ada@example.com", "winter@example.com", "a.w@example.com"),
            phones=("+41446681800",),
        )
    }


def test_a_merged_contact_answers_with_its_new_id(desk: Any) -> None:
    one = desk.portal.add_contact("Ada Winter", "ada@example.com")
    two = desk.portal.add_contact("Ada W", "a.w@example.com")
    survivor = desk.portal.merge_contacts(one, two)
    found = desk.provider.contacts([one, two])
    assert {key: each.id for key, each in found.items()} == {one: survivor, two: survivor}


def test_letter_case_of_an_address_does_not_count(desk: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    found = desk.provider.find_contacts(["Ada@Example.com", "ben@example.com"], [])
    assert _ids(found["Ada@Example.com"]) == [ada]
    assert found["ben@example.com"] == ()


def test_an_additional_address_of_a_contact_is_found(desk: Any) -> None:
    ada = desk.portal.add_contact(
        "Ada Winter", "ada@example.com", hs_additional_emails="Winter@Example.com"
    )
    desk.portal.add_contact("Not Ada", "no.winter@example.com")
    found = desk.provider.find_contacts(["winteR@example.com"], [])
    assert _ids(found["winteR@example.com"]) == [ada]


@pytest.mark.parametrize(
    "written", ["+41 44 668 18 00", "0041446681800", "+41446681800", "(044) 668-1800"]
)
def test_a_phone_number_is_found_however_it_was_typed(account: Account, written: str) -> None:
    desk = account(default_country="CH")
    ada = desk.portal.add_contact("Ada Winter", phone=written)
    mobile = desk.portal.add_contact("Ben Torres", mobilephone="079 123 45 67")
    found = desk.provider.find_contacts([], ["+41446681800", "+41791234567", "+41791234560"])
    assert [_ids(each) for each in found.values()] == [[ada], [mobile], []]


def test_the_country_may_only_be_known_once_the_other_side_was_read(account: Account) -> None:
    known: list[str] = []
    desk = account(default_country=lambda: known[-1])
    ada = desk.portal.add_contact("Ada Winter", phone="044 668 18 00")
    known.append("CH")
    assert _ids(desk.provider.find_contacts([], ["+41446681800"])["+41446681800"]) == [ada]


def test_a_phone_is_found_without_the_properties_made_for_searching(desk: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", phone="+41446681800")
    for name in ("phone", "mobile"):
        del desk.portal.people.definitions[f"hs_searchable_calculated_{name}_number"]
    phones = [f"+4144668{number}" for number in range(1790, 1810)]
    found = desk.provider.find_contacts([], phones)
    assert _ids(found["+41446681800"]) == [ada]
    assert [row.status for row in desk.asked("/search")] == [400, 200, 200]


def test_equal_digits_of_another_country_are_no_match(desk: Any) -> None:
    desk.portal.add_contact("Ada Winter", phone="+49 44 668 18 00")
    assert desk.provider.find_contacts([], ["+41446681800"])["+41446681800"] == ()


def test_a_shared_phone_shows_everybody_who_has_it(desk: Any) -> None:
    family = {desk.portal.add_contact(name, phone="+1 555 010 0101") for name in ("Ada W", "Ben W")}
    assert set(_ids(desk.provider.find_contacts([], ["+15550100101"])["+15550100101"])) == family


def test_look_ups_are_batched_and_no_contact_is_asked_for_twice_in_a_cycle(desk: Any) -> None:
    emails = [f"p{number}@example.com" for number in range(250)]
    for email in emails:
        desk.portal.add_contact("A Person", email)
    desk.provider.find_contacts(emails, [])
    assert [len(row.body["inputs"]) for row in desk.asked("/batch/read")] == [100, 100, 50]
    assert desk.asked("/search") == []
    before = len(desk.asked())
    desk.provider.find_contacts(emails, [])
    assert len(desk.asked()) == before


def test_phones_are_searched_fifteen_at_a_time_within_the_limits(desk: Any) -> None:
    phones = [f"+4144668{number:04}" for number in range(60)]
    desk.provider.find_contacts([], phones)
    searches = desk.asked("/search")
    assert len(searches) == 4
    assert {row.status for row in searches} == {200}


def _many(count: int) -> list[str]:
    return [f"p{number}@example.com" for number in range(count)]


def test_addresses_that_nobody_has_cost_one_search_however_many(desk: Any) -> None:
    desk.provider.find_contacts(_many(250), [])
    assert len(desk.asked("/search")) == 1
    desk.provider.find_contacts([f"q{each}" for each in _many(60)], [])
    assert len(desk.asked("/search")) == 1, "what is known of everybody is known for the cycle"


def test_everybody_with_an_additional_address_is_read_in_pages(desk: Any) -> None:
    for number in range(450):
        desk.portal.add_contact(
            "A Person", f"a{number}@example.com", hs_additional_emails=f"p{number}@example.com"
        )
    found = desk.provider.find_contacts(_many(500), [])
    assert sum(len(each) == 1 for each in found.values()) == 450
    assert len(desk.asked("/search")) == 3


def test_few_addresses_are_searched_for_five_at_a_time_where_many_have_additional_ones(
    desk: Any,
) -> None:
    for number in range(450):
        desk.portal.add_contact(
            "A Person", f"a{number}@example.com", hs_additional_emails=f"p{number}@example.com"
        )
    found = desk.provider.find_contacts(_many(9), [])
    assert all(len(each) == 1 for each in found.values())
    assert len(desk.asked("/search")) == 1 + 2
    desk.world.reset_requests()
    desk.provider.find_contacts([f"q{each}" for each in _many(4)], [])
    assert [len(row.body["filterGroups"]) for row in desk.asked("/search")] == [4]


def test_an_account_that_cannot_be_searched_by_additional_addresses_is_searched_once(
    desk: Any,
) -> None:
    desk.world.faults.add(Fault(path="contacts/search$", times=None, status=400))
    found = desk.provider.find_contacts(_many(250), [])
    assert not any(found.values())
    assert len(desk.asked("/search")) == 1


def test_the_next_cycle_looks_again_because_people_edit_contacts(desk: Any) -> None:
    assert desk.provider.find_contacts(["ada@example.com"], [])["ada@example.com"] == ()
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    desk.provider.prepare()
    found = desk.provider.find_contacts(["ada@example.com"], [])
    assert _ids(found["ada@example.com"]) == [ada]


# --- making one


def test_a_new_contact_gets_name_address_and_phone_only(desk: Any) -> None:
    made = make_contact(desk.provider, ADA)
    assert (made.name, made.emails, made.phones) == ("Ada Winter", ADA.emails, ADA.phones)
    (request,) = desk.world.writes("hubspot")
    assert request.body == {
        "properties": {
            "firstname": "Ada",
            "lastname": "Winter",
            "email": "ada@example.com",
            "phone": "+15550100101",
        },
        "associations": [],
    }


def test_a_contact_of_our_own_is_found_before_the_index_shows_it(account: Account) -> None:
    desk = account(settings={"search_lag": timedelta(hours=1)})
    made = make_contact(desk.provider, ADA)
    desk.provider.prepare()
    found = desk.provider.find_contacts(["ADA@example.com"], ["+15550100101"])
    assert [_ids(each) for each in found.values()] == [[made.id], [made.id]]


@pytest.mark.parametrize("field", ["email", "hs_additional_emails"])
def test_an_address_that_is_taken_leads_to_its_contact_which_stays_as_it_was(
    desk: Any, field: str
) -> None:
    held = {"email": "first@example.com", field: "ada@example.com", "phone": "1"}
    there = desk.portal.add_contact("Someone Else", **held)
    before = desk.portal.get_contact(there).properties
    assert make_contact(desk.provider, ADA).id == there
    assert desk.portal.get_contact(there).properties == before


def test_a_contact_whose_answer_was_lost_is_not_made_twice(desk: Any) -> None:
    desk.world.faults.add(Fault(kind="timeout_after", method="POST", path="/contacts$"))
    make_contact(desk.provider, ADA)
    assert len(desk.portal.contact_records()) == 1


def test_without_an_address_a_lost_answer_is_not_followed_by_a_second_try(desk: Any) -> None:
    desk.world.faults.add(Fault(kind="timeout_after", method="POST", path="/contacts$"))
    nameless = Contact(first_name="Ada", phones=("+15550100101",))
    with pytest.raises(TimedOut) as error:
        make_contact(desk.provider, nameless)
    assert error.value.sent
    assert len(desk.portal.contact_records()) == 1


def test_what_the_vendor_does_not_take_is_refused_without_the_address_in_the_words(
    desk: Any,
) -> None:
    said = {"category": "VALIDATION_ERROR", "message": "Email ada@example.com is invalid"}
    desk.world.faults.add(Fault(path="/contacts$", status=400, body=said))
    with pytest.raises(Rejected, match="is invalid") as error:
        make_contact(desk.provider, ADA)
    assert "ada@example.com" not in str(error.value)
