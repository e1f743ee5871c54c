"""From what was seen to what is judged: snapshots and pairs become sightings.

`engine.poll` and `engine.rounds` call this after reading; `plan` judges what comes out. Here a
record finds its pair (by id, by the id that a HubSpot record carries, by
contact and time), and here *unseen* is kept apart from *gone*: a record that
was not shown is never taken for removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core.contacts import ContactBook, Known, Resolution, Unresolved
from syncd.core.essence import slot_fingerprint
from syncd.core.model import Hold, Missing, Pair, Removal, Side, Snapshot
from syncd.core.policy import Policy
from syncd.core.status import StatusTable

LONGEST_SHOWN = 60
"""Characters of an id that a message shows."""

MatchKey = tuple[str, datetime | None]
"""A contact and a start."""

Seen = Snapshot | Missing
"""A record that was asked for: shown, or not (which proves nothing)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A pair and what each side shows of it now.

    With `met`, the two records meet for the first time, and the pair is new.
    With `followed`, one of them goes by another id than the store knows.
    """

    pair: Pair
    ghl: Seen
    hubspot: Seen
    met: bool = False
    followed: bool = False

    def on(self, side: Side) -> Seen:
        """What that side shows."""
        return self.ghl if side is Side.GHL else self.hubspot


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A record without a pair that should get one, and its contact across."""

    record: Snapshot
    contact: Resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything that plan has to judge in this cycle."""

    sightings: tuple[Sighting, ...] = ()
    new_records: tuple[NewRecord, ...] = ()
    holds: tuple[Hold, ...] = ()
    parted: frozenset[str] = frozenset()
    """Newcomers that are no duplicates only because a person said that of the record across."""
    free: frozenset[tuple[Side, MatchKey]] = field(default=frozenset(), compare=False)
    """Where living records without a pair stand: what is made anew there may be one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedRecords:
    """Records of both sides that no pair knows, and what is known around them."""

    ghl: Mapping[str, Seen] = field(default_factory=dict)
    """Listed records, and those that a HubSpot record's carried id made us ask for."""
    hubspot: Mapping[str, Snapshot] = field(default_factory=dict)
    paired_at: Mapping[Side, Collection[Pair]] = field(default_factory=dict)
    """Pairs that stand where a stranger's contact and start point to, by that side."""
    paired_ids: frozenset[str] = frozenset()
    """HighLevel ids that belong to a pair, among those that strangers carry."""
    beside: frozenset[str] = frozenset()
    """HighLevel ids that no list showed: they may be met, and are not made across by themselves."""

    def with_more(self, more: UnpairedRecords) -> UnpairedRecords:
        """These and those; what stands around them has to be looked up anew."""
        return UnpairedRecords(
            ghl={**self.ghl, **more.ghl},
            hubspot={**self.hubspot, **more.hubspot},
            paired_ids=self.paired_ids | more.paired_ids,
            beside=self.beside | more.beside,
        )

    def without(self, ids: Collection[str]) -> UnpairedRecords:
        """These, but for some of either side."""
        if not ids:
            return self
        return replace(
            self,
            ghl={each: seen for each, seen in self.ghl.items() if each not in ids},
            hubspot={each: seen for each, seen in self.hubspot.items() if each not in ids},
        )


def meet(
    unpaired: UnpairedRecords, book: ContactBook, policy: Policy, table: StatusTable
) -> Observed:
    """Find each stranger's match: by carried id, else by contact, start and end."""
    meeting = Matcher(unpaired, book, policy, table)
    meeting.by_carried_id()
    meeting.by_ruling()
    meeting.by_contact_and_time()
    return meeting.result()


def first_pair(ghl: Snapshot, hubspot: Snapshot, policy: Policy, contact: str) -> Pair:
    """A new pair of two records: every synced group is open until it is agreed on."""
    gone = frozenset(side for side, record in _both(ghl, hubspot) if record.gone)
    return Pair(
        ghl_id=ghl.id,
        hubspot_id=hubspot.id,
        ghl=ghl.appointment,
        hubspot=replace(hubspot.appointment, contact=contact or hubspot.appointment.contact),
        calendar=ghl.calendar,
        series=ghl.series,
        removal=Removal(gone=gone) if gone else None,
        open=frozenset(policy.groups),
        has_external_id=hubspot.carries(ghl.id, policy.location_id),
    )


def _both(ghl: Snapshot, hubspot: Snapshot) -> tuple[tuple[Side, Snapshot], ...]:
    return ((Side.GHL, ghl), (Side.HUBSPOT, hubspot))


def _known(names: Mapping[str, Resolution], contact: str) -> str:
    """Who the contact is across, where that is known."""
    found = names.get(contact)
    return found.id if isinstance(found, Known) else ""


