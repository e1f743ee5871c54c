"""Two records meet for the first time: what becomes of each field, one story a row.

How they find each other is another matter: `test_meet.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from plan_cases import (
    BOTH_CHANGED,
    GHL,
    GONE,
    HUBSPOT,
    MARKS,
    PlanCase,
    agrees,
    both_ways,
    ghl,
    holds,
    hubspot,
    pair,
    removed,
    rules,
    settles,
    span,
    writes,
)

from syncd.core.model import Pair, Response
from syncd.core.policy import Direction, Override, Winner

ALL_GROUPS = frozenset({"title", "time", "status", "description", "address", "owner"})
MEETS = "they met for the first time; the rule is {}: {} wins"


def unpaired(**said: Any) -> Pair:
    """Two records that meet for the first time."""
    return pair(key=0, open=ALL_GROUPS, **said)


MEETINGS = [
    PlanCase(
        told="two equal records meet: nothing to write but the agreement",
        pair=unpaired(),
        met=True,
        follows=[agrees(open=frozenset())],
    ),
    PlanCase(
        told="two records meet, and HubSpot's carries no mark yet",
        pair=unpaired(has_external_id=False),
        hubspot=hubspot(external_id="", location_id=""),
        met=True,
        follows=[agrees(open=frozenset()), MARKS],
    ),
    PlanCase(
        told="titles differ: HighLevel's, as the rule says; no conflict is counted",
        pair=unpaired(hubspot={"title": "Visit"}),
        met=True,
        follows=[
            agrees(open=frozenset({"title"})),
            writes(HUBSPOT, title="Check-up", why=MEETS.format("ghl", "HighLevel")),
        ],
    ),
    PlanCase(
        told="titles differ where HubSpot's counts",
        pair=unpaired(hubspot={"title": "Visit"}),
        rules=rules(first_meeting=Winner.HUBSPOT),
        met=True,
        follows=[
            agrees(open=frozenset({"title"})),
            writes(GHL, title="Visit", why=MEETS.format("hubspot", "HubSpot")),
        ],
    ),
    PlanCase(
        told="titles differ where a person decides: the rest is agreed",
        pair=unpaired(hubspot={"title": "Visit"}),
        rules=rules(first_meeting=Winner.HOLD),
        met=True,
        follows=[holds("conflict", "title"), agrees(open=frozenset({"title"}))],
    ),
    PlanCase(
        told="the held title is edited until it is the same",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        ghl=ghl(title="Visit"),
        rules=rules(first_meeting=Winner.HOLD),
        follows=[agrees(ghl={"title": "Visit"}, open=frozenset())],
    ),
    PlanCase(
        told="the held title is edited to a third one: still held, nothing lost",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        ghl=ghl(title="Third"),
        rules=rules(first_meeting=Winner.HOLD),
        follows=[holds("conflict", "title")],
    ),
    PlanCase(
        told="a person chose HighLevel for the held title",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        rules=rules(first_meeting=Winner.HOLD, overrides={"501": Override(keep={"title": GHL})}),
        follows=[
            writes(
                HUBSPOT,
                title="Check-up",
                why="they met for the first time; a person chose: HighLevel wins",
            )
        ],
    ),
    PlanCase(
        told="the title that was to be written over is edited before it was: the edit",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        hubspot=hubspot(title="Third"),
        follows=[
            writes(
                GHL,
                title="Third",
                why="they met for the first time; changed since: HubSpot wins",
            )
        ],
    ),
    PlanCase(
        told="both titles are edited before the first was written: a conflict like any other",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        ghl=ghl(title="Left"),
        hubspot=hubspot(title="Right"),
        rules=rules(conflict=both_ways(Winner.HUBSPOT)),
        follows=[
            writes(GHL, title="Right", lost=True, why=BOTH_CHANGED.format("hubspot", "HubSpot"))
        ],
    ),
    PlanCase(
        told="born in HubSpot without a status, and given one before it took the booking's",
        pair=pair(hubspot={"status": ""}, open=frozenset({"status"})),
        hubspot=hubspot(status="COMPLETED"),
        follows=[
            writes(
                GHL,
                status="showed",
                why="they met for the first time; changed since: HubSpot wins",
            )
        ],
    ),
    PlanCase(
        told="an empty description takes the other's, whatever the rule",
        pair=unpaired(hubspot={"description": "Bring papers"}),
        rules=rules(first_meeting=Winner.HOLD),
        met=True,
        follows=[
            agrees(open=frozenset({"description"})),
            writes(GHL, description="Bring papers", why="empty in HighLevel when they met"),
        ],
    ),
    PlanCase(
        told="HubSpot's record has no end: it takes HighLevel's",
        pair=unpaired(hubspot={"end": None}),
        rules=rules(first_meeting=Winner.HUBSPOT),
        met=True,
        follows=[
            agrees(open=frozenset({"time"})),
            writes(HUBSPOT, time=span(24, "15:00", "15:30"), why="empty in HubSpot when they met"),
        ],
    ),
    PlanCase(
        told="HubSpot's record has no status: it takes HighLevel's",
        pair=unpaired(hubspot={"status": ""}),
        rules=rules(first_meeting=Winner.HUBSPOT),
        met=True,
        follows=[
            agrees(open=frozenset({"status"})),
            writes(HUBSPOT, status="SCHEDULED", why="empty in HubSpot when they met"),
        ],
    ),
    PlanCase(
        told="new and SCHEDULED meet: the same, so nothing is written",
        pair=unpaired(ghl={"status": "new"}),
        met=True,
        follows=[agrees(open=frozenset())],
    ),
    PlanCase(
        told="they meet with owners that are one person",
        pair=unpaired(ghl={"owner": "u1"}, hubspot={"owner": "71"}),
        met=True,
        follows=[agrees(open=frozenset())],
    ),
    PlanCase(
        told="HubSpot's record has no contact: it gets HighLevel's",
        pair=unpaired(hubspot={"contact": ""}),
        met=True,
        follows=[
            agrees(open=frozenset()),
            writes(HUBSPOT, contact="51", why="HubSpot's record has no contact"),
        ],
    ),
    PlanCase(
        told="they meet where the title flows to HubSpot only",
        pair=unpaired(hubspot={"title": "Visit"}),
        rules=rules(first_meeting=Winner.HUBSPOT, fields={"title": Direction.GHL_TO_HUBSPOT}),
        met=True,
        follows=[
            agrees(open=frozenset({"title"})),
            writes(
                HUBSPOT,
                title="Check-up",
                why="they met for the first time; it flows to HubSpot only",
            ),
        ],
    ),
    PlanCase(
        told="they meet, and HighLevel's was deleted before: nothing is removed unasked",
        pair=unpaired(**removed(GHL)),
        ghl=ghl(**GONE),
        met=True,
        follows=[agrees()],
    ),
    PlanCase(
        told="they meet, and HubSpot's was archived before: it is not mirrored anew",
        pair=unpaired(**removed(HUBSPOT)),
        hubspot=hubspot(**GONE),
        met=True,
        follows=[agrees()],
    ),
    PlanCase(
        told="they meet, HubSpot's archived and HighLevel's cancelled: they agree",
        pair=unpaired(status="cancelled", **removed(HUBSPOT)),
        hubspot=hubspot(**GONE),
        met=True,
        follows=[settles(HUBSPOT, did=Response.AGREED, still="cancelled")],
    ),
]

STORIES = MEETINGS


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.told)
def test_what_follows_from_a_first_meeting(story: PlanCase) -> None:
    assert story.judged() == story.follows


def test_every_story_has_a_name_of_its_own() -> None:
    assert len({story.told for story in STORIES}) == len(STORIES) >= 15
