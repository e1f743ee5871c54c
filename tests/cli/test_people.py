"""An e-mail address where an id is taken, and `why` of what the store does not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]

ADA = "ada@example.com"


@pytest.fixture
def ada(syncd: Syncd, clinic: VendorAccounts) -> VendorAccounts:
    """A contact with one synced appointment, and somebody else's."""
    contact = clinic.ghl.add_contact("Ada Lovelace", ADA)
    clinic.ghl.book(clinic.calendar, contact, clinic.morning, title="Of Ada")
    clinic.book("Of another", hours=3)
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0
    return clinic


def of_ada(clinic: VendorAccounts, title: str) -> str:
    return next(each.id for each in clinic.ghl.appointments if each.title == title)


def test_the_only_record_of_a_contact_is_found_by_the_address(
    syncd: Syncd, ada: VendorAccounts
) -> None:
    told = json.loads(syncd("why", ADA.upper(), "--json").out)
    assert told["ghl_id"] == of_ada(ada, "Of Ada")
    ada.ghl.edit(of_ada(ada, "Of Ada"), title="Wrong")
    assert syncd("--sync-now").code == 0
    assert syncd("undo", ADA, "--yes", "--wait").code == 0
    assert ada.ghl.get(told["ghl_id"]).title == "Of Ada"
    assert "nothing is held" in syncd("retry", told["ghl_id"]).err
    assert "no such record" in syncd("retry", ADA).err


def test_several_records_are_listed_and_the_history_shows_all(
    syncd: Syncd, ada: VendorAccounts
) -> None:
    contact = ada.ghl.get(of_ada(ada, "Of Ada")).contact
    ada.ghl.book(ada.calendar, contact, ada.morning + timedelta(hours=6), title="Second")
    assert syncd("--sync-now").code == 0
    listed = syncd("why", ADA)
    assert listed.code == 2
    assert "Of Ada" in listed.err
    assert "Second" in listed.err
    entries = json.loads(syncd("history", ADA, "--json").out)["links"]["clinic"]
    assert {each["title"] for each in entries} == {"Of Ada", "Second", None}
    assert {each["record"] for each in entries} == {"appointment", "contact"}
    assert syncd("why", "nobody@example.com").code == 2
    assert syncd("history", "nobody@example.com").code == 2


@pytest.mark.usefixtures("ada")
def test_a_contact_is_forgotten_by_the_address(syncd: Syncd) -> None:
    asked = syncd("forget", ADA)
    assert (asked.code, "to forget: 1 pair" in asked.out) == (2, True)
    shown = json.loads(syncd("forget", ADA, "--dry-run", "--json").out)
    assert shown["links"]["clinic"]["pairs"] == 1
    gone = syncd("forget", ADA, "--yes")
    assert (gone.code, "forgotten: 1 pair" in gone.out) == (0, True)
    told = syncd("history").out
    assert "Of Ada" not in told
    assert "Of another" in told


def test_why_asks_for_what_the_store_does_not_know_and_names_the_rule(
    syncd: Syncd, ada: VendorAccounts
) -> None:
    late = ada.book("Next year", hours=24 * 400)
    fresh = ada.book("Fresh", hours=9)
    elsewhere = ada.hubspot.create(
        {"hs_appointment_start": ada.morning, "ghl_location_id": "another"}, []
    )
    for record, rule in ((late, "window"), (fresh, None), (elsewhere, "location")):
        told = syncd("why", record, "--json")
        assert (told.code, json.loads(told.out)["left_out"]) == (0, rule), record
    assert "the next full cycle takes it up" in syncd("why", fresh).out
    assert syncd("why", "88100099999").code == 2


def test_why_without_credentials_says_which_are_missing(
    syncd: Syncd, ada: VendorAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GHL_TOKEN")
    assert syncd("why", of_ada(ada, "Of Ada")).code == 0
    unknown = syncd("why", "neverHeardOf")
    assert (unknown.code, "GHL_TOKEN" in unknown.err) == (2, True)
