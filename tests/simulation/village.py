"""A small town in which anything may happen: people, syncd, faults, crashes.

The state machine of `test_simulation` calls `Village.do` with plain values,
and so does `replay`: a history is a list of steps, and a list of steps is a
script. Every step means something in every state: an index is taken modulo
what is there, and where nothing is there, something is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from annals import Annals, Key
from executioner import MOMENTS, Executioner, Killed, Watched, WatchedShelf
from ground import STATUSES, TITLES, Ground
from towns import START, Town, TownClock, build
from watch import Breach, Watch

from syncd.core import essence
from syncd.core.essence import Value
from syncd.core.model import Group, Response, Side
from syncd.core.policy import Limit, OnRemoval, Winner
from syncd.engine import intents
from syncd.engine.report import CycleReport, Outcome
from syncd.ports.store import IntentKind
from syncd.sandbox import SandboxSettings

Step = tuple[Any, ...]

PEOPLE = (
    ("Ann Lee", "ann@example.com", "+15550101"),
    ("Bea Moss", "bea@example.com", "+15550102"),
    ("Cy Roe", "cy@example.com", "+15550103"),
)
WRITES = "^/(crm/objects|calendars/events|contacts)"

ROUNDS = 10
"""So many cycles automations fight for; syncd gives in sooner."""

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 429, "headers": {"Retry-After": "2"}},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status_after", "status": 502, "method": "POST", "path": WRITES},
    {"kind": "status_after", "status": 504, "method": "PUT", "path": WRITES},
    {"kind": "drop_before"},
    {"kind": "drop_after", "method": "POST", "path": WRITES},
    {"kind": "timeout_before", "method": "POST", "path": WRITES},
    {"kind": "timeout_after", "method": "POST", "path": WRITES},
    {"kind": "timeout_after", "method": "PUT", "path": WRITES},
    {"kind": "timeout_after", "method": "DELETE"},
    {"kind": "drop_after", "method": "PUT", "path": WRITES},
    {"kind": "half_batch", "side": "hubspot", "path": "batch/(create|update|archive)"},
    {"kind": "stale", "side": "hubspot", "path": "/search"},
    {"kind": "cut_body", "method": "GET"},
    {"kind": "html", "status": 502},
    {"kind": "status", "side": "ghl", "status": 401},
    {"kind": "status", "side": "hubspot", "status": 403},
    {"kind": "status", "side": "hubspot", "status": 477},
    {"kind": "status", "side": "ghl", "status": 429, "method": "POST", "path": WRITES},
)
"""What may go wrong; each with how often and from which request on, by the step."""

RULES: tuple[dict[str, Any], ...] = (
    {"conflict": {}},
    {"conflict": dict.fromkeys(Group, Winner.GHL)},
    {"conflict": dict.fromkeys(Group, Winner.HUBSPOT)},
    {"conflict": {Group.TITLE: Winner.HOLD, Group.TIME: Winner.HOLD}},
    {"ghl_deleted": OnRemoval.ARCHIVE},
    {"ghl_deleted": OnRemoval.CANCEL},
    {"ghl_deleted": OnRemoval.IGNORE},
    {"hubspot_archived": OnRemoval.CANCEL},
    {"hubspot_archived": OnRemoval.DELETE},
    {"hubspot_archived": OnRemoval.IGNORE},
    {"removal_guard": Limit(percent=0, at_least=0)},
    {"removal_guard": Limit(percent=20, at_least=5)},
    {"first_meeting": Winner.HUBSPOT},
    {"first_meeting": Winner.GHL},
    {"removal_guard": Limit(percent=0, at_least=1)},
    {"change_guard": Limit(percent=0, at_least=0)},
    {"change_guard": Limit(percent=50, at_least=200)},
    {"refuse_double_booking": False},
    {"refuse_double_booking": True},
)
"""Changes of the configuration."""


class Village(Ground):
    """One town, what people did in it, and how to do more."""

    def __init__(
        self, store_url: str, clock: TownClock, settings: SandboxSettings | None = None
    ) -> None:
        self.clock = clock
        self.shelf = WatchedShelf(store_url, clock)
        self.town: Town = build(self.shelf, clock, settings)
        calendars = self.town.calendars
        self.calendars = [calendars["Class"], calendars["Team"]]
        self.town.obey(default_calendar=self.calendars[0])
        self.annals = Annals()
        self.watch = Watch()
        self.log: list[Step] = []
        self.did: Counter[str] = Counter()
        self.stores = 0
        self.addresses = 50
        self.touched_at = clock.now()
        self.base = START + timedelta(days=1, hours=1)
        self.last: CycleReport | None = None
        ann, bea, cy = PEOPLE
        self.ghl_contacts = [self.town.ghl.add_contact(*who) for who in (ann, bea)]
        self.hubspot_contacts = [self.town.hubspot.add_contact(*who) for who in (ann, cy)]

    def close(self) -> None:
        """Give back the store."""
        self.shelf.close()

    def do(self, name: str, *args: Any) -> None:
        """One step, remembered."""
        self.log.append((name, *args))
        if name not in {"sync", "wait"}:
            self.touched_at = self.clock.now()
        self.clock.advance(timedelta(seconds=2))
        act: Callable[..., None] = getattr(self, name)
        act(*args)

    def pick(self, side: Side, number: int) -> str | None:
        """The number-th living record of a side; where there is none, one is made."""
        found = self.of_pair(side, number) or self.ids(side)
        if not found:
            if side is Side.GHL:
                self.book(number, number, number)
            else:
                self.create(number, number, number)
            return None
        return found[number % len(found)]

    # --- people edit

    def edit(self, side: str, number: int, group: str, choice: int) -> None:
        """A person gives a field another value, in the pages of that side."""
        where = Side(side)
        record = self.pick(where, number)
        if record is None:
            return
        key = (where, record)
        values = [each for each in self.values(key, group) if each != self.value(key, group)]
        if not values:
            return
        self._give(key, group, values[choice % len(values)])

    def give(self, side: str, number: int, group: str, choice: int) -> None:
        """A person gives a field this very value, which it may have already."""
        where = Side(side)
        record = self.pick(where, number)
        if record is None:
            return
        key = (where, record)
        values = self.values(key, group)
        new = values[choice % len(values)]
        if new != self.value(key, group):
            self._give(key, group, new)

    def _give(self, key: Key, group: str, new: Value) -> None:
        back = self.agreed(key, group) == new
        doubtful = self.in_doubt(key, group, new)
        self.write(key, group, new)
        new = self.value(key, group)
        if back:
            self.annals.withdraw(key, group, new)
        else:
            self.annals.edited(key, group, new).void = doubtful
        self.did["edits"] += 1

    # --- people make and remove

    def book(self, who: int, slot: int, title: int, status: int = 1) -> None:
        """A person books in HighLevel."""
        contact = self.ghl_contacts[who % len(self.ghl_contacts)]
        calendar = self.calendars[(who + slot) % 2]
        record = self.town.ghl.book(
            calendar,
            contact,
            self.start(slot),
            title=TITLES[title % 3],
            status=STATUSES[Side.GHL][status % 6],
        )
        self._born((Side.GHL, record))

    def create(self, who: int, slot: int, title: int, status: int = 0) -> None:
        """A person makes an appointment in HubSpot, with or without a status and an end."""
        contact = self.hubspot_contacts[who % len(self.hubspot_contacts)]
        start = self.start(slot)
        given: dict[str, Any] = {
            "hs_appointment_name": TITLES[title % 3],
            "hs_appointment_start": start,
        }
        if status < 4:
            given["hs_appointment_status"] = STATUSES[Side.HUBSPOT][status]
        if status % 2 == 0:
            given["hs_appointment_end"] = start + timedelta(minutes=30)
        record = self.town.hubspot.create(given, contacts=[contact])
        self._born((Side.HUBSPOT, record))

    def _born(self, key: Key) -> None:
        self.annals.born.add(key)
        for group in (Group.TITLE, Group.TIME, Group.STATUS):
            held = self.value(key, group)
            if not essence.is_empty(held) and not (isinstance(held, tuple) and held[1] is None):
                self.annals.edited(key, group, held, born=True)
        self.annals.tick(key)
        self.did["births"] += 1

    def remove(self, side: str, number: int) -> None:
        """A person deletes in HighLevel, or archives in HubSpot."""
        where = Side(side)
        record = self.pick(where, number)
        if record is None:
            return
        key = (where, record)
        self._removing(key)
        if where is Side.GHL:
            self.town.ghl.delete(record)
        else:
            self.town.hubspot.archive(record)

    def _removing(self, key: Key) -> None:
        self._unite()
        store = self.shelf.link(self.town.name)
        pairs = store.pairs_by_id(key[0], [key[1]])
        settled, beaten, untouched, due, unseen = False, False, False, False, []
        statuses, twin = ("", ""), None
        if pairs:
            pair = pairs[0]
            across = key[0].other
            twin = (across, pair.id_on(across))
            closed = not any(intent.pair_key == pair.key for intent in store.intents())
            if closed and not pair.open and pair.removal is None and self.both_live(pair):
                changed = self.changed(pair, across)
                cancelled = self.is_cancelled(pair, across)
                settled = not changed or cancelled
                beaten = bool(changed) and not cancelled
                statuses = (
                    str(self.value((Side.GHL, pair.ghl_id), Group.STATUS)),
                    str(self.value((Side.HUBSPOT, pair.hubspot_id), Group.STATUS)),
                )
            unseen = [
                edit
                for edit in self.annals.edits
                if edit.key == key
                and not edit.void
                and edit.value != essence.value(pair.shown_on(key[0]), edit.group)
            ]
            root = self.annals.root(key)
            edited = any(not e.born and self.annals.root(e.key) == root for e in self.annals.edits)
            untouched = self.both_live(pair) and not edited
            # Ours is the only removal that may stand open here: its undoing has no answer yet.
            open_ = pair.removal and pair.removal.response is not Response.CANCELLED
            due = untouched and not open_ and not self.is_cancelled(pair, across)
        removal = self.annals.removed_by_person(
            key, settled=settled, beaten=beaten, statuses=statuses, across=twin, unseen=unseen
        )
        removal.untouched = untouched
        if due or settled:
            removal.rules = self.rules_now()
        self.did["removals"] += 1

    def rules_now(self) -> tuple[int, int]:
        """Which rules are in force, and which store: a number of its own for each."""
        return self.did["rules"], self.stores

    def bring_back(self, side: str, number: int) -> None:
        """A person restores what was removed, by people or by us."""
        where = Side(side)
        found = self.of_pair(where, number, living=False) or self.removed_ids(where)
        if not found:
            return
        record = found[number % len(found)]
        if where is Side.GHL:
            self.town.ghl.undelete(record)
        else:
            try:
                self.town.hubspot.restore(record)
            except (KeyError, ValueError):
                return
        self.annals.restored_by_person((where, record))
        self.did["restores"] += 1

    # --- people rearrange

    def merge_records(self, one: int, other: int) -> None:
        """A person merges two HubSpot appointments."""
        found = self.ids(Side.HUBSPOT)
        if len(found) < 2:
            return
        primary = found[one % len(found)]
        rest = [each for each in found if each != primary]
        secondary = rest[other % len(rest)]
        survivor = self.town.hubspot.merge(primary, secondary)
        keys = [(Side.HUBSPOT, each) for each in (primary, secondary, survivor)]
        if self.shelf.link(self.town.name).pairs_by_id(Side.HUBSPOT, [primary, secondary]):
            self.annals.merged.add(keys[2])
        for key in keys:
            self.annals.tick(key)
            self.annals.mixed.add(key)
            self.annals.join(keys[0], key)
        self.annals.born.add(keys[2])
        self.did["merges"] += 1

    def move_calendar(self, number: int, calendar: int) -> None:
        """A person moves a booking to another calendar."""
        record = self.pick(Side.GHL, number)
        if record is not None:
            self.town.ghl.edit(record, calendar=self.calendars[calendar % 2])

    def switch_calendar(self, calendar: int) -> None:
        """A person deactivates a calendar, or brings it back."""
        calendar_id = self.calendars[calendar % 2]
        active = self.town.ghl.calendars[calendar_id].active
        self.town.ghl.deactivate_calendar(calendar_id, active=not active)

    def lose_contact(self, number: int) -> None:
        """A HubSpot record loses its contact."""
        record = self.pick(Side.HUBSPOT, number)
        if record is None:
            return
        for contact in self.town.hubspot.get(record).contacts:
            self.town.hubspot.dissociate(record, contact)
        self.annals.tick((Side.HUBSPOT, record))

    def change_address(self, who: int) -> None:
        """A HubSpot contact gets another e-mail and phone: from now on only its pair is known."""
        contact = self.hubspot_contacts[who % len(self.hubspot_contacts)]
        self.addresses += 1
        self.town.hubspot.edit_contact(
            contact, email=f"new{self.addresses}@example.com", phone=f"+155501{self.addresses:02}"
        )

    def robots(self, number: int) -> None:
        """Automations on both sides insist on a title each, whatever syncd writes."""
        pairs = [pair for pair in self.town.pairs() if self.both_live(pair)]
        if not pairs:
            return
        pair = pairs[number % len(pairs)]
        keys = [(side, pair.id_on(side)) for side in Side]
        self.annals.mixed.update(keys)
        wrote = 0
        for _ in range(ROUNDS):
            for key in keys:
                if self.lives(key):
                    self.write(key, Group.TITLE, f"Robot of {key[0]}")
            self.clock.advance(timedelta(seconds=15))
            said = self.cycle(full=False)
            wrote += sum(
                "title" in each.fields and (pair.ghl_id, "update") == (each.ghl_id, each.action)
                for each in (said.written if said else ())
            )
        if wrote > ROUNDS // 2:
            raise Breach(f"{pair.ghl_id} was written {wrote} times against an automation")
        self.did["fights"] += wrote > 0

    # --- time and configuration

    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.clock.advance(timedelta(minutes=minutes))

    def days_pass(self, days: int) -> None:
        """Days pass; people book ahead of the new day."""
        self.clock.advance(timedelta(days=days))
        if self.clock.now() > self.base + timedelta(days=2):
            self.base += timedelta(days=days)

    def rule(self, number: int) -> None:
        """The configuration changes."""
        self.town.obey(**RULES[number % len(RULES)])
        self.did["rules"] += 1

    def scope(self, calendar: int, past: int) -> None:
        """The configuration names fewer calendars or a shorter past, or all again."""
        chosen = frozenset({self.calendars[calendar]} if calendar < 2 else ())
        self.town.rules = replace(
            self.town.rules, calendars=chosen, past=timedelta(days=(30, 1)[past % 2])
        )
        self.did["rules"] += 1

    def lose_store(self) -> None:
        """The store is lost; the next cycle begins on an empty one."""
        self.annals.history += self.shelf.link(self.town.name).history()
        self.stores += 1
        self.town.name = f"clinic{self.stores}"
        self.did["losses"] += 1

    # --- syncd

    def sync(
        self,
        kind: str = "full",
        faults: tuple[tuple[int, int, int], ...] = (),
        kill: int = 0,
        moment: int = 0,
    ) -> None:
        """A cycle, perhaps with faults (which, from which request on, how often) and a crash."""
        for which, nth, times in faults:
            told = FAULTS[which % len(FAULTS)]
            self.town.world.faults.add(**told, nth=nth, times=times or None)
        self.cycle(full=kind == "full", kill=kill, moment=moment)
        self.did["faults"] += self.town.world.faults.hits
        self.town.world.faults.clear()

    def cycle(self, *, full: bool, kill: int = 0, moment: int = 0) -> CycleReport | None:
        """Run a cycle, and notice what it did; `None` where it was killed."""
        executioner = Executioner(at=kill, moment=MOMENTS[moment % len(MOMENTS)])
        self.shelf.executioner = executioner
        self.town.transport = Watched(self.town.world, executioner)
        self.town.world.reset_requests()
        watch = self.watch.begin(self)
        self.last = None
        try:
            self.last = self.town.sync(full=full)
        except Killed:
            self.did["crashes"] += 1
        finally:
            self.shelf.executioner = Executioner()
            self._unite()
        self.did["cycles"] += 1
        self.watch.end(self, watch)
        if self.last is not None:
            assert self.last.outcome is not Outcome.FAULT, self.last
            self.did["conflicts"] += self.last.conflicts
            self.did["written"] += len(self.last.written)
            self.did["removed"] += self.last.ghl.removed + self.last.hubspot.removed
            self.did["holds"] += len(self.last.held)
        return self.last

    def _unite(self) -> None:
        """Learn from store and world which records are one appointment."""
        for pair in self.all_pairs():
            self.annals.join((Side.GHL, pair.ghl_id), (Side.HUBSPOT, pair.hubspot_id))
        for record in (*self.town.hubspot.records(), *self.town.hubspot.archived()):
            carried = record.properties.get("ghl_appointment_id")
            if carried:
                self.annals.join((Side.GHL, carried), (Side.HUBSPOT, record.id))
        for side in Side:
            made = [(side, each) for each in (*self.ids(side), *self.removed_ids(side))]
            self._meet({key for key in made if key not in self.annals.born})

    def _meet(self, ours: set[Key]) -> None:
        """What we made has met its source by then, even where its answer was lost."""
        new = ours - self.annals.met.keys()
        sources = {
            (intent.side.other, str(intents.create_of(intent, None)[0].source.id))
            for intent in self.shelf.link(self.town.name).intents()
            if intent.kind is IntentKind.CREATE and any(side is intent.side for side, _ in new)
        }
        for key in new | sources:
            self.annals.met.setdefault(key, self.annals.count)
