"""A pair's story in few words: what was agreed, what each side shows, what follows.

The tables in `tests/core` are written in these. `pair` is what was agreed,
`ghl` and `hubspot` are edits to it, `rules` the link's policy; `told` puts an
action into words that can be compared with `writes`, `agrees`, `holds`, ….
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.core.actions import Action, Create, Rebase, Remove, Update, WriteExternalId
from syncd.core.contacts import ContactBook, Known, ToMake
from syncd.core.context import Evidence, PlanContext
from syncd.core.model import (
    Appointment,
    Calendar,
    Hold,
    Missing,
    Pair,
    Removal,
    Response,
    Side,
    Snapshot,
    Window,
)
from syncd.core.observe import Seen, Sighting
from syncd.core.plan import judge
from syncd.core.policy import Direction, Policy, Winner
from syncd.core.status import StatusTable
from syncd.core.translate import Translator

GHL, HUBSPOT = Side.GHL, Side.HUBSPOT
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(minutes=20), NOW - timedelta(minutes=10)

# --- what was agreed, and what each side shows


def on(day: int, start: str, end: str = "") -> dict[str, Any]:
    """A time in November 2026; without an end where none is given."""
    return {"start": _moment(day, start), "end": _moment(day, end) if end else None}


def _moment(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=UTC)


def span(day: int, start: str, end: str) -> tuple[datetime, datetime]:
    """The same, as the one value that start and end are."""
    return (_moment(day, start), _moment(day, end))


TOMORROW = on(24, "15:00", "15:30")
YESTERDAY = on(22, "15:00", "15:30")
WORDS = {
    "new": "SCHEDULED",
    "confirmed": "SCHEDULED",
    "showed": "COMPLETED",
    "noshow": "NO_SHOW",
    "cancelled": "CANCELLED",
    "invalid": "CANCELLED",
}
STATUSES = StatusTable(
    to_hubspot=WORDS,
    to_ghl={
        "SCHEDULED": "confirmed",
        "COMPLETED": "showed",
        "NO_SHOW": "noshow",
        "CANCELLED": "cancelled",
    },
)


def pair(
    status: str = "confirmed",
    *,
    ghl: Mapping[str, Any] | None = None,
    hubspot: Mapping[str, Any] | None = None,
    key: int = 1,
    **both: Any,
) -> Pair:
    """Two records that agree on a check-up tomorrow, but for what is said."""
    common = {"title": "Check-up", **TOMORROW, **_fields(both)}
    rest = {name: held for name, held in both.items() if name not in _FIELDS}
    shown = Appointment(**{**common, "status": status, "contact": "ann", **(ghl or {})})
    mirror = {**common, "status": WORDS.get(status, status), "contact": "51", **(hubspot or {})}
    return Pair(
        key=key,
        ghl_id="g1",
        hubspot_id="501",
        ghl=shown,
        hubspot=Appointment(**mirror),
        calendar="cal",
        **{"has_external_id": True, **rest},
    )


_FIELDS = ("title", "start", "end", "description", "address", "owner", "mapped_fields")


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: held for name, held in given.items() if name in _FIELDS}


Shows = Callable[[Pair], Seen]


def ghl(**edits: Any) -> Shows:
    """HighLevel shows what was agreed, but for these edits."""
    return lambda agreed: _shown(agreed, GHL, edits)


def hubspot(**edits: Any) -> Shows:
    """HubSpot shows what was agreed, but for these edits."""
    return lambda agreed: _shown(agreed, HUBSPOT, edits)


def unseen(detail: str = "not shown") -> Shows:
    """The record was asked for and not shown, which proves nothing."""
    return lambda _: Missing(detail=detail)


def _shown(agreed: Pair, side: Side, edits: Mapping[str, Any]) -> Snapshot:
    own = {**{name: getattr(agreed.shown_on(side), name) for name in _APPOINTMENT}, **edits}
    rest = {name: own.pop(name) for name in list(own) if name not in _APPOINTMENT}
    contacts = (own["contact"],) if own["contact"] else ()
    marks = {"external_id": "g1", "location_id": "loc"} if side is HUBSPOT else {"calendar": "cal"}
    return Snapshot(
        side=side,
        id=agreed.id_on(side),
        appointment=Appointment(**own),
        **{"contacts": contacts, **marks, **rest},
    )


_APPOINTMENT = (*_FIELDS, "status", "contact")
GONE = {"gone": True}


def removed(
    *sides: Side, did: Response = Response.NOTHING, before: str = "", still: str = ""
) -> dict[str, Any]:
    """A removal that the pair has come to terms with."""
    gone = frozenset(sides)
    return {"removal": Removal(gone=gone, response=did, status_before=before, status_agreed=still)}


# --- under which rules


def rules(**said: Any) -> Policy:
    """The default rules, but for what is said."""
    window = Window(since=NOW - timedelta(days=30), until=NOW + timedelta(days=365))
    return Policy(**{"location_id": "loc", "window": window, "now": NOW, **said})


def both_ways(winner: Winner) -> dict[str, Winner]:
    """The same winner in every group."""
    return dict.fromkeys(("title", "time", "status", "description", "address", "owner"), winner)


ROOM = Calendar(id="cal", name="Room", slot_minutes=45)
TEAM = Calendar(id="team", name="Team", team=("u1", "u2"), primary="u1")
DICTIONARY = Translator(
    statuses=STATUSES,
    owner_of_user={"u1": "71", "u2": "72", "u9": "79"},
    user_of_owner={"71": "u1", "72": "u2", "79": "u9"},
    contacts={"ann": "51", "bob": "52"},
    calendars={"cal": ROOM, "team": TEAM, "shut": Calendar(id="shut", active=False)},
)


# --- what follows, in words that can be compared

RateHeaders = tuple[Any, ...]


def writes(
    side: Side, *, why: str, lost: bool = False, notify: bool = False, **after: Any
) -> RateHeaders:
    """One update of one side."""
    groups = {_group(name): value for name, value in after.items()}
    return ("write", side, groups, lost, why, notify)


def restores(side: Side, *, status: str, why: str) -> RateHeaders:
    """Our own cancellation is taken back."""
    return ("restore", side, {"status": status}, False, why, False)


def _group(name: str) -> str:
    return name.replace("x_", "x:") if name.startswith("x_") else name


def agrees(
    *, ghl: Mapping[str, Any] | None = None, hubspot: Mapping[str, Any] | None = None, **rest: Any
) -> RateHeaders:
    """Nothing to write: what changes in the agreement."""
    return ("agree", dict(ghl or {}), dict(hubspot or {}), rest)


def settles(*sides: Side, did: Response = Response.NOTHING, **said: str) -> RateHeaders:
    """Nothing to write: the pair comes to terms with a removal."""
    return agrees(**removed(*sides, did=did, **said))


def holds(reason: str, on: str = "") -> RateHeaders:
    """A record, or one group of it, waits for a person."""
    return ("hold", reason, on)


def archives(why: str = "deleted in HighLevel") -> RateHeaders:
    return ("remove", HUBSPOT, "", why, False)


def deletes(why: str = "archived in HubSpot") -> RateHeaders:
    return ("remove", GHL, "", why, False)


def cancels(side: Side, word: str, *, notify: bool = False) -> RateHeaders:
    """The removal is carried across as a cancellation."""
    why = "deleted in HighLevel" if side is HUBSPOT else "archived in HubSpot"
    return ("remove", side, word, why, notify)


def makes(
    side: Side, *, why: str, calendar: str = "", checked: bool = False, for_: Any = "", **said: Any
) -> RateHeaders:
    """A record is made: the check-up tomorrow, but for what is said."""
    status = "SCHEDULED" if side is HUBSPOT else "confirmed"
    wanted = Appointment(**{"title": "Check-up", **TOMORROW, "status": status, **said})
    known = Known(id=for_ or ("51" if side is HUBSPOT else "ann")) if for_ != "new" else "new"
    return ("make", side, wanted, known, calendar, checked, why)


MARKS: RateHeaders = ("mark",)


def told(action: Action, before: Pair) -> RateHeaders:
    """An action in the words of the table."""
    match action:
        case Update():
            reasons = "; ".join(dict.fromkeys(change.why for change in action.changes))
            groups = {str(change.group): change.after for change in action.changes}
            groups |= {"contact": "new"} if action.contact else {}
            lost = any(change.lost for change in action.changes)
            word = "restore" if action.restores else "write"
            return (word, action.side, groups, lost, reasons, action.notify)
        case Create():
            who: Any = "new" if isinstance(action.contact, ToMake) else action.contact
            made = (action.side, action.wanted, who, action.calendar)
            return ("make", *made, action.validate_slot, action.why)
        case Remove():
            return ("remove", action.side, action.cancel_as, action.why, action.notify)
        case Rebase():
            return _agreement(action.pair, before)
        case WriteExternalId():
            return MARKS
        case Hold():
            return ("hold", action.reason, str(action.group))


def _agreement(after: Pair, before: Pair) -> RateHeaders:
    rest = {
        name: getattr(after, name)
        for name in ("removal", "open", "has_external_id", "owner_by_us", "calendar", "version")
        if getattr(after, name) != getattr(before, name)
    }
    return ("agree", _news(after.ghl, before.ghl), _news(after.hubspot, before.hubspot), rest)


def _news(after: Appointment, before: Appointment) -> dict[str, Any]:
    return {
        name: getattr(after, name)
        for name in _APPOINTMENT
        if getattr(after, name) != getattr(before, name)
    }


# --- a story


@dataclass(frozen=True, kw_only=True)
class PlanCase:
    """One human situation."""

    told: str
    pair: Pair = field(default_factory=pair)
    ghl: Shows = field(default_factory=ghl)
    hubspot: Shows = field(default_factory=hubspot)
    rules: Policy = field(default_factory=rules)
    words: Translator = DICTIONARY
    evidence: Evidence = field(default_factory=Evidence)
    book: ContactBook = field(default_factory=ContactBook)
    met: bool = False
    follows: list[RateHeaders]

    def judged(self) -> list[RateHeaders]:
        """What the planner makes of it."""
        sighting = Sighting(
            pair=self.pair,
            ghl=self.ghl(self.pair),
            hubspot=self.hubspot(self.pair),
            met=self.met,
        )
        context = PlanContext(
            policy=self.rules, translator=self.words, evidence=self.evidence, contacts=self.book
        )
        return [told(action, self.pair) for action in judge(sighting, context)]


CHANGED_GHL, CHANGED_HUBSPOT = "changed in HighLevel", "changed in HubSpot"
MOVED = on(25, "9:00", "9:30")
ELSEWHERE = on(26, "11:00", "11:30")
GHL_LEADS = rules(conflict=both_ways(Winner.GHL))
HUBSPOT_LEADS = rules(conflict=both_ways(Winner.HUBSPOT))
ASK = rules(conflict=both_ways(Winner.HOLD))
TO_HUBSPOT = rules(direction=Direction.GHL_TO_HUBSPOT)
TO_GHL = rules(direction=Direction.HUBSPOT_TO_GHL)
BOTH_CHANGED = "changed on both sides; the rule is {}: {} wins"
NEWEST_GHL = BOTH_CHANGED.format("newest", "HighLevel")
NEWEST_HUBSPOT = BOTH_CHANGED.format("newest", "HubSpot")


def beats(what: str, side: Side) -> str:
    """An edit beats the removal across."""
    here, there = ("HighLevel", "HubSpot") if side is GHL else ("HubSpot", "HighLevel")
    return f"{what} edited in {here}, which beats the removal in {there}"
