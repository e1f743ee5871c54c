"""Something that changes our writes back is told apart from a person who changes their mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from towns import Town


@pytest.fixture
def pair(town: Town) -> tuple[str, str]:
    """One appointment that both sides have, as (HighLevel id, HubSpot id)."""
    contact = town.ghl.add_contact("Ann Lee", "ann@example.com")
    town.hubspot.add_contact("Ann Lee", "ann@example.com")
    event = town.ghl.book(town.calendars["Event"], contact, town.at(48), title="Check-up")
    town.sync()
    (record,) = town.hubspot.records()
    return str(event), str(record.id)


@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_a_person_may_go_back_and_forth_as_often_as_they_like(
    town: Town, pair: tuple[str, str], side: str
) -> None:
    event, record = pair
    for times in range(12):
        title = f"Word {times % 2}"
        if side == "ghl":
            town.ghl.edit(event, title=title)
        else:
            town.hubspot.edit(record, hs_appointment_name=title)
        assert town.sync().held == []
        assert town.ghl.get(event).title == title
        assert town.hubspot.get(record).properties["hs_appointment_name"] == title


def test_two_automations_that_never_agree_are_held(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    held: list[str] = []
    writes = 0
    for _ in range(6):
        town.hubspot.edit(record, hs_appointment_name="Theirs")
        writes += town.sync().ghl.updated
        town.ghl.edit(event, title="Ours")
        done = town.sync()
        writes += done.hubspot.updated
        held = [hold.reason for hold in done.held]
    assert (held, writes) == (["oscillation"], 3)


def test_a_status_that_is_emptied_each_time_is_held(town: Town, pair: tuple[str, str]) -> None:
    _, record = pair
    property_ = "hs_appointment_status"
    held: list[str] = []
    writes = 0
    for _ in range(6):
        town.hubspot.edit(record, **{property_: ""})
        done = town.sync()
        writes += done.hubspot.updated
        held = [hold.reason for hold in done.held]
    assert (held, writes) == (["oscillation"], 3)


def fight(town: Town, pair: tuple[str, str], *, minutes: float = 1) -> Any:
    """Two automations change the title back and forth, six times each; gives the last report."""
    event, record = pair
    for _ in range(6):
        town.later(minutes=minutes)
        town.hubspot.edit(record, hs_appointment_name="Theirs")
        town.sync()
        town.later(minutes=minutes)
        town.ghl.edit(event, title="Ours")
        done = town.sync()
    return done


def test_a_held_fight_shows_both_values_and_the_rest_of_the_record_goes_on(
    town: Town, pair: tuple[str, str]
) -> None:
    event, record = pair
    (hold,) = fight(town, pair).held
    assert (hold.reason, hold.group) == ("oscillation", "title")
    assert dict(hold.values) == {"ghl": "Ours", "hubspot": "Theirs"}
    town.ghl.edit(event, address="Room 1", status="showed")
    town.hubspot.edit(record, ghl_description="Bring it")
    done = town.sync()
    assert [each.reason for each in done.held] == ["oscillation"]
    shown = town.hubspot.get(record).properties
    assert (shown["ghl_address"], shown["hs_appointment_status"]) == ("Room 1", "COMPLETED")
    assert town.ghl.get(event).description == "Bring it"
    assert (town.ghl.get(event).title, shown["hs_appointment_name"]) == ("Ours", "Theirs")


def test_what_goes_back_and_forth_less_than_three_times_an_hour_is_no_fight(
    town: Town, pair: tuple[str, str]
) -> None:
    assert fight(town, pair, minutes=29).held == []


def test_a_new_value_by_a_person_ends_a_fight(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    fight(town, pair)
    town.ghl.edit(event, title="Settled")
    assert town.sync().held == []
    assert town.hubspot.get(record).properties["hs_appointment_name"] == "Settled"
    assert town.sync().written == []


def test_a_fight_that_has_ended_is_let_go_within_the_hour(
    town: Town, pair: tuple[str, str]
) -> None:
    fight(town, pair)
    town.later(minutes=61)
    done = town.sync()
    assert (done.held, done.hubspot.updated) == ([], 1)
    event, record = pair
    title = town.hubspot.get(record).properties["hs_appointment_name"]
    assert town.ghl.get(event).title == title
    assert town.sync().written == []


@pytest.mark.parametrize("everything", [True, False])
def test_a_person_may_have_it_tried_once_more(
    town: Town, pair: tuple[str, str], *, everything: bool
) -> None:
    event, record = pair
    fight(town, pair)
    assert [each.reason for each in town.sync().held] == ["oscillation"]
    payload = {} if everything else {"id": record}
    town.store.link(town.name).decide("retry", payload, town.clock.now())
    assert town.sync().held == []
    title = town.ghl.get(event).title
    assert town.hubspot.get(record).properties["hs_appointment_name"] == title
    town.hubspot.edit(record, hs_appointment_name="Theirs" if title == "Ours" else "Ours")
    assert [each.reason for each in town.sync().held] == ["oscillation"]
