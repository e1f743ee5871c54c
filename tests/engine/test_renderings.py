"""What a vendor makes of our own writes is no edit: the original stays where it came from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tampering import Between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness import SyncHarness

TITLE = "Check-up <b>of the knee</b> & the \u201cother\u201d one,  see   the scan \U0001f9b5"
TEXT = "First line\n  - second <i>line</i>\n\nThird & last line \U0001f600 " + "which is long " * 8
HABITS = ("cut", "escaped", "wrapped", "stripped", "one_line", "plain")


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com"),
        harness.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


def habits(harness: SyncHarness, **said: Any) -> None:
    harness.world.settings = replace(harness.world.settings, **said)


def in_ghl(harness: SyncHarness) -> dict[str, str]:
    (event,) = harness.ghl.events()
    return {
        "title": event.title,
        "description": event.description or "",
        "address": event.address or "",
    }


def in_hubspot(harness: SyncHarness) -> dict[str, str]:
    (record,) = harness.hubspot.records()
    names = {
        "title": "hs_appointment_name",
        "description": "ghl_description",
        "address": "ghl_address",
    }
    return {name: record.properties.get(held) or "" for name, held in names.items()}


def quiet(harness: SyncHarness, *, full: bool = True) -> None:
    for _ in range(2):
        harness.later(minutes=1)
        harness.world.reset_requests()
        assert harness.sync(full=full).written == []
        assert (harness.world.writes("ghl"), harness.world.writes("hubspot")) == ([], [])


def born(harness: SyncHarness, contact: str, **more: Any) -> str:
    said: Mapping[str, Any] = {
        "hs_appointment_name": TITLE,
        "ghl_description": TEXT,
        "ghl_address": "12 Long Lane & Co, <3rd floor>",
        "hs_appointment_start": harness.at(48),
        "hs_appointment_end": harness.at(48.5),
    }
    return str(harness.hubspot.create({**said, **more}, contacts=[contact]))


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("habit", HABITS)
def test_what_highlevel_makes_of_a_booking_is_no_edit(
    harness: SyncHarness, ann: tuple[str, str], habit: str, repeats: bool, full: bool
) -> None:
    habits(harness, ghl_texts=habit, ghl_repeats=repeats)
    born(harness, ann[1])
    before = in_hubspot(harness)
    harness.sync()
    quiet(harness, full=full)
    assert in_hubspot(harness) == before
    assert in_ghl(harness) != before


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("habit", HABITS)
def test_what_highlevel_makes_of_an_update_is_no_edit(
    harness: SyncHarness, ann: tuple[str, str], habit: str, repeats: bool
) -> None:
    record = born(harness, ann[1], hs_appointment_name="Intro", ghl_description="", ghl_address="")
    harness.sync()
    quiet(harness)
    habits(harness, ghl_texts=habit, ghl_repeats=repeats)
    harness.hubspot.edit(record, hs_appointment_name=TITLE, ghl_description=TEXT)
    before = in_hubspot(harness)
    harness.sync()
    quiet(harness)
    assert in_hubspot(harness) == before
    assert in_ghl(harness) != before
    # A person's edit wins all the same, on either side.
    (event,) = harness.ghl.events()
    harness.ghl.edit(event.id, title="Another one")
    harness.sync()
    assert in_hubspot(harness)["title"] == "Another one"
    harness.hubspot.edit(record, ghl_description="Bring the scan")
    harness.sync()
    assert "Bring the scan" in in_ghl(harness)["description"]
    quiet(harness)


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("habit", HABITS)
def test_what_hubspot_makes_of_a_record_is_no_edit(
    harness: SyncHarness, ann: tuple[str, str], habit: str, repeats: bool
) -> None:
    habits(harness, hubspot_texts=habit, hubspot_repeats=repeats)
    event = harness.ghl.book(
        harness.calendars["Team"], ann[0], harness.at(48), title=TITLE, description=TEXT
    )
    before = in_ghl(harness)
    harness.sync()
    quiet(harness)
    assert in_ghl(harness) == before
    harness.ghl.edit(event, title=TITLE[::-1])
    before = in_ghl(harness)
    harness.sync()
    quiet(harness)
    assert in_ghl(harness) == before
    assert in_hubspot(harness) != before


@pytest.mark.parametrize("habit", HABITS)
def test_it_is_no_edit_either_where_nobody_could_look_right_after(
    harness: SyncHarness, ann: tuple[str, str], habit: str
) -> None:
    """The look right after the write fails: the next cycle's is the first."""
    habits(harness, ghl_texts=habit, ghl_repeats=True)
    born(harness, ann[1])
    before = in_hubspot(harness)
    harness.world.faults.add(
        side="ghl", method="GET", path=r"/events/appointments/", status=503, times=None
    )
    harness.sync()
    harness.world.faults.clear()
    harness.sync()
    quiet(harness)
    assert in_hubspot(harness) == before


