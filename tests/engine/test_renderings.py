"""What a vendor makes of our own writes is no edit: the original stays where it came from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from meddling import Between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towns import Town

TITLE = "Check-up <b>of the knee</b> & the \u201cother\u201d one,  see   the scan \U0001f9b5"
TEXT = "First line\n  - second <i>line</i>\n\nThird & last line \U0001f600 " + "which is long " * 8
HABITS = ("cut", "escaped", "wrapped", "stripped", "one_line", "plain")


@pytest.fixture
def ann(town: Town) -> tuple[str, str]:
    return (
        town.ghl.add_contact("Ann Lee", "ann@example.com"),
        town.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


def habits(town: Town, **said: Any) -> None:
    town.world.settings = replace(town.world.settings, **said)


def in_ghl(town: Town) -> dict[str, str]:
    (event,) = town.ghl.events()
    return {
        "title": event.title,
        "description": event.description or "",
        "address": event.address or "",
    }


def in_hubspot(town: Town) -> dict[str, str]:
    (record,) = town.hubspot.records()
    names = {
        "title": "hs_appointment_name",
        "description": "ghl_description",
        "address": "ghl_address",
    }
    return {name: record.properties.get(held) or "" for name, held in names.items()}


def quiet(town: Town, *, full: bool = True) -> None:
    for _ in range(2):
        town.later(minutes=1)
        town.world.reset_requests()
        assert town.sync(full=full).written == []
        assert (town.world.writes("ghl"), town.world.writes("hubspot")) == ([], [])


def born(town: Town, contact: str, **more: Any) -> str:
    said: Mapping[str, Any] = {
        "hs_appointment_name": TITLE,
        "ghl_description": TEXT,
        "ghl_address": "12 Long Lane & Co, <3rd floor>",
        "hs_appointment_start": town.at(48),
        "hs_appointment_end": town.at(48.5),
    }
    return str(town.hubspot.create({**said, **more}, contacts=[contact]))


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("habit", HABITS)
def test_what_highlevel_makes_of_a_booking_is_no_edit(
    town: Town, ann: tuple[str, str], habit: str, repeats: bool, full: bool
) -> None:
    habits(town, ghl_texts=habit, ghl_repeats=repeats)
    born(town, ann[1])
    before = in_hubspot(town)
    town.sync()
    quiet(town, full=full)
    assert in_hubspot(town) == before
    assert in_ghl(town) != before


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("habit", HABITS)
def test_what_highlevel_makes_of_an_update_is_no_edit(
    town: Town, ann: tuple[str, str], habit: str, repeats: bool
) -> None:
    record = born(town, ann[1], hs_appointment_name="Intro", ghl_description="", ghl_address="")
    town.sync()
    quiet(town)
    habits(town, ghl_texts=habit, ghl_repeats=repeats)
    town.hubspot.edit(record, hs_appointment_name=TITLE, ghl_description=TEXT)
    before = in_hubspot(town)
    town.sync()
    quiet(town)
    assert in_hubspot(town) == before
    assert in_ghl(town) != before
    # A person's edit wins all the same, on either side.
    (event,) = town.ghl.events()
    town.ghl.edit(event.id, title="Another one")
    town.sync()
    assert in_hubspot(town)["title"] == "Another one"
    town.hubspot.edit(record, ghl_description="Bring the scan")
    town.sync()
    assert "Bring the scan" in in_ghl(town)["description"]
    quiet(town)


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("habit", HABITS)
def test_what_hubspot_makes_of_a_record_is_no_edit(
    town: Town, ann: tuple[str, str], habit: str, repeats: bool
) -> None:
    habits(town, hubspot_texts=habit, hubspot_repeats=repeats)
    event = town.ghl.book(
        town.calendars["Team"], ann[0], town.at(48), title=TITLE, description=TEXT
    )
    before = in_ghl(town)
    town.sync()
    quiet(town)
    assert in_ghl(town) == before
    town.ghl.edit(event, title=TITLE[::-1])
    before = in_ghl(town)
    town.sync()
    quiet(town)
    assert in_ghl(town) == before
    assert in_hubspot(town) != before


@pytest.mark.parametrize("habit", HABITS)
def test_it_is_no_edit_either_where_nobody_could_look_right_after(
    town: Town, ann: tuple[str, str], habit: str
) -> None:
    """The look right after the write fails: the next cycle's is the first."""
    habits(town, ghl_texts=habit, ghl_repeats=True)
    born(town, ann[1])
    before = in_hubspot(town)
    town.world.faults.add(
        side="ghl", method="GET", path=r"/events/appointments/", status=503, times=None
    )
    town.sync()
    town.world.faults.clear()
    town.sync()
    quiet(town)
    assert in_hubspot(town) == before


