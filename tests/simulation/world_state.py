"""What there is in a village: records, what they say, and what the store holds of them.

`simulation` builds on it, `verdict` and `invariants` ask it. It changes nothing but
for `write`, which is a person's hand in a field.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from crash_injection import WatchedShelf
from edit_log import Key
from harness import HarnessClock, SyncHarness

from syncd.core import essence
from syncd.core.actions import Change
from syncd.core.essence import Value
from syncd.core.model import Group, Pair, Side
from syncd.engine import writes
from syncd.ports.store import IntentKind
from syncd.sandbox import rewriting

TITLES = ("Check-up", "Follow-up", "Intro")
WORDS = {
    Group.TITLE: TITLES,
    Group.DESCRIPTION: ("", "Knee", "Bring the scan"),
    Group.ADDRESS: ("", "Room 2", "Annexe"),
}
STATUSES = {
    Side.GHL: ("new", "confirmed", "showed", "noshow", "cancelled", "invalid"),
    Side.HUBSPOT: ("SCHEDULED", "COMPLETED", "NO_SHOW", "CANCELLED"),
}
PROPERTIES = {
    Group.TITLE: "hs_appointment_name",
    Group.STATUS: "hs_appointment_status",
    Group.DESCRIPTION: "ghl_description",
    Group.ADDRESS: "ghl_address",
    Group.OWNER: "hubspot_owner_id",
}
FIELDS = {
    Group.TITLE: "title",
    Group.STATUS: "status",
    Group.DESCRIPTION: "description",
    Group.ADDRESS: "address",
    Group.OWNER: "assignee",
}
NOTES = (
    "Ann & Bob: <b>first</b>  visit",
    "Bring the scan, the letter, the old glasses, and whatever else there is to look at",
    "Ring twice \U0001f600 please",
)
"""Texts of which a vendor may make something else."""
HABITS: tuple[dict[str, Any], ...] = (
    {"hubspot_texts": "escaped"},
    {"hubspot_texts": "cut"},
    {"hubspot_texts": "wrapped"},
    {"hubspot_texts": "plain", "hubspot_repeats": True},
    {"hubspot_texts": "escaped", "hubspot_repeats": True},
    {"ghl_texts": "escaped"},
    {"ghl_texts": "cut"},
    {"ghl_texts": "stripped"},
    {"ghl_texts": "one_line", "ghl_repeats": True},
    {"ghl_texts": "escaped", "ghl_repeats": True},
    {"ghl_rounds_times": True},
    {"merge_redirects": False},
    {"ghl_texts": "cut", "ghl_rounds_times": True, "hubspot_texts": "wrapped"},
)
"""What the vendors do to what they are sent, and to ids that were merged away."""
SPANS = ((0, 30), (0, 60), (30, 30))
"""Minutes before and after each of the three times: so either end may move alone."""
PAIRED = 10
"""From here on, the number of a record is that of its pair: so a step hits both sides of one."""


Times = tuple[datetime | None, datetime | None]


class WorldState:
    """The records of both sides, as people and the store see them."""

    clock: HarnessClock
    shelf: WatchedShelf
    harness: SyncHarness
    base: datetime
    """The first of the three times that appointments take."""

    # --- which records

    def ids(self, side: Side) -> list[str]:
        """Living records of a side, oldest first."""
        if side is Side.GHL:
            rows = self.harness.ghl.events()
            return [row.id for row in sorted(rows, key=lambda row: row.added)]
        return [record.id for record in self.harness.hubspot.records()]

    def removed_ids(self, side: Side) -> list[str]:
        """Removed records of a side that can be brought back."""
        if side is Side.GHL:
            rows = [row for row in self.harness.ghl.appointments if row.deleted and not row.series]
            return [row.id for row in sorted(rows, key=lambda row: row.added)]
        return [record.id for record in self.harness.hubspot.archived()]

    def all_pairs(self) -> list[Pair]:
        """Every pair by key, those with a removed record too: a number stays that of its pair."""
        store = self.shelf.link(self.harness.name)
        found = {
            pair.key: pair
            for side in Side
            for pair in store.pairs_by_id(side, [*self.ids(side), *self.removed_ids(side)])
        }
        return [found[key] for key in sorted(found)]

    def of_pair(self, side: Side, number: int, *, living: bool = True) -> list[str]:
        """The record of the pair that is meant, where it lives (or was removed)."""
        pairs = self.all_pairs() if number >= PAIRED else []
        if not pairs:
            return []
        record = str(pairs[(number - PAIRED) % len(pairs)].id_on(side))
        among = self.ids(side) if living else self.removed_ids(side)
        return [record] if record in among else []

    def lives(self, key: Key) -> bool:
        """Whether a record is there and not removed."""
        side, record = key
        try:
            if side is Side.GHL:
                return not self.harness.ghl.get(record).deleted
            found = self.harness.hubspot.get(record)
        except KeyError:
            return False
        return found.id == record and not found.archived

    def in_window(self, key: Key) -> bool:
        """Whether a record's start is in scope."""
        start = self.value(key, Group.TIME)[0]
        now, rules = self.clock.now(), self.harness.rules
        if start is None or isinstance(start, str):
            return False
        return now - rules.past <= start <= now + rules.future

    # --- what they say

    def value(self, key: Key, group: str) -> Value:
        """What a record shows now, as the core compares it."""
        side, record = key
        if side is Side.GHL:
            row = self.harness.ghl.get(record)
            if group == Group.TIME:
                return (essence.instant(row.start), essence.instant(row.end))
            return essence.text(getattr(row, FIELDS[Group(group)]))
        properties = self.harness.hubspot.get(record).properties
        if group == Group.TIME:
            return (
                _moment(properties.get("hs_appointment_start")),
                _moment(properties.get("hs_appointment_end")),
            )
        return essence.text(properties.get(PROPERTIES[Group(group)]))

    def visit(self, key: Key) -> tuple[str, Any]:
        """Whom a record is for, and when it starts."""
        side, record = key
        if side is Side.GHL:
            contacts = [self.harness.ghl.get(record).contact]
        else:
            contacts = sorted(self.harness.hubspot.get(record).contacts)
        return ",".join(contacts), self.value(key, Group.TIME)[0]

    def start(self, slot: int) -> Any:
        """One of three times: they come round again, so that A-B-A happens."""
        return self.base + timedelta(days=slot % 3)

    def values(self, key: Key, group: str) -> Sequence[Value]:
        """The few values that a group takes; an instance of a series stays where it is."""
        if group == Group.TIME and is_instance(key):
            return [self.value(key, group)]
        if group == Group.TIME:
            starts = [self.start(slot) for slot in range(3)]
            return [
                (start - timedelta(minutes=before), start + timedelta(minutes=after))
                for before, after in SPANS
                for start in starts
            ]
        if group == Group.OWNER:
            return self._owners(key)
        return STATUSES[key[0]] if group == Group.STATUS else WORDS[Group(group)]

    def _owners(self, key: Key) -> Sequence[str]:
        if key[0] is Side.HUBSPOT:
            return [*self.harness.hubspot.owners, ""]
        return list(self.harness.ghl.calendars[self.harness.ghl.get(key[1]).calendar].team)

    def write(self, key: Key, group: str, new: Value) -> None:
        side, record = key
        if isinstance(new, tuple):
            start, end = new
            if side is Side.GHL:
                self.harness.ghl.move(record, start, end)
            else:
                self.harness.hubspot.edit(
                    record, hs_appointment_start=start, hs_appointment_end=end
                )
        elif side is Side.GHL:
            self.harness.ghl.edit(record, **{FIELDS[Group(group)]: new})
        else:
            self.harness.hubspot.edit(record, **{PROPERTIES[Group(group)]: new})

    def agree(self, group: str, ghl: Value, hubspot: Value) -> bool:
        """Whether two values stand for the same thing."""
        if group == Group.STATUS:
            return self.harness.rules.statuses.agree(str(ghl), str(hubspot))
        if group == Group.OWNER:
            user, owner = self.harness.ghl.users.get(ghl), self.harness.hubspot.owners.get(hubspot)
            mails = (user.email if user else "", (owner.email or "") if owner else "-")
            return not hubspot or mails[0] == mails[1]
        if isinstance(ghl, tuple) and isinstance(hubspot, tuple):
            return self._same_time(ghl, hubspot)
        if isinstance(ghl, tuple) or isinstance(hubspot, tuple):
            return False
        return ghl in self.stored(Side.GHL, hubspot) or hubspot in self.stored(Side.HUBSPOT, ghl)

    def _same_time(self, ghl: Times, hubspot: Times) -> bool:
        if hubspot[1] is None:
            ghl, hubspot = (ghl[0], None), (hubspot[0], None)  # HighLevel derives the end
        rounds = self.harness.world.settings.ghl_rounds_times
        shown = [each and rewriting.instant(each, rounds=rounds) for each in hubspot]
        return ghl == hubspot or [*ghl] == shown

    def stored(self, side: Side, text: str) -> set[str]:
        """A text as it may stand on a side where it was sent."""
        settings = self.harness.world.settings
        habit = settings.ghl_texts if side is Side.GHL else settings.hubspot_texts
        return {text, essence.text(rewriting.text(text, habit))}

    # --- what the store holds of them

    def agreed(self, key: Key, group: str) -> Value | None:
        """What the store holds as agreed for a record, where it has no open question."""
        store = self.shelf.link(self.harness.name)
        pairs = store.pairs_by_id(key[0], [key[1]])
        if not pairs or group in pairs[0].open:
            return None
        open_intents = [each for each in store.intents() if each.pair_key == pairs[0].key]
        whole = any(each.kind is not IntentKind.UPDATE for each in open_intents)
        if whole or any(change.group == group for _, change in self._unanswered(pairs[0])):
            return None
        return essence.value(pairs[0].shown_on(key[0]), group)

    def in_doubt(self, key: Key, group: str, new: Value) -> bool:
        """Whether a person puts back what stood before a write of ours that was not answered.

        Nobody can tell that from a write that never arrived: it is written again.
        """
        return any(
            (side, change.group, change.before) == (key[0], group, new)
            for pair in self.shelf.link(self.harness.name).pairs_by_id(key[0], [key[1]])
            for side, change in self._unanswered(pair)
        )

    def _unanswered(self, pair: Pair) -> list[tuple[Side, Change]]:
        """What was sent of a pair's updates, and nobody knows whether it arrived."""
        return [
            (intent.side, change)
            for intent in self.shelf.link(self.harness.name).intents()
            if (intent.kind, intent.pair_key) == (IntentKind.UPDATE, pair.key) and intent.payload
            for change in writes.update_of(intent, pair).changes
        ]

    def both_live(self, pair: Pair) -> bool:
        return all(self.lives((side, pair.id_on(side))) for side in Side)

    def is_marked(self, pair: Pair) -> bool:
        """Whether the HubSpot record carries the id of its booking."""
        record = self.harness.hubspot.get(pair.hubspot_id)
        return bool(record.properties.get("ghl_appointment_id") == pair.ghl_id)

    def changed(self, pair: Pair, side: Side) -> list[str]:
        """The groups in which a pair's record shows something else than was agreed."""
        key = (side, pair.id_on(side))
        return [
            group
            for group in (*FIELDS, Group.TIME)
            if self.value(key, group) != essence.value(pair.shown_on(side), group)
        ]

    def is_cancelled(self, pair: Pair, side: Side) -> bool:
        status = str(self.value((side, pair.id_on(side)), Group.STATUS))
        return self.harness.rules.statuses.is_cancelled(side, status)


def is_instance(key: Key) -> bool:
    """Whether a record is an instance of a series: a move gives it another id."""
    return key[0] is Side.GHL and "_" in key[1]


def _moment(text: str | None) -> datetime | None:
    return essence.instant(datetime.fromisoformat(text)) if text else None
