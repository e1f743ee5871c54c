"""What people do in a village: they edit, book, remove, bring back, merge and rearrange.

`simulation` builds on it. Every act is told to the annals, and means something in
every state: a number is taken modulo what is there, and where nothing is
there, something is made.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from edit_log import Edit, EditLog, Key
from world_state import HABITS, NOTES, STATUSES, TITLES, WorldState

from syncd.core import essence
from syncd.core.essence import Value
from syncd.core.model import Appointment, Group, Response, Side
from syncd.engine import writes
from syncd.ports.store import IntentKind

LATE_BIN: dict[str, Any] = {
    "kind": "stale",
    "side": "hubspot",
    "method": "GET",
    "path": "0-421$",
    "times": None,
}
"""What HubSpot's lists show is what was there when this began."""


class People(WorldState):
    """The hands of people on both sides, and what they remember."""

    edit_log: EditLog
    did: Counter[str]
    stores: int
    addresses: int
    calendars: list[str]
    ghl_contacts: list[str]
    hubspot_contacts: list[str]
    touched_at: datetime

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

    def note(self, side: str, number: int, group: str, which: int) -> None:
        """A person writes a text of which a vendor may make something else."""
        record = self.pick(Side(side), number)
        if record is not None:
            self._give((Side(side), record), group, NOTES[which % len(NOTES)])

    def uneven(self, number: int, seconds: int) -> None:
        """A person moves a HubSpot record by seconds."""
        record = self.pick(Side.HUBSPOT, number)
        if record is None:
            return
        key = (Side.HUBSPOT, record)
        times, by = self.value(key, Group.TIME), timedelta(seconds=seconds)
        if isinstance(times, tuple):
            start, end = (each and each + by for each in times)
            self._give(key, Group.TIME, (start, end))

    def habits(self, number: int) -> None:
        """The vendors have a habit from now on."""
        world = self.harness.world
        world.settings = replace(world.settings, **HABITS[number % len(HABITS)])

    def _give(self, key: Key, group: str, new: Value) -> None:
        back = self.agreed(key, group) == new
        doubtful = self.in_doubt(key, group, new)
        self.write(key, group, new)
        new = self.value(key, group)
        if back:
            self.edit_log.withdraw(key, group, new)
        else:
            self.edit_log.edited(key, group, new).void = doubtful
        self.did["edits"] += 1

    # --- people make and remove

    def book(self, who: int, slot: int, title: int, status: int = 1) -> None:
        """A person books in HighLevel."""
        contact = self._contact(Side.GHL, who)
        calendar = self.calendars[(who + slot) % 2]
        record = self.harness.ghl.book(
            calendar,
            contact,
            self.start(slot),
            title=TITLES[title % 3],
            status=STATUSES[Side.GHL][status % 6],
        )
        self._born((Side.GHL, record))

    def take_slot(self, number: int, who: int) -> None:
        """A person gives the slot of a booking to somebody else, on its calendar."""
        record = self.pick(Side.GHL, number)
        if record is None:
            return
        row = self.harness.ghl.get(record)
        others = [each for each in self.ghl_contacts if each != row.contact]
        taken = self.harness.ghl.book(
            row.calendar,
            others[who % len(others)],
            row.start,
            title=TITLES[who % 3],
            assignee=row.assignee,
        )
        self._born((Side.GHL, taken))

    def book_series(self, who: int, slot: int, title: int, weeks: int = 1) -> None:
        """A person books the same time again and again, so many weeks apart."""
        master = self.harness.ghl.add_series(
            self.calendars[(who + slot) % 2],
            self._contact(Side.GHL, who),
            self.start(slot),
            title=TITLES[title % 3],
            rrule=f"RRULE:FREQ=WEEKLY;INTERVAL={weeks};COUNT={3 if weeks == 1 else 4}",
        )
        for record in self.harness.ghl.instances(master):
            self._born((Side.GHL, record))

    def create(self, who: int, slot: int, title: int, status: int = 0) -> None:
        """A person makes an appointment in HubSpot, with or without a status and an end."""
        contact = self._contact(Side.HUBSPOT, who)
        start = self.start(slot)
        given: dict[str, Any] = {
            "hs_appointment_name": TITLES[title % 3],
            "hs_appointment_start": start,
        }
        if status < 4:
            given["hs_appointment_status"] = STATUSES[Side.HUBSPOT][status]
        if status % 2 == 0:
            given["hs_appointment_end"] = start + timedelta(minutes=30)
        record = self.harness.hubspot.create(given, contacts=[contact])
        self._born((Side.HUBSPOT, record))

    def mislabel(self, who: int, slot: int) -> None:
        """A visit stands in HubSpot under its booking's id, but for another contact."""
        booking = self.harness.ghl.book(
            self.calendars[0], self._contact(Side.GHL, 0), self.start(slot)
        )
        given = {
            "hs_appointment_name": TITLES[0],
            "hs_appointment_start": self.start(slot),
            "hs_appointment_end": self.start(slot) + timedelta(minutes=30),
            "ghl_appointment_id": booking,
            "ghl_location_id": self.harness.ghl.id,
        }
        contacts = [self._contact(Side.HUBSPOT, who)]
        record = self.harness.hubspot.create(given, contacts=contacts)
        for key in ((Side.GHL, booking), (Side.HUBSPOT, record)):
            self._born(key)
            self.edit_log.mixed.add(key)

    def _born(self, key: Key) -> None:
        self.edit_log.born.add(key)
        for group in (Group.TITLE, Group.TIME, Group.STATUS):
            held = self.value(key, group)
            if not essence.is_empty(held) and not (isinstance(held, tuple) and held[1] is None):
                self.edit_log.edited(key, group, held, born=True)
        self.edit_log.births[key] = self.edit_log.tick(key)
        self.edit_log.born_at[key] = self.clock.now()
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
            self.harness.ghl.delete(record)
        else:
            self.harness.hubspot.archive(record)

    def _removing(self, key: Key) -> None:
        self.unite()
        store = self.shelf.link(self.harness.name)
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
            shown = pair.shown_on(key[0])
            for side, change in self._unanswered(pair):
                if side is across:
                    shown = essence.with_value(shown, change.group, change.source)
            unseen = self._unseen(key, shown)
            root = self.edit_log.root(key)
            edited = any(
                not e.born and self.edit_log.root(e.key) == root for e in self.edit_log.edits
            )
            untouched = self.both_live(pair) and not edited
            # Ours is the only removal that may stand open here: its undoing has no answer yet.
            open_ = pair.removal and pair.removal.response is not Response.CANCELLED
            due = untouched and not open_ and not self.is_cancelled(pair, across)
        for shown in () if pairs else self._made_of(key):
            unseen = self._unseen(key, shown)
        removal = self.edit_log.removed_by_person(
            key, settled=settled, beaten=beaten, statuses=statuses, across=twin, unseen=unseen
        )
        living = [(key[0], each) for each in self.ids(key[0]) if each != key[1]]
        removal.beside = frozenset(self.edit_log.lineage(key, living))
        removal.untouched = untouched
        if due or settled:
            removal.rules = self.rules_now()
        self.did["removals"] += 1

    def _unseen(self, key: Key, shown: Appointment) -> list[Edit]:
        """The edits of a record since it showed this."""
        return [
            edit
            for edit in self.edit_log.edits
            if edit.key == key and not edit.void and edit.value != essence.value(shown, edit.group)
        ]

    def _made_of(self, key: Key) -> list[Appointment]:
        """What a record showed when another was made of it, where that has no answer yet."""
        creates = (
            writes.create_of(intent, None)[0]
            for intent in self.shelf.link(self.harness.name).intents()
            if intent.kind is IntentKind.CREATE and intent.side is key[0].other
        )
        return [each.source.appointment for each in creates if each.source.id == key[1]]

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
            self.harness.ghl.undelete(record)
        else:
            try:
                self.harness.hubspot.restore(record)
            except (KeyError, ValueError):
                return
        key = (where, record)
        self.edit_log.restored_by_person(key)
        if key in self.edit_log.births:
            # For whoever looks, it is there from now on.
            self.edit_log.births[key] = self.edit_log.count
            self.edit_log.born_at[key] = self.clock.now()
        self.did["restores"] += 1

    def bring_back_unnoticed(self, number: int, both: int = 0) -> None:
        """A HubSpot record is restored, and the list of archived ones goes on showing it.

        With `both`, the list of living ones does not show it yet either.
        """
        self.harness.world.faults.add(**LATE_BIN, query="" if both else "archived=true")
        self.bring_back("hubspot", number)

    # --- people rearrange

    def merge_records(self, one: int, other: int) -> None:
        """A person merges two HubSpot appointments."""
        found = self.ids(Side.HUBSPOT)
        if len(found) < 2:
            return
        primary = found[one % len(found)]
        rest = [each for each in found if each != primary]
        secondary = rest[other % len(rest)]
        survivor = self.harness.hubspot.merge(primary, secondary)
        keys = [(Side.HUBSPOT, each) for each in (primary, secondary, survivor)]
        if self.shelf.link(self.harness.name).pairs_by_id(Side.HUBSPOT, [primary, secondary]):
            self.edit_log.merged.add(keys[2])
        for key in keys:
            self.edit_log.tick(key)
            self.edit_log.mixed.add(key)
            self.edit_log.join(keys[0], key)
        self.edit_log.born.add(keys[2])
        self.did["merges"] += 1

    def move_calendar(self, number: int, calendar: int) -> None:
        """A person moves a booking to another calendar."""
        record = self.pick(Side.GHL, number)
        if record is not None:
            self.harness.ghl.edit(record, calendar=self.calendars[calendar % 2])

    def switch_calendar(self, calendar: int) -> None:
        """A person deactivates a calendar, or brings it back."""
        calendar_id = self.calendars[calendar % 2]
        active = self.harness.ghl.calendars[calendar_id].active
        self.harness.ghl.deactivate_calendar(calendar_id, active=not active)

    def lose_contact(self, number: int) -> None:
        """A HubSpot record loses its contact."""
        record = self.pick(Side.HUBSPOT, number)
        if record is None:
            return
        for contact in self.harness.hubspot.get(record).contacts:
            self.harness.hubspot.dissociate(record, contact)
        self.edit_log.tick((Side.HUBSPOT, record))

    def gain_contact(self, number: int, who: int) -> None:
        """A HubSpot record gets one more contact."""
        record = self.pick(Side.HUBSPOT, number)
        if record is not None:
            self.harness.hubspot.associate(record, self._contact(Side.HUBSPOT, who))
            self.edit_log.tick((Side.HUBSPOT, record))

    def swap_contact(self, side: str, number: int, who: int) -> None:
        """A record is for somebody else from now on."""
        where = Side(side)
        record = self.pick(where, number)
        if record is None:
            return
        if where is Side.GHL:
            self.harness.ghl.edit(record, contact=self._contact(where, who))
        else:
            for contact in self.harness.hubspot.get(record).contacts:
                self.harness.hubspot.dissociate(record, contact)
            self.harness.hubspot.associate(record, self._contact(where, who))
        self.edit_log.tick((where, record))

    def share_phone(self, one: int, other: int) -> None:
        """Two HubSpot contacts have one telephone: a family's."""
        phone = self.harness.hubspot.get_contact(self._contact(Side.HUBSPOT, one)).properties[
            "phone"
        ]
        self.harness.hubspot.edit_contact(self._contact(Side.HUBSPOT, other), phone=phone)

    def double_contact(self, who: int) -> None:
        """Somebody is entered in HighLevel once more, and books under that entry from now on."""
        known = self.harness.ghl.contacts[self.ghl_contacts[who % 2]]
        name = f"{known.first_name} {known.last_name}"
        again = self.harness.ghl.add_contact(name, known.email, known.phone)
        self.ghl_contacts[who % 2] = again

    def _contact(self, side: Side, who: int) -> str:
        known = self.ghl_contacts if side is Side.GHL else self.hubspot_contacts
        return known[who % len(known)]

    def change_address(self, who: int) -> None:
        """A HubSpot contact gets another e-mail and phone: from now on only its pair is known."""
        contact = self._contact(Side.HUBSPOT, who)
        self.addresses += 1
        self.harness.hubspot.edit_contact(
            contact, email=f"new{self.addresses}@example.com", phone=f"+155501{self.addresses:02}"
        )

    # --- which records are one appointment

    def unite(self) -> None:
        """Learn from store and world which records are one appointment."""
        for pair in self.all_pairs():
            self.edit_log.join((Side.GHL, pair.ghl_id), (Side.HUBSPOT, pair.hubspot_id))
        for record in (*self.harness.hubspot.records(), *self.harness.hubspot.archived()):
            carried = record.properties.get("ghl_appointment_id")
            if carried:
                self.edit_log.join((Side.GHL, carried), (Side.HUBSPOT, record.id))
        for side in Side:
            made = [(side, each) for each in (*self.ids(side), *self.removed_ids(side))]
            self._meet({key for key in made if key not in self.edit_log.born})

    def _meet(self, ours: set[Key]) -> None:
        """What we made has met its source by then, even where its answer was lost."""
        new = ours - self.edit_log.met.keys()
        sources = {
            (intent.side.other, str(writes.create_of(intent, None)[0].source.id))
            for intent in self.shelf.link(self.harness.name).intents()
            if intent.kind is IntentKind.CREATE and any(side is intent.side for side, _ in new)
        }
        for key in new | sources:
            self.edit_log.met.setdefault(key, self.edit_log.count)
