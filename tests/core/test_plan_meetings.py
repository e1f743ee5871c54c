"""Two records meet for the first time: what becomes of each field, one story a row.

How they find each other is another matter: `test_meet.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from stories import (
    BOTH_CHANGED,
    GHL,
    GONE,
    HUBSPOT,
    MARKS,
    Story,
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
from syncd.core.policy import Direction, Ruling, Winner

ALL_GROUPS = frozenset({"title", "time", "status", "description", "address", "owner"})
MEETS = "they met for the first time; the rule is {}: {} wins"


def strangers(**said: Any) -> Pair:
    """Two records that meet for the first time."""
    return pair(key=0, open=ALL_GROUPS, **said)


MEETINGS = [
    Story(
        told="two equal records meet: nothing to write but the agreement",
        pair=strangers(),
        met=True,
        follows=[agrees(open=frozenset())],
    ),
    Story(
        told="two records meet, and HubSpot's carries no mark yet",
        pair=strangers(marked=False),
        hubspot=hubspot(carried_id="", location_id=""),
        met=True,
        follows=[agrees(open=frozenset()), MARKS],
    ),
    Story(
        told="titles differ: HighLevel's, as the rule says; no conflict is counted",
        pair=strangers(hubspot={"title": "Visit"}),
        met=True,
        follows=[
            agrees(open=frozenset({"title"})),
            writes(HUBSPOT, title="Check-up", why=MEETS.format("ghl", "HighLevel")),
        ],
    ),
    Story(
        told="titles differ where HubSpot's counts",
        pair=strangers(hubspot={"title": "Visit"}),
        rules=rules(first_meeting=Winner.HUBSPOT),
        met=True,
        follows=[
            agrees(open=frozenset({"title"})),
            writes(GHL, title="Visit", why=MEETS.format("hubspot", "HubSpot")),
        ],
    ),
    Story(
        told="titles differ where a person decides: the rest is agreed",
        pair=strangers(hubspot={"title": "Visit"}),
        rules=rules(first_meeting=Winner.HOLD),
        met=True,
        follows=[holds("conflict", "title"), agrees(open=frozenset({"title"}))],
    ),
    Story(
        told="the held title is edited until it is the same",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        ghl=ghl(title="Visit"),
        rules=rules(first_meeting=Winner.HOLD),
        follows=[agrees(ghl={"title": "Visit"}, open=frozenset())],
    ),
    Story(
        told="the held title is edited to a third one: still held, nothing lost",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        ghl=ghl(title="Third"),
        rules=rules(first_meeting=Winner.HOLD),
        follows=[holds("conflict", "title")],
    ),
    Story(
        told="a person chose HighLevel for the held title",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        rules=rules(first_meeting=Winner.HOLD, rulings={"501": Ruling(keep={"title": GHL})}),
        follows=[
            writes(
                HUBSPOT,
                title="Check-up",
                why="they met for the first time; a person chose: HighLevel wins",
            )
        ],
    ),
    Story(
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
    Story(
        told="both titles are edited before the first was written: a conflict like any other",
        pair=pair(hubspot={"title": "Visit"}, open=frozenset({"title"})),
        ghl=ghl(title="Left"),
        hubspot=hubspot(title="Right"),
        rules=rules(conflict=both_ways(Winner.HUBSPOT)),
        follows=[
            writes(GHL, title="Right", lost=True, why=BOTH_CHANGED.format("hubspot", "HubSpot"))
        ],
    ),
    Story(
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
    Story(
        told="an empty description takes the other's, whatever the rule",
        pair=strangers(hubspot={"description": "Bring papers"}),
        rules=rules(first_meeting=Winner.HOLD),
        met=True,
        follows=[
            agrees(open=frozenset({"description"})),
            writes(GHL, description="Bring papers", why="empty in HighLevel when they met"),
        ],
    ),
    Story(
        told="HubSpot's record has no end: it takes HighLevel's",
        pair=strangers(hubspot={"end": None}),
        rules=rules(first_meeting=Winner.HUBSPOT),
        met=True,
        follows=[
            agrees(open=frozenset({"time"})),
            writes(HUBSPOT, time=span(24, "15:00", "15:30"), why="empty in HubSpot when they met"),
        ],
    ),
    Story(
        told="HubSpot's record has no status: it takes HighLevel's",
        pair=strangers(hubspot={"status": ""}),
        rules=rules(first_meeting=Winner.HUBSPOT),
        met=True,
        follows=[
            agrees(open=frozenset({"status"})),
            writes(HUBSPOT, status="SCHEDULED", why="empty in HubSpot when they met"),
        ],
    ),
    Story(
        told="new and SCHEDULED meet: the same, so nothing is written",
        pair=strangers(ghl={"status": "new"}),
        met=True,
        follows=[agrees(open=frozenset())],
    ),
    Story(
        told="they meet with owners that are one person",
        pair=strangers(ghl={"owner": "u1"}, hubspot={"owner": "71"}),
        met=True,
        follows=[agrees(open=frozenset())],
    ),
    Story(
        told="HubSpot's record has no contact: it gets HighLevel's",
        pair=strangers(hubspot={"contact": ""}),
        met=True,
        follows=[
            agrees(open=frozenset()),
            writes(HUBSPOT, contact="51", why="HubSpot's record has no contact"),
        ],
    ),
    Story(
        told="they meet where the title flows to HubSpot only",
        pair=strangers(hubspot={"title": "Visit"}),
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
    Story(
        told="they meet, and HighLevel's was deleted before: nothing is removed unasked",
        pair=strangers(**removed(GHL)),
        ghl=ghl(**GONE),
        met=True,
        follows=[agrees()],
    ),
    Story(
        told="they meet, and HubSpot's was archived before: it is not mirrored anew",
        pair=strangers(**removed(HUBSPOT)),
        hubspot=hubspot(**GONE),
        met=True,
        follows=[agrees()],
    ),
    Story(
        told="they meet, HubSpot's archived and HighLevel's cancelled: they agree",
        pair=strangers(status="cancelled", **removed(HUBSPOT)),
        hubspot=hubspot(**GONE),
        met=True,
        follows=[settles(HUBSPOT, did=Response.AGREED, still="cancelled")],
    ),
]

STORIES = MEETINGS


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.told)
def test_what_follows_from_a_first_meeting(story: Story) -> None:
    assert story.judged() == story.follows


def test_every_story_has_a_name_of_its_own() -> None:
    assert len({story.told for story in STORIES}) == len(STORIES) >= 15
