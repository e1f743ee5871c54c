"""Random crowds of strangers: nobody is paired twice, made twice, or judged by the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import permutations
from random import Random
from typing import Protocol, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_sides import BOOK, GHL, HUBSPOT, NOW, STATUSES, appointment, policy

from syncd.core.contacts import Known
from syncd.core.matching import match_unpaired
from syncd.core.model import Missing, Side, Snapshot
from syncd.core.observe import Observed, Seen, UnpairedRecords
from syncd.core.policy import Override, Policy

STARTS = [NOW + timedelta(days=days) for days in (1, 1, 1, 2, 400)]
"""Mostly the same one, so that strangers do meet."""
LENGTHS = (timedelta(minutes=30), timedelta(minutes=45), None)
GHL_IDS, HUBSPOT_IDS = ("g1", "g2", "g3"), ("501", "502", "503")
OFTEN_THERE = (False, False, False, False, False, True)

Crowd = tuple[UnpairedRecords, Policy]
T = TypeVar("T")


class Pick(Protocol):
    """Chooses one of several."""

    def __call__(self, among: Sequence[T], /) -> T: ...


def _booking(pick: Pick, record_id: str) -> Snapshot:
    contact, start, length = pick(("ann", "bob")), pick(STARTS), pick(LENGTHS)
    shown = appointment(
        GHL,
        start=start,
        end=start + (length or timedelta(minutes=30)),
        contact=contact,
        status=pick(("confirmed", "confirmed", "showed", "cancelled")),
    )
    return Snapshot(
        side=GHL, id=record_id, appointment=shown, contacts=(contact,), gone=pick(OFTEN_THERE)
    )


def _record(pick: Pick, record_id: str) -> Snapshot:
    contacts: tuple[str, ...]
    contacts = pick((("51",), ("51",), ("52",), ("51", "99"), ("51", "52"), ()))
    start, length = pick(STARTS), pick(LENGTHS)
    shown = appointment(
        HUBSPOT,
        start=start,
        end=start + length if length else None,
        contact=contacts[0] if len(contacts) == 1 else "",
        status=pick(("SCHEDULED", "SCHEDULED", "COMPLETED", "CANCELLED")),
    )
    carried = pick(("", "", "", *GHL_IDS, "g9", "g8"))
    return Snapshot(
        side=HUBSPOT,
        id=record_id,
        appointment=shown,
        contacts=contacts,
        gone=pick(OFTEN_THERE),
        external_id=carried,
        location_id=pick(("loc", "loc", "elsewhere")) if carried else "",
    )


def _crowd(pick: Pick) -> Crowd:
    """Three strangers on each side in some order, and what people may have ruled."""
    ghl: dict[str, Seen] = {name: _booking(pick, name) for name in _shuffled(pick, GHL_IDS)}
    hubspot = {name: _record(pick, name) for name in _shuffled(pick, HUBSPOT_IDS)}
    ghl["g9"] = Missing(detail="404")
    ruled = pick(("", "", *GHL_IDS, *HUBSPOT_IDS))
    override = pick((Override(separate=True), Override(ignore=True)))
    rules = policy(overrides={ruled: override} if ruled else {})
    return UnpairedRecords(ghl=ghl, hubspot=hubspot, paired_ids=frozenset({"g8"})), rules


def _shuffled(pick: Pick, names: Sequence[str]) -> Sequence[str]:
    return pick(tuple(permutations(names)))


@st.composite
def crowds(draw: st.DrawFn) -> Crowd:
    """Crowds that hypothesis thinks of."""

    def pick(among: Sequence[T], /) -> T:
        return draw(st.sampled_from(among))

    return _crowd(pick)


def every_crowd(check: Callable[[Crowd], None]) -> Callable[[], None]:
    """Check many crowds that are drawn evenly, and then those that hypothesis thinks of.

    Hypothesis likes crowds in which nobody is like another.
    """

    def run() -> None:
        for seed in range(10 * settings().max_examples):
            check(_crowd(Random(seed).choice))
        given(crowd=crowds())(check)()

    run.__doc__ = check.__doc__
    return run


def met(crowd: Crowd) -> Observed:
    return match_unpaired(crowd[0], BOOK, crowd[1], STATUSES)


def _everybody(seen: Observed) -> list[str]:
    paired = [name for s in seen.sightings for name in (s.pair.ghl_id, s.pair.hubspot_id)]
    new = [newcomer.record.id for newcomer in seen.new_records]
    return [*paired, *new, *(hold.ghl_id or hold.hubspot_id for hold in seen.holds)]


@every_crowd
def test_everybody_ends_in_one_place_at_most(crowd: Crowd) -> None:
    names = _everybody(met(crowd))
    assert len(names) == len(set(names))


@every_crowd
def test_every_living_record_in_scope_ends_somewhere(crowd: Crowd) -> None:
    unpaired, rules = crowd
    names = set(_everybody(met(crowd)))
    living = [r for r in unpaired.ghl.values() if isinstance(r, Snapshot)]
    living += [r for r in unpaired.hubspot.values() if rules.belongs(r)]
    for record in living:
        if record.gone or not rules.window.holds(record.appointment.start):
            continue
        assert record.id in names or rules.override(record.id).ignore


@every_crowd
def test_who_is_out_of_scope_is_left_alone(crowd: Crowd) -> None:
    """Made, held or paired unasked is only what starts within the window."""
    (unpaired, rules), seen = crowd, met(crowd)
    records = {**unpaired.ghl, **unpaired.hubspot}
    touched = {newcomer.record.id for newcomer in seen.new_records}
    touched |= {hold.ghl_id or hold.hubspot_id for hold in seen.holds}
    for sighting in seen.sightings:
        if isinstance(sighting.hubspot, Snapshot) and not sighting.hubspot.external_id:
            touched.add(sighting.hubspot.id)
    for name in touched:
        record = records[name]
        assert isinstance(record, Snapshot)
        assert rules.window.holds(record.appointment.start)


@every_crowd
def test_the_order_in_which_they_come_changes_nothing(crowd: Crowd) -> None:
    unpaired, rules = crowd
    turned = UnpairedRecords(
        ghl=dict(sorted(unpaired.ghl.items())),
        hubspot=dict(sorted(unpaired.hubspot.items(), reverse=True)),
        paired_ids=unpaired.paired_ids,
    )
    one, other = met(crowd), met((turned, rules))
    assert _sorted(one) == _sorted(other)


def _sorted(seen: Observed) -> tuple[object, ...]:
    pairs = sorted((s.pair.ghl_id, s.pair.hubspot_id) for s in seen.sightings)
    new = sorted(newcomer.record.id for newcomer in seen.new_records)
    holds = sorted((hold.ghl_id or hold.hubspot_id, hold.reason) for hold in seen.holds)
    return pairs, new, holds


@every_crowd
def test_who_is_not_known_by_its_id_meets_its_like_only(
    crowd: Crowd,
) -> None:
    for sighting in met(crowd).sightings:
        ghl, hubspot = sighting.ghl, sighting.hubspot
        assert isinstance(ghl, Snapshot)
        assert isinstance(hubspot, Snapshot)
        if hubspot.external_id != ghl.id:
            assert _cancelled(ghl) == _cancelled(hubspot)
            assert ghl.appointment.start == hubspot.appointment.start
            assert hubspot.appointment.end in {None, ghl.appointment.end}
            assert not ghl.gone
            assert not hubspot.gone


@every_crowd
def test_nobody_is_made_beside_its_like(crowd: Crowd) -> None:
    """Never a newcomer where a living stranger across has its contact and start."""
    unpaired, rules = crowd
    across: dict[Side, list[Snapshot]] = {
        HUBSPOT: [r for r in unpaired.ghl.values() if isinstance(r, Snapshot)],
        GHL: [r for r in unpaired.hubspot.values() if rules.belongs(r)],
    }
    seen = met(crowd)
    paired_for = {s.pair.hubspot_id: (s.pair.hubspot.contact,) for s in seen.sightings}
    for newcomer in seen.new_records:
        record = newcomer.record
        assert not record.external_id or rules.override(record.id).separate
        assert isinstance(newcomer.contact, Known)
        if rules.override(record.id).separate:
            continue
        for other in across[record.side]:
            ruled = rules.override(other.id)
            if other.gone or ruled.separate or ruled.ignore:
                continue
            alike = (
                newcomer.contact.id in paired_for.get(other.id, other.contacts)
                and other.appointment.start == record.appointment.start
                and _cancelled(other) == _cancelled(record)
            )
            assert not alike


def _cancelled(record: Snapshot) -> bool:
    return STATUSES.is_cancelled(record.side, record.appointment.status)