@pytest.mark.parametrize("habit", HABITS)
def test_a_lost_answer_makes_no_edit_of_it(town: Town, ann: tuple[str, str], habit: str) -> None:
    habits(town, ghl_texts=habit)
    record = born(town, ann[1], hs_appointment_name="Intro", ghl_description="")
    town.sync()
    town.hubspot.edit(record, hs_appointment_name=TITLE, ghl_description=TEXT)
    before = in_hubspot(town)
    town.world.faults.add(side="ghl", method="PUT", kind="timeout_after", times=1)
    town.sync()
    quiet(town)
    assert in_hubspot(town) == before


def test_an_edit_right_after_the_write_is_an_edit(town: Town, ann: tuple[str, str]) -> None:
    born(town, ann[1])

    def person() -> None:
        town.later(seconds=0.25)
        (event,) = town.ghl.events()
        town.ghl.edit(event.id, title="By a person")

    town.transport = Between(town, "POST", "/appointments", person)
    town.sync()
    town.sync()
    assert in_hubspot(town)["title"] == "By a person"


def test_a_rounded_time_is_no_move(town: Town, ann: tuple[str, str]) -> None:
    habits(town, ghl_rounds_times=True)
    start = "2026-03-05T10:00:42.000Z"
    record = born(town, ann[1], hs_appointment_start=start)
    town.sync()
    quiet(town)
    assert town.hubspot.get(record).properties["hs_appointment_start"] == start


def test_a_rendering_is_no_edit_that_beats_a_removal(town: Town, ann: tuple[str, str]) -> None:
    habits(town, ghl_texts="wrapped", ghl_repeats=True)
    record = born(town, ann[1])
    town.world.faults.add(
        side="ghl", method="GET", path=r"/events/appointments/", status=503, times=None
    )
    town.sync()
    town.world.faults.clear()
    town.hubspot.archive(record)
    town.sync()
    (event,) = town.ghl.events()
    assert event.status == "cancelled"
    assert town.hubspot.records() == []


def test_a_person_who_shortens_a_text_is_heard(town: Town, ann: tuple[str, str]) -> None:
    """What looks like a text that was cut, after everybody has seen it whole."""
    record = born(town, ann[1], hs_appointment_name="Check-up of the knee and the other one")
    town.sync()
    quiet(town)
    (event,) = town.ghl.events()
    town.later(minutes=5)
    town.ghl.edit(event.id, title="Check-up of the knee")
    town.sync()
    assert town.hubspot.get(record).properties["hs_appointment_name"] == "Check-up of the knee"
    quiet(town)


@pytest.mark.parametrize("habit", HABITS)
def test_a_lost_store_makes_no_difference_of_it(
    town: Town, ann: tuple[str, str], habit: str
) -> None:
    """Nobody knows any more who made what of it: the pair's records say the same as before."""
    habits(town, ghl_texts=habit)
    born(town, ann[1])
    town.sync()
    before = in_hubspot(town), in_ghl(town)
    town.name = "anew"
    assert town.sync().adopted == 1
    quiet(town)
    assert (in_hubspot(town), in_ghl(town)) == before


@pytest.mark.parametrize("edited_in_ghl", [True, False])
def test_a_person_who_shortens_a_text_at_once_is_heard(
    town: Town, ann: tuple[str, str], edited_in_ghl: bool
) -> None:
    """A newer stamp is somebody's edit, even where it looks like a text that was cut."""
    long, short = "Check-up of the knee and the other one", "Check-up of the knee"
    if edited_in_ghl:
        born(town, ann[1], hs_appointment_name=long)
    else:
        town.ghl.book(town.calendars["Team"], ann[0], town.at(48), title=long)
    town.sync()
    town.later(seconds=0.25)
    (event,), (record,) = town.ghl.events(), town.hubspot.records()
    if edited_in_ghl:
        town.ghl.edit(event.id, title=short)
    else:
        town.hubspot.edit(record.id, hs_appointment_name=short)
    town.sync()
    (event,), (record,) = town.ghl.events(), town.hubspot.records()
    assert (event.title, record.properties["hs_appointment_name"]) == (short, short)


@pytest.mark.parametrize("habit", HABITS)
def test_what_a_vendor_rewrote_can_be_undone(town: Town, ann: tuple[str, str], habit: str) -> None:
    record = born(town, ann[1], hs_appointment_name="Intro", ghl_description="", ghl_address="")
    town.sync()
    town.later(minutes=5)
    habits(town, ghl_texts=habit)
    town.hubspot.edit(record, hs_appointment_name=TITLE)
    town.sync()
    assert in_hubspot(town)["title"] == TITLE
    town.later(minutes=5)
    town.store.link(town.name).decide("undo", {"id": record}, town.clock.now())
    town.sync()
    assert in_hubspot(town)["title"] == "Intro"
    assert "Intro" in in_ghl(town)["title"]
    quiet(town)
