"""Random crowds of strangers: nobody is paired twice, made twice, or judged by the queue."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from worlds import BOOK, GHL, HUBSPOT, NOW, STATUSES, appointment, policy

from syncd.core.contacts import Known
from syncd.core.model import Missing, Side, Snapshot
from syncd.core.observe import Observed, Seen, Strangers, meet
from syncd.core.policy import Policy, Ruling

STARTS = st.sampled_from([NOW + timedelta(days=days) for days in (1, 2, 400)])
LENGTHS = st.sampled_from((timedelta(minutes=30), timedelta(minutes=45), None))
GHL_IDS, HUBSPOT_IDS = ("g1", "g2", "g3"), ("501", "502", "503")


@st.composite
def bookings(draw: st.DrawFn, record_id: str) -> Snapshot:
    contact, start, length = draw(st.sampled_from(("ann", "bob"))), draw(STARTS), draw(LENGTHS)
    shown = appointment(
        GHL,
        start=start,
        end=start + (length or timedelta(minutes=30)),
        contact=contact,
        status=draw(st.sampled_from(("confirmed", "confirmed", "showed", "cancelled"))),
    )
    return Snapshot(
        side=GHL,
        id=record_id,
        appointment=shown,
        contacts=(contact,),
        gone=draw(st.integers(0, 5)) == 0,
    )


@st.composite
def records(draw: st.DrawFn, record_id: str) -> Snapshot:
    contacts = draw(st.sampled_from((("51",), ("51",), ("52",), ("51", "99"), ("51", "52"), ())))
    start, length = draw(STARTS), draw(LENGTHS)
    shown = appointment(
        HUBSPOT,
        start=start,
        end=start + length if length else None,
        contact=contacts[0] if len(contacts) == 1 else "",
        status=draw(st.sampled_from(("SCHEDULED", "SCHEDULED", "COMPLETED", "CANCELLED"))),
    )
    carried = draw(st.sampled_from(("", "", "", *GHL_IDS, "g9", "g8")))
    return Snapshot(
        side=HUBSPOT,
        id=record_id,
        appointment=shown,
        contacts=contacts,
        gone=draw(st.integers(0, 5)) == 0,
        carried_id=carried,
        location_id=draw(st.sampled_from(("loc", "loc", "elsewhere"))) if carried else "",
    )


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Strangers, Policy]:
    """Up to three strangers on each side, and what people may have ruled."""
    ghl: dict[str, Seen] = {name: draw(bookings(name)) for name in draw(st.permutations(GHL_IDS))}
    hubspot = {name: draw(records(name)) for name in draw(st.permutations(HUBSPOT_IDS))}
    ghl["g9"] = Missing(detail="404")
    ruled = draw(st.sampled_from(("", "", *GHL_IDS, *HUBSPOT_IDS)))
    ruling = draw(st.sampled_from((Ruling(separate=True), Ruling(ignore=True))))
    rules = policy(rulings={ruled: ruling} if ruled else {})
    return Strangers(ghl=ghl, hubspot=hubspot, paired_ids=frozenset({"g8"})), rules


def met(crowd: tuple[Strangers, Policy]) -> Observed:
    return meet(crowd[0], BOOK, crowd[1], STATUSES)


def _everybody(seen: Observed) -> list[str]:
    paired = [name for s in seen.sightings for name in (s.pair.ghl_id, s.pair.hubspot_id)]
    new = [newcomer.record.id for newcomer in seen.newcomers]
    return [*paired, *new, *(hold.ghl_id or hold.hubspot_id for hold in seen.holds)]


@given(crowd=crowds())
def test_everybody_ends_in_one_place_at_most(crowd: tuple[Strangers, Policy]) -> None:
    names = _everybody(met(crowd))
    assert len(names) == len(set(names))


@given(crowd=crowds())
def test_every_living_record_in_scope_ends_somewhere(crowd: tuple[Strangers, Policy]) -> None:
    strangers, rules = crowd
    names = set(_everybody(met(crowd)))
    living = [r for r in strangers.ghl.values() if isinstance(r, Snapshot)]
    living += [r for r in strangers.hubspot.values() if rules.belongs(r)]
    for record in living:
        if record.gone or not rules.window.holds(record.appointment.start):
            continue
        assert record.id in names or rules.ruling(record.id).ignore


@given(crowd=crowds())
def test_the_order_in_which_they_come_changes_nothing(crowd: tuple[Strangers, Policy]) -> None:
    strangers, rules = crowd
    turned = Strangers(
        ghl=dict(sorted(strangers.ghl.items())),
        hubspot=dict(sorted(strangers.hubspot.items(), reverse=True)),
        paired_ids=strangers.paired_ids,
    )
    one, other = met(crowd), met((turned, rules))
    assert _sorted(one) == _sorted(other)


def _sorted(seen: Observed) -> tuple[object, ...]:
    pairs = sorted((s.pair.ghl_id, s.pair.hubspot_id) for s in seen.sightings)
    new = sorted(newcomer.record.id for newcomer in seen.newcomers)
    holds = sorted((hold.ghl_id or hold.hubspot_id, hold.reason) for hold in seen.holds)
    return pairs, new, holds


@given(crowd=crowds())
def test_a_cancelled_record_meets_a_living_one_only_by_its_id(
    crowd: tuple[Strangers, Policy],
) -> None:
    for sighting in met(crowd).sightings:
        ghl, hubspot = sighting.ghl, sighting.hubspot
        assert isinstance(ghl, Snapshot)
        assert isinstance(hubspot, Snapshot)
        if hubspot.carried_id != ghl.id:
            assert _cancelled(ghl) == _cancelled(hubspot)
            assert ghl.appointment.start == hubspot.appointment.start
            assert not ghl.gone
            assert not hubspot.gone


@given(crowd=crowds())
def test_nobody_is_made_beside_its_like(crowd: tuple[Strangers, Policy]) -> None:
    """Never a newcomer where a living stranger across has its contact and start."""
    strangers, rules = crowd
    across: dict[Side, list[Snapshot]] = {
        HUBSPOT: [r for r in strangers.ghl.values() if isinstance(r, Snapshot)],
        GHL: [r for r in strangers.hubspot.values() if rules.belongs(r)],
    }
    seen = met(crowd)
    paired_for = {s.pair.hubspot_id: (s.pair.hubspot.contact,) for s in seen.sightings}
    for newcomer in seen.newcomers:
        record = newcomer.record
        assert not record.carried_id or rules.ruling(record.id).separate
        assert isinstance(newcomer.contact, Known)
        if rules.ruling(record.id).separate:
            continue
        for other in across[record.side]:
            ruled = rules.ruling(other.id)
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
