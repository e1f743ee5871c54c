"""What a write rests on, and what makes it fall."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from memory_sides import NOW

from syncd.core.actions import Change, Create, Remove, Update
from syncd.core.contacts import Known
from syncd.core.essence import Value
from syncd.core.model import Appointment, Group, Pair, Side, Snapshot
from syncd.core.preconditions import GONE, Precondition, differing, moved_on, source_of, written_by

SHOWN = Appointment(
    title="Check-up",
    start=NOW,
    end=NOW + timedelta(minutes=30),
    status="confirmed",
    description="Knee",
    address="Room 2",
    owner="u1",
    contact="51",
)
RECORD = Snapshot(
    side=Side.HUBSPOT,
    id="501",
    appointment=SHOWN,
    contacts=("51", "52"),
    filter_properties={"room": "2"},
)
BOOKED = Snapshot(
    side=Side.GHL, id="g1", appointment=SHOWN, contacts=("ann",), calendar="cal", location_id="loc"
)
PAIR = Pair(key=1, ghl_id="g1", hubspot_id="501", ghl=SHOWN, hubspot=SHOWN)


def shown(record: Snapshot, **fields: Any) -> Snapshot:
    """The record with other fields."""
    return replace(record, appointment=replace(record.appointment, **fields))


def update(*groups: Group) -> Update:
    changes = tuple(Change(group=group, before="", after="", source="", why="") for group in groups)
    return Update(pair=PAIR, side=Side.GHL, seen=BOOKED, source=RECORD, changes=changes)


BOOKING = Create(side=Side.GHL, source=RECORD, wanted=SHOWN, contact=Known(id="ann"))

EDITS: dict[str, dict[str, Any]] = {
    "title": {"title": "Else"},
    "time": {"start": NOW + timedelta(hours=1)},
    "status": {"status": "cancelled"},
    "description": {"description": "Hip"},
    "address": {"address": ""},
    "owner": {"owner": "u2"},
    "x:room": {"mapped_fields": (("room", "3"),)},
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_booking_rests_on_all_that_its_source_shows(edit: str) -> None:
    footing = source_of(BOOKING)
    assert footing is not None
    assert moved_on(footing, RECORD) == ()
    assert moved_on(footing, shown(RECORD, **EDITS[edit])) == (edit,)


@pytest.mark.parametrize(
    "changed",
    [
        {"contacts": ("52",)},
        {"gone": True},
        {"external_id": "g2"},
        {"location_id": "elsewhere"},
        {"filter_properties": {"room": "3"}},
    ],
    ids=str,
)
def test_a_booking_rests_on_its_contacts_its_identity_and_its_route(
    changed: dict[str, Any],
) -> None:
    footing = source_of(BOOKING)
    assert footing is not None
    assert moved_on(footing, replace(RECORD, **changed)) != ()


def test_contacts_are_compared_as_a_set() -> None:
    other = replace(RECORD, contacts=("52", "51"))
    assert differing(RECORD, other, [Group.CONTACT, Group.TITLE]) == ()
    assert differing(RECORD, replace(RECORD, contacts=("9",)), [Group.CONTACT]) == ("contact",)


def test_a_creation_in_hubspot_rests_on_the_last_poll() -> None:
    made = Create(side=Side.HUBSPOT, source=BOOKED, wanted=SHOWN, contact=Known(id="51"))
    assert source_of(made) is None


def test_an_update_rests_on_what_it_writes_and_on_the_contact_across() -> None:
    footing = source_of(update(Group.TITLE))
    assert footing is not None
    assert moved_on(footing, shown(RECORD, description="Hip")) == ()
    assert moved_on(footing, shown(RECORD, title="Else")) == ("title",)
    assert moved_on(footing, replace(RECORD, contacts=("53",))) == ("contact",)
    assert moved_on(footing, replace(RECORD, gone=True)) == (GONE,)


def test_time_and_status_stand_or_fall_together() -> None:
    assert written_by(update(Group.TIME)) == {Group.TIME, Group.STATUS}
    assert written_by(update(Group.STATUS, Group.TITLE)) == {
        Group.TIME,
        Group.STATUS,
        Group.TITLE,
    }
    assert written_by(update(Group.TITLE)) == {Group.TITLE}


def test_a_removal_rests_on_the_other_record_being_gone() -> None:
    gone = replace(RECORD, gone=True)
    footing = source_of(Remove(pair=PAIR, side=Side.GHL, seen=BOOKED, source=gone))
    assert footing is not None
    assert moved_on(footing, gone) == ()
    assert moved_on(footing, RECORD) == (GONE,)


def test_another_calendar_counts_where_both_are_known() -> None:
    assert differing(BOOKED, replace(BOOKED, calendar="team"), ()) == ("calendar",)
    assert differing(BOOKED, replace(BOOKED, calendar=""), ()) == ()


def test_what_we_write_ourselves_is_nobodys_edit() -> None:
    footing = Precondition(seen=RECORD, groups=frozenset({Group.STATUS, Group.CONTACT}))
    now = replace(shown(RECORD, status="cancelled"), contacts=("53",))
    ours: dict[str, set[Value]] = {Group.STATUS: {"cancelled"}, Group.CONTACT: {"53"}}
    assert moved_on(footing, now, ours) == ()
    assert moved_on(footing, now, {Group.STATUS: {"noshow"}}) == ("contact", "status")
