"""A record without a pair: it is made across, or held with a reason; one story a row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from plan_cases import (
    DICTIONARY,
    GHL,
    HUBSPOT,
    NOW,
    TOMORROW,
    YESTERDAY,
    RateHeaders,
    ghl,
    holds,
    hubspot,
    makes,
    on,
    pair,
    rules,
    told,
)

from syncd.core.actions import Create
from syncd.core.contacts import Known, Resolution, ToMake
from syncd.core.context import PlanContext
from syncd.core.model import Calendar, Contact, FieldError, Hold, Side, Snapshot
from syncd.core.observe import NewRecord
from syncd.core.plan import plan_new_record
from syncd.core.policy import Direction, Notify, Override, Policy, Route
from syncd.core.translate import Translator

NEW_GHL, NEW_HUBSPOT = "new in HighLevel", "new in HubSpot"
BOOKED: dict[str, Any] = {"why": NEW_HUBSPOT, "calendar": "cal", "checked": True}
DEFAULT = rules(default_calendar="cal")
TEAM = rules(default_calendar="team")


def born(side: Side, **edits: Any) -> Snapshot:
    """The check-up tomorrow, seen on one side only."""
    shows = ghl if side is GHL else hubspot
    seen = shows(**edits)(pair())
    assert isinstance(seen, Snapshot)
    return replace(seen, id="new", external_id="", location_id="")


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One newcomer."""

    told: str
    record: Snapshot
    contact: Resolution | None = None
    rules: Policy = field(default=DEFAULT)
    words: Translator = DICTIONARY
    follows: RateHeaders


