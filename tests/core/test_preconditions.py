"""What a write rests on, and what makes it fall."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from memory_sides import NOW

from syncd.core.actions import Change, Create, Precondition, Remove, Update
from syncd.core.contacts import Known
from syncd.core.essence import REMOVAL, Value, differing
from syncd.core.model import Appointment, Group, Pair, Side, Snapshot

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
    footing = BOOKING.precondition
    assert footing is not None
    assert footing.broken_by(RECORD) == ()
    assert footing.broken_by(shown(RECORD, **EDITS[edit])) == (edit,)


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
    footing = BOOKING.precondition
    assert footing is not None
    assert footing.broken_by(replace(RECORD, **changed)) != ()


def test_contacts_are_compared_as_a_set() -> None:
    other = replace(RECORD, contacts=("52", "51"))
    assert differing(RECORD, other, [Group.CONTACT, Group.TITLE]) == ()
    assert differing(RECORD, replace(RECORD, contacts=("9",)), [Group.CONTACT]) == ("contact",)


def test_a_creation_in_hubspot_rests_on_the_last_poll() -> None:
    made = Create(side=Side.HUBSPOT, source=BOOKED, wanted=SHOWN, contact=Known(id="51"))
    assert made.precondition is None


def test_an_update_rests_on_what_it_writes_and_on_the_contact_across() -> None:
    footing = update(Group.TITLE).precondition
    assert footing is not None
    assert footing.broken_by(shown(RECORD, description="Hip")) == ()
    assert footing.broken_by(shown(RECORD, title="Else")) == ("title",)
    assert footing.broken_by(replace(RECORD, contacts=("53",))) == ("contact",)
    assert footing.broken_by(replace(RECORD, gone=True)) == (REMOVAL,)


def test_time_and_status_stand_or_fall_together() -> None:
    assert update(Group.TIME).depends_on == {Group.TIME, Group.STATUS}
    assert update(Group.STATUS, Group.TITLE).depends_on == {
        Group.TIME,
        Group.STATUS,
        Group.TITLE,
    }
    assert update(Group.TITLE).depends_on == {Group.TITLE}


def test_a_removal_rests_on_the_other_record_being_gone() -> None:
    gone = replace(RECORD, gone=True)
    footing = Remove(pair=PAIR, side=Side.GHL, seen=BOOKED, source=gone).precondition
    assert footing is not None
    assert footing.broken_by(gone) == ()
    assert footing.broken_by(RECORD) == (REMOVAL,)


def test_another_calendar_counts_where_both_are_known() -> None:
    assert differing(BOOKED, replace(BOOKED, calendar="team"), ()) == ("calendar",)
    assert differing(BOOKED, replace(BOOKED, calendar=""), ()) == ()


def test_what_we_write_ourselves_is_nobodys_edit() -> None:
    footing = Precondition(seen=RECORD, groups=frozenset({Group.STATUS, Group.CONTACT}))
    now = replace(shown(RECORD, status="cancelled"), contacts=("53",))
    ours: dict[str, set[Value]] = {Group.STATUS: {"cancelled"}, Group.CONTACT: {"53"}}
    assert footing.broken_by(now, ours) == ()
    assert footing.broken_by(now, {Group.STATUS: {"noshow"}}) == ("contact", "status")
