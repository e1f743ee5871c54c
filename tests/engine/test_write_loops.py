"""Something that changes our writes back is told apart from a person who changes their mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def pair(harness: SyncHarness) -> tuple[str, str]:
    """One appointment that both sides have, as (HighLevel id, HubSpot id)."""
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    event = harness.ghl.book(harness.calendars["Event"], contact, harness.at(48), title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    return str(event), str(record.id)


@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_a_person_may_go_back_and_forth_as_often_as_they_like(
    harness: SyncHarness, pair: tuple[str, str], side: str
) -> None:
    event, record = pair
    for times in range(12):
        title = f"Word {times % 2}"
        if side == "ghl":
            harness.ghl.edit(event, title=title)
        else:
            harness.hubspot.edit(record, hs_appointment_name=title)
        assert harness.sync().held == []
        assert harness.ghl.get(event).title == title
        assert harness.hubspot.get(record).properties["hs_appointment_name"] == title


def test_two_automations_that_never_agree_are_held(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    event, record = pair
    held: list[str] = []
    writes = 0
    for _ in range(6):
        harness.hubspot.edit(record, hs_appointment_name="Theirs")
        writes += harness.sync().ghl.updated
        harness.ghl.edit(event, title="Ours")
        done = harness.sync()
        writes += done.hubspot.updated
        held = [hold.reason for hold in done.held]
    assert (held, writes) == (["oscillation"], 3)


def test_a_status_that_is_emptied_each_time_is_held(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    _, record = pair
    property_ = "hs_appointment_status"
    held: list[str] = []
    writes = 0
    for _ in range(6):
        harness.hubspot.edit(record, **{property_: ""})
        done = harness.sync()
        writes += done.hubspot.updated
        held = [hold.reason for hold in done.held]
    assert (held, writes) == (["oscillation"], 3)


def fight(harness: SyncHarness, pair: tuple[str, str], *, minutes: float = 1) -> Any:
    """Two automations change the title back and forth, six times each; gives the last report."""
    event, record = pair
    for _ in range(6):
        harness.later(minutes=minutes)
        harness.hubspot.edit(record, hs_appointment_name="Theirs")
        harness.sync()
        harness.later(minutes=minutes)
        harness.ghl.edit(event, title="Ours")
        done = harness.sync()
    return done


def test_a_held_fight_shows_both_values_and_the_rest_of_the_record_goes_on(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    event, record = pair
    (hold,) = fight(harness, pair).held
    assert (hold.reason, hold.group) == ("oscillation", "title")
    assert dict(hold.values) == {"ghl": "Ours", "hubspot": "Theirs"}
    harness.ghl.edit(event, address="Room 1", status="showed")
    harness.hubspot.edit(record, ghl_description="Bring it")
    done = harness.sync()
    assert [each.reason for each in done.held] == ["oscillation"]
    shown = harness.hubspot.get(record).properties
    assert (shown["ghl_address"], shown["hs_appointment_status"]) == ("Room 1", "COMPLETED")
    assert harness.ghl.get(event).description == "Bring it"
    assert (harness.ghl.get(event).title, shown["hs_appointment_name"]) == ("Ours", "Theirs")


def test_what_goes_back_and_forth_less_than_three_times_an_hour_is_no_fight(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    assert fight(harness, pair, minutes=29).held == []


def test_a_new_value_by_a_person_ends_a_fight(harness: SyncHarness, pair: tuple[str, str]) -> None:
    event, record = pair
    fight(harness, pair)
    harness.ghl.edit(event, title="Settled")
    assert harness.sync().held == []
    assert harness.hubspot.get(record).properties["hs_appointment_name"] == "Settled"
    assert harness.sync().written == []


def test_a_fight_that_has_ended_is_let_go_within_the_hour(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    fight(harness, pair)
    harness.later(minutes=61)
    done = harness.sync()
    assert (done.held, done.hubspot.updated) == ([], 1)
    event, record = pair
    title = harness.hubspot.get(record).properties["hs_appointment_name"]
    assert harness.ghl.get(event).title == title
    assert harness.sync().written == []


@pytest.mark.parametrize("everything", [True, False])
def test_a_person_may_have_it_tried_once_more(
    harness: SyncHarness, pair: tuple[str, str], *, everything: bool
) -> None:
    event, record = pair
    fight(harness, pair)
    assert [each.reason for each in harness.sync().held] == ["oscillation"]
    payload = {} if everything else {"id": record}
    harness.store.link(harness.name).decide("retry", payload, harness.clock.now())
    assert harness.sync().held == []
    title = harness.ghl.get(event).title
    assert harness.hubspot.get(record).properties["hs_appointment_name"] == title
    harness.hubspot.edit(record, hs_appointment_name="Theirs" if title == "Ours" else "Ours")
    assert [each.reason for each in harness.sync().held] == ["oscillation"]