ARRIVALS = [
    Arrival(
        told="new in HighLevel",
        record=born(GHL),
        follows=makes(HUBSPOT, why=NEW_GHL),
    ),
    Arrival(
        told="new in HighLevel with everything",
        record=born(GHL, description="Bring papers", address="1 Main St", owner="u2"),
        follows=makes(
            HUBSPOT, why=NEW_GHL, description="Bring papers", address="1 Main St", owner="72"
        ),
    ),
    Arrival(
        told="new in HighLevel, assigned to somebody whom HubSpot does not know: no owner",
        record=born(GHL, owner="stranger"),
        follows=makes(HUBSPOT, why=NEW_GHL),
    ),
    Arrival(
        told="cancelled in HighLevel before it was seen: arrives as cancelled",
        record=born(GHL, status="cancelled"),
        follows=makes(HUBSPOT, why=NEW_GHL, status="CANCELLED"),
    ),
    Arrival(
        told="new in HighLevel with a status of nobody's table: held whole",
        record=born(GHL, status="waitlisted"),
        follows=holds("unknown_status"),
    ),
    Arrival(
        told="new in HighLevel for a contact that has to be made",
        record=born(GHL),
        contact=ToMake(contact=Contact(first_name="Ann")),
        follows=makes(HUBSPOT, why=NEW_GHL, for_="new"),
    ),
    Arrival(
        told="new in HighLevel where the title is off and the status flows the other way",
        record=born(GHL, description="Bring papers"),
        rules=rules(fields={"title": Direction.OFF, "status": Direction.HUBSPOT_TO_GHL}),
        follows=makes(HUBSPOT, why=NEW_GHL, title="", status="", description="Bring papers"),
    ),
    Arrival(
        told="new in HighLevel where times are off: a record cannot be without",
        record=born(GHL),
        rules=rules(fields={"time": Direction.OFF}),
        follows=makes(HUBSPOT, why=NEW_GHL),
    ),
    Arrival(
        told="new in HighLevel with an end before its start",
        record=born(GHL, **on(24, "15:00", "14:00")),
        follows=holds("missing_time"),
    ),
    Arrival(
        told="new in HighLevel with a mapped field",
        record=born(GHL, mapped_fields=(("room", "3"),)),
        rules=rules(mapped_fields=("room",)),
        follows=makes(HUBSPOT, why=NEW_GHL, mapped_fields=(("room", "3"),)),
    ),
    Arrival(
        told="new in HubSpot: booked on the default calendar, the slot is checked",
        record=born(HUBSPOT),
        follows=makes(GHL, **BOOKED),
    ),
    Arrival(
        told="new in HubSpot without an end: the calendar's slot is its length",
        record=born(HUBSPOT, **on(24, "15:00")),
        follows=makes(GHL, **BOOKED, **on(24, "15:00", "15:45")),
    ),
    Arrival(
        told="new in HubSpot without a status: confirmed",
        record=born(HUBSPOT, status=""),
        follows=makes(GHL, **BOOKED),
    ),
    Arrival(
        told="new in HubSpot where status flows to HubSpot only: confirmed",
        record=born(HUBSPOT, status="NO_SHOW"),
        rules=rules(default_calendar="cal", fields={"status": Direction.GHL_TO_HUBSPOT}),
        follows=makes(GHL, **BOOKED),
    ),
    Arrival(
        told="new in HubSpot with a status of nobody's table: held whole",
        record=born(HUBSPOT, status="RESCHEDULED"),
        follows=holds("unknown_status"),
    ),
    Arrival(
        told="new in HubSpot with an end before its start",
        record=born(HUBSPOT, **on(24, "15:00", "14:00")),
        follows=holds("missing_time"),
    ),
    Arrival(
        told="new in HubSpot with times that cannot be read",
        record=born(
            HUBSPOT, field_errors=(FieldError(group="time", reason="unreadable", detail="'soon'"),)
        ),
        follows=holds("unreadable"),
    ),
    Arrival(
        told="new in HubSpot and past: booked without a slot check",
        record=born(HUBSPOT, **YESTERDAY),
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="cal", **YESTERDAY),
    ),
    Arrival(
        told="new in HubSpot and starting this instant: takes no slot any more",
        record=born(HUBSPOT, start=NOW, end=None),
        follows=makes(
            GHL,
            why=NEW_HUBSPOT,
            calendar="cal",
            **on(23, "12:00", "12:45"),
        ),
    ),
    Arrival(
        told="new in HubSpot and cancelled: booked without a slot check",
        record=born(HUBSPOT, status="CANCELLED"),
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="cal", status="cancelled"),
    ),
    Arrival(
        told="new in HubSpot where double booking is allowed",
        record=born(HUBSPOT),
        rules=rules(default_calendar="cal", refuse_double_booking=False),
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="cal"),
    ),
    Arrival(
        told="new in HubSpot, and a person said to book it anyway",
        record=born(HUBSPOT),
        rules=rules(default_calendar="cal", overrides={"new": Override(book_anyway=True)}),
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="cal"),
    ),
    Arrival(
        told="new in HubSpot, and nothing says where to book it",
        record=born(HUBSPOT),
        rules=rules(),
        follows=holds("no_default_calendar"),
    ),
    Arrival(
        told="new in HubSpot, and the default calendar is not in the location",
        record=born(HUBSPOT),
        rules=rules(default_calendar="elsewhere"),
        follows=holds("no_default_calendar"),
    ),
    Arrival(
        told="new in HubSpot, and the default calendar was deactivated",
        record=born(HUBSPOT),
        rules=rules(default_calendar="shut"),
        follows=holds("no_default_calendar"),
    ),
    Arrival(
        told="new in HubSpot on a team's calendar, without an owner: the primary member",
        record=born(HUBSPOT),
        rules=TEAM,
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="team", checked=True, owner="u1"),
    ),
    Arrival(
        told="new in HubSpot on a team's calendar, and the link names a default assignee",
        record=born(HUBSPOT),
        rules=rules(default_calendar="team", default_assignee="u2"),
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="team", checked=True, owner="u2"),
    ),
    Arrival(
        told="the default assignee does not work for that team: the primary member",
        record=born(HUBSPOT),
        rules=rules(default_calendar="team", default_assignee="u7"),
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="team", checked=True, owner="u1"),
    ),
    Arrival(
        told="the default assignee is for calendars that need one",
        record=born(HUBSPOT),
        rules=rules(default_calendar="cal", default_assignee="u2"),
        follows=makes(GHL, **BOOKED),
    ),
    Arrival(
        told="new in HubSpot for an owner of the calendar's team",
        record=born(HUBSPOT, owner="72"),
        rules=TEAM,
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="team", checked=True, owner="u2"),
    ),
    Arrival(
        told="new in HubSpot for an owner outside the calendar's team: held whole",
        record=born(HUBSPOT, owner="79"),
        rules=TEAM,
        follows=holds("outside_team"),
    ),
    Arrival(
        told="new in HubSpot for an owner whom HighLevel does not know: the primary member",
        record=born(HUBSPOT, owner="unknown"),
        rules=TEAM,
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="team", checked=True, owner="u1"),
    ),
    Arrival(
        told="the first route that fits says calendar and assignee",
        record=born(HUBSPOT, filter_properties={"region": "north"}),
        rules=rules(
            default_calendar="cal",
            routes=(
                Route(property="region", value="south", calendar="cal"),
                Route(property="region", value="north", calendar="team", assignee="u2"),
                Route(property="region", value="north", calendar="cal"),
            ),
        ),
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="team", checked=True, owner="u2"),
    ),
    Arrival(
        told="a route without a calendar: the default calendar",
        record=born(HUBSPOT, filter_properties={"region": "north"}),
        rules=rules(
            default_calendar="team",
            routes=(Route(property="region", value="north", assignee="u2"),),
        ),
        follows=makes(GHL, why=NEW_HUBSPOT, calendar="team", checked=True, owner="u2"),
    ),
    Arrival(
        told="no route fits: the default calendar",
        record=born(HUBSPOT, filter_properties={"region": "east"}),
        rules=rules(
            default_calendar="cal",
            routes=(Route(property="region", value="north", calendar="team"),),
        ),
        follows=makes(GHL, **BOOKED),
    ),
]