@pytest.mark.parametrize("habit", HABITS)
def test_a_lost_answer_makes_no_edit_of_it(
    harness: SyncHarness, ann: tuple[str, str], habit: str
) -> None:
    habits(harness, ghl_texts=habit)
    record = born(harness, ann[1], hs_appointment_name="Intro", ghl_description="")
    harness.sync()
    harness.hubspot.edit(record, hs_appointment_name=TITLE, ghl_description=TEXT)
    before = in_hubspot(harness)
    harness.world.faults.add(side="ghl", method="PUT", kind="timeout_after", times=1)
    harness.sync()
    quiet(harness)
    assert in_hubspot(harness) == before


def test_an_edit_right_after_the_write_is_an_edit(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    born(harness, ann[1])

    def person() -> None:
        harness.later(seconds=0.25)
        (event,) = harness.ghl.events()
        harness.ghl.edit(event.id, title="By a person")

    harness.transport = Between(harness, "POST", "/appointments", person)
    harness.sync()
    harness.sync()
    assert in_hubspot(harness)["title"] == "By a person"


def test_a_rounded_time_is_no_move(harness: SyncHarness, ann: tuple[str, str]) -> None:
    habits(harness, ghl_rounds_times=True)
    start = "2026-03-05T10:00:42.000Z"
    record = born(harness, ann[1], hs_appointment_start=start)
    harness.sync()
    quiet(harness)
    assert harness.hubspot.get(record).properties["hs_appointment_start"] == start


def test_a_rendering_is_no_edit_that_beats_a_removal(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    habits(harness, ghl_texts="wrapped", ghl_repeats=True)
    record = born(harness, ann[1])
    harness.world.faults.add(
        side="ghl", method="GET", path=r"/events/appointments/", status=503, times=None
    )
    harness.sync()
    harness.world.faults.clear()
    harness.hubspot.archive(record)
    harness.sync()
    (event,) = harness.ghl.events()
    assert event.status == "cancelled"
    assert harness.hubspot.records() == []


def test_a_person_who_shortens_a_text_is_heard(harness: SyncHarness, ann: tuple[str, str]) -> None:
    """What looks like a text that was cut, after everybody has seen it whole."""
    record = born(harness, ann[1], hs_appointment_name="Check-up of the knee and the other one")
    harness.sync()
    quiet(harness)
    (event,) = harness.ghl.events()
    harness.later(minutes=5)
    harness.ghl.edit(event.id, title="Check-up of the knee")
    harness.sync()
    assert harness.hubspot.get(record).properties["hs_appointment_name"] == "Check-up of the knee"
    quiet(harness)


@pytest.mark.parametrize("habit", HABITS)
def test_a_lost_store_makes_no_difference_of_it(
    harness: SyncHarness, ann: tuple[str, str], habit: str
) -> None:
    """Nobody knows any more who made what of it: the pair's records say the same as before."""
    habits(harness, ghl_texts=habit)
    born(harness, ann[1])
    harness.sync()
    before = in_hubspot(harness), in_ghl(harness)
    harness.name = "anew"
    assert harness.sync().adopted == 1
    quiet(harness)
    assert (in_hubspot(harness), in_ghl(harness)) == before


@pytest.mark.parametrize("edited_in_ghl", [True, False])
def test_a_person_who_shortens_a_text_at_once_is_heard(
    harness: SyncHarness, ann: tuple[str, str], edited_in_ghl: bool
) -> None:
    """A newer stamp is somebody's edit, even where it looks like a text that was cut."""
    long, short = "Check-up of the knee and the other one", "Check-up of the knee"
    if edited_in_ghl:
        born(harness, ann[1], hs_appointment_name=long)
    else:
        harness.ghl.book(harness.calendars["Team"], ann[0], harness.at(48), title=long)
    harness.sync()
    harness.later(seconds=0.25)
    (event,), (record,) = harness.ghl.events(), harness.hubspot.records()
    if edited_in_ghl:
        harness.ghl.edit(event.id, title=short)
    else:
        harness.hubspot.edit(record.id, hs_appointment_name=short)
    harness.sync()
    (event,), (record,) = harness.ghl.events(), harness.hubspot.records()
    assert (event.title, record.properties["hs_appointment_name"]) == (short, short)


@pytest.mark.parametrize("habit", HABITS)
def test_what_a_vendor_rewrote_can_be_undone(
    harness: SyncHarness, ann: tuple[str, str], habit: str
) -> None:
    record = born(harness, ann[1], hs_appointment_name="Intro", ghl_description="", ghl_address="")
    harness.sync()
    harness.later(minutes=5)
    habits(harness, ghl_texts=habit)
    harness.hubspot.edit(record, hs_appointment_name=TITLE)
    harness.sync()
    assert in_hubspot(harness)["title"] == TITLE
    harness.later(minutes=5)
    harness.store.link(harness.name).decide("undo", {"id": record}, harness.clock.now())
    harness.sync()
    assert in_hubspot(harness)["title"] == "Intro"
    assert "Intro" in in_ghl(harness)["title"]
    quiet(harness)
