"""Two worlds in memory and the pure core between them: no engine, no store, no network.

`MemorySides` holds the records of both sides, lets people edit, remove and restore
them, and runs a cycle as the engine would: observe, plan, then carry every
write out and settle its pair by `core.actions`. A `Vendor` says what a side
makes of what is written to it. Used by `tests/properties`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from syncd.core import actions, essence, translate
from syncd.core.actions import Create, Remove, Update, Write
from syncd.core.contacts import ContactBook, Known
from syncd.core.context import Evidence, PlanContext
from syncd.core.essence import Value
from syncd.core.guards import Plan, RecentWrites
from syncd.core.matching import match_unpaired
from syncd.core.model import (
    Appointment,
    Calendar,
    GroupKey,
    Missing,
    Pair,
    Side,
    Snapshot,
    Window,
)
from syncd.core.observe import Observed, Seen, Sighting, UnpairedRecords
from syncd.core.plan import plan
from syncd.core.policy import Limit, Policy
from syncd.core.status import StatusTable
from syncd.core.translate import Translator

GHL, HUBSPOT = Side.GHL, Side.HUBSPOT
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WINDOW = Window(since=NOW - timedelta(days=30), until=NOW + timedelta(days=365))
NO_LIMIT = Limit(percent=100, at_least=1_000_000)

Vendor = Callable[[Side, Appointment], Appointment]
"""What a side stores of what it is given."""

STATUSES = StatusTable(
    to_hubspot={
        "new": "SCHEDULED",
        "confirmed": "SCHEDULED",
        "showed": "COMPLETED",
        "noshow": "NO_SHOW",
        "cancelled": "CANCELLED",
        "invalid": "CANCELLED",
    },
    to_ghl={
        "SCHEDULED": "confirmed",
        "COMPLETED": "showed",
        "NO_SHOW": "noshow",
        "CANCELLED": "cancelled",
    },
)
CONTACTS = {"ann": "51", "bob": "52", "cid": "53"}
BOOK = ContactBook(
    from_ghl={here: Known(id=there) for here, there in CONTACTS.items()},
    from_hubspot={there: Known(id=here) for here, there in CONTACTS.items()},
)
WORDS = Translator(
    statuses=STATUSES,
    owner_of_user={"u1": "71", "u2": "72"},
    user_of_owner={"71": "u1", "72": "u2"},
    contacts=CONTACTS,
    calendars={"cal": Calendar(id="cal", slot_minutes=30)},
)


def policy(**said: object) -> Policy:
    """A link without limits, but for what is said."""
    rules: dict[str, object] = {
        "location_id": "loc",
        "window": WINDOW,
        "now": NOW,
        "default_calendar": "cal",
        "removal_guard": NO_LIMIT,
        "change_guard": NO_LIMIT,
        **said,
    }
    return Policy(**rules)  # type: ignore[arg-type]  # keywords of the policy, by name


def perfect(side: Side, given: Appointment) -> Appointment:  # noqa: ARG001 - any side
    """A vendor that stores what it is given."""
    return given


def sloppy(side: Side, given: Appointment) -> Appointment:
    """A vendor that cuts titles, rounds times to the minute, and fills in what is missing."""
    start, end = _minute(given.start), _minute(given.end)
    if side is HUBSPOT:
        return replace(given, title=given.title[:4], start=start, end=end)
    return replace(
        given,
        title=given.title or "Appointment",
        start=start,
        end=end or (start + timedelta(minutes=30) if start else None),
        status=given.status or "confirmed",
    )


def _minute(moment: datetime | None) -> datetime | None:
    return moment.replace(second=0) if moment else None


@dataclass(slots=True)
class MemorySides:
    """The records of both sides, the pairs between them, and a clock that only edits move."""

    rules: Policy = field(default_factory=policy)
    words: Translator = WORDS
    vendor: Vendor = perfect
    records: dict[Side, dict[str, Snapshot]] = field(default_factory=lambda: {GHL: {}, HUBSPOT: {}})
    pairs: dict[int, Pair] = field(default_factory=dict)
    edited_at: dict[tuple[Side, str, GroupKey], datetime] = field(default_factory=dict)
    unseen: set[tuple[Side, str]] = field(default_factory=set)
    refusing: set[tuple[Side, GroupKey]] = field(default_factory=set)
    """What a side will not take in an update."""
    stood: dict[int, str] = field(default_factory=dict)
    """By pair key: the status that a record had before it was cancelled for a removal."""
    agreed: set[tuple[int, GroupKey]] = field(default_factory=set)
    """Groups of pairs, by key, that have said the same on both sides after a cycle."""
    _tick: Iterator[int] = field(default_factory=lambda: count(1))

    # --- what people do

    def make(self, side: Side, record_id: str, shown: Appointment) -> str:
        """A person makes a record."""
        stored = self.vendor(side, shown)
        self.records[side][record_id] = Snapshot(
            side=side,
            id=record_id,
            appointment=stored,
            contacts=(stored.contact,) if stored.contact else (),
            calendar="cal" if side is GHL else "",
        )
        for group in self.rules.groups:
            self._touch(side, record_id, group)
        return record_id

    def edit(self, side: Side, record_id: str, group: GroupKey, value: Value) -> None:
        """A person changes one group of a record."""
        record = self.records[side][record_id]
        shown = self.vendor(side, essence.with_value(record.appointment, group, value))
        self.records[side][record_id] = replace(record, appointment=shown)
        self._touch(side, record_id, group)

    def remove(self, side: Side, record_id: str) -> None:
        """A person deletes or archives a record."""
        self.records[side][record_id] = replace(self.records[side][record_id], gone=True)

    def restore(self, side: Side, record_id: str) -> None:
        """A person brings a removed record back."""
        self.records[side][record_id] = replace(self.records[side][record_id], gone=False)

    def _touch(self, side: Side, record_id: str, group: GroupKey) -> None:
        self.edited_at[side, record_id, group] = (
            NOW - timedelta(days=1) + timedelta(seconds=next(self._tick))
        )

    # --- what syncd does

    def observed(self) -> Observed:
        """Every pair as it is seen, and what comes of the records without one."""
        sightings = tuple(
            Sighting(
                pair=pair,
                ghl=self._see(GHL, pair.ghl_id),
                hubspot=self._see(HUBSPOT, pair.hubspot_id),
            )
            for pair in self.pairs.values()
        )
        known = {side: {pair.id_on(side) for pair in self.pairs.values()} for side in Side}
        unpaired = {
            side: {
                record_id: record
                for record_id, record in self.records[side].items()
                if record_id not in known[side] and (side, record_id) not in self.unseen
            }
            for side in Side
        }
        met = match_unpaired(
            UnpairedRecords(
                ghl=dict[str, Seen](unpaired[GHL]),
                hubspot=unpaired[HUBSPOT],
                paired_at={side: tuple(self.pairs.values()) for side in Side},
                paired_ids=frozenset(known[GHL]),
            ),
            BOOK,
            self.rules,
            self.words.statuses,
        )
        return replace(met, sightings=(*sightings, *met.sightings))

    def _see(self, side: Side, record_id: str) -> Seen:
        if (side, record_id) in self.unseen:
            return Missing(detail="not shown")
        return self.records[side][record_id]

    @property
    def context(self) -> PlanContext:
        """Rules, words, and when each group was edited."""
        evidence = Evidence(edited_at=dict(self.edited_at))
        return PlanContext(policy=self.rules, translator=self.words, evidence=evidence)

    def plan(self) -> Plan:
        """What syncd would do now."""
        return plan(self.observed(), self.context, RecentWrites(pairs=len(self.pairs), first=True))

    def sync(self) -> Plan:
        """One cycle: plan, and carry it out to the end."""
        made = self.plan()
        adopted: dict[tuple[str, str], int] = {}
        for rebase in made.rebases:
            saved = self._save(rebase.pair)
            adopted[saved.ghl_id, saved.hubspot_id] = saved.key
        for write in made.writes:
            key = adopted.get((write.pair.ghl_id, write.pair.hubspot_id)) if write.pair else None
            self._carry_out(write, key)
        for id_write in made.id_writes:
            key = id_write.pair.key or adopted[id_write.pair.ghl_id, id_write.pair.hubspot_id]
            self._mark(self.pairs[key])
        self.agreed |= {
            (pair.key, group)
            for pair in self.pairs.values()
            for group in self.rules.groups
            if self._agree(pair, group)
        }
        return made

    def _agree(self, pair: Pair, group: GroupKey) -> bool:
        ghl, hubspot = self.records[GHL][pair.ghl_id], self.records[HUBSPOT][pair.hubspot_id]
        values = (essence.value(each.appointment, group) for each in (ghl, hubspot))
        return not ghl.gone and not hubspot.gone and translate.agree(self.words, group, *values)

    def _carry_out(self, write: Write, adopted: int | None) -> None:
        match write:
            case Create():
                self._create(write)
            case Update():
                pair = self.pairs[write.pair.key or adopted or 0]
                shown = self.records[write.side][write.seen.id].appointment
                refused = frozenset(
                    change.group
                    for change in write.changes
                    if (write.side, change.group) in self.refusing
                )
                for change in write.changes:
                    if change.group not in refused:
                        shown = essence.with_value(shown, change.group, change.after)
                stored = self._store(write.side, write.seen.id, shown)
                self._save(actions.updated(write, pair, stored, refused))
            case Remove():
                pair = self.pairs[write.pair.key]
                record = self.records[write.side][write.seen.id]
                if write.cancel_as:
                    self.stood[pair.key] = record.appointment.status
                    cancelled = replace(record.appointment, status=write.cancel_as)
                    stored = self._store(write.side, write.seen.id, cancelled)
                    self._save(actions.removed(replace(write, pair=pair), stored))
                else:
                    self.records[write.side][write.seen.id] = replace(record, gone=True)
                    self._save(actions.removed(replace(write, pair=pair), None))

    def _create(self, write: Create) -> None:
        assert isinstance(write.contact, Known)
        record_id = f"made{next(self._tick)}"
        wanted = replace(write.wanted, contact=write.contact.id)
        stored = self.vendor(write.side, wanted)
        marks = {"external_id": write.source.id, "location_id": "loc"}
        self.records[write.side][record_id] = Snapshot(
            side=write.side,
            id=record_id,
            appointment=stored,
            contacts=(stored.contact,),
            **(marks if write.side is HUBSPOT else {"calendar": write.calendar}),  # type: ignore[arg-type]
        )
        pair = self._mark(self._save(actions.created(write, record_id, stored)))
        if write.backfill_status:
            source = self.records[HUBSPOT][pair.hubspot_id].appointment
            shown = self._store(
                HUBSPOT, pair.hubspot_id, replace(source, status=write.backfill_status)
            )
            hubspot = replace(pair.hubspot, status=shown.status)
            self._save(replace(pair, hubspot=hubspot, open=frozenset()))

    def _mark(self, pair: Pair) -> Pair:
        record = self.records[HUBSPOT][pair.hubspot_id]
        self.records[HUBSPOT][pair.hubspot_id] = replace(
            record, external_id=pair.ghl_id, location_id="loc"
        )
        return self._save(replace(pair, has_external_id=True))

    def _store(self, side: Side, record_id: str, given: Appointment) -> Appointment:
        record, stored = self.records[side][record_id], self.vendor(side, given)
        contacts = (stored.contact,) if stored.contact else record.contacts
        self.records[side][record_id] = replace(record, appointment=stored, contacts=contacts)
        return stored

    def _save(self, pair: Pair) -> Pair:
        saved = pair if pair.key else replace(pair, key=max(self.pairs, default=0) + 1)
        self.pairs[saved.key] = saved
        return saved


def appointment(side: Side, **said: object) -> Appointment:
    """A check-up tomorrow, for Ann, but for what is said."""
    shown: dict[str, object] = {
        "title": "Base",
        "start": NOW + timedelta(days=1),
        "end": NOW + timedelta(days=1, minutes=30),
        "status": "confirmed" if side is GHL else "SCHEDULED",
        "contact": "ann" if side is GHL else "51",
        **said,
    }
    return Appointment(**shown)  # type: ignore[arg-type]  # keywords of the appointment


def quiet(made: Plan) -> bool:
    """Whether a plan changes nothing anywhere; holds may go on."""
    return not (made.writes or made.rebases or made.id_writes)
