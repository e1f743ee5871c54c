"""Which contact across is the same person (promise 3)."""

import pytest

from syncd.core.contacts import Known, ToMake, Unresolved, match, names_disagree
from syncd.core.model import Contact

MAIL, PHONE = "ann@example.com", "+15550100"
ANN = Contact(id="a", first_name="Ann", last_name="Lee", emails=(MAIL,), phones=(PHONE,))


def person(contact_id: str, first: str = "", last: str = "") -> Contact:
    return Contact(id=contact_id, first_name=first, last_name=last)


def test_an_e_mail_finds_the_person_whatever_the_name() -> None:
    found = {MAIL: [person("1", "Bob", "Ray")], PHONE: [person("2", "Ann", "Lee")]}
    assert match(ANN, found, may_make=True) == Known(id="1")


def test_two_addresses_of_one_contact_are_one_contact() -> None:
    ann = Contact(id="a", emails=(MAIL, "lee@example.com"))
    found = {MAIL: [person("1")], "lee@example.com": [person("1")]}
    assert match(ann, found, may_make=False) == Known(id="1")


def test_addresses_of_several_contacts_are_ambiguous() -> None:
    ann = Contact(id="a", emails=(MAIL, "lee@example.com"))
    found = {MAIL: [person("1")], "lee@example.com": [person("2")]}
    resolution = match(ann, found, may_make=True)
    assert isinstance(resolution, Unresolved)
    assert resolution.reason == "ambiguous_contact"


@pytest.mark.parametrize(
    ("first", "last"),
    [("Ann", "Lee"), ("ann ", "LEE"), ("", ""), ("Ann", ""), ("", "Lee"), ("Ann Lee", "")],
)
def test_a_phone_finds_the_person_where_the_names_do_not_disagree(first: str, last: str) -> None:
    found = {PHONE: [person("1", first, last)]}
    assert match(ANN, found, may_make=True) == Known(id="1")


@pytest.mark.parametrize(("first", "last"), [("Bob", "Lee"), ("Ann", "Ray"), ("Bob", "")])
def test_a_family_phone_is_no_match(first: str, last: str) -> None:
    resolution = match(ANN, {PHONE: [person("1", first, last)]}, may_make=True)
    assert isinstance(resolution, Unresolved)
    assert resolution.reason == "ambiguous_contact"


def test_of_a_family_the_one_of_that_name_is_found() -> None:
    found = {PHONE: [person("1", "Bob", "Lee"), person("2", "Ann", "Lee")]}
    assert match(ANN, found, may_make=True) == Known(id="2")


def test_two_of_the_same_name_are_ambiguous() -> None:
    found = {PHONE: [person("1", "Ann", "Lee"), person("2", "Ann", "Lee")]}
    resolution = match(ANN, found, may_make=True)
    assert isinstance(resolution, Unresolved)
    assert resolution.reason == "ambiguous_contact"


def test_one_candidate_by_two_phones_is_one() -> None:
    ann = Contact(id="a", first_name="Ann", phones=(PHONE, "+15550101"))
    found = {PHONE: [person("1", "Ann")], "+15550101": [person("1", "Ann")]}
    assert match(ann, found, may_make=False) == Known(id="1")


def test_a_missing_contact_is_made_without_the_id_of_the_other_side() -> None:
    resolution = match(ANN, {MAIL: [], PHONE: []}, may_make=True)
    assert isinstance(resolution, ToMake)
    assert resolution.contact == Contact(
        first_name="Ann", last_name="Lee", emails=(MAIL,), phones=(PHONE,)
    )


def test_a_missing_contact_that_may_not_be_made_is_no_contact() -> None:
    resolution = match(ANN, {MAIL: []}, may_make=False)
    assert isinstance(resolution, Unresolved)
    assert resolution.reason == "no_contact"


def test_one_without_e_mail_and_phone_is_never_made() -> None:
    resolution = match(person("a", "Ann", "Lee"), {}, may_make=True)
    assert isinstance(resolution, Unresolved)
    assert resolution.reason == "no_contact"


@pytest.mark.parametrize(
    ("one", "other", "disagree"),
    [
        (("Ann", "Lee"), ("Ann", "Lee"), False),
        (("Ann", "Lee"), ("ANN", " lee"), False),
        (("Ann  Marie", "Lee"), ("Ann Marie", "Lee"), False),
        (("Ann Lee", ""), ("Ann", "Lee"), False),
        (("", "Ann Lee"), ("Ann", "Lee"), False),
        ((" ", "Lee"), ("Ann", "Lee"), False),
        (("Ann", "Lee"), ("Anna", "Lee"), True),
        (("Ann", ""), ("Bob", "Lee"), True),
    ],
)
def test_names_disagree_where_both_are_filled_in_and_differ(
    one: tuple[str, str], other: tuple[str, str], disagree: bool
) -> None:
    assert names_disagree(person("1", *one), person("2", *other)) is disagree
    assert names_disagree(person("2", *other), person("1", *one)) is disagree
