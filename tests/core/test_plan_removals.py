"""Removed on one side, on both, and restored: what follows, one story a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from plan_cases import (
    ASK,
    CHANGED_GHL,
    CHANGED_HUBSPOT,
    DICTIONARY,
    GHL,
    GONE,
    HUBSPOT,
    MOVED,
    NOW,
    YESTERDAY,
    PlanCase,
    agrees,
    archives,
    beats,
    cancels,
    deletes,
    ghl,
    holds,
    hubspot,
    makes,
    pair,
    removed,
    restores,
    rules,
    settles,
    writes,
)

from syncd.core.contacts import ContactBook, ToMake
from syncd.core.model import Contact, Response
from syncd.core.policy import Direction, Notify, OnRemoval, Winner
from syncd.core.status import StatusTable

REMOVALS = [
    PlanCase(told="deleted in HighLevel", ghl=ghl(**GONE), follows=[archives()]),
    PlanCase(
        told="deleted in HighLevel where that cancels",
        ghl=ghl(**GONE),
        rules=rules(ghl_deleted=OnRemoval.CANCEL),
        follows=[cancels(HUBSPOT, "CANCELLED")],
    ),
    PlanCase(
        told="deleted in HighLevel where that is ignored",
        ghl=ghl(**GONE),
        rules=rules(ghl_deleted=OnRemoval.IGNORE),
        follows=[settles(GHL)],
    ),
    PlanCase(
        told="deleted in HighLevel where that cancels, and the account has no such word",
        ghl=ghl(**GONE),
        rules=rules(ghl_deleted=OnRemoval.CANCEL),
        words=replace(DICTIONARY, statuses=StatusTable(to_hubspot={}, to_ghl={})),
        follows=[holds("unknown_status", "status")],
    ),
    PlanCase(
        told="archived in HubSpot",
        hubspot=hubspot(**GONE),
        rules=rules(notify=Notify.ALWAYS),
        follows=[cancels(GHL, "cancelled", notify=True)],
    ),
    PlanCase(
        told="archived in HubSpot where that deletes",
        hubspot=hubspot(**GONE),
        rules=rules(hubspot_archived=OnRemoval.DELETE),
        follows=[deletes()],
    ),
    PlanCase(
        told="archived in HubSpot where that is ignored",
        hubspot=hubspot(**GONE),
        rules=rules(hubspot_archived=OnRemoval.IGNORE),
        follows=[settles(HUBSPOT)],
    ),
    PlanCase(
        told="archived in HubSpot after it had started: the booking stands",
        pair=pair(**YESTERDAY),
        hubspot=hubspot(**GONE),
        follows=[settles(HUBSPOT)],
    ),
    PlanCase(
        told="archived in HubSpot after it had started, where that deletes: the booking stands",
        pair=pair(**YESTERDAY),
        hubspot=hubspot(**GONE),
        rules=rules(hubspot_archived=OnRemoval.DELETE),
        follows=[settles(HUBSPOT)],
    ),
    PlanCase(
        told="archived in HubSpot at the very start: it has started",
        pair=pair(start=NOW, end=NOW + timedelta(minutes=30)),
        hubspot=hubspot(**GONE),
        follows=[settles(HUBSPOT)],
    ),
    PlanCase(
        told="deleted in HighLevel after it had started: archived all the same",
        pair=pair(**YESTERDAY),
        ghl=ghl(**GONE),
        follows=[archives()],
    ),
    PlanCase(
        told="archived in HubSpot when it was marked no show early",
        pair=pair("noshow"),
        hubspot=hubspot(**GONE),
        follows=[settles(HUBSPOT)],
    ),
    PlanCase(
        told="deleted in HighLevel where that cancels, when HubSpot says completed",
        pair=pair("showed"),
        ghl=ghl(**GONE),
        rules=rules(ghl_deleted=OnRemoval.CANCEL),
        follows=[settles(GHL)],
    ),
    PlanCase(
        told="archived in HubSpot, seen again in the next cycle: settled is settled",
        pair=pair(**YESTERDAY, **removed(HUBSPOT)),
        hubspot=hubspot(**GONE),
        follows=[],
    ),
    PlanCase(
        told="removed on both sides",
        ghl=ghl(**GONE),
        hubspot=hubspot(**GONE),
        follows=[settles(GHL, HUBSPOT)],
    ),
    PlanCase(
        told="removed on both sides, seen again",
        pair=pair(**removed(GHL, HUBSPOT, did=Response.REMOVED)),
        ghl=ghl(**GONE),
        hubspot=hubspot(**GONE),
        follows=[],
    ),
    PlanCase(
        told="deleted in HighLevel, title edited in HubSpot: the edit beats it",
        ghl=ghl(**GONE),
        hubspot=hubspot(title="Follow-up"),
        follows=[
            makes(GHL, title="Follow-up", why=beats("title", HUBSPOT), calendar="cal", checked=True)
        ],
    ),
    PlanCase(
        told="archived in HubSpot, moved in HighLevel: the edit beats it",
        ghl=ghl(**MOVED),
        hubspot=hubspot(**GONE),
        follows=[makes(HUBSPOT, **MOVED, why=beats("time", GHL))],
    ),
    PlanCase(
        told="deleted in HighLevel, edited in HubSpot, where deletions are ignored: made again",
        ghl=ghl(**GONE),
        hubspot=hubspot(title="Follow-up"),
        rules=rules(ghl_deleted=OnRemoval.IGNORE),
        follows=[
            makes(GHL, title="Follow-up", why=beats("title", HUBSPOT), calendar="cal", checked=True)
        ],
    ),
    PlanCase(
        told="archived in HubSpot, the contact changed in HighLevel: an edit as well",
        ghl=ghl(contact="bob"),
        hubspot=hubspot(**GONE),
        follows=[makes(HUBSPOT, for_="52", why=beats("contact", GHL))],
    ),
    PlanCase(
        told="archived in HubSpot, HighLevel merged the contact: no edit",
        ghl=ghl(contact="annie"),
        hubspot=hubspot(**GONE),
        words=replace(DICTIONARY, contacts={"annie": "51"}),
        follows=[cancels(GHL, "cancelled")],
    ),
    PlanCase(
        told="deleted in HighLevel, status emptied in HubSpot: says nothing, so no edit",
        ghl=ghl(**GONE),
        hubspot=hubspot(status=""),
        follows=[archives()],
    ),
    PlanCase(
        told="deleted in HighLevel, edited in HubSpot in a field that flows there only: no edit",
        ghl=ghl(**GONE),
        hubspot=hubspot(title="Mine"),
        rules=rules(fields={"title": Direction.GHL_TO_HUBSPOT}),
        follows=[archives()],
    ),
    PlanCase(
        told="deleted in HighLevel while a held conflict waits: HubSpot's edit beats it",
        ghl=ghl(title="Left", **GONE),
        hubspot=hubspot(title="Right"),
        rules=ASK,
        follows=[
            makes(GHL, title="Right", why=beats("title", HUBSPOT), calendar="cal", checked=True)
        ],
    ),
    PlanCase(
        told="deleted in HighLevel while a first meeting waits, untouched: the rule",
        pair=pair(hubspot={"title": "Other"}, open=frozenset({"title"})),
        ghl=ghl(**GONE),
        follows=[archives()],
    ),
    PlanCase(
        told="deleted in HighLevel while a first meeting waits, edited in HubSpot: the edit",
        pair=pair(hubspot={"title": "Other"}, open=frozenset({"title"})),
        ghl=ghl(**GONE),
        hubspot=hubspot(title="Third"),
        follows=[
            makes(GHL, title="Third", why=beats("title", HUBSPOT), calendar="cal", checked=True)
        ],
    ),
    PlanCase(
        told="deleted in HighLevel, HubSpot's status unknown: kept, and held whole",
        ghl=ghl(**GONE),
        hubspot=hubspot(status="RESCHEDULED"),
        follows=[holds("unknown_status")],
    ),
    PlanCase(
        told="cancelled in HighLevel, archived in HubSpot: they agree",
        ghl=ghl(status="cancelled"),
        hubspot=hubspot(**GONE),
        follows=[settles(HUBSPOT, did=Response.AGREED, still="cancelled")],
    ),
    PlanCase(
        told="cancelled in HubSpot, deleted in HighLevel: they agree, nothing is archived",
        ghl=ghl(**GONE),
        hubspot=hubspot(status="CANCELLED"),
        follows=[settles(GHL, did=Response.AGREED, still="CANCELLED")],
    ),
    PlanCase(
        told="a pair that is cancelled on both sides, and HighLevel's is deleted",
        pair=pair("cancelled"),
        ghl=ghl(**GONE),
        follows=[settles(GHL, did=Response.AGREED, still="CANCELLED")],
    ),
    PlanCase(
        told="cancelled and removed: an edit of the title makes nothing again",
        pair=pair("cancelled", **removed(HUBSPOT, did=Response.AGREED)),
        ghl=ghl(title="Follow-up"),
        hubspot=hubspot(**GONE),
        follows=[],
    ),
    PlanCase(
        told="cancelled and removed: the survivor leaves cancelled, and is made again",
        pair=pair("cancelled", **removed(HUBSPOT, did=Response.AGREED)),
        ghl=ghl(status="confirmed"),
        hubspot=hubspot(**GONE),
        follows=[makes(HUBSPOT, why=beats("status", GHL))],
    ),
    PlanCase(
        told="cancelled by its person before the removal, then taken back to what was agreed",
        pair=pair("confirmed", **removed(HUBSPOT, did=Response.AGREED)),
        hubspot=hubspot(**GONE),
        follows=[makes(HUBSPOT, why=beats("status", GHL))],
    ),
    PlanCase(
        told="cancelled by us for a removal, then confirmed by a person: made again",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(HUBSPOT, did=Response.CANCELLED, before="confirmed"),
        ),
        ghl=ghl(status="confirmed"),
        hubspot=hubspot(**GONE),
        follows=[makes(HUBSPOT, why=beats("status", GHL))],
    ),
    PlanCase(
        told="cancelled by us for a deletion, then emptied by a person: says nothing",
        pair=pair(
            hubspot={"status": "CANCELLED"},
            **removed(GHL, did=Response.CANCELLED, before="SCHEDULED"),
        ),
        ghl=ghl(**GONE),
        hubspot=hubspot(status=""),
        follows=[],
    ),
    PlanCase(
        told="left standing when it was archived, and edited later: stays on its own",
        pair=pair(**YESTERDAY, **removed(HUBSPOT)),
        ghl=ghl(status="showed"),
        hubspot=hubspot(**GONE),
        follows=[],
    ),
    PlanCase(
        told="the survivor of a settled removal is removed too",
        pair=pair(**YESTERDAY, **removed(HUBSPOT)),
        ghl=ghl(**GONE),
        hubspot=hubspot(**GONE),
        follows=[settles(GHL, HUBSPOT)],
    ),
    PlanCase(
        told="made again in HighLevel on the default calendar, as the old one was shut",
        pair=replace(pair(), calendar="shut"),
        ghl=ghl(**GONE),
        hubspot=hubspot(title="Follow-up"),
        rules=rules(default_calendar="cal"),
        follows=[
            makes(GHL, title="Follow-up", why=beats("title", HUBSPOT), calendar="cal", checked=True)
        ],
    ),
    PlanCase(
        told="made again in HighLevel for the contact that HubSpot shows now",
        ghl=ghl(**GONE),
        hubspot=hubspot(title="Follow-up", contact="52"),
        follows=[
            makes(
                GHL,
                title="Follow-up",
                why=beats("title", HUBSPOT),
                calendar="cal",
                checked=True,
                for_="bob",
            )
        ],
    ),
    PlanCase(
        told="made again in HighLevel, and HubSpot's contact is now somebody unknown: held",
        ghl=ghl(**GONE),
        hubspot=hubspot(title="Follow-up", contact="99"),
        follows=[holds("contact_changed")],
    ),
    PlanCase(
        told="made again in HubSpot, and HighLevel's contact now has to be made there",
        ghl=ghl(contact="carl"),
        hubspot=hubspot(**GONE),
        book=ContactBook(from_ghl={"carl": ToMake(contact=Contact(first_name="Carl"))}),
        follows=[makes(HUBSPOT, for_="new", why=beats("contact", GHL))],
    ),
    PlanCase(
        told="made again in HubSpot, and HighLevel's contact is now somebody unknown: held",
        ghl=ghl(title="Follow-up", contact="carl"),
        hubspot=hubspot(**GONE),
        follows=[holds("no_contact")],
    ),
]

RESTORES = [
    PlanCase(
        told="restored in HubSpot after we cancelled: the cancellation is taken back",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(HUBSPOT, did=Response.CANCELLED, before="new"),
        ),
        follows=[restores(GHL, status="new", why="restored in HubSpot")],
    ),
    PlanCase(
        told="restored in HubSpot with its status emptied after we cancelled: taken back on both",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(HUBSPOT, did=Response.CANCELLED, before="showed"),
        ),
        hubspot=hubspot(status=""),
        follows=[
            restores(GHL, status="showed", why="restored in HubSpot"),
            writes(HUBSPOT, status="COMPLETED", why="restored in HubSpot"),
        ],
    ),
    PlanCase(
        told="the same where statuses flow to HighLevel only: HubSpot's stays empty",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(HUBSPOT, did=Response.CANCELLED, before="showed"),
        ),
        hubspot=hubspot(status=""),
        rules=rules(fields={"status": Direction.HUBSPOT_TO_GHL}),
        follows=[restores(GHL, status="showed", why="restored in HubSpot")],
    ),
    PlanCase(
        told="calendar restored in HighLevel after we cancelled in HubSpot",
        pair=pair(
            "confirmed",
            hubspot={"status": "CANCELLED"},
            **removed(GHL, did=Response.CANCELLED, before="SCHEDULED"),
        ),
        follows=[restores(HUBSPOT, status="SCHEDULED", why="restored in HighLevel")],
    ),
    PlanCase(
        told="calendar restored in HighLevel after we archived: HubSpot's record is made anew",
        pair=pair(**removed(GHL, HUBSPOT, did=Response.REMOVED)),
        hubspot=hubspot(**GONE),
        follows=[makes(HUBSPOT, why="restored in HighLevel")],
    ),
    PlanCase(
        told="restored in HubSpot after we archived it for a deletion: booked anew",
        pair=pair(**removed(GHL, HUBSPOT, did=Response.REMOVED)),
        ghl=ghl(**GONE),
        follows=[makes(GHL, why="restored in HubSpot", calendar="cal", checked=True)],
    ),
    PlanCase(
        told="restored as cancelled after we archived: made anew all the same",
        pair=pair(**removed(GHL, HUBSPOT, did=Response.REMOVED)),
        ghl=ghl(status="cancelled"),
        hubspot=hubspot(**GONE),
        follows=[makes(HUBSPOT, status="CANCELLED", why="restored in HighLevel")],
    ),
    PlanCase(
        told="cancelled, removed on both sides by people, one restored: still cancelled",
        pair=pair("cancelled", **removed(GHL, HUBSPOT, did=Response.AGREED)),
        hubspot=hubspot(**GONE),
        follows=[settles(HUBSPOT, did=Response.AGREED, still="cancelled")],
    ),
    PlanCase(
        told="we cancelled, then both were removed, then ours came back: still to be taken back",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(GHL, HUBSPOT, did=Response.CANCELLED, before="confirmed"),
        ),
        hubspot=hubspot(**GONE),
        follows=[settles(HUBSPOT, did=Response.CANCELLED, before="confirmed")],
    ),
    PlanCase(
        told="restored in HighLevel after we cancelled a record without a status",
        pair=pair(
            hubspot={"status": "CANCELLED"},
            **removed(GHL, did=Response.CANCELLED, before=""),
        ),
        follows=[restores(HUBSPOT, status="SCHEDULED", why="restored in HighLevel")],
    ),
    PlanCase(
        told="we cancelled, then both were removed, then both restored at once",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(GHL, HUBSPOT, did=Response.CANCELLED, before="confirmed"),
        ),
        follows=[restores(GHL, status="confirmed", why="restored in HubSpot")],
    ),
    PlanCase(
        told="restored in HubSpot, and a person had set showed in HighLevel: an edit",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(HUBSPOT, did=Response.CANCELLED, before="confirmed"),
        ),
        ghl=ghl(status="showed"),
        follows=[
            agrees(removal=None),
            writes(HUBSPOT, status="COMPLETED", why=CHANGED_GHL),
        ],
    ),
    PlanCase(
        told="restored in HubSpot as no show: an edit",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(HUBSPOT, did=Response.CANCELLED, before="confirmed"),
        ),
        hubspot=hubspot(status="NO_SHOW"),
        follows=[agrees(removal=None), writes(GHL, status="noshow", why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="restored in HubSpot with another title: both are taken up",
        pair=pair(
            "cancelled",
            hubspot={"status": "SCHEDULED"},
            **removed(HUBSPOT, did=Response.CANCELLED, before="confirmed"),
        ),
        hubspot=hubspot(title="Follow-up"),
        follows=[
            (
                "restore",
                GHL,
                {"title": "Follow-up", "status": "confirmed"},
                False,
                "changed in HubSpot; restored in HubSpot",
                False,
            )
        ],
    ),
    PlanCase(
        told="cancelled by a person, archived in HubSpot, restored there: the cancellation goes on",
        pair=pair("confirmed", **removed(HUBSPOT, did=Response.AGREED)),
        ghl=ghl(status="cancelled"),
        follows=[
            agrees(removal=None),
            writes(HUBSPOT, status="CANCELLED", why=CHANGED_GHL),
        ],
    ),
    PlanCase(
        told="edited in HubSpot while HighLevel's was gone and ignored, then restored: the edit",
        pair=pair(**removed(GHL)),
        hubspot=hubspot(title="Follow-up"),
        follows=[agrees(removal=None), writes(GHL, title="Follow-up", why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="restored where nothing had been done for the removal",
        pair=pair(**removed(HUBSPOT)),
        follows=[agrees(removal=None)],
    ),
    PlanCase(
        told="both restored at once",
        pair=pair(**removed(GHL, HUBSPOT)),
        ghl=ghl(title="Follow-up"),
        follows=[agrees(removal=None), writes(HUBSPOT, title="Follow-up", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="archived while a first meeting waits, and left alone: it is still open",
        pair=pair(hubspot={"title": "Other"}, open=frozenset({"title"})),
        hubspot=hubspot(**GONE),
        rules=rules(hubspot_archived=OnRemoval.IGNORE),
        follows=[settles(HUBSPOT)],
    ),
    PlanCase(
        told="restored while a first meeting had waited: it waits again",
        pair=pair(hubspot={"title": "Other"}, open=frozenset({"title"}), **removed(HUBSPOT)),
        rules=rules(first_meeting=Winner.HOLD),
        follows=[holds("conflict", "title"), agrees(removal=None)],
    ),
]

STORIES = [*REMOVALS, *RESTORES]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.told)
def test_what_follows_from_a_removal(story: PlanCase) -> None:
    assert story.judged() == story.follows


def test_every_story_has_a_name_of_its_own() -> None:
    assert len({story.told for story in STORIES}) == len(STORIES) >= 50