@pytest.mark.parametrize("arrival", ARRIVALS, ids=lambda arrival: arrival.told)
def test_what_follows_from_a_newcomer(arrival: Arrival) -> None:
    known = Known(id="51" if arrival.record.side is GHL else "ann")
    newcomer = NewRecord(record=arrival.record, contact=arrival.contact or known)
    context = PlanContext(policy=arrival.rules, translator=arrival.words)
    assert [told(action, pair()) for action in plan_new_record(newcomer, context)] == [
        arrival.follows
    ]


def test_every_arrival_has_a_name_of_its_own() -> None:
    assert len({arrival.told for arrival in ARRIVALS}) == len(ARRIVALS) >= 30


@pytest.mark.parametrize(
    ("notify", "first_sync", "expected"),
    [
        (Notify.NEVER, False, False),
        (Notify.LIVE, False, True),
        (Notify.LIVE, True, False),
        (Notify.ALWAYS, True, True),
    ],
)
def test_a_booking_lets_automations_run_as_configured(
    notify: Notify, first_sync: bool, expected: bool
) -> None:
    policy = rules(default_calendar="cal", notify=notify, first_sync=first_sync)
    context = PlanContext(policy=policy, translator=DICTIONARY)
    [create] = plan_new_record(NewRecord(record=born(HUBSPOT), contact=Known(id="ann")), context)
    assert isinstance(create, Create)
    assert create.notify is expected


def held(record: Snapshot, policy: Policy, words: Translator = DICTIONARY) -> Hold:
    """The one hold that follows from a newcomer."""
    newcomer = NewRecord(record=record, contact=Known(id="ann"))
    [hold] = plan_new_record(newcomer, PlanContext(policy=policy, translator=words))
    assert isinstance(hold, Hold)
    return hold


def test_a_held_newcomer_is_known_by_its_own_id_and_by_what_it_shows() -> None:
    hold, other = held(born(HUBSPOT), rules()), held(born(HUBSPOT, title="Other"), rules())
    assert (hold.ghl_id, hold.hubspot_id, hold.starts_at) == ("", "new", TOMORROW["start"])
    assert hold.fingerprint != other.fingerprint != ""


def test_a_calendar_that_is_shut_is_no_place_for_a_route() -> None:
    words = replace(DICTIONARY, calendars={"cal": Calendar(id="cal", active=False)})
    assert "not an active calendar" in held(born(HUBSPOT), DEFAULT, words).detail


@pytest.mark.parametrize(
    ("status", "policy", "fill"),
    [
        ("", DEFAULT, "SCHEDULED"),
        ("COMPLETED", DEFAULT, ""),
        ("", rules(default_calendar="cal", direction=Direction.HUBSPOT_TO_GHL), ""),
        ("", rules(default_calendar="cal", fields={"status": Direction.HUBSPOT_TO_GHL}), ""),
    ],
    ids=["born without", "born with", "a link that flows the other way", "a one-way status"],
)
def test_a_record_that_is_born_without_a_status_takes_the_booking_s(
    status: str, policy: Policy, fill: str
) -> None:
    newcomer = NewRecord(record=born(HUBSPOT, status=status), contact=Known(id="ann"))
    [create] = plan_new_record(newcomer, PlanContext(policy=policy, translator=DICTIONARY))
    assert isinstance(create, Create)
    assert create.backfill_status == fill
