"""Record linkage: which records without a pair belong together.

`match_unpaired` pairs records by the external id that HubSpot's carries, by a
person's override, or by contact, start and end. What matches nothing becomes a
new record; what is not clear is held. Leaves out known pairs: `observe`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from syncd.core.contacts import ContactBook, Known, Resolution, Unresolved
from syncd.core.essence import slot_fingerprint
from syncd.core.model import Hold, Missing, Pair, Removal, Side, Snapshot
from syncd.core.observe import MatchKey, NewRecord, Observed, Sighting, UnpairedRecords
from syncd.core.policy import Policy
from syncd.core.status import StatusTable

LONGEST_SHOWN = 60
"""Characters of an id that a message shows."""


def match_unpaired(
    unpaired: UnpairedRecords, contacts: ContactBook, policy: Policy, table: StatusTable
) -> Observed:
    """Find each record's match: by the external id, else by contact, start and end."""
    matcher = Matcher(unpaired, contacts, policy, table)
    matcher.by_external_id()
    matcher.by_override()
    matcher.by_contact_and_time()
    return matcher.result()


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
    """The contact's id on the other side, "" where it is not known."""
    found = names.get(contact)
    return found.id if isinstance(found, Known) else ""


def _short(written: str) -> str:
    """A property's value for a message, which a person may have typed."""
    return written if len(written) <= LONGEST_SHOWN else f"{written[:LONGEST_SHOWN]}…"