def _short(written: str) -> str:
    """What a person may have typed into a property, for a message."""
    return written if len(written) <= LONGEST_SHOWN else f"{written[:LONGEST_SHOWN]}…"


class Matcher:
    """The strangers that are still unmatched, and what came of the others."""

    def __init__(
        self, unpaired: UnpairedRecords, book: ContactBook, policy: Policy, table: StatusTable
    ) -> None:
        self.book, self.policy, self.table = book, policy, table
        self.known = unpaired
        self.ghl = {key: seen for key, seen in unpaired.ghl.items() if isinstance(seen, Snapshot)}
        self.hubspot = {key: seen for key, seen in unpaired.hubspot.items() if policy.belongs(seen)}
        self.sightings: list[Sighting] = []
        self.new_records: list[NewRecord] = []
        self.holds: list[Hold] = []
        self.parted: set[str] = set()
        self.taken: dict[tuple[Side, MatchKey], list[Snapshot]] = defaultdict(list)
        """Living records that found their pair in this meeting, or whose contact is ambiguous,
        by where they stand: who stands there too may be one of them."""
        self._contacts: dict[str, Resolution | str] = {}

    # --- by the id that the HubSpot record carries

    def by_carried_id(self) -> None:
        """Pair records of which HubSpot's carries the other's id, removed ones included."""
        carriers = [record for record in self.hubspot.values() if record.external_id]
        for record in sorted(carriers, key=lambda each: (each.gone, each.id)):
            self._carrier(record)

    def _carrier(self, record: Snapshot) -> None:
        override, carried = self.policy.override(record.id), record.external_id
        seen = self.known.ghl.get(carried)
        if override.separate or override.pair_with:
            return  # A person knows better than the id that it carries.
        if carried in self.known.paired_ids:
            self._stray(record, "possible_duplicate", "it carries the id of a paired booking")
        elif isinstance(seen, Snapshot) and carried in self.ghl:
            self._pair(seen, record)
        elif isinstance(seen, Missing):
            detail = f"it carries the id {_short(carried)}, which HighLevel does not show"
            self._stray(record, "unreadable", detail)
        else:
            # Another record was paired with that id just now, or it was not asked for.
            detail = "another record carries the same booking's id"
            self._stray(record, "possible_duplicate", detail)

    def _stray(self, record: Snapshot, reason: str, detail: str) -> None:
        """A record that carries an id which it cannot be paired by: never booked anew."""
        self.hubspot.pop(record.id, None)
        if record.gone or not self._in_scope(record) or self.policy.override(record.id).ignore:
            return
        self._hold(record, reason, detail)
        own = self._own_contact(record)
        self._stands(record, {own, self._spot(record)[0]} if own else record.contacts)

    # --- by what a person decided

    def by_ruling(self) -> None:
        """Pair what a person said is one, and set aside what is to be ignored."""
        for side, records in ((Side.GHL, self.ghl), (Side.HUBSPOT, self.hubspot)):
            for record in list(records.values()):
                override = self.policy.override(record.id)
                across = self.hubspot if side is Side.GHL else self.ghl
                if override.ignore:
                    records.pop(record.id, None)
                elif override.pair_with in across and record.id in records:
                    other = across[override.pair_with]
                    self._pair(*((record, other) if side is Side.GHL else (other, record)))

    # --- by contact and time

    def by_contact_and_time(self) -> None:
        """Pair living records with the same contact, start and end; hold what is not clear."""
        ghl = [record for record in self.ghl.values() if self._eligible_ghl(record)]
        hubspot = [record for record in self.hubspot.values() if self._eligible_hubspot(record)]
        match_keys: dict[MatchKey, tuple[list[Snapshot], list[Snapshot]]]
        match_keys = defaultdict(lambda: ([], []))
        for record in ghl:
            match_keys[self._spot(record)][0].append(record)
            if isinstance(self.book.from_ghl.get(record.appointment.contact), Unresolved):
                self._stands(record, record.contacts)  # Who that is across may be anybody.
        for record in hubspot:
            match_keys[self._spot(record)][1].append(record)
            if not self._own_contact(record):
                # Whose it is waits for a person; until then it may be anybody's of its contacts.
                self._stands(record, record.contacts)
        for (contact, start), (left, right) in match_keys.items():
            if contact and start:
                self._match_spot(left, right)
            else:
                self._queue(left + right, suspects=[])

    def _match_spot(self, left: list[Snapshot], right: list[Snapshot]) -> None:
        """Records of both sides with the same contact and start."""
        free_left, free_right = list(left), list(right)
        for fits in (self._same_in_all, self._same_end, self._same_status, self._fits):
            for record in list(free_left):
                found = [other for other in free_right if fits(record, other)]
                back = [other for other in free_left if found and fits(other, found[0])]
                if len(found) == 1 and len(back) == 1:
                    free_left.remove(record)
                    free_right.remove(found[0])
                    self._pair(record, found[0])
        clear_left = [r for r in free_left if not any(self._fits(r, o) for o in free_right)]
        clear_right = [o for o in free_right if not any(self._fits(r, o) for r in free_left)]
        for record in free_left + free_right:
            if record not in clear_left and record not in clear_right:
                self._hold(
                    record,
                    "ambiguous_match",
                    "several records on the other side fit it equally well",
                )
        self._queue(clear_left, suspects=right)
        self._queue(clear_right, suspects=left)

    def _fits(self, ghl: Snapshot, hubspot: Snapshot) -> bool:
        """Whether they may be one appointment; a missing end is no other end."""
        one, other = ghl.appointment, hubspot.appointment
        if self._separate(ghl, hubspot) or self._cancelled(ghl) != self._cancelled(hubspot):
            return False
        return one.end is None or other.end is None or one.end == other.end

    def _same_status(self, ghl: Snapshot, hubspot: Snapshot) -> bool:
        same = self.table.agree(ghl.appointment.status, hubspot.appointment.status)
        return same and self._fits(ghl, hubspot)

    def _same_end(self, ghl: Snapshot, hubspot: Snapshot) -> bool:
        return ghl.appointment.end == hubspot.appointment.end and self._fits(ghl, hubspot)

    def _same_in_all(self, ghl: Snapshot, hubspot: Snapshot) -> bool:
        return self._same_end(ghl, hubspot) and self._same_status(ghl, hubspot)

    def _separate(self, *records: Snapshot) -> bool:
        """Whether a person said of one of them that it is an appointment of its own."""
        return any(self.policy.override(record.id).separate for record in records)

    def _queue(self, records: list[Snapshot], suspects: list[Snapshot]) -> None:
        """What has no match becomes a newcomer, unless it may be there already."""
        for record in records:
            contact = self._contact(record)
            if isinstance(contact, str) or record.id in self.known.beside:
                continue
            if isinstance(contact, Unresolved):
                self._hold(record, contact.reason, contact.detail)
            elif self._may_be_double(record, suspects):
                self._hold(
                    record,
                    "possible_duplicate",
                    "the same contact has a record on the other side that starts at the same time",
                )
            else:
                shown = replace(record.appointment, contact=self._own_contact(record))
                self.new_records.append(
                    NewRecord(record=replace(record, appointment=shown), contact=contact)
                )

    def _may_be_double(self, record: Snapshot, suspects: list[Snapshot]) -> bool:
        if self._separate(record):
            return False
        across = record.side.other
        spot = self._spot(record, across)
        if not all(spot):
            return False
        cancelled = self._cancelled(record)
        alike = [
            other
            for other in (*suspects, *self.taken[across, spot])
            if self._cancelled(other) == cancelled
        ]
        if any(not self._separate(other) for other in alike) or self._stands_paired(
            across, spot, cancelled=cancelled
        ):
            return True
        if alike:
            self.parted.add(record.id)
        return False

    def _stands_paired(self, across: Side, spot: MatchKey, *, cancelled: bool) -> bool:
        """Whether a record that has its pair stands there."""
        return any(
            (shown.contact, shown.start) == spot
            and self.table.is_cancelled(across, shown.status) == cancelled
            for pair in self.known.paired_at.get(across, ())
            if not pair.gone_on(across)
            for shown in (pair.shown_on(across),)
        )

    # --- what the rules ask of a record

    def _cancelled(self, record: Snapshot) -> bool:
        return self.table.is_cancelled(record.side, record.appointment.status)

    def _in_scope(self, record: Snapshot) -> bool:
        return self.policy.window.holds(record.appointment.start)

    def _eligible_ghl(self, record: Snapshot) -> bool:
        if record.gone or self._lacks_start(record) or not self._in_scope(record):
            return False
        return self.policy.makes_instance(record)

    def _eligible_hubspot(self, record: Snapshot) -> bool:
        return not record.gone and not self._lacks_start(record) and self._in_scope(record)

    def _lacks_start(self, record: Snapshot) -> bool:
        """Hold a record without a start that can be read: no window can rule it out."""
        if record.appointment.start is not None or not record.field_errors:
            return False
        if self.policy.direction.reaches(record.side.other):
            field_error = record.field_errors[0]
            self._hold(record, field_error.reason, field_error.detail)
        return True

    # --- contacts

    def _contact(self, record: Snapshot) -> Resolution | str:
        """Who the record's contact is across; a plain string where it is not wanted there."""
        if not self.policy.direction.reaches(record.side.other):
            return "the link does not flow that way"
        ruled = self.policy.override(record.id).contact
        if ruled and record.side is Side.GHL:
            return Known(id=ruled)
        if record.id not in self._contacts:
            self._contacts[record.id] = self._resolve(record, ruled)
        return self._contacts[record.id]

    def _resolve(self, record: Snapshot, ruled: str) -> Resolution:
        names = self.book.from_ghl if record.side is Side.GHL else self.book.from_hubspot
        unknown = Unresolved(reason="no_contact", detail="the record has no contact")
        contacts = (ruled,) if ruled else record.contacts
        if not contacts:
            return unknown
        if len(contacts) == 1:
            return names.get(contacts[0], unknown)
        matching = [c for c in contacts if isinstance(names.get(c), Known)]
        for each in map(names.get, contacts):
            if isinstance(each, Unresolved) and each.unread:
                return each  # It might match as well.
        if len(matching) == 1:
            return names[matching[0]]
        return Unresolved(
            reason="ambiguous_contact",
            detail=f"{len(contacts)} contacts are associated, and "
            + ("none" if not matching else "several")
            + " of them match a HighLevel contact",
        )

    def _own_contact(self, record: Snapshot) -> str:
        """The record's one contact on its own side, of several the only one that matches."""
        if len(record.contacts) <= 1:
            return record.appointment.contact or (record.contacts[0] if record.contacts else "")
        ruled = self.policy.override(record.id).contact
        if ruled in record.contacts:
            return ruled
        names = self.book.from_hubspot
        matching = [c for c in record.contacts if isinstance(names.get(c), Known)]
        return matching[0] if len(matching) == 1 and not self._is_unread(record) else ""

    def _is_unread(self, record: Snapshot) -> bool:
        """Whether somebody whom it is for could not be looked up."""
        names = self.book.from_ghl if record.side is Side.GHL else self.book.from_hubspot
        found = map(names.get, record.contacts)
        return any(isinstance(each, Unresolved) and each.unread for each in found)

    def _spot(self, record: Snapshot, side: Side = Side.HUBSPOT) -> MatchKey:
        """The record's contact in the words of `side`, and its start."""
        own, start = self._own_contact(record), record.appointment.start
        ruled = self.policy.override(record.id).contact if record.side is Side.GHL else ""
        match record.side, side:
            case (Side.GHL, Side.HUBSPOT):
                return (ruled or _known(self.book.from_ghl, own), start)
            case (Side.HUBSPOT, Side.GHL):
                return (_known(self.book.from_hubspot, own), start)
            case (Side.HUBSPOT, Side.HUBSPOT):
                # Two HubSpot contacts may be one person: HighLevel's contact tells.
                person = _known(self.book.from_hubspot, own)
                return (_known(self.book.from_ghl, person) or own, start)
            case _:
                return (own, start)

    # --- outcomes

    def _pair(self, ghl: Snapshot, hubspot: Snapshot) -> None:
        self.ghl.pop(ghl.id, None)
        self.hubspot.pop(hubspot.id, None)
        contact = self._own_contact(hubspot)
        known = self.book.from_ghl.get(ghl.appointment.contact)
        if isinstance(known, Known) and known.id in hubspot.contacts:
            contact = known.id
        self._stands(ghl, {ghl.appointment.contact})
        self._stands(hubspot, {contact, self._spot(hubspot)[0]})
        pair = first_pair(ghl, hubspot, self.policy, contact)
        self.sightings.append(Sighting(pair=pair, ghl=ghl, hubspot=hubspot, met=True))

    def _stands(self, record: Snapshot, contacts: Iterable[str]) -> None:
        """Remember where a living record stands, for those who come to stand there too."""
        for contact in contacts:
            if not record.gone:
                self.taken[record.side, (contact, record.appointment.start)].append(record)

    def _hold(self, record: Snapshot, reason: str, detail: str) -> None:
        self.holds.append(
            Hold(
                reason=reason,
                detail=detail,
                ghl_id=record.id if record.side is Side.GHL else "",
                hubspot_id=record.id if record.side is Side.HUBSPOT else "",
                starts_at=record.appointment.start,
                title=record.appointment.title,
                fingerprint=slot_fingerprint(record),
            )
        )

    def result(self) -> Observed:
        """Everything that came of the strangers."""
        return Observed(
            sightings=tuple(self.sightings),
            new_records=tuple(self.new_records),
            holds=tuple(self.holds),
            parted=frozenset(self.parted),
            free=frozenset(
                (record.side, (contact, record.appointment.start))
                for records in (self.ghl, self.hubspot)
                for record in records.values()
                if not record.gone and not self._cancelled(record) and not self._separate(record)
                for contact in record.contacts or (record.appointment.contact,)
            ),
        )
