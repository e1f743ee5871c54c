"""Whatever the vendors do within what was documented or observed, one story ends the same way.

The story goes both ways: bookings, edits of every field, a status, a removal
on each side. A variant is one habit of a vendor that accounts, versions or
reports disagree about; it changes the sandbox's settings, or its answers on
their way to us (`variant_transport`). After each step both sides must show the same, and a further
cycle must write nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from harness import InProcess
from variant_transport import (
    INDIA,
    NAIVE,
    ZURICH,
    Variant,
    VariantTransport,
    absent_as,
    archived_by_date,
    as_texts,
    batches_of_the_living,
    elsewhere,
    enveloped,
    epoch,
    filled,
    in_newer_words,
    loud,
    misspelt,
    no_user_list,
    numbered,
    numbers_for_ids,
    of_events,
    of_records,
    of_values,
    of_writes,
    only_what_is_set,
    padded,
    refused,
    retimed,
    short,
    shy_writes,
    silent_about_absence,
    texts_for_types,
    thin_calendars,
    uncounted,
    without,
    wordy,
)

from syncd.core.outcome import Outcome
from syncd.sandbox import application

if TYPE_CHECKING:
    from harness import SyncHarness

    from tests.contract.conftest import Person

HIGHLEVEL = [
    Variant(name="as observed"),
    Variant(name="a get comes under event", settings={"get_envelope": "event"}),
    Variant(name="a create is a 201", settings={"create_status": 201}),
    Variant(name="unknown events are a 400", settings={"unknown_event_status": 400}),
    Variant(name="lists show what starts inside", settings={"list_rule": "start"}),
    Variant(name="lists show masters", settings={"list_masters": True}),
    Variant(name="updates keep the status", settings={"status_reset_on_put": False}),
    Variant(name="slots are compared as texts", settings={"slot_validation": "verbatim"}),
    Variant(name="only overlaps are refused", settings={"slot_validation": "overlap"}),
    Variant(name="moves are not checked", settings={"moves_validated": False}),
    Variant(name="deletions move the stamp", settings={"delete_moves_date_updated": True}),
    Variant(name="duplicates are allowed", settings={"allow_duplicate_contacts": True}),
    Variant(name="its clock is ahead", settings={"ghl_skew": timedelta(minutes=4)}),
    Variant(name="its clock is behind", settings={"ghl_skew": timedelta(minutes=-4)}),
    Variant(
        name="write answers have no dates",
        side="ghl",
        change=of_writes("dateAdded", "dateUpdated"),
    ),
    Variant(
        name="write answers say as little as they may",
        side="ghl",
        change=of_writes(
            *("dateAdded", "dateUpdated", "title", "appointmentStatus", "appoinmentStatus"),
            *("assignedUserId", "address", "status", "isRecurring", "traceId"),
        ),
    ),
    Variant(
        name="stamps have offsets",
        side="ghl",
        change=retimed(
            "dateAdded", "dateUpdated", as_written=lambda at: at.astimezone(INDIA).isoformat()
        ),
    ),
    Variant(
        name="times have another zone's offset",
        side="ghl",
        change=retimed(
            "startTime", "endTime", as_written=lambda at: at.astimezone(INDIA).isoformat()
        ),
    ),
    Variant(
        name="times are local and have no offset",
        side="ghl",
        change=retimed(
            "startTime", "endTime", as_written=lambda at: at.astimezone(ZURICH).strftime(NAIVE)
        ),
    ),
    Variant(
        name="times are milliseconds",
        side="ghl",
        change=retimed("startTime", "endTime", as_written=lambda at: int(at.timestamp() * 1000)),
    ),
    Variant(
        name="rows do not say deleted",
        side="ghl",
        change=of_events(
            lambda row: row.pop("deleted", None) if row.get("deleted") is False else None
        ),
    ),
    Variant(
        name="rows have no creator", side="ghl", change=without("createdBy", "appointmentMeta")
    ),
    Variant(name="rows have no stamps", side="ghl", change=without("dateAdded", "dateUpdated")),
    Variant(name="rows do not name the location", side="ghl", change=without("locationId")),
    Variant(name="empty keys are null", side="ghl", change=filled(None)),
    Variant(name="empty keys are empty texts", side="ghl", change=filled("")),
    Variant(name="the status is misspelt", side="ghl", change=of_events(misspelt)),
    Variant(name="the status is in newer words", side="ghl", change=of_events(in_newer_words)),
    Variant(
        name="descriptions are never shown",
        side="ghl",
        change=without("description"),
        unread="description",
    ),
    Variant(
        name="addresses are never shown", side="ghl", change=without("address"), unread="address"
    ),
    Variant(name="calendars say little", side="ghl", change=thin_calendars),
    Variant(name="there is no list of users", side="ghl", change=no_user_list),
    Variant(
        name="times have milliseconds",
        side="ghl",
        change=retimed(
            *("startTime", "endTime", "dateAdded", "dateUpdated"),
            as_written=lambda at: at.isoformat(timespec="milliseconds"),
        ),
    ),
    Variant(name="write answers have an envelope", side="ghl", change=enveloped),
    Variant(name="numbers of calendars are texts", side="ghl", change=as_texts),
    Variant(name="addresses are in capitals", side="ghl", change=loud),
    Variant(name="everything says more", side="ghl", change=wordy),
    Variant(
        name="nothing has a trace id",
        side="ghl",
        change=lambda _, payload: payload.pop("traceId", None),
    ),
]

HUBSPOT = [
    Variant(
        name="the id of an archived record is not freed",
        settings={"unique_of_archived": "conflict"},
    ),
    Variant(name="restores lose the contact", settings={"restore_associations": False}),
    Variant(name="errors hide in a 200", settings={"errors_inside_200": True}),
    Variant(name="associations in the dated shape", settings={"inline_associations": "dated"}),
    Variant(name="no associations are errors", settings={"associations_of_none": "errors"}),
    Variant(name="batches keep their order", settings={"reverse_batch_results": False}),
    Variant(name="the account has no status", settings={"hubspot_status": "none"}),
    Variant(name="cancelled has one l", settings={"cancelled_spelling": "CANCELED"}),
    Variant(name="the index lags", settings={"search_lag": timedelta(seconds=30)}),
    Variant(name="its clock is ahead", settings={"hubspot_skew": timedelta(minutes=4)}),
    Variant(name="its clock is behind", settings={"hubspot_skew": timedelta(minutes=-4)}),
    Variant(name="a later version", options={"api_version": "2026-09"}),
    Variant(
        name="a later version with the old paths",
        options={"api_version": "2026-09"},
        settings={"paths_as_in_2026_03": True},
    ),
    Variant(name="the object by its name", options={"object_type": "appointments"}),
    Variant(name="instants are milliseconds", side="hubspot", change=of_values(epoch)),
    Variant(name="instants are short", side="hubspot", change=of_values(short)),
    Variant(name="associated ids are numbers", side="hubspot", change=numbered),
    Variant(
        name="what is not set is left out", side="hubspot", change=of_records(only_what_is_set)
    ),
    Variant(name="answers to writes are shy", side="hubspot", change=shy_writes),
    Variant(name="texts have blanks around them", side="hubspot", change=of_values(padded)),
    Variant(
        name="records say as little as they may",
        side="hubspot",
        change=of_records(
            lambda row: (
                [row.pop(key, None) for key in ("createdAt", "updatedAt", "url")]
                + [row.pop("archived") if row.get("archived") is False else None]
            )
        ),
    ),
    Variant(name="labels may not be read", side="hubspot", change=refused("/labels", 403)),
    Variant(
        name="activation may not be asked", side="hubspot", change=refused("/object-library/", 403)
    ),
    Variant(name="every id is a number", side="hubspot", change=numbers_for_ids),
    Variant(name="instants have offsets", side="hubspot", change=of_values(elsewhere)),
    Variant(
        name="empty values are empty texts",
        side="hubspot",
        change=of_values(lambda _, held: held or ""),
    ),
    Variant(
        name="association types are texts and labelled", side="hubspot", change=texts_for_types
    ),
    Variant(name="pages are not counted", side="hubspot", change=uncounted),
    Variant(name="absence is not mentioned", side="hubspot", change=silent_about_absence),
    Variant(
        name="archived is told by its date", side="hubspot", change=of_records(archived_by_date)
    ),
    Variant(name="batches show no archived record", side="hubspot", change=batches_of_the_living),
    Variant(name="everything says more", side="hubspot", change=wordy),
    Variant(name="a stage is demanded", settings={"stage_required": True}),
    Variant(
        name="the account tells nothing of itself",
        side="hubspot",
        change=refused("/account-info/", 403),
    ),
    Variant(name="a batch of nobody is a 404", side="hubspot", change=absent_as(404)),
    Variant(name="a batch of nobody is a 200", side="hubspot", change=absent_as(200)),
]


@pytest.mark.parametrize("variant", [*HIGHLEVEL, *HUBSPOT], ids=str)
def test_one_story_ends_the_same_with_every_variant(
    make_town: Callable[..., SyncHarness], met: Callable[..., Person], variant: Variant
) -> None:
    harness = make_town(**variant.settings)
    harness.provider_options = dict(variant.options)
    changing = None
    if variant.change is not None:
        inner = InProcess(application(harness.world))
        harness.transport = changing = VariantTransport(inner, variant.side, variant.change)
    _tell(harness, met(harness), variant)
    assert changing is None or changing.changed


def _tell(harness: SyncHarness, ann: Person, variant: Variant) -> None:
    dana, milo = list(harness.ghl.users)[:2]
    here = harness.ghl.book(
        harness.calendars["Team"],
        ann.ghl,
        harness.at(48),
        title="Check-up",
        assignee=dana,
        description="Knee",
        address="Room 2",
    )
    there = harness.hubspot.create(
        {
            "hs_appointment_name": "Intro",
            "hs_appointment_start": harness.at(72),
            "hs_appointment_end": harness.at(72.5),
            "ghl_description": "Bring the scan",
            "ghl_address": "Room 4",
        },
        [ann.hubspot],
    )
    _cycles(harness, variant)
    first, second = _pairs(harness)
    assert (first, second) == (here, _event_of(harness, there))

    # Each side is edited, in every field and in both records.
    record = _record_of(harness, here)
    status = (
        "hs_appointment_status"
        if harness.world.settings.hubspot_status == "native"
        else "ghl_appointment_status"
    )
    harness.hubspot.edit(record, hs_appointment_name="Renamed", ghl_description="Both knees")
    harness.hubspot.edit(record, **{status: "COMPLETED"})
    harness.ghl.edit(here, address="Room 3")
    harness.ghl.move(second, harness.at(75))
    harness.ghl.edit(second, status="noshow", assignee=milo)
    _cycles(harness, variant)
    row, other = harness.ghl.get(here), harness.ghl.get(second)
    assert (row.title, row.status, row.description) == ("Renamed", "showed", "Both knees")
    assert (other.start, other.status, other.assignee) == (harness.at(75), "noshow", milo)
    shown = harness.hubspot.get(there).properties
    assert (shown["ghl_description"], shown["ghl_address"]) == ("Bring the scan", "Room 4")
    assert shown[status] == "NO_SHOW"

    # Each side loses one of two more.
    gone = [
        harness.ghl.book(
            harness.calendars["Team"], ann.ghl, harness.at(hours), assignee=dana, title="More"
        )
        for hours in (96, 98)
    ]
    _cycles(harness, variant)
    harness.ghl.delete(gone[0])
    harness.hubspot.archive(_record_of(harness, gone[1]))
    _cycles(harness, variant)
    assert harness.ghl.get(gone[1]).status == "cancelled"
    assert len(harness.hubspot.archived()) == 2
    assert len(harness.ghl.events()) == 3


def _cycles(harness: SyncHarness, variant: Variant) -> None:
    """A poll and a sweep; then both sides agree, and nothing is written any more."""
    for full in (False, True):
        harness.later(minutes=2)
        report = harness.sync(full=full)
        assert report.outcome is Outcome.OK, report
        assert report.held == [], report
        assert report.failed == [], report
    for full in (True, False):
        harness.later(minutes=2)
        harness.world.reset_requests()
        report = harness.sync(full=full)
        assert report.written == []
        assert harness.world.writes("ghl") == []
        assert harness.world.writes("hubspot") == []
    assert harness.world.notifications == []
    _agree(harness, variant)


def _agree(harness: SyncHarness, variant: Variant) -> None:
    for record in harness.hubspot.records():
        held = record.properties
        row = harness.ghl.get(held["ghl_appointment_id"])
        assert held["hs_appointment_name"] == row.title
        assert datetime.fromisoformat(held["hs_appointment_start"]) == row.start
        assert datetime.fromisoformat(held["hs_appointment_end"]) == row.end
        for name in ("description", "address"):
            if name != variant.unread:
                assert (held.get(f"ghl_{name}") or "") == (getattr(row, name) or "")


def _pairs(harness: SyncHarness) -> list[str]:
    return [
        each.properties["ghl_appointment_id"]
        for each in sorted(
            harness.hubspot.records(), key=lambda each: each.properties["hs_appointment_start"]
        )
    ]


def _event_of(harness: SyncHarness, record: str) -> str:
    return str(harness.hubspot.get(record).properties["ghl_appointment_id"])


def _record_of(harness: SyncHarness, event: str) -> str:
    (found,) = (
        each.id
        for each in harness.hubspot.records()
        if each.properties["ghl_appointment_id"] == event
    )
    return str(found)