def _in_order(record: Snapshot, other: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Two records of two sides, HighLevel's first."""
    return (record, other) if record.side is Side.GHL else (other, record)


class Matcher:
    """The records that are still unmatched, and what came of the others."""

    def __init__(
        self, unpaired: UnpairedRecords, contacts: ContactBook, policy: Policy, table: StatusTable
    ) -> None:
        self.contacts, self.policy, self.table = contacts, policy, table
        self.known = unpaired
        self.ghl = {key: seen for key, seen in unpaired.ghl.items() if isinstance(seen, Snapshot)}
        self.hubspot = {key: seen for key, seen in unpaired.hubspot.items() if policy.belongs(seen)}
        self.sightings: list[Sighting] = []
        self.new_records: list[NewRecord] = []
        self.holds: list[Hold] = []
        self.parted: set[str] = set()
        self.occupied: dict[tuple[Side, MatchKey], list[Snapshot]] = defaultdict(list)
        """Active records matched in this pass, or with an ambiguous contact, by match key: another
        record with the same key may be a duplicate of one of them."""
        self._resolved: dict[str, Resolution | str] = {}

    # --- by external id

    def by_external_id(self) -> None:
        """Pair HubSpot records with the bookings that their external ids name, deleted ones too."""
        carriers = [record for record in self.hubspot.values() if record.external_id]
        for record in sorted(carriers, key=lambda each: (each.gone, each.id)):
            self._match_carrier(record)

    def _match_carrier(self, record: Snapshot) -> None:
        override, carried = self.policy.override(record.id), record.external_id
        seen = self.known.ghl.get(carried)
        if override.separate or override.pair_with:
            return  # A person's decision beats the external id.
        if carried in self.known.paired_ids:
            self._hold_carrier(
                record, "possible_duplicate", f"it carries the id of {carried}, which has its pair"
            )
        elif isinstance(seen, Snapshot) and carried in self.ghl:
            self._pair(seen, record)
        elif isinstance(seen, Missing):
            detail = f"it carries the id {_short(carried)}, which HighLevel does not show"
            self._hold_carrier(record, "unreadable", detail)
        else:
            # Another record was paired with that id just now, or it was not asked for.
            detail = "another record carries the same booking's id"
            self._hold_carrier(record, "possible_duplicate", detail)

    def _hold_carrier(self, record: Snapshot, reason: str, detail: str) -> None:
        """Hold a record whose external id pairs it with nothing: it is never booked anew."""
        self.hubspot.pop(record.id, None)
        if record.gone or not self._in_scope(record) or self.policy.override(record.id).ignore:
            return
        self._hold(record, reason, detail)
        own = self._own_contact(record)
        self._occupy(record, {own, self._key(record)[0]} if own else record.contacts)

    # --- by a person's override

    def by_override(self) -> None:
        """Pair what a person paired, and leave out what a person ignores."""
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
        """Pair active records with the same contact, start and end; hold what is not clear."""
        ghl = [record for record in self.ghl.values() if self._eligible_ghl(record)]
        hubspot = [record for record in self.hubspot.values() if self._eligible_hubspot(record)]
        match_keys: dict[MatchKey, tuple[list[Snapshot], list[Snapshot]]]
        match_keys = defaultdict(lambda: ([], []))
        for record in ghl:
            match_keys[self._key(record)][0].append(record)
            if isinstance(self.contacts.from_ghl.get(record.appointment.contact), Unresolved):
                self._occupy(record, record.contacts)  # Their match is not known yet.
        for record in hubspot:
            match_keys[self._key(record)][1].append(record)
            if not self._own_contact(record):
                # A person has to choose its contact; until then it may be any of them.
                self._occupy(record, record.contacts)
        for (contact, start), (left, right) in match_keys.items():
            if contact and start:
                self._match_key(left, right)
            else:
                self._queue(left + right, suspects=[])

    def _match_key(self, left: list[Snapshot], right: list[Snapshot]) -> None:
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
                    [
                        other.id
                        for other in (free_right if record.side is Side.GHL else free_left)
                        if self._fits(*_in_order(record, other))
                    ],
                )
        self._queue(clear_left, suspects=right)
        self._queue(clear_right, suspects=left)

    def _fits(self, ghl: Snapshot, hubspot: Snapshot) -> bool:
        """Whether they may be one appointment; a missing end contradicts none."""
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
        """Whether a person decided that one of them is an appointment of its own."""
        return any(self.policy.override(record.id).separate for record in records)

    def _queue(self, records: list[Snapshot], suspects: list[Snapshot]) -> None:
        """Make new records of what has no match, unless it may be a duplicate."""
        for record in records:
            contact = self._contact(record)
            if isinstance(contact, str) or record.id in self.known.beside:
                continue
            if isinstance(contact, Unresolved):
                self._hold(record, contact.reason, contact.detail, self._choice(record, contact))
            elif self._may_be_double(record, suspects):
                doubles = self._doubles(record, suspects)
                self._hold(record, "possible_duplicate", self._doubt(record, doubles), doubles)
            else:
                shown = replace(record.appointment, contact=self._own_contact(record))
                self.new_records.append(
                    NewRecord(record=replace(record, appointment=shown), contact=contact)
                )

    def _may_be_double(self, record: Snapshot, suspects: list[Snapshot]) -> bool:
        if self._separate(record):
            return False
        across = record.side.other
        key = self._key(record, across)
        if not all(key):
            return False
        cancelled = self._cancelled(record)
        alike = [
            other
            for other in (*suspects, *self.occupied[across, key])
            if self._cancelled(other) == cancelled
        ]
        if any(not self._separate(other) for other in alike):
            return True
        if self._paired_at(across, key, cancelled=cancelled) is not None:
            return True
        if alike:
            self.parted.add(record.id)
        return False

    def _doubles(self, record: Snapshot, suspects: list[Snapshot]) -> list[str]:
        """The unpaired records of the other side that it may be a double of."""
        unpaired = self.hubspot if record.side is Side.GHL else self.ghl
        alike = (*suspects, *self.occupied[record.side.other, self._key(record, record.side.other)])
        return [
            other.id
            for other in alike
            if other.id in unpaired
            and self._cancelled(other) == self._cancelled(record)
            and not self._separate(other)
        ]

    def _doubt(self, record: Snapshot, doubles: list[str]) -> str:
        """What it may be a double of, in words: what has its pair is named, and is no candidate."""
        across = record.side.other
        key = self._key(record, across)
        now = [each.pair for each in self.sightings if each.pair.shown_on(across).start == key[1]]
        stands = {each.id for each in self.occupied[across, key]}
        met = [pair for pair in now if pair.id_on(across) in stands]
        pair = self._paired_at(across, key, cancelled=self._cancelled(record))
        pair = pair or (met[0] if met else None)
        if doubles or pair is None:
            return "the same contact has a record on the other side that starts at the same time"
        return (
            f"{pair.id_on(across)} has the same contact and start, "
            f"and is paired with {pair.id_on(record.side)}"
        )

    def _choice(self, record: Snapshot, contact: Unresolved) -> tuple[str, ...]:
        """The HubSpot contacts that a person may choose for it."""
        if record.side is Side.GHL:
            return contact.candidates
        # Of a single contact that matches several people across, there is no choice here.
        return contact.candidates if len(record.contacts) > 1 else ()

    def _paired_at(self, across: Side, key: MatchKey, *, cancelled: bool) -> Pair | None:
        """The pair, if there is one, whose record on that side has that match key."""
        for pair in self.known.paired_at.get(across, ()):
            shown = pair.shown_on(across)
            alike = self.table.is_cancelled(across, shown.status) == cancelled
            if (shown.contact, shown.start) == key and alike and not pair.gone_on(across):
                return pair
        return None

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
        """Hold a record whose start cannot be read: no window can rule it out."""
        if record.appointment.start is not None or not record.field_errors:
            return False
        if self.policy.direction.reaches(record.side.other):
            field_error = record.field_errors[0]
            self._hold(record, field_error.reason, field_error.detail)
        return True

    # --- contacts

    def _contact(self, record: Snapshot) -> Resolution | str:
        """The record's contact on the other side; a text where the link does not flow that way."""
        if not self.policy.direction.reaches(record.side.other):
            return "the link does not flow that way"
        ruled = self.policy.override(record.id).contact
        if ruled and record.side is Side.GHL:
            return Known(id=ruled)
        if record.id not in self._resolved:
            self._resolved[record.id] = self._resolve(record, ruled)
        return self._resolved[record.id]

    def _resolve(self, record: Snapshot, ruled: str) -> Resolution:
        names = self.contacts.from_ghl if record.side is Side.GHL else self.contacts.from_hubspot
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
            candidates=tuple(matching or contacts),
        )

    def _own_contact(self, record: Snapshot) -> str:
        """The record's contact on its own side: the only one, or the only one that matches."""
        if len(record.contacts) <= 1:
            return record.appointment.contact or (record.contacts[0] if record.contacts else "")
        ruled = self.policy.override(record.id).contact
        if ruled in record.contacts:
            return ruled
        names = self.contacts.from_hubspot
        matching = [c for c in record.contacts if isinstance(names.get(c), Known)]
        return matching[0] if len(matching) == 1 and not self._is_unread(record) else ""

    def _is_unread(self, record: Snapshot) -> bool:
        """Whether one of its contacts could not be looked up."""
        names = self.contacts.from_ghl if record.side is Side.GHL else self.contacts.from_hubspot
        found = map(names.get, record.contacts)
        return any(isinstance(each, Unresolved) and each.unread for each in found)

    def _key(self, record: Snapshot, side: Side = Side.HUBSPOT) -> MatchKey:
        """The record's match key: its contact's id on `side`, and its start."""
        own, start = self._own_contact(record), record.appointment.start
        ruled = self.policy.override(record.id).contact if record.side is Side.GHL else ""
        match record.side, side:
            case (Side.GHL, Side.HUBSPOT):
                return (ruled or _known(self.contacts.from_ghl, own), start)
            case (Side.HUBSPOT, Side.GHL):
                return (_known(self.contacts.from_hubspot, own), start)
            case (Side.HUBSPOT, Side.HUBSPOT):
                # Two HubSpot contacts may be one person: HighLevel's contact tells.
                person = _known(self.contacts.from_hubspot, own)
                return (_known(self.contacts.from_ghl, person) or own, start)
            case _:
                return (own, start)

    # --- outcomes

    def _pair(self, ghl: Snapshot, hubspot: Snapshot) -> None:
        self.ghl.pop(ghl.id, None)
        self.hubspot.pop(hubspot.id, None)
        contact = self._own_contact(hubspot)
        known = self.contacts.from_ghl.get(ghl.appointment.contact)
        if isinstance(known, Known) and known.id in hubspot.contacts:
            contact = known.id
        self._occupy(ghl, {ghl.appointment.contact})
        self._occupy(hubspot, {contact, self._key(hubspot)[0]})
        pair = first_pair(ghl, hubspot, self.policy, contact)
        self.sightings.append(Sighting(pair=pair, ghl=ghl, hubspot=hubspot, met=True))

    def _occupy(self, record: Snapshot, contacts: Iterable[str]) -> None:
        """Note the match keys of an active record, for others with the same key."""
        for contact in contacts:
            if not record.gone:
                self.occupied[record.side, (contact, record.appointment.start)].append(record)

    def _hold(
        self, record: Snapshot, reason: str, detail: str, candidates: Iterable[str] = ()
    ) -> None:
        self.holds.append(
            Hold(
                reason=reason,
                detail=detail,
                ghl_id=record.id if record.side is Side.GHL else "",
                hubspot_id=record.id if record.side is Side.HUBSPOT else "",
                starts_at=record.appointment.start,
                title=record.appointment.title,
                fingerprint=slot_fingerprint(record),
                candidates=tuple(sorted({*candidates})),
            )
        )

    def result(self) -> Observed:
        """The pairs, the new records and the holds that were found."""
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
