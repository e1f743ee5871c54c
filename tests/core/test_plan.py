"""The planner, told as human situations: one row is one story.

A row says what was agreed (`pair`), what each side shows now (`ghl`,
`hubspot`, each as edits to what was agreed), under which rules, and what
follows: the exact actions, with side, values and reason. Removals stand in
`test_plan_removals.py`, first meetings in `test_plan_meetings.py`, records
without a pair in `test_plan_newcomers.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from plan_cases import (
    ASK,
    BOTH_CHANGED,
    CHANGED_GHL,
    CHANGED_HUBSPOT,
    DICTIONARY,
    EARLIER,
    ELSEWHERE,
    GHL,
    GHL_LEADS,
    GONE,
    HUBSPOT,
    HUBSPOT_LEADS,
    LATER,
    MARKS,
    MOVED,
    NEWEST_GHL,
    NEWEST_HUBSPOT,
    NOW,
    TO_GHL,
    TO_HUBSPOT,
    TOMORROW,
    WORDS,
    PlanCase,
    agrees,
    archives,
    beats,
    both_ways,
    ghl,
    holds,
    hubspot,
    makes,
    on,
    pair,
    removed,
    rules,
    settles,
    span,
    unseen,
    writes,
)

from syncd.core.contacts import ContactBook, ToMake, Unresolved
from syncd.core.context import Evidence
from syncd.core.model import Contact, FieldError, Response
from syncd.core.policy import Direction, Notify, Override, Winner
from syncd.core.status import StatusTable

CHANGES = [
    PlanCase(told="nothing changed", follows=[]),
    PlanCase(
        told="title edited in HighLevel",
        ghl=ghl(title="Follow-up"),
        follows=[writes(HUBSPOT, title="Follow-up", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="title edited in HubSpot",
        hubspot=hubspot(title="Follow-up"),
        follows=[writes(GHL, title="Follow-up", why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="title emptied in HubSpot",
        hubspot=hubspot(title=""),
        follows=[writes(GHL, title="", why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="moved in HighLevel: start and end go together",
        ghl=ghl(**MOVED),
        follows=[writes(HUBSPOT, time=span(25, "9:00", "9:30"), why=CHANGED_GHL)],
    ),
    PlanCase(
        told="made longer in HubSpot: the start goes with the end",
        hubspot=hubspot(**on(24, "15:00", "16:00")),
        follows=[writes(GHL, time=span(24, "15:00", "16:00"), why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="moved in HubSpot to a start without an end: the length is kept",
        hubspot=hubspot(**on(25, "9:00")),
        follows=[writes(GHL, time=span(25, "9:00", "9:30"), why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="the end cleared in HubSpot: HighLevel's is what it would be anyway",
        hubspot=hubspot(**on(24, "15:00")),
        follows=[agrees(hubspot={"end": None})],
    ),
    PlanCase(
        told="moved out of the window in HubSpot: still written to the pair",
        hubspot=hubspot(
            start=datetime(2029, 1, 1, tzinfo=UTC), end=datetime(2029, 1, 1, 1, tzinfo=UTC)
        ),
        follows=[
            writes(
                GHL,
                time=(datetime(2029, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, 1, tzinfo=UTC)),
                why=CHANGED_HUBSPOT,
            )
        ],
    ),
    PlanCase(
        told="moved to another calendar in HighLevel: no removal, only where it stands",
        ghl=ghl(calendar="team"),
        follows=[agrees(calendar="team")],
    ),
    PlanCase(
        told="description and address edited in HighLevel: one write",
        ghl=ghl(description="Bring papers", address="1 Main St"),
        follows=[writes(HUBSPOT, description="Bring papers", address="1 Main St", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="title edited in HighLevel, moved in HubSpot: both survive",
        ghl=ghl(title="Follow-up"),
        hubspot=hubspot(**MOVED),
        follows=[
            writes(GHL, time=span(25, "9:00", "9:30"), why=CHANGED_HUBSPOT),
            writes(HUBSPOT, title="Follow-up", why=CHANGED_GHL),
        ],
    ),
    PlanCase(
        told="edited in HighLevel, cancelled in HubSpot: both survive",
        ghl=ghl(title="Follow-up"),
        hubspot=hubspot(status="CANCELLED"),
        follows=[
            writes(GHL, status="cancelled", why=CHANGED_HUBSPOT),
            writes(HUBSPOT, title="Follow-up", why=CHANGED_GHL),
        ],
    ),
    PlanCase(
        told="moved on both sides to the same time: nothing to write",
        ghl=ghl(**MOVED),
        hubspot=hubspot(**MOVED),
        follows=[agrees(ghl=MOVED, hubspot=MOVED)],
    ),
    PlanCase(
        told="moved, then moved back: what is agreed is the value, not the last write",
        pair=pair(ghl=MOVED, hubspot=MOVED),
        hubspot=hubspot(**TOMORROW),
        follows=[writes(GHL, time=span(24, "15:00", "15:30"), why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="the vendor had trimmed what we wrote: no edit",
        pair=pair(ghl={"title": "Check-up  with  x-ray"}, hubspot={"title": "Check-up with x-r"}),
        follows=[],
    ),
    PlanCase(
        told="the vendor had trimmed the title, and the other side is edited",
        pair=pair(ghl={"title": "A very long title"}, hubspot={"title": "A very lon"}),
        ghl=ghl(title="Short"),
        follows=[writes(HUBSPOT, title="Short", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="a mapped field edited in HubSpot",
        pair=pair(mapped_fields=(("room", "3"),)),
        hubspot=hubspot(mapped_fields=(("room", "4"),)),
        rules=rules(mapped_fields=("room",)),
        follows=[writes(GHL, x_room="4", why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="an empty mapped field is the same as one that is not there",
        hubspot=hubspot(mapped_fields=(("room", ""),)),
        rules=rules(mapped_fields=("room",)),
        follows=[],
    ),
    PlanCase(
        told="the HubSpot record lost its mark: it is marked again",
        hubspot=hubspot(external_id="", location_id=""),
        follows=[agrees(has_external_id=False), MARKS],
    ),
    PlanCase(
        told="the mark belongs to an archived record: not tried again",
        pair=pair(has_external_id=False, external_id_taken=True),
        hubspot=hubspot(external_id="", location_id=""),
        follows=[],
    ),
    PlanCase(
        told="a write lets automations run where the link says live",
        ghl=ghl(),
        hubspot=hubspot(title="Follow-up"),
        rules=rules(notify=Notify.LIVE),
        follows=[writes(GHL, title="Follow-up", why=CHANGED_HUBSPOT, notify=True)],
    ),
    PlanCase(
        told="live is not for a first sync",
        hubspot=hubspot(title="Follow-up"),
        rules=rules(notify=Notify.LIVE, first_sync=True),
        follows=[writes(GHL, title="Follow-up", why=CHANGED_HUBSPOT)],
    ),
]

CONFLICTS = [
    PlanCase(
        told="title edited on both sides, later in HubSpot",
        ghl=ghl(title="Left", updated_at=EARLIER),
        hubspot=hubspot(title="Right", updated_at=LATER),
        follows=[writes(GHL, title="Right", lost=True, why=NEWEST_HUBSPOT)],
    ),
    PlanCase(
        told="title edited on both sides, later in HighLevel",
        ghl=ghl(title="Left", updated_at=LATER),
        hubspot=hubspot(title="Right", updated_at=EARLIER),
        follows=[writes(HUBSPOT, title="Left", lost=True, why=NEWEST_GHL)],
    ),
    PlanCase(
        told="edited at the same instant: a tie goes to HighLevel",
        ghl=ghl(title="Left", updated_at=LATER),
        hubspot=hubspot(title="Right", updated_at=LATER),
        follows=[writes(HUBSPOT, title="Left", lost=True, why=NEWEST_GHL)],
    ),
    PlanCase(
        told="HubSpot's record is newer, but its title was edited before HighLevel's",
        ghl=ghl(title="Left", updated_at=LATER),
        hubspot=hubspot(title="Right", updated_at=NOW),
        evidence=Evidence(edited_at={(HUBSPOT, "501", "title"): EARLIER}),
        follows=[writes(HUBSPOT, title="Left", lost=True, why=NEWEST_GHL)],
    ),
    PlanCase(
        told="nobody tells when: HighLevel wins",
        ghl=ghl(title="Left"),
        hubspot=hubspot(title="Right"),
        follows=[writes(HUBSPOT, title="Left", lost=True, why=NEWEST_GHL)],
    ),
    PlanCase(
        told="only HubSpot tells when: its value is known to be fresh",
        ghl=ghl(title="Left"),
        hubspot=hubspot(title="Right", updated_at=EARLIER),
        follows=[writes(GHL, title="Right", lost=True, why=NEWEST_HUBSPOT)],
    ),
    PlanCase(
        told="edited on both sides where HighLevel leads",
        ghl=ghl(title="Left", updated_at=EARLIER),
        hubspot=hubspot(title="Right", updated_at=LATER),
        rules=GHL_LEADS,
        follows=[
            writes(HUBSPOT, title="Left", lost=True, why=BOTH_CHANGED.format("ghl", "HighLevel"))
        ],
    ),
    PlanCase(
        told="edited on both sides where HubSpot leads",
        ghl=ghl(title="Left", updated_at=LATER),
        hubspot=hubspot(title="Right", updated_at=EARLIER),
        rules=HUBSPOT_LEADS,
        follows=[
            writes(GHL, title="Right", lost=True, why=BOTH_CHANGED.format("hubspot", "HubSpot"))
        ],
    ),
    PlanCase(
        told="title edited on both sides where a person decides, moved in HighLevel",
        ghl=ghl(title="Left", **MOVED),
        hubspot=hubspot(title="Right"),
        rules=ASK,
        follows=[
            holds("conflict", "title"),
            writes(HUBSPOT, time=span(25, "9:00", "9:30"), why=CHANGED_GHL),
        ],
    ),
    PlanCase(
        told="a person chose HubSpot for a held conflict",
        ghl=ghl(title="Left"),
        hubspot=hubspot(title="Right"),
        rules=rules(
            conflict=both_ways(Winner.HOLD), overrides={"g1": Override(keep={"title": HUBSPOT})}
        ),
        follows=[
            writes(
                GHL,
                title="Right",
                lost=True,
                why="changed on both sides; a person chose: HubSpot wins",
            )
        ],
    ),
    PlanCase(
        told="a held conflict, and HubSpot is set to HighLevel's value: it is over",
        ghl=ghl(title="Left"),
        hubspot=hubspot(title="Left"),
        rules=ASK,
        follows=[agrees(ghl={"title": "Left"}, hubspot={"title": "Left"})],
    ),
    PlanCase(
        told="a held conflict, and HighLevel's edit is taken back: HubSpot's goes through",
        hubspot=hubspot(title="Right"),
        rules=ASK,
        follows=[writes(GHL, title="Right", why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="each group has its own rule",
        ghl=ghl(title="Left", **MOVED),
        hubspot=hubspot(title="Right", **ELSEWHERE),
        rules=rules(conflict={"time": Winner.GHL, "title": Winner.HUBSPOT}),
        follows=[
            writes(GHL, title="Right", lost=True, why=BOTH_CHANGED.format("hubspot", "HubSpot")),
            writes(
                HUBSPOT,
                time=span(25, "9:00", "9:30"),
                lost=True,
                why=BOTH_CHANGED.format("ghl", "HighLevel"),
            ),
        ],
    ),
    PlanCase(
        told="start moved in HighLevel, end moved in HubSpot: one field, never mixed",
        ghl=ghl(**on(24, "14:00", "15:30")),
        hubspot=hubspot(**on(24, "15:00", "17:00")),
        rules=GHL_LEADS,
        follows=[
            writes(
                HUBSPOT,
                time=span(24, "14:00", "15:30"),
                lost=True,
                why=BOTH_CHANGED.format("ghl", "HighLevel"),
            )
        ],
    ),
    PlanCase(
        told="we wrote it three times within the hour and it was changed back: held",
        ghl=ghl(title="Left", description="New"),
        evidence=Evidence(fought={(1, HUBSPOT, "title"): 3}),
        follows=[
            holds("oscillation", "title"),
            writes(HUBSPOT, description="New", why=CHANGED_GHL),
        ],
    ),
    PlanCase(
        told="a person ruled that the record is left alone",
        ghl=ghl(title="Left"),
        hubspot=hubspot(**GONE),
        rules=rules(overrides={"501": Override(ignore=True)}),
        follows=[],
    ),
]

DIRECTIONS = [
    PlanCase(
        told="title flows to HubSpot only, edited in HubSpot: it stays there",
        hubspot=hubspot(title="Mine"),
        rules=rules(fields={"title": Direction.GHL_TO_HUBSPOT}),
        follows=[agrees(hubspot={"title": "Mine"})],
    ),
    PlanCase(
        told="… until HighLevel changes it",
        pair=pair(hubspot={"title": "Mine"}),
        ghl=ghl(title="Theirs"),
        rules=rules(fields={"title": Direction.GHL_TO_HUBSPOT}),
        follows=[writes(HUBSPOT, title="Theirs", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="edited on both sides of a one-way field: the sending side, and no conflict",
        ghl=ghl(title="Theirs"),
        hubspot=hubspot(title="Mine"),
        rules=rules(fields={"title": Direction.GHL_TO_HUBSPOT}, conflict={"title": Winner.HOLD}),
        follows=[
            writes(
                HUBSPOT,
                title="Theirs",
                why="changed on both sides; it flows to HubSpot only",
            )
        ],
    ),
    PlanCase(
        told="description is off: edited on both sides, nothing is written",
        ghl=ghl(description="A"),
        hubspot=hubspot(description="B"),
        rules=rules(fields={"description": Direction.OFF}),
        follows=[agrees(ghl={"description": "A"}, hubspot={"description": "B"})],
    ),
    PlanCase(
        told="the link flows to HubSpot only: an edit in HubSpot stays",
        hubspot=hubspot(title="Mine"),
        rules=TO_HUBSPOT,
        follows=[agrees(hubspot={"title": "Mine"})],
    ),
    PlanCase(
        told="the link flows to HighLevel only, and HubSpot's record lost its mark: it is marked",
        hubspot=hubspot(external_id=""),
        rules=TO_GHL,
        follows=[agrees(has_external_id=False), MARKS],
    ),
    PlanCase(
        told="the link flows to HubSpot only: archived in HubSpot removes nothing",
        hubspot=hubspot(**GONE),
        rules=TO_HUBSPOT,
        follows=[settles(HUBSPOT)],
    ),
    PlanCase(
        told="the link flows to HubSpot only: archived there, edited in HighLevel: made again",
        ghl=ghl(title="Follow-up"),
        hubspot=hubspot(**GONE),
        rules=TO_HUBSPOT,
        follows=[makes(HUBSPOT, title="Follow-up", why=beats("title", GHL))],
    ),
    PlanCase(
        told="the link flows to HubSpot only: deleted in HighLevel, archived in HubSpot",
        ghl=ghl(**GONE),
        rules=TO_HUBSPOT,
        follows=[archives()],
    ),
    PlanCase(
        told="the link flows to HubSpot only: what we archived is restored there, and stays",
        pair=pair(**removed(GHL, HUBSPOT, did=Response.REMOVED)),
        ghl=ghl(**GONE),
        rules=TO_HUBSPOT,
        follows=[settles(GHL)],
    ),
    PlanCase(
        told="the link flows to HighLevel only, the contact changed in HighLevel: left alone",
        ghl=ghl(contact="bob"),
        rules=TO_GHL,
        follows=[agrees(ghl={"contact": "bob"})],
    ),
    PlanCase(
        told="the link flows to HubSpot only, another contact in HubSpot: stays",
        hubspot=hubspot(contact="52"),
        rules=TO_HUBSPOT,
        follows=[],
    ),
]

STATUS = [
    PlanCase(
        told="showed in HighLevel",
        ghl=ghl(status="showed"),
        follows=[writes(HUBSPOT, status="COMPLETED", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="no show in HubSpot",
        hubspot=hubspot(status="NO_SHOW"),
        follows=[writes(GHL, status="noshow", why=CHANGED_HUBSPOT)],
    ),
    PlanCase(
        told="new becomes confirmed in HighLevel: HubSpot's word stands for both",
        pair=pair("new"),
        ghl=ghl(status="confirmed"),
        follows=[agrees(ghl={"status": "confirmed"})],
    ),
    PlanCase(
        told="HubSpot's SCHEDULED never turns new into confirmed",
        pair=pair("new", hubspot={"status": "COMPLETED"}),
        hubspot=hubspot(status="SCHEDULED"),
        follows=[agrees(hubspot={"status": "SCHEDULED"})],
    ),
    PlanCase(
        told="two words of a table of the user's own: confirmed is written as its own word",
        pair=pair("new"),
        ghl=ghl(status="confirmed"),
        words=replace(
            DICTIONARY,
            statuses=StatusTable(
                to_hubspot={**WORDS, "confirmed": "CONFIRMED"},
                to_ghl={"SCHEDULED": "confirmed", "CONFIRMED": "confirmed"},
            ),
        ),
        follows=[writes(HUBSPOT, status="CONFIRMED", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="a HubSpot value in neither table: held, the title goes on",
        hubspot=hubspot(status="RESCHEDULED", title="Follow-up"),
        follows=[
            holds("unknown_status", "status"),
            writes(GHL, title="Follow-up", why=CHANGED_HUBSPOT),
        ],
    ),
    PlanCase(
        told="a HighLevel value in neither table: held",
        ghl=ghl(status="rescheduled"),
        follows=[holds("unknown_status", "status")],
    ),
    PlanCase(
        told="unknown in HubSpot, then showed in HighLevel where HighLevel leads: it wins",
        ghl=ghl(status="showed"),
        hubspot=hubspot(status="RESCHEDULED"),
        rules=GHL_LEADS,
        follows=[
            writes(
                HUBSPOT,
                status="COMPLETED",
                lost=True,
                why=BOTH_CHANGED.format("ghl", "HighLevel"),
            )
        ],
    ),
    PlanCase(
        told="unknown in HubSpot, then showed in HighLevel where HubSpot leads: still held",
        ghl=ghl(status="showed"),
        hubspot=hubspot(status="RESCHEDULED"),
        rules=HUBSPOT_LEADS,
        follows=[holds("unknown_status", "status")],
    ),
    PlanCase(
        told="status emptied in HubSpot: it takes HighLevel's again",
        hubspot=hubspot(status=""),
        follows=[writes(HUBSPOT, status="SCHEDULED", why="empty in HubSpot, which says nothing")],
    ),
    PlanCase(
        told="status emptied in HubSpot, showed in HighLevel: no conflict",
        ghl=ghl(status="showed"),
        hubspot=hubspot(status=""),
        rules=ASK,
        follows=[writes(HUBSPOT, status="COMPLETED", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="cancelled on both sides",
        ghl=ghl(status="cancelled"),
        hubspot=hubspot(status="CANCELLED"),
        follows=[agrees(ghl={"status": "cancelled"}, hubspot={"status": "CANCELLED"})],
    ),
    PlanCase(
        told="invalid in HighLevel, cancelled in HubSpot: the same word",
        ghl=ghl(status="invalid"),
        hubspot=hubspot(status="CANCELLED"),
        follows=[agrees(ghl={"status": "invalid"}, hubspot={"status": "CANCELLED"})],
    ),
]

OWNERS_AND_CONTACTS = [
    PlanCase(
        told="assigned in HighLevel to a user who is a HubSpot owner",
        ghl=ghl(owner="u2"),
        follows=[writes(HUBSPOT, owner="72", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="assigned in HighLevel to a user whom HubSpot does not know: left alone",
        pair=pair(ghl={"owner": "u1"}, hubspot={"owner": "71"}),
        ghl=ghl(owner="stranger"),
        follows=[agrees(ghl={"owner": "stranger"})],
    ),
    PlanCase(
        told="the same where syncd had written the owner: it is cleared",
        pair=pair(ghl={"owner": "u1"}, hubspot={"owner": "71"}, owner_by_us=HUBSPOT),
        ghl=ghl(owner="stranger"),
        follows=[writes(HUBSPOT, owner="", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="the same where a person has changed HubSpot's owner since: left alone",
        pair=pair(ghl={"owner": "u1"}, hubspot={"owner": "71"}, owner_by_us=HUBSPOT),
        ghl=ghl(owner="stranger"),
        hubspot=hubspot(owner="72"),
        rules=GHL_LEADS,
        follows=[
            agrees(ghl={"owner": "stranger"}, hubspot={"owner": "72"}, owner_by_us=None),
        ],
    ),
    PlanCase(
        told="unassigned in HighLevel: HubSpot's owner is cleared",
        pair=pair(ghl={"owner": "u1"}, hubspot={"owner": "71"}),
        ghl=ghl(owner=""),
        follows=[writes(HUBSPOT, owner="", why=CHANGED_GHL)],
    ),
    PlanCase(
        told="HubSpot's owner is cleared: a booking keeps its assignee",
        pair=pair(ghl={"owner": "u1"}, hubspot={"owner": "71"}),
        hubspot=hubspot(owner=""),
        follows=[agrees(hubspot={"owner": ""})],
    ),
    PlanCase(
        told="HubSpot's owner is no HighLevel user: left alone",
        hubspot=hubspot(owner="unknown"),
        follows=[agrees(hubspot={"owner": "unknown"})],
    ),
    PlanCase(
        told="HubSpot's owner is outside the calendar's team: only the owner is held",
        ghl=ghl(calendar="team"),
        pair=pair(),
        hubspot=hubspot(owner="79", title="Follow-up"),
        follows=[
            holds("outside_team", "owner"),
            agrees(calendar="team"),
            writes(GHL, title="Follow-up", why=CHANGED_HUBSPOT),
        ],
    ),
    PlanCase(
        told="another contact in HighLevel: HubSpot's association is replaced",
        ghl=ghl(contact="bob"),
        follows=[writes(HUBSPOT, contact="52", why="the contact changed in HighLevel")],
    ),
    PlanCase(
        told="another contact in HighLevel whom nobody knows across: held",
        ghl=ghl(contact="carl"),
        follows=[holds("no_contact", "contact")],
    ),
    PlanCase(
        told="another contact in HighLevel who is ambiguous across: held",
        ghl=ghl(contact="carl"),
        book=ContactBook(from_ghl={"carl": Unresolved(reason="ambiguous_contact", detail="two")}),
        follows=[holds("ambiguous_contact", "contact")],
    ),
    PlanCase(
        told="another contact in HighLevel who has to be made across",
        ghl=ghl(contact="carl"),
        book=ContactBook(from_ghl={"carl": ToMake(contact=Contact(first_name="Carl"))}),
        follows=[writes(HUBSPOT, contact="new", why="the contact changed in HighLevel")],
    ),
    PlanCase(
        told="another contact in HighLevel, and HubSpot has that one already",
        ghl=ghl(contact="bob"),
        hubspot=hubspot(contact="52"),
        follows=[agrees(ghl={"contact": "bob"}, hubspot={"contact": "52"})],
    ),
    PlanCase(
        told="HighLevel merged two contacts that are one person in HubSpot",
        ghl=ghl(contact="annie"),
        words=replace(DICTIONARY, contacts={"annie": "51"}),
        follows=[agrees(ghl={"contact": "annie"})],
    ),
    PlanCase(
        told="another contact in HubSpot: HighLevel cannot change it",
        hubspot=hubspot(contact="52", title="Follow-up"),
        follows=[
            holds("contact_changed", "contact"),
            writes(GHL, title="Follow-up", why=CHANGED_HUBSPOT),
        ],
    ),
    PlanCase(
        told="a contact added beside it in HubSpot changes nothing",
        hubspot=hubspot(contact="", contacts=("52", "51")),
        follows=[],
    ),
    PlanCase(
        told="the contact was merged in HubSpot: the same person under another id",
        hubspot=hubspot(contact="60"),
        words=replace(DICTIONARY, merged={"51": "60"}),
        follows=[agrees(hubspot={"contact": "60"})],
    ),
    PlanCase(
        told="the HubSpot record lost its contact: no removal, nothing to do",
        hubspot=hubspot(contact=""),
        follows=[],
    ),
    PlanCase(
        told="the HighLevel record shows no contact: nothing to do",
        ghl=ghl(contact=""),
        follows=[],
    ),
]

FLAWS = [
    PlanCase(
        told="an end before the start in HubSpot: the times are not written, the title is",
        hubspot=hubspot(title="Follow-up", **on(24, "15:00", "14:00")),
        follows=[
            holds("missing_time", "time"),
            writes(GHL, title="Follow-up", why=CHANGED_HUBSPOT),
        ],
    ),
    PlanCase(
        told="an end before the start in HighLevel",
        ghl=ghl(**on(24, "15:00", "14:00")),
        follows=[holds("missing_time", "time")],
    ),
    PlanCase(
        told="the start is gone from the HubSpot record: held, never cleared in HighLevel",
        hubspot=hubspot(
            start=None,
            end=None,
            field_errors=(FieldError(group="time", reason="missing_time", detail="none"),),
        ),
        follows=[holds("missing_time", "time")],
    ),
    PlanCase(
        told="HubSpot's times cannot be read, and the booking was moved: nothing overwritten",
        ghl=ghl(**MOVED),
        hubspot=hubspot(
            start=None,
            end=None,
            field_errors=(FieldError(group="time", reason="unreadable", detail="'soon'"),),
        ),
        follows=[holds("unreadable", "time")],
    ),
    PlanCase(
        told="HighLevel does not show the record: held, nothing is touched",
        ghl=unseen("it answers 404"),
        hubspot=hubspot(title="Follow-up"),
        follows=[holds("unreadable")],
    ),
    PlanCase(
        told="HubSpot does not show the record, deleted in HighLevel: held all the same",
        ghl=ghl(**GONE),
        hubspot=unseen(),
        follows=[holds("unreadable")],
    ),
    PlanCase(
        told="archived long ago, and HubSpot has forgotten it by now: as it was settled",
        pair=pair("cancelled", **removed(HUBSPOT, did=Response.AGREED)),
        hubspot=unseen(),
        follows=[],
    ),
    PlanCase(
        told="archived long ago and forgotten, and the survivor leaves cancelled: not guessed",
        pair=pair("cancelled", **removed(HUBSPOT, did=Response.AGREED)),
        ghl=ghl(status="confirmed"),
        hubspot=unseen(),
        follows=[holds("unreadable")],
    ),
]

STORIES = [*CHANGES, *CONFLICTS, *DIRECTIONS, *STATUS, *OWNERS_AND_CONTACTS, *FLAWS]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.told)
def test_what_follows_from_a_pair(story: PlanCase) -> None:
    assert story.judged() == story.follows


def test_every_story_has_a_name_of_its_own() -> None:
    assert len({story.told for story in STORIES}) == len(STORIES) >= 70
